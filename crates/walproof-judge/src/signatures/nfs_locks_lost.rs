//! Signature `nfs-locks-lost`: the NFS client could not keep or get back its locks.

use super::{Gravity, Signature};

/// The NFS client could not keep or get back its locks.
pub static SIGNATURE: Signature = Signature {
    name: "nfs-locks-lost",
    line: "The NFS client could not keep or get back its locks",
    explain: include_str!("nfs_locks_lost.md"),
    gravity: Gravity::Damage,
    phrases: &[
        &["lock reclaim failed"],
        &["lockd: cannot monitor"],
        &["lockd: server"],
        &["statd", "cannot monitor"],
        &["cannot monitor", "lockd"],
    ],
    unless: &["blockd"],
    ..Signature::NOTHING
};

//! Signature `nfs-silly-rename`: a file was deleted on NFS while somebody had it open.

use super::{Gravity, Signature};

/// A file was deleted on NFS while somebody had it open.
pub static SIGNATURE: Signature = Signature {
    name: "nfs-silly-rename",
    line: "A file was deleted on NFS while somebody had it open",
    explain: include_str!("nfs_silly_rename.md"),
    gravity: Gravity::Context,
    phrases: &[&[".nfs0"]],
    ..Signature::NOTHING
};

//! Signature `block-device-failed`: the kernel reports errors of a disk or of a local file system.

use super::{Gravity, Signature};

/// The kernel reports errors of a disk or of a local file system.
pub static SIGNATURE: Signature = Signature {
    name: "block-device-failed",
    line: "The kernel reports errors of a disk or of a local file system",
    explain: include_str!("block_device_failed.md"),
    gravity: Gravity::Damage,
    phrases: &[
        &["blk_update_request"],
        &["buffer i/o error on dev"],
        &["i/o error, dev "],
        &["ext4-fs error"],
        &["metadata i/o error"],
        &["critical medium error"],
        &["btrfs error"],
        &["btrfs: error"],
        &["critical target error"],
        &["unrecovered read error"],
    ],
    ..Signature::NOTHING
};

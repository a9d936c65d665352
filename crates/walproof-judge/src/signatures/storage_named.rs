//! Signature `storage-named`: a line names the storage that a database lies on.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A line names the storage that a database lies on.
pub static SIGNATURE: Signature = Signature {
    name: "storage-named",
    line: "A line names the storage that a database lies on",
    explain: include_str!("storage_named.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["/host_mnt"],
        &["/mnt/user/"],
        &["nfs"],
        &["cifs"],
        &["smb"],
        &["virtiofs"],
        &["grpcfuse"],
        &["grpc-fuse"],
        &["osxfs"],
        &["fuse."],
        &[" fuse"],
        &["9p "],
        &["drvfs"],
        &["vboxsf"],
        &["vmhgfs"],
        &["glusterfs"],
        &["cephfs"],
        &["nobrl"],
        &["nolock"],
        &["docker-desktop"],
        &["docker desktop"],
        &["orbstack"],
        &["mergerfs"],
        &["shfs"],
        &["rclone"],
        &["s3fs"],
        &["gcsfuse"],
        &["wsl"],
        &["azurefile"],
        &["azure files"],
        &["local_lock=all"],
        &["jffs2"],
        &["exfat"],
    ],
    confirm: Some(names_it_with_a_database_or_a_mount),
    names_storage: true,
    ..Signature::NOTHING
};

fn names_it_with_a_database_or_a_mount(reading: &Reading) -> bool {
    (reading.is_about_a_database() || is_line_of_a_mount_table(&reading.text)) && !reading.grounds().is_empty()
}

/// `SOURCE on TARGET type TYPE (OPTIONS)`, or `SOURCE TARGET TYPE rw,...`.
fn is_line_of_a_mount_table(text: &str) -> bool {
    let mut words = text.split_whitespace();
    (text.contains(" on /") && text.contains(" type "))
        || words.any(|word| word.starts_with("rw,") || word.starts_with("ro,"))
}

//! Signature `single-file-mounted`: a database file alone is mounted, without its directory.

use super::{Gravity, Signature};
use crate::logs::{Ground, Reading};

/// A database file alone is mounted, without its directory.
pub static SIGNATURE: Signature = Signature {
    name: "single-file-mounted",
    line: "A database file alone is mounted, without its directory",
    explain: include_str!("single_file_mounted.md"),
    gravity: Gravity::Context,
    phrases: &[&[".db:/"], &[".sqlite:/"], &[".sqlite3:/"]],
    confirm: Some(mounts_a_file),
    ..Signature::NOTHING
};

fn mounts_a_file(reading: &Reading) -> bool {
    reading.names(Ground::SingleFile)
}

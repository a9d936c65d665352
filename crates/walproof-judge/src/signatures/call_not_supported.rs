//! Signature `call-not-supported`: the file system refuses a call that SQLite needs.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// The file system refuses a call that SQLite needs.
pub static SIGNATURE: Signature = Signature {
    name: "call-not-supported",
    line: "The file system refuses a call that SQLite needs",
    explain: include_str!("call_not_supported.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["function not implemented"],
        &["invalid argument"],
        &["no locks available"],
        &["no such device"],
        &["operation not supported"],
        &["enosys"],
        &["enolck"],
        &["enodev"],
    ],
    confirm: Some(is_of_a_file_of_sqlite),
    ..Signature::NOTHING
};

fn is_of_a_file_of_sqlite(reading: &Reading) -> bool {
    let of_a_call =
        ["f_setlk", "f_ofd_setlk", "-shm", "-wal", "os_unix.c"].iter().any(|word| reading.text.contains(word));
    of_a_call || reading.code.is_some_and(|code| code & 0xff == 10)
}

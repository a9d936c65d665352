//! Signature `wal-file-gone`: a -wal or -shm that was expected is not there, or was deleted while open.

use super::{Gravity, Signature};

/// A -wal or -shm that was expected is not there, or was deleted while open.
pub static SIGNATURE: Signature = Signature {
    name: "wal-file-gone",
    line: "A -wal or -shm that was expected is not there, or was deleted while open",
    explain: include_str!("wal_file_gone.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["-wal: no such file"],
        &["-shm: no such file"],
        &["-wal (deleted)"],
        &["-shm (deleted)"],
        &["-wal': no such file"],
        &["-shm': no such file"],
    ],
    ..Signature::NOTHING
};

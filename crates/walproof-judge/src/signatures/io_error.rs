//! Signature `io-error`: a call to the file system failed, and the line does not say which: SQLITE_IOERR.

use super::{Gravity, Signature};

/// A call to the file system failed, and the line does not say which: SQLITE_IOERR.
pub static SIGNATURE: Signature = Signature {
    name: "io-error",
    line: "A call to the file system failed, and the line does not say which: SQLITE_IOERR",
    explain: include_str!("io_error.md"),
    gravity: Gravity::Loud,
    codes: &[10],
    ..Signature::NOTHING
};

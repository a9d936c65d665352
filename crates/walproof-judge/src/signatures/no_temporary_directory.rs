//! Signature `no-temporary-directory`: SQLite found no place for temporary files: SQLITE_IOERR_GETTEMPPATH.

use super::{Gravity, Signature};

/// SQLite found no place for temporary files: SQLITE_IOERR_GETTEMPPATH.
pub static SIGNATURE: Signature = Signature {
    name: "no-temporary-directory",
    line: "SQLite found no place for temporary files: SQLITE_IOERR_GETTEMPPATH",
    explain: include_str!("no_temporary_directory.md"),
    gravity: Gravity::Loud,
    codes: &[6410, 270],
    phrases: &[
        &["temporary database file for storing temporary tables"],
        &["sqlite_tmpdir"],
        &["unable to create temporary file", "sqlite"],
    ],
    ..Signature::NOTHING
};

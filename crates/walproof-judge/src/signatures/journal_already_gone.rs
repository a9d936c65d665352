//! Signature `journal-already-gone`: a journal that was to be deleted was already gone: SQLITE_IOERR_DELETE_NOENT.

use super::{Gravity, Signature};

/// A journal that was to be deleted was already gone: SQLITE_IOERR_DELETE_NOENT.
pub static SIGNATURE: Signature = Signature {
    name: "journal-already-gone",
    line: "A journal that was to be deleted was already gone: SQLITE_IOERR_DELETE_NOENT",
    explain: include_str!("journal_already_gone.md"),
    gravity: Gravity::Damage,
    codes: &[5898],
    ..Signature::NOTHING
};

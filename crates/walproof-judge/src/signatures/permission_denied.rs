//! Signature `permission-denied`: the system refuses a file of a database.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// The system refuses a file of a database.
pub static SIGNATURE: Signature = Signature {
    name: "permission-denied",
    line: "The system refuses a file of a database",
    explain: include_str!("permission_denied.md"),
    gravity: Gravity::Loud,
    phrases: &[&["permission denied"], &["eacces"], &["operation not permitted"], &["eperm"]],
    confirm: Some(is_of_a_database_file),
    ..Signature::NOTHING
};

/// Other engines deny tables and databases; files are denied by the system.
fn is_of_a_database_file(reading: &Reading) -> bool {
    reading.path().is_some() || reading.code.is_some() || reading.text.contains("sqlite")
}

//! Signature `path-is-a-directory`: a directory lies where the database should be.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A directory lies where the database should be.
pub static SIGNATURE: Signature = Signature {
    name: "path-is-a-directory",
    line: "A directory lies where the database should be",
    explain: include_str!("path_is_a_directory.md"),
    gravity: Gravity::Loud,
    codes: &[526],
    phrases: &[&["is a directory"]],
    confirm: Some(is_about_the_database),
    ..Signature::NOTHING
};

fn is_about_the_database(reading: &Reading) -> bool {
    reading.code.is_some() || reading.path().is_some()
}

//! Values that come from a command line, checked before they stand in a manifest, and written so that they read back as
//! themselves.
//!
//! What it must not do: repair a value. What is not taken is said, with what would be.
//!
//! Where to look next: `compose` and `kubernetes`, which write them.

use std::fmt;

use super::{Asked, Backup, User, Wanted};
use crate::fixes::filled_by_images;
use crate::render::is_obeyed;

/// A value that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Which: the name of its flag without dashes.
    pub what: &'static str,
    /// The value.
    pub value: String,
    /// Why, and what would be taken.
    pub because: String,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is not taken for `--{}`: {}", self.value.escape_debug(), self.what, self.because)
    }
}

impl std::error::Error for NotTaken {}

fn not(what: &'static str, value: &str, because: &str) -> NotTaken {
    NotTaken { what, value: value.to_owned(), because: because.to_owned() }
}

/// Where copies go in the copier's container.
const BACKUP: &str = "/backup";
const NAME_LENGTH_MAX: usize = 40;

/// Everything, or the first value that is not taken.
pub(super) fn check(asked: &Asked) -> Result<Wanted, NotTaken> {
    let image = image("image", &asked.image)?;
    let (directory, file) = path(&asked.path)?;
    let name = match &asked.name {
        Some(name) => label("name", name)?,
        None => label("name", last_part(&image))?,
    };
    if asked.port == Some(0) {
        return Err(not("port", "0", "a port is 1 to 65535"));
    }
    let user = asked.user.as_deref().map(user).transpose()?;
    let backup = match &asked.backup {
        Backup::None => Backup::None,
        Backup::VacuumInto(made_by) => Backup::VacuumInto(self::image("backup-image", made_by)?),
        Backup::Litestream(made_by) => Backup::Litestream(self::image("backup-image", made_by)?),
    };
    if backup != Backup::None && user.is_none() {
        let because = "copies are made by another image: say as whom both run, or one cannot read the other's files";
        return Err(not("user", "", because));
    }
    let storage_class = asked.storage_class.as_deref().map(|class| subdomain("storage-class", class)).transpose()?;
    Ok(Wanted { image, directory, file, name, port: asked.port, user, backup, storage_class, size: size(&asked.size)? })
}

/// `registry:5000/name:tag@sha256:...`
fn image(what: &'static str, value: &str) -> Result<String, NotTaken> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let taken = value.chars().all(plain) && value.starts_with(|c: char| c.is_ascii_alphanumeric());
    taken.then(|| value.to_owned()).ok_or_else(|| not(what, value, "an image is `name`, `name:tag` or `name@digest`"))
}

fn last_part(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next().unwrap_or(name)
}

/// The directory and the name of the file.
fn path(value: &str) -> Result<(String, String), NotTaken> {
    let normal =
        value.starts_with('/') && !value.contains("//") && !value.split('/').any(|part| matches!(part, "." | ".."));
    let strange = |c: char| is_obeyed(c) || matches!(c, '"' | '\'' | '\\' | '$' | '`' | ':' | '*' | '?');
    if !normal || value.ends_with('/') || value.contains(strange) || value.len() > 1024 {
        return Err(not(
            "path",
            value,
            "give the whole path of the file, such as `/data/app.db`, without quotes, `$`, `:`, `*` or `?`",
        ));
    }
    let (directory, file) = value.rsplit_once('/').unwrap_or(("", value));
    if ["-wal", "-shm", "-journal"].iter().any(|side| file.ends_with(side)) {
        return Err(not(
            "path",
            value,
            "that is a file which SQLite keeps beside a database: give the database itself",
        ));
    }
    if directory == BACKUP || directory.strip_prefix(BACKUP).is_some_and(|rest| rest.starts_with('/')) {
        return Err(not("path", value, "copies go to `/backup`: the database needs a directory elsewhere"));
    }
    if filled_by_images(directory) {
        let because = "the directory of the database becomes the mount, and this one would hide what the image has there: let \
                       the application keep it in a directory of its own";
        return Err(not("path", value, because));
    }
    Ok((directory.to_owned(), file.to_owned()))
}

fn label(what: &'static str, value: &str) -> Result<String, NotTaken> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let begins = value.starts_with(|c: char| c.is_ascii_lowercase());
    let taken = value.chars().all(plain) && begins && value.ends_with(edge) && value.len() <= NAME_LENGTH_MAX;
    let because = "a name has small letters, digits and dashes, begins with a letter and is at most 40 long";
    taken.then(|| value.to_owned()).ok_or_else(|| not(what, value, because))
}

fn subdomain(what: &'static str, value: &str) -> Result<String, NotTaken> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let taken = !value.is_empty() && value.chars().all(plain) && value.starts_with(edge) && value.ends_with(edge);
    let because = "a storage class has small letters, digits, dashes and dots";
    (taken && value.len() <= 253).then(|| value.to_owned()).ok_or_else(|| not(what, value, because))
}

/// `1000` or `1000:1000`.
fn user(value: &str) -> Result<User, NotTaken> {
    let (uid, gid) = value.split_once(':').unwrap_or((value, value));
    let number = |text: &str| text.parse::<u32>().ok().filter(|id| id.to_string() == text && *id < u32::MAX / 2);
    match (number(uid), number(gid)) {
        (Some(uid), Some(gid)) => Ok(User { uid, gid }),
        _ => Err(not("user", value, "give numbers, `1000` or `1000:1000`: only the image knows its names")),
    }
}

fn size(value: &str) -> Result<String, NotTaken> {
    let number = ["Mi", "Gi", "Ti"].into_iter().find_map(|unit| value.strip_suffix(unit));
    let taken =
        number.is_some_and(|number| number.parse::<u32>().is_ok_and(|count| count > 0 && count.to_string() == number));
    taken.then(|| value.to_owned()).ok_or_else(|| not("size", value, "a size is `500Mi`, `1Gi` or `2Ti`"))
}

/// A checked value, without control characters, as YAML reads it back: plain where nothing in it means anything, else in double quotes.
pub(super) fn yaml(value: &str) -> String {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && !WORDS.contains(&value.to_ascii_lowercase().as_str());
    if plain { value.to_owned() } else { quoted(value) }
}

/// The same, in double quotes.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Lines under a key, each with so many spaces before it.
pub(super) fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{:spaces$}{line}\n", "")).collect()
}

//! Sound manifests from nothing: an image and the path of its database in, the text of a Compose file or of a
//! StatefulSet out, with the reason of each choice in a comment beside it.
//!
//! What this room is: [`Wanted`] holds what was asked for, checked, so that no value can break out of its place; `compose` and
//! `kubernetes` write it down.
//!
//! What it must not do: guess. A user that nobody named, a program that the image may not have, a storage class that nobody
//! chose are left out and said. It writes no hook and no check of health that opens the database with another SQLite.
//!
//! Where to look next: docs/manifest.md; `crate::check`, which finds nothing unsafe or risky in what is written here.

mod compose;
mod kubernetes;
mod values;

use std::fmt;

pub use values::NotTaken;

/// What a manifest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Docker Compose or Podman's.
    Compose,
    /// A StatefulSet and its Service.
    Kubernetes,
}

/// How copies of the database are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backup {
    /// Not at all.
    #[default]
    None,
    /// `VACUUM INTO` once a day, by this image, which has `sqlite3` and a shell.
    VacuumInto(String),
    /// By this image of Litestream.
    Litestream(String),
}

/// What was asked for, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The application's image.
    pub image: String,
    /// Where the application keeps its database: the whole path of the file in the container.
    pub path: String,
    /// What to call it; without a name, the image's last part.
    pub name: Option<String>,
    /// The port that the application listens on.
    pub port: Option<u16>,
    /// `UID` or `UID:GID` that the application runs as.
    pub user: Option<String>,
    /// Copies.
    pub backup: Backup,
    /// The storage class of the claims.
    pub storage_class: Option<String>,
    /// How large the claims are.
    pub size: String,
}

/// What was asked for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    image: String,
    directory: String,
    file: String,
    name: String,
    port: Option<u16>,
    user: Option<User>,
    backup: Backup,
    storage_class: Option<String>,
    size: String,
}

/// As whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.uid, self.gid)
    }
}

impl Wanted {
    /// The whole path of the database.
    fn path(&self) -> String {
        format!("{}/{}", self.directory, self.file)
    }

    /// The image that makes copies.
    fn backup_image(&self) -> Option<&str> {
        match &self.backup {
            Backup::None => None,
            Backup::VacuumInto(image) | Backup::Litestream(image) => Some(image),
        }
    }
}

/// The manifest, or which value is not taken.
pub fn write(format: Format, asked: &Asked) -> Result<String, NotTaken> {
    let wanted = values::check(asked)?;
    Ok(match format {
        Format::Compose => compose::text(&wanted),
        Format::Kubernetes => kubernetes::text(&wanted),
    })
}

/// Copies once a day into `/backup`, the seven newest kept; a start soon after a copy makes none. A reader that cannot write: it makes no checkpoint and
/// leaves the log alone. It ends at once when it is told to, instead of waiting to be killed.
const COPY_DAILY: &str = r#"trap 'exit 0' TERM INT
while true; do
  copy="/backup/$NAME-$(date -u +%Y%m%dT%H%M%SZ).db"
  if [ -n "$(find /backup -maxdepth 1 -name "$NAME-*.db" -mmin -1200 | head -n 1)" ]; then
    sleep 3600 & wait $!
    continue
  fi
  if [ -s "$DATABASE" ] && sqlite3 -readonly -cmd '.timeout 60000' "$DATABASE" "VACUUM INTO '$copy.part'"; then
    mv "$copy.part" "$copy"
    ls -1t "/backup/$NAME"-*.db | tail -n +8 | while read -r old; do rm -f "$old"; done
  else
    rm -f "$copy.part"
    echo "no copy of $DATABASE was made" >&2
  fi
  sleep 86400 & wait $!
done"#;

#[cfg(test)]
mod tests;

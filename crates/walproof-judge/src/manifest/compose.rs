//! Compose files: text of one or several files in, one typed model out.
//!
//! What this room is: [`parse`] reads YAML (`manifest::yaml`), puts in variables (`variables`), follows `extends` and
//! `include` (`files`), merges (`merge`), and reads the tree into the [`model`] (`read`, `service`, `mounts`).
//! `keys` knows the keys, `quantity` sizes and durations, [`paths`] paths, `lookalikes` files of other kinds.
//!
//! What it must not do: open files, ask the environment or a clock, judge. An odd value is a warning with its place;
//! an error only if there is no project to speak of.
//!
//! Where it departs from Compose, on purpose: a required variable without a value (`${X:?}`), a key that stands
//! twice, an unknown key and a value of the wrong type are warnings, since a file can be judged all the same.
//!
//! Where to look next: [`model::Compose`].

mod files;
mod keys;
mod lookalikes;
mod merge;
pub mod model;
pub(in crate::manifest) mod mounts;
pub mod paths;
pub(in crate::manifest) mod quantity;
mod read;
mod service;
mod variables;

#[cfg(test)]
mod tests;

pub use files::Loaded;
pub use model::{
    Command, Compose, Deploy, Mount, MountKind, MountOptions, Pair, Selinux, Service, Tmpfs, Volume, VolumesFrom,
};

use super::error::{ManifestError, ManifestErrorKind};
use super::span::{Source, Spanned};

/// Which profiles are chosen. A service without profiles always starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles {
    names: Vec<String>,
}

impl Profiles {
    /// No profile.
    pub const fn none() -> Self {
        Self { names: Vec::new() }
    }

    /// These profiles; `*` stands for all.
    pub fn of<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// Whether they start a service that has these.
    fn start(&self, profiles: &[Spanned<String>]) -> bool {
        let chosen = |profile: &Spanned<String>| self.names.iter().any(|name| name == "*" || *name == profile.value);
        profiles.is_empty() || profiles.iter().any(chosen)
    }
}

/// Reads the files of one project, the later ones over the earlier ones.
///
/// `variables` gives the value of a variable, from the environment and from `.env`, as the caller sees fit. `load`
/// gives another file that `include` or `extends` names; it gets the path joined to the directory of the naming file
/// (which is as relative as [`Source::name`] is), or an address as written, and gives the reason if it cannot.
/// `profiles` decides [`Service::active`]; services of other profiles are read as well.
///
/// Errors: no file was given; a file is no YAML, empty, of another kind or beyond every measure; a file that another
/// one names cannot be had; `extends` names a service that is not there; `include` or `extends` goes in a circle.
pub fn parse(
    sources: &[Source<'_>],
    variables: &dyn Fn(&str) -> Option<String>,
    load: &mut dyn FnMut(&str) -> Result<Loaded, String>,
    profiles: &Profiles,
) -> Result<Compose, ManifestError> {
    if sources.is_empty() {
        return Err(no_file());
    }
    let mut files = files::Files::new(variables, load);
    let project = files.assemble(sources)?;
    Ok(read::compose(&project, files, profiles))
}

fn no_file() -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::Empty,
        file: String::new(),
        place: None,
        what: "no file to read".to_owned(),
        because: "the list of files is empty".to_owned(),
        try_this: "name a Compose file".to_owned(),
    }
}

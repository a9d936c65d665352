//! The user's own boundary: containers that open one database, through the mounts that they have.
//!
//! What this room is: who opens which database through what, taken from Compose files (`compose.rs`) or from containers
//! (`container.rs`), and the same laid out one directory deeper, for agents on scratch files (`ground.rs`).
//! What it must not do: open a database of the user's, change or start anything of the user's. What cannot be laid out
//! alike is an error that makes the answer unknown, never left out.
//! Where to look next: `reach.rs`, how an opener reaches its database; `run/verify.rs`, which puts agents there.

pub mod compose;
pub mod container;
mod database;
pub mod ground;
mod reach;

use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::plan::OwnBoundary;

use crate::error::LabError;
use crate::runtimes::{Likeness, Runtime};
use reach::Reach;

/// The name that reports give to it where the name of a world would stand.
pub const NAME: &str = "own";

/// One service or container that opens the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Its name.
    pub name: String,
    /// Its mounts.
    pub mounts: Vec<OwnMount>,
    /// What of it may decide whether SQLite works there.
    pub likeness: Likeness,
    /// Texts in which the path of its database may stand: variables, words of its command.
    pub hints: Vec<String>,
    /// What could not be taken from it, and why.
    pub not_taken: Vec<String>,
    /// Why no agent can be like it; counts only when it opens the database.
    pub obstacle: Option<LabError>,
}

/// A mount of an opener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnMount {
    /// What is mounted.
    pub source: Source,
    /// Where, inside.
    pub target: PathBuf,
    /// Whether it may not write there.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Path(PathBuf),
    /// A volume of the engine, or a directory in it.
    Volume {
        /// The engine's name for it.
        name: String,
        /// The part of it that is mounted.
        subpath: Option<String>,
    },
    /// Memory of this container alone.
    Memory,
    /// It cannot be told.
    Unknown {
        /// Why not.
        because: String,
    },
}

/// The user's own boundary, ready to be laid out.
#[derive(Debug)]
pub struct Own {
    /// Where it was taken from: `compose.yaml`, `container web`.
    from: String,
    reached: Vec<Reached>,
    /// Who else reaches the database, and was not named.
    others: Vec<String>,
}

/// An opener, its database, and how it gets there.
#[derive(Debug)]
struct Reached {
    opener: Opener,
    /// The database's path inside.
    database: PathBuf,
    reach: Reach,
}

/// What a report says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnReport {
    /// Where it was taken from.
    pub from: String,
    /// Who opens the database.
    pub openers: Vec<OpenerReport>,
    /// Who else reaches it, and was not named: no agent was like these.
    pub others: Vec<String>,
    /// How many files of the host these databases are: more than one, and they are not one database.
    pub files: usize,
}

/// What a report says of one opener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenerReport {
    /// Its name.
    pub name: String,
    /// The database's path inside.
    pub database: String,
    /// How it gets there, in words.
    pub reach: String,
    /// The image that its agents ran in; `None`: walproof's own.
    pub image: Option<String>,
    /// The user that they ran as; `None`: the image's.
    pub user: Option<String>,
    /// What could not be taken from it.
    pub not_taken: Vec<String>,
}

impl Own {
    /// Finds out who opens what through what. Nothing is changed by it.
    pub fn find(asked: &OwnBoundary, image: Option<&str>, runtime: &dyn Runtime) -> Result<Own, LabError> {
        let mut openers = compose::openers(asked, image, runtime)?;
        openers.extend(container::openers(&asked.like, runtime)?);
        for opener in &mut openers {
            opener.likeness.image = image.map(str::to_owned).or_else(|| opener.likeness.image.take());
        }
        let found = database::choose(openers, asked, runtime)?;
        let reached = found.chosen.into_iter().map(|(opener, database)| {
            if let Some(obstacle) = &opener.obstacle {
                return Err(obstacle.clone());
            }
            let reach = reach::of(&opener, &database, runtime)?;
            Ok(Reached { opener, database, reach })
        });
        let reached: Vec<Reached> = reached.collect::<Result<_, LabError>>()?;
        let files = asked.compose.join(" + ");
        let likes = asked.like.iter().map(|name| format!("container {name}"));
        let from: Vec<String> = (!files.is_empty()).then_some(files).into_iter().chain(likes).collect();
        Ok(Own { from: from.join(", "), reached, others: found.others })
    }

    /// How many agents there must be so that every opener has one.
    pub fn agents_min(&self) -> u16 {
        self.reached.len() as u16
    }

    /// Every directory of the host in which scratch must be made.
    pub fn places(&self) -> Vec<&Path> {
        let mut places: Vec<&Path> = Vec::new();
        let is_same = |one: &Path, other: &Path| {
            one == other || ground::inode(one).is_some_and(|one| ground::inode(other) == Some(one))
        };
        for place in self.reached.iter().flat_map(|reached| reached.reach.places()) {
            // A directory may be known by several paths: a volume's device, a bind mount of the host's own.
            if !places.iter().any(|known| is_same(known, place)) {
                places.push(place);
            }
        }
        places
    }

    /// What a report says.
    pub fn report(&self) -> OwnReport {
        let openers = self.reached.iter().map(|reached| OpenerReport {
            name: reached.opener.name.clone(),
            database: reached.database.display().to_string(),
            reach: reached.reach.words(),
            image: reached.opener.likeness.image.clone(),
            user: reached.opener.likeness.user.clone(),
            not_taken: reached.opener.not_taken.clone(),
        });
        let private = self.reached.iter().filter(|reached| reached.reach.database(&reached.database).is_none()).count();
        let mut files: Vec<PathBuf> = Vec::new();
        for file in self.reached.iter().filter_map(|reached| reached.reach.database(&reached.database)) {
            if !files.iter().any(|known| ground::is_same_file(known, &file)) {
                files.push(file);
            }
        }
        let files = files.len() + private;
        OwnReport { from: self.from.clone(), openers: openers.collect(), others: self.others.clone(), files }
    }

    /// What could not be taken along, an opener's name before each; and who was left out.
    pub fn not_taken(&self) -> Vec<String> {
        let lines = |reached: &Reached| {
            let name = reached.opener.name.clone();
            reached.opener.not_taken.iter().map(move |line| format!("{name}: {line}")).collect::<Vec<_>>()
        };
        let others =
            self.others.iter().map(|name| format!("{name}, which reaches the same database and was not named"));
        self.reached.iter().flat_map(lines).chain(others).collect()
    }
}

/// What cannot be laid out alike makes the answer unknown.
fn unknown(what: impl Into<String>, because: impl std::fmt::Display, try_this: impl Into<String>) -> LabError {
    LabError::new(what, because, try_this).blind()
}

//! Nemeses: what hurts agents.
//!
//! What this room is: one file with its documentation for each nemesis, the [`NEMESES`] slice. A nemesis strikes and
//! hands out a [`Wound`], which heals when it is dropped: whoever was killed is back, whoever was paused goes on. To
//! add one: a `.rs` with a `pub static`, a `.md`, two lines here.
//! What it must not do: draw random numbers (the plan has drawn them), touch anything outside the run's scratch but the
//! containers that the user named.
//! Where to look next: `run/chaos.rs` carries out the plan.

mod cancel_locks;
mod close_all_connections;
mod deny_fsync;
mod deny_locks;
mod deny_shared_memory;
mod deny_truncate;
mod deny_unlink;
mod drop_unsynced_writes;
mod fake_locks;
pub(crate) mod fill_disk;
mod freeze_agent;
mod hold_reader;
mod kill_agent;
mod kill_all_agents;
mod kill_inside_transaction;
mod kill_target;
mod make_read_only;
mod overwrite_database;
mod pause_agent;
mod pause_target;
mod replace_database;
mod restart_agent;
mod restore_without_wal;
mod run_vacuum;
mod slow_storage;
mod stall_storage;
mod starve_memory;
mod storm_checkpoints;
mod unlink_shm;
mod unlink_sidecars;
mod unlink_wal;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use walproof_format::plan::Rhythm;
use walproof_format::protocol::{Call, RefusedCall};
use walproof_judge::checkers::AnomalyKind;
use walproof_judge::verdict::JournalMode;

use crate::clients::Client;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// All nemeses, by name.
pub static NEMESES: &[&Nemesis] = &[
    &cancel_locks::NEMESIS,
    &close_all_connections::NEMESIS,
    &deny_fsync::NEMESIS,
    &deny_locks::NEMESIS,
    &deny_shared_memory::NEMESIS,
    &deny_truncate::NEMESIS,
    &deny_unlink::NEMESIS,
    &drop_unsynced_writes::NEMESIS,
    &fake_locks::NEMESIS,
    &fill_disk::NEMESIS,
    &freeze_agent::NEMESIS,
    &hold_reader::NEMESIS,
    &kill_agent::NEMESIS,
    &kill_all_agents::NEMESIS,
    &kill_inside_transaction::NEMESIS,
    &kill_target::NEMESIS,
    &make_read_only::NEMESIS,
    &overwrite_database::NEMESIS,
    &pause_agent::NEMESIS,
    &pause_target::NEMESIS,
    &replace_database::NEMESIS,
    &restart_agent::NEMESIS,
    &restore_without_wal::NEMESIS,
    &run_vacuum::NEMESIS,
    &slow_storage::NEMESIS,
    &stall_storage::NEMESIS,
    &starve_memory::NEMESIS,
    &storm_checkpoints::NEMESIS,
    &unlink_shm::NEMESIS,
    &unlink_sidecars::NEMESIS,
    &unlink_wal::NEMESIS,
];

/// What hurts agents.
pub struct Nemesis {
    /// Kebab-case verb phrase.
    pub name: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// When it strikes by default.
    pub rhythm: Rhythm,
    /// Whether it belongs to every run: it must do no harm to a sound boundary.
    pub usual: bool,
    /// What it needs of the ground.
    pub needs: Needs,
    /// What must come of it in WAL mode, on a boundary that is sound.
    pub wal: Effect,
    /// What must come of it in DELETE mode (and TRUNCATE, PERSIST).
    pub rollback: Effect,
    /// Strikes once; dropping the wound heals it.
    pub strike: for<'f> fn(&'f Fleet<'f>, &Strike) -> Result<Wound<'f>, LabError>,
}

/// What a nemesis needs of the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Containers with limits.
    Limits,
    /// Storage behind a file system of ours (`clients`), whose knobs can be turned.
    Client,
    /// A small file system of its own that may be filled.
    SmallDisk,
    /// Containers that the user named by `--target`.
    Target,
}

impl Needs {
    /// A sound world that has it.
    pub fn world(self) -> &'static str {
        match self {
            Self::Nothing | Self::Limits | Self::Target => "shared-directory",
            Self::Client => "one-client-shared",
            Self::SmallDisk => "small-disk",
        }
    }
}

/// What must come of a nemesis on a sound boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// No anomaly, no error.
    Harmless,
    /// SQLite says so with an error, and nothing acknowledged is lost.
    Loud,
    /// One of these anomalies, soon.
    Breaks(&'static [AnomalyKind]),
}

impl Nemesis {
    /// What must come of it in this journal mode.
    pub fn effect(&self, mode: JournalMode) -> Effect {
        match mode {
            JournalMode::Wal => self.wal,
            _ => self.rollback,
        }
    }
}

impl Effect {
    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Loud => "loud",
            Self::Breaks(_) => "breaks",
        }
    }
}

/// What a strike did, until it is healed.
#[must_use = "dropping it heals it at once"]
pub struct Wound<'f> {
    heal: Option<Heal<'f>>,
}

type Heal<'f> = Box<dyn FnOnce() -> Result<(), LabError> + Send + 'f>;

impl<'f> Wound<'f> {
    /// Nothing is left to heal.
    pub fn none() -> Self {
        Self { heal: None }
    }

    /// Healed by this.
    pub fn new(heal: impl FnOnce() -> Result<(), LabError> + Send + 'f) -> Self {
        Self { heal: Some(Box::new(heal)) }
    }

    /// Heals it now, and says whether that worked.
    pub fn heal(mut self) -> Result<(), LabError> {
        self.heal.take().map_or(Ok(()), |heal| heal())
    }
}

impl Drop for Wound<'_> {
    fn drop(&mut self) {
        if let Some(heal) = self.heal.take() {
            let _ = heal();
        }
    }
}

/// The nemesis of this name.
pub fn find(name: &str) -> Option<&'static Nemesis> {
    NEMESES.iter().copied().find(|nemesis| nemesis.name == name)
}

/// What a nemesis that breaks the boundary shows: any of these, whichever comes first. An `unexpected-error` counts when
/// it is more than a loud no: CORRUPT, NOTADB, SHORT_READ are often all that a destroyed file gives (`unlink-wal`,
/// `restore-without-wal`).
const HARD: &[AnomalyKind] = &[
    AnomalyKind::DoubleCommit,
    AnomalyKind::LostCommit,
    AnomalyKind::StaleRead,
    AnomalyKind::TornRead,
    AnomalyKind::PhantomRow,
    AnomalyKind::Regress,
    AnomalyKind::StructuralDamage,
    AnomalyKind::UnexpectedError,
];

/// How old the copies are that are put back.
const COPY_AGE: Duration = Duration::from_millis(100);

/// Starts the struck agent again under a filter that answers these calls with one of these error numbers, until it is
/// healed. Which one follows from the strike: the plan has drawn it.
fn refuse<'f>(fleet: &'f Fleet<'f>, strike: &Strike, call: Call, errnos: &[i32]) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    let errno = errnos[(strike.at_ms as usize + usize::from(agent)) % errnos.len()];
    fleet.cripple(agent, |view| view.quirks.refusals.push(RefusedCall { call, errno }))?;
    Ok(Wound::new(move || fleet.make_whole(agent)))
}

/// Deletes sidecars of the database in every agent's folder.
fn unlink_sidecars(fleet: &Fleet<'_>, suffixes: &[&str]) {
    for view in &fleet.ground().views {
        for suffix in suffixes {
            // Not there is as good: then somebody closed last, or they are gone since the last strike.
            let _ = fs::remove_file(view.sidecar(suffix));
        }
    }
}

/// A copy of the database file alone, beside it, as `cp` makes it: no lock is taken, the WAL is left out.
fn copy_database(fleet: &Fleet<'_>) -> Result<PathBuf, LabError> {
    let database = &fleet.ground().database;
    let copy = database.with_extension("copy");
    fs::copy(database, &copy)
        .map(|_| copy)
        .map_err(|error| LabError::path("cannot copy", database, error, "free space there"))
}

/// Writes a copy over the database file, in place.
fn put_back(fleet: &Fleet<'_>, copy: &Path) -> Result<(), LabError> {
    let database = &fleet.ground().database;
    let put = fs::copy(copy, database).and_then(|_| fs::remove_file(copy));
    put.map_err(|error| LabError::path("cannot write over", database, error, "free space there"))
}

/// The clients of the ground; none is an error.
fn with_clients<'f>(fleet: &'f Fleet<'_>) -> Result<&'f [Client], LabError> {
    let remedy = "the world `one-client-shared`";
    let none = || LabError::new("cannot hurt the storage", "the ground has no client of ours", remedy).blind();
    Some(fleet.clients()).filter(|clients| !clients.is_empty()).ok_or_else(none)
}

/// A WAL or a journal with content, in any agent's folder: whoever opens next must recover.
fn left_behind(fleet: &Fleet<'_>) -> bool {
    let mut views = fleet.ground().views.iter();
    views.any(|view| ["-wal", "-journal"].iter().any(|suffix| has_content(&view.sidecar(suffix))))
}

/// Whether a file is there and not empty.
fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nemeses_are_sorted_documented_and_found_by_name() {
        assert!(NEMESES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for nemesis in NEMESES {
            assert!(find(nemesis.name).is_some());
            for heading in ["## What it does", "## What must come of it", "## References"] {
                assert!(nemesis.explain.contains(heading), "{}: {heading}", nemesis.name);
            }
        }
    }
}

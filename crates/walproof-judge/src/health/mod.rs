//! Whether a database can be used, for probes of orchestrators: [`weigh`] turns looks into one [`Health`].
//!
//! A live database is looked at without locks, so that one look may catch it between two writes. Each conclusion of
//! `conclude.rs` is therefore either one that SQLite's own order of writes rules out in a sound database, or one that has
//! to be there in every look of a series; [`another_look_after_ms`] says how long a series goes on.
//!
//! *Ready* asks whether the database can be used. *Live* asks whether a restart of whoever uses it would mend something,
//! and fails for that alone: what a restart does not mend, or makes worse, never fails it (docs/decisions/0106).
//!
//! What it must not do: take "not seen" for "not there".
//! Where to look next: `look.rs` for what is seen, `walproof_lab::health` for who looks.

mod conclude;
pub mod look;

use serde::{Deserialize, Serialize};

use look::{Gone, Look};

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Would a restart mend something?
    Live,
    /// Can it be used?
    #[default]
    Ready,
}

/// What is asked, and what counts as too much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Live or ready.
    pub asked: Asked,
    /// The greatest `-wal` in bytes.
    pub wal_bytes_max: Option<u64>,
    /// The most committed frames that may wait for a checkpoint.
    pub frames_waiting_max: Option<u32>,
    /// Bytes that must be free on its file system; without it, what SQLite needs next.
    pub free_bytes_min: Option<u64>,
    /// The application only reads: a read-only mount and a full disk are no matter.
    pub reads_only: bool,
    /// It need not be there yet.
    pub may_be_missing: bool,
    /// For how long a series of looks that do not agree may go on.
    pub settle_ms_max: u64,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Nothing speaks against it.
    Healthy,
    /// It cannot be told.
    Unknown,
    /// Something does.
    Unhealthy,
}

impl Answer {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// The exit code. Orchestrators take everything but 0 for a failure, so that only what a restart mends may be one
    /// where a restart follows.
    pub const fn exit_code(self, asked: Asked) -> i32 {
        match (self, asked) {
            (Self::Healthy, _) | (Self::Unknown, Asked::Live) => 0,
            (Self::Unhealthy, _) => 1,
            (Self::Unknown, Asked::Ready) => 3,
        }
    }
}

/// Something that was concluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name, in kebab-case.
    pub name: String,
    /// What follows from it for a probe that asks whether the database is ready.
    pub ready: Answer,
    /// The same for whether it is live.
    pub live: Answer,
    /// What was seen, in one line.
    pub says: String,
    /// What to do about it.
    #[serde(rename = "try")]
    pub try_this: String,
}

impl Finding {
    /// What follows from it.
    pub const fn answer(&self, asked: Asked) -> Answer {
        match asked {
            Asked::Live => self.live,
            Asked::Ready => self.ready,
        }
    }
}

/// How a database does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its path.
    pub path: String,
    /// The answer: the worst of the findings.
    pub answer: Answer,
    /// What was concluded, the worst first; those that change nothing are notes.
    pub findings: Vec<Finding>,
    /// Its numbers, for people.
    pub about: String,
    /// Committed frames that wait for a checkpoint; `None`: there is no wal-index to be believed.
    pub frames_waiting: Option<u32>,
    /// Bytes of `-wal`; `None`: there is none.
    pub wal_bytes: Option<u64>,
    /// Bytes that are free on its file system; `None`: it does not tell.
    pub free_bytes: Option<u64>,
    /// How often it was looked at.
    pub looks: usize,
}

impl Health {
    /// Of a database that nobody could look at.
    pub fn unseen(path: String, name: &str, says: String, try_this: &str) -> Self {
        let finding = Finding {
            name: name.to_owned(),
            ready: Answer::Unknown,
            live: Answer::Unknown,
            says,
            try_this: try_this.to_owned(),
        };
        Self {
            path,
            answer: Answer::Unknown,
            findings: vec![finding],
            about: String::new(),
            frames_waiting: None,
            wal_bytes: None,
            free_bytes: None,
            looks: 0,
        }
    }
}

/// The first pause between two looks, and how each grows.
const PAUSE_MS: u64 = 2;
/// Looks that must agree before something that may be a moment's is believed.
const LOOKS_MIN: usize = 4;

/// How long to wait before looking again; `None`: these looks are enough. `spent_ms` is how long they took so far.
pub fn another_look_after_ms(looks: &[Look], question: &Question, spent_ms: u64) -> Option<u64> {
    let findings = persisting(looks, question);
    let unsettled = findings.iter().any(|finding| conclude::is_unsettled(&finding.name));
    let matters = findings.iter().any(|finding| finding.answer(question.asked) != Answer::Healthy);
    let pause = PAUSE_MS << looks.len().min(6);
    // A wal-index in the middle of a write and a file in the middle of its closing have as long as there is; anything else
    // a few looks.
    let goes_on = matters && (looks.len() < LOOKS_MIN || unsettled);
    (goes_on && spent_ms + pause <= question.settle_ms_max).then_some(pause)
}

/// Weighs a series of looks at one database, the last of which is the newest.
pub fn weigh(looks: &[Look], question: &Question) -> Option<Health> {
    let last = looks.last()?;
    let mut findings = persisting(looks, question);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.answer(question.asked)));
    let answer = findings.iter().map(|finding| finding.answer(question.asked)).max().unwrap_or(Answer::Healthy);
    Some(Health {
        path: last.path.clone(),
        answer,
        findings,
        about: conclude::about(last),
        frames_waiting: last.frames_waiting(),
        wal_bytes: last.wal.as_ref().map(|wal| wal.size_bytes),
        free_bytes: last.free_bytes,
        looks: looks.len(),
    })
}

/// What every look shows, in the words of the last one.
fn persisting(looks: &[Look], question: &Question) -> Vec<Finding> {
    let gone = gone_in_all(looks);
    let mut each = looks.iter().map(|look| conclude::findings(look, &gone, question));
    let Some(first) = each.next() else { return Vec::new() };
    each.fold(first, |before, mut now| {
        now.retain(|finding| before.iter().any(|other| other.name == finding.name));
        now
    })
}

/// Files without their names that the same process held at every look.
fn gone_in_all(looks: &[Look]) -> Vec<Gone> {
    let mut each = looks.iter().map(|look| look.openers.as_ref().map_or(&[][..], |openers| &openers.gone[..]));
    let first = each.next().unwrap_or_default().to_vec();
    each.fold(first, |mut before, now| {
        before.retain(|one| now.contains(one));
        before
    })
}

#[cfg(test)]
mod tests;

//! What a probe asks, and what it was answered.

use serde::{Deserialize, Serialize};

use super::litmus::LitmusCount;
use super::locks::LockFacts;

/// The answer to one question of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "detail")]
pub enum Answer {
    /// As a sound boundary answers.
    Yes,
    /// It was tried, no error, and it is not so.
    No,
    /// It failed with this errno.
    Errno(i32),
    /// It could not be tried, or nothing came back in time.
    Unknown(String),
}

impl Answer {
    /// The answer to a question that was not asked.
    pub fn not_asked() -> Self {
        Answer::Unknown("not asked".to_owned())
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::not_asked()
    }
}

/// What one direction showed: the first party acts, the second looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct SideFacts {
    /// The acting party can make a file beside the database and write to it.
    pub creates: Answer,
    /// 0: the looking party can open the acting party's existing file O_RDWR.
    pub opens_read_write: Answer,
    /// 1: the looking party finds the acting party's scratch file, same content.
    pub sibling: Answer,
    /// 1, where the scratch file is not found: the looking party finds the `-wal` and the `-shm` that the acting party
    /// wrote, since both have them mounted one by one. The other facts were then asked of `-shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecars_mounted: Option<Answer>,
    /// Then also: at the acting party both are mount points, which nobody can unlink. `No`: it has them by their
    /// directory, and its last close deletes what the other party has mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecars_stay: Option<Answer>,
    /// 2: while the acting party holds a lock, the looking party's conflicting F_SETLK is refused (`Yes`: refused;
    /// `No`: granted; `Errno`: it failed with something else than EAGAIN or EACCES).
    pub lock_conflict_seen: Answer,
    /// 3: the acting party maps MAP_SHARED the file that it created.
    pub mmap_creator: Answer,
    /// 3: the acting party maps the file through a second open on the same mount.
    pub mmap_second_open: Answer,
    /// 3: the looking party maps the file.
    pub mmap_other_party: Answer,
    /// 3: a store of the acting party into a page that the looking party has faulted in is seen within 1 s.
    pub store_seen: Answer,
    /// 3, where the store was seen: so are others, in both directions in turn, at once. `No`: the store came late, by a
    /// write-back, and memory is not shared.
    pub stores_seen_in_turn: Answer,
    /// 4: after lock, write, unlock here and lock there, a page read before is fresh.
    pub hand_off_fresh: Answer,
    /// 4: st_size after the acting party appended is fresh.
    pub size_fresh: Answer,
    /// 5: a file that the looking party had found absent is found after it was created.
    pub new_file_seen: Answer,
    /// 6: the acting party can unlink a file that the looking party has open.
    pub unlink_while_open: Answer,
    /// st_size after the acting party truncated is fresh. `None` here and below: not asked by a quick probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_seen: Option<Answer>,
    /// A file that the acting party unlinked can no longer be opened by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlink_seen: Option<Answer>,
    /// A file that the acting party renamed is found by its new name alone, with its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename_seen: Option<Answer>,
    /// A page that the acting party cut off is gone from the looking party's mapping, as the -shm of the last closer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation_seen_in_mapping: Option<Answer>,
    /// Every pair of SQLite's locks: the acting party holds one, the looking party wants the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<LockFacts>,
    /// What was asked and not answered, since a party ended or the time was over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<String>,
    /// Races on shared memory, the acting party writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub litmus: Vec<LitmusCount>,
    /// How long single calls took.
    #[serde(skip_serializing_if = "SideTimes::is_empty")]
    pub times: SideTimes,
}

impl SideFacts {
    /// Every answer `Yes`: a sound direction.
    pub fn sound() -> Self {
        Self {
            creates: Answer::Yes,
            opens_read_write: Answer::Yes,
            sibling: Answer::Yes,
            lock_conflict_seen: Answer::Yes,
            mmap_creator: Answer::Yes,
            mmap_second_open: Answer::Yes,
            mmap_other_party: Answer::Yes,
            store_seen: Answer::Yes,
            stores_seen_in_turn: Answer::Yes,
            hand_off_fresh: Answer::Yes,
            size_fresh: Answer::Yes,
            new_file_seen: Answer::Yes,
            unlink_while_open: Answer::Yes,
            ..Self::default()
        }
    }
}

/// Both directions between two parties.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairFacts {
    /// A acts, B looks.
    pub a_to_b: SideFacts,
    /// B acts, A looks.
    pub b_to_a: SideFacts,
}

impl PairFacts {
    /// Every answer `Yes` in both directions.
    pub fn sound() -> Self {
        Self { a_to_b: SideFacts::sound(), b_to_a: SideFacts::sound() }
    }
}

/// How long single calls took, in microseconds; `None`: not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SideTimes {
    /// The looking party's open of the existing file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_us: Option<f64>,
    /// The looking party's F_SETLK after the hand-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_us: Option<f64>,
    /// The looking party's pread of the page that was handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_us: Option<f64>,
    /// The acting party's pwrite of that page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_us: Option<f64>,
    /// The acting party's mmap, its first fault included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_us: Option<f64>,
    /// From a store to the other's answer and back, halved: a round of the race `store-buffering`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_us: Option<f64>,
}

impl SideTimes {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Eq for SideTimes {}

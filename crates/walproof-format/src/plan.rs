//! What strikes whom and when: the part of a run that is drawn from its seed, as JSON.
//!
//! Where to look next: `walproof-lab/src/run/plan.rs` draws it, `report.rs` beside this holds it.

use serde::{Deserialize, Serialize};

/// One blow of a nemesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// Milliseconds after the stress began; it may come later when the one before took long.
    pub at_ms: u64,
    /// Name of the nemesis.
    pub nemesis: String,
    /// Whom it strikes; nemeses that strike everybody ignore it.
    pub agent: u16,
    /// How long it lasts, in milliseconds, where that means something.
    pub for_ms: u64,
}

/// A nemesis and how often it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Name of the nemesis.
    pub nemesis: String,
    /// When.
    #[serde(flatten)]
    pub rhythm: Rhythm,
}

/// How often a nemesis strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Milliseconds until the first strike.
    pub first_ms: u64,
    /// Mean interval in milliseconds.
    pub interval_ms: u64,
    /// The longest duration of a strike in milliseconds; 0: it is over at once.
    pub for_ms_max: u64,
}

/// Whose boundary is tested instead of a world: containers that the user has, or a file that describes them. As asked,
/// so that it can be asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnBoundary {
    /// Compose files, a later one over an earlier one.
    pub compose: Vec<String>,
    /// The project's name; `None`: as Compose finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Chosen profiles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    /// Files with variables; none: `.env` beside the first Compose file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Services that open the database; none: those that share one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Containers that open the database.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub like: Vec<String>,
    /// Where the database is inside: `PATH` for all of them, `NAME=PATH` for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
}

/// How long a request to a storage of ours takes beyond its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Always, in microseconds.
    pub fixed_us: u32,
    /// Up to so much more, evenly spread, in microseconds.
    pub jitter_us: u32,
    /// One request in so many takes much longer; 0: none.
    pub tail_every: u32,
    /// How long such a one takes at most, in microseconds; short ones are far more frequent than long ones.
    pub tail_us_max: u32,
    /// One write in so many takes longer than that; 0: none.
    pub writes_every: u32,
    /// Up to so much longer, evenly spread, in microseconds.
    pub writes_us_max: u32,
}

impl Latency {
    /// None at all.
    pub const NONE: Self =
        Self { fixed_us: 0, jitter_us: 0, tail_every: 0, tail_us_max: 0, writes_every: 0, writes_us_max: 0 };
}

/// Which requests fail with EIO: one in so many of each kind; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Failing {
    /// Of reads.
    pub reads_every: u32,
    /// Of writes.
    pub writes_every: u32,
    /// Of fsyncs.
    pub syncs_every: u32,
}

impl Failing {
    /// None at all.
    pub const NONE: Self = Self { reads_every: 0, writes_every: 0, syncs_every: 0 };
}

/// How the storage of a world behaves throughout a run; `None`: as the world has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageKnobs {
    /// How slow it is.
    pub latency: Option<Latency>,
    /// How often it fails.
    pub failing: Option<Failing>,
}

impl StorageKnobs {
    /// Nothing turned.
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }
}

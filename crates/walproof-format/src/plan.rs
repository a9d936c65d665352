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

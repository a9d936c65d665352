//! What every finding carries besides its content: how sure we are.
//!
//! Where to look next: `checkers::anomaly` for what a history shows, `probe` for what a probe shows.

use serde::{Deserialize, Serialize};

/// How sure a statement is, from the surest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// A witness was seen: the records contradict every sound database.
    Proven,
    /// Seen in an experiment on these parties, or by us on the same kind of set-up.
    Measured,
    /// SQLite's documentation says so.
    Documented,
    /// The best reading of what was seen; another reading is possible.
    Suspected,
}

impl Certainty {
    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Certainty::Proven => "proven",
            Certainty::Measured => "measured",
            Certainty::Documented => "documented by SQLite",
            Certainty::Suspected => "suspected",
        }
    }
}

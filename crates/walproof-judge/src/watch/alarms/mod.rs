//! Alarms: what is worth waking somebody for, one file with its page for each.
//!
//! What this room is: the [`ALARMS`] slice. An alarm is a pure function of the last moment and what is remembered. To add
//! one: `alarms/NAME.rs`, `alarms/NAME.md`, two lines here. It names the bad situation, says who does it in which
//! container, shows what was seen, and says what to do.
//!
//! What it must not do: rise from what was not seen; rise and fall with every look (what flickers waits for a while).
//! Where to look next: `frozen_lock_holder.rs` as a small example.

mod frozen_lock_holder;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::past::Past;
use super::{Raised, Thresholds};

/// All alarms, by name.
pub static ALARMS: &[&Alarm] = &[&frozen_lock_holder::ALARM];

/// Something worth an alarm.
#[derive(Debug)]
pub struct Alarm {
    /// Kebab-case name.
    pub name: &'static str,
    /// What it is, in one line.
    pub line: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// Finds it.
    pub look: fn(&Seen<'_>) -> Vec<Raised>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing suffers.
    Notice,
    /// Something suffers, or will soon; nothing is lost.
    Warning,
    /// Acknowledged data are being lost or damaged, or are about to be.
    Critical,
}

impl Level {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an alarm looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The last moment, which the past has taken in already.
    pub moment: &'a Moment,
    /// What is remembered.
    pub past: &'a Past,
    /// When alarms are raised.
    pub thresholds: &'a Thresholds,
}

impl Seen<'_> {
    /// A time of the watch's own clock as milliseconds since 1970.
    pub fn unix_ms(&self, elapsed_ms: u64) -> u64 {
        self.moment.unix_ms.saturating_sub(self.moment.elapsed_ms.saturating_sub(elapsed_ms))
    }
}

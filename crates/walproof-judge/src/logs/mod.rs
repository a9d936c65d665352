//! Log text in, ranked causes out.
//!
//! What this room is: [`Scanner`] takes bytes as they come and keeps what was recognised, counted, with the first and the
//! last place; [`suspects`] ranks the causes by it. `envelope.rs` takes a message out of what a log driver put around
//! it, `time.rs` reads times, `code.rs` reads result codes in the disguises of drivers, `ground.rs` reads names of
//! storage and orchestration, `needles.rs` holds the automata, `pieces.rs` cuts lines that are too long, `memory.rs` what lines said that come again; `timeline.rs`
//! puts what was seen into the order of time, `alarms.rs` says what is new while a log grows, `checked.rs` takes facts
//! from what `check` found.
//! What it must not do: read files, believe that input is text, keep lines, grow with the length of the input.
//! Where to look next: `crate::signatures` for what is recognised, `crate::causes` for what it speaks for.

mod alarms;
mod checked;
pub mod code;
mod driver;
mod envelope;
mod ground;
mod memory;
mod needles;
mod pieces;
mod reading;
mod scan;
mod suspects;
mod time;
mod timeline;

pub use alarms::{Alarm, Alarms, Why};
pub use checked::{BY_RULE, ByRule, Taken, facts_of};
pub use driver::DRIVERS;
pub use envelope::Format;
pub use ground::{Given, GivenError, Ground, KEYS};
pub use pieces::LINE_BYTES_MAX;
pub use reading::Reading;
pub use scan::{Kind, Place, STEP_BACK_MS_MIN, Scan, Scanner, StepBack};
pub use suspects::{Answer, Diagnosis, Support, Suspect, suspects};
pub use time::Time;
pub use timeline::{Event, Timeline};

/// How to turn on SQLite's own log, language by language.
pub const SQLITE_LOGGING: &str = include_str!("sqlite_logging.md");

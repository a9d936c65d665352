//! The storage measurement: one agent in a container makes calls and commits on scratch files, slice by slice.
//!
//! What this room is: `session` makes the place, starts the agent, asks it and ends in time; `rounds` drives
//! `probe --storage`; `watch` drives `probe --watch`.
//! What it must not do: call the storage broken, say anything about sharing, or wait for storage without an end: every
//! touch of it from here has a deadline, and the lab holds the clock.
//! Where to look next: `walproof_judge::storage` for what is made of the slices.

mod rounds;
mod session;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

pub use rounds::{Progress, measure};
pub use watch::{Watching, watch};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The directory whose storage is measured.
    pub directory: PathBuf,
    /// Where the agent runs; `None`: the best that can serve.
    pub runtime: Option<String>,
    /// How long; `None`: the usual time of `measure`, without an end for `watch`.
    pub time: Option<Duration>,
}

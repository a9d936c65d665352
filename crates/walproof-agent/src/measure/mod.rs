//! Measuring: how long calls on the storage take, and what SQLite makes of them.
//!
//! What this room is: [`Measurer`] carries out what `walproof_format::measure` asks; `calls` makes single system calls
//! on files of its own, `sqlite` commits and reads with real SQLite on databases of its own, `shim` counts and times
//! what SQLite asks of its VFS meanwhile.
//! What it must not do: open anything but files that it made in its folder, or look at the clock longer than it was
//! told: the lab holds the clock, and kills an agent whose call hangs.
//! Where to look next: `walproof_lab::probes::storage` is who asks.

mod calls;
mod shim;
mod sqlite;

use std::io;
use std::path::PathBuf;

use walproof_format::measure::{Measure, Measured};
use walproof_format::protocol::Reply;

use self::calls::CallFiles;
use self::sqlite::Databases;

/// Why a slice gave nothing.
#[derive(Debug)]
pub struct MeasureFailure {
    /// What was done: a call's word, or SQL.
    place: String,
    extended_code: u32,
    errno: i32,
    message: String,
}

impl MeasureFailure {
    fn system(place: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let place = place.into();
        |error| {
            let errno = error.raw_os_error().unwrap_or(0);
            Self { place, extended_code: 0, errno, message: error.to_string() }
        }
    }

    fn sql(place: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Self {
        let place = place.into();
        |error| {
            let code = match &error {
                rusqlite::Error::SqliteFailure(code, _) => code.extended_code as u32,
                _ => 0,
            };
            Self { place, extended_code: code, errno: 0, message: error.to_string() }
        }
    }
}

/// Carries measurements out in one folder.
pub struct Measurer {
    folder: PathBuf,
    calls: Option<CallFiles>,
    databases: Databases,
}

impl Measurer {
    /// Touches nothing yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { databases: Databases::new(folder.clone()), folder, calls: None }
    }

    /// Carries out one request.
    pub fn carry_out(&mut self, measure: Measure) -> Reply {
        match self.try_measure(measure) {
            Ok(measured) => Reply::Measured(Box::new(measured)),
            Err(MeasureFailure { place, extended_code, errno, message }) => {
                Reply::Failed { place, extended_code, errno, message }
            }
        }
    }

    fn try_measure(&mut self, measure: Measure) -> Result<Measured, MeasureFailure> {
        match measure {
            Measure::LayOut { page_bytes } => {
                let files = CallFiles::lay_out(&self.folder, page_bytes as usize);
                self.calls = Some(files.map_err(MeasureFailure::system("lay out scratch files"))?);
                Ok(Measured::Ready)
            }
            Measure::Calls { script, for_ms, repetitions_max, frames_before } => {
                self.files()?.repeat(&script, for_ms, repetitions_max, frames_before).map(Measured::Calls)
            }
            Measure::Glance { for_ms, pause_ms } => Ok(Measured::Glance(self.files()?.glance(for_ms, pause_ms))),
            Measure::OpenDatabase(settings) => self.databases.open(&settings).map(|()| Measured::Ready),
            Measure::Commits { settings, for_ms, commits_max, checkpoint } => {
                self.databases.commits(&settings, for_ms, commits_max, checkpoint).map(Measured::Commits)
            }
            Measure::Reads { settings, for_ms } => {
                self.databases.reads(&settings, for_ms).map(|latency| Measured::Reads { latency })
            }
        }
    }

    fn files(&mut self) -> Result<&mut CallFiles, MeasureFailure> {
        self.calls.as_mut().ok_or_else(|| MeasureFailure {
            place: "measure calls".into(),
            extended_code: 0,
            errno: 0,
            message: "no scratch files were laid out before".into(),
        })
    }
}

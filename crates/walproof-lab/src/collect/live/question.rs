//! What can be asked of the child that looks, and who answers.
//!
//! What it must not do: remember anything but mount tables and descriptors of what is watched; open a database with SQLite; write.
//! Where to look next: `asking.rs` for the lines, the other files of this folder for the answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use walproof_judge::facts::Mount;

use super::asking::{Device, Mouth};
use super::glance::{GlanceAt, Glancer};
use super::{file, library, maps, process, temporary};

/// A file on this machine: device and inode.
pub type Identity = (Device, u64);

/// A question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Question {
    /// The databases that a path means: `Result<Vec<PathBuf>, String>`.
    Databases(PathBuf),
    /// A database as it lies there: `Option<LiveDatabase>`, by the first of these ways that leads to the file.
    Database {
        /// Paths as this process sees them.
        ways: Vec<String>,
        /// The file that must be found at the end of the way; `None`: whatever is there.
        is: Option<Identity>,
        /// A descriptor that holds it, if no way leads there any more.
        held: Option<(u32, u32)>,
        /// Read its log as well, which takes its time.
        log: bool,
    },
    /// What changes at each look of databases that are watched: `Glanced`.
    Glance(Vec<GlanceAt>),
    /// What a process has open: `Option<Seen>`.
    Process {
        /// Its number.
        pid: u32,
        /// Only these files, and what lies beside databases; `None`: whatever is a database.
        wanted: Option<Vec<Identity>>,
        /// What of it is known from the look before.
        known: Vec<process::Known>,
        /// File systems that are not to be touched.
        dead: Vec<Device>,
    },
    /// Who a process is: `Option<Person>`.
    Person(u32),
    /// The mount table of a process, or of whoever looks: `Vec<Mount>`.
    Mounts(Option<u32>),
    /// The files that a process has mapped: `Option<Vec<Mapped>>`.
    Maps(u32),
    /// The versions of SQLite in a mapped file: `Option<Vec<Option<String>>>`.
    Library {
        /// Of this process.
        pid: u32,
        /// The file.
        mapped: maps::Mapped,
    },
    /// Bytes free for temporary files of a process: `Option<u64>`.
    Temporary(u32),
    /// Which of these directories a file lies in: `Option<String>`.
    Within {
        /// The file.
        path: String,
        /// The directories.
        directories: Vec<String>,
    },
}

/// Answers; what cannot be seen is null.
pub fn answer(question: &Question, mouth: &mut Mouth, glancer: &mut Glancer) -> Value {
    let value = match question {
        Question::Databases(path) => serde_json::to_value(file::databases(path)),
        Question::Database { ways, is, held, log } => serde_json::to_value(file::look(ways, *is, *held, *log, mouth)),
        Question::Glance(at) => serde_json::to_value(glancer.glance(at)),
        Question::Process { pid, wanted, known, dead } => {
            serde_json::to_value(process::look(*pid, wanted.as_deref(), known, dead, mouth))
        }
        Question::Person(pid) => serde_json::to_value(process::person(*pid)),
        Question::Mounts(pid) => serde_json::to_value(mounts(*pid)),
        Question::Maps(pid) => serde_json::to_value(maps::look(*pid)),
        Question::Library { pid, mapped } => serde_json::to_value(library::versions(*pid, mapped)),
        Question::Temporary(pid) => serde_json::to_value(temporary::free_bytes(*pid)),
        Question::Within { path, directories } => serde_json::to_value(file::within(path, directories)),
    };
    value.unwrap_or(Value::Null)
}

/// The mount table of a process; empty: it cannot be read.
pub fn mounts(pid: Option<u32>) -> Vec<Mount> {
    let whose = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let text = std::fs::read(format!("/proc/{whose}/mountinfo")).unwrap_or_default();
    walproof_judge::mountinfo::parse(&String::from_utf8_lossy(&text))
}

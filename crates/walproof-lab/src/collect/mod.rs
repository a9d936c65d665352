//! World to facts: what can be known of a directory by looking.
//!
//! What this room is: one file for each kind of thing that is looked at.
//! What it must not do: open a database with SQLite, take a lock, judge.
//! Where to look next: `walproof_judge::facts` for what the facts mean.

pub mod databases;
pub mod live;
pub mod log_file;
pub mod machine;
pub mod manifests;
pub mod programs;
pub mod quiet;
pub mod storage;
pub mod usage;

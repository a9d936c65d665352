//! What can still be read of a database, written somewhere else: pages as they were at a commit, copies of all its
//! files, logs that were deleted while a process holds them.
//!
//! What this room is: reading by `pread`, writing only into places that are fresh and lie apart from the originals.
//! What it must not do: open a database with SQLite, take a lock, signal anybody, write beside the originals, conclude
//! anything.
//! Where to look next: `snapshot.rs` (a log with its database), `place.rs` (where is written), `holders.rs` (who has
//! other files of a database open), `copying.rs` (all of it, copied), `recover.rs` (databases made of
//! the copies).

pub mod copying;
pub mod holders;
pub mod place;
pub mod recover;
pub mod snapshot;

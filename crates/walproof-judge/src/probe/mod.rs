//! What a probe between two parties found, and the table that decides from it.
//!
//! A probe works on a scratch file in the same directory, never on bytes of the database. Each direction is tested
//! apart, since caches are often stale in one direction only: in `a_to_b` party A acts and party B looks.
//!
//! | facts | WAL | DELETE family |
//! |---|---|---|
//! | a side cannot make a file there | refuses | refuses |
//! | a side cannot open the file read-write (fact 0) | refuses | refuses |
//! | all yes, both directions | safe | safe |
//! | mapping fails with errno everywhere on a side | refuses (5386) | by the other facts |
//! | mapping works for some opens of a side only | unknown | by the other facts |
//! | a store is not seen | unsafe | by the other facts |
//! | a store is seen late, and others in turn are not | unsafe | by the other facts |
//! | new file stale (fact 5) | unsafe | unsafe after a crash: a hot journal is missed |
//! | hand-off or size stale (fact 4) | unsafe | unsafe, although locks work |
//! | a conflicting lock is granted (fact 2) | unsafe | unsafe |
//! | locking fails with errno | refuses | refuses |
//! | siblings not seen (fact 1), the database's lock is | unsafe | unsafe after a crash |
//! | the same, but `-wal` and `-shm` themselves are shared | risky: by the other facts, asked of `-shm` | unsafe after a crash |
//! | the same, and a party has the two by their directory | unsafe: its last close deletes them | unsafe after a crash |
//! | an open file cannot be unlinked (fact 6) | by the other facts | DELETE refuses (2570); TRUNCATE, PERSIST do not unlink |
//! | a pair of SQLite's locks that must conflict does not | unsafe | unsafe where it is on the database |
//! | one that must not conflict does | refuses: BUSY | refuses where it is on the database |
//! | a lock of a paused process is gone | unsafe | unsafe |
//! | a lock of an ended process stays | risky: BUSY until it goes | risky |
//! | a race on shared memory goes wrong | unsafe | not asked of it |
//! | `write()` counts down for who reopens | unsafe | unsafe |
//! | an old size after truncation | not asked of it | TRUNCATE unsafe: a finished journal is hot again |
//! | an unlinked file can be opened | not asked of it | DELETE unsafe, for the same reason |
//! | an answer that is needed did not come | unknown | unknown |
//!
//! Where to look next: `facts` is what was asked, `table` decides, `locks` and `litmus` are the longer questions. A single
//! probe earns no `safe` by itself: `verdict` decides what a decision is worth.

mod durability;
mod facts;
mod litmus;
mod locks;
mod table;

pub use durability::Durability;
pub use facts::{Answer, PairFacts, SideFacts, SideTimes};
pub use litmus::LitmusCount;
pub use locks::{LockCell, LockFacts, LockPlace, Release, SQLITE_LOCKS, SqliteLock};
pub use table::{Decision, Reason, decide, decide_all, decide_between};

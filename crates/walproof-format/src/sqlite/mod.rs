//! SQLite's own bytes and words.
//!
//! What this room is: one file per format of SQLite's, each opening with the layout it parses.
//! What it must not do: touch a file; every function takes bytes or numbers.
//! Where to look next: `https://sqlite.org/fileformat2.html` and `https://sqlite.org/rescode.html`.

pub mod db_header;
pub mod error_code;
pub mod wal_header;

//! SQLite's own bytes and words.
//!
//! What this room is: one file per format of SQLite's, each opening with the layout it parses.
//! What it must not do: touch a file; every function takes bytes or numbers.
//! Where to look next: `https://sqlite.org/fileformat2.html` and `https://sqlite.org/rescode.html`.

pub mod btree;
pub mod checksum;
pub mod db_header;
pub mod error_code;
pub mod freelist;
pub mod journal;
pub mod journal_header;
pub mod lock_bytes;
pub mod log_pages;
pub mod owners;
pub mod pages;
pub mod pointer_map;
pub mod record;
pub mod schema;
pub mod wal;
pub mod wal_hash;
pub mod wal_header;
pub mod wal_index;

/// A page size that SQLite can have.
fn is_page_size(size: u32) -> bool {
    size.is_power_of_two() && (512..=65536).contains(&size)
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// What is wrong, gathered check by check.
fn damage<const N: usize>(checks: [(bool, &'static str); N]) -> Vec<&'static str> {
    checks.into_iter().filter(|(sound, _)| !sound).map(|(_, what)| what).collect()
}

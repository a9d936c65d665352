//! The workload `large-rows`: rows that fill many overflow pages, whose content follows from the commit that wrote them.

use rusqlite::{Connection, params};
use walproof_format::history::Place;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute, row_digest, scramble};
use crate::connection::{AtPlace, SqlFailure};
use crate::random::Random;

/// The workload `large-rows`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "large-rows",
    line: "rows of 10 KiB to 2 MiB on overflow pages; a WAL of many MiB",
    explain: include_str!("large_rows.md"),
    start: |_| Box::new(LargeRows),
    invariants: |_| super::names(&["content-is-that-of-its-commit", "rows-belong-to-the-head"]),
};

const SLOTS: u64 = 12;
const BYTES_MIN: u64 = 10 << 10;
/// How often the smallest size may be doubled: up to 2 MiB and a little more.
const DOUBLINGS: u64 = 8;

#[derive(Debug)]
struct LargeRows;

/// What stands beside the content.
struct Row {
    number: u64,
    size: u64,
}

impl Row {
    fn share(&self, slot: u64) -> u64 {
        row_digest(slot, scramble(self.number) ^ self.size)
    }
}

impl Rider for LargeRows {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE large(slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, size INTEGER NOT NULL,
          digest INTEGER NOT NULL, content BLOB NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let mut digest = 0u64;
        for slot in 0..SLOTS {
            let row = Row { number: 0, size: BYTES_MIN };
            store(connection, slot, &row)?;
            digest = digest.wrapping_add(row.share(slot));
        }
        Ok(digest)
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let slot = turn.random.below(SLOTS);
        let before = row(turn.connection, slot)?;
        let row = Row { number: turn.number, size: drawn_size(turn.random) };
        store(turn.connection, slot, &row)?;
        Ok(turn.digest.wrapping_sub(before.share(slot)).wrapping_add(row.share(slot)))
    }

    /// All of the small columns, the content of one row.
    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let slot = turn.random.below(SLOTS);
        let sound = content_is_sound(turn.connection, slot)?;
        Ok(if sound { small_columns(turn)? } else { Some(0) })
    }

    fn check_whole(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        for slot in 0..SLOTS {
            if !content_is_sound(turn.connection, slot)? {
                return Ok(Some(0));
            }
        }
        small_columns(turn)
    }
}

/// Log-uniform: as many rows between 10 and 20 KiB as between 1 and 2 MiB.
fn drawn_size(random: &mut Random) -> u64 {
    let smallest = BYTES_MIN << random.below(DOUBLINGS);
    (smallest + random.below(smallest)).min(2 << 20)
}

fn small_columns(turn: &Turn<'_>) -> Result<Option<u32>, SqlFailure> {
    let mut digest = 0u64;
    for slot in 0..SLOTS {
        digest = digest.wrapping_add(row(turn.connection, slot)?.share(slot));
    }
    Ok((digest != turn.digest).then_some(1))
}

fn row(connection: &Connection, slot: u64) -> Result<Row, SqlFailure> {
    let mut statement =
        connection.prepare_cached("SELECT number, size FROM large WHERE slot=?1").at(Place::ReadCells)?;
    let row =
        |row: &rusqlite::Row<'_>| Ok(Row { number: row.get::<_, i64>(0)? as u64, size: row.get::<_, i64>(1)? as u64 });
    statement.query_row(params![slot as i64], row).at(Place::ReadCells)
}

fn store(connection: &Connection, slot: u64, row: &Row) -> Result<(), SqlFailure> {
    let (content, digest) = content(slot, row);
    let sql = "INSERT OR REPLACE INTO large VALUES(?1, ?2, ?3, ?4, ?5)";
    execute(connection, sql, params![slot as i64, row.number as i64, row.size as i64, digest as i64, content])
}

/// Every eight bytes follow from those before them and from the commit's number.
fn content(slot: u64, row: &Row) -> (Vec<u8>, u64) {
    let mut bytes = vec![0u8; row.size as usize];
    let mut word = scramble(row.number) ^ slot;
    let mut digest = 0u64;
    for chunk in bytes.chunks_mut(8) {
        word = scramble(word);
        digest = digest.rotate_left(1) ^ word;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    (bytes, digest)
}

fn content_is_sound(connection: &Connection, slot: u64) -> Result<bool, SqlFailure> {
    let sql = "SELECT number, size, digest, content FROM large WHERE slot=?1";
    let mut statement = connection.prepare_cached(sql).at(Place::ReadCells)?;
    let check = |found: &rusqlite::Row<'_>| {
        let row = Row { number: found.get::<_, i64>(0)? as u64, size: found.get::<_, i64>(1)? as u64 };
        let believable = row.size <= 2 << 20;
        let (expected, digest) = if believable { content(slot, &row) } else { Default::default() };
        let stored = found.get_ref(3)?.as_blob().unwrap_or_default();
        Ok(believable && stored == expected && found.get::<_, i64>(2)? as u64 == digest)
    };
    statement.query_row(params![slot as i64], check).at(Place::ReadCells)
}

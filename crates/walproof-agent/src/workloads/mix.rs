//! The workload `mix`: the statements of Harvey the WAL-Banger, 900 SELECT by key to 10 INSERT, 10 UPDATE and 1 DELETE,
//! each a transaction of its own, at any number of rows; but every row is checked that is read.

use rusqlite::{Connection, OptionalExtension, params};
use walproof_format::history::Place;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute, row_digest, scramble};
use crate::connection::{AtPlace, SqlFailure};
use crate::random::Random;

/// The workload `mix`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "mix",
    line: "900 SELECT, 10 INSERT, 10 UPDATE, 1 DELETE by key, as Harvey the WAL-Banger does it",
    explain: include_str!("mix.md"),
    start: |configuration| Box::new(Mix { rows: row_count(&configuration.workload) }),
    invariants: |_| super::names(&["row-is-that-of-its-commit", "rows-belong-to-the-head"]),
};

const ROWS: u32 = 1_000;
const SELECTS: u64 = 900;
const INSERTS: u64 = 10;
const UPDATES: u64 = 10;
const DELETES: u64 = 1;
/// In the way in which Harvey's rows are: a short text beside the key.
const TEXT_BYTES: usize = 32;

fn row_count(workload: &Workload) -> u64 {
    if workload.rows == 0 { ROWS.into() } else { workload.rows.into() }
}

#[derive(Debug)]
struct Mix {
    rows: u64,
}

impl Rider for Mix {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE mix(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, word TEXT NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let mut insert = connection.prepare("INSERT INTO mix VALUES(?1, 0, ?2)").at(Place::Change)?;
        let mut digest = 0u64;
        for id in 0..self.rows {
            insert.execute(params![id as i64, word(id, 0)]).at(Place::Change)?;
            digest = digest.wrapping_add(row_digest(id, 0));
        }
        Ok(digest)
    }

    fn reads(&mut self, random: &mut Random, _: u64) -> bool {
        random.below(SELECTS + INSERTS + UPDATES + DELETES) < SELECTS
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let (connection, number) = (turn.connection, turn.number);
        let dice = turn.random.below(INSERTS + UPDATES + DELETES);
        if dice < INSERTS {
            let id = super::number(connection, "SELECT coalesce(max(id), 0) + 1 FROM mix", [])? as u64;
            let sql = "INSERT INTO mix VALUES(?1, ?2, ?3)";
            execute(connection, sql, params![id as i64, number as i64, word(id, number)])?;
            return Ok(turn.digest.wrapping_add(row_digest(id, number)));
        }
        let Some((id, before)) = some_row(turn, self.rows)?.map(|(id, before, _)| (id, before)) else {
            return Ok(turn.digest);
        };
        let digest = turn.digest.wrapping_sub(row_digest(id, before));
        if dice < INSERTS + UPDATES {
            let sql = "UPDATE mix SET number=?1, word=?2 WHERE id=?3";
            execute(connection, sql, params![number as i64, word(id, number), id as i64])?;
            return Ok(digest.wrapping_add(row_digest(id, number)));
        }
        execute(connection, "DELETE FROM mix WHERE id=?1", params![id as i64])?;
        Ok(digest)
    }

    /// One row by its key: it costs the same at any number of rows.
    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let row = some_row(turn, self.rows)?;
        let sound = |(id, number, text): (u64, u64, String)| number <= turn.number && text == word(id, number);
        Ok((!row.is_none_or(sound)).then_some(0))
    }

    fn check_whole(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let mut statement = turn.connection.prepare("SELECT id, number, word FROM mix").at(Place::ReadCells)?;
        let mut rows = statement.query_map([], three).at(Place::ReadCells)?;
        let digest = rows.try_fold(0u64, |digest, row| {
            let (id, number, text) = row.at(Place::ReadCells)?;
            let share = if text == word(id, number) { row_digest(id, number) } else { 0 };
            Ok(digest.wrapping_add(share))
        })?;
        Ok((digest != turn.digest).then_some(1))
    }
}

fn three(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, u64, String)> {
    Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, row.get(2)?))
}

/// A row by a drawn key; `None`: somebody has deleted it.
fn some_row(turn: &mut Turn<'_>, rows: u64) -> Result<Option<(u64, u64, String)>, SqlFailure> {
    let id = turn.random.below(rows);
    let sql = "SELECT id, number, word FROM mix WHERE id=?1";
    let mut statement = turn.connection.prepare_cached(sql).at(Place::ReadCells)?;
    statement.query_row(params![id as i64], three).optional().at(Place::ReadCells)
}

fn word(id: u64, number: u64) -> String {
    let mut text = format!("{:016x}{:016x}", scramble(id), scramble(id ^ number.rotate_left(32)));
    text.truncate(TEXT_BYTES);
    text
}

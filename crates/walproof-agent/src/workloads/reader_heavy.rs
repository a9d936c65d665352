//! The workload `reader-heavy`: nineteen of twenty transactions read, and each reads everything.

use rusqlite::{Connection, params};
use walproof_format::history::Place;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute, row_digest};
use crate::connection::{AtPlace, SqlFailure};
use crate::random::Random;

/// The workload `reader-heavy`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "reader-heavy",
    line: "95 % reads, each a scan over a few hundred pages",
    explain: include_str!("reader_heavy.md"),
    start: |configuration| Box::new(Scans { rows: row_count(&configuration.workload) }),
    invariants: |_| super::names(&["scanned-rows-belong-to-the-head"]),
};

const ROWS: u32 = 5_000;
const READ_PERCENT: u64 = 95;

fn row_count(workload: &Workload) -> u64 {
    if workload.rows == 0 { ROWS.into() } else { workload.rows.into() }
}

#[derive(Debug)]
struct Scans {
    rows: u64,
}

impl Rider for Scans {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE library(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, padding BLOB NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
          INSERT INTO library SELECT i, 0, zeroblob(200) FROM n";
        connection.execute(sql, params![self.rows as i64]).at(Place::Change)?;
        Ok((0..self.rows).fold(0, |sum: u64, row| sum.wrapping_add(row_digest(row, 0))))
    }

    fn reads(&mut self, random: &mut Random, _: u64) -> bool {
        random.below(100) < READ_PERCENT
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let mut digest = turn.digest;
        for _ in 0..turn.rows {
            let row = turn.random.below(self.rows);
            let sql = "SELECT number FROM library WHERE id=?1";
            let before = super::number(turn.connection, sql, params![row as i64])?;
            let sql = "UPDATE library SET number=?1 WHERE id=?2";
            execute(turn.connection, sql, params![turn.number as i64, row as i64])?;
            digest = digest.wrapping_sub(row_digest(row, before as u64)).wrapping_add(row_digest(row, turn.number));
        }
        Ok(digest)
    }

    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let mut statement = turn.connection.prepare_cached("SELECT id, number FROM library").at(Place::ReadCells)?;
        let mut rows = statement.query([]).at(Place::ReadCells)?;
        let mut digest = 0u64;
        while let Some(row) = rows.next().at(Place::ReadCells)? {
            let id: i64 = row.get(0).at(Place::ReadCells)?;
            let number: i64 = row.get(1).at(Place::ReadCells)?;
            digest = digest.wrapping_add(row_digest(id as u64, number as u64));
        }
        Ok((digest != turn.digest).then_some(0))
    }
}

//! The workload `ledger`: 64 cells on several pages, a few of which every commit changes.

use rusqlite::{Connection, params};
use walproof_format::history::Place;
use walproof_format::ledger::{CELL_COUNT, cell_digest, genesis_cells};
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute};
use crate::connection::{AtPlace, SqlFailure};

/// The workload `ledger`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "ledger",
    line: "64 cells on several pages, some changed by every commit; the usual one",
    explain: include_str!("ledger.md"),
    start: |_| Box::new(Cells),
    invariants: |_| super::names(&["cells-belong-to-the-head"]),
};

#[derive(Debug)]
pub(super) struct Cells;

const INSERT_CELLS: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
  INSERT INTO cells SELECT i, 0, zeroblob(?2) FROM n";

impl Rider for Cells {
    fn schema(&mut self, connection: &Connection, workload: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE cells(cell INTEGER PRIMARY KEY, number INTEGER NOT NULL, padding BLOB NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let padding = 400 * workload.page_size_bytes / 4096;
        connection.execute(INSERT_CELLS, params![CELL_COUNT as i64, padding]).at(Place::Change)?;
        Ok(genesis_cells())
    }

    /// Gives neighbouring cells the new number.
    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        // A stride that is coprime to the count spreads the changed cells over all pages.
        const STRIDE: u64 = 19;
        let first_cell = turn.random.below(CELL_COUNT);
        let (connection, number) = (turn.connection, turn.number);
        let mut digest = turn.digest;
        for step in 0..turn.rows.min(CELL_COUNT) {
            let cell = (first_cell + step * STRIDE) % CELL_COUNT;
            let before = super::number(connection, "SELECT number FROM cells WHERE cell=?1", params![cell as i64])?;
            execute(connection, "UPDATE cells SET number=?1 WHERE cell=?2", params![number as i64, cell as i64])?;
            digest = digest.wrapping_sub(cell_digest(cell, before as u64)).wrapping_add(cell_digest(cell, number));
        }
        Ok(digest)
    }

    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let mut statement = turn.connection.prepare_cached("SELECT cell, number FROM cells").at(Place::ReadCells)?;
        let mut rows = statement.query([]).at(Place::ReadCells)?;
        let mut digest = 0u64;
        while let Some(row) = rows.next().at(Place::ReadCells)? {
            let cell: i64 = row.get(0).at(Place::ReadCells)?;
            let number: i64 = row.get(1).at(Place::ReadCells)?;
            digest = digest.wrapping_add(cell_digest(cell as u64, number as u64));
        }
        Ok((digest != turn.digest).then_some(0))
    }
}

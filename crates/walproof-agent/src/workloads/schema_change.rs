//! The workload `schema-change`: tables, columns and indexes come and go inside numbered transactions.
//!
//! The table `objects` says what there must be; a read asks SQLite's own schema in the same snapshot. Every change of
//! the schema moves the schema cookie, which all other connections must notice and parse everything again.

use rusqlite::{Connection, params};
use walproof_format::history::Place;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute, row_digest, scramble};
use crate::connection::{AtPlace, SqlFailure};

/// The workload `schema-change`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "schema-change",
    line: "CREATE, DROP, ALTER TABLE and indexes inside numbered transactions",
    explain: include_str!("schema_change.md"),
    start: |_| Box::new(SchemaChange),
    invariants: |_| super::names(&["schema-is-that-of-the-head", "objects-belong-to-the-head"]),
};

const SLOTS: u64 = 8;
const COLUMNS_MAX: i64 = 6;

#[derive(Debug)]
struct SchemaChange;

/// One table that comes and goes, as `objects` describes it.
#[derive(Clone, Copy, Default, PartialEq)]
struct Object {
    /// The commit that created it, 0: it is not there.
    created: i64,
    columns: i64,
    indexed: i64,
}

impl Object {
    fn share(&self, slot: u64) -> u64 {
        row_digest(slot, scramble(self.created as u64) ^ ((self.columns as u64) << 1) ^ self.indexed as u64)
    }
}

impl Rider for SchemaChange {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        let table = "CREATE TABLE objects(slot INTEGER PRIMARY KEY, created INTEGER NOT NULL, columns INTEGER NOT NULL,
          indexed INTEGER NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
          INSERT INTO objects SELECT i, 0, 0, 0 FROM n";
        connection.execute(sql, params![SLOTS as i64]).at(Place::Change)?;
        Ok((0..SLOTS).fold(0, |sum: u64, slot| sum.wrapping_add(Object::default().share(slot))))
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let slot = turn.random.below(SLOTS);
        let before = object(turn.connection, slot)?;
        let after = carry_out(turn, slot, before)?;
        let sql = "UPDATE objects SET created=?1, columns=?2, indexed=?3 WHERE slot=?4";
        execute(turn.connection, sql, params![after.created, after.columns, after.indexed, slot as i64])?;
        Ok(turn.digest.wrapping_sub(before.share(slot)).wrapping_add(after.share(slot)))
    }

    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let slot = turn.random.below(SLOTS);
        Ok(if is_as_described(turn.connection, slot)? { objects(turn)? } else { Some(0) })
    }

    fn check_whole(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        for slot in 0..SLOTS {
            if !is_as_described(turn.connection, slot)? {
                return Ok(Some(0));
            }
        }
        objects(turn)
    }
}

/// One step of a table's life: it comes, grows, gets or loses an index, goes; or only a row is added.
fn carry_out(turn: &mut Turn<'_>, slot: u64, before: Object) -> Result<Object, SqlFailure> {
    let number = turn.number;
    let (sql, after) = match (before.created, turn.random.below(6)) {
        (0, _) => (
            format!("CREATE TABLE thing_{slot}(created INTEGER NOT NULL); INSERT INTO thing_{slot} VALUES({number})"),
            Object { created: number as i64, columns: 1, indexed: 0 },
        ),
        (_, 0) => (format!("DROP TABLE thing_{slot}"), Object::default()),
        (_, 1) if before.columns < COLUMNS_MAX => (
            format!("ALTER TABLE thing_{slot} ADD COLUMN c{} INTEGER DEFAULT {number}", before.columns),
            Object { columns: before.columns + 1, ..before },
        ),
        (_, 2) if before.indexed == 0 => {
            (format!("CREATE INDEX thing_{slot}_by_created ON thing_{slot}(created)"), Object { indexed: 1, ..before })
        }
        (_, 2) => (format!("DROP INDEX thing_{slot}_by_created"), Object { indexed: 0, ..before }),
        _ => (format!("INSERT INTO thing_{slot}(created) SELECT min(created) FROM thing_{slot}"), before),
    };
    turn.connection.execute_batch(&sql).at(Place::Change)?;
    Ok(after)
}

fn object(connection: &Connection, slot: u64) -> Result<Object, SqlFailure> {
    let sql = "SELECT created, columns, indexed FROM objects WHERE slot=?1";
    let mut statement = connection.prepare_cached(sql).at(Place::ReadCells)?;
    let object =
        |row: &rusqlite::Row<'_>| Ok(Object { created: row.get(0)?, columns: row.get(1)?, indexed: row.get(2)? });
    statement.query_row(params![slot as i64], object).at(Place::ReadCells)
}

fn objects(turn: &Turn<'_>) -> Result<Option<u32>, SqlFailure> {
    let mut digest = 0u64;
    for slot in 0..SLOTS {
        digest = digest.wrapping_add(object(turn.connection, slot)?.share(slot));
    }
    Ok((digest != turn.digest).then_some(1))
}

/// Whether SQLite's schema holds what `objects` says of one table, and the table what its creator put in.
fn is_as_described(connection: &Connection, slot: u64) -> Result<bool, SqlFailure> {
    let described = object(connection, slot)?;
    let table = format!("thing_{slot}");
    let count = |sql, name: &str| super::number(connection, sql, params![name]);
    let tables = count("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name=?1", &table)?;
    if described.created == 0 || tables == 0 {
        return Ok((described.created == 0) == (tables == 0));
    }
    let indexes = count("SELECT count(*) FROM sqlite_schema WHERE type='index' AND tbl_name=?1", &table)?;
    let columns = count("SELECT count(*) FROM pragma_table_info(?1)", &table)?;
    // Not cached: the table may be another one of that name by the next time.
    let created: (i64, i64) = connection
        .query_row(&format!("SELECT min(created), max(created) FROM {table}"), [], |row| Ok((row.get(0)?, row.get(1)?)))
        .at(Place::ReadCells)?;
    Ok(described == Object { created: created.0, columns, indexed: indexes } && created.0 == created.1)
}

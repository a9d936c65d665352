//! The workload `custom`: the user's own statements, drawn by weight, and what must hold between them.
//!
//! Where to look next: `walproof_format::custom` reads the TOML file, docs/workloads.md describes it.

use rusqlite::{Connection, ErrorCode, Statement};
use walproof_format::history::Place;
use walproof_format::protocol::{CustomTransaction, CustomWorkload, Workload};

use super::{Rider, Turn, WorkloadKind};
use crate::connection::{AtPlace, SqlFailure};
use crate::random::Random;

/// The workload `custom`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "custom",
    line: "your own statements and invariants, from a TOML file",
    explain: include_str!("custom.md"),
    start: |configuration| Box::new(Custom::new(&configuration.workload)),
    invariants: |workload| {
        let invariants = workload.custom.iter().flat_map(|custom| &custom.invariants);
        invariants.map(|invariant| invariant.name.clone()).collect()
    },
};

/// The range of `:row` when none was asked for.
const ROWS: u32 = 1_000;

#[derive(Debug)]
struct Custom {
    custom: CustomWorkload,
    rows: u64,
    /// The transaction that was drawn.
    drawn: usize,
}

impl Custom {
    fn new(workload: &Workload) -> Self {
        let rows = if workload.rows == 0 { ROWS } else { workload.rows };
        let none = CustomWorkload { setup: String::new(), transactions: Vec::new(), invariants: Vec::new() };
        Self { custom: workload.custom.clone().unwrap_or(none), rows: rows.into(), drawn: 0 }
    }

    fn draw(&mut self, random: &mut Random, wanted: impl Fn(&CustomTransaction) -> bool) {
        let weights =
            |(index, one): (usize, &CustomTransaction)| (index, if wanted(one) { one.weight.into() } else { 0 });
        let weights: Vec<(usize, u64)> = self.custom.transactions.iter().enumerate().map(weights).collect();
        let mut dice = random.below(weights.iter().map(|(_, weight)| weight).sum());
        let hit = weights.iter().find(|(_, weight)| {
            let hit = dice < *weight;
            dice = dice.saturating_sub(*weight);
            hit
        });
        self.drawn = hit.map_or(usize::MAX, |(index, _)| *index);
    }

    /// Carries out the statements of the transaction that was drawn, reading every row that they give.
    fn carry_out(&self, turn: &mut Turn<'_>) -> Result<(), SqlFailure> {
        let Some(transaction) = self.custom.transactions.get(self.drawn) else { return Ok(()) };
        let random = (turn.random.next() >> 1) as i64;
        let row = turn.random.below(self.rows) as i64 + 1;
        let values =
            [(":agent", i64::from(turn.agent)), (":number", turn.number as i64), (":random", random), (":row", row)];
        for sql in &transaction.sql {
            let mut statement = turn.connection.prepare_cached(sql).at(Place::Change)?;
            run(&mut statement, &values).at(Place::Change)?;
        }
        Ok(())
    }
}

fn run(statement: &mut Statement<'_>, values: &[(&str, i64)]) -> rusqlite::Result<()> {
    for (name, value) in values {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

impl Rider for Custom {
    fn schema(&mut self, connection: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        connection.execute_batch(&self.custom.setup).at(Place::Change).map(|()| 0)
    }

    fn reads(&mut self, random: &mut Random, percent: u64) -> bool {
        // A file that only writes is read all the same: invariants are what a read checks.
        let reads = self.custom.transactions.iter().any(|transaction| !transaction.writes && transaction.weight > 0);
        if !reads && random.below(100) < percent {
            self.drawn = usize::MAX;
            return true;
        }
        self.draw(random, |_| true);
        self.custom.transactions.get(self.drawn).is_none_or(|transaction| !transaction.writes)
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        if self.custom.transactions.get(self.drawn).is_none_or(|transaction| !transaction.writes) {
            self.draw(turn.random, |transaction| transaction.writes);
        }
        self.carry_out(turn)?;
        Ok(turn.digest)
    }

    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        if self.custom.transactions.get(self.drawn).is_some_and(|transaction| !transaction.writes) {
            self.carry_out(turn)?;
        }
        self.check_whole(turn)
    }

    fn check_whole(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        for (index, invariant) in self.custom.invariants.iter().enumerate() {
            if returned(turn.connection, &invariant.sql).at(Place::ReadCells)? != invariant.returns {
                return Ok(Some(index as u32));
            }
        }
        Ok(None)
    }
}

/// The first column of the first row as text; `NULL`, and `no row` when there is none.
fn returned(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    use rusqlite::types::ValueRef;
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok("no row".into()) };
    Ok(match row.get_ref(0)? {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    })
}

/// See [`super::try_out`].
pub(super) fn try_out(custom: &CustomWorkload) -> Result<(), String> {
    let connection = Connection::open_in_memory().map_err(|error| error.to_string())?;
    let taken = TAKEN.map(|name| format!("CREATE TABLE {name}(taken);")).concat();
    connection.execute_batch(&taken).map_err(|error| error.to_string())?;
    connection.execute_batch(&custom.setup).map_err(|error| format!("`setup`: {error}"))?;
    invariants_hold(custom, &connection, "after `setup`")?;
    let values = [(":agent", 0), (":number", 1), (":random", 7), (":row", 1)];
    for transaction in &custom.transactions {
        connection.execute_batch("BEGIN").map_err(|error| error.to_string())?;
        let mut refused = false;
        for sql in &transaction.sql {
            let tried = connection.prepare(sql).and_then(|mut statement| {
                if !transaction.writes && !statement.readonly() {
                    return Err(rusqlite::Error::ToSqlConversionFailure("it writes, and `writes` is false".into()));
                }
                run(&mut statement, &values)
            });
            match tried {
                // Rows that are not there yet, or are there already: that depends on what ran before.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => refused = true,
                tried => tried.map_err(|error| format!("transaction `{}`: `{sql}`: {error}", transaction.name))?,
            }
        }
        let end = if refused { "ROLLBACK" } else { "COMMIT" };
        connection.execute_batch(end).map_err(|error| format!("transaction `{}`: {error}", transaction.name))?;
        invariants_hold(
            custom,
            &connection,
            &format!("after transaction `{}`, with nobody else there", transaction.name),
        )?;
    }
    Ok(())
}

/// Tables of the ledger that every database has.
const TAKEN: [&str; 3] = ["ledger", "ledger_head", "ballast"];

/// What does not hold with one connection in memory says nothing about a boundary.
fn invariants_hold(custom: &CustomWorkload, connection: &Connection, when: &str) -> Result<(), String> {
    custom.invariants.iter().try_for_each(|one| {
        let refused = |error: rusqlite::Error| format!("invariant `{}`: {error}", one.name);
        if !connection.prepare(&one.sql).map_err(refused)?.readonly() {
            return Err(format!("invariant `{}`: it writes; it must only read", one.name));
        }
        match returned(connection, &one.sql).map_err(refused)? {
            found if found == one.returns => Ok(()),
            found => Err(format!(
                "invariant `{}` does not hold {when}: it returns `{found}`, not `{}`",
                one.name, one.returns
            )),
        }
    })
}

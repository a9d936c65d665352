//! What agents do to the database: a workload is what a write transaction changes besides its ledger row, and what a
//! read verifies in the same snapshot.
//!
//! What this room is: one file for each workload, with its page; [`WORKLOADS`] is the slice of them all. Every write
//! transaction of all of them is numbered and chained in the ledger (`ledger.rs` of this crate), so one checker
//! accounts for every commit; what a workload adds rides along. Where a snapshot does not hold what the workload
//! promises of it, that is a torn read.
//! What a workload must not do: begin or end transactions, decide what a broken promise means.
//! Where to look next: [`Rider`] for the verbs, `bank.rs` for a short one.

mod append;
mod bank;
mod counter_free;
mod custom;
mod large_rows;
mod ledger;
mod mix;
mod reader_heavy;
mod register;
mod schema_change;

use std::fmt::Debug;

use rusqlite::Connection;
use walproof_format::history::{Place, Record};
use walproof_format::ledger::mix as scramble;
use walproof_format::protocol::{Configuration, CustomWorkload, Workload};

use crate::connection::{AtPlace, SqlFailure, execute};
use crate::random::Random;

/// A workload as data.
pub struct WorkloadKind {
    /// Its name in kebab-case.
    pub name: &'static str,
    /// One line for lists.
    pub line: &'static str,
    /// Its page.
    pub explain: &'static str,
    /// One agent's part in it.
    start: fn(&Configuration) -> Box<dyn Rider>,
    /// What it promises of every snapshot, by name.
    invariants: fn(&Workload) -> Vec<String>,
}

/// All workloads by name.
pub static WORKLOADS: &[&WorkloadKind] = &[
    &append::WORKLOAD,
    &bank::WORKLOAD,
    &counter_free::WORKLOAD,
    &custom::WORKLOAD,
    &large_rows::WORKLOAD,
    &ledger::WORKLOAD,
    &mix::WORKLOAD,
    &reader_heavy::WORKLOAD,
    &register::WORKLOAD,
    &schema_change::WORKLOAD,
];

/// The workload of a name.
pub fn find(name: &str) -> Option<&'static WorkloadKind> {
    WORKLOADS.iter().copied().find(|kind| kind.name == name)
}

/// What the workload promises of every snapshot, by name; a record tells a broken one by its place in this list.
pub fn invariants(workload: &Workload) -> Vec<String> {
    find(&workload.name).map_or_else(Vec::new, |kind| (kind.invariants)(workload))
}

/// Carries the user's statements out once, in memory: what SQLite has against them, before anything is tested.
pub fn try_out(custom: &CustomWorkload) -> Result<(), String> {
    custom::try_out(custom)
}

/// One agent's part in the workload of its configuration; `None`: there is no such workload.
pub fn start(configuration: &Configuration) -> Option<Box<dyn Rider>> {
    find(&configuration.workload.name).map(|kind| (kind.start)(configuration))
}

/// What rides on the ledger.
pub trait Rider: Debug {
    /// Makes tables and rows, inside the transaction that makes the ledger; answers with the digest for the head row.
    fn schema(&mut self, connection: &Connection, workload: &Workload) -> Result<u64, SqlFailure>;

    /// Whether the next transaction reads; `percent` is the share of reads that was asked for.
    fn reads(&mut self, random: &mut Random, percent: u64) -> bool {
        random.below(100) < percent
    }

    /// Changes rows inside a numbered transaction; answers with the digest that the head row is to keep.
    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure>;

    /// Verifies a snapshot: the place in the list of invariants of one that does not hold.
    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure>;

    /// The same at the end, when everybody has stopped: everything, however long it takes.
    fn check_whole(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        self.check(turn)
    }

    /// The transaction has ended as this record says.
    fn settled(&mut self, _record: &Record) {}
}

/// One transaction that a rider takes part in.
pub struct Turn<'a> {
    /// Inside the transaction.
    pub connection: &'a Connection,
    /// Where all chance comes from.
    pub random: &'a mut Random,
    /// The number of the commit that is being made, or of the snapshot that is read.
    pub number: u64,
    /// The digest in the head row.
    pub digest: u64,
    /// How many rows to change, where that means something.
    pub rows: u64,
    /// Who.
    pub agent: u16,
}

/// The share of one row in a digest that is a wrapping sum over all rows.
fn row_digest(row: u64, content: u64) -> u64 {
    scramble(scramble(row.wrapping_add(1)) ^ content)
}

/// One number that a query gives.
fn number(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<i64, SqlFailure> {
    let mut statement = connection.prepare_cached(sql).at(Place::ReadCells)?;
    statement.query_row(values, |row| row.get(0)).at(Place::ReadCells)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_found_and_has_its_page() {
        assert!(WORKLOADS.is_sorted_by_key(|kind| kind.name));
        for kind in WORKLOADS {
            for heading in ["## What it does", "## What it checks", "## What it cannot see"] {
                assert!(kind.explain.contains(heading), "{}: {heading}", kind.name);
            }
        }
    }
}

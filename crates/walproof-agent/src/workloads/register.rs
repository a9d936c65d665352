//! The workload `register`: a few ledgers of their own, written by everybody; no row is shared by all.
//!
//! All of it is in the ledgers, one for each key (`ledger.rs` of this crate); nothing rides along.

use rusqlite::Connection;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind};
use crate::connection::SqlFailure;

/// The workload `register`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "register",
    line: "a few ledgers of their own, written by everybody; no row is shared by all",
    explain: include_str!("register.md"),
    start: |_| Box::new(Registers),
    invariants: |_| Vec::new(),
};

#[derive(Debug)]
struct Registers;

impl Rider for Registers {
    fn schema(&mut self, _: &Connection, _: &Workload) -> Result<u64, SqlFailure> {
        Ok(0)
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        Ok(turn.digest)
    }

    fn check(&mut self, _: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        Ok(None)
    }
}

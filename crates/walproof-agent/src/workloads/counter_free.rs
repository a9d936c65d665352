//! The workload `counter-free`: a ledger for each agent, which nobody else writes; no row is written by two.
//!
//! All of it is in the ledgers, one for each key (`ledger.rs` of this crate); nothing rides along.

use rusqlite::Connection;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind};
use crate::connection::SqlFailure;

/// The workload `counter-free`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "counter-free",
    line: "a ledger for each agent, which nobody else writes; no row is written by two",
    explain: include_str!("counter_free.md"),
    start: |_| Box::new(OwnLedger),
    invariants: |_| Vec::new(),
};

#[derive(Debug)]
struct OwnLedger;

impl Rider for OwnLedger {
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

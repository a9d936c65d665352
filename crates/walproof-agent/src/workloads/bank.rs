//! The workload `bank`: transfers between accounts; no money comes or goes.

use rusqlite::{Connection, params};
use walproof_format::history::Place;
use walproof_format::protocol::Workload;

use super::{Rider, Turn, WorkloadKind, execute, row_digest};
use crate::connection::{AtPlace, SqlFailure};

/// The workload `bank`.
pub static WORKLOAD: WorkloadKind = WorkloadKind {
    name: "bank",
    line: "transfers between accounts; the total is constant in every snapshot",
    explain: include_str!("bank.md"),
    start: |_| Box::new(Bank),
    invariants: |_| super::names(&["total-is-constant", "no-balance-is-negative", "balances-belong-to-the-head"]),
};

const ACCOUNTS: u64 = 64;
const BALANCE: i64 = 1_000;

#[derive(Debug)]
struct Bank;

impl Rider for Bank {
    fn schema(&mut self, connection: &Connection, workload: &Workload) -> Result<u64, SqlFailure> {
        let table =
            "CREATE TABLE accounts(account INTEGER PRIMARY KEY, balance INTEGER NOT NULL, padding BLOB NOT NULL)";
        connection.execute_batch(table).at(Place::Change)?;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
          INSERT INTO accounts SELECT i, ?2, zeroblob(?3) FROM n";
        let padding = 400 * workload.page_size_bytes / 4096;
        connection.execute(sql, params![ACCOUNTS as i64, BALANCE, padding]).at(Place::Change)?;
        Ok((0..ACCOUNTS).fold(0, |sum: u64, account| sum.wrapping_add(row_digest(account, BALANCE as u64))))
    }

    fn change(&mut self, turn: &mut Turn<'_>) -> Result<u64, SqlFailure> {
        let mut digest = turn.digest;
        for _ in 0..turn.rows.div_ceil(2).max(1) {
            let from = turn.random.below(ACCOUNTS);
            let to = (from + 1 + turn.random.below(ACCOUNTS - 1)) % ACCOUNTS;
            let balance = |account: u64| {
                let sql = "SELECT balance FROM accounts WHERE account=?1";
                super::number(turn.connection, sql, params![account as i64])
            };
            let (has, gets) = (balance(from)?, balance(to)?);
            let amount = turn.random.below(has.max(0) as u64 + 1) as i64;
            for (account, before, after) in [(from, has, has - amount), (to, gets, gets + amount)] {
                let sql = "UPDATE accounts SET balance=?1 WHERE account=?2";
                execute(turn.connection, sql, params![after, account as i64])?;
                let (before, after) = (row_digest(account, before as u64), row_digest(account, after as u64));
                digest = digest.wrapping_sub(before).wrapping_add(after);
            }
        }
        Ok(digest)
    }

    fn check(&mut self, turn: &mut Turn<'_>) -> Result<Option<u32>, SqlFailure> {
        let sql = "SELECT account, balance FROM accounts";
        let mut statement = turn.connection.prepare_cached(sql).at(Place::ReadCells)?;
        let mut rows = statement.query([]).at(Place::ReadCells)?;
        let (mut digest, mut total, mut negative) = (0u64, 0i64, false);
        while let Some(row) = rows.next().at(Place::ReadCells)? {
            let account: i64 = row.get(0).at(Place::ReadCells)?;
            let balance: i64 = row.get(1).at(Place::ReadCells)?;
            total = total.wrapping_add(balance);
            negative |= balance < 0;
            digest = digest.wrapping_add(row_digest(account as u64, balance as u64));
        }
        let broken = [total != BALANCE * ACCOUNTS as i64, negative, digest != turn.digest];
        Ok(broken.iter().position(|broken| *broken).map(|index| index as u32))
    }
}

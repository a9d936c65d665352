//! The arithmetic of the ledger workload, shared by the agent that writes it and the checker that recomputes it.
//!
//! Every commit has a number (the one before plus one) and a chain hash that covers the whole past:
//! `hash(n) = chain(hash(n-1), n, writer, counter, token)`. So two commits with one number, a commit that went
//! missing or a reader that saw a mixture all show as a hash that does not follow.
//!
//! The cells are `CELL_COUNT` rows on several pages; each holds the number of the commit that last changed it.
//! The head row keeps a digest of all cells (the wrapping sum of [`cell_digest`]), updated in the same transaction.

use serde::{Deserialize, Serialize};

/// How many cells there are.
pub const CELL_COUNT: u64 = 64;
/// The chain hash before the first commit.
pub const GENESIS: u64 = 0x7761_6c70_726f_6f66; // "walproof"

/// Who wrote a commit: agent and incarnation in one integer, as stored in `ledger.writer`.
pub const fn writer(agent: u16, incarnation: u16) -> u32 {
    ((agent as u32) << 16) | incarnation as u32
}

/// The chain hash of commit `number`.
#[inline]
pub const fn chain(previous: u64, number: u64, writer: u32, counter: u32, token: u64) -> u64 {
    let mut hash = previous ^ mix(number);
    hash = mix(hash ^ (((writer as u64) << 32) | counter as u64));
    mix(hash ^ token)
}

/// The share of one cell in the digest of all cells; `number` is the commit that last changed it, 0: none.
#[inline]
pub const fn cell_digest(cell: u64, number: u64) -> u64 {
    mix(mix(cell.wrapping_add(1)) ^ number)
}

/// The digest of all cells before the first commit.
pub const fn genesis_cells() -> u64 {
    let mut digest = 0u64;
    let mut cell = 0;
    while cell < CELL_COUNT {
        digest = digest.wrapping_add(cell_digest(cell, 0));
        cell += 1;
    }
    digest
}

/// A bijective 64-bit mixer (splitmix64's finaliser): no two inputs share an output.
#[inline]
pub const fn mix(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Rows of the final ledger above the horizon: what a final reader saw of one commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Commit number.
    pub number: u64,
    /// See [`writer`].
    pub writer: u32,
    /// The writer's own counter.
    pub counter: u32,
    /// The attempt's token.
    pub token: u64,
    /// The chain hash as stored.
    pub hash: u64,
}

/// What one agent saw when everybody had stopped and it reopened the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalState {
    /// The agent that looked.
    pub agent: u16,
    /// CLOCK_MONOTONIC in nanoseconds when it began to read.
    pub start_ns: u64,
    /// What `PRAGMA journal_mode` answered; empty: nothing.
    #[serde(default)]
    pub journal_mode: String,
    /// Commit number in the head row.
    pub number: u64,
    /// Chain hash in the head row.
    pub hash: u64,
    /// Commits at or below this number are folded into the horizon.
    pub horizon_number: u64,
    /// Chain hash at the horizon.
    pub horizon_hash: u64,
    /// How many rows were folded; equals `horizon_number` when nothing was lost while folding.
    pub horizon_count: u64,
    /// Whether the cells agreed with the head's digest.
    pub cells_agree: bool,
    /// Ledger rows above the horizon in the table's own order.
    pub rows: Vec<LedgerRow>,
    /// What `PRAGMA integrity_check` said, when it did not say `ok`.
    pub integrity: Vec<String>,
    /// An error that kept it from reading: extended code and message.
    pub error: Option<(u32, String)>,
    /// Which ledger this is; see [`crate::history::Record::key`].
    #[serde(default)]
    pub key: u8,
    /// What the workload promises and what was not so, each in words.
    #[serde(default)]
    pub broken: Vec<String>,
    /// The other ledgers of the same database, in the same snapshot; what stands above of the file stands here again
    /// for none of them.
    #[serde(default)]
    pub others: Vec<FinalState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ingredient_changes_the_chain() {
        let hash = chain(GENESIS, 1, 2, 3, 4);
        assert_ne!(hash, chain(GENESIS + 1, 1, 2, 3, 4));
        assert_ne!(hash, chain(GENESIS, 2, 2, 3, 4));
        assert_ne!(hash, chain(GENESIS, 1, 3, 3, 4));
        assert_ne!(hash, chain(GENESIS, 1, 2, 4, 4));
        assert_ne!(hash, chain(GENESIS, 1, 2, 3, 5));
    }

    #[test]
    fn the_digest_notices_which_cell_changed() {
        assert_ne!(
            cell_digest(1, 7).wrapping_add(cell_digest(2, 0)),
            cell_digest(1, 0).wrapping_add(cell_digest(2, 7))
        );
    }
}

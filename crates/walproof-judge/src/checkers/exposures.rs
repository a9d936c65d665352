//! How often each thing that can go wrong was tried: what bounds and floors are computed from.
//!
//! An exposure is counted in commit order by the checker; what only the lab can know (kills sent, recoveries, last
//! closes) stands in `verdict::Evidence`.

use serde::{Deserialize, Serialize};

/// Counts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposures {
    /// Records seen.
    pub records: u64,
    /// Acknowledged commits, folds included.
    pub commits: u64,
    /// Acknowledged commits of each agent, by agent number.
    pub commits_by_agent: Vec<u64>,
    /// Seconds of CLOCK_MONOTONIC in which somebody's commit was acknowledged.
    pub seconds_with_commits: u64,
    /// The newest of these seconds.
    #[serde(skip)]
    pub last_second: u64,
    /// Successful read transactions.
    pub reads: u64,
    /// A commit by another agent than the commit before.
    pub hand_overs: u64,
    /// Commits after which the WAL held no more frames than after the commit before.
    pub wal_resets: u64,
    /// Connections opened.
    pub opens: u64,
    /// Connections opened by an agent that had opened one before.
    pub reopens: u64,
    /// Connections closed.
    pub closes: u64,
    /// Checkpoints that returned success.
    pub checkpoints: u64,
    /// Lives that ended after BEGIN and before the answer to COMMIT.
    pub kills_inside_transaction: u64,
    /// Commits that some other agent's read of the snapshot before overlapped.
    pub overlapping_reads: u64,
    /// Commits without an answer that are in the database.
    pub maybes_landed: u64,
    /// Commits without an answer that are not.
    pub maybes_not_landed: u64,
    /// Acknowledged commits that folded old rows.
    pub folds: u64,
    /// Writes that spilled the page cache before COMMIT.
    pub spilled: u64,
    /// Operations that ended BUSY.
    pub busy: u64,
    /// Operations that SQLite refused for another reason.
    pub errors: u64,
    /// When the first acknowledged commit returned.
    pub first_commit_ns: Option<u64>,
    /// When the last record ended.
    pub last_record_ns: u64,
}

impl Exposures {
    /// Commits of one agent.
    pub fn commits_of(&self, agent: u16) -> u64 {
        self.commits_by_agent.get(usize::from(agent)).copied().unwrap_or(0)
    }

    /// Adds what was tried on another ledger of the same database.
    pub fn add(&mut self, other: &Exposures) {
        let sums = [
            (&mut self.records, other.records),
            (&mut self.commits, other.commits),
            (&mut self.seconds_with_commits, other.seconds_with_commits),
            (&mut self.reads, other.reads),
            (&mut self.hand_overs, other.hand_overs),
            (&mut self.wal_resets, other.wal_resets),
            (&mut self.opens, other.opens),
            (&mut self.reopens, other.reopens),
            (&mut self.closes, other.closes),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.kills_inside_transaction, other.kills_inside_transaction),
            (&mut self.overlapping_reads, other.overlapping_reads),
            (&mut self.maybes_landed, other.maybes_landed),
            (&mut self.maybes_not_landed, other.maybes_not_landed),
            (&mut self.folds, other.folds),
            (&mut self.spilled, other.spilled),
            (&mut self.busy, other.busy),
            (&mut self.errors, other.errors),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum += more);
        let agents = self.commits_by_agent.len().max(other.commits_by_agent.len());
        self.commits_by_agent.resize(agents, 0);
        self.commits_by_agent.iter_mut().zip(&other.commits_by_agent).for_each(|(sum, more)| *sum += more);
        self.first_commit_ns = self.first_commit_ns.into_iter().chain(other.first_commit_ns).min();
        self.last_record_ns = self.last_record_ns.max(other.last_record_ns);
        self.last_second = self.last_second.max(other.last_second);
    }
}

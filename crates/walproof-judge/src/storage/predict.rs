//! How many commits a second SQLite can make, predicted from how long single calls take.
//!
//! One commit of the shape that `walproof-agent/src/measure/sqlite.rs` describes is a fixed list of system calls: its
//! script. Each stands here with the place in SQLite where it is made, as `strace` shows them (SQLite 3.40 and 3.51).
//! The agent carries the script out by itself, on files of its own, and times every call; then
//!
//! ```text
//! commit     = sum over calls (count x mean latency) + processor time of a commit
//! commits/s  = N / ((N - 1) x commit + commit that begins the log anew + checkpoint)     in WAL mode, N = wal_autocheckpoint
//! commits/s  = 1 / commit                                                                in rollback modes
//! ```
//!
//! Processor time is what SQLite spends outside of its calls: measured in the same run at `synchronous=OFF` in the same
//! journal mode, a commit less the time inside its VFS. A checkpoint copies as many different pages as were changed:
//! [`HOT_PAGES`] here, or N when that is less.
//!
//! Where to look next: `gap.rs` says where a prediction went wrong.

use walproof_format::measure::{CallGroup, CallKind, CallTimes, Step};

use super::JournalMode;
use super::settings::Synchronous;

/// Different pages that the measured transactions change, one each.
pub const HOT_PAGES: u32 = 64;

use CallKind::*;

const fn once(call: CallKind) -> Step {
    Step { call, times: 1 }
}

const fn times(call: CallKind, times: u16) -> Step {
    Step { call, times }
}

/// The calls of one commit, in order.
pub fn commit_script(mode: JournalMode, synchronous: Synchronous) -> Vec<Step> {
    match mode {
        JournalMode::Wal => log_script(synchronous),
        _ => rollback_script(mode, synchronous),
    }
}

/// WAL: `walTryBeginRead` moves its read mark to the end of the log (lock, unlock) and holds it (lock), then the
/// WAL_WRITE_LOCK is taken; `walWriteOneFrame` writes the frame's header and the page; `walFrames` syncs at FULL.
fn log_script(synchronous: Synchronous) -> Vec<Step> {
    let mut script = vec![once(Lock), once(Unlock), times(Lock, 2), once(WriteFrameHeader), once(WriteFrame)];
    if synchronous >= Synchronous::Full {
        script.push(once(SyncLog));
    }
    script.push(times(Unlock, 2));
    script
}

/// Rollback modes, two pages: the changed one and page 1 with the change counter.
fn rollback_script(mode: JournalMode, synchronous: Synchronous) -> Vec<Step> {
    // `unixLock` SHARED: PENDING and SHARED range, PENDING let go. `hasHotJournal`: the journal by name.
    let mut script = vec![times(Lock, 2), once(Unlock), once(StatJournal)];
    if mode == JournalMode::Persist {
        // A journal that is there: is RESERVED held, how large is the database, what is its first byte?
        script.extend([Lock, SizeDatabase, StatDatabase, OpenJournal, ReadJournalEnd, CloseJournal].map(once));
    }
    // `sqlite3PagerSharedLock`: the change counter; `pagerOpenWalIfPresent`; RESERVED.
    script.extend([ReadHeader, StatLog, SizeDatabase, Lock].map(once));
    // `databaseIsUnmoved`, `findCreateFileMode`; the journal is made, its header and the first page are written.
    script.extend([times(StatDatabase, 2), once(OpenJournal), once(WriteJournalHeader)]);
    let record = [WriteJournalNumber, WriteJournalPage, WriteJournalNumber].map(once);
    script.extend(record);
    // `sqlite3PagerExclusiveLock`: PENDING and SHARED range; then page 1.
    script.push(times(Lock, 2));
    script.extend(record);
    // `syncJournal`: at FULL once before and once after the number of pages is written. The directory is synced with
    // the first sync of a journal that this connection made.
    match synchronous {
        Synchronous::Off => {}
        Synchronous::Normal => {
            script.extend([ReadJournalEnd, WriteJournalCount, SyncJournal, SyncDirectory].map(once));
        }
        Synchronous::Full | Synchronous::Extra => {
            script.extend([ReadJournalEnd, SyncJournal, SyncDirectory, WriteJournalCount, SyncJournalHeader].map(once));
        }
    }
    // `pager_write_pagelist`.
    script.push(times(WriteDatabasePage, 2));
    if synchronous > Synchronous::Off {
        script.push(once(SyncDatabase));
    }
    script.extend(end_of_journal(mode, synchronous));
    script
}

/// `pager_end_transaction`, and the locks let go.
fn end_of_journal(mode: JournalMode, synchronous: Synchronous) -> Vec<Step> {
    let full = synchronous >= Synchronous::Full;
    let mut script = match mode {
        JournalMode::Truncate if full => vec![once(TruncateJournal), once(SyncJournalEnd)],
        JournalMode::Truncate => vec![once(TruncateJournal)],
        // `zeroJournalHdr` syncs unless all syncs are off.
        JournalMode::Persist if synchronous > Synchronous::Off => vec![once(ZeroJournalHeader), once(SyncJournalEnd)],
        JournalMode::Persist => vec![once(ZeroJournalHeader)],
        _ if synchronous == Synchronous::Extra => {
            vec![once(CloseJournal), once(UnlinkJournal), once(SyncDirectoryAfterUnlink)]
        }
        _ => vec![once(CloseJournal), once(UnlinkJournal)],
    };
    script.extend([once(Lock), once(Unlock)]);
    if matches!(mode, JournalMode::Truncate | JournalMode::Persist) {
        script.push(once(CloseJournal));
    }
    script.push(once(Unlock));
    script
}

/// The calls of a PASSIVE checkpoint of so many pages: CKPT and READ0 are locked, the log is synced, pages are copied,
/// the database is cut to its size and synced (`walCheckpoint`).
pub fn checkpoint_script(synchronous: Synchronous, pages: u16) -> Vec<Step> {
    let mut script = vec![times(Lock, 2), once(Unlock), once(Lock)];
    if synchronous > Synchronous::Off {
        script.push(once(SyncLogForCheckpoint));
    }
    script.extend([times(ReadFrame, pages), times(WriteDatabasePage, pages), once(TruncateDatabase)]);
    if synchronous > Synchronous::Off {
        script.push(once(SyncDatabase));
    }
    script.push(times(Unlock, 2));
    script
}

/// The calls of the first commit after a checkpoint: nobody reads the log, so it begins anew (`walRestartLog`), and its
/// header is synced unless all syncs are off.
pub fn restart_script(synchronous: Synchronous) -> Vec<Step> {
    let mut script = vec![times(Lock, 3), times(Unlock, 2), times(Lock, 2), once(Unlock), once(WriteLogHeader)];
    if synchronous > Synchronous::Off {
        script.push(once(SyncLogHeader));
    }
    script.extend([once(WriteFrameHeader), once(WriteFrame)]);
    if synchronous >= Synchronous::Full {
        script.push(once(SyncLog));
    }
    script.push(times(Unlock, 2));
    script
}

/// The calls by which storage is described, SQLite or not. The directory is synced first: what was made and unlinked in
/// the repetition before is not for the syncs that follow.
pub fn survey_script() -> Vec<Step> {
    let calls = [
        SyncDirectory,
        OverwritePage,
        FdatasyncOverwritten,
        OverwritePage,
        FsyncOverwritten,
        AppendPage,
        FsyncAppended,
        Lock,
        Unlock,
        ReadPage,
        MapFault,
        OpenFile,
        CloseFile,
        StatDatabase,
        StatLog,
        AccessFile,
        CreateFile,
        CloseFile,
        UnlinkFile,
    ];
    calls.map(once).to_vec()
}

/// How often each kind is made in a script.
pub fn counts(script: &[Step]) -> Vec<(CallKind, u32)> {
    let mut counts: Vec<(CallKind, u32)> = Vec::new();
    for step in script {
        match counts.iter_mut().find(|(call, _)| *call == step.call) {
            Some((_, count)) => *count += u32::from(step.times),
            None => counts.push((step.call, step.times.into())),
        }
    }
    counts
}

/// What a script costs, by group: count times mean latency, in nanoseconds. `None`: a call of it was not measured.
pub fn cost(script: &[Step], times: &CallTimes) -> Option<Vec<(CallGroup, f64)>> {
    let mut groups: Vec<(CallGroup, f64)> = Vec::new();
    for (call, count) in counts(script) {
        let ns = f64::from(count) * times.of(call)?.mean_ns();
        match groups.iter_mut().find(|(group, _)| *group == call.group()) {
            Some((_, total)) => *total += ns,
            None => groups.push((call.group(), ns)),
        }
    }
    Some(groups)
}

/// All groups together, in nanoseconds.
pub fn total(groups: &[(CallGroup, f64)]) -> f64 {
    groups.iter().map(|(_, ns)| ns).sum()
}

/// What commits cost when one in so many checkpoints: all in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommitCost {
    /// A commit.
    pub commit_ns: f64,
    /// The first commit after a checkpoint.
    pub restart_ns: f64,
    /// A checkpoint of [`HOT_PAGES`] pages.
    pub checkpoint_ns: f64,
}

impl CommitCost {
    /// Commits a second with a checkpoint after so many frames; `None`: rollback mode, which has none.
    pub fn commits_per_s(&self, autocheckpoint_frames: Option<u32>) -> f64 {
        let mean_ns = match autocheckpoint_frames {
            None | Some(0) => self.commit_ns,
            Some(frames) => {
                let frames = f64::from(frames);
                // Fewer pages to copy when there are fewer frames; what a checkpoint costs beside them is then
                // overrated, never underrated.
                let copied = (frames / f64::from(HOT_PAGES)).min(1.0);
                ((frames - 1.0) * self.commit_ns + self.restart_ns + copied * self.checkpoint_ns) / frames
            }
        };
        if mean_ns > 0.0 { 1e9 / mean_ns } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_format::measure::{CallTime, Histogram};

    fn count(mode: JournalMode, synchronous: Synchronous, group: CallGroup) -> u32 {
        let counts = counts(&commit_script(mode, synchronous));
        counts.iter().filter(|(call, _)| call.group() == group).map(|(_, count)| count).sum()
    }

    /// Every call takes so long.
    fn flat(ns: u64) -> CallTimes {
        let mut latency = Histogram::default();
        latency.record(ns);
        let calls = CallKind::ALL.iter().map(|&call| CallTime { call, latency: latency.clone() }).collect();
        CallTimes { repetitions: 1, calls }
    }

    #[test]
    fn syncs_are_those_that_strace_shows() {
        use JournalMode::{Delete, Persist, Truncate, Wal};
        use Synchronous::*;
        let syncs = |mode, synchronous| count(mode, synchronous, CallGroup::Sync);
        assert_eq!([Off, Normal, Full].map(|level| syncs(Wal, level)), [0, 0, 1]);
        assert_eq!([Off, Normal, Full, Extra].map(|level| syncs(Delete, level)), [0, 3, 4, 4]);
        assert_eq!([Off, Normal, Full].map(|level| syncs(Truncate, level)), [0, 3, 5]);
        assert_eq!([Off, Normal, Full].map(|level| syncs(Persist, level)), [0, 4, 5]);
        assert_eq!(count(Delete, Extra, CallGroup::Delete), 2, "the directory once more after the unlink");
    }

    #[test]
    fn locks_and_writes_are_those_that_strace_shows() {
        assert_eq!(count(JournalMode::Wal, Synchronous::Full, CallGroup::Lock), 6);
        assert_eq!(count(JournalMode::Wal, Synchronous::Full, CallGroup::Write), 2);
        assert_eq!(count(JournalMode::Delete, Synchronous::Full, CallGroup::Lock), 9);
        assert_eq!(count(JournalMode::Delete, Synchronous::Full, CallGroup::Write), 10);
        assert_eq!(count(JournalMode::Persist, Synchronous::Normal, CallGroup::Lock), 10);
    }

    #[test]
    fn cost_is_count_times_mean() {
        let script = commit_script(JournalMode::Wal, Synchronous::Full);
        let groups = cost(&script, &flat(100)).expect("all measured");
        assert_eq!(total(&groups), 900.0);
        assert_eq!(cost(&script, &CallTimes::default()), None, "nothing is guessed");
    }

    #[test]
    fn a_checkpoint_is_shared_by_the_commits_between_two() {
        let cost = CommitCost { commit_ns: 100.0, restart_ns: 300.0, checkpoint_ns: 10_000.0 };
        assert_eq!(cost.commits_per_s(None), 1e7);
        assert_eq!(cost.commits_per_s(Some(100)).round(), (1e9f64 / 202.0).round());
        assert!(cost.commits_per_s(Some(1000)) > cost.commits_per_s(Some(100)));
        assert_eq!(CommitCost::default().commits_per_s(Some(0)), 0.0, "no division by nothing");
    }
}

//! When a call that took long is a stall, and what a time of watching came to.
//!
//! A stall is a call of more than a second, or of more than 20 times the running median and more than 100 ms. Storage
//! that is slow throughout has no stalls, only a high median.

use serde::Serialize;
use walproof_format::measure::{Glance, Histogram, Percentiles, SLOW_NS};

/// So long is a stall whatever is usual: 1 s.
pub const STALL_NS: u64 = 1_000_000_000;
/// So many times the running median is a stall, from 100 ms on.
const TIMES_MEDIAN: u64 = 20;

/// Whether a call is a stall.
pub fn is_stall(ns: u64, median_ns: u64) -> bool {
    ns > STALL_NS || (ns > SLOW_NS && ns > TIMES_MEDIAN.saturating_mul(median_ns))
}

/// A call that stalled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stall {
    /// Seconds since watching began, when it was over; of one that lasts, when it was last looked at.
    pub at_s: f64,
    /// `write+fdatasync`, `lock`, or `no answer` while it lasts.
    pub call: String,
    /// How long, in nanoseconds.
    pub ns: u64,
}

/// Calls that failed, with one error number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interruption {
    /// Seconds since watching began.
    pub at_s: f64,
    /// Which call.
    pub call: String,
    /// The operating system's error number.
    pub errno: i32,
    /// How many times since the line before.
    pub count: u32,
}

/// About a second of watching.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Second {
    /// Seconds since watching began.
    pub at_s: f64,
    /// pwrite of a page and fdatasync, in nanoseconds.
    pub write_sync: Percentiles,
    /// A lock taken and let go, in nanoseconds.
    pub lock: Percentiles,
    /// Stalls that ended in it.
    pub stalls: Vec<Stall>,
    /// Calls that failed in it.
    pub interruptions: Vec<Interruption>,
}

/// All the time of watching.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How long, in seconds.
    pub watched_s: f64,
    /// pwrite of a page and fdatasync, in nanoseconds.
    pub write_sync: Percentiles,
    /// A lock taken and let go, in nanoseconds.
    pub lock: Percentiles,
    /// How many stalls ended.
    pub stalls: u64,
    /// The longest, in nanoseconds; 0: none.
    pub longest_stall_ns: u64,
    /// How many calls failed.
    pub failed_calls: u64,
    /// In nanoseconds: since when nothing had come when watching ended; `None`: the storage answered to the end.
    pub silent_at_end_ns: Option<u64>,
}

/// Adds glances up.
#[derive(Debug, Default)]
pub struct Watched {
    all: [Histogram; 2],
    second: [Histogram; 2],
    stalls: Vec<Stall>,
    interruptions: Vec<Interruption>,
    stall_count: u64,
    longest_stall_ns: u64,
    failed_calls: u64,
}

impl Watched {
    /// Takes a glance that came so many seconds after watching began.
    pub fn take(&mut self, glance: &Glance, at_s: f64) {
        for (index, latency) in [&glance.write_sync, &glance.lock].into_iter().enumerate() {
            let median_ns = self.all[index].percentile_ns(0.5);
            let word = if index == 0 { "write+fdatasync" } else { "lock" };
            // Against what was usual before it.
            let stalled = |ns: u64| if median_ns == 0 { ns > STALL_NS } else { is_stall(ns, median_ns) };
            for slow in glance.slow.iter().filter(|slow| slow.call == word && stalled(slow.ns)) {
                self.stall_count += 1;
                self.longest_stall_ns = self.longest_stall_ns.max(slow.ns);
                self.stalls.push(Stall { at_s, call: slow.call.clone(), ns: slow.ns });
            }
            self.all[index].merge(latency);
            self.second[index].merge(latency);
        }
        for (call, errno) in &glance.failed {
            self.failed_calls += 1;
            match self.interruptions.iter_mut().find(|known| known.call == *call && known.errno == *errno) {
                Some(known) => known.count += 1,
                None => {
                    self.interruptions.push(Interruption { at_s, call: call.clone(), errno: *errno, count: 1 });
                }
            }
        }
    }

    /// What came since the last call of this; `None`: nothing.
    pub fn second(&mut self, at_s: f64) -> Option<Second> {
        let [write_sync, lock] = std::mem::take(&mut self.second);
        let (stalls, interruptions) = (std::mem::take(&mut self.stalls), std::mem::take(&mut self.interruptions));
        let nothing = write_sync.count() + lock.count() == 0 && stalls.is_empty() && interruptions.is_empty();
        let second =
            Second { at_s, write_sync: write_sync.percentiles(), lock: lock.percentiles(), stalls, interruptions };
        (!nothing).then_some(second)
    }

    /// All of it.
    pub fn summary(&self, watched_s: f64, silent_at_end_ns: Option<u64>) -> Summary {
        Summary {
            watched_s,
            write_sync: self.all[0].percentiles(),
            lock: self.all[1].percentiles(),
            stalls: self.stall_count,
            longest_stall_ns: self.longest_stall_ns,
            failed_calls: self.failed_calls,
            silent_at_end_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_format::measure::SlowCall;

    const MS: u64 = 1_000_000;

    fn glance(usual_ns: u64, slow_ns: Option<u64>) -> Glance {
        let mut glance = Glance::default();
        (0..50).for_each(|_| glance.write_sync.record(usual_ns));
        if let Some(ns) = slow_ns {
            glance.write_sync.record(ns);
            glance.slow.push(SlowCall { call: "write+fdatasync".into(), ns });
        }
        glance
    }

    #[test]
    fn a_stall_is_over_a_second_or_far_over_the_usual() {
        assert!(is_stall(1_001 * MS, 900 * MS));
        assert!(is_stall(101 * MS, 5 * MS));
        assert!(!is_stall(101 * MS, 6 * MS), "slow throughout");
        assert!(!is_stall(99 * MS, 1), "short");
    }

    #[test]
    fn a_stall_is_weighed_by_what_was_usual_before_it() {
        let mut watched = Watched::default();
        watched.take(&glance(MS, Some(150 * MS)), 0.2);
        assert_eq!(watched.second(1.0).expect("seen").stalls, [], "nothing was usual yet");
        watched.take(&glance(MS, Some(150 * MS)), 1.2);
        let second = watched.second(2.0).expect("seen");
        assert_eq!((second.stalls.len(), second.stalls[0].ns), (1, 150 * MS));
        assert_eq!(watched.second(3.0), None);
        let summary = watched.summary(3.0, None);
        assert_eq!((summary.stalls, summary.longest_stall_ns, summary.write_sync.count), (1, 150 * MS, 102));
    }

    #[test]
    fn failing_calls_are_interruptions_counted_by_their_number() {
        let mut watched = Watched::default();
        let failed = vec![("lock".to_owned(), 37), ("lock".to_owned(), 37), ("write+fdatasync".to_owned(), 5)];
        watched.take(&Glance { failed, ..Glance::default() }, 0.5);
        let second = watched.second(1.0).expect("seen");
        assert_eq!(second.interruptions.iter().map(|one| one.count).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(watched.summary(1.0, Some(7)).failed_calls, 3);
    }
}

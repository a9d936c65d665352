//! What can be done to a client while it serves: slow it, stall it, let it fail.
//!
//! A stall ends by itself at its deadline, so that nobody is held for ever when whoever turned the knob is gone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use walproof_format::ledger::mix;
use walproof_format::plan::{Failing, Latency};

/// What a request is, as far as knobs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Read,
    Write,
    Sync,
    Other,
}

/// The knobs of one client.
#[derive(Debug)]
pub struct Knobs {
    latency: [AtomicU32; 6],
    failing: [AtomicU32; 3],
    counts: [AtomicU64; 3],
    random: AtomicU64,
    usual: (Latency, Failing),
    stalled_until: Mutex<Option<Instant>>,
    released: Condvar,
}

impl Knobs {
    /// As they are when no nemesis turns them; what is random comes from the seed.
    pub fn new(seed: u64, latency: Latency, failing: Failing) -> Self {
        let knobs = Self {
            usual: (latency, failing),
            latency: Default::default(),
            failing: Default::default(),
            counts: Default::default(),
            random: AtomicU64::new(mix(seed)),
            stalled_until: Mutex::new(None),
            released: Condvar::new(),
        };
        knobs.as_usual();
        knobs
    }

    /// How long requests take from now on.
    pub fn slow(&self, latency: Latency) {
        let Latency { fixed_us, jitter_us, tail_every, tail_us_max, writes_every, writes_us_max } = latency;
        let values = [fixed_us, jitter_us, tail_every, tail_us_max, writes_every, writes_us_max];
        self.latency.iter().zip(values).for_each(|(knob, value)| knob.store(value, Ordering::Relaxed));
    }

    /// Which requests fail from now on.
    pub fn fail(&self, failing: Failing) {
        let values = [failing.reads_every, failing.writes_every, failing.syncs_every];
        self.failing.iter().zip(values).for_each(|(knob, value)| knob.store(value, Ordering::Relaxed));
    }

    /// Every request waits until [`Self::release`], at most so long.
    pub fn stall(&self, time_max: Duration) {
        *self.stalled_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time_max);
    }

    /// Ends a stall.
    pub fn release(&self) {
        *self.stalled_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.released.notify_all();
    }

    /// Latency and failures as in the beginning.
    pub fn as_usual(&self) {
        self.slow(self.usual.0);
        self.fail(self.usual.1);
    }

    /// Lets a request pass, late or not; false: it fails with EIO.
    pub(super) fn pass(&self, request: Request) -> bool {
        let delay_us = self.delay_us(request);
        if delay_us > 0 {
            std::thread::sleep(Duration::from_micros(delay_us));
        }
        self.wait_for_release();
        !self.is_to_fail(request)
    }

    fn wait_for_release(&self) {
        let mut until = self.stalled_until.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(deadline) = *until {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            until = self.released.wait_timeout(until, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_to_fail(&self, request: Request) -> bool {
        let kind = match request {
            Request::Read => 0,
            Request::Write => 1,
            Request::Sync => 2,
            Request::Other => return false,
        };
        let every = u64::from(self.failing[kind].load(Ordering::Relaxed));
        every != 0 && (self.counts[kind].fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every)
    }

    fn delay_us(&self, request: Request) -> u64 {
        let [fixed, jitter, tail_every, tail_max, writes_every, writes_max] =
            [0, 1, 2, 3, 4, 5].map(|i| u64::from(self.latency[i].load(Ordering::Relaxed)));
        let up_to = |max: u64| if max == 0 { 0 } else { self.draw() % max };
        let one_in = |every: u64| every != 0 && self.draw().is_multiple_of(every);
        let in_tail = if one_in(tail_every) { heavy(self.draw(), tail_max) } else { 0 };
        let late = if request == Request::Write && one_in(writes_every) { up_to(writes_max) } else { 0 };
        fixed + up_to(jitter) + in_tail + late
    }

    fn draw(&self) -> u64 {
        mix(self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

/// The longest, divided by two numbers drawn evenly: most are a hundredth of it and less, one in 20 an eighth and more.
fn heavy(draw: u64, longest: u64) -> u64 {
    let share = 1 + draw % 64;
    longest / share / (1 + (draw >> 32) % 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_fails_and_only_of_its_kind() {
        let knobs = Knobs::new(1, Latency::NONE, Failing::NONE);
        knobs.fail(Failing { writes_every: 3, ..Failing::default() });
        let failed = |request| (0..9).filter(|_| !knobs.pass(request)).count();
        assert_eq!((failed(Request::Write), failed(Request::Read), failed(Request::Sync)), (3, 0, 0));
        knobs.as_usual();
        assert_eq!(failed(Request::Write), 0);
    }

    #[test]
    fn lengths_come_from_the_seed_and_have_a_tail() {
        let latency = Latency { fixed_us: 5, jitter_us: 3, tail_every: 10, tail_us_max: 100_000, ..Latency::NONE };
        let lengths = |seed| {
            let knobs = Knobs::new(seed, latency, Failing::NONE);
            (0..1000).map(|_| knobs.delay_us(Request::Read)).collect::<Vec<_>>()
        };
        assert_eq!(lengths(7), lengths(7));
        assert_ne!(lengths(7), lengths(8));
        let mut sorted = lengths(7);
        sorted.sort_unstable();
        assert!(sorted[500] <= 8 && sorted[999] > 10_000 && sorted[0] >= 5, "{:?}", &sorted[990..]);
    }

    #[test]
    fn a_stall_ends_when_it_is_released_and_at_its_deadline() {
        let knobs = Knobs::new(1, Latency::NONE, Failing::NONE);
        knobs.stall(Duration::from_secs(600));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| knobs.pass(Request::Read));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            knobs.release();
            assert!(waiting.join().expect("it passes"));
        });
        knobs.stall(Duration::from_millis(1));
        assert!(knobs.pass(Request::Other), "nobody released it");
    }
}

//! A small seeded generator (splitmix64): the agent's choices follow from the run's seed.

use walproof_format::ledger::mix;

/// A stream of numbers that is a pure function of its seed.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed) }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True once in `every` on average; never when `every` is 0.
    pub fn once_in(&mut self, every: u64) -> bool {
        every != 0 && self.below(every) == 0
    }
}

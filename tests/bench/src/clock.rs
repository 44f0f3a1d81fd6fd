//! Time in cycles of the core. The time stamp counter ticks at a rate of its own; how many ticks a cycle has is found by
//! timing instructions that can only be executed one after the other, right before they are needed.
//!
//! Left out: performance counters, which virtual machines seldom have.

use core::hint::black_box;
use core::sync::atomic::{Ordering::SeqCst, fence};
use quanta::Clock;

/// Steps of xorshift in a chain, and cycles of each: three shifts and three XORs, each of which needs the one before.
const STEPS: u32 = 2_000;
const CYCLES_PER_STEP: u32 = 6;
/// How often the chain is timed; the shortest time counts, as others were interrupted.
const CHAINS: usize = 15;

/// The clock.
pub(crate) struct Cycles {
    clock: Clock,
    ticks_per_cycle: f64,
    /// Ticks that reading the clock twice takes.
    empty: u64,
}

impl Cycles {
    pub(crate) fn new() -> Self {
        let mut cycles = Self { clock: Clock::new(), ticks_per_cycle: 1.0, empty: 0 };
        cycles.adjust();
        cycles
    }

    /// Finds out the core's present rate.
    pub(crate) fn adjust(&mut self) {
        let mut state = 1;
        let chains = (0..CHAINS).map(|_| self.ticks(|| state = black_box(chain(black_box(state)))));
        let shortest = chains.min().unwrap_or_default();
        let mut empty: Vec<u64> = (0..101).map(|_| self.ticks(|| ())).collect();
        empty.sort_unstable();
        self.empty = empty[50];
        self.ticks_per_cycle =
            shortest.saturating_sub(self.empty) as f64 / f64::from(STEPS * CYCLES_PER_STEP);
    }

    /// Ticks from before `act` to after it. The fences let all that was stored become visible first: a core may not begin
    /// or end it outside.
    #[inline(always)]
    fn ticks(&self, act: impl FnOnce()) -> u64 {
        fence(SeqCst);
        let start = self.clock.raw();
        fence(SeqCst);
        act();
        fence(SeqCst);
        self.clock.raw().saturating_sub(start)
    }

    /// Ticks that `act` takes, without those of the clock itself.
    #[inline(always)]
    pub(crate) fn of(&self, act: impl FnOnce()) -> u64 {
        self.ticks(act).saturating_sub(self.empty)
    }

    /// Ticks in cycles of the core.
    pub(crate) fn cycles(&self, ticks: f64) -> f64 {
        ticks / self.ticks_per_cycle
    }

    /// Ticks of a cycle.
    pub(crate) fn ticks_per_cycle(&self) -> f64 {
        self.ticks_per_cycle
    }
}

/// xorshift64 (Marsaglia 2003), `STEPS` times.
#[inline(never)]
fn chain(mut state: u64) -> u64 {
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

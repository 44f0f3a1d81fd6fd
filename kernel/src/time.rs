//! Time: microseconds since boot from the time-stamp counter.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::cpu;

/// Counter value at the first instruction of the image.
static ORIGIN: AtomicU64 = AtomicU64::new(0);
/// Microseconds per tick, as a fraction of 2^32; 0 until calibrated.
static SCALE: AtomicU64 = AtomicU64::new(0);

/// Sets the origin, and a first guess of the rate.
pub(crate) fn start(first_tsc: u64) {
    ORIGIN.store(first_tsc, Ordering::Relaxed);
    set_rate(2_000_000_000);
}

/// Sets the counter's rate.
pub(crate) fn set_rate(hertz: u64) {
    SCALE.store(((1_000_000_u128 << 32) / u128::from(hertz.max(1))) as u64, Ordering::Relaxed);
}

/// Microseconds since the first instruction of the image. Monotonic.
#[inline]
pub fn now() -> u64 {
    let ticks = cpu::tsc().saturating_sub(ORIGIN.load(Ordering::Relaxed));
    ((u128::from(ticks) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

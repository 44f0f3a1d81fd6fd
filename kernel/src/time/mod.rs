//! Time: microseconds since boot from the time-stamp counter, and the time of day from the CMOS clock.
//!
//! The counter's rate is what CPUID says (leaf 15h, or the hypervisor's leaf 40000010h), else measured
//! against a clock of known rate ([`calibrate`]). A measured rate is good to about 200 parts per million.
#![expect(unsafe_code, reason = "the CMOS clock is behind I/O ports")]

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::cpu;

pub(crate) mod calibrate;
pub mod rtc;

/// Counter value at the first instruction of the image.
static ORIGIN: AtomicU64 = AtomicU64::new(0);
/// Microseconds per tick, as a fraction of 2^32.
static SCALE: AtomicU64 = AtomicU64::new(0);
/// Ticks per second.
static RATE: AtomicU64 = AtomicU64::new(0);
/// Microseconds of the Unix epoch at the origin; 0 if unknown.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Sets the origin, and a first guess of the rate for the log lines before calibration.
pub(crate) fn start(first_tsc: u64) {
    ORIGIN.store(first_tsc, Ordering::Relaxed);
    set_rate(2_500_000_000);
}

/// Sets the counter's rate.
fn set_rate(hertz: u64) {
    let hertz = hertz.max(1_000_000);
    SCALE.store(((1_000_000_u128 << 32) / u128::from(hertz)) as u64, Ordering::Relaxed);
    RATE.store(hertz, Ordering::Relaxed);
}

/// Microseconds since the first instruction of the image. Monotonic.
#[inline]
pub fn now() -> u64 {
    let ticks = cpu::tsc().saturating_sub(ORIGIN.load(Ordering::Relaxed));
    ((u128::from(ticks) * u128::from(SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// The time-stamp counter itself; [`rate`] is what it counts in a second.
#[inline]
pub fn ticks() -> u64 {
    cpu::tsc()
}

/// Ticks of the counter per second.
pub fn rate() -> u64 {
    RATE.load(Ordering::Relaxed)
}

/// The counter's value at a time in microseconds since boot.
pub(crate) fn ticks_at(micros: u64) -> u64 {
    let ticks = u128::from(micros) * u128::from(rate()) / 1_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(ORIGIN.load(Ordering::Relaxed))
}

/// Waits without sleeping, for delays that a device asks for.
pub fn busy_wait(micros: u64) {
    let until = now().saturating_add(micros);
    while now() < until {
        core::hint::spin_loop();
    }
}

/// CMOS register of the century, as ACPI names it; 0 if there is none.
static CENTURY: AtomicU8 = AtomicU8::new(0);

/// Reads the CMOS clock once; from then on the counter carries the time of day.
pub(crate) fn set_wall_clock(century: u8) {
    CENTURY.store(century, Ordering::Relaxed);
    if let Some(seconds) = rtc_seconds() {
        EPOCH.store((seconds * 1_000_000).saturating_sub(now()), Ordering::Relaxed);
    }
}

/// What the CMOS clock shows, in seconds since 1970-01-01 00:00 UTC.
pub(crate) fn rtc_seconds() -> Option<u64> {
    rtc::read(CENTURY.load(Ordering::Relaxed), |register| {
        // SAFETY: index and data port of the CMOS clock, or nothing. Bit 7 of the index would mask NMIs.
        unsafe { cpu::outb(0x70, register & 0x7f) };
        // SAFETY: as above.
        unsafe { cpu::inb(0x71) }
    })
}

/// Microseconds since 1970-01-01 00:00 UTC, right to a second; `None` if the machine has no such clock.
pub fn wall() -> Option<u64> {
    match EPOCH.load(Ordering::Relaxed) {
        0 => None,
        epoch => Some(epoch + now()),
    }
}

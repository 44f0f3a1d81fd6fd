//! The rates of the time-stamp counter and of the alarm's timer: from CPUID where it says, else measured
//! over a few milliseconds against the ACPI power-management timer or the legacy interval timer.
#![expect(unsafe_code, reason = "the reference clocks are behind I/O ports")]

use super::set_rate;
use crate::{apic, cpu};

/// Length of the measurement in microseconds. Boot waits for it.
const WINDOW: u64 = 3_000;
/// Readings taken at either end, of which the quickest counts.
const READINGS: usize = 5;

/// A clock of known rate that counts up and wraps at a power of two.
#[derive(Debug, Clone, Copy)]
enum Reference {
    /// The power-management timer at this port (ACPI 6.4, 4.8.3.3).
    PmTimer(u16),
    /// Channel 0 of the 8254, which firmware leaves running.
    Pit,
}

impl Reference {
    const fn hertz(self) -> u64 {
        match self {
            Self::PmTimer(_) => 3_579_545,
            Self::Pit => 1_193_182,
        }
    }

    const fn mask(self) -> u64 {
        match self {
            Self::PmTimer(_) => 0xff_ffff,
            Self::Pit => 0xffff,
        }
    }

    /// Makes it count, if that is ours to do.
    fn start(self) {
        if matches!(self, Self::Pit) {
            // Channel 0, low then high byte, rate generator, from 65,536 down.
            for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 0)] {
                // SAFETY: the 8254's ports; its interrupt is masked.
                unsafe { cpu::outb(port, value) };
            }
        }
    }

    fn read(self) -> u64 {
        match self {
            // SAFETY: FADT names this port as the timer; reading has no effect.
            Self::PmTimer(port) => u64::from(unsafe { cpu::inl(port) } & 0xff_ffff),
            Self::Pit => {
                // SAFETY: latches the count of channel 0.
                unsafe { cpu::outb(0x43, 0) };
                // SAFETY: reads the latched count, low byte first.
                let low = unsafe { cpu::inb(0x40) };
                // SAFETY: as above.
                let high = unsafe { cpu::inb(0x40) };
                0xffff - u64::from(u16::from_le_bytes([low, high]))
            }
        }
    }
}

/// One look at all three clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    tsc: u64,
    reference: u64,
    timer: u32,
}

/// Reads the clocks as closely together as [`READINGS`] attempts allow. One function for all readings, so that
/// under TCG all but the first run translated code.
#[inline(never)]
fn reading(reference: Reference) -> Reading {
    let attempt = || {
        let before = cpu::tsc();
        let value = reference.read();
        let timer = apic::elapsed();
        let after = cpu::tsc();
        (after - before, Reading { tsc: before.midpoint(after), reference: value, timer })
    };
    let mut best = attempt();
    for _ in 1..READINGS {
        let next = attempt();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

/// Rates per second of the counter and of the timer, from two readings.
fn rates(first: Reading, last: Reading, hertz: u64, mask: u64) -> Option<(u64, u64)> {
    let span = last.reference.wrapping_sub(first.reference) & mask;
    let per_second =
        |ticks: u64| u64::try_from(u128::from(ticks) * u128::from(hertz) / u128::from(span)).ok();
    if span == 0 {
        return None;
    }
    Some((
        per_second(last.tsc.checked_sub(first.tsc)?)?,
        per_second(last.timer.wrapping_sub(first.timer).into())?,
    ))
}

/// Measures both rates; `None` if the reference does not count.
fn measure(reference: Reference) -> Option<(u64, u64)> {
    reference.start();
    apic::start_count();
    // Warms up caches and translations.
    reading(reference);
    let first = reading(reference);
    let window = WINDOW * reference.hertz() / 1_000_000;
    // A dead reference must not stop the boot: no CPU counts this far in the window.
    let limit = cpu::tsc() + WINDOW * 20_000;
    while reference.read().wrapping_sub(first.reference) & reference.mask() < window {
        if cpu::tsc() > limit {
            return None;
        }
    }
    rates(first, reading(reference), reference.hertz(), reference.mask())
}

/// The counter's rate as CPUID states it: crystal and ratio (leaf 15h), or the hypervisor's word in kHz.
fn stated() -> Option<u64> {
    let [denominator, numerator, crystal, _] = cpu::cpuid(0x15, 0);
    if denominator != 0 && numerator != 0 && crystal != 0 {
        return Some(u64::from(crystal) * u64::from(numerator) / u64::from(denominator));
    }
    const HYPERVISOR: u32 = 1 << 31;
    if cpu::cpuid(1, 0)[2] & HYPERVISOR == 0 {
        return None;
    }
    let [kilohertz, ..] = cpu::cpuid(0x4000_0010, 0);
    (kilohertz != 0).then_some(u64::from(kilohertz) * 1000)
}

/// Sets the rates of the clock and of the alarm.
pub(crate) fn run(pm_timer: Option<u16>) {
    let stated = stated();
    if let (Some(rate), false) = (stated, apic::needs_rate()) {
        set_rate(rate);
        apic::set_rate(0);
        log::debug!("TSC {rate} Hz, as CPUID says");
        return;
    }
    let measured = pm_timer.map(Reference::PmTimer).and_then(measure).or_else(|| measure(Reference::Pit));
    let Some((tsc, timer)) = measured else {
        log::warn!("no reference clock: the time-stamp counter is taken as {} Hz", super::rate());
        // The timer then fires too early rather than too late.
        apic::set_rate(100_000_000);
        return;
    };
    set_rate(stated.unwrap_or(tsc));
    apic::set_rate(timer);
    log::debug!("TSC {tsc} Hz, timer {timer} Hz, measured in {WINDOW} us");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_from_two_readings_across_a_wrap() {
        let first = Reading { tsc: 1_000, reference: 0xff_ff00, timer: 10 };
        let last = Reading { tsc: 1_000 + 9_000_000, reference: 0x2000 - 0x100, timer: 3_000_010 };
        let (tsc, timer) = rates(first, last, 0x2000 * 1_000 / 3, 0xff_ffff).unwrap();
        assert!((2_999_000_000..3_001_000_000).contains(&tsc), "{tsc}");
        assert!((999_000_000..1_001_000_000).contains(&timer), "{timer}");
        assert_eq!(rates(first, first, 1, 0xff_ffff), None);
    }
}

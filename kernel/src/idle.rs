//! Sleeping until there is something to do.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{apic, cpu, time, trap};

/// The deadline that the alarm is set to, and how often the timer had fired when it was set.
static ALARM: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Sleeps until an interrupt, or until `until` (microseconds since boot). Returns at once if that has passed
/// or if `ready` says that there is work.
///
/// `ready` is asked with interrupts off and after the caller has armed its devices, so a device that signals
/// between the question and the sleep ends the sleep: no wake-up is lost. It may return without a cause (an
/// old interrupt, or a timer that cannot count that far), so the caller asks again in a loop.
pub fn wait(until: u64, ready: impl FnOnce() -> bool) {
    if time::now() >= until || ready() {
        return;
    }
    set_timer(until);
    cpu::sleep();
}

/// Sets the alarm that ends a sleep to `deadline` microseconds since boot. [`wait`] does so by itself.
pub fn set_timer(deadline: u64) {
    let fired = trap::fired(apic::TIMER);
    let [set_to, set_at] = &ALARM;
    // Under TCG setting the timer costs more than asking whether it is set.
    if set_to.load(Ordering::Relaxed) != deadline || set_at.load(Ordering::Relaxed) != fired {
        set_to.store(deadline, Ordering::Relaxed);
        set_at.store(fired, Ordering::Relaxed);
        apic::set_alarm(deadline);
    }
}

//! Whether the machine is quiet enough to measure on: the share of processor time that is in use, from the first
//! line of `/proc/stat` (proc(5)). What uses it is not told apart.

use core::time::Duration;
use std::fs;
use std::thread::sleep;
use std::time::Instant;

/// Up to this share, in percent, the machine counts as quiet.
pub(crate) const QUIET_PERCENT: f64 = 10.0;
/// How long one look takes.
const WINDOW: Duration = Duration::from_secs(1);

/// Processor time since boot, in ticks of all processors together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    total: u64,
}

impl Ticks {
    /// The first line: user nice system idle iowait irq softirq steal (guest time is in user already).
    fn parse(stat: &str) -> Option<Self> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> =
            fields.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let total: u64 = fields.iter().sum();
        let resting = fields.get(3)? + fields.get(4)?;
        Some(Self { busy: total - resting, total })
    }

    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Busy share since `earlier`, in percent.
    fn busy_percent_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        100.0 * self.busy.saturating_sub(earlier.busy) as f64 / total as f64
    }
}

/// The busy share over one second, in percent; 100 where it cannot be read.
pub(crate) fn busy_percent() -> f64 {
    let Some(before) = Ticks::now() else { return 100.0 };
    sleep(WINDOW);
    Ticks::now().map_or(100.0, |after| after.busy_percent_since(before))
}

/// Waits until the machine is quiet, at most `patience`, and returns the busy share last seen, in percent.
pub(crate) fn settle(patience: Duration) -> f64 {
    let start = Instant::now();
    loop {
        let busy = busy_percent();
        if busy <= QUIET_PERCENT || start.elapsed() >= patience {
            return busy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let before = Ticks::parse("cpu  100 0 50 1000 20 1 2 3 7 0\ncpu0 1 2 3").expect("eight fields");
        assert_eq!(before, Ticks { busy: 156, total: 1176 });
        let after = Ticks { busy: 186, total: 1276 };
        assert!((after.busy_percent_since(before) - 30.0).abs() < 1e-9);
        assert_eq!(Ticks::parse("intr 5"), None);
    }
}

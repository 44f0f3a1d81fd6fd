//! Keeps strangers from flooding the console: a line on a serial port takes longer than the datagram that
//! provoked it, so what anybody can provoke is said a few times a second and counted otherwise.

use net::{Duration, Instant};

/// Lines in a row.
const LINES: u32 = 10;
/// The time in which no more than [`LINES`] are said.
const PERIOD: Duration = Duration::from_secs(1);

/// How often one kind of line was said lately.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quiet {
    since: Instant,
    said: u32,
    withheld: u64,
}

impl Quiet {
    /// Whether the line may be said, and if so how many before it were withheld.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        if now >= self.since + PERIOD {
            (self.since, self.said) = (now, 0);
        }
        if self.said == LINES {
            self.withheld += 1;
            return None;
        }
        self.said += 1;
        Some(core::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_mentioned_when_it_is_over() {
        let mut quiet = Quiet::default();
        let at = |millis: u64| Instant::from_millis(5_000 + millis);
        for _ in 0..LINES {
            assert_eq!(quiet.admit(at(0)), Some(0));
        }
        for _ in 0..1_000 {
            assert_eq!(quiet.admit(at(999)), None);
        }
        assert_eq!(quiet.admit(at(1_000)), Some(1_000));
        assert_eq!(quiet.admit(at(1_001)), Some(0));
    }
}

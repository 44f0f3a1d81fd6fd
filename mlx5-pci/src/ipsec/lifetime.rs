//! Lifetimes in packets on a counter of 32 bits that counts down (facts C.7).
//!
//! 1. A lifetime is `start` plus rounds of 2^31 packets, `start` below 2^32, and at least 2^31 if there are rounds.
//! 2. When the counter has fallen below 2^31 and a round is left, the driver sets bit 31: the counter has 2^31 more. It
//!    has 2^31 packets of time for that.
//! 3. The card says when the counter reaches a threshold: that of the soft limit if it is above the end of the round,
//!    else the end of the round. What a late driver misses it finds out from the counter itself.
//! 4. At 0 the card stops the SA by itself and says so.

use super::event::Expiry;
use super::sa::{Install, Limits};

/// Packets of a round, and the bit that stands for them.
pub(super) const ROUND: u32 = 1 << 31;

/// Sequence numbers without ESN, of which the last sixteenth is for whoever is late.
const NUMBERS: u64 = u32::MAX as u64;

/// A lifetime, and how much of it the driver knows to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    total: u64,
    /// The card stops at the end.
    is_hard: bool,
    /// Packets that are left at the soft limit.
    soft_left: Option<u64>,
    rounds: u64,
}

/// What to do after a look at the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The soft limit is reached, for the first time.
    pub(super) soft: bool,
    /// The hard limit is reached.
    pub(super) hard: bool,
    /// Set bit 31 of the counter.
    pub(super) add: bool,
    /// The next threshold to be told of.
    pub(super) threshold: Option<u32>,
}

impl Lifetime {
    /// One of these limits; nothing if there are none.
    pub(super) fn new(limits: Limits) -> Option<Self> {
        let total = limits.hard.or(limits.soft.map(|_| u64::MAX))?;
        let rounds = if total >> 32 == 0 { 0 } else { (total >> 31) - 1 };
        let soft_left = limits.soft.map(|soft| total.saturating_sub(soft));
        Some(Self { total, is_hard: limits.hard.is_some(), soft_left, rounds })
    }

    /// The counter at the start.
    pub(super) fn start(&self) -> u32 {
        (self.total - self.rounds * u64::from(ROUND)) as u32
    }

    /// Whether the card stops at the end.
    pub(super) fn is_hard(&self) -> bool {
        self.is_hard
    }

    /// Packets that are left when the counter is at `counter`.
    pub(super) fn left(&self, counter: u32) -> u64 {
        (self.rounds * u64::from(ROUND)).saturating_add(counter.into())
    }

    /// The threshold to be told of while the counter is at `counter`.
    pub(super) fn threshold(&self, counter: u32) -> Option<u32> {
        let end = if self.rounds > 0 { Some(ROUND - 1) } else { None };
        let soft = self.soft_left.and_then(|left| left.checked_sub(self.rounds * u64::from(ROUND)));
        let soft = soft.and_then(|left| u32::try_from(left).ok());
        let soft = soft.filter(|soft| *soft < counter && end.is_none_or(|end| *soft > end));
        soft.or(end)
    }

    /// The counter was seen at `counter`. If it is added to, that is done at once.
    pub(super) fn look(&mut self, counter: u32) -> Step {
        let soft = self.soft_left.is_some_and(|soft| self.left(counter) <= soft);
        if soft {
            self.soft_left = None;
        }
        let add = self.rounds > 0 && counter < ROUND;
        if add {
            self.rounds -= 1;
        }
        let counter = if add { counter | ROUND } else { counter };
        let hard = self.is_hard && self.left(counter) == 0;
        Step { soft, hard, add, threshold: self.threshold(counter) }
    }
}

/// The limits in packets, and what a soft and a hard one stand for: without ESN, numbers must not come again.
pub(super) fn limits(sa: &Install) -> (Limits, [Expiry; 2]) {
    let Limits { soft, hard } = sa.packets;
    if sa.esn || sa.direction.receives() {
        return (sa.packets, [Expiry::Packets; 2]);
    }
    let numbers = NUMBERS - (sa.sequence - 1);
    let early = numbers - numbers / 16;
    let pick = |limit: Option<u64>, numbers: u64| match limit {
        Some(limit) if limit <= numbers => (limit, Expiry::Packets),
        _ => (numbers, Expiry::Sequence),
    };
    let ((soft, of_soft), (hard, of_hard)) = (pick(soft, early), pick(hard, numbers));
    (Limits { soft: (soft < hard).then_some(soft), hard: Some(hard) }, [of_soft, of_hard])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that counts down, with a driver that is `late` packets behind. Packets until soft and hard limit.
    fn run(limits: Limits, late: u32) -> (Option<u64>, Option<u64>) {
        let mut life = Lifetime::new(limits).unwrap();
        let mut counter = life.start();
        let (mut used, mut soft) = (0u64, None);
        let mut threshold = life.threshold(counter);
        loop {
            let at = threshold.filter(|at| *at < counter).unwrap_or(0);
            let at = at.saturating_sub(late);
            used += u64::from(counter - at);
            counter = at;
            let step = life.look(counter);
            if step.soft {
                assert_eq!(soft.replace(used), None, "once");
            }
            if step.hard {
                return (soft, Some(used));
            }
            if counter == 0 && !step.add {
                return (soft, None);
            }
            if limits.hard.is_none() && soft.is_some() {
                return (soft, None);
            }
            if step.add {
                counter |= ROUND;
            }
            threshold = step.threshold;
        }
    }

    #[test]
    fn limits_are_reached_to_the_packet() {
        let round = u64::from(ROUND);
        for hard in
            [1, 2, 100, round - 1, round, round + 1, 2 * round - 1, 2 * round, 2 * round + 1, 5 * round]
        {
            assert_eq!(run(Limits { soft: None, hard: Some(hard) }, 0), (None, Some(hard)));
            for soft in [1, 2, 50, hard / 2, hard - round.min(hard - 1), hard - 1] {
                if (1..hard).contains(&soft) {
                    let (at, end) = run(Limits { soft: Some(soft), hard: Some(hard) }, 0);
                    assert_eq!(end, Some(hard));
                    // At a packet that is the end of a round anyway, it is known one packet later at most.
                    assert!((soft..=soft + 1).contains(&at.unwrap()), "{soft} of {hard}: {at:?}");
                }
            }
        }
        assert_eq!(run(Limits { soft: Some(3 * round + 5), hard: None }, 0), (Some(3 * round + 5), None));
    }

    #[test]
    fn a_late_driver_stops_no_sooner_and_no_later() {
        let round = u64::from(ROUND);
        for late in [1, 1000, ROUND - 1] {
            for hard in [3 * round, 4 * round + 12_345] {
                let soft = Some(2 * round + 77);
                let (at, end) = run(Limits { soft, hard: Some(hard) }, late);
                assert_eq!(end, Some(hard));
                assert!(at >= soft && at.unwrap() <= 2 * round + 78 + u64::from(late) + round, "{late}");
            }
        }
    }
}

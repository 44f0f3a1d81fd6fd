//! What wires do to frames when asked: lose, duplicate, corrupt and delay them. The same frames meet the same fate in
//! every run: the dice are seeded. Leaves out reordering, which a duplicate after a delay stands in for.

use crate::queue::Frame;
use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

/// Frames that a delay holds at most.
const HELD: usize = 16 * 1024;

/// How bad a wire is. Ratios are parts of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Impairment {
    /// Frames that vanish.
    pub loss: f64,
    /// Frames that come twice.
    pub duplicate: f64,
    /// Frames of which a bit is flipped behind the addresses.
    pub corrupt: f64,
    /// Time that every frame takes.
    pub delay: Duration,
}

/// The words of [`Impairment::parse`].
pub(crate) const WORDS: &str =
    "loss=RATIO, duplicate=RATIO, corrupt=RATIO (0 to 1), delay=MILLISECONDS; none";

impl Impairment {
    /// Understands words such as `loss=0.01 delay=20`; what is not named is none.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Impairment> {
        let mut impairment = Impairment::default();
        for word in words {
            if word == "none" {
                continue;
            }
            let (key, value) = word.split_once('=')?;
            let number: f64 =
                value.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
            let ratio = (number <= 1.0).then_some(number);
            match key {
                "loss" => impairment.loss = ratio?,
                "duplicate" => impairment.duplicate = ratio?,
                "corrupt" => impairment.corrupt = ratio?,
                "delay" => impairment.delay = Duration::try_from_secs_f64(number / 1000.0).ok()?,
                _ => return None,
            }
        }
        Some(impairment)
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Impairment { loss, duplicate, corrupt, delay } = self;
        write!(
            f,
            "loss={loss} duplicate={duplicate} corrupt={corrupt} delay={}",
            delay.as_secs_f64() * 1000.0
        )
    }
}

/// Frames inside of one direction of a wire.
pub(super) struct Delayed {
    frames: VecDeque<(Instant, Frame)>,
    dice: u64,
}

impl Default for Delayed {
    fn default() -> Delayed {
        Delayed { frames: VecDeque::new(), dice: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl Delayed {
    /// Frames enter.
    pub(super) fn add(&mut self, frames: Vec<Frame>, impairment: Impairment) {
        let due = Instant::now() + impairment.delay;
        for mut frame in frames {
            if self.hits(impairment.loss) || self.frames.len() >= HELD {
                continue;
            }
            if self.hits(impairment.corrupt) && frame.len() > 14 {
                let at = 14 + (self.roll() as usize) % (frame.len() - 14);
                frame[at] ^= 1 << (self.roll() % 8);
            }
            if self.hits(impairment.duplicate) {
                self.frames.push_back((due, frame.clone()));
            }
            self.frames.push_back((due, frame));
        }
    }

    /// When the next one comes out.
    pub(super) fn due(&self) -> Option<Instant> {
        self.frames.front().map(|(due, _)| *due)
    }

    /// Frames that come out now.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        let now = Instant::now();
        let ripe = self.frames.iter().take_while(|(due, _)| *due <= now).count();
        self.frames.drain(..ripe).map(|(_, frame)| frame).collect()
    }

    fn hits(&mut self, ratio: f64) -> bool {
        // Without a ratio no dice are thrown.
        ratio > 0.0 && (self.roll() as f64) < ratio * (1u64 << 32) as f64
    }

    /// 32 bits of xorshift64*.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        self.dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(impairment: &str, count: usize) -> Vec<Frame> {
        let mut delayed = Delayed::default();
        let impairment = Impairment::parse(impairment.split_whitespace()).unwrap();
        delayed.add((0..count).map(|number| vec![number as u8; 100]).collect(), impairment);
        delayed.take()
    }

    #[test]
    fn a_good_wire_changes_nothing() {
        let frames = through("none", 200);
        assert!(frames.iter().enumerate().all(|(number, frame)| *frame == vec![number as u8; 100]));
        assert_eq!(frames.len(), 200);
    }

    #[test]
    fn ratios_are_kept() {
        assert_eq!(through("loss=1", 100).len(), 0);
        assert_eq!(through("duplicate=1", 100).len(), 200);
        let lost = 10_000 - through("loss=0.1", 10_000).len();
        assert!((800..1200).contains(&lost), "{lost} of 10000 at 0.1");
        let flipped = through("corrupt=1", 100);
        for (number, frame) in flipped.iter().enumerate() {
            let ones: u32 = frame.iter().map(|byte| (byte ^ number as u8).count_ones()).sum();
            assert_eq!(ones, 1);
            assert_eq!(frame[..14], [number as u8; 14]);
        }
    }

    #[test]
    fn delay_is_time_for_all_and_order_stays() {
        let mut delayed = Delayed::default();
        let impairment = Impairment { delay: Duration::from_millis(30), ..Impairment::default() };
        let started = Instant::now();
        delayed.add(vec![vec![1], vec![2]], impairment);
        assert!(delayed.take().is_empty());
        assert!(delayed.due().unwrap() >= started + impairment.delay);
        std::thread::sleep(Duration::from_millis(35));
        assert_eq!(delayed.take(), [vec![1], vec![2]]);
    }

    #[test]
    fn words() {
        for wrong in ["loss", "loss=2", "loss=-1", "loss=x", "delay=inf", "delay=1e300", "pain=1"] {
            assert_eq!(Impairment::parse([wrong]), None, "{wrong}");
        }
        let both = Impairment::parse(["loss=0.5", "delay=1.5"]).unwrap();
        assert_eq!(both.to_string(), "loss=0.5 duplicate=0 corrupt=0 delay=1.5");
    }
}

//! Frames on their way: from a card to its wire, or from the host's side of a wire to the card.
//!
//! A card fills it while it holds its lock, so that frames keep their order, and never waits there. Whoever made the
//! card send waits afterwards, without any lock, until the wire has caught up: that is what keeps the queue short, and
//! two cards on one wire can't wait for each other. Beyond a hard limit frames are dropped and counted.

use crate::lock;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A frame without FCS.
pub type Frame = Vec<u8>;

/// Frames beyond which senders wait.
const ENOUGH: usize = 1024;
/// Frames beyond which they are dropped: more than a sender can add while it waits for `PATIENCE`.
const FULL: usize = 16 * 1024;
/// How long a sender waits for a wire that does not take frames. QEMU gives up on a device after 5 s.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    /// Whether a wire takes them; without one they vanish.
    plugged: bool,
    /// Whether somebody has lost patience and the wire has taken nothing since. Others need not try.
    stuck: bool,
    dropped: u64,
    closed: bool,
}

/// The queue.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
}

impl Queue {
    /// A wire takes the frames from now on.
    pub fn plug(&self) {
        lock(&self.state).plugged = true;
    }

    /// Appends frames; never waits.
    pub fn push(&self, frames: impl IntoIterator<Item = Frame>) {
        let mut state = lock(&self.state);
        for frame in frames {
            if !state.plugged {
                continue;
            }
            if state.frames.len() < FULL {
                state.frames.push_back(frame);
            } else {
                state.dropped += 1;
            }
        }
        if !state.frames.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Waits until the wire has caught up, for a limited time.
    pub fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = lock(&self.state);
        while state.frames.len() >= ENOUGH && !state.closed && !state.stuck {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.stuck = true;
                return;
            }
            let waited = self.drained.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Up to `most` frames. Waits for the first; not beyond `until`, then there are none. Nothing when the queue is
    /// closed and empty.
    pub fn pop(&self, most: usize, until: Option<Instant>) -> Option<Vec<Frame>> {
        let mut state = lock(&self.state);
        while state.frames.is_empty() {
            if state.closed {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Some(Vec::new()),
                Some(left) => {
                    let waited = self.filled.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.stuck = false;
        let count = state.frames.len().min(most);
        let frames = state.frames.drain(..count).collect();
        if state.frames.len() < ENOUGH {
            self.drained.notify_all();
        }
        Some(frames)
    }

    /// Nobody waits any more.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Frames that are under way.
    pub fn len(&self) -> usize {
        lock(&self.state).frames.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames that were dropped because the wire took none for too long.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_order_and_nothing_is_lost_while_the_wire_is_quick() {
        let queue = Queue::default();
        queue.plug();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0u32..50_000 {
                    queue.push([number.to_be_bytes().to_vec()]);
                    queue.settle();
                    assert!(queue.len() <= ENOUGH + 1, "it grew to {}", queue.len());
                }
                queue.close();
            });
            let mut next = 0u32;
            while let Some(frames) = queue.pop(32, None) {
                for frame in frames {
                    assert_eq!(frame, next.to_be_bytes());
                    next += 1;
                }
            }
            assert_eq!(next, 50_000);
        });
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_wire_that_stands_still_costs_patience_and_then_frames_but_no_memory() {
        let queue = Queue::default();
        queue.plug();
        queue.push((0..FULL + 7).map(|_| vec![0; 60]));
        assert_eq!((queue.len(), queue.dropped()), (FULL, 7));
        let started = Instant::now();
        queue.settle();
        assert!(started.elapsed() >= PATIENCE);
        let started = Instant::now();
        queue.settle();
        assert!(started.elapsed() < PATIENCE, "it is known to stand still");
    }

    #[test]
    fn a_wire_that_has_other_things_to_do_waits_only_so_long() {
        let queue = Queue::default();
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(queue.pop(1, Some(soon)), Some(Vec::new()));
        assert!(Instant::now() >= soon);
    }

    #[test]
    fn without_a_wire_frames_vanish() {
        let queue = Queue::default();
        queue.push([vec![0; 60]]);
        assert!(queue.is_empty());
        assert_eq!(queue.dropped(), 0);
        queue.close();
        assert_eq!(queue.pop(1, None), None);
    }
}

//! Which SAs have something to tell, and when the others may have: so that asking costs as much as there is to tell, however
//! many SAs there are.
//!
//! 1. Who has news stands in a queue, once.
//! 2. Who may have some later has a time in a heap. A time that has come too early, since traffic has put off what was due,
//!    is only looked at again; that costs less than keeping all times right. So no time is too late, and some are too early.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

use net::Instant;

/// Entries of the heap that may be of the past, beside one for each slot.
const SPARE: usize = 64;

/// What is known of a slot of the SAD.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// It is in the queue.
    has_news: bool,
    /// Its entry of the heap that counts; never: there is none.
    at: Instant,
}

/// The agenda, by slots of the SAD.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    places: Vec<Place>,
    news: VecDeque<u32>,
    times: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Agenda {
    fn place(&mut self, slot: usize) -> Option<&mut Place> {
        if self.places.len() <= slot {
            self.places.resize(slot + 1, Place { has_news: false, at: Instant::NEVER });
        }
        self.places.get_mut(slot)
    }

    /// The SA in this slot has something to tell.
    pub(crate) fn tell(&mut self, slot: usize) {
        let Some(place) = self.place(slot) else { return };
        if !core::mem::replace(&mut place.has_news, true) {
            self.news.push_back(slot as u32);
        }
    }

    /// The SA in this slot, which has just told something, is asked once more before others.
    pub(crate) fn ask_again(&mut self, slot: usize) {
        let Some(place) = self.place(slot) else { return };
        if !core::mem::replace(&mut place.has_news, true) {
            self.news.push_front(slot as u32);
        }
    }

    /// The SA in this slot is to be asked at this time at the latest.
    pub(crate) fn wake(&mut self, slot: usize, at: Instant) {
        let Some(place) = self.place(slot) else { return };
        if at == Instant::NEVER {
            place.at = at;
        } else if at < place.at {
            place.at = at;
            self.times.push(Reverse((at, slot as u32)));
            if self.times.len() > 2 * self.places.len() + SPARE {
                let places = &self.places;
                self.times.retain(|Reverse((at, slot))| {
                    places.get(*slot as usize).is_some_and(|place| place.at == *at)
                });
            }
        }
    }

    /// Whom to ask next; whatever it says, it is off the agenda then.
    pub(crate) fn next(&mut self, now: Instant) -> Option<usize> {
        if let Some(slot) = self.news.pop_front() {
            let slot = slot as usize;
            if let Some(place) = self.places.get_mut(slot) {
                place.has_news = false;
            }
            return Some(slot);
        }
        while let Some(&Reverse((at, slot))) = self.times.peek() {
            let place = self.places.get_mut(slot as usize).filter(|place| place.at == at);
            match place {
                Some(_) if now < at => return None,
                Some(place) => {
                    place.at = Instant::NEVER;
                    self.times.pop();
                    return Some(slot as usize);
                }
                None => drop(self.times.pop()),
            }
        }
        None
    }

    /// When there is somebody to ask.
    pub(crate) fn next_wake(&self) -> Instant {
        match self.times.peek() {
            _ if !self.news.is_empty() => Instant::ZERO,
            Some(Reverse((at, _))) => *at,
            None => Instant::NEVER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    #[test]
    fn who_has_news_is_asked_once_and_before_who_waits() {
        let mut agenda = Agenda::default();
        agenda.wake(7, at(5));
        agenda.tell(3);
        agenda.tell(1);
        agenda.tell(3);
        assert_eq!(agenda.next_wake(), Instant::ZERO);
        assert_eq!((agenda.next(at(9)), agenda.next(at(9))), (Some(3), Some(1)));
        agenda.tell(2);
        agenda.ask_again(1);
        assert_eq!((agenda.next(at(9)), agenda.next(at(9))), (Some(1), Some(2)));
        assert_eq!((agenda.next(at(4)), agenda.next_wake()), (None, at(5)));
        assert_eq!(
            (agenda.next(at(5)), agenda.next(at(9)), agenda.next_wake()),
            (Some(7), None, Instant::NEVER)
        );
    }

    #[test]
    fn times_move_forward_by_being_looked_at_and_back_at_once() {
        let mut agenda = Agenda::default();
        agenda.wake(0, at(10));
        agenda.wake(0, at(20));
        assert_eq!(agenda.next_wake(), at(10), "too early is allowed");
        agenda.wake(0, at(5));
        assert_eq!((agenda.next(at(4)), agenda.next_wake()), (None, at(5)));
        assert_eq!(
            (agenda.next(at(30)), agenda.next(at(30))),
            (Some(0), None),
            "the other entry does not count"
        );
        agenda.wake(0, at(40));
        agenda.wake(0, Instant::NEVER);
        assert_eq!((agenda.next(at(50)), agenda.next_wake()), (None, Instant::NEVER));
    }

    #[test]
    fn entries_that_do_not_count_have_a_bound() {
        let mut agenda = Agenda::default();
        for round in 0..100_000 {
            let slot = round % 10;
            agenda.wake(slot, Instant::NEVER);
            agenda.wake(slot, at(1_000_000 + round as u64));
        }
        assert!(agenda.times.len() <= 2 * 10 + SPARE + 1, "{}", agenda.times.len());
    }

    proptest! {
        /// Against a list of all times: nobody is asked too late, or twice for one time.
        #[test]
        fn nobody_is_asked_too_late(steps in proptest::collection::vec((0usize..8, 0u64..60, 0u8..4), 1..200)) {
            let mut agenda = Agenda::default();
            let mut times = [Instant::NEVER; 8];
            let mut now = 0;
            for (slot, ahead, kind) in steps {
                match kind {
                    // A new time, as when an SA was looked at: earlier ones of it do not count any more.
                    0 | 1 => {
                        agenda.wake(slot, Instant::NEVER);
                        agenda.wake(slot, at(now + ahead));
                        times[slot] = at(now + ahead);
                    }
                    2 => {
                        agenda.wake(slot, Instant::NEVER);
                        times[slot] = Instant::NEVER;
                    }
                    _ => {
                        now += ahead;
                        let mut due: Vec<usize> = (0..8).filter(|slot| times[*slot] <= at(now)).collect();
                        due.sort_by_key(|slot| (times[*slot], *slot));
                        let asked: Vec<usize> = core::iter::from_fn(|| agenda.next(at(now))).collect();
                        prop_assert_eq!(&asked, &due);
                        due.iter().for_each(|slot| times[*slot] = Instant::NEVER);
                        prop_assert_eq!(agenda.next_wake(), *times.iter().min().unwrap());
                    }
                }
            }
        }
    }
}

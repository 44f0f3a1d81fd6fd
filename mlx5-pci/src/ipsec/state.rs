//! What an SA has done: its counters, and its live state on the card.

use super::counters::{Count, Counter};
use super::lifetime::Lifetime;
use super::names::Handle;
use super::offload::{Offload, Sa};
use super::queue::Change;
use crate::cmd::Commands;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::IpsecAso;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// `mode` of an ASO context with a replay window, and the window for `window_sz` 0.
const REPLAY: u8 = 1;
const LEAST_WINDOW: u16 = 32;

/// What an SA has counted: packets, and bytes of frames as they came to the card's entry without FCS. On send these are
/// plain, on receive ESP; payload is less by headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that met the SA, those that were dropped included.
    pub all: Count,
    /// Dropped: the ICV is wrong.
    pub bad_icv: Count,
    /// Dropped: authentic, but padding or next header are wrong.
    pub bad_trailer: Count,
    /// Dropped: the sequence number was seen or is too old.
    pub replay: Count,
    /// Dropped: not what the selector takes.
    pub selector: Count,
}

impl Counts {
    /// What went through.
    pub fn passed(&self) -> Count {
        [self.bad_icv, self.bad_trailer, self.replay, self.selector]
            .into_iter()
            .fold(self.all, |rest, dropped| rest - dropped)
    }

    pub(super) fn of(counts: &[Count]) -> Self {
        let at = |index: usize| counts.get(index).copied().unwrap_or_default();
        Self { all: at(0), bad_icv: at(1), bad_trailer: at(2), replay: at(3), selector: at(4) }
    }
}

/// The live state of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What it has counted.
    pub counts: Counts,
    /// On send the next sequence number, on receive the lowest one that may still come.
    pub sequence: u64,
    /// Packets of the replay window.
    pub window: u16,
    /// What was seen of it: bit n of the last byte and of those before it for `sequence` + n.
    pub seen: [u8; 32],
    /// Packets until the hard limit, if there is one.
    pub left: Option<u64>,
}

impl Sa {
    fn state(&self, context: &IpsecAso, counts: Counts) -> State {
        let lower = context.mode_parameter();
        let sequence = self.esn.map_or(lower.into(), |esn| esn.whole(lower));
        let window = if context.mode() == REPLAY { LEAST_WINDOW << context.window_sz() } else { 0 };
        let lifetime = self.lifetime.filter(Lifetime::is_hard);
        State {
            counts,
            sequence,
            window,
            seen: *context.replay_protection_window(),
            left: lifetime.map(|lifetime| lifetime.left(context.remove_flow_pkt_cnt())),
        }
    }
}

impl<F: Function> Offload<F> {
    /// Reads the live state of an SA from the card. Nothing if the handle names none.
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn read(&mut self, commands: &mut Commands<F>, handle: Handle) -> Result<Option<State>, Error> {
        let Some((object, counters)) =
            self.sa(handle).and_then(|sa| Some((sa.made.object?, sa.made.counters.clone())))
        else {
            return Ok(None);
        };
        let context = self.access.one(commands, object, Change::NONE)?;
        let counts = self.count(commands, &counters)?;
        Ok(self.sa(handle).map(|sa| sa.state(&context, counts)))
    }

    fn count(&self, commands: &mut Commands<F>, counters: &[Counter]) -> Result<Counts, Error> {
        let mut sorted: Vec<(usize, Counter)> = counters.iter().copied().enumerate().collect();
        sorted.sort_unstable_by_key(|(_, counter)| counter.number);
        let numbers: Vec<Counter> = sorted.iter().map(|(_, counter)| *counter).collect();
        let mut counts = alloc::vec![Count::default(); counters.len()];
        for ((index, _), count) in sorted.iter().zip(self.counters.read(commands, &numbers)?) {
            if let Some(place) = counts.get_mut(*index) {
                *place = count;
            }
        }
        Ok(Counts::of(&counts))
    }

    /// Reads the counters of all SAs, many with each command.
    ///
    /// # Errors
    /// When a command fails.
    pub fn count_all(&self, commands: &mut Commands<F>) -> Result<Vec<(Handle, Counts)>, Error> {
        let mut sorted: Vec<(Counter, usize, usize)> = Vec::new();
        for (slot, sa) in self.sas.iter().enumerate() {
            let counters = sa.iter().flat_map(|sa| sa.made.counters.iter().enumerate());
            sorted.extend(counters.map(|(index, counter)| (*counter, slot, index)));
        }
        sorted.sort_unstable_by_key(|(counter, ..)| counter.number);
        let numbers: Vec<Counter> = sorted.iter().map(|(counter, ..)| *counter).collect();
        let mut counts: BTreeMap<usize, [Count; 5]> = BTreeMap::new();
        for ((_, slot, index), count) in sorted.iter().zip(self.counters.read(commands, &numbers)?) {
            if let Some(place) = counts.entry(*slot).or_default().get_mut(*index) {
                *place = count;
            }
        }
        let named = counts
            .into_iter()
            .filter_map(|(slot, counts)| Some((self.sas.get(slot)?.as_ref()?.handle, Counts::of(&counts))));
        Ok(named.collect())
    }

    /// What was dropped without an SA: on receive what decryption left in a state that no SA's rule knows, on send what
    /// named no SA or could not be protected. And all that left, in clear or not.
    ///
    /// # Errors
    /// When a command fails.
    pub fn count_rest(&self, commands: &mut Commands<F>) -> Result<[Count; 3], Error> {
        let mut counts = [Count::default(); 3];
        for (place, counter) in counts.iter_mut().zip(&self.rest) {
            *place = self.counters.read(commands, &[*counter])?.pop().unwrap_or_default();
        }
        Ok(counts)
    }
}

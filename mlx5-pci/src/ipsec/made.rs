//! What an SA has on the card, noted as it is made, so that it can be taken down whole or half made.
//!
//! Down: entries in reverse, so that the SA works no more before anything else goes; counters, read a last time; contexts;
//! object; key. A command that fails stops nothing: all others are given all the same.

use super::counters::{Count, Counter, Counters};
use super::object;
use super::receive::{Place, Receive};
use super::reformat::{self, Reformat};
use super::send::Send;
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{DeallocModifyHeaderContextIn, ObjectType};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Receive(Place),
    Send(u32),
}

/// A packet reformat: one that several SAs share, or one of this SA only.
#[derive(Clone, Debug)]
pub(super) enum Headers {
    Shared(Reformat),
    Own(u32),
}

/// Everything on the card that an SA has.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) key: Option<u32>,
    pub(super) object: Option<u32>,
    pub(super) rewrite: Option<u32>,
    pub(super) headers: Option<Headers>,
    /// Of the SA, and on receive of bad ICVs, bad trailers, replays and selectors.
    pub(super) counters: Vec<Counter>,
    pub(super) entries: Vec<Entry>,
}

/// Reformats that SAs share.
#[derive(Debug, Default)]
pub(super) struct Shared(BTreeMap<Reformat, (u32, u32)>);

impl Shared {
    /// The number of `reformat`, made if nobody has it; one more uses it.
    pub(super) fn take<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        reformat: &Reformat,
    ) -> Result<u32, CmdError> {
        if let Some((number, users)) = self.0.get_mut(reformat) {
            *users += 1;
            return Ok(*number);
        }
        let number = reformat.create(commands)?;
        self.0.insert(reformat.clone(), (number, 1));
        Ok(number)
    }

    fn give_back<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        reformat: &Reformat,
    ) -> Result<(), CmdError> {
        let Some((number, users)) = self.0.get_mut(reformat) else { return Ok(()) };
        *users -= 1;
        if *users > 0 {
            return Ok(());
        }
        let number = *number;
        self.0.remove(reformat);
        reformat::destroy(commands, number)
    }
}

/// What SAs stand on.
pub(super) struct Ground<'a> {
    pub(super) receive: &'a Receive,
    pub(super) send: &'a Send,
    pub(super) counters: &'a mut Counters,
    pub(super) shared: &'a mut Shared,
}

impl Made {
    /// Makes the SA work no more: its last entry goes, which leads to its object.
    pub(super) fn close<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        ground: &Ground<'_>,
    ) -> Result<(), CmdError> {
        self.entries.pop().map_or(Ok(()), |entry| entry.delete(commands, ground))
    }

    /// Takes everything down; what the counters stood at, in their order.
    ///
    /// # Errors
    /// The first command that failed. What is left on the card is not known then.
    pub(super) fn destroy<F: Function>(
        mut self,
        commands: &mut Commands<F>,
        ground: &mut Ground<'_>,
    ) -> Result<Vec<Count>, CmdError> {
        let mut first = Ok(());
        let mut note = |outcome: Result<(), CmdError>| first = first.and(outcome);
        while let Some(entry) = self.entries.pop() {
            note(entry.delete(commands, ground));
        }
        let mut sorted = self.counters.clone();
        sorted.sort_unstable_by_key(|counter| counter.number);
        let read = ground.counters.read(commands, &sorted);
        note(read.as_ref().map(|_| ()).map_err(|error| *error));
        let last = |counter: &Counter| {
            let at = sorted.iter().position(|other| other.number == counter.number)?;
            read.as_ref().ok()?.get(at).copied()
        };
        let counts: Vec<Count> =
            self.counters.iter().map(|counter| last(counter).unwrap_or_default()).collect();
        for (counter, count) in self.counters.iter().zip(&counts) {
            note(ground.counters.give_back(commands, *counter, *count));
        }
        if let Some(number) = self.rewrite {
            let input = DeallocModifyHeaderContextIn::build().modify_header_id(number).done();
            note(commands.exec(&input).map(|_| ()));
        }
        match &self.headers {
            Some(Headers::Own(number)) => note(reformat::destroy(commands, *number)),
            Some(Headers::Shared(reformat)) => note(ground.shared.give_back(commands, reformat)),
            None => {}
        }
        if let Some(number) = self.object {
            note(object::destroy(commands, ObjectType::IPSEC, number));
        }
        if let Some(number) = self.key {
            note(object::destroy(commands, ObjectType::ENCRYPTION_KEY, number));
        }
        first.map(|()| counts)
    }
}

impl Entry {
    fn delete<F: Function>(self, commands: &mut Commands<F>, ground: &Ground<'_>) -> Result<(), CmdError> {
        match self {
            Self::Receive(place) => ground.receive.delete(commands, place),
            Self::Send(index) => ground.send.delete(commands, index),
        }
    }
}

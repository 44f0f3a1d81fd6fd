//! What SAs need while they live: the card says that an object has changed, and the driver looks why (facts C.7, C.8).
//!
//! 1. An EQE names the object, or it is its turn; its context is read.
//! 2. The upper half of its sequence numbers follows, then the card is asked to say so again.
//! 3. The counter of packets gets its next round and threshold.
//! 4. Both are looked at again after they were armed: what happens in between is not told.
//!
//! Limits in bytes are found out by reading counters. Every object has its turn from time to time, whatever the card says:
//! EQEs can be lost.

use super::event::{Event, Expiry};
use super::names::Handle;
use super::object;
use super::offload::Offload;
use super::queue::Change;
use super::sa::Limits;
use crate::cmd::Commands;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::IpsecAso;
use alloc::vec::Vec;

/// How often an SA is looked at in one go, whatever the card says.
const LOOKS: usize = 8;
/// SAs that are looked at in one go.
const SERVED: usize = 256;
/// Every SA has its turn in so many calls.
const TURNS: usize = 64;

impl<F: Function> Offload<F> {
    /// Looks after all SAs. Called at least every few hundred milliseconds: there is time for 2^31 packets of an SA.
    ///
    /// # Errors
    /// When the card does not answer: it is not to be trusted with SAs any more.
    pub fn poll(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        if self.broken {
            return Ok(());
        }
        let outcome = self.try_poll(commands);
        if outcome.is_err() {
            self.fail();
        }
        outcome
    }

    fn try_poll(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        while let Some(object) = self.watch.next(commands.bar()) {
            if self.by_object.contains_key(&object) {
                self.changed.insert(object);
            }
        }
        self.watch.look_around();
        self.take_turns(commands)?;
        let due: Vec<u32> = self.changed.iter().take(SERVED).copied().collect();
        for object in due {
            self.changed.remove(&object);
            if let Some(slot) = self.by_object.get(&object).copied() {
                self.serve(commands, object, slot)?;
            }
        }
        let now = commands.function().now();
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= self.settings.interval) {
            self.looked = Some(now);
            self.look_at_octets(commands)?;
            if self.watch.revive(commands)? {
                log::warn!("IPsec: the card had more to say than its event queue holds");
                self.changed.extend(self.by_object.keys());
            }
        }
        Ok(())
    }

    /// Looks at the objects whose turn it is, many with one doorbell.
    fn take_turns(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let count = self.by_object.len().div_ceil(TURNS);
        let due = self.by_object.range(self.turn..).map(|(object, slot)| (*object, *slot));
        let due: Vec<(u32, u32)> = due.take(count).collect();
        self.turn = if due.len() < count { 0 } else { due.last().map_or(0, |(object, _)| object + 1) };
        let accesses: Vec<_> = due.iter().map(|(object, _)| (*object, Change::NONE)).collect();
        let contexts = self.access.run(commands, &accesses)?;
        for ((object, slot), context) in due.into_iter().zip(contexts) {
            let followed = self.follow(commands, object, slot, &context)?;
            if followed | self.spend(commands, object, slot, &context)? {
                self.changed.insert(object);
            }
        }
        Ok(())
    }

    /// Steps 1 to 4.
    fn serve(&mut self, commands: &mut Commands<F>, object: u32, slot: u32) -> Result<(), Error> {
        for _ in 0..LOOKS {
            let context = self.access.one(commands, object, Change::NONE)?;
            let followed = self.follow(commands, object, slot, &context)?;
            if !followed & !self.spend(commands, object, slot, &context)? {
                return Ok(());
            }
        }
        // It goes on with the next call.
        self.changed.insert(object);
        Ok(())
    }

    /// Step 2; whether there was anything to do.
    fn follow(
        &mut self,
        commands: &mut Commands<F>,
        object: u32,
        slot: u32,
        context: &IpsecAso,
    ) -> Result<bool, Error> {
        let Some(sa) = self.sas.get_mut(slot as usize).and_then(Option::as_deref_mut) else {
            return Ok(false);
        };
        let Some(esn) = &mut sa.esn else { return Ok(false) };
        let next = esn.follow(context.mode_parameter());
        if next.is_none() && context.esn_event_arm() {
            return Ok(false);
        }
        if let Some(next) = next {
            object::set_esn(commands, object, next)?;
            *esn = next;
            let number = next.whole(context.mode_parameter());
            self.events.push_back(Event::Crossed(sa.handle, number));
        }
        if !context.esn_event_arm() {
            self.access.one(commands, object, Change::ARM_ESN)?;
        }
        Ok(true)
    }

    /// Step 3; whether there was anything to do.
    fn spend(
        &mut self,
        commands: &mut Commands<F>,
        object: u32,
        slot: u32,
        context: &IpsecAso,
    ) -> Result<bool, Error> {
        let Some(sa) = self.sas.get_mut(slot as usize).and_then(Option::as_deref_mut) else {
            return Ok(false);
        };
        let (handle, [soft, hard]) = (sa.handle, sa.expiry);
        let Some(lifetime) = sa.lifetime.as_mut().filter(|_| !sa.stopped) else { return Ok(false) };
        let counter = context.remove_flow_pkt_cnt();
        let step = lifetime.look(counter);
        if step.soft {
            self.events.push_back(Event::Soft(handle, soft));
        }
        if step.hard {
            self.stop(commands, slot)?;
            self.events.push_back(Event::Hard(handle, hard));
            return Ok(false);
        }
        let counter = if step.add { counter | super::lifetime::ROUND } else { counter };
        let armed = context.soft_lft_arm() && step.threshold == Some(context.remove_flow_soft_lft());
        match step.threshold.filter(|_| !armed || step.add) {
            Some(threshold) => {
                let changes = [Change::threshold(threshold), Change::arm_soft(step.add)];
                self.access.run(commands, &changes.map(|change| (object, change)))?;
                Ok(true)
            }
            None if step.add => {
                self.access.one(commands, object, Change::ADD)?;
                Ok(counter != 0)
            }
            None => Ok(false),
        }
    }

    /// Limits in bytes.
    fn look_at_octets(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let limited = |limits: Limits| limits != Limits::default();
        let mut watched: Vec<_> = self
            .sas
            .iter()
            .enumerate()
            .filter_map(|(slot, sa)| {
                let sa = sa.as_ref().filter(|sa| limited(sa.octets) && !sa.stopped)?;
                Some((*sa.made.counters.first()?, slot))
            })
            .collect();
        if watched.is_empty() {
            return Ok(());
        }
        watched.sort_unstable_by_key(|(counter, _)| counter.number);
        let counters: Vec<_> = watched.iter().map(|(counter, _)| *counter).collect();
        let counts = self.counters.read(commands, &counters)?;
        for ((_, slot), count) in watched.into_iter().zip(counts) {
            let Some(sa) = self.sas.get_mut(slot).and_then(Option::as_deref_mut) else { continue };
            let handle: Handle = sa.handle;
            if sa.octets.soft.is_some_and(|soft| count.octets >= soft) {
                sa.octets.soft = None;
                self.events.push_back(Event::Soft(handle, Expiry::Octets));
            }
            if sa.octets.hard.is_some_and(|hard| count.octets >= hard) {
                self.stop(commands, slot as u32)?;
                self.events.push_back(Event::Hard(handle, Expiry::Octets));
            }
        }
        Ok(())
    }
}

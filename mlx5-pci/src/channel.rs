//! A channel: what one core needs to receive and to send on its own. An event queue with its own MSI-X vector, a receive
//! and a send queue, each with a completion queue.
//!
//! Only received packets raise events: completed sends are collected when the next burst goes out. An event only says
//! that there is something; how much is found by looking.

use crate::cmd::{CmdError, Commands};
use crate::cq::Compression;
use crate::device::Domain;
use crate::eq::Eq;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::{EqeComp, EventType};
use crate::rq::command::{Buffers, Rq};
use crate::sq::{Abilities, Sq};
use crate::uar::Uar;
use net::{Burst, PortId};

/// log2 of the events that fit: one is outstanding at most, since the queue is armed once for each.
const LOG_EVENTS: u8 = 6;
/// The most events that are looked at in one go, whatever a device writes.
const EVENTS: usize = 64;

/// What a channel is made of.
pub(crate) struct Parts {
    pub(crate) uar: Uar,
    /// MSI-X vector.
    pub(crate) vector: u16,
    pub(crate) tisn: u32,
    /// log2 of the blocks of the send queue.
    pub(crate) log_send: u8,
    pub(crate) abilities: Abilities,
    pub(crate) buffers: Buffers,
    pub(crate) compression: Compression,
    /// VLAN tags are taken off.
    pub(crate) strip: bool,
}

/// What a channel has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Frames handed on.
    pub rx_frames: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames lost on receive.
    pub rx_drops: u64,
    /// Frames handed to the device.
    pub tx_frames: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Packets that cannot be sent as they want, and those that a repair threw away.
    pub tx_drops: u64,
    /// Completions that cannot be.
    pub strange: u64,
    /// Queues that were repaired.
    pub repairs: u64,
}

/// Queues of one core.
pub struct Channel<F: Function> {
    eq: Eq<F::Mem>,
    rq: Rq<F>,
    sq: Sq<F>,
    armed: bool,
    repairs: u64,
}

impl<F: Function> Channel<F> {
    /// Makes the queues. They work at once; packets come when steering leads to them.
    ///
    /// # Errors
    /// When there is no memory or a command fails.
    pub(crate) fn create(commands: &mut Commands<F>, domain: &Domain, parts: Parts) -> Result<Self, Error> {
        let Parts { uar, vector, tisn, log_send, abilities, buffers, compression, strip } = parts;
        let mut eq = Eq::create(commands, uar, LOG_EVENTS, vector, &[])?;
        let rq = Rq::create(commands, domain, uar, eq.number(), buffers, compression, strip)?;
        let sq = Sq::create(commands, domain, uar, (eq.number(), tisn), log_send, abilities)?;
        eq.arm(commands.bar());
        Ok(Self { eq, rq, sq, armed: false, repairs: 0 })
    }

    /// Moves received frames into `out` until it is full or none is left; how many.
    #[inline]
    pub fn rx(&mut self, function: &F, port: PortId, out: &mut Burst) -> usize {
        self.rq.poll(function, port, out)
    }

    /// Takes frames from the front of `from`, as many as fit, and rings once; how many.
    #[inline]
    pub fn tx(&mut self, function: &F, bar: &F::Bar, from: &mut Burst) -> usize {
        self.sq.post(function, bar, from)
    }

    /// Takes back what the device has sent.
    pub fn reap(&mut self) {
        self.sq.reap();
    }

    /// Asks for an interrupt when a frame comes; false if one is there already.
    pub fn arm(&mut self, bar: &F::Bar) -> bool {
        self.reap();
        self.take_events(bar);
        if self.armed {
            return self.rq.cq().is_idle();
        }
        self.armed = true;
        self.rq.cq().arm(bar)
    }

    /// Notes events: each ends an arming.
    fn take_events(&mut self, bar: &F::Bar) {
        let mut any = false;
        for _ in 0..EVENTS {
            let Some(event) = self.eq.next(bar) else { break };
            any = true;
            let cq = self.rq.cq();
            if event.kind == EventType::COMP && EqeComp::copy_from(&event.data).cqn() == cq.number() {
                cq.notified();
                self.armed = false;
            }
        }
        if any {
            self.eq.arm(bar);
        }
    }

    /// Number of the receive queue.
    pub(crate) fn rqn(&self) -> u32 {
        self.rq.number()
    }

    /// Whether a queue is in error and does nothing.
    pub fn is_broken(&self) -> bool {
        self.sq.failure().is_some() || self.rq.failure().is_some()
    }

    /// A queue of this number is in error, an event says.
    pub(crate) fn fail(&mut self, number: u32) {
        if self.sq.number() == number {
            self.sq.fail();
        } else if self.rq.number() == number {
            self.rq.fail();
        }
    }

    /// Brings queues in error back; the others go on. Packets that those held are lost.
    ///
    /// # Errors
    /// When a command fails: then the function has to be recovered.
    pub fn repair(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        if let Some(failure) = self.sq.failure() {
            log::warn!("send queue {:#x}: {failure}; repaired", self.sq.number());
            self.sq.repair(commands)?;
            self.repairs += 1;
        }
        if let Some(failure) = self.rq.failure() {
            log::warn!("receive queue {:#x}: {failure}; repaired", self.rq.number());
            self.rq.repair(commands)?;
            self.repairs += 1;
        }
        Ok(())
    }

    /// What it has counted.
    pub fn stats(&self) -> ChannelStats {
        let (rx, tx) = (self.rq.counters(), self.sq.counters());
        ChannelStats {
            rx_frames: rx.frames,
            rx_bytes: rx.bytes,
            rx_drops: rx.drops,
            tx_frames: tx.frames,
            tx_bytes: tx.bytes,
            tx_drops: tx.drops,
            strange: rx.strange + tx.strange,
            repairs: self.repairs,
        }
    }

    /// From now on packets that name an SA are handed to the device.
    pub(crate) fn protect(&mut self) {
        self.sq.protect();
    }

    /// Packets that were handed to the device so far.
    pub(crate) fn posted(&self) -> u64 {
        self.sq.counters().frames
    }

    /// Packets that the device has to send yet.
    pub fn outstanding(&self) -> u32 {
        self.sq.outstanding()
    }

    /// Makes the device forget the queues, after steering does not lead to them any more.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        self.sq.destroy(commands)?;
        self.rq.destroy(commands)?;
        Eq::<F::Mem>::destroy(commands, self.eq.number())
    }
}

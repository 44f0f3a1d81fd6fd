//! How CQEs get to the driver: ownership, overrun, arming, moderation (facts E.8).
//!
//! `arm_sn` lets the device tell an arming that was meant for an earlier event from a new one: an arming whose sequence
//! number is that of the event before the last one came too late, and the event that it missed is on its way.

use super::cq::{Arm, Health};
use super::eq::{COUNTER, Event};
use crate::fault::CompletionFault;
use crate::{Check, Device, Memory, Refusal};
use core::time::Duration;
use mlx5_pci::prm::{CmdStatus, Cqe64, CqeOpcode, EqeCqErr, ErrCqe, EventType};

/// Bits of the arming doorbell.
const ARM_SEQUENCE_SHIFT: u32 = 28;
const ARM_SOLICITED: u32 = 1 << 24;

/// `syndrome` of a CQ_ERROR event.
const CQ_OVERRUN: u8 = 1;
const CQ_ACCESS_VIOLATION: u8 = 2;

/// An error CQE in the shape of all CQEs.
pub(super) fn error_cqe(error: &ErrCqe) -> Cqe64 {
    Cqe64::copy_from(error.as_bytes())
}

/// Whether a CQE tells of an error.
fn is_error(cqe: &Cqe64) -> bool {
    matches!(CqeOpcode(cqe.opcode()), CqeOpcode::REQ_ERR | CqeOpcode::RESP_ERR)
}

/// What became of a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// The driver gets to see it.
    Done,
    /// The CQ could not take it.
    Failed,
    /// A script made an error of it: the queue has to go into error.
    Spoilt,
}

impl Device {
    /// Writes a CQE to `cqn`, whose owner bit is not set yet, or does what a fault script wants instead.
    pub(super) fn post_completion(&mut self, memory: &dyn Memory, cqn: u32, cqe: Cqe64) -> Posted {
        let fault = if is_error(&cqe) { CompletionFault::None } else { self.faults.completion() };
        let written = match fault {
            CompletionFault::None => self.post_cqe(memory, cqn, cqe),
            CompletionFault::Lost => true,
            CompletionFault::Twice => {
                self.post_cqe(memory, cqn, cqe.clone()) && self.post_cqe(memory, cqn, cqe)
            }
            CompletionFault::Error(syndrome) => {
                let request = CqeOpcode(cqe.opcode()) == CqeOpcode::REQ;
                let opcode = if request { CqeOpcode::REQ_ERR } else { CqeOpcode::RESP_ERR };
                let mut error = ErrCqe::copy_from(cqe.as_bytes());
                error.set().vendor_err_synd(0).syndrome(syndrome).opcode(opcode.0);
                self.post_cqe(memory, cqn, error_cqe(&error));
                return Posted::Spoilt;
            }
        };
        if written { Posted::Done } else { Posted::Failed }
    }

    /// Writes a CQE, or keeps it for a while. `false` when the CQ could not take it.
    fn post_cqe(&mut self, memory: &dyn Memory, cqn: u32, cqe: Cqe64) -> bool {
        if self.keep(memory, cqn, &cqe) {
            return true;
        }
        // It does not go with those before it, but may be the first of others.
        self.flush_compressed(memory, cqn);
        if self.keep(memory, cqn, &cqe) {
            return true;
        }
        let written = self.write_cqe(memory, cqn, cqe.clone());
        if let Some(cq) = self.queues.cqs.get_mut(cqn)
            && let Some(compressor) = &mut cq.compressor
        {
            compressor.written(&cqe);
        }
        self.consider_event(memory, cqn);
        written
    }

    /// Gives a CQE to the compressor, if there is one that takes it.
    fn keep(&mut self, memory: &dyn Memory, cqn: u32, cqe: &Cqe64) -> bool {
        let now = self.now;
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return false };
        let Some(compressor) = &mut cq.compressor else { return false };
        if !compressor.takes(cqe) {
            return false;
        }
        compressor.keep(cqe.clone(), now);
        if compressor.is_full() {
            self.flush_compressed(memory, cqn);
        }
        true
    }

    /// Writes what the compressor of `cqn` has kept back.
    fn flush_compressed(&mut self, memory: &dyn Memory, cqn: u32) {
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return };
        let Some(compressor) = &mut cq.compressor else { return };
        let Some(block) = compressor.take() else { return };
        if !self.room(memory, cqn, block.slots) {
            return;
        }
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return };
        let first = cq.producer;
        // The entry at the front makes the others valid, so it goes last.
        for (slot, mut cqe) in block.entries.into_iter().rev() {
            if slot == 0 {
                cq.own(&mut cqe);
            }
            if cq.ring.publish(memory, first.wrapping_add(slot), cq.offset, cqe.as_bytes()).is_err() {
                return self.cq_fails(memory, cqn, Health::WriteFailure);
            }
        }
        cq.producer = first.wrapping_add(block.slots);
        cq.timer = Some(self.now);
        self.consider_event(memory, cqn);
    }

    /// Whether `slots` more CQEs have room; if not, the CQ overruns.
    fn room(&mut self, memory: &dyn Memory, cqn: u32, slots: u32) -> bool {
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return false };
        if cq.health != Health::Ok {
            return false;
        }
        if cq.ignore_overrun || cq.collapsed || cq.pending() + slots <= cq.ring.size() {
            return true;
        }
        match cq.record.first(memory) {
            Ok(consumer) => {
                cq.consumer = consumer & COUNTER;
                if cq.pending() + slots <= cq.ring.size() {
                    return true;
                }
                self.cq_fails(memory, cqn, Health::Overflow);
            }
            Err(_) => self.cq_fails(memory, cqn, Health::WriteFailure),
        }
        false
    }

    fn write_cqe(&mut self, memory: &dyn Memory, cqn: u32, mut cqe: Cqe64) -> bool {
        if !self.room(memory, cqn, 1) {
            return false;
        }
        let now = self.now;
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return false };
        cq.own(&mut cqe);
        let slot = if cq.collapsed { 0 } else { cq.producer };
        if cq.ring.publish(memory, slot, cq.offset, cqe.as_bytes()).is_err() {
            self.cq_fails(memory, cqn, Health::WriteFailure);
            return false;
        }
        if cqe.solicited() || is_error(&cqe) {
            cq.last_solicited = Some(cq.producer);
        }
        cq.producer = cq.producer.wrapping_add(1);
        cq.timer = Some(now);
        true
    }

    fn cq_fails(&mut self, memory: &dyn Memory, cqn: u32, health: Health) {
        if let Some(cq) = self.queues.cqs.get_mut(cqn) {
            cq.health = health;
            cq.arm = None;
        }
        let (syndrome, check) = match health {
            Health::Overflow => {
                let count = &mut self.port.environment().cq_overrun;
                *count = count.wrapping_add(1);
                (CQ_OVERRUN, Check::Full)
            }
            _ => (CQ_ACCESS_VIOLATION, Check::Unmapped),
        };
        self.misuse("cq", cqn, Refusal::new(CmdStatus::BAD_SYS_STATE, check, "cqe", 0));
        let data = *EqeCqErr::build().cqn(cqn).syndrome(syndrome).done().as_bytes();
        self.post_event(memory, Event { kind: EventType::CQ_ERROR.0, sub_kind: 0, data });
    }

    /// The arming doorbell of a CQ in UAR page `uar`.
    pub(super) fn ring_cq(&mut self, memory: &dyn Memory, uar: u32, word: u32, cqn: u32) {
        let problem = match self.queues.cqs.get(cqn) {
            None => Some((Check::NoObject, "cqn")),
            Some(cq) if cq.uar != uar => Some((Check::Mismatch, "uar_page")),
            Some(cq) => {
                let ahead = (word & COUNTER).wrapping_sub(cq.consumer) & COUNTER;
                (ahead > cq.pending()).then_some((Check::Value, "consumer_counter"))
            }
        };
        if let Some((check, field)) = problem {
            return self.misuse("cq doorbell", cqn, Refusal::new(CmdStatus::BAD_PARAM, check, field, 0));
        }
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return };
        let sequence = word >> ARM_SEQUENCE_SHIFT & 3;
        if cq.health != Health::Ok || sequence == cq.sequence.wrapping_sub(1) & 3 {
            return;
        }
        cq.consumer = word & COUNTER;
        cq.arm = Some(Arm { solicited: word & ARM_SOLICITED != 0, from: word & COUNTER });
        self.consider_event(memory, cqn);
    }

    /// Raises the event of `cqn` when it is armed, there is something to tell, and moderation lets it.
    pub(super) fn consider_event(&mut self, memory: &dyn Memory, cqn: u32) {
        let now = self.now;
        let Some(cq) = self.queues.cqs.get_mut(cqn) else { return };
        if cq.event_due().is_none_or(|due| due > now) {
            return;
        }
        cq.arm = None;
        cq.sequence = (cq.sequence + 1) & 3;
        cq.last_event = Some(now);
        cq.last_notified = cq.producer;
        let eqn = cq.eqn;
        self.post_completion_event(memory, eqn, cqn);
    }

    /// Compressed CQEs and events that have waited long enough.
    pub(super) fn advance_completions(&mut self, memory: &dyn Memory) {
        let now = self.now;
        let due = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
        let cqs = self.queues.cqs.iter().filter(|(_, cq)| due(cq.deadline()));
        let numbers: Vec<u32> = cqs.map(|(number, _)| number).collect();
        for cqn in numbers {
            let kept = self.queues.cqs.get(cqn).and_then(|cq| cq.compressor.as_ref()?.deadline());
            if due(kept) {
                self.flush_compressed(memory, cqn);
            }
            self.consider_event(memory, cqn);
        }
    }
}

impl super::cq::Cq {
    /// Marks a CQE for the place that is written next.
    fn own(&self, cqe: &mut Cqe64) {
        let lap = self.ring.lap(self.producer);
        cqe.set().owner(lap & 1 != 0);
        if self.compressor.as_ref().is_some_and(|compressor| compressor.is_enhanced()) {
            // There it is `validity_iteration_count`.
            cqe.set().signature(lap as u8);
        }
    }

    /// When an event is due, if it is armed and there is something to tell.
    fn event_due(&self) -> Option<Duration> {
        let arm = self.arm?;
        let count = self.producer.wrapping_sub(arm.from) & COUNTER;
        let ready = if arm.solicited {
            let last = self.last_solicited?;
            (last.wrapping_sub(arm.from) & COUNTER) < COUNTER / 2
        } else {
            count > 0 && count < COUNTER / 2
        };
        if !ready {
            return None;
        }
        let moderation = self.moderation;
        let enough = moderation.max_count > 0 && count >= moderation.max_count;
        if moderation.period.is_zero() || enough {
            return Some(Duration::ZERO);
        }
        let start = if moderation.from_cqe { self.timer } else { self.last_event };
        Some(start.map_or(Duration::ZERO, |start| start + moderation.period))
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let kept = self.compressor.as_ref().and_then(|compressor| compressor.deadline());
        [kept, self.event_due()].into_iter().flatten().min()
    }
}

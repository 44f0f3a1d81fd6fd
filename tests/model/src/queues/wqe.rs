//! Carrying out send WQEs: doorbells, the control segment, completions, errors (facts E.8 and E.9).
//!
//! A doorbell names the queue; how far it is filled stands in the doorbell record. The device reads all WQEs up to
//! there. A WQE that is wrong puts the queue into error: its CQE says why, and all WQEs after it are flushed.
//! Left out: fences (WQEs are carried out one after another anyway), signatures.

use super::completion::{Posted, error_cqe};
use super::eq::Event;
use super::wq::{State, WQEBB};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, Cqe64, CqeOpcode, CqeSyndrome, EqeQpSrq, ErrCqe, EventType, WqeCtrlSeg, WqeOpcode,
};

/// Bytes of a segment of a WQE; `ds` counts in these.
pub(super) const SEGMENT: usize = 16;
/// `ce`: when to write a CQE; below this, only for errors.
const COMPLETION_ALWAYS: u8 = 2;
const COMPLETION_AND_EVENT: u8 = 3;
/// `type` of queue events.
pub(super) const RQ_EVENT: u8 = 1;
const SQ_EVENT: u8 = 2;

/// What went wrong with a WQE: the syndrome of its CQE, and what the log says.
#[derive(Clone, Copy, Debug)]
pub(super) struct WqeError {
    /// Syndrome of the CQE.
    pub(super) syndrome: u8,
    pub(super) check: Check,
    pub(super) field: &'static str,
    /// Byte offset in the WQE.
    pub(super) offset: u16,
}

impl WqeError {
    /// A length that does not fit.
    pub(super) const LENGTH: u8 = CqeSyndrome::LOCAL_LENGTH.0;
    /// An operation that this queue cannot do.
    pub(super) const OPERATION: u8 = CqeSyndrome::LOCAL_QP_OP.0;
    /// Memory that a key does not give access to.
    pub(super) const PROTECTION: u8 = CqeSyndrome::LOCAL_PROT.0;
    /// Flushed after another one's error.
    pub(super) const FLUSHED: u8 = CqeSyndrome::WR_FLUSH.0;
    /// A binding of a memory key that is not allowed.
    pub(super) const BINDING: u8 = CqeSyndrome::MW_BIND.0;

    pub(super) const fn new(syndrome: u8, check: Check, field: &'static str, offset: usize) -> WqeError {
        WqeError { syndrome, check, field, offset: offset as u16 }
    }
}

/// What carrying out a WQE needs to know about its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) sqn: u32,
    pub(super) cqn: u32,
    pub(super) pd: u32,
    pub(super) tis: Option<u32>,
    /// Whether the reserved key may be used.
    pub(super) reserved_key: bool,
    pub(super) min_inline: u8,
    pub(super) allow_swp: bool,
    pub(super) reg_umr: bool,
    pub(super) user_index: u32,
}

impl Device {
    fn sender(&self, sqn: u32) -> Option<Sender> {
        let sq = self.queues.sqs.get(sqn)?;
        Some(Sender {
            sqn,
            cqn: sq.context.cqn(),
            pd: sq.wq.pd,
            tis: sq.tis,
            reserved_key: sq.context.rlky(),
            min_inline: sq.context.min_wqe_inline_mode().max(self.queues.limits.min_inline),
            allow_swp: sq.context.allow_swp(),
            reg_umr: sq.context.reg_umr(),
            user_index: sq.context.user_index(),
        })
    }

    /// The doorbell of an SQ in UAR page `uar`: the first eight bytes of a WQE, or all of it.
    pub(super) fn ring_sq(&mut self, memory: &dyn Memory, uar: u32, data: &[u8]) {
        let control = WqeCtrlSeg::copy_from(data);
        let (sqn, index) = (control.qpn(), control.wqe_index());
        let problem = match self.queues.sqs.get(sqn) {
            None => Some((Check::NoObject, "qpn")),
            Some(sq) if sq.uar != uar => Some((Check::Mismatch, "uar_page")),
            Some(sq) if sq.state == State::Reset => Some((Check::State, "state")),
            Some(_) => None,
        };
        if let Some((check, field)) = problem {
            return self.misuse("doorbell", sqn, Refusal::new(CmdStatus::BAD_PARAM, check, field, 0));
        }
        let Some(sq) = self.queues.sqs.get(sqn) else { return };
        let size = sq.wq.ring.size();
        let Ok(counter) = sq.wq.record.second(memory) else {
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Unmapped, "dbr_addr", 0);
            return self.sq_catastrophe(memory, sqn, refusal);
        };
        let counter = counter as u16;
        let posted = u32::from(counter.wrapping_sub(sq.consumer));
        if posted > size {
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Limit, "send counter", 0);
            return self.sq_catastrophe(memory, sqn, refusal);
        }
        // The WQE that is named is one of those that are new, or was taken along with an earlier doorbell.
        let new = u32::from(index.wrapping_sub(sq.consumer)) < posted;
        let old = u32::from(sq.consumer.wrapping_sub(index)) <= size;
        if !new && !old {
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Value, "wqe_index", 0);
            return self.sq_catastrophe(memory, sqn, refusal);
        }
        self.run_sq(memory, sqn, counter);
    }

    /// Carries out all WQEs before `counter`.
    fn run_sq(&mut self, memory: &dyn Memory, sqn: u32, counter: u16) {
        loop {
            let Some(sq) = self.queues.sqs.get(sqn) else { return };
            let index = sq.consumer;
            let left = counter.wrapping_sub(index);
            if left == 0 {
                return;
            }
            let blocks = match sq.state {
                State::Reset => return,
                State::Error => self.flush_wqe(memory, sqn, index),
                State::Ready => match self.fetch_wqe(memory, sqn, index, left) {
                    Ok(wqe) => {
                        let blocks = wqe.len().div_ceil(WQEBB) as u16;
                        self.carry_out(memory, sqn, index, &wqe);
                        blocks
                    }
                    Err(error) => {
                        self.wqe_fails(memory, sqn, index, 0, error);
                        1
                    }
                },
            };
            if let Some(sq) = self.queues.sqs.get_mut(sqn) {
                sq.consumer = index.wrapping_add(blocks.clamp(1, left));
            }
        }
    }

    /// Reads the WQE at `index`, of which at most `left` blocks are posted.
    fn fetch_wqe(&self, memory: &dyn Memory, sqn: u32, index: u16, left: u16) -> Result<Vec<u8>, WqeError> {
        let unmapped = WqeError::new(WqeError::PROTECTION, Check::Unmapped, "wqe", 0);
        let sq = self.queues.sqs.get(sqn).ok_or(unmapped)?;
        let mut head = [0; SEGMENT];
        sq.wq.ring.read(memory, u32::from(index), &mut head).map_err(|_| unmapped)?;
        let control = WqeCtrlSeg::copy_from(&head);
        let operation = |check, field, offset| WqeError::new(WqeError::OPERATION, check, field, offset);
        if control.wqe_index() != index {
            return Err(operation(Check::Mismatch, "wqe_index", 0));
        }
        if control.qpn() != sqn {
            return Err(operation(Check::Mismatch, "qpn", 4));
        }
        let bytes = usize::from(control.ds()) * SEGMENT;
        let blocks = bytes.div_ceil(WQEBB);
        if bytes == 0 || bytes > usize::from(self.queues.limits.max_wqe_sz_sq) || blocks > usize::from(left) {
            return Err(WqeError::new(WqeError::LENGTH, Check::Limit, "ds", 4));
        }
        let mut wqe = vec![0; bytes];
        sq.wq.ring.read(memory, u32::from(index), &mut wqe).map_err(|_| unmapped)?;
        Ok(wqe)
    }

    fn carry_out(&mut self, memory: &dyn Memory, sqn: u32, index: u16, wqe: &[u8]) {
        let Some(sender) = self.sender(sqn) else { return };
        let control = WqeCtrlSeg::copy_from(wqe);
        let opcode = control.opcode();
        let result = match WqeOpcode(opcode) {
            WqeOpcode::NOP => Ok(()),
            WqeOpcode::SEND => self.send(memory, &sender, wqe, false),
            WqeOpcode::LSO => self.send(memory, &sender, wqe, true),
            WqeOpcode::ENHANCED_MPSW => self.send_many(memory, &sender, wqe),
            WqeOpcode::DUMP => self.dump(memory, &sender, wqe),
            WqeOpcode::UMR => self.register_memory(memory, &sender, wqe),
            WqeOpcode::ACCESS_ASO => self.access_object(memory, &sender, wqe),
            _ => Err(WqeError::new(WqeError::OPERATION, Check::Opcode, "opcode", 0)),
        };
        if let Err(error) = result {
            return self.wqe_fails(memory, sqn, index, opcode, error);
        }
        if control.ce() < COMPLETION_ALWAYS {
            return;
        }
        let cqe = Cqe64::build()
            .srqn(sender.user_index)
            .timestamp(self.timestamp())
            .send_wqe_opcode(opcode)
            .sop_drop_qpn(sqn)
            .wqe_counter(index)
            .opcode(CqeOpcode::REQ.0)
            .solicited(control.se() || control.ce() == COMPLETION_AND_EVENT)
            .done();
        match self.post_completion(memory, sender.cqn, cqe) {
            Posted::Done => {}
            Posted::Spoilt => self.sq_to_error(sqn),
            Posted::Failed => {
                let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::State, "cqn", 0);
                self.misuse("wqe", sqn, refusal);
                self.sq_to_error(sqn);
            }
        }
    }

    /// An ACCESS_ASO WQE.
    fn access_object(&mut self, memory: &dyn Memory, sender: &Sender, wqe: &[u8]) -> Result<(), WqeError> {
        let whole: &[u8; WQEBB] =
            wqe.try_into().map_err(|_| WqeError::new(WqeError::LENGTH, Check::Limit, "ds", 4))?;
        self.access_aso(memory, sender.pd, whole)
            .map_err(|syndrome| WqeError::new(syndrome, Check::Value, "aso_ctrl", SEGMENT))
    }

    fn complete_error(&mut self, memory: &dyn Memory, sender: &Sender, index: u16, opcode: u8, syndrome: u8) {
        let error = ErrCqe::build()
            .srqn(sender.user_index)
            .syndrome(syndrome)
            .s_wqe_opcode(opcode)
            .qpn(sender.sqn)
            .wqe_counter(index)
            .opcode(CqeOpcode::REQ_ERR.0)
            .done();
        self.post_completion(memory, sender.cqn, error_cqe(&error));
    }

    /// The WQE at `index` is wrong: its CQE says so, and the queue is in error from now on.
    fn wqe_fails(&mut self, memory: &dyn Memory, sqn: u32, index: u16, opcode: u8, error: WqeError) {
        let status = CmdStatus::BAD_PKT;
        self.misuse("wqe", sqn, Refusal::new(status, error.check, error.field, error.offset));
        let Some(sender) = self.sender(sqn) else { return };
        self.sq_to_error(sqn);
        self.complete_error(memory, &sender, index, opcode, error.syndrome);
    }

    fn sq_to_error(&mut self, sqn: u32) {
        if let Some(sq) = self.queues.sqs.get_mut(sqn) {
            sq.state = State::Error;
        }
    }

    /// A doorbell that cannot be: no WQE can be blamed, so an event says it.
    fn sq_catastrophe(&mut self, memory: &dyn Memory, sqn: u32, refusal: Refusal) {
        self.misuse("doorbell", sqn, refusal);
        self.sq_to_error(sqn);
        let data = *EqeQpSrq::build().type_(SQ_EVENT).qp_srq_n(sqn).done().as_bytes();
        self.post_event(memory, Event { kind: EventType::WQ_CATAS_ERROR.0, sub_kind: 0, data });
    }

    /// The driver has put the queue into error: everything that is posted is flushed.
    pub(super) fn flush_sq(&mut self, memory: &dyn Memory, sqn: u32) {
        let Some(sq) = self.queues.sqs.get(sqn) else { return };
        let Ok(counter) = sq.wq.record.second(memory) else { return };
        if u32::from((counter as u16).wrapping_sub(sq.consumer)) <= sq.wq.ring.size() {
            self.run_sq(memory, sqn, counter as u16);
        }
    }

    /// Flushes the WQE at `index`; says how many blocks it has.
    fn flush_wqe(&mut self, memory: &dyn Memory, sqn: u32, index: u16) -> u16 {
        let (Some(sender), Some(sq)) = (self.sender(sqn), self.queues.sqs.get(sqn)) else { return 1 };
        let flush = sq.context.flush_in_error_en();
        let mut head = [0; SEGMENT];
        let read = sq.wq.ring.read(memory, u32::from(index), &mut head);
        let control = WqeCtrlSeg::copy_from(&head);
        if flush {
            self.complete_error(memory, &sender, index, control.opcode(), WqeError::FLUSHED);
        }
        let trusted = read.is_ok() && control.wqe_index() == index && control.qpn() == sqn;
        if trusted { u16::from(control.ds()).div_ceil((WQEBB / SEGMENT) as u16) } else { 1 }
    }
}

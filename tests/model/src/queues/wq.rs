//! Work queues as SQ, RQ and RMP contexts describe them (`wq` of facts E.9): the ring, its doorbell record, its type.
//!
//! Left out: hairpin, signatures, user memory, header-data split.

use super::limits::Limits;
use super::ring::{DoorbellRecord, Ring, Shape};
use crate::{Check, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, Wq};

/// Where `wq` lies in CREATE_SQ, CREATE_RQ and CREATE_RMP, and where the pages follow it.
pub(super) const WQ_AT: u16 = 0x50;
pub(super) const PAGES_AT: usize = 0x110;

/// log2 of the bytes of a send WQE's basic block.
pub(super) const LOG_WQEBB: u8 = 6;
/// Bytes of it.
pub(super) const WQEBB: usize = 1 << LOG_WQEBB;
/// What `log_wqe_num_of_strides` is relative to; values of 8 and above count down from it.
const LOG_STRIDES_BASE: i8 = 9;
/// What `log_wqe_stride_size` is relative to.
const LOG_STRIDE_SIZE_BASE: u8 = 6;
/// The fewest strides with and without the extended range.
const LOG_STRIDES_MIN_EXTENDED: i8 = 3;

/// `state` of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Reset = 0,
    Ready = 1,
    Error = 3,
}

impl State {
    /// The state that `raw` stands for.
    ///
    /// # Errors
    /// BAD_PARAM when there is none.
    pub(super) fn parse(raw: u8, field: &'static str, at: u16) -> Result<State, Refusal> {
        match raw {
            0 => Ok(State::Reset),
            1 => Ok(State::Ready),
            3 => Ok(State::Error),
            _ => Err(Refusal::value(field, at)),
        }
    }

    /// Whether a MODIFY may go from here to `next`.
    pub(super) fn allows(self, next: State) -> bool {
        match (self, next) {
            (_, State::Reset | State::Error) | (State::Reset | State::Ready, State::Ready) => true,
            (State::Error, State::Ready) => false,
        }
    }
}

/// How WQEs of a receive queue are found and filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LinkedList,
    Cyclic,
    LinkedListStriding(Strides),
    CyclicStriding(Strides),
}

/// How a WQE for several packets is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strides {
    /// log2 of the number of strides.
    pub(super) log_count: u8,
    /// log2 of their bytes.
    pub(super) log_size: u8,
    /// Packets begin two bytes into a stride.
    pub(super) shifted: bool,
}

/// A work queue.
#[derive(Clone, Debug)]
pub(super) struct WorkQueue {
    pub(super) ring: Ring,
    pub(super) record: DoorbellRecord,
    pub(super) pd: u32,
    pub(super) kind: Kind,
}

impl WorkQueue {
    /// The work queue of a send queue.
    ///
    /// # Errors
    /// As for [`Ring::new`], and BAD_PARAM or LIM_ERR for what capabilities do not allow.
    pub(super) fn send(
        memory: &dyn Memory,
        limits: Limits,
        wq: &Wq,
        pages: &[u8],
    ) -> Result<WorkQueue, Refusal> {
        if wq.wq_type() != 1 {
            return Err(Refusal::value("wq_type", WQ_AT));
        }
        if wq.log_wq_stride() != LOG_WQEBB {
            return Err(Refusal::value("log_wq_stride", WQ_AT + 0x20));
        }
        WorkQueue::new(memory, limits, wq, pages, Kind::Cyclic)
    }

    /// The work queue of a receive queue or RMP.
    ///
    /// # Errors
    /// As for [`WorkQueue::send`].
    pub(super) fn receive(
        memory: &dyn Memory,
        limits: Limits,
        wq: &Wq,
        pages: &[u8],
    ) -> Result<WorkQueue, Refusal> {
        let kind = match wq.wq_type() {
            0 => Kind::LinkedList,
            1 => Kind::Cyclic,
            2 => Kind::LinkedListStriding(strides(limits, wq)?),
            3 => Kind::CyclicStriding(strides(limits, wq)?),
            _ => return Err(Refusal::value("wq_type", WQ_AT)),
        };
        let linked = matches!(kind, Kind::LinkedList | Kind::LinkedListStriding(_));
        // The first 16 bytes of a linked WQE point at the next one.
        let least = limits.log_min_stride_sz_rq.max(if linked { 5 } else { 4 });
        if !(least..=limits.log_max_stride_sz_rq).contains(&wq.log_wq_stride()) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Limit, "log_wq_stride", WQ_AT + 0x20));
        }
        WorkQueue::new(memory, limits, wq, pages, kind)
    }

    fn new(
        memory: &dyn Memory,
        limits: Limits,
        wq: &Wq,
        pages: &[u8],
        kind: Kind,
    ) -> Result<WorkQueue, Refusal> {
        if wq.wq_signature() {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "wq_signature", WQ_AT));
        }
        if wq.log_wq_sz() > limits.log_max_wq_sz {
            return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "log_wq_sz", WQ_AT + 0x20));
        }
        let shape = Shape {
            log_size: wq.log_wq_sz(),
            log_stride: wq.log_wq_stride(),
            log_page: wq.log_wq_pg_sz(),
            page_offset: wq.page_offset(),
        };
        let ring = Ring::new(memory, shape, pages, PAGES_AT as u16)?;
        let record = DoorbellRecord::new(memory, wq.dbr_addr(), WQ_AT + 0x10)?;
        Ok(WorkQueue { ring, record, pd: wq.pd(), kind })
    }
}

fn strides(limits: Limits, wq: &Wq) -> Result<Strides, Refusal> {
    let at = WQ_AT + 0x24;
    if !limits.striding_rq {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "wq_type", WQ_AT));
    }
    // Four bits in two's complement.
    let raw = wq.log_wqe_num_of_strides() as i8;
    let log_count = LOG_STRIDES_BASE + if raw >= 8 { raw - 16 } else { raw };
    let least = if limits.ext_stride_num_range { LOG_STRIDES_MIN_EXTENDED } else { LOG_STRIDES_BASE };
    if log_count < least {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Limit, "log_wqe_num_of_strides", at));
    }
    let log_size = LOG_STRIDE_SIZE_BASE + wq.log_wqe_stride_size();
    Ok(Strides { log_count: log_count as u8, log_size, shifted: wq.two_byte_shift_en() })
}

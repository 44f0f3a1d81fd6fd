//! Completion queues (facts E.8): CREATE, DESTROY, QUERY and MODIFY_CQ.
//!
//! How CQEs are written and events raised is in `completion`; how receive CQEs are compressed in `compress`.
//! Left out: resizing, CQs for APUs, CQEs with inline scatter.

use super::compress::Compressor;
use super::eq::COUNTER;
use super::limits::Limits;
use super::named::answer;
use super::ring::{DoorbellRecord, Ring, Shape};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use core::time::Duration;
use mlx5_pci::prm::{
    CmdStatus, Cqc, CreateCqIn, CreateCqOut, DestroyCqIn, ModifyCqIn, QueryCqIn, QueryCqOut,
};

/// `modify_field_select` of MODIFY_CQ.
const MODIFY_PERIOD: u32 = 1 << 0;
const MODIFY_COUNT: u32 = 1 << 1;
const MODIFY_OVERRUN: u32 = 1 << 2;
const MODIFY_PERIOD_MODE: u32 = 1 << 4;

/// `status` of a CQ's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Ok = 0,
    /// A CQE found no room.
    Overflow = 0x9,
    /// A CQE could not be written.
    WriteFailure = 0xa,
}

/// When an armed CQ raises its event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moderation {
    /// The timer starts with each CQE, not with the last event.
    pub(super) from_cqe: bool,
    /// How long an event may wait; zero: not at all.
    pub(super) period: Duration,
    /// How many CQEs it may wait for; zero: any number.
    pub(super) max_count: u32,
}

/// A request for an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    /// Only a solicited CQE or an error counts.
    pub(super) solicited: bool,
    /// The first CQE that counts.
    pub(super) from: u32,
}

/// A completion queue.
#[derive(Debug)]
pub(crate) struct Cq {
    pub(super) context: Cqc,
    pub(super) ring: Ring,
    pub(super) record: DoorbellRecord,
    pub(super) uar: u32,
    pub(super) eqn: u32,
    /// Where the 64 bytes lie in an entry.
    pub(super) offset: u64,
    pub(super) collapsed: bool,
    pub(super) ignore_overrun: bool,
    pub(super) compressor: Option<Compressor>,
    pub(super) producer: u32,
    /// What the doorbell record said when it was last read.
    pub(super) consumer: u32,
    pub(super) arm: Option<Arm>,
    /// Events raised so far, modulo 4: what `arm_sn` counts.
    pub(super) sequence: u32,
    pub(super) moderation: Moderation,
    pub(super) timer: Option<Duration>,
    pub(super) last_event: Option<Duration>,
    pub(super) last_notified: u32,
    pub(super) last_solicited: Option<u32>,
    pub(super) health: Health,
}

impl Cq {
    /// CQEs of which the driver has not said that it took them.
    pub(super) fn pending(&self) -> u32 {
        self.producer.wrapping_sub(self.consumer) & COUNTER
    }

    fn current_context(&self) -> Cqc {
        let mut context = self.context.clone();
        context.set().status(self.health as u8);
        // 9: armed for the next CQE, 6: armed for a solicited one, 0xa: fired.
        context.set().st(match self.arm {
            None => 0xa,
            Some(Arm { solicited: true, .. }) => 6,
            Some(Arm { solicited: false, .. }) => 9,
        });
        context.set().cq_period_mode(u8::from(self.moderation.from_cqe));
        context.set().cq_period(self.moderation.period.as_micros() as u16);
        context.set().cq_max_count(self.moderation.max_count as u16);
        context.set().oi(self.ignore_overrun);
        context.set().last_notified_index(self.last_notified & COUNTER);
        context.set().last_solicit_index(self.last_solicited.unwrap_or(0) & COUNTER);
        context.set().consumer_counter(self.consumer & COUNTER);
        context.set().producer_counter(self.producer & COUNTER);
        context
    }
}

/// The mode of the moderation timer.
fn period_mode(limits: Limits, mode: u8, at: u16) -> Result<bool, Refusal> {
    match mode {
        0 => Ok(false),
        1 if limits.cq_period_start_from_cqe => Ok(true),
        1 => Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "cq_period_mode", at)),
        _ => Err(Refusal::value("cq_period_mode", at)),
    }
}

/// CREATE_CQ.
pub(super) fn create_cq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = CreateCqIn::copy_from(input);
    let context = head.cq_context();
    let limits = device.limits();
    if context.log_cq_size() > limits.log_max_cq_sz {
        return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "log_cq_size", 0x1c));
    }
    for (field, at, value) in [("status", 0x10, context.status()), ("st", 0x10, context.st())] {
        if value != 0 {
            return Err(Refusal::value(field, at));
        }
    }
    for (field, at, set) in [
        ("apu_cq", 0x10, context.apu_cq()),
        ("dbr_umem_valid", 0x10, context.dbr_umem_valid()),
        ("cq_umem_valid", 0x5c, head.cq_umem_valid()),
    ] {
        if set {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, field, at));
        }
    }
    // 0: 64 bytes; 1: 128 bytes; 2: 64 bytes in the second half of 128.
    let (log_stride, offset) = match context.cqe_sz() {
        0 => (6, 0),
        1 | 2 => (7, 64),
        _ => return Err(Refusal::value("cqe_sz", 0x10)),
    };
    let from_cqe = period_mode(limits, context.cq_period_mode(), 0x10)?;
    let compressor = if context.cqe_comp_en() {
        if context.cc() {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Conflict, "cc", 0x10));
        }
        Some(Compressor::new(limits, context.mini_cqe_res_format(), context.cqe_compression_layout())?)
    } else {
        None
    };
    device.named_uar(context.uar_page(), 0x1c)?;
    let eqn = context.c_eqn_or_apu_element();
    device.queues.eqs.named(eqn, "c_eqn", 0x24)?;
    let shape = Shape {
        log_size: context.log_cq_size(),
        log_stride,
        log_page: context.log_page_size(),
        page_offset: context.page_offset(),
    };
    let ring = Ring::new(memory, shape, input.get(CreateCqIn::SIZE..).unwrap_or_default(), 0x110)?;
    let record = DoorbellRecord::new(memory, context.dbr_addr(), 0x48)?;
    let cq = Cq {
        ring,
        record,
        uar: context.uar_page(),
        eqn,
        offset,
        collapsed: context.cc(),
        ignore_overrun: context.oi(),
        compressor,
        producer: 0,
        consumer: 0,
        arm: None,
        sequence: 0,
        moderation: Moderation {
            from_cqe,
            period: Duration::from_micros(u64::from(context.cq_period())),
            max_count: u32::from(context.cq_max_count()),
        },
        timer: None,
        last_event: None,
        last_notified: 0,
        last_solicited: None,
        health: Health::Ok,
        context: context.clone(),
    };
    let uar = cq.uar;
    let number = device.queues.cqs.insert(cq)?;
    device.links.hold((Kind::Cq, number), [(Kind::Uar, uar), (Kind::Eq, eqn)]);
    answer(output, CreateCqOut::build().cqn(number).done().as_bytes());
    Ok(())
}

/// DESTROY_CQ.
pub(super) fn destroy_cq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyCqIn::copy_from(input).cqn();
    device.queues.cqs.named(number, "cqn", 0x8)?;
    device.links.end((Kind::Cq, number), "cqn", 0x8)?;
    device.queues.cqs.remove(number);
    Ok(())
}

/// QUERY_CQ.
pub(super) fn query_cq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let number = QueryCqIn::copy_from(input).cqn();
    let context = device.queues.cqs.named(number, "cqn", 0x8)?.current_context();
    answer(output, QueryCqOut::build().cq_context(&context).done().as_bytes());
    Ok(())
}

/// MODIFY_CQ: moderation and overrun.
pub(super) fn modify_cq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyCqIn::copy_from(input);
    let context = head.cq_context();
    let number = head.cqn();
    let selected = u32::from_be_bytes(*head.modify_field_select_resize_field_select());
    let limits = device.limits();
    let cq = device.queues.cqs.named_mut(number, "cqn", 0x8)?;
    if selected & !(MODIFY_PERIOD | MODIFY_COUNT | MODIFY_OVERRUN | MODIFY_PERIOD_MODE) != 0 {
        return Err(Refusal::value("modify_field_select", 0xc));
    }
    if selected & (MODIFY_PERIOD | MODIFY_COUNT) != 0 && !limits.cq_moderation {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "cq_period", 0x20));
    }
    if selected & MODIFY_OVERRUN != 0 && !limits.cq_oi {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "oi", 0x10));
    }
    let mut moderation = cq.moderation;
    if selected & MODIFY_PERIOD_MODE != 0 {
        if !limits.cq_period_mode_modify {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "cq_period_mode", 0x10));
        }
        moderation.from_cqe = period_mode(limits, context.cq_period_mode(), 0x10)?;
    }
    if selected & MODIFY_PERIOD != 0 {
        moderation.period = Duration::from_micros(u64::from(context.cq_period()));
    }
    if selected & MODIFY_COUNT != 0 {
        moderation.max_count = u32::from(context.cq_max_count());
    }
    if selected & MODIFY_OVERRUN != 0 {
        cq.ignore_overrun = context.oi();
    }
    cq.moderation = moderation;
    device.consider_event(memory, number);
    Ok(())
}

//! Receive queues (facts E.9): CREATE, MODIFY, DESTROY and QUERY_RQ. How packets get into WQEs is in `receive`.
//!
//! Left out: hairpin, SHAMPO, delay drop.

use super::named::answer;
use super::receive::Receiver;
use super::wq::{PAGES_AT, State, WQ_AT, WorkQueue};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateRqIn, CreateRqOut, DestroyRqIn, ModifyRqIn, QueryRqIn, QueryRqOut, Rqc,
};

/// `mem_rq_type`: WQEs are the queue's own.
const INLINE: u8 = 0;
/// `mem_rq_type`: WQEs come from an RMP.
const RMP: u8 = 1;
/// Bits of `modify_bitmask`.
const MODIFY_VSD: u64 = 1 << 1;
const MODIFY_SCATTER_FCS: u64 = 1 << 2;
const MODIFY_COUNTER: u64 = 1 << 3;

/// Where an RQ takes its WQEs from.
#[derive(Debug)]
pub(super) enum Source {
    Own(Receiver),
    Rmp(u32),
}

/// A receive queue.
#[derive(Debug)]
pub(crate) struct Rq {
    pub(super) context: Rqc,
    pub(super) source: Source,
    pub(super) state: State,
}

fn check_counter(device: &Device, context: &Rqc) -> Result<(), Refusal> {
    match u32::from(context.counter_set_id()) {
        0 => Ok(()),
        counter => device.queues.counters.named(counter, "counter_set_id", 0x2c).map(|_| ()),
    }
}

/// CREATE_RQ.
pub(super) fn create_rq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let context = CreateRqIn::copy_from(input).ctx();
    let wq = context.wq();
    let limits = device.limits();
    if context.state() != State::Reset as u8 {
        return Err(Refusal::value("state", 0x20));
    }
    if context.ts_format() > 2 {
        return Err(Refusal::value("ts_format", 0x20));
    }
    for (field, set) in [
        ("scatter_fcs", context.scatter_fcs() && !limits.scatter_fcs),
        ("vsd", !context.vsd() && !limits.vlan_cap),
        ("delay_drop_en", context.delay_drop_en()),
    ] {
        if set {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, field, 0x20));
        }
    }
    device.queues.cqs.named(context.cqn(), "cqn", 0x28)?;
    check_counter(device, &context)?;
    let pages = input.get(PAGES_AT..).unwrap_or_default();
    let (source, held) = match context.mem_rq_type() {
        INLINE => {
            // Linux's drop RQ names no protection domain: its WQEs never get memory.
            if wq.pd() != 0 {
                device.named_pd(wq.pd(), WQ_AT + 0x8)?;
            }
            let queue = WorkQueue::receive(memory, limits, &wq, pages)?;
            (Source::Own(Receiver::new(queue)), (Kind::Pd, wq.pd()))
        }
        RMP => {
            device.queues.rmps.named(context.rmpn(), "rmpn", 0x30)?;
            if !pages.is_empty() {
                let at = PAGES_AT as u16;
                return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "pas", at));
            }
            (Source::Rmp(context.rmpn()), (Kind::Rmp, context.rmpn()))
        }
        _ => return Err(Refusal::value("mem_rq_type", 0x20)),
    };
    let (cqn, counter) = (context.cqn(), u32::from(context.counter_set_id()));
    let number = device.queues.rqs.insert(Rq { context: context.clone(), source, state: State::Reset })?;
    device.links.hold((Kind::Rq, number), [(Kind::Cq, cqn), held]);
    device.links.hold((Kind::Rq, number), (counter != 0).then_some((Kind::QCounter, counter)));
    answer(output, CreateRqOut::build().rqn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_RQ.
pub(super) fn modify_rq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyRqIn::copy_from(input);
    let new = head.ctx();
    let number = head.rqn();
    let limits = device.limits();
    let rq = device.queues.rqs.named(number, "rqn", 0x8)?;
    let current = State::parse(head.rq_state(), "rq_state", 0x8)?;
    let next = State::parse(new.state(), "state", 0x20)?;
    let selected = head.modify_bitmask();
    if selected & !(MODIFY_VSD | MODIFY_SCATTER_FCS | MODIFY_COUNTER) != 0 {
        return Err(Refusal::value("modify_bitmask", 0x10));
    }
    if current != rq.state {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "rq_state", 0x8));
    }
    if !current.allows(next) {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "state", 0x20));
    }
    let mut context = rq.context.clone();
    if selected & MODIFY_VSD != 0 {
        if !new.vsd() && !limits.vlan_cap {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "vsd", 0x20));
        }
        context.set().vsd(new.vsd());
    }
    if selected & MODIFY_SCATTER_FCS != 0 {
        if new.scatter_fcs() && !limits.scatter_fcs {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "scatter_fcs", 0x20));
        }
        context.set().scatter_fcs(new.scatter_fcs());
    }
    if selected & MODIFY_COUNTER != 0 {
        if !limits.modify_rq_counter_set_id {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "counter_set_id", 0x2c));
        }
        check_counter(device, &new)?;
        context.set().counter_set_id(new.counter_set_id());
        device.hold_rq(number, &context);
    }
    let Some(rq) = device.queues.rqs.get_mut(number) else { return Ok(()) };
    rq.context = context;
    rq.state = next;
    match next {
        State::Reset => {
            if let Source::Own(receiver) = &mut rq.source {
                receiver.reset();
            }
            device.forget_merging(number);
        }
        State::Error => device.flush_rq(memory, number),
        State::Ready => {}
    }
    Ok(())
}

impl Device {
    /// Notes anew what an RQ refers to.
    fn hold_rq(&mut self, number: u32, context: &Rqc) {
        let Some(rq) = self.queues.rqs.get(number) else { return };
        let from = match &rq.source {
            Source::Own(receiver) => (Kind::Pd, receiver.wq.pd),
            Source::Rmp(rmp) => (Kind::Rmp, *rmp),
        };
        let counter = u32::from(context.counter_set_id());
        self.links.release((Kind::Rq, number));
        self.links.hold((Kind::Rq, number), [(Kind::Cq, context.cqn()), from]);
        self.links.hold((Kind::Rq, number), (counter != 0).then_some((Kind::QCounter, counter)));
    }
}

/// DESTROY_RQ.
pub(super) fn destroy_rq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyRqIn::copy_from(input).rqn();
    device.queues.rqs.named(number, "rqn", 0x8)?;
    device.links.end((Kind::Rq, number), "rqn", 0x8)?;
    device.queues.rqs.remove(number);
    device.forget_merging(number);
    Ok(())
}

/// QUERY_RQ.
pub(super) fn query_rq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let rq = device.queues.rqs.named(QueryRqIn::copy_from(input).rqn(), "rqn", 0x8)?;
    let mut context = rq.context.clone();
    context.set().state(rq.state as u8);
    if let Source::Own(receiver) = &rq.source {
        let mut wq = context.wq();
        wq.set().hw_counter(u32::from(receiver.taken()));
        wq.set().sw_counter(receiver.wq.record.first(memory).unwrap_or(0));
        context.set().wq(&wq);
    }
    answer(output, QueryRqOut::build().rq_context(&context).done().as_bytes());
    Ok(())
}

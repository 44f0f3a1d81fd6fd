//! Send queues (facts E.9): CREATE, MODIFY, DESTROY and QUERY_SQ. How WQEs are carried out is in `wqe`.
//!
//! Left out: hairpin, packet pacing, QoS groups, time stamps to another CQ.

use super::named::answer;
use super::wq::{PAGES_AT, State, WQ_AT, WorkQueue};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateSqIn, CreateSqOut, DestroySqIn, ModifySqIn, QuerySqIn, QuerySqOut, Sqc,
};

/// Bits of `modify_bitmask`: the rate limit and the QoS group, of which only zero exists here.
const MODIFY_RATE_LIMIT: u64 = 1 << 0;
const MODIFY_QOS_GROUP: u64 = 1 << 2;

/// A send queue.
#[derive(Debug)]
pub(crate) struct Sq {
    pub(super) context: Sqc,
    pub(super) wq: WorkQueue,
    pub(super) state: State,
    pub(super) uar: u32,
    /// The TIS, if there is one; without it nothing can be sent.
    pub(super) tis: Option<u32>,
    /// The counter of the WQE that is carried out next.
    pub(super) consumer: u16,
}

/// CREATE_SQ.
pub(super) fn create_sq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = CreateSqIn::copy_from(input);
    let context = head.ctx();
    let wq = context.wq();
    let limits = device.limits();
    if context.state() != State::Reset as u8 {
        return Err(Refusal::value("state", 0x20));
    }
    if context.min_wqe_inline_mode() > 3 {
        return Err(Refusal::value("min_wqe_inline_mode", 0x20));
    }
    if context.ts_format() > 2 {
        return Err(Refusal::value("ts_format", 0x20));
    }
    if context.allow_swp() && !limits.swp {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "allow_swp", 0x20));
    }
    if context.reg_umr() && !limits.reg_umr_sq {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "reg_umr", 0x20));
    }
    device.queues.cqs.named(context.cqn(), "cqn", 0x28)?;
    let tis = match context.tis_lst_sz() {
        0 => None,
        1 => Some(context.tis_num_0()),
        _ => return Err(Refusal::value("tis_lst_sz", 0x40)),
    };
    if let Some(tis) = tis {
        device.queues.tises.named(tis, "tis_num_0", 0x4c)?;
    }
    device.named_pd(wq.pd(), WQ_AT + 0x8)?;
    device.named_uar(wq.uar_page(), WQ_AT + 0xc)?;
    let wq_state = WorkQueue::send(memory, limits, &wq, input.get(PAGES_AT..).unwrap_or_default())?;
    let (cqn, uar, pd) = (context.cqn(), wq.uar_page(), wq.pd());
    let sq = Sq { wq: wq_state, state: State::Reset, uar, tis, consumer: 0, context: context.clone() };
    let number = device.queues.sqs.insert(sq)?;
    device.links.hold((Kind::Sq, number), [(Kind::Cq, cqn), (Kind::Uar, uar), (Kind::Pd, pd)]);
    device.links.hold((Kind::Sq, number), tis.map(|tis| (Kind::Tis, tis)));
    answer(output, CreateSqOut::build().sqn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_SQ.
pub(super) fn modify_sq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifySqIn::copy_from(input);
    let context = head.ctx();
    let sq = device.queues.sqs.named_mut(head.sqn(), "sqn", 0x8)?;
    let current = State::parse(head.sq_state(), "sq_state", 0x8)?;
    let next = State::parse(context.state(), "state", 0x20)?;
    if head.modify_bitmask() & !(MODIFY_RATE_LIMIT | MODIFY_QOS_GROUP) != 0 {
        return Err(Refusal::value("modify_bitmask", 0x10));
    }
    if current != sq.state {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "sq_state", 0x8));
    }
    if !current.allows(next) {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "state", 0x20));
    }
    sq.state = next;
    match next {
        State::Reset => sq.consumer = 0,
        State::Error => device.flush_sq(memory, head.sqn()),
        State::Ready => {}
    }
    Ok(())
}

/// DESTROY_SQ.
pub(super) fn destroy_sq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroySqIn::copy_from(input).sqn();
    device.queues.sqs.named(number, "sqn", 0x8)?;
    device.links.end((Kind::Sq, number), "sqn", 0x8)?;
    device.queues.sqs.remove(number);
    Ok(())
}

/// QUERY_SQ.
pub(super) fn query_sq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let sq = device.queues.sqs.named(QuerySqIn::copy_from(input).sqn(), "sqn", 0x8)?;
    let mut context = sq.context.clone();
    context.set().state(sq.state as u8);
    let mut wq = context.wq();
    wq.set().hw_counter(u32::from(sq.consumer));
    wq.set().sw_counter(sq.wq.record.second(memory).unwrap_or(0));
    context.set().wq(&wq);
    answer(output, QuerySqOut::build().sq_context(&context).done().as_bytes());
    Ok(())
}

//! Receive memory pools: WQEs that several RQs take from. CREATE, MODIFY, DESTROY and QUERY_RMP.
//!
//! Left out: the low watermark event.

use super::named::answer;
use super::receive::Receiver;
use super::wq::{PAGES_AT, State, WQ_AT, WorkQueue};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateRmpIn, CreateRmpOut, DestroyRmpIn, ModifyRmpIn, QueryRmpIn, QueryRmpOut, Rmpc,
};

/// A receive memory pool.
#[derive(Debug)]
pub(crate) struct Rmp {
    context: Rmpc,
    pub(super) receiver: Receiver,
    pub(super) state: State,
}

/// CREATE_RMP.
pub(super) fn create_rmp(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let context = CreateRmpIn::copy_from(input).ctx();
    let limits = device.limits();
    let wq = context.wq();
    // There is no RST for an RMP: it is created ready, and both values stand for that.
    if context.state() > State::Ready as u8 {
        return Err(Refusal::value("state", 0x20));
    }
    let cyclic = wq.wq_type() & 1 != 0;
    if cyclic && !context.basic_cyclic_rcv_wqe() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Conflict, "basic_cyclic_rcv_wqe", 0x24));
    }
    device.named_pd(wq.pd(), WQ_AT + 0x8)?;
    let pages = input.get(PAGES_AT..).unwrap_or_default();
    let queue = WorkQueue::receive(memory, limits, &wq, pages)?;
    let pd = wq.pd();
    let rmp = Rmp { context: context.clone(), receiver: Receiver::new(queue), state: State::Ready };
    let number = device.queues.rmps.insert(rmp)?;
    device.links.hold((Kind::Rmp, number), [(Kind::Pd, pd)]);
    answer(output, CreateRmpOut::build().rmpn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_RMP.
pub(super) fn modify_rmp(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyRmpIn::copy_from(input);
    let rmp = device.queues.rmps.named_mut(head.rmpn(), "rmpn", 0x8)?;
    let current = State::parse(head.rmp_state(), "rmp_state", 0x8)?;
    let next = State::parse(head.ctx().state(), "state", 0x20)?;
    if current != rmp.state || !current.allows(next) || next == State::Reset {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "rmp_state", 0x8));
    }
    if head.bitmask().lwm() {
        let mut wq = rmp.context.wq();
        wq.set().lwm(head.ctx().wq().lwm());
        rmp.context.set().wq(&wq);
    }
    rmp.state = next;
    Ok(())
}

/// DESTROY_RMP.
pub(super) fn destroy_rmp(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyRmpIn::copy_from(input).rmpn();
    device.queues.rmps.named(number, "rmpn", 0x8)?;
    device.links.end((Kind::Rmp, number), "rmpn", 0x8)?;
    device.queues.rmps.remove(number);
    Ok(())
}

/// QUERY_RMP.
pub(super) fn query_rmp(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let rmp = device.queues.rmps.named(QueryRmpIn::copy_from(input).rmpn(), "rmpn", 0x8)?;
    let mut context = rmp.context.clone();
    context.set().state(rmp.state as u8);
    let mut wq = context.wq();
    wq.set().hw_counter(u32::from(rmp.receiver.taken()));
    wq.set().sw_counter(rmp.receiver.wq.record.first(memory).unwrap_or(0));
    context.set().wq(&wq);
    answer(output, QueryRmpOut::build().rmp_context(&context).done().as_bytes());
    Ok(())
}

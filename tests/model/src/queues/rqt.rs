//! RQ tables (facts E.9): the RQs that a hash chooses from.
//!
//! Left out: RQs of other functions (`rq_vhca_id_format`).

use super::named::answer;
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateRqtIn, CreateRqtOut, DestroyRqtIn, ModifyRqtIn, QueryRqtIn, QueryRqtOut, Rqtc,
};

/// Where the list of RQs begins in CREATE_RQT and MODIFY_RQT.
const LIST_AT: usize = 0x110;
/// Bytes of an entry.
const ENTRY: usize = 4;
const NUMBER: u32 = 0x00ff_ffff;

/// An RQ table.
#[derive(Debug)]
pub(crate) struct Rqt {
    max_size: u16,
    /// Its RQs.
    pub(super) rqs: Vec<u32>,
}

/// The RQs that a command lists.
fn list(device: &Device, context: &Rqtc, max_size: u16, input: &[u8]) -> Result<Vec<u32>, Refusal> {
    if context.rq_vhca_id_format() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "rq_vhca_id_format", 0x38));
    }
    if context.list_q_type() != 0 {
        return Err(Refusal::value("list_q_type", 0x34));
    }
    let size = context.rqt_actual_size();
    if size == 0 || !size.is_power_of_two() || size > max_size {
        return Err(Refusal::value("rqt_actual_size", 0x38));
    }
    let entries = input.get(LIST_AT..).unwrap_or_default();
    if entries.len() != usize::from(size) * ENTRY {
        return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "rq_num", LIST_AT as u16));
    }
    let mut rqs = Vec::with_capacity(usize::from(size));
    for (index, entry) in entries.as_chunks::<ENTRY>().0.iter().enumerate() {
        let at = (LIST_AT + index * ENTRY) as u16;
        let number = u32::from_be_bytes(*entry);
        if number & !NUMBER != 0 {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "rq_num", at));
        }
        device.queues.rqs.named(number, "rq_num", at)?;
        rqs.push(number);
    }
    Ok(rqs)
}

/// CREATE_RQT.
pub(super) fn create_rqt(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = CreateRqtIn::copy_from(input);
    let context = head.rqt_context();
    let max_size = context.rqt_max_size();
    if max_size == 0 || u32::from(max_size) > 1 << device.limits().log_max_rqt_size {
        return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "rqt_max_size", 0x34));
    }
    let rqs = list(device, &context, max_size, input)?;
    let held: Vec<_> = rqs.iter().map(|rq| (Kind::Rq, *rq)).collect();
    let number = device.queues.rqts.insert(Rqt { max_size, rqs })?;
    device.links.hold((Kind::Rqt, number), held);
    answer(output, CreateRqtOut::build().rqtn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_RQT.
pub(super) fn modify_rqt(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyRqtIn::copy_from(input);
    let number = head.rqtn();
    let max_size = device.queues.rqts.named(number, "rqtn", 0x8)?.max_size;
    if !head.bitmask().rqn_list() {
        return Err(Refusal::value("bitmask", 0x14));
    }
    let rqs = list(device, &head.ctx(), max_size, input)?;
    device.links.release((Kind::Rqt, number));
    device.links.hold((Kind::Rqt, number), rqs.iter().map(|rq| (Kind::Rq, *rq)));
    device.queues.rqts.named_mut(number, "rqtn", 0x8)?.rqs = rqs;
    Ok(())
}

/// DESTROY_RQT.
pub(super) fn destroy_rqt(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyRqtIn::copy_from(input).rqtn();
    device.queues.rqts.named(number, "rqtn", 0x8)?;
    device.links.end((Kind::Rqt, number), "rqtn", 0x8)?;
    device.queues.rqts.remove(number);
    Ok(())
}

/// QUERY_RQT.
pub(super) fn query_rqt(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let rqt = device.queues.rqts.named(QueryRqtIn::copy_from(input).rqtn(), "rqtn", 0x8)?;
    let mut context = Rqtc::default();
    context.set().rqt_max_size(rqt.max_size);
    context.set().rqt_actual_size(rqt.rqs.len() as u16);
    answer(output, QueryRqtOut::build().rqt_context(&context).done().as_bytes());
    let entries = output.get_mut(LIST_AT..).unwrap_or_default();
    for (place, rq) in entries.as_chunks_mut::<ENTRY>().0.iter_mut().zip(&rqt.rqs) {
        *place = rq.to_be_bytes();
    }
    Ok(())
}

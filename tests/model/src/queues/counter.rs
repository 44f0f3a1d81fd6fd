//! Q counters: ALLOC, DEALLOC and QUERY_Q_COUNTER.
//!
//! Only what an Ethernet receive queue counts is counted; the RDMA counters stay zero. Left out: counters of other
//! vports.

use super::named::answer;
use crate::objects::Kind;
use crate::{Device, Memory, Refusal};
use mlx5_pci::prm::{AllocQCounterOut, DeallocQCounterIn, QueryQCounterIn, QueryQCounterOut};

/// A set of counters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QCounter {
    /// Packets for which there was no WQE.
    pub(super) out_of_buffer: u32,
    /// WQEs that were too short for their packet.
    pub(super) length_errors: u32,
    /// WQEs whose memory key did not give access.
    pub(super) protection_errors: u32,
    /// CQEs with an error.
    pub(super) error_cqes: u32,
    /// CQEs of flushed WQEs.
    pub(super) flushed_cqes: u32,
}

/// ALLOC_Q_COUNTER.
pub(super) fn alloc_q_counter(
    device: &mut Device,
    _memory: &dyn Memory,
    _input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let number = device.queues.counters.insert(QCounter::default())?;
    answer(output, AllocQCounterOut::build().counter_set_id(number as u8).done().as_bytes());
    Ok(())
}

/// DEALLOC_Q_COUNTER.
pub(super) fn dealloc_q_counter(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = u32::from(DeallocQCounterIn::copy_from(input).counter_set_id());
    device.queues.counters.named(number, "counter_set_id", 0x8)?;
    device.links.end((Kind::QCounter, number), "counter_set_id", 0x8)?;
    device.queues.counters.remove(number);
    Ok(())
}

/// QUERY_Q_COUNTER.
pub(super) fn query_q_counter(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = QueryQCounterIn::copy_from(input);
    let number = u32::from(head.counter_set_id());
    let counter = device.queues.counters.named_mut(number, "counter_set_id", 0x1c)?;
    let found = QueryQCounterOut::build()
        .out_of_buffer(counter.out_of_buffer)
        .resp_local_length_error(counter.length_errors)
        .resp_local_protection(counter.protection_errors)
        .resp_cqe_error(counter.error_cqes)
        .resp_cqe_flush_error(counter.flushed_cqes)
        .done();
    answer(output, found.as_bytes());
    if head.clear() {
        *counter = QCounter::default();
    }
    Ok(())
}

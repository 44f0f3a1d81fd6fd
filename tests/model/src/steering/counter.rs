//! Flow counters: ALLOC, DEALLOC and QUERY_FLOW_COUNTER.
//!
//! Facts E.10, E.14; `fs_cmd.c` and `fs_counters.c` of Linux. A counter counts packets and their bytes from the
//! destination MAC on as they are when they come to the entry, before its other actions. Counters come one by one or in
//! bulks of 128 << n, which are freed whole. A query of several begins at a multiple of four and passes over numbers
//! that do not exist: Linux asks from its first counter to its last one.

use super::limits::{offered, wrong};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    AllocFlowCounterIn, AllocFlowCounterOut, CmdStatus, DeallocFlowCounterIn, QueryFlowCounterIn,
    QueryFlowCounterOut, TrafficCounter,
};
use std::collections::BTreeMap;

/// Counters of the smallest bulk.
const SMALLEST_BULK: u32 = 128;
/// The first number.
const FIRST: u32 = 1;
/// The first number that is never used.
const END: u32 = 1 << 28;

/// What a counter has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Packets.
    pub(super) packets: u64,
    /// Bytes of them.
    pub(super) octets: u64,
}

/// All counters.
#[derive(Debug)]
pub(super) struct Counters {
    /// By the first number of each allocation.
    blocks: BTreeMap<u32, Vec<Count>>,
    used: u32,
    next: u32,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { blocks: BTreeMap::new(), used: 0, next: FIRST }
    }
}

impl Counters {
    /// How many are allocated.
    pub(super) fn len(&self) -> usize {
        self.used as usize
    }

    fn alloc(&mut self, size: u32, limit: u32) -> Option<u32> {
        self.used.checked_add(size).filter(|used| *used <= limit)?;
        let base = self.gap(self.next, size).or_else(|| self.gap(FIRST, size))?;
        self.blocks.insert(base, vec![Count::default(); size as usize]);
        self.used += size;
        self.next = base + size;
        Some(base)
    }

    /// The first place for `size` counters from `start` on. Bulks begin at a multiple of their size.
    fn gap(&self, start: u32, size: u32) -> Option<u32> {
        let mut base = start.next_multiple_of(size);
        let before = self.blocks.range(..base).next_back();
        for (first, block) in before.into_iter().chain(self.blocks.range(base..)) {
            if *first >= base + size {
                break;
            }
            base = base.max((first + block.len() as u32).next_multiple_of(size));
        }
        (base + size <= END).then_some(base)
    }

    fn find(&self, number: u32) -> Option<&Count> {
        let (base, block) = self.blocks.range(..=number).next_back()?;
        block.get((number - base) as usize)
    }

    fn find_mut(&mut self, number: u32) -> Option<&mut Count> {
        let (base, block) = self.blocks.range_mut(..=number).next_back()?;
        block.get_mut((number - base) as usize)
    }

    /// Whether there is a counter of this number.
    pub(super) fn has(&self, number: u32) -> bool {
        self.find(number).is_some()
    }

    /// Counts a packet of `length` bytes.
    pub(super) fn count(&mut self, number: u32, length: usize) {
        if let Some(count) = self.find_mut(number) {
            count.packets = count.packets.wrapping_add(1);
            count.octets = count.octets.wrapping_add(length as u64);
        }
    }
}

/// ALLOC_FLOW_COUNTER.
pub(super) fn alloc(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = AllocFlowCounterIn::copy_from(input);
    let limits = &device.steering.limits;
    offered(command.flow_counter_bulk_log_size() == 0, "flow_counter_bulk_log_size", 0x0e)?;
    let bulk = command.flow_counter_bulk();
    offered(bulk & !limits.counter_bulks == 0, "flow_counter_bulk", 0x0f)?;
    let size = match bulk.count_ones() {
        0 => 1,
        1 => SMALLEST_BULK << bulk.trailing_zeros(),
        _ => return Err(Refusal::value("flow_counter_bulk", 0x0f)),
    };
    let limit = limits.counters;
    let base = device.steering.counters.alloc(size, limit);
    let base = base.ok_or(Refusal::new(CmdStatus::NO_RES, Check::Full, "opcode", 0))?;
    let answer = AllocFlowCounterOut::build().flow_counter_id(base).done();
    output[..AllocFlowCounterOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

/// DEALLOC_FLOW_COUNTER: not while an entry uses it or any of its bulk.
pub(super) fn dealloc(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let base = DeallocFlowCounterIn::copy_from(input).flow_counter_id();
    let block = device.steering.counters.blocks.get(&base);
    let size = block.ok_or(Refusal::no_object("flow_counter_id", 8))?.len() as u32;
    if (base..base + size).any(|number| device.links.count((Kind::FlowCounter, number)) > 0) {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::InUse, "flow_counter_id", 8));
    }
    device.steering.counters.blocks.remove(&base);
    device.steering.counters.used -= size;
    Ok(())
}

/// QUERY_FLOW_COUNTER.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryFlowCounterIn::copy_from(input);
    let steering = &mut device.steering;
    let (first, several) = (command.flow_counter_id(), u32::from(command.num_of_counters()));
    if several > steering.limits.counters_per_query {
        return Err(wrong(Check::Limit, "num_of_counters", 0x1a));
    }
    if several > 0 && first % 4 != 0 {
        return Err(wrong(Check::Alignment, "flow_counter_id", 0x1c));
    }
    if several == 0 && !steering.counters.has(first) {
        return Err(Refusal::no_object("flow_counter_id", 0x1c));
    }
    let room = &mut output[QueryFlowCounterOut::SIZE..];
    let numbers = first..first.saturating_add(several.max(1));
    if room.len() < numbers.len() * TrafficCounter::SIZE {
        return Err(Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen", 0));
    }
    for (number, room) in numbers.zip(room.chunks_exact_mut(TrafficCounter::SIZE)) {
        if let Some(count) = steering.counters.find_mut(number) {
            let answer = TrafficCounter::build().packets(count.packets).octets(count.octets).done();
            room.copy_from_slice(answer.as_bytes());
            if command.clear() {
                *count = Count::default();
            }
        }
    }
    Ok(())
}

//! Flow counters by the block, and read by the block (facts E.10): one command reads as many as the card allows.
//!
//! A counter that comes from a block keeps on counting from where its last user left it; what it stood at then is taken
//! off. A block goes back to the card when nobody uses any of it.

use crate::caps::Caps;
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{AllocFlowCounterIn, DeallocFlowCounterIn, QueryFlowCounterIn, TrafficCounter};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Sub;

/// `flow_counter_bulk` bit n stands for so many counters times 2^n.
const LEAST_BULK: u32 = 128;
/// The largest block that is asked for, as its bit.
const BULK: u8 = 1 << 3;
/// A query begins at a multiple of this.
const ALIGNMENT: u32 = 4;
/// The most counters of a query, whatever the card allows: the answer has to fit a command.
const MOST: u32 = 2048;

/// What a counter has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of frames as they came to the entry, without the FCS.
    pub octets: u64,
}

impl Sub for Count {
    type Output = Count;

    fn sub(self, before: Count) -> Count {
        Count {
            packets: self.packets.saturating_sub(before.packets),
            octets: self.octets.saturating_sub(before.octets),
        }
    }
}

/// A counter in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) number: u32,
    /// What it stood at before.
    before: Count,
}

#[derive(Debug)]
struct Block {
    size: u32,
    free: Vec<Counter>,
}

/// All counters.
#[derive(Debug)]
pub(super) struct Counters {
    bulk: u8,
    most: u32,
    /// Counters that the card may still be asked for.
    left: u32,
    blocks: BTreeMap<u32, Block>,
    /// Blocks with a free counter.
    open: Vec<u32>,
}

impl Counters {
    pub(super) fn new(caps: &Caps) -> Self {
        let offered = caps.general.flow_counter_bulk_alloc() & ((BULK << 1) - 1);
        let bulk = offered.checked_ilog2().map_or(0, |bit| 1 << bit);
        let most = 1u32.checked_shl(caps.general.log_max_flow_counter_bulk().into()).unwrap_or(MOST);
        let left = u32::from(caps.general.max_flow_counter_31_16()) << 16
            | u32::from(caps.general.max_flow_counter_15_0());
        Self { bulk, most: most.min(MOST), left, blocks: BTreeMap::new(), open: Vec::new() }
    }

    /// Counters of a block.
    fn block(&self) -> u32 {
        if self.bulk == 0 { 1 } else { LEAST_BULK << self.bulk.trailing_zeros() }
    }

    /// Whether there are `count` more.
    pub(super) fn has(&self, count: usize) -> bool {
        let free = self.open.iter().filter_map(|base| self.blocks.get(base)).map(|block| block.free.len());
        let fresh = self.left - self.left % self.block();
        // The open blocks are few: one that is partly free is used up first.
        fresh as usize >= count || free.sum::<usize>() + fresh as usize >= count
    }

    /// A counter that stands at zero.
    pub(super) fn take<F: Function>(&mut self, commands: &mut Commands<F>) -> Result<Counter, CmdError> {
        if let Some(base) = self.open.last()
            && let Some(block) = self.blocks.get_mut(base)
            && let Some(counter) = block.free.pop()
        {
            if block.free.is_empty() {
                self.open.pop();
            }
            return Ok(counter);
        }
        let input = AllocFlowCounterIn::build().flow_counter_bulk(self.bulk).done();
        let base = commands.exec(&input)?.flow_counter_id();
        let size = self.block();
        self.left = self.left.saturating_sub(size);
        let fresh = |number| Counter { number, before: Count::default() };
        let free: Vec<_> = (base + 1..base + size).rev().map(fresh).collect();
        if !free.is_empty() {
            self.open.push(base);
        }
        self.blocks.insert(base, Block { size, free });
        Ok(fresh(base))
    }

    /// A counter that no entry names any more goes back; it stands at `last` beyond what it stood at when it was taken.
    pub(super) fn give_back<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        counter: Counter,
        last: Count,
    ) -> Result<(), CmdError> {
        let Some((base, block)) = self.blocks.range_mut(..=counter.number).next_back() else { return Ok(()) };
        let base = *base;
        let before = Count {
            packets: counter.before.packets + last.packets,
            octets: counter.before.octets + last.octets,
        };
        block.free.push(Counter { before, ..counter });
        let block_size = block.size;
        match block.free.len() as u32 {
            free if free == block.size => {
                self.blocks.remove(&base);
                self.open.retain(|other| *other != base);
                self.left += block_size;
                commands.exec(&DeallocFlowCounterIn::build().flow_counter_id(base).done()).map(|_| ())
            }
            1 => {
                self.open.push(base);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads counters, sorted by number: what each has counted since it was taken, in the same order.
    pub(super) fn read<F: Function>(
        &self,
        commands: &mut Commands<F>,
        counters: &[Counter],
    ) -> Result<Vec<Count>, CmdError> {
        let mut counts = Vec::with_capacity(counters.len());
        let mut rest = counters;
        while let Some(first) = rest.first() {
            let start = if self.most < ALIGNMENT { first.number } else { first.number & !(ALIGNMENT - 1) };
            let end = start.saturating_add(self.most);
            let (now, later) = rest.split_at(rest.partition_point(|counter| counter.number < end));
            let last = now.last().map_or(start, |counter| counter.number);
            let number = (last - start + 1).next_multiple_of(ALIGNMENT).min(self.most);
            let several = if self.most < ALIGNMENT { 0 } else { number as u16 };
            let input = QueryFlowCounterIn::build().num_of_counters(several).flow_counter_id(start).done();
            let room = number as usize * TrafficCounter::SIZE;
            let (_, list) = commands.exec_list(&input, &[], room)?;
            counts.extend(now.iter().map(|counter| {
                let at = (counter.number - start) as usize * TrafficCounter::SIZE;
                let read = TrafficCounter::copy_from(list.get(at..).unwrap_or_default());
                Count { packets: read.packets(), octets: read.octets() } - counter.before
            }));
            rest = later;
        }
        Ok(counts)
    }

    /// Whether none is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

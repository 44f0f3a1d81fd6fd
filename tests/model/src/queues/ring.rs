//! Rings in guest memory, as EQs, CQs and work queues describe them: a list of pages, an offset into the first one, a
//! number of entries and the size of an entry, all powers of two (facts E.7–E.9).
//!
//! Left out: queues in user memory (`umem`).

use crate::memory::{read_array, read_be32};
use crate::{Check, Memory, Refusal, Unmapped};
use mlx5_pci::prm::CmdStatus;

/// The device's page size; page sizes in commands are relative to it.
const LOG_PAGE: u8 = 12;
/// The largest page that a driver may use.
const LOG_PAGE_MAX: u8 = 31;
/// The page offset counts in these parts of a page.
const LOG_PAGE_PARTS: u8 = 6;

/// What a command says about a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// log2 of the number of entries.
    pub(crate) log_size: u8,
    /// log2 of the bytes of an entry.
    pub(crate) log_stride: u8,
    /// log2 of a page in units of 4 KiB.
    pub(crate) log_page: u8,
    /// Where the ring begins in its first page, in 64ths of a page.
    pub(crate) page_offset: u8,
}

/// A ring.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    pages: Vec<u64>,
    log_page: u8,
    offset: u64,
    log_size: u8,
    log_stride: u8,
}

impl Ring {
    /// A ring of `shape` in the pages of `list`, which lies at `at` in the command.
    ///
    /// # Errors
    /// BAD_INP_LEN when the list has not as many pages as the ring needs; BAD_PARAM when a page is not aligned or not
    /// mapped.
    pub(crate) fn new(memory: &dyn Memory, shape: Shape, list: &[u8], at: u16) -> Result<Ring, Refusal> {
        let log_page = shape.log_page + LOG_PAGE;
        if log_page > LOG_PAGE_MAX {
            return Err(Refusal::value("log_page_size", at));
        }
        let page = 1u64 << log_page;
        let offset = u64::from(shape.page_offset) << (log_page - LOG_PAGE_PARTS);
        let bytes = 1u64 << (shape.log_size + shape.log_stride);
        if offset & ((1 << shape.log_stride) - 1) != 0 {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Alignment, "page_offset", at));
        }
        let needed = (offset + bytes).div_ceil(page);
        if list.len() as u64 != needed * 8 {
            return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "pas", at));
        }
        let mut pages = Vec::with_capacity(needed as usize);
        for (index, entry) in list.as_chunks::<8>().0.iter().enumerate() {
            let address = u64::from_be_bytes(*entry);
            let at = at.saturating_add(8 * index as u16);
            if address & (page - 1) != 0 {
                return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Alignment, "pas", at));
            }
            let used = page.min(offset + bytes - index as u64 * page);
            let last = address.saturating_add(used - 1);
            for probe in [address, last] {
                if read_array::<1>(memory, probe).is_err() {
                    return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Unmapped, "pas", at));
                }
            }
            pages.push(address);
        }
        Ok(Ring { pages, log_page, offset, log_size: shape.log_size, log_stride: shape.log_stride })
    }

    /// The bus address of the entry that a counter points at.
    pub(crate) fn entry(&self, counter: u32) -> u64 {
        let place = self.offset + (u64::from(self.slot(counter)) << self.log_stride);
        let page = (place >> self.log_page) as usize;
        self.pages.get(page).copied().unwrap_or(0) + (place & ((1 << self.log_page) - 1))
    }

    /// The entry that a counter points at.
    pub(crate) fn slot(&self, counter: u32) -> u32 {
        counter & (self.size() - 1)
    }

    /// How often a counter has gone round the ring; its lowest bit is the owner bit of EQEs and CQEs.
    pub(crate) fn lap(&self, counter: u32) -> u32 {
        counter >> self.log_size
    }

    /// How many entries there are.
    pub(crate) fn size(&self) -> u32 {
        1 << self.log_size
    }

    /// Bytes of an entry.
    pub(crate) fn stride(&self) -> usize {
        1 << self.log_stride
    }

    /// Reads `into` from the entries on from `counter`; entries of different pages need not be neighbours.
    ///
    /// # Errors
    /// [`Unmapped`] as [`Memory::read`].
    pub(crate) fn read(&self, memory: &dyn Memory, counter: u32, into: &mut [u8]) -> Result<(), Unmapped> {
        for (index, part) in into.chunks_mut(self.stride()).enumerate() {
            memory.read(self.entry(counter.wrapping_add(index as u32)), part)?;
        }
        Ok(())
    }

    /// Writes an entry whose last byte says whose it is: that byte is written after all others.
    ///
    /// # Errors
    /// [`Unmapped`] as [`Memory::write`].
    pub(crate) fn publish(
        &self,
        memory: &dyn Memory,
        counter: u32,
        offset: u64,
        entry: &[u8],
    ) -> Result<(), Unmapped> {
        let Some((last, first)) = entry.split_last() else { return Ok(()) };
        let address = self.entry(counter) + offset;
        memory.write(address, first)?;
        memory.write(address + first.len() as u64, core::slice::from_ref(last))
    }
}

/// A doorbell record: two dwords in guest memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DoorbellRecord(u64);

impl DoorbellRecord {
    /// The record at `address`, which the field at `at` names.
    ///
    /// # Errors
    /// BAD_PARAM when it is not aligned to 8 bytes or not mapped.
    pub(crate) fn new(memory: &dyn Memory, address: u64, at: u16) -> Result<DoorbellRecord, Refusal> {
        if address & 7 != 0 {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Alignment, "dbr_addr", at));
        }
        if read_array::<8>(memory, address).is_err() {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Unmapped, "dbr_addr", at));
        }
        Ok(DoorbellRecord(address))
    }

    /// Dword 0: the receive counter of a work queue, the consumer counter of a CQ.
    ///
    /// # Errors
    /// [`Unmapped`] as [`Memory::read`].
    pub(crate) fn first(self, memory: &dyn Memory) -> Result<u32, Unmapped> {
        read_be32(memory, self.0)
    }

    /// Dword 1: the send counter of a work queue, the arming word of a CQ.
    ///
    /// # Errors
    /// [`Unmapped`] as [`Memory::read`].
    pub(crate) fn second(self, memory: &dyn Memory) -> Result<u32, Unmapped> {
        read_be32(memory, self.0 + 4)
    }
}

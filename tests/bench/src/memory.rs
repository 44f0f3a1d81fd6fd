//! Memory that driver and device share: plain words, aligned as asked for, behind bus addresses that only the device
//! uses. What was given out stays for the life of the process: nothing is looked up or freed while packets move.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use mlx5_model::{Memory, Unmapped};
use mlx5_pci::hal::DmaMem;
use std::collections::BTreeMap;

/// Where the first block lies.
const FIRST: u64 = 0x7_0000_0000;
/// Bytes of a word.
const WORD: usize = 4;

/// A block of shared memory.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    iova: u64,
    words: &'static [AtomicU32],
}

impl DmaMem for Block {
    #[inline]
    fn iova(&self) -> u64 {
        self.iova
    }

    #[inline]
    fn words(&self) -> &[AtomicU32] {
        self.words
    }
}

/// All blocks of a machine, by bus address.
#[derive(Default)]
pub(crate) struct Space(RefCell<BTreeMap<u64, &'static [AtomicU32]>>);

impl Space {
    /// Zeroed memory that begins at a multiple of `align` for driver and device alike.
    pub(crate) fn alloc(&self, bytes: usize, align: usize) -> Block {
        let (count, align) = (bytes.div_ceil(WORD), align.max(64));
        let all: Vec<AtomicU32> = (0..count + align / WORD).map(|_| AtomicU32::new(0)).collect();
        let all = all.leak();
        let unaligned = all.as_ptr() as usize;
        let skip = (unaligned.next_multiple_of(align) - unaligned) / WORD;
        let words = &all[skip..skip + count];
        let mut blocks = self.0.borrow_mut();
        let end = blocks.last_key_value().map_or(FIRST, |(iova, words)| iova + (words.len() * WORD) as u64);
        let iova = end.next_multiple_of(align as u64);
        blocks.insert(iova, words);
        Block { iova, words }
    }

    /// The words from `iova` to the end of the block that it lies in.
    pub(crate) fn words(&self, iova: u64) -> Option<&'static [AtomicU32]> {
        let blocks = self.0.borrow();
        let (start, words) = blocks.range(..=iova).next_back()?;
        words.get(usize::try_from(iova - start).ok()? / WORD..)
    }
}

/// The model's way to it, during bring-up.
impl Memory for Space {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        let unmapped = Unmapped { address, length: into.len() };
        let words = self.words(address).ok_or(unmapped)?;
        for (at, byte) in (address as usize % WORD..).zip(into) {
            let word = words.get(at / WORD).ok_or(unmapped)?;
            *byte = word.load(Ordering::Acquire).to_ne_bytes()[at % WORD];
        }
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        let unmapped = Unmapped { address, length: from.len() };
        let words = self.words(address).ok_or(unmapped)?;
        for (at, byte) in (address as usize % WORD..).zip(from) {
            let word = words.get(at / WORD).ok_or(unmapped)?;
            let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            bytes[at % WORD] = *byte;
            word.store(u32::from_ne_bytes(bytes), Ordering::Release);
        }
        Ok(())
    }
}

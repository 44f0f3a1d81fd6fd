//! Memory that driver and model share: words behind bus addresses that are not those of the host, each allocation far
//! from all others, and gone when the driver drops it. So an access that is off by a byte, or late, is found out.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use mlx5_model::{Memory, Unmapped};
use mlx5_pci::hal::DmaMem;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the first allocation lies: not zero, and above 4 GiB, so that cut addresses are found out.
pub(crate) const FIRST: u64 = 0x7_0000_0000;
/// Space behind every allocation that nothing maps.
const GAP: u64 = 0x1_0000;

/// The bus addresses of one machine.
#[derive(Clone, Default)]
pub struct Space(Arc<Mutex<Allocations>>);

#[derive(Default)]
struct Allocations {
    next: u64,
    live: BTreeMap<u64, Allocation>,
}

#[derive(Clone)]
struct Allocation {
    words: Arc<[AtomicU32]>,
    bytes: usize,
    used: Arc<AtomicBool>,
}

/// One allocation; dropping it unmaps it.
pub struct Region {
    space: Space,
    iova: u64,
    words: Arc<[AtomicU32]>,
    used: Arc<AtomicBool>,
}

impl Space {
    fn lock(&self) -> MutexGuard<'_, Allocations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps `bytes` zeroed bytes; the device reaches exactly those.
    pub fn alloc(&self, bytes: usize, align: usize) -> Region {
        let words: Arc<[AtomicU32]> = (0..bytes.div_ceil(4)).map(|_| AtomicU32::new(0)).collect();
        let mut space = self.lock();
        let iova = (FIRST + space.next).next_multiple_of(align.max(64) as u64);
        space.next = iova - FIRST + bytes as u64 + GAP;
        let used = Arc::default();
        space.live.insert(iova, Allocation { words: words.clone(), bytes, used: Arc::clone(&used) });
        drop(space);
        Region { space: self.clone(), iova, words, used }
    }

    /// How many allocations are mapped.
    pub fn live(&self) -> usize {
        self.lock().live.len()
    }

    /// Allocations whose words the driver has ever looked at, by address: all but pages that it gave away unseen.
    pub fn used(&self) -> Vec<(u64, Arc<[AtomicU32]>)> {
        let space = self.lock();
        let used = space.live.iter().filter(|(_, allocation)| allocation.used.load(Ordering::Relaxed));
        used.map(|(iova, allocation)| (*iova, allocation.words.clone())).collect()
    }

    /// The allocation with these bytes, and where they begin in it.
    fn find(&self, address: u64, length: usize) -> Result<(Allocation, usize), Unmapped> {
        let unmapped = Unmapped { address, length };
        let space = self.lock();
        let (start, allocation) = space.live.range(..=address).next_back().ok_or(unmapped)?;
        let offset = usize::try_from(address - start).map_err(|_| unmapped)?;
        let end = offset.checked_add(length).ok_or(unmapped)?;
        if end > allocation.bytes { Err(unmapped) } else { Ok((allocation.clone(), offset)) }
    }
}

impl Memory for Space {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        let (allocation, offset) = self.find(address, into.len())?;
        for (at, byte) in (offset..).zip(into) {
            *byte = allocation.words[at / 4].load(Ordering::Acquire).to_ne_bytes()[at % 4];
        }
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        let (allocation, offset) = self.find(address, from.len())?;
        for (at, byte) in (offset..).zip(from) {
            let word = &allocation.words[at / 4];
            let mut bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            bytes[at % 4] = *byte;
            word.store(u32::from_ne_bytes(bytes), Ordering::Release);
        }
        Ok(())
    }
}

impl Region {
    /// The driver is going to look at it.
    pub(crate) fn use_it(&self) {
        self.used.store(true, Ordering::Relaxed);
    }
}

impl DmaMem for Region {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn words(&self) -> &[AtomicU32] {
        self.use_it();
        &self.words
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.space.lock().live.remove(&self.iova);
    }
}

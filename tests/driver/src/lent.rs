//! Slabs that the model fills: their bytes are copied from where the device reaches them, packet by packet.

use crate::memory::{Region, Space};
use mlx5_pci::hal::{self, DmaExt, DmaMem};
use net::{Packet, Slab};

/// A lent slab.
pub struct LentSlab {
    region: Region,
    slab: Slab,
}

impl LentSlab {
    pub(crate) fn new(space: &Space, slab: Slab) -> Self {
        let region = space.alloc(slab.len(), 64);
        region.use_it();
        Self { region, slab }
    }
}

impl hal::Region for LentSlab {
    fn iova(&self) -> u64 {
        self.region.iova()
    }

    fn len(&self) -> usize {
        self.slab.len()
    }

    fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<Packet> {
        // What lies outside reads as zero, and is refused by the slab.
        let mut copy = vec![0; bytes.min(self.slab.len()).next_multiple_of(4)];
        self.region.load(start, &mut copy);
        self.slab.fill(start, copy.get(..bytes)?);
        let mut packet = Packet::from(self.slab.take(start, end, bytes)?);
        packet.append(bytes)?;
        Some(packet)
    }
}

//! A PCI function of this machine as the ConnectX driver sees it: [`mlx5_pci::hal`] over the kernel's configuration space,
//! registers and frames. The map is an identity, so a packet's address is what the device needs to reach it.
//!
//! Left out: an IOMMU between device and memory; the driver gives the device only what it lends.
#![allow(unsafe_code)]

use core::mem::ManuallyDrop;
use core::sync::atomic::AtomicU32;
use core::time::Duration;

use kernel::irq::Vector;
use kernel::mem::{Mmio, dma};
use kernel::pci::{self, BarError, Msix};
use mlx5_pci::hal::{Bar, DmaMem, Function, HalError, Loan, Region, Way};
use net::{Packet, Slab};

/// Bytes of a block of registers that is written as one.
const WORD: usize = 4;
const PAIR: usize = 8;

/// One function of a ConnectX.
pub(crate) struct Pci {
    function: pci::Function,
    msix: Option<Msix>,
    /// All entries of the table lead to it: there is one core, and it looks at every queue when it wakes.
    vector: Option<Vector>,
}

impl Pci {
    /// Finds the function's MSI-X table. The device is not touched otherwise: what a system before us left running on it
    /// still can't reach memory, and is ended by the driver's reset.
    pub(crate) fn new(function: pci::Function) -> Result<Self, BarError> {
        let msix = function.msix()?;
        let vector = msix.as_ref().and_then(|_| kernel::irq::allocate().ok());
        Ok(Self { function, msix, vector })
    }

    /// What wakes the CPU when the device has something; `None` if it has to be polled.
    pub(crate) fn vector(&self) -> Option<Vector> {
        self.vector
    }
}

impl Function for Pci {
    type Bar = Registers;
    type Mem = Shared;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, offset: u16) -> u32 {
        self.function.read32(offset)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.function.write32(offset, value);
    }

    fn map_bar(&mut self, index: u8) -> Result<Registers, HalError> {
        let window = self.function.bar(index).and_then(|bar| self.function.map(&bar));
        window.map(Registers).map_err(|error| {
            log::warn!("{}: {error}", self.function.address);
            HalError::NoSuchBar(index)
        })
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        let (Some(msix), Some(vector)) = (&self.msix, self.vector) else { return 0 };
        let count = count.min(msix.entries());
        (0..count).for_each(|entry| msix.set(entry, vector));
        msix.enable();
        count
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Shared, HalError> {
        let block = dma::allocate(bytes, align).map_err(|_| HalError::OutOfMemory { bytes })?;
        Ok(Shared { block: ManuallyDrop::new(block) })
    }

    fn lend(&self, packet: Packet, way: Way) -> Lent {
        Lent { packet, way }
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        LentSlab(slab)
    }

    #[inline]
    fn now(&self) -> Duration {
        Duration::from_micros(kernel::time::now())
    }

    #[inline]
    fn relax(&self) {
        core::hint::spin_loop();
    }
}

/// A register window of a device that is big-endian.
pub(crate) struct Registers(Mmio);

impl Registers {
    /// Whether an access of `size` bytes at `offset` is aligned and inside.
    #[inline]
    fn holds(&self, offset: usize, size: usize) -> bool {
        offset.is_multiple_of(size) && offset.checked_add(size).is_some_and(|end| end <= self.0.len())
    }
}

impl Bar for Registers {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn read(&self, offset: usize) -> u32 {
        if self.holds(offset, WORD) { u32::from_be(self.0.read32(offset)) } else { u32::MAX }
    }

    #[inline]
    fn write(&self, offset: usize, value: u32) {
        if self.holds(offset, WORD) {
            self.0.write32(offset, value.to_be());
        }
    }

    #[inline]
    fn write_pair(&self, offset: usize, [first, second]: [u32; 2]) {
        if self.holds(offset, PAIR) {
            // The first dword goes to the lower address, most significant byte first.
            self.0.write64(offset, (u64::from(first) << 32 | u64::from(second)).to_be());
        }
    }
}

/// Memory that driver and device share. It goes back to the kernel when it is dropped, which by the contract of
/// [`Function::alloc`] ends the device's claim to it.
pub(crate) struct Shared {
    block: ManuallyDrop<dma::Dma>,
}

impl DmaMem for Shared {
    fn iova(&self) -> u64 {
        self.block.phys()
    }

    #[inline]
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: the block is `len` bytes of RAM at this address, aligned to a page, ours until it is dropped, and reached
        // by nothing but these words; the device's accesses are to the CPU those of another core.
        unsafe { core::slice::from_raw_parts(self.block.virt().as_ptr().cast(), self.block.len() / WORD) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the value is not used again.
        let block = unsafe { ManuallyDrop::take(&mut self.block) };
        // SAFETY: the driver drops shared memory after the device was told to forget it, or was reset, and `words` borrows
        // from the value that is dropped.
        unsafe { dma::release(block) };
    }
}

/// A packet that the device holds.
pub(crate) struct Lent {
    packet: Packet,
    way: Way,
}

impl Loan for Lent {
    #[inline]
    fn iova(&self) -> u64 {
        // An empty packet's bytes begin where its tailroom does.
        self.packet.bytes().as_ptr() as u64
    }

    #[inline]
    fn len(&self) -> usize {
        match self.way {
            Way::ToDevice => self.packet.len(),
            Way::FromDevice => self.packet.tailroom(),
        }
    }

    #[inline]
    fn take_back(mut self, written: usize) -> Packet {
        if self.way == Way::FromDevice {
            let written = written.min(self.packet.tailroom());
            // It fits, as it is no more than the tailroom.
            let _ = self.packet.append(written);
        }
        self.packet
    }
}

/// A slab that the device fills.
pub(crate) struct LentSlab(Slab);

impl Region for LentSlab {
    #[inline]
    fn iova(&self) -> u64 {
        self.0.address() as u64
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<Packet> {
        let mut packet = Packet::from(self.0.take(start, end, bytes)?);
        packet.append(bytes)?;
        Some(packet)
    }
}

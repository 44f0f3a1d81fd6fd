//! The seam between driver and machine (design D6): what a driver may ask of one PCI function. Nothing else reaches
//! the hardware, so the same driver runs in ring 0, against the model in one process, and through vfio-user.
//!
//! Shared memory is words that both sides change at any time: values are copied in and out of it, never referenced.
//! Packets are different: they are lent as a whole and come back as a whole, and nobody looks at them meanwhile.

use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use core::time::Duration;
use net::{Packet, Slab};

/// Why the machine could not give what a driver asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalError {
    /// The function has no memory BAR of this number, or it could not be mapped.
    NoSuchBar(u8),
    /// No memory that a device can reach.
    OutOfMemory {
        /// How much was asked for.
        bytes: usize,
    },
}

impl core::fmt::Display for HalError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoSuchBar(index) => write!(f, "BAR {index} is missing or can't be mapped"),
            Self::OutOfMemory { bytes } => write!(f, "no {bytes} bytes of memory for the device"),
        }
    }
}

impl core::error::Error for HalError {}

/// One PCI function.
pub trait Function {
    /// A register window of it.
    type Bar: Bar;
    /// Memory that it shares with the driver.
    type Mem: DmaMem;
    /// A packet that it holds.
    type Loan: Loan;
    /// A slab that it fills.
    type Region: Region;

    /// Reads the dword of configuration space that holds byte `offset` (0 to 4095).
    fn config_read(&self, offset: u16) -> u32;
    /// Writes the dword of configuration space that holds byte `offset`.
    fn config_write(&mut self, offset: u16, value: u32);
    /// Maps memory BAR `index`.
    ///
    /// # Errors
    /// When there is none.
    fn map_bar(&mut self, index: u8) -> Result<Self::Bar, HalError>;
    /// Leads MSI-X table entries 0 to `count` - 1, as far as the function has so many, to this machine; how many do. Called
    /// after every reset, which clears the table. A function all of whose queues have to be polled gives 0.
    fn enable_interrupts(&mut self, count: u16) -> u16;
    /// Zeroed memory, contiguous for the device, aligned to `align` (a power of two). The device may use it until the
    /// value is dropped.
    ///
    /// # Errors
    /// When there is none left.
    fn alloc(&self, bytes: usize, align: usize) -> Result<Self::Mem, HalError>;
    /// Gives a packet's memory to the device: the packet's bytes to read, or its tailroom to fill.
    fn lend(&self, packet: Packet, way: Way) -> Self::Loan;
    /// Gives the memory of a slab to the device, to fill it with packets.
    fn lend_slab(&self, slab: Slab) -> Self::Region;
    /// Time since some fixed moment, for timeouts.
    fn now(&self) -> Duration;
    /// Called in every polling loop: `pause` on a CPU, one step of the device in a test.
    fn relax(&self);
}

/// Which way the bytes of a lent packet go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The device reads the packet's bytes.
    ToDevice,
    /// The device fills the tailroom of a packet that is empty.
    FromDevice,
}

/// A packet that the device holds. Dropping it before the device is done with it is the driver's mistake.
pub trait Loan {
    /// Where the device finds the first byte.
    fn iova(&self) -> u64;
    /// Bytes that are lent.
    fn len(&self) -> usize;
    /// Whether nothing is lent.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Ends the loan: the packet as it was (`ToDevice`), or with the first `written` bytes that the device has filled
    /// (`FromDevice`; more than were lent count as all).
    fn take_back(self, written: usize) -> Packet;
}

/// A slab that the device fills with one packet behind another. Dropping it before the device is done with it is the
/// driver's mistake; packets that were taken from it live on.
pub trait Region {
    /// Where the device finds the first byte.
    fn iova(&self) -> u64;
    /// Bytes that it may fill.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The packet of `bytes` at `start`, whose strides end at `end`; see [`Slab::take`], whose rules are these.
    fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<Packet>;
}

/// A register window. Values are in CPU order; the device is big-endian. An offset outside the window reads as all
/// ones, as on a bus where nothing answers, and writes nothing.
pub trait Bar {
    /// Bytes of the window.
    fn len(&self) -> usize;
    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Reads the dword at `offset`.
    fn read(&self, offset: usize) -> u32;
    /// Writes the dword at `offset`.
    fn write(&self, offset: usize, value: u32);
    /// Writes two dwords at once, the first one at the lower address: a doorbell.
    fn write_pair(&self, offset: usize, value: [u32; 2]);
    /// Writes 64 bytes, as one burst where the machine combines writes: a doorbell that carries its WQE (BlueFlame).
    /// The bytes go out in the order of their addresses.
    fn write_block(&self, offset: usize, bytes: &[u8; 64]) {
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        for (at, pair) in (offset..).step_by(8).zip(bytes.chunks_exact(8)) {
            self.write_pair(at, [word(&pair[..4]), word(&pair[4..])]);
        }
    }
}

/// Memory that driver and device both touch: the device reaches exactly these words at `iova()` and behind it, for as
/// long as the value lives.
pub trait DmaMem {
    /// Where the device finds it.
    fn iova(&self) -> u64;
    /// The words, in memory order: a word's bytes lie as they are seen by the device.
    fn words(&self) -> &[AtomicU32];
}

/// Typed access to shared memory. Offsets are in bytes and multiples of four; what lies outside reads as zero and is
/// not written: indices that a device has told may be wild.
pub trait DmaExt: DmaMem {
    /// Copies bytes out. Call after the ownership bit has been seen, by [`DmaExt::word`].
    #[inline]
    fn load(&self, offset: usize, into: &mut [u8]) {
        let words = self.words().get(offset / 4..).unwrap_or_default();
        for (bytes, word) in into.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
    }

    /// Copies bytes in.
    #[inline]
    fn store(&self, offset: usize, from: &[u8]) {
        let words = self.words().get(offset / 4..).unwrap_or_default();
        for (bytes, word) in from.chunks_exact(4).zip(words) {
            if let Ok(bytes) = bytes.try_into() {
                word.store(u32::from_ne_bytes(bytes), Relaxed);
            }
        }
    }

    /// The big-endian dword at `offset`, read before everything that follows.
    #[inline]
    fn word(&self, offset: usize) -> u32 {
        self.words().get(offset / 4).map_or(0, |word| u32::from_be(word.load(Acquire)))
    }

    /// Writes the big-endian dword at `offset`, after everything before it: a doorbell record, an ownership bit.
    #[inline]
    fn set_word(&self, offset: usize, value: u32) {
        if let Some(word) = self.words().get(offset / 4) {
            word.store(value.to_be(), Release);
        }
    }

    /// Bytes that are shared.
    #[inline]
    fn bytes(&self) -> usize {
        4 * self.words().len()
    }

    /// Orders everything stored so far before the next doorbell.
    #[inline]
    fn publish(&self) {
        fence(Release);
    }
}

impl<M: DmaMem + ?Sized> DmaExt for M {}

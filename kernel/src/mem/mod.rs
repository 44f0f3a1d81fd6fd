//! Memory: what the loader reported ([`map`]), frames ([`frames`]), the W^X identity map ([`paging`]), the
//! heap ([`heap`]) and memory for devices ([`dma`]).
#![expect(unsafe_code, reason = "memory is handed out by address here")]

use core::ops::Range;

use spin::Mutex;

pub mod dma;
pub mod frames;
pub mod heap;
pub mod map;
pub mod paging;

use frames::Frames;
use map::MemoryMap;
use paging::{Access, Tables};

/// Bytes of a frame and of a page.
pub const FRAME: u64 = 4096;

/// The frames of this machine, once [`init`] has run.
static FRAMES: Mutex<Option<Frames<'static>>> = Mutex::new(None);
/// The page tables in use, once [`init`] has run.
static TABLES: Mutex<Option<Tables>> = Mutex::new(None);

/// Memory at a glance, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// RAM that could be given out when the machine started.
    pub ram: u64,
    /// Frames that can still be given out.
    pub free: u64,
    /// Taken by the heap, used or not.
    pub heap: u64,
    /// In use inside the heap.
    pub heap_used: u64,
}

/// Sets up frames, page tables and thereby the heap. `reserved` lists what must not be given out.
///
/// # Safety
/// Called once, at boot, with the first GiB mapped; `map` describes real memory and `reserved` covers
/// everything in it that is in use.
pub(crate) unsafe fn init(
    map: &MemoryMap,
    reserved: &[Range<u64>],
    image: &crate::boot::Image,
) -> Result<(), NoMemory> {
    let usable = map.usable(reserved);
    let end = usable.iter().map(|r| r.end).max().ok_or(NoMemory { bytes: FRAME })?;
    let words = Frames::words(end);
    let bytes = (words as u64 * 8).next_multiple_of(FRAME);
    let fits = |r: &&Range<u64>| r.end - r.start >= bytes && r.start + bytes <= crate::boot::MAPPED;
    let home = usable.iter().find(fits).ok_or(NoMemory { bytes })?.start;
    // SAFETY: `home .. home + bytes` is usable RAM that boot.s has mapped and that nobody else has been given;
    // any bytes make valid u64s.
    let bits = unsafe { core::slice::from_raw_parts_mut(home as *mut u64, words) };
    let mut frames = Frames::new(bits, &usable);
    frames.take(home..home + bytes);

    // SAFETY: frames are RAM of the first GiB, mapped by boot.s, and belong to whoever allocates them.
    let mut tables = unsafe { Tables::new(&mut || frames.allocate(1, 1)) }?;
    for ram in map.ram() {
        tables.map(ram, Access::ReadWrite, &mut || frames.allocate(1, 1))?;
    }
    tables.map(0..0x10_0000, Access::Read, &mut || frames.allocate(1, 1))?;
    tables.map(0..FRAME, Access::None, &mut || frames.allocate(1, 1))?;
    let regions =
        [(&image.text, Access::Execute), (&image.rodata, Access::Read), (&image.data, Access::ReadWrite)];
    for (range, access) in regions {
        tables.map(range.clone(), access, &mut || frames.allocate(1, 1))?;
    }
    for guard in crate::trap::guards() {
        tables.map(guard, Access::None, &mut || frames.allocate(1, 1))?;
    }
    for range in reserved.iter().filter(|r| r.start >= image.data.end) {
        tables.map(range.clone(), Access::Read, &mut || frames.allocate(1, 1))?;
    }
    // SAFETY: the new tables map the image, the stacks and all RAM at their own addresses.
    unsafe { tables.activate() };
    *TABLES.lock() = Some(tables);
    *FRAMES.lock() = Some(frames);
    Ok(())
}

/// No memory of this size is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory {
    /// Bytes that were asked for.
    pub bytes: u64,
}

impl core::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no {} contiguous bytes of memory left", self.bytes)
    }
}

impl core::error::Error for NoMemory {}

fn allocate_frames(count: u64, align: u64) -> Option<u64> {
    FRAMES.lock().as_mut()?.allocate(count, align)
}

/// Maps a physical range at its own address.
pub(crate) fn map_range(range: Range<u64>, access: Access) -> Result<(), NoMemory> {
    let bytes = range.end - range.start;
    let mut tables = TABLES.lock();
    let tables = tables.as_mut().ok_or(NoMemory { bytes })?;
    tables.map(range, access, &mut || allocate_frames(1, 1))
}

/// Makes what firmware has left in memory readable. Pages that are mapped already keep their rights.
pub(crate) fn map_firmware(range: Range<u64>) -> Result<(), NoMemory> {
    for page in range.start / FRAME..range.end.div_ceil(FRAME) {
        let mapped = TABLES.lock().as_ref().is_some_and(|tables| tables.look_up(page * FRAME) != 0);
        if !mapped {
            map_range(page * FRAME..(page + 1) * FRAME, Access::Read)?;
        }
    }
    Ok(())
}

/// The page-table entry for `address`, 0 if it is not mapped.
pub(crate) fn look_up(address: u64) -> u64 {
    TABLES.lock().as_ref().map_or(0, |tables| tables.look_up(address))
}

/// Shows `visit` every mapped page.
pub(crate) fn for_each_page(mut visit: impl FnMut(paging::Page)) {
    if let Some(tables) = TABLES.lock().as_ref() {
        tables.for_each(&mut visit);
    }
}

/// A window onto device registers, uncached. Registers are read and written whole, in CPU byte order.
#[derive(Debug)]
pub struct Mmio {
    base: u64,
    len: usize,
}

/// Maps `len` bytes of device registers at physical address `base`, uncached.
///
/// # Safety
/// The range must be device registers, not RAM, and the device must not use them to break memory safety
/// other than by DMA to memory it was given.
pub unsafe fn map_mmio(base: u64, len: usize) -> Result<Mmio, NoMemory> {
    let end = base.checked_add(len as u64).ok_or(NoMemory { bytes: len as u64 })?;
    map_range(base / FRAME * FRAME..end.next_multiple_of(FRAME), Access::Device)?;
    Ok(Mmio { base, len })
}

macro_rules! register_access {
    ($read:ident, $write:ident, $type:ty) => {
        #[doc = concat!("Reads a `", stringify!($type), "`. Panics outside the window or unaligned: offsets are a driver's constants.")]
        #[inline]
        pub fn $read(&self, offset: usize) -> $type {
            let at = self.at(offset, size_of::<$type>());
            // SAFETY: inside the mapped window, aligned; volatile, because a device answers.
            unsafe { core::ptr::read_volatile(at as *const $type) }
        }

        #[doc = concat!("Writes a `", stringify!($type), "`. Panics outside the window or unaligned.")]
        #[inline]
        pub fn $write(&self, offset: usize, value: $type) {
            let at = self.at(offset, size_of::<$type>());
            // SAFETY: inside the mapped window, aligned; volatile, because a device listens.
            unsafe { core::ptr::write_volatile(at as *mut $type, value) }
        }
    };
}

impl Mmio {
    /// Physical address of the window, which is its virtual address too.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Bytes in the window.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the window has no registers.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn at(&self, offset: usize, size: usize) -> u64 {
        assert!(
            offset.is_multiple_of(size) && offset.checked_add(size).is_some_and(|end| end <= self.len),
            "register {offset:#x} outside a window of {:#x} bytes",
            self.len
        );
        self.base + offset as u64
    }

    register_access!(read8, write8, u8);
    register_access!(read16, write16, u16);
    register_access!(read32, write32, u32);
    register_access!(read64, write64, u64);
}

/// What is used and what is free.
pub fn usage() -> Usage {
    let (ram, free) = FRAMES.lock().as_ref().map_or((0, 0), |f| (f.total() * FRAME, f.free() * FRAME));
    let (heap, heap_used) = heap::usage();
    Usage { ram, free, heap, heap_used }
}

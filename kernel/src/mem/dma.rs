//! Memory that a device may read and write: whole frames, zeroed, contiguous, aligned, below the device's
//! address limit in any machine we run on, and reached at the same address by CPU and device.
#![expect(unsafe_code, reason = "frames become memory here")]

use core::ptr::NonNull;

use super::{FRAME, FRAMES, NoMemory, allocate_frames};

/// A block of device memory. It is not freed on drop, because only its owner knows when the device has let
/// go of it: see [`release`].
#[derive(Debug, PartialEq, Eq)]
pub struct Dma {
    address: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the block belongs to the value alone.
unsafe impl Send for Dma {}

impl Dma {
    /// Where the CPU sees it.
    pub fn virt(&self) -> NonNull<u8> {
        self.address
    }

    /// Where the device sees it.
    pub fn phys(&self) -> u64 {
        self.address.as_ptr() as u64
    }

    /// Bytes, a multiple of a page.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Never: a block has at least one page.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// At least `bytes` of zeroed memory, aligned to `align` bytes (a power of two) and to a page.
pub fn allocate(bytes: usize, align: usize) -> Result<Dma, NoMemory> {
    let error = NoMemory { bytes: bytes as u64 };
    let count = (bytes as u64).div_ceil(FRAME).max(1);
    let address = allocate_frames(count, (align as u64).div_ceil(FRAME).max(1)).ok_or(error)?;
    let address = NonNull::new(address as *mut u8).ok_or(error)?;
    let bytes = (count * FRAME) as usize;
    // SAFETY: fresh frames, mapped writable at this address, ours alone.
    unsafe { core::ptr::write_bytes(address.as_ptr(), 0, bytes) };
    Ok(Dma { address, bytes })
}

/// Gives a block back.
///
/// # Safety
/// The device has been told to forget it, and no reference into it is left.
pub unsafe fn release(block: Dma) {
    unsafe_release(block.phys(), block.len());
}

/// Gives back the block of `bytes` at `phys`, for drivers whose interface carries addresses only.
///
/// # Safety
/// As for [`release`], and the block came from [`allocate`] with this size.
pub unsafe fn release_raw(phys: u64, bytes: usize) {
    unsafe_release(phys, bytes);
}

fn unsafe_release(phys: u64, bytes: usize) {
    let count = (bytes as u64).div_ceil(FRAME).max(1);
    if let Some(frames) = FRAMES.lock().as_mut()
        && let Err(error) = frames.release(phys, count)
    {
        log::error!("device memory given back twice or never taken: {error:x?}");
    }
}

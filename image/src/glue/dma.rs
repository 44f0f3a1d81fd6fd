//! Memory for virtio: the crate's [`Hal`] over the kernel's frames. The map is an identity, so sharing a
//! buffer is naming its address.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use kernel::mem::dma;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// The kernel, as virtio-drivers sees it.
pub(crate) struct KernelHal;

// SAFETY: `dma_alloc` returns zeroed frames that belong to nobody else, page-aligned, valid until
// `dma_dealloc`; addresses are the same for CPU and device, so `share` and `unshare` have nothing to do.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match dma::allocate(pages * PAGE_SIZE, PAGE_SIZE) {
            Ok(block) => (block.phys(), block.virt()),
            // The crate takes address 0 for "no memory".
            Err(_) => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(paddr: PhysAddr, _: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller passes what `dma_alloc` returned, and has reset the device.
        unsafe { dma::release_raw(paddr, pages * PAGE_SIZE) };
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _: usize) -> NonNull<u8> {
        // Only the crate's own PCI transport asks, and ours is used instead.
        NonNull::new(paddr as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

//! The heap: talc over frames, growing in steps until memory is used up.
//!
//! Out of memory is defined: a fallible request (`try_reserve`) gets its error; an infallible one ends the
//! run through the panic reporter, with the size that was asked for and [`Exit::OutOfMemory`].
//!
//! [`Exit::OutOfMemory`]: crate::Exit::OutOfMemory
#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};

use spin::Mutex;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use talc::{DefaultBinning, min_first_heap_size};

use super::{FRAME, allocate_frames};

/// Bytes by which the heap grows at least.
const STEP: u64 = 256 << 10;

/// Takes frames when the heap is full.
#[derive(Debug)]
struct FrameSource {
    end: Option<NonNull<u8>>,
    bytes: u64,
}

// SAFETY: `acquire` neither allocates nor touches the lock around the allocator; what it claims are frames
// that nobody else was given.
unsafe impl Source for FrameSource {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let overhead = min_first_heap_size::<DefaultBinning>() + 64;
        let needed =
            layout.size().checked_add(layout.align()).and_then(|n| n.checked_add(overhead)).ok_or(())?;
        let needed = (needed as u64).checked_next_multiple_of(FRAME).ok_or(())?;
        let step = needed.max(STEP);
        // Near the end, take what the request needs rather than a whole step.
        let (base, size) = allocate_frames(step / FRAME, 1)
            .map(|base| (base, step))
            .or_else(|| allocate_frames(needed / FRAME, 1).map(|base| (base, needed)))
            .ok_or(())?;
        let base = base as *mut u8;
        talc.source.bytes += size;
        let end = match talc.source.end {
            // SAFETY: the heap ends exactly where the new frames begin, and they are ours.
            Some(end) if end.as_ptr() == base => unsafe {
                talc.extend(end, base.wrapping_add(size as usize))
            },
            // SAFETY: fresh frames, mapped writable, ours from now on.
            _ => unsafe { talc.claim(base, size as usize) }.ok_or(())?,
        };
        talc.source.end = Some(end);
        Ok(())
    }
}

struct Heap {
    talc: Talc<FrameSource, DefaultBinning>,
    used: u64,
    /// Size of the last request that failed.
    failed: Option<usize>,
}

// SAFETY: the raw pointers inside lead to memory that belongs to the heap alone.
unsafe impl Send for Heap {}

static HEAP: Mutex<Heap> =
    Mutex::new(Heap { talc: Talc::new(FrameSource { end: None, bytes: 0 }), used: 0, failed: None });

/// The global allocator of an image; [`entry!`](crate::entry) installs it.
#[derive(Debug)]
pub struct KernelHeap;

// SAFETY: talc gives blocks of the layout asked for, each to one owner, under the lock.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut heap = HEAP.lock();
        // SAFETY: GlobalAlloc's caller gives a layout of non-zero size.
        match unsafe { heap.talc.allocate(layout) } {
            Some(block) => {
                heap.used += layout.size() as u64;
                block.as_ptr()
            }
            None => {
                heap.failed = Some(layout.size());
                null_mut()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let mut heap = HEAP.lock();
        heap.used -= layout.size() as u64;
        // SAFETY: GlobalAlloc's caller gives back what `alloc` gave, with the same layout.
        unsafe { heap.talc.deallocate(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mut heap = HEAP.lock();
        // SAFETY: GlobalAlloc's caller gives what `alloc` gave, with the same layout, and a size above 0.
        if unsafe { heap.talc.try_realloc_in_place(block, layout, size) } {
            heap.used = heap.used - layout.size() as u64 + size as u64;
            return block;
        }
        drop(heap);
        // SAFETY: the caller's promise: `size` is not 0 and does not overflow when rounded up to the align.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: as for alloc.
        let to = unsafe { self.alloc(new) };
        if !to.is_null() {
            // SAFETY: both blocks are live, distinct and at least this long.
            unsafe { core::ptr::copy_nonoverlapping(block, to, layout.size().min(size)) };
            // SAFETY: as for dealloc.
            unsafe { self.dealloc(block, layout) };
        }
        to
    }
}

/// Bytes taken from the frames, and bytes of them in use.
pub(super) fn usage() -> (u64, u64) {
    let heap = HEAP.lock();
    (heap.talc.source.bytes, heap.used)
}

/// The size of the last request that failed, for the report. None while the heap is being changed.
pub(crate) fn last_failure() -> Option<usize> {
    HEAP.try_lock()?.failed
}

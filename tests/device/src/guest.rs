//! Guest memory as a vfio-user client lends it: windows of bus addresses, each a piece of a shared file.
//!
//! QEMU maps and unmaps windows at any time (its firmware does so dozens of times), so nothing outside of this module
//! keeps a pointer: every access looks its windows up under a lock that unmapping waits for. Windows that come without
//! a file (ROM) cannot be reached. Accesses are ordered: see [`GuestMemory::write`]. Leaves out the protocol's
//! DMA_READ and DMA_WRITE messages, which a client that shares its memory does not need.

use core::ops::{Bound, Range};
use core::sync::atomic::{Ordering, fence};
use mlx5_model::{Memory, Unmapped};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{fmt, io};
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

/// Where a window's bytes are.
#[derive(Clone)]
struct Backing {
    region: Arc<MmapRegion>,
    /// Where in the region the window begins.
    offset: usize,
    writable: bool,
}

/// A range of bus addresses; the map's key is its first one.
struct Window {
    length: u64,
    /// Nothing when the client gave no file.
    backing: Option<Backing>,
}

/// Why a window was not taken.
#[derive(Debug)]
pub enum MapError {
    /// It is empty, or ends beyond the address space.
    Range,
    /// It overlaps a window that is there.
    Overlap,
    /// The file ends before the window does: touching it would kill the process.
    PastEnd,
    /// The file cannot be mapped.
    Map(io::Error),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Range => write!(f, "the window is empty or ends beyond the address space"),
            MapError::Overlap => write!(f, "the window overlaps one that is mapped"),
            MapError::PastEnd => write!(f, "the file ends before the window"),
            MapError::Map(error) => write!(f, "mapping the file: {error}"),
        }
    }
}

impl core::error::Error for MapError {}

/// The memory of one guest.
#[derive(Default)]
pub struct GuestMemory {
    windows: RwLock<BTreeMap<u64, Window>>,
}

impl GuestMemory {
    /// Adds the window `address .. address + length`, which is `file` from `offset` on. Without a file the window is
    /// known but cannot be reached.
    ///
    /// # Errors
    /// When it cannot be mapped or overlaps another.
    pub fn map(
        &self,
        address: u64,
        length: u64,
        file: Option<(File, u64)>,
        writable: bool,
    ) -> Result<(), MapError> {
        let end = address.checked_add(length).filter(|end| *end > address).ok_or(MapError::Range)?;
        let mut windows = self.change();
        let before = windows.range(..end).next_back();
        if before.is_some_and(|(first, window)| first + window.length > address) {
            return Err(MapError::Overlap);
        }
        let backing = match file {
            None => None,
            Some((file, offset)) => {
                let last = offset.checked_add(length).ok_or(MapError::Range)?;
                let size = file.metadata().map_err(MapError::Map)?.len();
                if size < last {
                    return Err(MapError::PastEnd);
                }
                let length = usize::try_from(length).map_err(|_| MapError::Range)?;
                let region = MmapRegion::from_file(FileOffset::new(file, offset), length)
                    .map_err(|error| MapError::Map(io::Error::other(error)))?;
                Some(Backing { region: Arc::new(region), offset: 0, writable })
            }
        };
        windows.insert(address, Window { length, backing });
        Ok(())
    }

    /// Removes `address .. address + length`, wherever it is mapped, and keeps the rest of windows that it cuts.
    /// On return no access to it is under way.
    pub fn unmap(&self, address: u64, length: u64) {
        let end = address.saturating_add(length);
        let mut windows = self.change();
        let hit: Vec<u64> = windows
            .range(..end)
            .filter(|(first, window)| *first + window.length > address)
            .map(|(first, _)| *first)
            .collect();
        for first in hit {
            let Some(window) = windows.remove(&first) else { continue };
            let last = first + window.length;
            if first < address {
                windows.insert(first, window.part(0..address - first));
            }
            if last > end {
                windows.insert(end, window.part(end - first..window.length));
            }
        }
    }

    /// Removes everything.
    pub fn clear(&self) {
        self.change().clear();
    }

    /// How many bytes can be reached.
    pub fn reachable(&self) -> u64 {
        let windows = self.look();
        windows.values().filter(|window| window.backing.is_some()).map(|window| window.length).sum()
    }

    fn look(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Window>> {
        self.windows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Window>> {
        self.windows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// A part of it as a window of its own.
    fn part(&self, range: Range<u64>) -> Window {
        let skip = range.start as usize;
        let backing =
            self.backing.clone().map(|backing| Backing { offset: backing.offset + skip, ..backing });
        Window { length: range.end - range.start, backing }
    }
}

/// Calls `visit` with each piece of memory behind `length` bytes at `address` and the bytes' range that it answers.
/// `false` when a byte has no memory, or none that may be written while `writing`.
fn walk(
    windows: &BTreeMap<u64, Window>,
    address: u64,
    length: usize,
    writing: bool,
    mut visit: impl FnMut(VolatileSlice<'_>, Range<usize>),
) -> bool {
    let mut done = 0;
    while done < length {
        let Some(at) = address.checked_add(done as u64) else { return false };
        let below = windows.range((Bound::Unbounded, Bound::Included(at))).next_back();
        let Some((first, window)) = below else { return false };
        let skip = at - first;
        let Some(backing) = window.backing.as_ref().filter(|backing| backing.writable || !writing) else {
            return false;
        };
        let Some(left) = window.length.checked_sub(skip).filter(|left| *left > 0) else { return false };
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(length - done);
        let Ok(slice) = backing.region.get_slice(backing.offset + skip as usize, count) else { return false };
        visit(slice, done..done + count);
        done += count;
    }
    true
}

impl Memory for GuestMemory {
    /// A dword or qword that is aligned is read at once. What was written before it was seen is read afterwards.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        let windows = self.look();
        let length = into.len();
        if !walk(&windows, address, length, false, |_, _| {}) {
            return Err(Unmapped { address, length });
        }
        walk(&windows, address, length, false, |slice, range| copy_out(&slice, &mut into[range]));
        Ok(())
    }

    /// A dword or qword that is aligned is written at once. Of anything longer the last aligned dword, where the
    /// ownership bits of queue entries are, is written when the guest's processors can see all the rest.
    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        let windows = self.look();
        let length = from.len();
        if !walk(&windows, address, length, true, |_, _| {}) {
            return Err(Unmapped { address, length });
        }
        walk(&windows, address, length, true, |slice, range| copy_in(&slice, &from[range]));
        Ok(())
    }
}

fn copy_out(slice: &VolatileSlice<'_>, into: &mut [u8]) {
    fence(Ordering::SeqCst);
    // Atomic access fails only where the address is not aligned; then the bytes are copied.
    match into.len() {
        4 if let Ok(value) = slice.load::<u32>(0, Ordering::Acquire) => {
            into.copy_from_slice(&value.to_ne_bytes())
        }
        8 if let Ok(value) = slice.load::<u64>(0, Ordering::Acquire) => {
            into.copy_from_slice(&value.to_ne_bytes())
        }
        _ => {
            slice.copy_to(into);
        }
    }
    fence(Ordering::Acquire);
}

fn copy_in(slice: &VolatileSlice<'_>, from: &[u8]) {
    fence(Ordering::Release);
    if let Ok(bytes) = <[u8; 8]>::try_from(from)
        && slice.store(u64::from_ne_bytes(bytes), 0, Ordering::Release).is_ok()
    {
        return;
    }
    if let Some((body, last)) = from.split_last_chunk::<4>()
        && slice.load::<u32>(body.len(), Ordering::Relaxed).is_ok()
    {
        slice.copy_from(body);
        fence(Ordering::Release);
        // Checked above: only alignment and length can make this fail.
        let _ = slice.store(u32::from_ne_bytes(*last), body.len(), Ordering::Release);
        return;
    }
    slice.copy_from(from);
    fence(Ordering::Release);
}

#[cfg(test)]
mod tests;

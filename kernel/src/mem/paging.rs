//! The page tables: a four-level identity map (Intel SDM volume 3, 4.5) in which no page is both writable
//! and executable. Large pages where a range allows, split where a later call asks for less.

#![expect(unsafe_code, reason = "page tables are read and written by physical address")]

use core::ops::Range;

use super::{FRAME, NoMemory};
use crate::cpu;

/// What a page may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: any use traps.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    Execute,
    /// Reading and writing, uncached: device registers.
    Device,
}

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const UNCACHED: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const ENTRIES: u64 = 512;

/// Bytes that one entry covers, by level: 4 KiB, 2 MiB, 1 GiB, 512 GiB.
const SPAN: [u64; 4] = [1 << 12, 1 << 21, 1 << 30, 1 << 39];
/// First address beyond the lower half of the 48-bit space.
const END: u64 = 1 << 47;

impl Access {
    /// The bits of a leaf. Accessed and dirty are set so that the CPU need not write them.
    pub(crate) const fn bits(self) -> u64 {
        let used = PRESENT | ACCESSED | DIRTY;
        match self {
            Self::None => 0,
            Self::Read => used | NO_EXECUTE,
            Self::ReadWrite => used | WRITABLE | NO_EXECUTE,
            Self::Execute => used,
            Self::Device => used | WRITABLE | NO_EXECUTE | UNCACHED | WRITE_THROUGH,
        }
    }
}

/// One mapped page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// First address as programs use it.
    pub virt: u64,
    /// First address in memory.
    pub phys: u64,
    /// Bytes.
    pub bytes: u64,
    /// May be written.
    pub writable: bool,
    /// May be executed.
    pub executable: bool,
}

/// A set of page tables.
#[derive(Debug)]
pub struct Tables {
    root: u64,
    gigabyte_pages: bool,
    active: bool,
}

/// Where frames for tables come from: the address of one zeroable frame that is mapped at that address.
pub type Source<'a> = &'a mut dyn FnMut() -> Option<u64>;

impl Tables {
    /// Empty tables.
    ///
    /// # Safety
    /// Every frame that `source` gives, now and in later calls, is writable at its own address and used by
    /// nobody else.
    pub unsafe fn new(source: Source<'_>) -> Result<Self, NoMemory> {
        const PAGE_1G: u32 = 1 << 26;
        let gigabyte_pages = cpu::cpuid(0x8000_0001, 0)[3] & PAGE_1G != 0;
        Ok(Self { root: new_table(source)?, gigabyte_pages, active: false })
    }

    /// Gives every page that touches `range` the rights of `access`, replacing what it had.
    pub fn map(&mut self, range: Range<u64>, access: Access, source: Source<'_>) -> Result<(), NoMemory> {
        let mut at = range.start / FRAME * FRAME;
        let end = range.end.min(END).next_multiple_of(FRAME);
        while at < end {
            let largest = if self.gigabyte_pages { 2 } else { 1 };
            let level = (0..=largest)
                .rev()
                .find(|&level| at.is_multiple_of(SPAN[level]) && end - at >= SPAN[level])
                .unwrap_or(0);
            let entry = self.entry(at, level, source)?;
            let large = if level > 0 { LARGE } else { 0 };
            let value = if access == Access::None { 0 } else { at | access.bits() | large };
            // SAFETY: `entry` is an entry of a table of ours; nobody else holds a reference into tables.
            unsafe { entry.write_volatile(value) };
            if self.active {
                cpu::invalidate_page(at);
            }
            at += SPAN[level];
        }
        Ok(())
    }

    /// Makes these tables the ones in use.
    ///
    /// # Safety
    /// They must map everything that is in use, at its own address.
    pub unsafe fn activate(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { cpu::set_cr3(self.root) };
        self.active = true;
    }

    /// The rights of the page at `address`, as raw entry bits; 0 if it is not mapped.
    pub fn look_up(&self, address: u64) -> u64 {
        let mut table = self.root;
        for level in (0..4).rev() {
            let slot = (table + address / SPAN[level] % ENTRIES * 8) as *const u64;
            // SAFETY: `table` is a table of ours, `slot` one of its 512 entries.
            let entry = unsafe { slot.read_volatile() };
            if entry & PRESENT == 0 {
                return 0;
            }
            if level == 0 || entry & LARGE != 0 {
                return entry;
            }
            table = entry & ADDRESS;
        }
        0
    }

    /// Shows `visit` every mapped page, by address.
    pub fn for_each(&self, visit: &mut dyn FnMut(Page)) {
        walk(self.root, 3, 0, visit);
    }

    /// The entry for `address` at `level`, making or splitting tables on the way down.
    fn entry(&mut self, address: u64, level: usize, source: Source<'_>) -> Result<*mut u64, NoMemory> {
        let mut table = self.root;
        for above in (level + 1..4).rev() {
            let slot = (table + address / SPAN[above] % ENTRIES * 8) as *mut u64;
            // SAFETY: `table` is a table of ours, `slot` one of its 512 entries.
            let entry = unsafe { slot.read_volatile() };
            if entry & PRESENT == 0 || entry & LARGE != 0 {
                let fresh = new_table(source)?;
                if entry & LARGE != 0 {
                    split(entry, above, fresh);
                }
                // Rights are decided by the leaf, so the path to it allows everything.
                // SAFETY: as above; the new table already says what the old entry said.
                unsafe { slot.write_volatile(fresh | PRESENT | WRITABLE | ACCESSED) };
                table = fresh;
            } else {
                table = entry & ADDRESS;
            }
        }
        Ok((table + address / SPAN[level] % ENTRIES * 8) as *mut u64)
    }
}

/// Fills `table` with what the large entry at `level` said, one level finer.
fn split(entry: u64, level: usize, table: u64) {
    let finer = SPAN[level - 1];
    let keep_large = if level > 1 { entry } else { entry & !LARGE };
    for index in 0..ENTRIES {
        let slot = (table + index * 8) as *mut u64;
        // SAFETY: `table` is a fresh table of ours, `slot` one of its 512 entries.
        unsafe { slot.write_volatile(keep_large + index * finer) };
    }
}

/// Shows `visit` the pages below `table`, whose entries are of `level` and begin at address `base`.
fn walk(table: u64, level: usize, base: u64, visit: &mut dyn FnMut(Page)) {
    for index in 0..ENTRIES {
        let slot = (table + index * 8) as *const u64;
        // SAFETY: `table` is a table of ours, `slot` one of its 512 entries.
        let entry = unsafe { slot.read_volatile() };
        let virt = base + index * SPAN[level];
        if entry & PRESENT == 0 {
            continue;
        }
        if level > 0 && entry & LARGE == 0 {
            walk(entry & ADDRESS, level - 1, virt, visit);
            continue;
        }
        let phys = entry & ADDRESS & !(SPAN[level] - 1);
        let (writable, executable) = (entry & WRITABLE != 0, entry & NO_EXECUTE == 0);
        visit(Page { virt, phys, bytes: SPAN[level], writable, executable });
    }
}

fn new_table(source: Source<'_>) -> Result<u64, NoMemory> {
    let table = source().ok_or(NoMemory { bytes: FRAME })?;
    // SAFETY: a frame from the source is ours and mapped at its own address (promise of `Tables::new`).
    unsafe { core::ptr::write_bytes(table as *mut u8, 0, FRAME as usize) };
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames on the host are aligned boxes, which live as long as the test.
    fn frame() -> Option<u64> {
        #[repr(align(4096))]
        struct Frame([u8; 4096]);
        Some(Box::leak(Box::new(Frame([0xff; 4096]))).0.as_ptr() as u64)
    }

    fn tables() -> Tables {
        // SAFETY: leaked boxes are writable at their own address and unshared.
        unsafe { Tables::new(&mut frame) }.unwrap()
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn no_access_is_both_writable_and_executable() {
        for access in [Access::None, Access::Read, Access::ReadWrite, Access::Execute, Access::Device] {
            let bits = access.bits();
            assert!(bits & PRESENT == 0 || bits & WRITABLE == 0 || bits & NO_EXECUTE != 0, "{access:?}");
        }
    }

    #[test]
    fn maps_to_itself_with_the_largest_pages_that_fit() {
        let mut tables = tables();
        tables.map(2 * MIB - FRAME..6 * MIB + FRAME, Access::ReadWrite, &mut frame).unwrap();
        assert_eq!(tables.look_up(2 * MIB - FRAME), (2 * MIB - FRAME) | Access::ReadWrite.bits());
        assert_eq!(tables.look_up(3 * MIB), (2 * MIB) | LARGE | Access::ReadWrite.bits());
        assert_eq!(tables.look_up(6 * MIB + 5), (6 * MIB) | Access::ReadWrite.bits());
        let mut pages = Vec::new();
        tables.for_each(&mut |page| pages.push((page.virt, page.phys, page.bytes)));
        let expected = [(2 * MIB - FRAME, FRAME), (2 * MIB, 2 * MIB), (4 * MIB, 2 * MIB), (6 * MIB, FRAME)];
        assert_eq!(pages, expected.map(|(at, bytes)| (at, at, bytes)));
        assert_eq!(tables.look_up(6 * MIB + FRAME), 0);
        assert_eq!(tables.look_up(0), 0);
    }

    #[test]
    fn a_guard_splits_a_large_page_and_leaves_its_neighbours() {
        for gigabyte_pages in [false, true] {
            let mut tables = tables();
            tables.gigabyte_pages = gigabyte_pages;
            tables.map(0..1024 * MIB, Access::ReadWrite, &mut frame).unwrap();
            let guard = 513 * MIB + 7 * FRAME;
            tables.map(guard..guard + FRAME, Access::None, &mut frame).unwrap();
            assert_eq!(tables.look_up(guard), 0);
            assert_eq!(tables.look_up(guard - FRAME), (guard - FRAME) | Access::ReadWrite.bits());
            assert_eq!(tables.look_up(guard + FRAME), (guard + FRAME) | Access::ReadWrite.bits());
            assert_eq!(tables.look_up(514 * MIB), (514 * MIB) | LARGE | Access::ReadWrite.bits());
            assert_ne!(tables.look_up(1023 * MIB), 0);
        }
    }

    #[test]
    fn running_out_of_tables_is_an_error() {
        let mut tables = tables();
        assert_eq!(tables.map(0..FRAME, Access::Read, &mut || None), Err(NoMemory { bytes: FRAME }));
    }
}

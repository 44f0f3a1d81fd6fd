//! The start info of the Xen PVH boot protocol (`hvm_start_info`, "x86/HVM direct boot ABI"), as QEMU's
//! option ROM fills it. Pure: bytes in, addresses out. Numbers are little-endian.

use core::ops::Range;

use crate::mem::map::Region;

/// First word of the start info.
const MAGIC: u32 = 0x336e_c578;
/// Bytes of the start info from version 1 on.
pub const LEN: usize = 56;

// Offsets in the start info.
const VERSION: usize = 4;
const MODULES: usize = 12;
const MODULE_LIST: usize = 16;
const COMMAND_LINE: usize = 24;
const RSDP: usize = 32;
const MEMORY_MAP: usize = 40;
const MEMORY_MAP_ENTRIES: usize = 48;

/// Bytes of a row of the module list: address, size, command line, reserved.
const MODULE: usize = 32;
/// Bytes of a row of the memory map: address, size, type, reserved.
const REGION: usize = 24;
/// Rows beyond this are damage.
const MAX_ROWS: u32 = 128;

/// What the loader points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartInfo {
    /// Address of the command line, ended by a zero byte; 0 if there is none.
    pub command_line: u64,
    /// Address of the ACPI root pointer; 0 if unknown.
    pub rsdp: u64,
    modules: (u64, u32),
    memory_map: (u64, u32),
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// `start .. start + len`, empty if that wraps around.
fn span(start: u64, len: u64) -> Range<u64> {
    start.checked_add(len).map_or(0..0, |end| start..end)
}

impl StartInfo {
    /// Reads a start info of version 1 or later, the first that has a memory map.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if u32_at(bytes, 0)? != MAGIC || u32_at(bytes, VERSION)? == 0 {
            return None;
        }
        let rows = |at| u32_at(bytes, at).map(|rows| rows.min(MAX_ROWS));
        Some(Self {
            command_line: u64_at(bytes, COMMAND_LINE)?,
            rsdp: u64_at(bytes, RSDP)?,
            modules: (u64_at(bytes, MODULE_LIST)?, rows(MODULES)?),
            memory_map: (u64_at(bytes, MEMORY_MAP)?, rows(MEMORY_MAP_ENTRIES)?),
        })
    }

    /// Where the module list lies.
    pub fn module_list(&self) -> Range<u64> {
        span(self.modules.0, u64::from(self.modules.1) * MODULE as u64)
    }

    /// Where the memory map lies.
    pub fn memory_map(&self) -> Range<u64> {
        span(self.memory_map.0, u64::from(self.memory_map.1) * REGION as u64)
    }
}

/// The modules of a module list.
pub fn modules(list: &[u8]) -> impl Iterator<Item = Range<u64>> + Clone + '_ {
    list.chunks_exact(MODULE).filter_map(|row| Some(span(u64_at(row, 0)?, u64_at(row, 8)?)))
}

/// The rows of a memory map.
pub fn memory_map(map: &[u8]) -> impl Iterator<Item = Region> + Clone + '_ {
    map.chunks_exact(REGION).filter_map(|row| {
        Some(Region { range: span(u64_at(row, 0)?, u64_at(row, 8)?), kind: u32_at(row, 16)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [MAGIC, 1, 0, 2] {
            bytes.extend(word.to_le_bytes());
        }
        for address in [0x5000_u64, 0x6000, 0xf_5b20, 0x7000] {
            bytes.extend(address.to_le_bytes());
        }
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn reads_what_the_loader_points_to() {
        let info = StartInfo::parse(&sample()).unwrap();
        assert_eq!(info.command_line, 0x6000);
        assert_eq!(info.rsdp, 0xf_5b20);
        assert_eq!(info.module_list(), 0x5000..0x5040);
        assert_eq!(info.memory_map(), 0x7000..0x7000 + 9 * 24);
    }

    #[test]
    fn refuses_what_is_not_a_start_info() {
        for len in 0..LEN - 4 {
            assert_eq!(StartInfo::parse(&sample()[..len]), None);
        }
        for (at, value) in [(0, 0), (VERSION, 0)] {
            let mut bytes = sample();
            bytes[at] = value;
            assert_eq!(StartInfo::parse(&bytes), None);
        }
    }

    #[test]
    fn rows_that_wrap_around_are_empty() {
        let mut row = Vec::new();
        for word in [0xffff_ffff_ffff_f000_u64, 0x2000, 1] {
            row.extend(word.to_le_bytes());
        }
        assert_eq!(memory_map(&row).next(), Some(Region { range: 0..0, kind: 1 }));
    }
}

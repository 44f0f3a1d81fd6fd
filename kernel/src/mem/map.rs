//! The memory map that the loader reports (the "memmap" of the PVH start info, which has the types of
//! ACPI's E820), and what of it can be given out. Pure.

use core::ops::Range;

use super::FRAME;

/// Ranges that a map or a plan can hold; firmware reports about ten.
const MAX: usize = 32;

/// What is left below this stays with the firmware: real-mode tables, the start info, the option ROMs.
const LOW: u64 = 0x10_0000;

/// A short list of address ranges.
#[derive(Debug, Clone)]
pub struct Ranges {
    list: [Range<u64>; MAX],
    len: usize,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { list: [const { 0..0 }; MAX], len: 0 }
    }
}

impl core::ops::Deref for Ranges {
    type Target = [Range<u64>];
    fn deref(&self) -> &[Range<u64>] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

impl Ranges {
    /// Adds a range unless it is empty; false if the list is full.
    pub fn push(&mut self, range: Range<u64>) -> bool {
        if range.is_empty() {
            return true;
        }
        let Some(slot) = self.list.get_mut(self.len) else { return false };
        *slot = range;
        self.len += 1;
        true
    }
}

/// One row of the loader's map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region {
    /// Physical addresses.
    pub range: Range<u64>,
    /// E820 type: 1 is RAM, 2 reserved, 3 ACPI tables, 4 ACPI non-volatile, 5 unusable.
    pub kind: u32,
}

/// The loader's map, sorted by address.
#[derive(Debug, Clone, Default)]
pub struct MemoryMap {
    ram: Ranges,
    /// Rows beyond what fits here, which are left unused.
    pub ignored: usize,
}

impl MemoryMap {
    /// Keeps the RAM of `regions`, cut to whole frames. A row that overlaps RAM but is not RAM wins.
    pub fn new(regions: impl Iterator<Item = Region> + Clone) -> Self {
        let mut map = Self::default();
        for region in regions.clone().filter(|r| r.kind == 1) {
            let range = region.range.start.div_ceil(FRAME) * FRAME..region.range.end / FRAME * FRAME;
            if !map.ram.push(range) {
                map.ignored += 1;
            }
        }
        for region in regions.filter(|r| r.kind != 1) {
            map.ram = subtract(&map.ram, &region.range);
        }
        let len = map.ram.len;
        map.ram.list[..len].sort_unstable_by_key(|r| r.start);
        map
    }

    /// RAM above the first MiB, by address.
    pub fn ram(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ram.iter().map(|r| r.start.max(LOW)..r.end).filter(|r| !r.is_empty())
    }

    /// RAM above the first MiB without `reserved`, in whole frames, by address.
    pub fn usable(&self, reserved: &[Range<u64>]) -> Ranges {
        let mut usable = Ranges::default();
        for range in self.ram() {
            usable.push(range);
        }
        for hole in reserved {
            usable = subtract(&usable, hole);
        }
        let len = usable.len;
        usable.list[..len].sort_unstable_by_key(|r| r.start);
        usable
    }
}

/// `from` without any frame that touches `hole`. A piece that finds no room in the list is lost: unused, and
/// therefore safe.
fn subtract(from: &[Range<u64>], hole: &Range<u64>) -> Ranges {
    let mut rest = Ranges::default();
    if hole.is_empty() {
        for range in from {
            rest.push(range.clone());
        }
        return rest;
    }
    let start = hole.start / FRAME * FRAME;
    let end = hole.end.checked_next_multiple_of(FRAME).unwrap_or(u64::MAX);
    for range in from {
        rest.push(range.start..range.end.min(start));
        rest.push(range.start.max(end)..range.end);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn map(rows: &[(u64, u64, u32)]) -> MemoryMap {
        MemoryMap::new(rows.iter().map(|&(start, end, kind)| Region { range: start..end, kind }))
    }

    #[test]
    fn keeps_ram_above_one_mebibyte() {
        let map = map(&[
            (0, 0x9fc00, 1),
            (0x9fc00, 0xa0000, 2),
            (MIB, 32 * MIB - 0x20000, 1),
            (0xb000_0000, 0xc000_0000, 2),
        ]);
        assert!(map.ram().eq([const { MIB..32 * MIB - 0x20000 }; 1]));
    }

    #[test]
    fn reserved_ranges_are_cut_out_by_whole_frames() {
        let map = map(&[(4096 << 20, 4097 << 20, 1), (MIB, 8 * MIB, 1)]);
        let usable = map.usable(&[MIB..2 * MIB + 1, 3 * MIB + 5..3 * MIB + 6, 0..0]);
        assert_eq!(
            usable.to_vec(),
            [2 * MIB + FRAME..3 * MIB, 3 * MIB + FRAME..8 * MIB, 4096 << 20..4097 << 20]
        );
    }

    #[test]
    fn what_is_not_ram_wins_an_overlap() {
        let map = map(&[(MIB, 4 * MIB, 1), (2 * MIB, 3 * MIB, 2)]);
        assert_eq!(map.ram().collect::<Vec<_>>(), [MIB..2 * MIB, 3 * MIB..4 * MIB]);
    }

    #[test]
    fn too_many_rows_are_counted_not_trusted() {
        let rows: Vec<_> = (1..40).map(|i| (i * 2 * MIB, i * 2 * MIB + MIB, 1)).collect();
        let map = map(&rows);
        assert_eq!(map.ram().count(), MAX);
        assert_eq!(map.ignored, 39 - MAX);
    }
}

//! Placing memory BARs on machines whose firmware leaves that to the system: QEMU's microvm, and its PCs under qboot.
//! All or nothing: where firmware has placed a single memory BAR it knows the machine better, and nothing is touched.
//! Left out: what lies behind bridges (nobody has opened their windows), I/O ports and expansion ROMs.

use core::ops::Range;

use super::bar::{self, Bar, BarKind};
use super::config::{CLASS, Config};

/// What no QEMU machine uses otherwise: microvm gives it to PCI, and on the PCs it lies above the highest RAM below
/// 4 GiB and below the I/O APIC. Only configuration space may lie there.
const WINDOW: Range<u64> = 0xc000_0000..0xe000_0000;
/// Mappings are by page, so no two devices share one.
const PAGE: u64 = 4096;
const BARS: u8 = 6;
/// Base class of bridges, in the class register's highest byte.
const BRIDGE: u32 = 6;

/// Places the memory BARs of `functions`, in their order, unless one has an address already. A BAR for which there
/// is no room keeps none, and its driver says so. Nothing is placed where configuration space, at `ecam`, is in the way.
pub(super) fn place_all<C: Config>(functions: impl Iterator<Item = C> + Clone, ecam: Option<Range<u64>>) {
    let in_the_way = ecam.is_some_and(|ecam| ecam.start < WINDOW.end && WINDOW.start < ecam.end);
    let devices = functions.filter(|config| config.read32(CLASS) >> 24 != BRIDGE);
    let placed = |config: C| memory_bars(&config).any(|bar| bar.address != 0);
    if in_the_way || devices.clone().any(placed) {
        return;
    }
    let mut next = WINDOW.start;
    for config in devices {
        for bar in memory_bars(&config) {
            let size = bar.size.max(PAGE);
            let at = next.next_multiple_of(size);
            if size <= WINDOW.end.saturating_sub(at) {
                bar::place(&config, &bar, at);
                next = at + size;
            }
        }
    }
}

fn memory_bars<C: Config>(config: &C) -> impl Iterator<Item = Bar> {
    let is_memory = |bar: &Bar| matches!(bar.kind, BarKind::Memory { .. });
    (0..BARS).filter_map(|index| bar::probe(config, index).ok()).filter(is_memory)
}

#[cfg(test)]
mod tests {
    use super::super::config::FIRST_BAR;
    use super::super::config::tests::Model;
    use super::*;

    const MIB: u32 = 1 << 20;

    /// A network function with a wide memory BAR of `size` bytes in registers 4 and 5, and 32 ports in register 0.
    fn device(size: u32) -> Model {
        let mut model = Model::new();
        model.set(CLASS, &[0, 0, 0, 2]);
        model.writable[usize::from(FIRST_BAR / 4)..][..6].copy_from_slice(&[
            0xffff_ffe0,
            0,
            0,
            0,
            !(size - 1),
            u32::MAX,
        ]);
        model.set(FIRST_BAR, &1u32.to_le_bytes());
        model.set(FIRST_BAR + 16, &0xcu32.to_le_bytes());
        model
    }

    fn address(model: &Model) -> u64 {
        bar::probe(&model, 4).map(|bar| bar.address).expect("a memory BAR")
    }

    #[test]
    fn gives_each_its_own_aligned_room() {
        let machine = [device(0x4000), device(MIB), device(0x1000)];
        place_all(machine.iter(), Some(0xe000_0000..0xf000_0000));
        assert_eq!(machine.each_ref().map(address), [0xc000_0000, 0xc010_0000, 0xc020_0000]);
        assert!(machine.iter().all(|model| !*model.moved_while_decoding.borrow()));
        assert_eq!((&machine[0]).read32(FIRST_BAR), 1, "ports stay");
    }

    #[test]
    fn leaves_alone_what_firmware_has_begun() {
        let machine = [device(0x4000), device(0x4000)];
        machine[1].set(FIRST_BAR + 16, &0xfebf_000cu32.to_le_bytes());
        place_all(machine.iter(), None);
        assert_eq!(machine.each_ref().map(address), [0, 0xfebf_0000]);
    }

    #[test]
    fn configuration_space_in_the_window_forbids_it() {
        let machine = [device(0x4000)];
        place_all(machine.iter(), Some(0xd000_0000..0xe000_0000));
        assert_eq!(address(&machine[0]), 0);
    }

    #[test]
    fn what_does_not_fit_has_no_address() {
        let machine = [device(512 * MIB), device(256 * MIB), device(0x1000)];
        place_all(machine.iter(), None);
        assert_eq!(machine.each_ref().map(address), [0xc000_0000, 0, 0]);
    }
}

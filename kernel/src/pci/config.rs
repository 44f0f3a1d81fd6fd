//! The header and the capability list of one function. Pure: configuration space is a trait, so that the
//! tests bring functions of their own.

/// Configuration space of one function.
pub trait Config {
    /// The dword that holds byte `offset`.
    fn read32(&self, offset: u16) -> u32;
    /// Replaces the dword that holds byte `offset`.
    fn write32(&self, offset: u16, value: u32);

    /// The 16 bits at `offset`, which is even.
    fn read16(&self, offset: u16) -> u16 {
        (self.read32(offset) >> (offset % 4 * 8)) as u16
    }

    /// The byte at `offset`.
    fn read8(&self, offset: u16) -> u8 {
        (self.read32(offset) >> (offset % 4 * 8)) as u8
    }

    /// Replaces the 16 bits at `offset`, which is even, keeping its neighbour.
    fn write16(&self, offset: u16, value: u16) {
        let shift = offset % 4 * 8;
        let others = self.read32(offset) & !(0xffff << shift);
        self.write32(offset, others | u32::from(value) << shift);
    }

    /// The command register.
    fn command(&self) -> u16 {
        self.read16(COMMAND)
    }

    /// Writes the command register. The status register beside it is written with zeros, which changes
    /// nothing: its bits are cleared by ones.
    fn write_command(&self, value: u16) {
        self.write32(COMMAND, value.into());
    }

    /// Sets bits of the command register.
    fn set_command(&self, bits: u16) {
        self.write_command(self.command() | bits);
    }
}

// Offsets of the header.
pub(super) const VENDOR: u16 = 0x00;
const COMMAND: u16 = 0x04;
const STATUS: u16 = 0x06;
pub(super) const CLASS: u16 = 0x08;
pub(super) const HEADER_TYPE: u16 = 0x0e;
pub(super) const FIRST_BAR: u16 = 0x10;
pub(super) const SECONDARY_BUS: u16 = 0x19;
pub(super) const SUBSYSTEM: u16 = 0x2c;
const CAPABILITIES: u16 = 0x34;
/// First byte behind the header; the list lies here.
const HEADER_END: u16 = 0x40;

// Bits of the command register.
pub(super) const IO: u16 = 1 << 0;
pub(super) const MEMORY: u16 = 1 << 1;
pub(super) const BUS_MASTER: u16 = 1 << 2;
/// In the status register: there is a capability list.
const HAS_CAPABILITIES: u16 = 1 << 4;

/// One entry of the capability list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// What it is (PCI code and ID assignment, chapter 2): 0x11 is MSI-X, 0x09 vendor specific.
    pub id: u8,
    /// Where it lies in configuration space.
    pub offset: u16,
}

/// Walks the capability list. A list that loops ends after as many entries as fit in the space.
pub fn capabilities<C: Config>(config: C) -> impl Iterator<Item = Capability> {
    const MOST: usize = (256 - HEADER_END as usize) / 4;
    let present = config.read16(STATUS) & HAS_CAPABILITIES != 0;
    let mut next = if present { config.read8(CAPABILITIES) & 0xfc } else { 0 };
    core::iter::from_fn(move || {
        let offset = u16::from(next);
        if offset < HEADER_END {
            return None;
        }
        next = config.read8(offset + 1) & 0xfc;
        Some(Capability { id: config.read8(offset), offset })
    })
    .take(MOST)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use core::cell::RefCell;

    /// A function in memory: 256 bytes, of which BAR bits can be fixed, as hardware does.
    pub(in crate::pci) struct Model {
        pub(in crate::pci) words: RefCell<[u32; 64]>,
        /// Bits of each dword that a write changes.
        pub(in crate::pci) writable: [u32; 64],
        /// Set when a BAR was written while the function was decoding.
        pub(in crate::pci) moved_while_decoding: RefCell<bool>,
    }

    impl Model {
        pub(in crate::pci) fn new() -> Self {
            let (words, moved_while_decoding) = (RefCell::new([0; 64]), RefCell::new(false));
            Self { words, writable: [u32::MAX; 64], moved_while_decoding }
        }

        pub(in crate::pci) fn set(&self, offset: u16, bytes: &[u8]) {
            for (at, &byte) in (offset..).zip(bytes) {
                let shift = at % 4 * 8;
                let word = &mut self.words.borrow_mut()[usize::from(at / 4)];
                *word = *word & !(0xff << shift) | u32::from(byte) << shift;
            }
        }
    }

    impl Config for &Model {
        fn read32(&self, offset: u16) -> u32 {
            self.words.borrow()[usize::from(offset / 4)]
        }

        fn write32(&self, offset: u16, value: u32) {
            if (FIRST_BAR..FIRST_BAR + 24).contains(&offset) && self.command() & (IO | MEMORY) != 0 {
                *self.moved_while_decoding.borrow_mut() = true;
            }
            let mask = self.writable[usize::from(offset / 4)];
            let word = &mut self.words.borrow_mut()[usize::from(offset / 4)];
            *word = *word & !mask | value & mask;
        }
    }

    #[test]
    fn narrow_accesses_keep_their_neighbours() {
        let model = Model::new();
        model.set(0x50, &[1, 2, 3, 4]);
        (&model).write16(0x52, 0xaabb);
        assert_eq!((&model).read32(0x50), 0xaabb_0201);
        assert_eq!((&model).read8(0x51), 2);
        assert_eq!((&model).read16(0x52), 0xaabb);
    }

    #[test]
    fn walks_the_list_in_order() {
        let model = Model::new();
        model.set(CAPABILITIES, &[0x98]);
        model.set(0x98, &[0x11, 0x40]);
        model.set(0x40, &[0x09, 0x00]);
        assert_eq!(capabilities(&model).count(), 0, "the status bit says that there is no list");
        model.set(STATUS, &[0x10]);
        let list: Vec<_> = capabilities(&model).collect();
        assert_eq!(list, [Capability { id: 0x11, offset: 0x98 }, Capability { id: 9, offset: 0x40 }]);
    }

    #[test]
    fn a_list_that_loops_ends() {
        let model = Model::new();
        model.set(STATUS, &[0x10]);
        model.set(CAPABILITIES, &[0x40]);
        model.set(0x40, &[0x09, 0x40]);
        assert_eq!(capabilities(&model).count(), 48);
    }
}

//! MSI-X (PCI 3.0, 6.8.2): a table of messages in one of the function's BARs. Each entry names an address and
//! a word; the device writes the word there to interrupt.

use super::config::{self, Config};
use super::{BarError, Function};
use crate::irq::Vector;
use crate::mem::Mmio;

/// Identifier of the capability.
const ID: u8 = 0x11;

// Offsets in the capability.
const CONTROL: u16 = 2;
const TABLE: u16 = 4;
const ENABLE: u16 = 1 << 15;
const MASK_ALL: u16 = 1 << 14;
const LAST_ENTRY: u16 = 0x7ff;
/// In the table's dword: which BAR; the rest is the offset in it.
const BAR_INDEX: u32 = 7;

// Offsets in an entry of the table.
const ENTRY: usize = 16;
const ADDRESS_LOW: usize = 0;
const ADDRESS_HIGH: usize = 4;
const DATA: usize = 8;
const VECTOR_CONTROL: usize = 12;
const MASKED: u32 = 1;

/// The message table of one function.
#[derive(Debug)]
pub struct Msix {
    function: Function,
    capability: u16,
    window: Mmio,
    table: usize,
    entries: u16,
}

impl Msix {
    /// Maps the table and masks all its entries.
    pub(super) fn find(function: &Function) -> Result<Option<Self>, BarError> {
        let Some(capability) = function.capabilities().find(|c| c.id == ID).map(|c| c.offset) else {
            return Ok(None);
        };
        let space = function.config();
        let entries = (space.read16(capability + CONTROL) & LAST_ENTRY) + 1;
        let place = space.read32(capability + TABLE);
        let index = (place & BAR_INDEX) as u8;
        let bar = function.bar(index)?;
        let table = (place & !BAR_INDEX) as usize;
        if (table + usize::from(entries) * ENTRY) as u64 > bar.size {
            return Err(BarError::TooSmall(index));
        }
        // Registers only: what a system before us left running may not reach memory because of this.
        space.set_command(config::MEMORY);
        let msix = Self { function: *function, capability, window: function.map(&bar)?, table, entries };
        (0..entries).for_each(|entry| msix.mask(entry, true));
        Ok(Some(msix))
    }

    /// Entries in the table.
    pub fn entries(&self) -> u16 {
        self.entries
    }

    fn at(&self, entry: u16) -> usize {
        assert!(entry < self.entries, "MSI-X entry {entry} of {}", self.entries);
        self.table + usize::from(entry) * ENTRY
    }

    /// Lets `entry` raise `vector`, unmasked.
    pub fn set(&self, entry: u16, vector: Vector) {
        let at = self.at(entry);
        let address = vector.message_address();
        self.window.write32(at + ADDRESS_LOW, address as u32);
        self.window.write32(at + ADDRESS_HIGH, (address >> 32) as u32);
        self.window.write32(at + DATA, vector.message_data());
        self.mask(entry, false);
    }

    /// Holds an entry's interrupts back, or lets them through. One held back is delivered when unmasked.
    pub fn mask(&self, entry: u16, masked: bool) {
        let at = self.at(entry) + VECTOR_CONTROL;
        let others = self.window.read32(at) & !MASKED;
        self.window.write32(at, others | if masked { MASKED } else { 0 });
    }

    /// Lets the function interrupt by MSI-X, and no longer by its pin.
    pub fn enable(&self) {
        let config = self.function.config();
        let control = config.read16(self.capability + CONTROL);
        config.write16(self.capability + CONTROL, control & !MASK_ALL | ENABLE);
    }

    /// Ends that.
    pub fn disable(&self) {
        let config = self.function.config();
        let control = config.read16(self.capability + CONTROL);
        config.write16(self.capability + CONTROL, control & !ENABLE);
    }
}

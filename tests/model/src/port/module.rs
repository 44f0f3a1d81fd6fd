//! The module in the cage: a passive copper cable with QSFP28 connectors, as its EEPROM describes it.
//!
//! After SFF-8636, sections 6.2 (lower page) and 6.3 (upper page 00h), and SFF-8024 for the code points. Left out:
//! pages 01h to 03h, which a passive cable does not have, and writing.

/// Bytes of a page: 128 of the lower page that is always there, 128 of the upper page that was selected.
const PAGE: usize = 256;

/// SFF-8024 table 4-1: QSFP28.
const QSFP28: u8 = 0x11;
/// SFF-8024 table 4-3: no separable connector.
const NO_CONNECTOR: u8 = 0x23;
/// SFF-8024 table 4-4: 100GBASE-CR4.
const CR4: u8 = 0x0b;

/// Ways in which MCIA fails to reach a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ModuleError {
    /// No module is plugged.
    NotConnected = 3,
    /// The module does not answer: no such I2C address, page or byte.
    I2c = 9,
}

/// A plugged module.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    page: [u8; PAGE],
}

impl Module {
    /// A cable of one metre.
    pub(crate) fn cable() -> Module {
        let mut page = [0; PAGE];
        page[0] = QSFP28;
        // Revision of the memory map: SFF-8636 rev 2.8.
        page[1] = 0x08;
        // Flat memory, no interrupt, data is ready.
        page[2] = 0x06;
        page[128] = QSFP28;
        // Power class 1, no CDR.
        page[129] = 0x00;
        page[130] = NO_CONNECTOR;
        // The code is in the extended compliance byte.
        page[131] = 0x80;
        // 255: the bit rate is in byte 222.
        page[140] = 0xff;
        page[146] = 1;
        // Copper cable, unequalized.
        page[147] = 0xa0;
        page[148..164].copy_from_slice(b"RAVELIN         ");
        page[168..184].copy_from_slice(b"MODEL-CABLE-1M  ");
        page[184..186].copy_from_slice(b"A1");
        page[192] = CR4;
        page[196..212].copy_from_slice(b"0000000000000001");
        page[212..220].copy_from_slice(b"240101  ");
        // 25.75 Gbit/s in units of 250 Mbit/s.
        page[222] = 103;
        page[191] = sum(&page[128..191]);
        page[223] = sum(&page[192..223]);
        Module { page }
    }

    /// Reads `size` bytes at `address` of the page.
    ///
    /// # Errors
    /// When the module has no such bytes.
    pub(crate) fn read(&self, i2c: u8, page: u8, address: u16, size: u16) -> Result<&[u8], ModuleError> {
        if i2c != 0x50 {
            return Err(ModuleError::I2c);
        }
        let start = usize::from(address);
        let end = start + usize::from(size);
        // The lower half is the same whatever page is selected.
        if page != 0 && end > PAGE / 2 {
            return Err(ModuleError::I2c);
        }
        self.page.get(start..end).ok_or(ModuleError::I2c)
    }
}

/// Check codes of SFF-8636: the low byte of the sum.
fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

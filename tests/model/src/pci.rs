//! PCI configuration space: header, capabilities, function-level reset.
//!
//! From the PCI Express Base Specification 5.0, chapter 7, and PCI Power Management 1.2. What is offered is what a
//! ConnectX has and drivers use: power management, PCI Express with FLR, MSI-X, AER and a serial number. Interrupt
//! masks live in the MSI-X table, which belongs to the front end.

use crate::caps::Profile;

/// Bytes of configuration space.
pub const CONFIG_SIZE: usize = 4096;
/// Bytes of BAR 0.
pub const BAR_SIZE: u64 = 32 << 20;
/// Where the MSI-X table lies in BAR 0.
pub(crate) const MSIX_TABLE: u64 = 0x2000;
/// Where the MSI-X pending bits lie in BAR 0.
pub(crate) const MSIX_PENDING: u64 = 0x3000;

/// Command register.
const COMMAND: usize = 0x04;
const MEMORY_SPACE: u16 = 1 << 1;
const BUS_MASTER: u16 = 1 << 2;
/// Memory space, bus mastering, parity, SERR and interrupt disable.
const COMMAND_WRITABLE: u16 = 0x0546;
/// Base address register 0: 64 bits, prefetchable.
const BAR0: usize = 0x10;
const BAR0_FLAGS: u32 = 0x0000_000c;
const CAPABILITIES: usize = 0x34;
const INTERRUPT_LINE: usize = 0x3c;
/// Where our capabilities lie.
const PM: usize = 0x40;
const PM_CONTROL: usize = PM + 4;
const EXPRESS: usize = 0x60;
const DEVICE_CONTROL: usize = EXPRESS + 8;
const START_FLR: u16 = 1 << 15;
const MSIX: usize = 0x9c;
const MSIX_CONTROL: usize = MSIX + 2;
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK_ALL: u16 = 1 << 14;
const AER: usize = 0x100;
const SERIAL: usize = 0x150;

/// Configuration space of one function.
#[derive(Clone)]
pub(crate) struct ConfigSpace {
    bytes: Vec<u8>,
    writable: Vec<u8>,
    vectors: u16,
}

/// What a write to configuration space asks of the device beside storing bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    FunctionLevelReset,
}

impl ConfigSpace {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> ConfigSpace {
        let identity = profile.identity();
        let mut space = ConfigSpace {
            bytes: vec![0; CONFIG_SIZE],
            writable: vec![0; CONFIG_SIZE],
            vectors: identity.vectors,
        };
        space.put16(0x00, identity.vendor);
        space.put16(0x02, identity.device);
        space.put16(COMMAND, 0);
        space.allow16(COMMAND, COMMAND_WRITABLE);
        // Status: a capability list.
        space.put16(0x06, 0x0010);
        // Revision, and class 02 00 00: Ethernet controller.
        space.put32(0x08, 0x0200_0000 | u32::from(identity.revision));
        space.put32(BAR0, BAR0_FLAGS);
        space.allow32(BAR0, !(BAR_SIZE as u32 - 1));
        space.allow32(BAR0 + 4, u32::MAX);
        space.put16(0x2c, identity.subsystem_vendor);
        space.put16(0x2e, identity.subsystem);
        space.put16(CAPABILITIES, PM as u16);
        space.writable[INTERRUPT_LINE] = 0xff;
        space.power_management();
        space.express();
        space.msix();
        space.extended(profile);
        space
    }

    fn power_management(&mut self) {
        self.put16(PM, 0x01 | (EXPRESS as u16) << 8);
        // Version 3, no soft reset lost: D0 and D3hot.
        self.put16(PM + 2, 0x0003);
        self.put16(PM_CONTROL, 1 << 3);
        self.allow16(PM_CONTROL, 0x0003);
    }

    fn express(&mut self) {
        self.put16(EXPRESS, 0x10 | (MSIX as u16) << 8);
        // Version 2, an endpoint.
        self.put16(EXPRESS + 2, 0x0002);
        // Device capabilities: 512-byte payloads, extended tags, role-based errors, FLR.
        self.put32(EXPRESS + 4, 0x0000_0002 | 1 << 5 | 1 << 15 | 1 << 28);
        self.put16(DEVICE_CONTROL, 0x2810);
        self.allow16(DEVICE_CONTROL, 0x7fff);
        // Link capabilities and status: 16 lanes at 16 GT/s.
        self.put32(EXPRESS + 0xc, 0x0000_0104);
        self.put16(EXPRESS + 0x10, 0);
        self.allow16(EXPRESS + 0x10, 0x0fff);
        self.put16(EXPRESS + 0x12, 0x0104);
        // Device capabilities 2: completion timeout ranges and its disable bit.
        self.put32(EXPRESS + 0x24, 0x0000_001f);
        self.allow16(EXPRESS + 0x28, 0x041f);
        self.put32(EXPRESS + 0x2c, 0x0000_001e);
        self.put16(EXPRESS + 0x30, 0x0004);
        self.allow16(EXPRESS + 0x30, 0x000f);
    }

    fn msix(&mut self) {
        self.put16(MSIX, 0x11);
        self.put16(MSIX_CONTROL, self.vectors.saturating_sub(1));
        self.allow16(MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL);
        self.put32(MSIX + 4, MSIX_TABLE as u32);
        self.put32(MSIX + 8, MSIX_PENDING as u32);
    }

    fn extended(&mut self, profile: &Profile) {
        self.put32(AER, 0x0001 | 2 << 16 | (SERIAL as u32) << 20);
        // Masks and severities as the specification has them at reset.
        self.put32(AER + 0x0c, 0x0046_2030);
        self.allow32(AER + 0x08, 0x01ff_f030);
        self.allow32(AER + 0x0c, 0x01ff_f030);
        self.put32(AER + 0x14, 0x0000_2000);
        self.allow32(AER + 0x14, 0x0000_f1c1);
        self.put32(SERIAL, 0x0003 | 1 << 16);
        let mac = profile.identity().mac;
        self.put32(SERIAL + 4, u32::from_be_bytes([0xfe, mac[3], mac[4], mac[5]]));
        self.put32(SERIAL + 8, u32::from_be_bytes([mac[0], mac[1], mac[2], 0xff]));
    }

    /// Reads at `offset`; what lies outside reads as ones.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) {
        for (place, byte) in into.iter_mut().enumerate() {
            *byte = self.bytes.get(offset + place).copied().unwrap_or(0xff);
        }
    }

    /// Writes at `offset`; only writable bits change.
    pub(crate) fn write(&mut self, offset: usize, from: &[u8]) -> Effect {
        let mut effect = Effect::None;
        for (place, value) in from.iter().enumerate() {
            let at = offset + place;
            if at == DEVICE_CONTROL + 1 && value & (START_FLR >> 8) as u8 != 0 {
                effect = Effect::FunctionLevelReset;
            }
            if let (Some(byte), Some(writable)) = (self.bytes.get_mut(at), self.writable.get(at)) {
                *byte = (*byte & !writable) | (value & writable);
            }
        }
        effect
    }

    /// Whether the function may reach memory.
    pub(crate) fn bus_master(&self) -> bool {
        self.word16(COMMAND) & BUS_MASTER != 0
    }

    /// Whether BAR 0 is decoded.
    pub(crate) fn memory_space(&self) -> bool {
        self.word16(COMMAND) & MEMORY_SPACE != 0
    }

    /// Whether MSI-X is on and not masked as a whole.
    pub(crate) fn msix_enabled(&self) -> bool {
        self.word16(MSIX_CONTROL) & (MSIX_ENABLE | MSIX_MASK_ALL) == MSIX_ENABLE
    }

    /// How many MSI-X vectors there are.
    pub(crate) fn vectors(&self) -> u16 {
        self.vectors
    }

    fn word16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn put16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn put32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn allow16(&mut self, at: usize, bits: u16) {
        self.writable[at..at + 2].copy_from_slice(&bits.to_le_bytes());
    }

    fn allow32(&mut self, at: usize, bits: u32) {
        self.writable[at..at + 4].copy_from_slice(&bits.to_le_bytes());
    }
}

impl crate::Device {
    /// The front end reads configuration space.
    pub fn config_read(&self, offset: usize, into: &mut [u8]) {
        if self.is_dead() {
            into.fill(0xff);
        } else {
            self.pci.read(offset, into);
        }
    }

    /// The front end writes configuration space.
    pub fn config_write(&mut self, offset: usize, from: &[u8]) {
        if !self.is_dead() && self.pci.write(offset, from) == Effect::FunctionLevelReset {
            self.reset();
        }
    }

    /// How many MSI-X vectors the function has.
    pub fn vectors(&self) -> u16 {
        self.pci.vectors()
    }

    /// Whether the driver has switched MSI-X on.
    pub fn msix_enabled(&self) -> bool {
        self.pci.msix_enabled()
    }
}

//! The few facts that ACPI's static tables hold for us (ACPI 6.4, chapter 5): where PCI configuration space
//! is mapped, a clock of known rate, how to switch off and how to reset. No AML is interpreted; of the DSDT
//! only the constant package `\_S5` is looked for. Pure: memory is read through a function.

use core::ops::Range;

mod s5;
#[cfg(test)]
mod tests;

/// Reads physical memory: the bytes of a range, or nothing if it cannot be reached.
pub type Reader<'a> = &'a dyn Fn(Range<u64>) -> Option<&'a [u8]>;

/// PCI configuration space in memory (MCFG, PCI firmware specification 3.3, 4.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ecam {
    /// Physical address of bus 0.
    pub base: u64,
    /// First bus that it serves.
    pub first_bus: u8,
    /// Last bus that it serves.
    pub last_bus: u8,
}

/// A register by its generic address (ACPI 6.4, 5.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// In memory.
    Memory(u64),
    /// At an I/O port.
    Port(u16),
}

/// How to enter the sleep state S5, soft off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoftOff {
    /// PM1 control registers (a, and b where there is one) with their sleep types.
    Fixed {
        /// PM1a control port and its sleep type.
        a: (u16, u8),
        /// PM1b control port and its sleep type.
        b: Option<(u16, u8)>,
    },
    /// The sleep control register of hardware-reduced ACPI.
    Reduced {
        /// The register, one byte wide.
        control: Register,
        /// Sleep type.
        kind: u8,
    },
}

/// What was found. Every part may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acpi {
    /// PCI configuration space in memory.
    pub ecam: Option<Ecam>,
    /// I/O port of the power-management timer (3.579545 MHz, at least 24 bits).
    pub pm_timer: Option<u16>,
    /// Register and value that reset the machine.
    pub reset: Option<(Register, u8)>,
    /// How to switch off.
    pub soft_off: Option<SoftOff>,
    /// CMOS register of the century; 0 if there is none.
    pub century: u8,
}

/// Bytes of a table header.
const HEADER: usize = 36;
/// A longer table is damage.
const LONGEST: u32 = 1 << 20;

/// First bytes of the root pointer.
const SIGNATURE: &[u8] = b"RSD PTR ";
// Offsets in the root pointer.
const RSDP_REVISION: usize = 15;
const RSDP_RSDT: usize = 16;
const RSDP_XSDT: usize = 24;
const RSDP_V1: u64 = 20;
const RSDP_V2: u64 = 36;

// Offsets in the FADT.
const FADT_DSDT: usize = 40;
const FADT_PM1A_CONTROL: usize = 64;
const FADT_PM1B_CONTROL: usize = 68;
const FADT_PM_TIMER: usize = 76;
const FADT_PM_TIMER_LEN: usize = 91;
const FADT_CENTURY: usize = 108;
const FADT_FLAGS: usize = 112;
const FADT_RESET_REGISTER: usize = 116;
const FADT_RESET_VALUE: usize = 128;
const FADT_X_DSDT: usize = 140;
const FADT_SLEEP_CONTROL: usize = 244;
const FLAG_RESET_REGISTER: u32 = 1 << 10;
const FLAG_HARDWARE_REDUCED: u32 = 1 << 20;

// Offsets in the MCFG.
const MCFG_ENTRIES: usize = 44;
const MCFG_ENTRY: usize = 16;

fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

/// A table by address, whole and with a true checksum.
fn table<'a>(address: u64, read: Reader<'a>) -> Option<&'a [u8]> {
    let header = read(address..address.checked_add(HEADER as u64)?)?;
    let len = u32_at(header, 4).filter(|&len| (HEADER as u32..=LONGEST).contains(&len))?;
    let bytes = read(address..address.checked_add(u64::from(len))?)?;
    sums_to_zero(bytes).then_some(bytes)
}

/// The generic address at `at`, if it names a register that we can reach.
fn register(bytes: &[u8], at: usize) -> Option<Register> {
    let address = u64_at(bytes, at + 4).filter(|&address| address != 0)?;
    match u8_at(bytes, at)? {
        0 => Some(Register::Memory(address)),
        1 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

/// An I/O port held in 32 bits; 0 means that there is none.
fn port(bytes: &[u8], at: usize) -> Option<u16> {
    u32_at(bytes, at).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0)
}

/// Where in the firmware's memory the root pointer lies: at a multiple of 16 bytes (ACPI 6.4, 5.2.5.1). For
/// loaders that do not say.
pub fn find_root(memory: &[u8]) -> Option<usize> {
    let is_root = |at: &usize| {
        let root = memory.get(*at..*at + RSDP_V1 as usize);
        root.is_some_and(|root| root.starts_with(SIGNATURE) && sums_to_zero(root))
    };
    (0..memory.len()).step_by(16).find(is_root)
}

impl Acpi {
    /// Reads what the root pointer at `rsdp` leads to. Damaged or missing tables leave their facts out.
    pub fn read<'a>(rsdp: u64, read: Reader<'a>) -> Self {
        let mut facts = Self::default();
        for address in tables(rsdp, read).into_iter().flatten() {
            let Some(bytes) = table(address, read) else { continue };
            match bytes.get(..4) {
                Some(b"MCFG") => facts.ecam = mcfg(bytes),
                Some(b"FACP") => facts.fadt(bytes, read),
                _ => {}
            }
        }
        facts
    }

    fn fadt<'a>(&mut self, fadt: &'a [u8], read: Reader<'a>) {
        let flags = u32_at(fadt, FADT_FLAGS).unwrap_or(0);
        let reduced = flags & FLAG_HARDWARE_REDUCED != 0;
        self.century = u8_at(fadt, FADT_CENTURY).unwrap_or(0);
        if !reduced && u8_at(fadt, FADT_PM_TIMER_LEN) == Some(4) {
            self.pm_timer = port(fadt, FADT_PM_TIMER);
        }
        if flags & FLAG_RESET_REGISTER != 0 {
            self.reset = register(fadt, FADT_RESET_REGISTER).zip(u8_at(fadt, FADT_RESET_VALUE));
        }
        let dsdt = u64_at(fadt, FADT_X_DSDT).filter(|&at| at != 0).or(u32_at(fadt, FADT_DSDT).map(u64::from));
        let kinds = dsdt.and_then(|at| table(at, read)).and_then(s5::sleep_types);
        self.soft_off = kinds.and_then(|(kind_a, kind_b)| {
            if reduced {
                return Some(SoftOff::Reduced { control: register(fadt, FADT_SLEEP_CONTROL)?, kind: kind_a });
            }
            let b = port(fadt, FADT_PM1B_CONTROL).map(|port| (port, kind_b));
            Some(SoftOff::Fixed { a: (port(fadt, FADT_PM1A_CONTROL)?, kind_a), b })
        });
    }
}

/// The addresses of all tables.
fn tables<'a>(rsdp: u64, read: Reader<'a>) -> Option<impl Iterator<Item = u64> + use<'a>> {
    let root = read(rsdp..rsdp.checked_add(RSDP_V1)?)?;
    if root.get(..8)? != SIGNATURE || !sums_to_zero(root) {
        return None;
    }
    let xsdt = match u8_at(root, RSDP_REVISION)? {
        0 | 1 => None,
        _ => {
            let root = read(rsdp..rsdp.checked_add(RSDP_V2)?)?;
            u64_at(root, RSDP_XSDT).filter(|&at| at != 0)
        }
    };
    let (list, width) = match xsdt.and_then(|at| table(at, read)) {
        Some(list) => (list, 8),
        None => (table(u64::from(u32_at(root, RSDP_RSDT)?), read)?, 4),
    };
    let entries = list.get(HEADER..)?.chunks_exact(width);
    Some(entries.filter_map(|entry| u64_at(entry, 0).or(u32_at(entry, 0).map(u64::from))))
}

/// The window of segment 0.
fn mcfg(bytes: &[u8]) -> Option<Ecam> {
    bytes.get(MCFG_ENTRIES..)?.chunks_exact(MCFG_ENTRY).find_map(|entry| {
        let ecam =
            Ecam { base: u64_at(entry, 0)?, first_bus: u8_at(entry, 10)?, last_bus: u8_at(entry, 11)? };
        (u16_at(entry, 8)? == 0 && ecam.first_bus <= ecam.last_bus).then_some(ecam)
    })
}

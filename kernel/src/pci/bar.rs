//! Base address registers: kind, place and size (PCI 3.0, 6.2.5.1). A size is learned by writing ones, which
//! moves the register for a moment; decoding is off meanwhile, so the function answers nowhere it should not.

use super::config::{Config, FIRST_BAR, HEADER_TYPE, IO, MEMORY};
use crate::mem::NoMemory;

/// A window of registers that a function offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Which register, 0 to 5; a wide one takes the next as well.
    pub index: u8,
    /// Physical address, or first I/O port; 0 if nobody has placed it.
    pub address: u64,
    /// Bytes, a power of two.
    pub size: u64,
    /// Memory or ports.
    pub kind: BarKind,
}

/// What a BAR is a window of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// Memory; `wide` takes a 64-bit address.
    Memory {
        /// Takes two registers.
        wide: bool,
        /// Reading has no side effects.
        prefetchable: bool,
    },
    /// I/O ports.
    Ports,
}

/// Why a BAR cannot be used; names the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarError {
    /// The function has no such register.
    Missing(u8),
    /// The register is of a reserved kind.
    Reserved(u8),
    /// It is a window of ports.
    NotMemory(u8),
    /// Firmware has given it no address.
    NotPlaced(u8),
    /// A structure lies beyond its end.
    TooSmall(u8),
    /// No memory for page tables.
    NoMemory(NoMemory),
}

impl core::fmt::Display for BarError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Missing(index) => write!(f, "BAR {index} does not exist"),
            Self::Reserved(index) => write!(f, "BAR {index} is of a reserved kind"),
            Self::NotMemory(index) => write!(f, "BAR {index} is not memory"),
            Self::NotPlaced(index) => write!(f, "BAR {index} has no address"),
            Self::TooSmall(index) => write!(f, "BAR {index} is too small for what should lie in it"),
            Self::NoMemory(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for BarError {}

const PORTS: u32 = 1 << 0;
const KIND: u32 = 3 << 1;
const WIDE: u32 = 2 << 1;
const PREFETCHABLE: u32 = 1 << 3;
const MEMORY_FLAGS: u32 = 0xf;
const PORT_FLAGS: u32 = 0x3;

/// Registers that the header has: six in an endpoint, two in a bridge.
fn registers(config: &impl Config) -> u8 {
    match config.read8(HEADER_TYPE) & 0x7f {
        0 => 6,
        1 => 2,
        _ => 0,
    }
}

/// Writes ones to the register at `offset`, reads what stuck, and puts the old value back.
fn writable_bits(config: &impl Config, offset: u16) -> u32 {
    let old = config.read32(offset);
    config.write32(offset, u32::MAX);
    let bits = config.read32(offset);
    config.write32(offset, old);
    bits
}

/// Whether register `index` is the second half of a wide one.
fn is_upper_half(config: &impl Config, index: u8) -> bool {
    (0..index).fold(false, |upper, index| {
        let low = config.read32(FIRST_BAR + u16::from(index) * 4);
        !upper && low & PORTS == 0 && low & KIND == WIDE
    })
}

/// Kind, address and size of register `index`.
pub fn probe(config: &impl Config, index: u8) -> Result<Bar, BarError> {
    let registers = registers(config);
    if index >= registers {
        return Err(BarError::Missing(index));
    }
    if is_upper_half(config, index) {
        return Err(BarError::Missing(index));
    }
    let offset = FIRST_BAR + u16::from(index) * 4;
    let command = config.command();
    config.write_command(command & !(IO | MEMORY));
    let (low, mask) = (config.read32(offset), writable_bits(config, offset));
    let wide = low & PORTS == 0 && low & KIND == WIDE && index + 1 < registers;
    let (high, high_mask) =
        if wide { (config.read32(offset + 4), writable_bits(config, offset + 4)) } else { (0, u32::MAX) };
    config.write_command(command);

    let (kind, flags) = if low & PORTS != 0 {
        (BarKind::Ports, PORT_FLAGS)
    } else if low & KIND == 0 || wide {
        (BarKind::Memory { wide, prefetchable: low & PREFETCHABLE != 0 }, MEMORY_FLAGS)
    } else {
        return Err(BarError::Reserved(index));
    };
    // Devices may leave the upper half of a port register unimplemented.
    let mask = if kind == BarKind::Ports { mask | 0xffff_0000 } else { mask };
    if mask & !flags & 0xffff_fff0 == 0 && (!wide || high_mask == 0) {
        return Err(BarError::Missing(index));
    }
    let mask = u64::from(high_mask) << 32 | u64::from(mask & !flags);
    let size = 1 << mask.trailing_zeros();
    Ok(Bar { index, address: u64::from(high) << 32 | u64::from(low & !flags), size, kind })
}

/// Places a memory BAR at `address`, which is a multiple of its size. Decoding is off meanwhile.
pub(super) fn place(config: &impl Config, bar: &Bar, address: u64) {
    let offset = FIRST_BAR + u16::from(bar.index) * 4;
    let command = config.command();
    config.write_command(command & !(IO | MEMORY));
    config.write32(offset, address as u32);
    if let BarKind::Memory { wide: true, .. } = bar.kind {
        config.write32(offset + 4, (address >> 32) as u32);
    }
    config.write_command(command);
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::Model;
    use super::*;

    /// A function with a 4 KiB memory BAR, 32 ports, and a 16 KiB wide one.
    fn model() -> Model {
        let mut model = Model::new();
        for (index, value, writable) in [
            (0, 0xfebd_1000_u32, 0xffff_f000_u32),
            (1, 0xc001, 0x0000_ffe0),
            (2, 0x0000_000c, 0xffff_c000),
            (3, 0x0000_00fe, 0xffff_ffff),
            (4, 0, 0),
            (5, 0x0000_0006, 0xffff_f000),
        ] {
            model.set(FIRST_BAR + index * 4, &value.to_le_bytes());
            model.writable[usize::from(FIRST_BAR / 4 + index)] = writable;
        }
        (&model).write_command(IO | MEMORY);
        model
    }

    #[test]
    fn sizes_every_kind_and_leaves_no_trace() {
        let model = model();
        let before = *model.words.borrow();
        let memory = |wide, prefetchable| BarKind::Memory { wide, prefetchable };
        let bar = |index, address, size, kind| Ok(Bar { index, address, size, kind });
        assert_eq!(probe(&&model, 0), bar(0, 0xfebd_1000, 4096, memory(false, false)));
        assert_eq!(probe(&&model, 1), bar(1, 0xc000, 32, BarKind::Ports));
        assert_eq!(probe(&&model, 2), bar(2, 0xfe_0000_0000, 0x4000, memory(true, true)));
        assert_eq!(probe(&&model, 3), Err(BarError::Missing(3)), "the upper half of 2");
        assert_eq!(probe(&&model, 4), Err(BarError::Missing(4)));
        assert_eq!(probe(&&model, 5), Err(BarError::Reserved(5)));
        assert_eq!(probe(&&model, 6), Err(BarError::Missing(6)));
        assert_eq!(*model.words.borrow(), before);
        assert!(!*model.moved_while_decoding.borrow());
    }

    #[test]
    fn a_window_of_four_gibibytes_is_sized_by_its_upper_half() {
        let mut model = model();
        model.writable[usize::from(FIRST_BAR / 4 + 2)] = 0;
        model.writable[usize::from(FIRST_BAR / 4 + 3)] = 0xffff_fffe;
        assert_eq!(probe(&&model, 2).unwrap().size, 8 << 30);
    }
}

//! BAR 0: the initialization segment, the MSI-X table, and UAR pages (facts E.1).
//!
//! Registers are big-endian. A UAR page that no ALLOC_UAR has handed out, and registers that do not exist, are not for
//! the driver: such accesses are noted as misuse and do nothing.

use crate::pci::{BAR_SIZE, MSIX_TABLE};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::CmdStatus;

/// Bytes of the initialization segment that hold registers, up to the MSI-X table.
const SEGMENT: u64 = 0x2000;
/// The end of the MSI-X structures.
const MSIX_END: u64 = 0x4000;
/// Bytes of a UAR page.
const UAR: u64 = 4096;

impl Device {
    /// The front end reads BAR 0.
    pub fn bar_read(&mut self, offset: u64, into: &mut [u8]) {
        if self.is_dead() || !self.pci.memory_space() {
            into.fill(0xff);
            return;
        }
        for (place, byte) in into.iter_mut().enumerate() {
            let at = offset + place as u64;
            *byte = match at {
                0..SEGMENT => self.segment_byte(at as usize),
                MSIX_TABLE..MSIX_END => self.msix_table.get((at - MSIX_TABLE) as usize).copied().unwrap_or(0),
                _ => 0,
            };
        }
    }

    /// The front end writes BAR 0.
    pub fn bar_write(&mut self, memory: &dyn Memory, offset: u64, from: &[u8]) {
        if self.is_dead() || !self.pci.memory_space() {
            return;
        }
        match offset {
            0..SEGMENT => self.write_segment(memory, offset, from),
            MSIX_TABLE..MSIX_END => {
                for (place, value) in from.iter().enumerate() {
                    if let Some(byte) = self.msix_table.get_mut((offset - MSIX_TABLE) as usize + place) {
                        *byte = *value;
                    }
                }
            }
            _ => self.write_uar(memory, offset, from),
        }
    }

    fn write_segment(&mut self, memory: &dyn Memory, offset: u64, from: &[u8]) {
        let Ok(word) = <[u8; 4]>::try_from(from) else {
            // A driver may write the command queue's address as one qword.
            if let (0x10, Ok(pair)) = (offset, <[u8; 8]>::try_from(from)) {
                self.write_segment(memory, 0x10, &pair[..4]);
                self.write_segment(memory, 0x14, &pair[4..]);
            } else {
                self.bad_access("register", offset, "access size");
            }
            return;
        };
        let word = u32::from_be_bytes(word);
        if !offset.is_multiple_of(4) {
            return self.bad_access("register", offset, "alignment");
        }
        match offset {
            0x10 => self.commands.set_address_high(word),
            0x14 => self.write_command_queue_low(word),
            0x18 => self.ring_commands(memory, word),
            0x1fc => self.log.note(format!("initializing: {word:#x} written")),
            0x200c => {}
            _ => self.bad_access("register", offset, "read-only"),
        }
    }

    fn write_uar(&mut self, memory: &dyn Memory, offset: u64, from: &[u8]) {
        let (page, within) = (offset / UAR, (offset % UAR) as u32);
        if offset >= BAR_SIZE || !self.hca.has_uar(page as u32) {
            return self.bad_access("uar", page, "page not allocated");
        }
        if !matches!(from.len(), 4 | 8 | 64) || !(within as usize).is_multiple_of(from.len().min(8)) {
            return self.bad_access("uar", page, "access size");
        }
        if !self.pci.bus_master() {
            return self.bad_access("uar", page, "bus mastering is off");
        }
        self.ring(memory, page as u32, within, from);
    }

    fn bad_access(&mut self, what: &'static str, number: u64, field: &'static str) {
        let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Value, field, 0);
        self.misuse(what, number as u32, refusal);
    }
}

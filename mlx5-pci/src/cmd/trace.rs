//! Commands in the hexdump form of Linux's `mlx5_core` (its debug log with `debug_mask=3`), so that two drivers, or a
//! driver and a record of real firmware, can be laid side by side.
//!
//! A command is dumped twice, INPUT and OUTPUT: 64 bytes of the queue entry, then each mailbox block of that direction.

use crate::prm::Opcode;
use alloc::vec::Vec;
use core::fmt;

/// Bytes of a mailbox block.
pub const BLOCK: usize = crate::prm::CmdProtBlock::SIZE;

/// One command with everything that lay in memory for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its opcode.
    pub opcode: u16,
    /// The queue entry as the driver had written it.
    pub entry: [u8; 64],
    /// The input's mailbox blocks.
    pub input: Vec<[u8; BLOCK]>,
    /// The queue entry as the device left it.
    pub answer: [u8; 64],
    /// The output's mailbox blocks as the device left them.
    pub output: Vec<[u8; BLOCK]>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (direction, entry, blocks) in
            [("INPUT", &self.entry, &self.input), ("OUTPUT", &self.answer, &self.output)]
        {
            writeln!(f, "dump command {}({:#x}) {direction}", Opcode(self.opcode), self.opcode)?;
            let mut offset = 0;
            dump(f, &mut offset, entry)?;
            writeln!(f)?;
            for block in blocks {
                writeln!(f, "command block:")?;
                dump(f, &mut offset, block)?;
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

fn dump(f: &mut fmt::Formatter<'_>, offset: &mut usize, bytes: &[u8]) -> fmt::Result {
    for line in bytes.chunks(16) {
        write!(f, "{offset:03x}:")?;
        for word in line.chunks(4) {
            write!(f, " ")?;
            for byte in word {
                write!(f, "{byte:02x}")?;
            }
        }
        writeln!(f)?;
        *offset += line.len();
    }
    Ok(())
}

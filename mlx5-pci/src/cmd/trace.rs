//! Commands in the hexdump form of Linux's `mlx5_core` (its debug log with `debug_mask=3`), so that two drivers, or a
//! driver and a record of real firmware, can be laid side by side.
//!
//! A command is dumped twice, INPUT and OUTPUT: 64 bytes of the queue entry, then each mailbox block of that direction.
//! Where Linux's form would have keys and salts there are ones.

use super::mailbox;
use crate::prm::{CmdProtBlock, EncryptionKeyObj, GeneralObjInCmdHdr, IpsecObj, ObjectType, Opcode};
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

/// Overwrites the key material of a command's input: `head` is the part in the entry, `blocks` the rest.
pub(super) fn hide_keys(opcode: Opcode, head: &[u8; 16], blocks: &mut [[u8; BLOCK]]) {
    let writes = matches!(opcode, Opcode::CREATE_GENERAL_OBJECT | Opcode::MODIFY_GENERAL_OBJECT);
    let Some(first) = blocks.first_mut().filter(|_| writes) else { return };
    // Objects begin behind the head, where the first mailbox does.
    match ObjectType(GeneralObjInCmdHdr::copy_from(head).obj_type()) {
        ObjectType::ENCRYPTION_KEY => {
            let mut object = EncryptionKeyObj::copy_from(first);
            object.set().key(&[0xff; 128]).sw_wrapped_dek(&[0xff; 128]);
            first[..EncryptionKeyObj::SIZE].copy_from_slice(object.as_bytes());
        }
        ObjectType::IPSEC => {
            let mut object = IpsecObj::copy_from(first);
            object.set().salt(u32::MAX).implicit_iv(u64::MAX);
            first[..IpsecObj::SIZE].copy_from_slice(object.as_bytes());
        }
        _ => return,
    }
    // The signature is a sum over what was there.
    let mut block = CmdProtBlock::copy_from(first);
    block.set().sig(0);
    let whole = mailbox::xor(block.as_bytes());
    block.set().sig(!whole);
    *first = *block.as_bytes();
}

//! Mailboxes: where the bytes of a command lie that do not fit its entry (facts E.2).
//!
//! 1. A mailbox is 576 bytes at a multiple of 1024; 512 of them are data.
//! 2. `next` links them, `block_num` counts them from 0, and all carry the token of their command.
//! 3. `ctrl_sig` covers 0x200 to 0x23d, `sig` all before it: the complement of the exclusive or. Firmware checks them
//!    only as long as `cmdif_checksum` says so, which is from reset until SET_HCA_CAP.
//!
//! The driver reads back only what lies in its own chain: `next` as the device left it is never followed.

use crate::hal::{DmaExt, DmaMem, Function, HalError};
use crate::prm::CmdProtBlock;
use alloc::vec;
use alloc::vec::Vec;
use zeroize::Zeroize;

/// Data bytes of a mailbox.
pub(crate) const DATA: usize = 512;
/// Distance of mailboxes: their size, rounded up to their alignment.
const STRIDE: usize = 1024;
/// Mailboxes in one block of memory.
const BLOCK: usize = 4096 / STRIDE;
/// What `ctrl_sig` covers.
const CONTROL: core::ops::Range<usize> = 0x200..0x23e;

/// Mailboxes of a message, by number, in the order of the message.
pub(crate) type Chain = Vec<usize>;

/// All mailboxes that there are. The pool grows to the largest command and stays.
pub(crate) struct Mailboxes<M> {
    blocks: Vec<M>,
    free: Vec<usize>,
}

impl<M: DmaMem> Mailboxes<M> {
    pub(crate) fn new() -> Self {
        Self { blocks: Vec::new(), free: Vec::new() }
    }

    /// A chain with room for `data` and for `length` bytes, signed.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn chain<F: Function<Mem = M>>(
        &mut self,
        function: &F,
        data: &[u8],
        length: usize,
        token: u8,
    ) -> Result<Chain, HalError> {
        let mut chain = Chain::new();
        for _ in 0..length.div_ceil(DATA) {
            match self.take(function) {
                Ok(mailbox) => chain.push(mailbox),
                Err(error) => {
                    self.free.append(&mut chain);
                    return Err(error);
                }
            }
        }
        for (number, mailbox) in chain.iter().enumerate() {
            let mut block = CmdProtBlock::build()
                .next(chain.get(number + 1).map_or(0, |next| self.iova(*next)))
                .block_num(number as u32)
                .token(token)
                .done();
            let part = data.chunks(DATA).nth(number).unwrap_or_default();
            block.as_bytes_mut()[..part.len()].copy_from_slice(part);
            let control = xor(&block.as_bytes()[CONTROL]);
            block.set().ctrl_sig(!control);
            let whole = xor(block.as_bytes());
            block.set().sig(!whole);
            self.write(*mailbox, block.as_bytes());
            // It may hold a key.
            block.as_bytes_mut().zeroize();
        }
        Ok(chain)
    }

    fn take<F: Function<Mem = M>>(&mut self, function: &F) -> Result<usize, HalError> {
        if self.free.is_empty() {
            let memory = function.alloc(BLOCK * STRIDE, 4096)?;
            if memory.bytes() < BLOCK * STRIDE {
                return Err(HalError::OutOfMemory { bytes: BLOCK * STRIDE });
            }
            let first = self.blocks.len() * BLOCK;
            self.blocks.push(memory);
            self.free.extend((first..first + BLOCK).rev());
        }
        self.free.pop().ok_or(HalError::OutOfMemory { bytes: STRIDE })
    }

    /// Where the device finds a chain; 0 for one without mailboxes.
    pub(crate) fn address(&self, chain: &Chain) -> u64 {
        chain.first().map_or(0, |mailbox| self.iova(*mailbox))
    }

    fn iova(&self, mailbox: usize) -> u64 {
        self.blocks[mailbox / BLOCK].iova() + (mailbox % BLOCK * STRIDE) as u64
    }

    fn write(&self, mailbox: usize, block: &[u8]) {
        self.blocks[mailbox / BLOCK].store(mailbox % BLOCK * STRIDE, block);
    }

    /// The blocks of a chain as they lie in memory.
    pub(crate) fn blocks(&self, chain: &Chain) -> Vec<[u8; CmdProtBlock::SIZE]> {
        let mut blocks = vec![[0; CmdProtBlock::SIZE]; chain.len()];
        for (mailbox, block) in chain.iter().zip(&mut blocks) {
            self.blocks[mailbox / BLOCK].load(mailbox % BLOCK * STRIDE, block);
        }
        blocks
    }

    /// The chain is not needed any more. What it held may be a key, so it is wiped.
    pub(crate) fn release(&mut self, chain: Chain) {
        for mailbox in &chain {
            self.write(*mailbox, &[0; CmdProtBlock::SIZE]);
        }
        self.free.extend(chain);
    }
}

/// The exclusive or of all bytes.
pub(crate) fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

//! Reaching guest memory through memory keys: bounds, rights, protection domain, translation.

use super::mkey::{Mkey, Translation};
use super::stages::RESERVED_LKEY;
use crate::{Device, Memory};

/// Translations of translations that are followed: KLM entries may name other keys.
const DEPTH: u32 = 3;

/// Why an access through a key fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFault {
    /// There is no such key, or its low byte is another.
    NoKey,
    /// The key is free: no UMR has set it up.
    Free,
    /// The key is of another protection domain.
    Domain,
    /// The key does not allow reading or writing.
    Rights,
    /// The access lies outside of the key's range.
    Bounds,
    /// The translation ends outside of guest memory.
    Unmapped,
}

/// What the device wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Device {
    /// Reads guest memory at `address` of `key` for an object of protection domain `pd`.
    ///
    /// # Errors
    /// [`KeyFault`]; `into` is then undefined.
    pub(crate) fn read_by_key(
        &self,
        memory: &dyn Memory,
        key: u32,
        pd: u32,
        address: u64,
        into: &mut [u8],
    ) -> Result<(), KeyFault> {
        let mut done = 0;
        for (bus, length) in self.translate(key, pd, address, into.len() as u64, Access::Read)? {
            let length = length as usize;
            memory.read(bus, &mut into[done..done + length]).map_err(|_| KeyFault::Unmapped)?;
            done += length;
        }
        Ok(())
    }

    /// Writes guest memory at `address` of `key` for an object of protection domain `pd`.
    ///
    /// # Errors
    /// [`KeyFault`]; what came before the fault may have been written.
    pub(crate) fn write_by_key(
        &self,
        memory: &dyn Memory,
        key: u32,
        pd: u32,
        address: u64,
        from: &[u8],
    ) -> Result<(), KeyFault> {
        let mut done = 0;
        for (bus, length) in self.translate(key, pd, address, from.len() as u64, Access::Write)? {
            let length = length as usize;
            memory.write(bus, &from[done..done + length]).map_err(|_| KeyFault::Unmapped)?;
            done += length;
        }
        Ok(())
    }

    /// The bus addresses behind `length` bytes at `address` of `key`, in order, each with its length.
    ///
    /// # Errors
    /// [`KeyFault`] when the key does not allow the access.
    pub(crate) fn translate(
        &self,
        key: u32,
        pd: u32,
        address: u64,
        length: u64,
        access: Access,
    ) -> Result<Vec<(u64, u64)>, KeyFault> {
        let mut pieces = Vec::new();
        self.translate_into(&mut pieces, (key, pd), (address, length), access, DEPTH)?;
        Ok(pieces)
    }

    fn translate_into(
        &self,
        pieces: &mut Vec<(u64, u64)>,
        (key, pd): (u32, u32),
        (address, length): (u64, u64),
        access: Access,
        depth: u32,
    ) -> Result<(), KeyFault> {
        if length == 0 {
            return Ok(());
        }
        if key == RESERVED_LKEY {
            pieces.push((address, length));
            return Ok(());
        }
        let mkey = self.mkey(key).ok_or(KeyFault::NoKey)?;
        mkey.check(pd, address, length, access)?;
        if depth == 0 {
            return Err(KeyFault::Bounds);
        }
        let mut offset = address.wrapping_sub(mkey.start());
        let mut left = length;
        while left > 0 {
            let piece = match mkey.translation() {
                Translation::Physical => {
                    pieces.push((address, length));
                    return Ok(());
                }
                Translation::Pages { shift, list } => {
                    let page = usize::try_from(offset >> shift).map_err(|_| KeyFault::Bounds)?;
                    let base = list.get(page).ok_or(KeyFault::Bounds)?;
                    let within = offset & ((1 << shift) - 1);
                    let piece = left.min((1 << shift) - within);
                    pieces.push(((base & !7) + within, piece));
                    piece
                }
                Translation::Keys { uniform, list } => {
                    let (entry, within) = locate(*uniform, list, offset).ok_or(KeyFault::Bounds)?;
                    let piece = left.min(entry.length - within);
                    let target = (entry.address.wrapping_add(within), piece);
                    self.translate_into(pieces, (entry.key, pd), target, access, depth - 1)?;
                    piece
                }
            };
            offset += piece;
            left -= piece;
        }
        Ok(())
    }

    fn mkey(&self, key: u32) -> Option<&Mkey> {
        self.hca.mkeys.get(key >> 8).filter(|mkey| u32::from(mkey.variant()) == key & 0xff)
    }
}

fn locate(
    uniform: Option<u32>,
    list: &[super::mkey::KeyEntry],
    mut offset: u64,
) -> Option<(super::mkey::KeyEntry, u64)> {
    if let Some(shift) = uniform {
        let entry = *list.get(usize::try_from(offset >> shift).ok()?)?;
        return Some((entry, offset & ((1 << shift) - 1)));
    }
    for entry in list {
        if offset < entry.length {
            return Some((*entry, offset));
        }
        offset -= entry.length;
    }
    None
}

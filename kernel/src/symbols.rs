//! Names for code addresses. The image tool appends a table behind the image (its own loadable segment);
//! an image without one prints bare addresses.
//!
//! ```text
//! 0   magic "RVLNSYM1"      8 bytes
//! 8   count of symbols      u32
//! 12  bytes of names        u32
//! 16  count x { address u32, offset of its name u32 }, by address
//!     names, UTF-8, each ended by a zero byte
//! ```
//! All numbers are little-endian. A name is already demangled.

use core::ops::Range;

use spin::Once;

/// First bytes of a table.
pub const MAGIC: [u8; 8] = *b"RVLNSYM1";
/// Bytes before the first entry.
pub const HEADER: usize = 16;
/// Bytes of one entry.
pub const ENTRY: usize = 8;
/// A table longer than this is damage.
const LIMIT: usize = 4 << 20;

/// A table of names, checked for its bounds on every access.
#[derive(Debug, Clone, Copy)]
pub struct Symbols<'a> {
    entries: &'a [u8],
    names: &'a [u8],
}

static TABLE: Once<(Symbols<'static>, Range<u64>)> = Once::new();

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Bytes of the table whose header this is, or `None` if it is not one.
pub fn table_len(header: &[u8]) -> Option<usize> {
    if header.get(..8)? != MAGIC {
        return None;
    }
    let entries = (u32_at(header, 8)? as usize).checked_mul(ENTRY)?;
    let len = HEADER.checked_add(entries)?.checked_add(u32_at(header, 12)? as usize)?;
    (len <= LIMIT).then_some(len)
}

impl<'a> Symbols<'a> {
    /// The table in `bytes`, if it is one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let len = table_len(bytes)?;
        let names = HEADER + u32_at(bytes, 8)? as usize * ENTRY;
        Some(Self { entries: bytes.get(HEADER..names)?, names: bytes.get(names..len)? })
    }

    /// The symbol that `address` lies in or behind, and the distance from its start.
    pub fn look_up(&self, address: u64) -> Option<(&'a str, u64)> {
        let address = u32::try_from(address).ok()?;
        let start = |index: usize| u32_at(self.entries, index * ENTRY);
        let (mut low, mut high) = (0, self.entries.len() / ENTRY);
        while low < high {
            let middle = low.midpoint(high);
            if start(middle)? <= address { low = middle + 1 } else { high = middle }
        }
        let index = low.checked_sub(1)?;
        let name = self.names.get(u32_at(self.entries, index * ENTRY + 4)? as usize..)?;
        let name = name.split(|&byte| byte == 0).next()?;
        Some((core::str::from_utf8(name).ok()?, u64::from(address - start(index)?)))
    }
}

/// Makes `table` the one that reports use. It names what lies in `text`.
pub(crate) fn install(table: &'static [u8], text: Range<u64>) {
    if let Some(symbols) = Symbols::parse(table) {
        TABLE.call_once(|| (symbols, text));
    }
}

fn name(address: u64) -> Option<(&'static str, u64)> {
    let (table, text) = TABLE.get()?;
    text.contains(&address).then(|| table.look_up(address))?
}

/// The address of an instruction; prints as `address symbol+offset`, or as the address alone.
#[derive(Debug, Clone, Copy)]
pub struct Code(pub u64);

/// The address that a call returns to. It belongs to the call before it, even where no instruction of the same
/// function follows.
#[derive(Debug, Clone, Copy)]
pub struct Return(pub u64);

fn show(f: &mut core::fmt::Formatter<'_>, address: u64, symbol: Option<(&str, u64)>) -> core::fmt::Result {
    match symbol {
        Some((name, offset)) => write!(f, "{address:#010x} {name}+{offset:#x}"),
        None => write!(f, "{address:#010x}"),
    }
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        show(f, self.0, name(self.0))
    }
}

impl core::fmt::Display for Return {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let symbol = self.0.checked_sub(1).and_then(name);
        show(f, self.0, symbol.map(|(name, offset)| (name, offset + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let names = b"first\0second\0third\0";
        let mut bytes = MAGIC.to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend((names.len() as u32).to_le_bytes());
        for (address, name) in [(0x10_0000_u32, 0_u32), (0x10_0040, 6), (0x10_1000, 13)] {
            bytes.extend(address.to_le_bytes());
            bytes.extend(name.to_le_bytes());
        }
        bytes.extend(names);
        bytes
    }

    #[test]
    fn finds_the_symbol_below_an_address() {
        let bytes = table();
        let symbols = Symbols::parse(&bytes).unwrap();
        assert_eq!(symbols.look_up(0x0f_ffff), None);
        assert_eq!(symbols.look_up(0x10_0000), Some(("first", 0)));
        assert_eq!(symbols.look_up(0x10_003f), Some(("first", 0x3f)));
        assert_eq!(symbols.look_up(0x10_0040), Some(("second", 0)));
        assert_eq!(symbols.look_up(0x20_0000), Some(("third", 0xff000)));
        assert_eq!(symbols.look_up(1 << 40), None);
    }

    #[test]
    fn a_damaged_table_gives_no_names_and_no_panic() {
        let good = table();
        for len in 0..good.len() {
            assert!(Symbols::parse(&good[..len]).is_none());
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            if let Some(symbols) = Symbols::parse(&bad) {
                let _ = symbols.look_up(0x10_0050);
            }
        }
    }
}

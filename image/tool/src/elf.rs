//! The part of ELF64 that the image needs: reading its headers, segments and symbols, and writing it again without
//! sections but with a table of names for its own fatal-trap report (System V ABI, chapters 4 and 5; PVH note of Xen).
//!
//! Little-endian x86-64 only. Every read is checked; a damaged file ends in [`Malformed`].

use core::ops::Range;

/// The file ends early, or a header points outside it. Carries what was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "not a readable ELF64 file: {}", self.0)
    }
}

// Offsets in the file header.
const TYPE_AT: usize = 16;
const PHOFF_AT: usize = 32;
const SHOFF_AT: usize = 40;
const PHNUM_AT: usize = 56;
const SHNUM_AT: usize = 60;
const SHSTRNDX_AT: usize = 62;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

/// `e_type` of a file that runs at the addresses it names.
pub(crate) const TYPE_EXEC: u16 = 2;
/// `p_type` values.
pub(crate) const NULL: u32 = 0;
pub(crate) const LOAD: u32 = 1;
pub(crate) const DYNAMIC: u32 = 2;
pub(crate) const INTERP: u32 = 3;
pub(crate) const NOTE: u32 = 4;
/// `p_flags` bits.
pub(crate) const EXECUTE: u32 = 1;
pub(crate) const WRITE: u32 = 2;
pub(crate) const READ: u32 = 4;
const SYMTAB: u32 = 2;
const FUNCTION: u8 = 2;
/// Xen's note that holds the 32-bit entry point.
const PHYS32_ENTRY: u32 = 18;

/// One program header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) file: Range<usize>,
    pub(crate) memory: Range<u64>,
}

/// One section header.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) size: u64,
    pub(crate) allocated: bool,
    /// Whether it takes room in the file.
    pub(crate) stored: bool,
}

/// One symbol.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) function: bool,
    /// Index into [`Elf::sections`]; `None` for undefined; absolute symbols have an index that no section has.
    pub(crate) section: Option<usize>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct Elf<'a> {
    bytes: &'a [u8],
    pub(crate) kind: u16,
    pub(crate) segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
    pub(crate) symbols: Vec<Symbol>,
}

fn array<const N: usize>(bytes: &[u8], at: usize, what: &'static str) -> Result<[u8; N], Malformed> {
    let end = at.checked_add(N).ok_or(Malformed(what))?;
    bytes.get(at..end).and_then(|slice| slice.try_into().ok()).ok_or(Malformed(what))
}

fn u16_at(bytes: &[u8], at: usize, what: &'static str) -> Result<u16, Malformed> {
    array(bytes, at, what).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize, what: &'static str) -> Result<u32, Malformed> {
    array(bytes, at, what).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize, what: &'static str) -> Result<u64, Malformed> {
    array(bytes, at, what).map(u64::from_le_bytes)
}

fn usize_at(bytes: &[u8], at: usize, what: &'static str) -> Result<usize, Malformed> {
    usize::try_from(u64_at(bytes, at, what)?).map_err(|_| Malformed(what))
}

/// The zero-ended string at `at` of a string table.
fn string(table: &[u8], at: u32) -> String {
    let rest = usize::try_from(at).ok().and_then(|at| table.get(at..)).unwrap_or_default();
    let name = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

impl<'a> Elf<'a> {
    /// Reads the headers and the symbol table.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, Malformed> {
        if bytes.get(..6) != Some(b"\x7fELF\x02\x01") {
            return Err(Malformed("magic, class or byte order"));
        }
        let kind = u16_at(bytes, TYPE_AT, "type")?;
        let mut segments = Vec::new();
        let table = usize_at(bytes, PHOFF_AT, "program headers")?;
        // From here on, offsets into the table cannot overflow.
        if table > bytes.len() {
            return Err(Malformed("program headers"));
        }
        for index in 0..usize::from(u16_at(bytes, PHNUM_AT, "program headers")?) {
            segments.push(segment(bytes, table + index * PROGRAM_HEADER)?);
        }
        let mut elf = Elf { bytes, kind, segments, sections: Vec::new(), symbols: Vec::new() };
        elf.read_sections()?;
        Ok(elf)
    }

    fn read_sections(&mut self) -> Result<(), Malformed> {
        const WHAT: &str = "section headers";
        let bytes = self.bytes;
        let table = usize_at(bytes, SHOFF_AT, WHAT)?;
        if table > bytes.len() {
            return Err(Malformed(WHAT));
        }
        let count = usize::from(u16_at(bytes, SHNUM_AT, WHAT)?);
        let header = |index: usize| table + index * SECTION_HEADER;
        let content = |index: usize| -> Result<&[u8], Malformed> {
            let start = usize_at(bytes, header(index) + 24, WHAT)?;
            let size = usize_at(bytes, header(index) + 32, WHAT)?;
            bytes.get(start..start.saturating_add(size)).ok_or(Malformed(WHAT))
        };
        for index in 0..count {
            let at = header(index);
            let kind = u32_at(bytes, at + 4, WHAT)?;
            const NOBITS: u32 = 8;
            const ALLOC: u64 = 2;
            self.sections.push(Section {
                size: u64_at(bytes, at + 32, WHAT)?,
                allocated: u64_at(bytes, at + 8, WHAT)? & ALLOC != 0,
                stored: kind != NOBITS,
            });
            if kind == SYMTAB {
                let link = usize::try_from(u32_at(bytes, at + 40, WHAT)?).map_err(|_| Malformed(WHAT))?;
                self.symbols = symbols(content(index)?, content(link)?)?;
            }
        }
        Ok(())
    }

    /// The entry point in the PVH note, if the file has one.
    pub(crate) fn pvh_entry(&self) -> Option<u64> {
        let notes = self.segments.iter().filter(|segment| segment.kind == NOTE);
        notes.filter_map(|note| self.bytes.get(note.file.clone())).find_map(pvh_entry)
    }

    /// The file as it is shipped: without sections, and with `names` (may be empty) as a read-only segment behind the
    /// image in the place of its empty program header.
    pub(crate) fn shipped(&self, names: &[u8]) -> Result<Vec<u8>, Malformed> {
        let loaded = || self.segments.iter().filter(|segment| segment.kind == LOAD);
        let end = loaded().map(|segment| segment.file.end).max().ok_or(Malformed("no segment to load"))?;
        let mut out = self.bytes.get(..end).ok_or(Malformed("segment"))?.to_vec();
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(field) = out.get_mut(at..at + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        put(SHOFF_AT, &[0; 8]);
        put(SHNUM_AT, &[0; 2]);
        put(SHSTRNDX_AT, &[0; 2]);
        let free = self.segments.iter().position(|segment| segment.kind == NULL);
        let (Some(free), false) = (free, names.is_empty()) else { return Ok(out) };
        let memory_end = loaded().map(|segment| segment.memory.end).max().unwrap_or(0);
        let address = memory_end.next_multiple_of(0x1000);
        let table = usize_at(self.bytes, PHOFF_AT, "program headers")?;
        // Loaders want the offset congruent to the address modulo the alignment.
        let offset = out.len().next_multiple_of(0x1000);
        let length = names.len() as u64;
        let mut header = Vec::new();
        header.extend(LOAD.to_le_bytes());
        header.extend(READ.to_le_bytes());
        for field in [offset as u64, address, address, length, length, 0x1000] {
            header.extend(field.to_le_bytes());
        }
        let at = table + free * PROGRAM_HEADER;
        out.get_mut(at..at + PROGRAM_HEADER).ok_or(Malformed("program headers"))?.copy_from_slice(&header);
        out.resize(offset, 0);
        out.extend(names);
        Ok(out)
    }
}

fn segment(bytes: &[u8], at: usize) -> Result<Segment, Malformed> {
    const WHAT: &str = "program header";
    let start = usize_at(bytes, at + 8, WHAT)?;
    let stored = usize_at(bytes, at + 32, WHAT)?;
    let address = u64_at(bytes, at + 16, WHAT)?;
    let end = start.checked_add(stored).filter(|&end| end <= bytes.len()).ok_or(Malformed(WHAT))?;
    Ok(Segment {
        kind: u32_at(bytes, at, WHAT)?,
        flags: u32_at(bytes, at + 4, WHAT)?,
        file: start..end,
        memory: address..address.saturating_add(u64_at(bytes, at + 40, WHAT)?),
    })
}

fn symbols(table: &[u8], names: &[u8]) -> Result<Vec<Symbol>, Malformed> {
    const WHAT: &str = "symbol";
    let mut symbols = Vec::new();
    // The first symbol is empty by definition.
    for entry in table.chunks_exact(SYMBOL).skip(1) {
        let section = u16_at(entry, 6, WHAT)?;
        symbols.push(Symbol {
            name: string(names, u32_at(entry, 0, WHAT)?),
            address: u64_at(entry, 8, WHAT)?,
            size: u64_at(entry, 16, WHAT)?,
            function: entry.get(4).is_some_and(|info| info & 0xf == FUNCTION),
            section: (section != 0).then_some(usize::from(section)),
        });
    }
    Ok(symbols)
}

/// Walks the notes of one segment.
fn pvh_entry(mut notes: &[u8]) -> Option<u64> {
    const WHAT: &str = "note";
    loop {
        let name_size = usize::try_from(u32_at(notes, 0, WHAT).ok()?).ok()?;
        let size = usize::try_from(u32_at(notes, 4, WHAT).ok()?).ok()?;
        let kind = u32_at(notes, 8, WHAT).ok()?;
        let name = notes.get(12..12usize.checked_add(name_size)?)?;
        let start = 12 + name_size.next_multiple_of(4);
        let description = notes.get(start..start.checked_add(size)?)?;
        if name == b"Xen\0" && kind == PHYS32_ENTRY {
            let mut address = [0; 8];
            let count = description.len().min(8);
            address.get_mut(..count)?.copy_from_slice(description.get(..count)?);
            return Some(u64::from_le_bytes(address));
        }
        notes = notes.get(start + size.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests;

//! `cargo xtask image`: builds the bin `ravelin` for release, checks what a boot depends on, ships it as
//! `target/image/ravelin.elf`, and prints its size by crate and against the budget.

use crate::elf::{self, Elf, Malformed};
use core::fmt::Write;
use ravelin_tests::paths;
use rustc_demangle::demangle;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

/// The image's budget, in bytes of the shipped file.
pub(crate) const BUDGET: u64 = 2 << 20;

const UNNAMED: &str = "(constants unnamed)";

/// Why there is no image.
#[derive(Debug)]
pub(crate) enum Error {
    /// `cargo build` failed; it has said why.
    Build,
    /// A file could not be read or written.
    Io(PathBuf, io::Error),
    /// What cargo built cannot be read.
    Elf(Malformed),
    /// The image breaks promises; one sentence each.
    Broken(Vec<String>),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Build => write!(f, "the image does not build"),
            Error::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Elf(error) => write!(f, "{error}"),
            Error::Broken(promises) => write!(f, "the image is not fit to boot: {}", promises.join("; ")),
        }
    }
}

/// Builds, checks and ships the image; returns where it is and the report on its size.
pub(crate) fn build() -> Result<(PathBuf, String), Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--release", "-p", "image", "--bin", "ravelin"];
    let built = Command::new(cargo).args(arguments).current_dir(paths::root()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err(Error::Build);
    }
    let from = paths::target().join("release/ravelin");
    let bytes = fs::read(&from).map_err(|error| Error::Io(from, error))?;
    let elf = Elf::parse(&bytes).map_err(Error::Elf)?;
    let broken = broken_promises(&elf);
    if !broken.is_empty() {
        return Err(Error::Broken(broken));
    }
    let shipped = elf.shipped(&names(&elf)).map_err(Error::Elf)?;
    let to = paths::target().join("image/ravelin.elf");
    let write = |path: &PathBuf, bytes: &[u8]| fs::write(path, bytes).map_err(|e| Error::Io(path.clone(), e));
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(|error| Error::Io(dir.into(), error))?;
    }
    // With sections, for a debugger.
    write(&to.with_extension("debug.elf"), &bytes)?;
    write(&to, &shipped)?;
    let report = report(&elf, shipped.len() as u64);
    if shipped.len() as u64 > BUDGET {
        println!("{report}");
        let over = format!("{} bytes are over the budget of {BUDGET}", shipped.len());
        return Err(Error::Broken(vec![over]));
    }
    Ok((to, report))
}

/// What a boot depends on and the file does not keep.
fn broken_promises(elf: &Elf<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if elf.kind != elf::TYPE_EXEC {
        broken.push(format!("its type is {}, not EXEC: it is not linked to fixed addresses", elf.kind));
    }
    for segment in &elf.segments {
        match segment.kind {
            elf::DYNAMIC => broken.push("it has a dynamic section".into()),
            elf::INTERP => broken.push("it asks for an interpreter".into()),
            _ => {}
        }
    }
    for symbol in elf.symbols.iter().filter(|symbol| symbol.section.is_none() && !symbol.name.is_empty()) {
        broken.push(format!("the symbol {} is undefined", symbol.name));
    }
    if elf.symbols.is_empty() {
        broken.push("it has no symbol table, so nothing can be said about its symbols".into());
    }
    let loaded = || elf.segments.iter().filter(|segment| segment.kind == elf::LOAD);
    match elf.pvh_entry() {
        None => broken.push("it carries no PVH note".into()),
        Some(entry) => {
            let code = |segment: &&elf::Segment| segment.flags & elf::EXECUTE != 0;
            if !loaded().filter(code).any(|segment| segment.memory.contains(&entry)) {
                broken.push(format!("the PVH entry {entry:#x} is not in its code"));
            }
        }
    }
    for segment in loaded() {
        if segment.flags & elf::WRITE != 0 && segment.flags & elf::EXECUTE != 0 {
            broken.push(format!("the segment at {:#x} is writable and executable", segment.memory.start));
        }
        for other in loaded().filter(|other| other.flags != segment.flags) {
            let page = |address: u64| address / 0x1000;
            if segment.memory.start < other.memory.start
                && !segment.memory.is_empty()
                && page(segment.memory.end - 1) >= page(other.memory.start)
            {
                broken.push(format!("two kinds of memory share the page of {:#x}", other.memory.start));
            }
        }
    }
    broken
}

/// The image's own table of names for code (layout: `kernel/src/symbols.rs`).
fn names(elf: &Elf<'_>) -> Vec<u8> {
    let mut functions: BTreeMap<u32, String> = BTreeMap::new();
    for symbol in elf.symbols.iter().filter(|symbol| symbol.function) {
        if let Ok(address) = u32::try_from(symbol.address) {
            functions.insert(address, format!("{:#}", demangle(&symbol.name)));
        }
    }
    let (mut entries, mut names) = (Vec::new(), Vec::new());
    for (address, name) in &functions {
        entries.extend(address.to_le_bytes());
        entries.extend((names.len() as u32).to_le_bytes());
        names.extend(name.as_bytes());
        names.push(0);
    }
    let mut table = b"RVLNSYM1".to_vec();
    table.extend((functions.len() as u32).to_le_bytes());
    table.extend((names.len() as u32).to_le_bytes());
    table.extend(entries);
    table.extend(names);
    table
}

/// The table that is printed.
fn report(elf: &Elf<'_>, shipped: u64) -> String {
    let (mut crates, mut named): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
    let mut last = None;
    let mut symbols: Vec<_> = elf.symbols.iter().filter(|symbol| symbol.size > 0).collect();
    symbols.sort_by_key(|symbol| (symbol.address, core::cmp::Reverse(symbol.size)));
    for symbol in symbols {
        let section = symbol.section.and_then(|index| elf.sections.get(index));
        // Aliases of one address count once; what takes no room in the file is counted below.
        if last == Some(symbol.address) || !section.is_some_and(|section| section.allocated && section.stored)
        {
            continue;
        }
        last = Some(symbol.address);
        if crate_of(&symbol.name) == UNNAMED {
            continue;
        }
        *crates.entry(crate_of(&symbol.name)).or_default() += symbol.size;
        named += symbol.size;
    }
    let allocated = |stored: bool| -> u64 {
        elf.sections.iter().filter(|s| s.allocated && s.stored == stored).map(|s| s.size).sum()
    };
    let mut rows: Vec<(String, u64)> = crates.into_iter().collect();
    rows.sort_by_key(|(_, size)| core::cmp::Reverse(*size));
    let mut out = String::from("crate                        bytes\n");
    for (name, size) in rows {
        let _ = writeln!(out, "{name:<22} {size:>11}");
    }
    let _ = writeln!(out, "{:<22} {:>11}", UNNAMED, allocated(true).saturating_sub(named));
    let _ = writeln!(out, "{:<22} {:>11}", "(zeroed at boot)", allocated(false));
    let share = shipped as f64 * 100.0 / BUDGET as f64;
    let _ = writeln!(out, "ravelin.elf {shipped} bytes, {share:.1} % of the budget of {BUDGET}");
    out
}

/// The crate that a mangled name belongs to: the first path segment; for an implementation that of the type, or of the
/// trait where the type is a primitive or a parameter.
fn crate_of(mangled: &str) -> String {
    let name = format!("{:#}", demangle(mangled));
    if name == mangled {
        let constant = name.starts_with("anon.") || name.starts_with(".L");
        return if constant { UNNAMED } else { "(assembly and builtins)" }.into();
    }
    // `<&mut [T] as core::fmt::Debug>::fmt`: the first word that a path goes on from.
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let first = words.filter_map(|word| word.split_once("::")).find(|(first, _)| !first.is_empty());
    first.map_or("core", |(first, _)| first).to_string()
}

#[cfg(test)]
mod tests;

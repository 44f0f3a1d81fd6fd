//! From the first Rust instruction to the program: what the loader handed over, then one step after the
//! other. The order matters and is the order of [`start`].
#![expect(unsafe_code, reason = "reads what the loader left in memory")]

use core::ops::Range;

use spin::Once;

use crate::acpi::{self, Acpi};
use crate::mem::map::{MemoryMap, Ranges};
use crate::{Exit, apic, console, cpu, mem, pci, power, report, rng, selftest, symbols, time, trap};

mod assembly;
pub mod start_info;

use start_info::StartInfo;

/// Where the parts of the image lie, from link.ld.
#[derive(Debug, Clone)]
pub struct Image {
    /// Code.
    pub text: Range<u64>,
    /// Constants.
    pub rodata: Range<u64>,
    /// Variables and stacks, to the end of the image.
    pub data: Range<u64>,
}

static IMAGE: Once<Image> = Once::new();

/// Where the parts of the running image lie; `None` on a host.
pub(crate) fn image() -> Option<&'static Image> {
    IMAGE.get()
}

/// What the machine handed over.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// The command line; empty if there is none or it is not UTF-8.
    pub command_line: &'static str,
    modules: &'static [u8],
}

impl Machine {
    /// The boot modules, in the loader's order.
    pub fn modules(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        start_info::modules(self.modules).map(|range| {
            // SAFETY: the loader put a module there; boot has mapped it read-only and reserved its frames.
            unsafe { bytes_at(range) }
        })
    }

    /// The value of `name=value` on the command line.
    pub fn option(&self, name: &str) -> Option<&'static str> {
        self.command_line
            .split_ascii_whitespace()
            .find_map(|word| word.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
    }
}

/// Ends the run before there is a log: one line, and the exit code of a bad start.
fn refuse(why: core::fmt::Arguments<'_>) -> ! {
    use core::fmt::Write;
    let _ = writeln!(console::Serial, "FATAL cannot boot: {why}");
    power::exit(Exit::Boot)
}

/// Bytes of physical memory.
///
/// # Safety
/// The range is mapped, holds initialised memory, and nobody writes to it as long as the slice is used.
unsafe fn bytes_at(range: Range<u64>) -> &'static [u8] {
    if range.is_empty() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(range.start as *const u8, (range.end - range.start) as usize) }
}

/// Where `bytes` lie.
fn address_range(bytes: &[u8]) -> Range<u64> {
    let range = bytes.as_ptr_range();
    range.start as u64..range.end as u64
}

/// What boot.s has mapped. Nothing that the loader points to may lie beyond.
pub(crate) const MAPPED: u64 = 1 << 30;

/// Bytes that the loader points to, if they lie in what is mapped.
fn loaded(range: Range<u64>) -> &'static [u8] {
    if range.start == 0 || range.end > MAPPED || range.start > range.end {
        return &[];
    }
    // SAFETY: mapped by boot.s and written by the loader before the first instruction. What is kept of it is
    // reserved below; the rest is read before any memory is given out.
    unsafe { bytes_at(range) }
}

/// Sets the machine up and runs `main`.
///
/// # Safety
/// Called once, by the assembly, with its arguments and the image's own section addresses.
#[doc(hidden)]
pub unsafe fn start(start_info: u64, first_tsc: u64, image: Image, main: fn(Machine) -> Exit) -> ! {
    time::start(first_tsc);
    console::init();
    console::set_level(log::LevelFilter::Info);
    report::set_text(&image.text);
    let image = IMAGE.call_once(|| image);
    // SAFETY: the one call; IF has been 0 since the first instruction.
    unsafe { trap::init() };
    cpu::enable_protections();

    let Some(info) = StartInfo::parse(loaded(start_info..start_info.saturating_add(start_info::LEN as u64)))
    else {
        refuse(format_args!("no PVH start info at {start_info:#x}"))
    };
    let command_line = loaded(info.command_line..info.command_line.saturating_add(4096).min(MAPPED));
    let command_line = command_line.split(|&byte| byte == 0).next().unwrap_or_default();
    let command_line = core::str::from_utf8(command_line).unwrap_or_default();
    let modules = loaded(info.module_list());
    let map = MemoryMap::new(start_info::memory_map(loaded(info.memory_map())));

    let symbols = symbol_table(image.data.end);
    let mut reserved = Ranges::default();
    let mut fits = true;
    for range in [image.text.start..image.data.end, symbols.clone()] {
        fits &= reserved.push(range);
    }
    for kept in [command_line.as_bytes(), modules] {
        fits &= reserved.push(address_range(kept));
    }
    for module in start_info::modules(modules) {
        fits &= reserved.push(module);
    }
    if !fits {
        refuse(format_args!("too many modules"));
    }
    // SAFETY: the one call, with 1 GiB mapped; reserved covers the image, its symbols, the command line, the
    // modules and their list. Nothing else of the loader's is used from here on.
    if let Err(error) = unsafe { mem::init(&map, &reserved, image) } {
        refuse(format_args!("{error}"));
    }
    // SAFETY: mapped read-only by mem::init and reserved.
    symbols::install(unsafe { bytes_at(symbols) }, image.text.clone());

    let machine = Machine { command_line, modules };
    if let Some(level) = machine.option("log").and_then(|level| level.parse().ok()) {
        console::set_level(level);
    }
    if let Err(error) = devices(info.rsdp) {
        refuse(format_args!("{error}"));
    }
    if let Some(name) = machine.option("selftest") {
        selftest::run(name, &machine);
    }
    let code = main(machine);
    log::info!("end: {code:?}");
    power::exit(code)
}

/// The symbol table that the image tool put behind the image, or an empty range.
fn symbol_table(image_end: u64) -> Range<u64> {
    let at = image_end.next_multiple_of(mem::FRAME);
    let header = loaded(at..at + symbols::HEADER as u64);
    let len = symbols::table_len(header).unwrap_or(0) as u64;
    at..at + len
}

/// Sets up what needs more than the CPU: interrupts, time, randomness, PCI, power.
fn devices(rsdp: u64) -> Result<(), mem::NoMemory> {
    /// Where a PC's firmware keeps the root pointer.
    const FIRMWARE: Range<u64> = 0xe_0000..0x10_0000;
    let rsdp = match rsdp {
        0 => acpi::find_root(loaded(FIRMWARE)).map_or(0, |at| FIRMWARE.start + at as u64),
        known => known,
    };
    let facts = Acpi::read(rsdp, &|range: Range<u64>| {
        mem::map_firmware(range.clone()).ok()?;
        // SAFETY: firmware's tables, mapped read-only or RAM that boot has not given out yet; they stay.
        Some(unsafe { bytes_at(range) })
    });
    log::debug!("{facts:x?}");
    power::init(facts)?;
    apic::init()?;
    time::calibrate::run(facts.pm_timer);
    time::set_wall_clock(facts.century);
    rng::init();
    let reduced = matches!(facts.soft_off, Some(acpi::SoftOff::Reduced { .. }));
    pci::init(facts.ecam, reduced)
}

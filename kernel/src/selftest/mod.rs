//! `selftest=NAME` on the command line: provokes one thing that the kernel promises, in ring 0, instead of
//! running the program. The suite `kernel` of `tests/` calls each and holds it to its report and exit code.
//!
//! Names under [`FATAL`] end in the fatal-trap report. The others print `selftest NAME: ok …` and switch the
//! machine off, or `selftest NAME: FAILED …` and [`Exit::Failure`].
#![expect(unsafe_code, reason = "breaks the rules on purpose")]

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;
use core::fmt::Write;
use core::hint::black_box;

use crate::{Exit, Machine, apic, console, cpu, idle, mem, power, report, rng, time};

mod msix;
mod pages;
mod speed;

/// What a check found: a line to print, good or bad.
type Outcome = Result<String, String>;
type Check = fn(&Machine) -> Outcome;

/// Things that must not be survived.
const FATAL: [(&str, fn()); 13] = [
    ("write-text", write_text),
    ("write-rodata", write_rodata),
    ("execute-data", execute_data),
    ("execute-stack", execute_stack),
    ("null", null),
    ("stack-overflow", stack_overflow),
    ("lost-stack", lost_stack),
    ("divide", divide),
    ("invalid-opcode", invalid_opcode),
    ("nmi", apic::send_nmi),
    ("trap-in-report", trap_in_report),
    ("out-of-memory", out_of_memory),
    ("panic", panic),
];

/// Things that must be right.
const CHECKS: [(&str, Check); 10] = [
    ("pages", pages::check),
    ("timer", timer),
    ("clock", clock),
    ("entropy", entropy),
    ("vectors", vectors),
    ("memory", memory),
    ("modules", modules),
    ("reboot", reboot),
    ("msix", msix::check),
    ("speed", speed::check),
];

/// Runs the check `name` and ends the run.
pub(crate) fn run(name: &str, machine: &Machine) -> ! {
    if let Some((_, provoke)) = FATAL.iter().find(|(known, _)| *known == name) {
        provoke();
        finish(name, Err("it was survived".into()))
    }
    match CHECKS.iter().find(|(known, _)| *known == name) {
        Some((_, check)) => finish(name, check(machine)),
        None => finish(name, Err("there is no such check".into())),
    }
}

fn finish(name: &str, outcome: Outcome) -> ! {
    let (verdict, text, code) = match &outcome {
        Ok(text) => ("ok", text, Exit::Success),
        Err(text) => ("FAILED", text, Exit::Failure),
    };
    let _ = writeln!(console::Serial, "selftest {name}: {verdict} {text}");
    power::exit(code)
}

/// An error if `good` does not hold.
fn expect(good: bool, text: String) -> Outcome {
    if good { Ok(text) } else { Err(text) }
}

fn write_text() {
    let code = write_text as fn() as *mut u8;
    // SAFETY: none; the page must refuse.
    unsafe { code.write_volatile(0xc3) };
}

static CONSTANT: [u64; 4] = [1, 2, 3, 4];

fn write_rodata() {
    // SAFETY: none; the page must refuse.
    unsafe { black_box(CONSTANT.as_ptr().cast_mut()).write_volatile(5) };
}

fn call(code: *const u8) {
    // SAFETY: none; the page must refuse.
    unsafe { asm!("call {}", in(reg) code, clobber_abi("C")) };
}

fn execute_data() {
    let ret = black_box(vec![0xc3_u8; 16]);
    call(ret.as_ptr());
}

fn execute_stack() {
    let ret = black_box([0xc3_u8; 16]);
    call(ret.as_ptr());
}

fn null() {
    // SAFETY: none; the page must refuse.
    unsafe { black_box(core::ptr::null::<u64>().wrapping_add(1)).read_volatile() };
}

fn stack_overflow() {
    #[expect(unconditional_recursion, reason = "this is the check")]
    fn deeper(level: u64) -> u64 {
        let frame = black_box([level; 64]);
        deeper(level + 1) + frame[3]
    }
    black_box(deeper(0));
}

fn lost_stack() {
    // SAFETY: none; the next push must trap, and be reported from another stack.
    unsafe { asm!("mov rsp, {}", "push 0", in(reg) 0x7000_0000_0000_u64, options(noreturn)) };
}

fn divide() {
    // SAFETY: none; the CPU must refuse.
    unsafe { asm!("div {:e}", in(reg) 0_u32, inout("eax") 1_u32 => _, inout("edx") 0_u32 => _) };
}

fn invalid_opcode() {
    // SAFETY: none; the CPU must refuse.
    unsafe { asm!("ud2") };
}

fn trap_in_report() {
    report::begin("selftest");
    invalid_opcode();
}

fn out_of_memory() {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(vec![1; 100_000]);
        black_box(&mut blocks);
    }
}

fn panic() {
    panic!("asked for by selftest={}", black_box("panic"));
}

/// Sleeps end neither early nor much too late.
fn timer(_: &Machine) -> Outcome {
    const SLEEPS: u32 = 50;
    let (mut worst, mut sum, mut early) = (0, 0, 0);
    for length in (0..SLEEPS).map(|i| u64::from(i % 5) * 700 + 200) {
        let until = time::now() + length;
        while time::now() < until {
            idle::wait(until, || false);
            // Waking a little before the deadline is the timer's rate against the counter's.
            early += u32::from(time::now() + 20 < until);
        }
        let late = time::now() - until;
        worst = worst.max(late);
        sum += late;
    }
    let mean = sum / u64::from(SLEEPS);
    let text =
        alloc::format!("{SLEEPS} sleeps, late by {mean} us on average, {worst} us at worst, {early} early");
    // The mean is the host's scheduling; a lost wake-up would hang, a wrong rate would show in both.
    expect(mean < 4_000 && early <= SLEEPS / 10, text)
}

/// The counter agrees with the CMOS clock over a second, and the time of day is of this century.
fn clock(_: &Machine) -> Outcome {
    const YEAR_2026: u64 = 1_767_225_600_000_000;
    let wall = time::wall().ok_or("no time of day")?;
    let next_second = |after: Option<u64>| loop {
        let second = time::rtc_seconds();
        if second.is_some() && second != after {
            return (second, time::now());
        }
    };
    // A loaded host can hold the guest up at either edge; a wrong rate is wrong every time.
    let (mut edge, mut start) = next_second(time::rtc_seconds());
    let mut span = 0_u64;
    for _ in 0..4 {
        let (next, end) = next_second(edge);
        if (end - start).abs_diff(1_000_000) < span.abs_diff(1_000_000) {
            span = end - start;
        }
        if span.abs_diff(1_000_000) < 30_000 {
            break;
        }
        (edge, start) = (next, end);
    }
    let off = span.abs_diff(1_000_000);
    let text =
        alloc::format!("{} Hz, a CMOS second took {span} us, unix time {} s", time::rate(), wall / 1_000_000);
    expect(off < 30_000 && wall > YEAR_2026, text)
}

/// Random bytes are there, balanced and never the same.
fn entropy(_: &Machine) -> Outcome {
    let mut rng = match rng::Rng::new() {
        Ok(rng) => rng,
        Err(error) => {
            let _ = writeln!(console::Serial, "selftest entropy: refused, {error}");
            power::exit(Exit::NoEntropy)
        }
    };
    let (mut first, mut second) = (vec![0_u8; 32 << 10], vec![0_u8; 32 << 10]);
    rng.fill(&mut first);
    rng.fill(&mut second);
    let ones: u32 = first.iter().map(|byte| byte.count_ones()).sum();
    let equal = first.iter().zip(&second).filter(|(a, b)| a == b).count();
    // 2^18 bits: expectation 131,072 with a standard deviation of 256; 2^15 bytes: 128 equal with 11.
    let text = alloc::format!("{ones} of 262144 bits set, {equal} of 32768 bytes equal");
    expect(ones.abs_diff(131_072) < 2_000 && (30..300).contains(&equal), text)
}

/// Vector state that the CPU has is on, and holds values.
fn vectors(_: &Machine) -> Outcome {
    const OSXSAVE: u32 = 1 << 27;
    if cpu::cpuid(1, 0)[2] & OSXSAVE == 0 {
        return Ok("SSE only".into());
    }
    let offered = cpu::cpuid(13, 0)[0] & 0xe7;
    let (low, _high): (u32, u32);
    // SAFETY: OSXSAVE says that XGETBV exists.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _high) };
    let mut text = alloc::format!("XCR0 {low:#x} of {offered:#x}");
    if low & 4 != 0 {
        let (a, mut b) = ([0x1234_5678_9abc_def0_u64; 4], [0_u64; 4]);
        // SAFETY: AVX state is on; both operands are 32 bytes.
        unsafe {
            asm!("vmovups ymm7, [{}]", "vmovups [{}], ymm7", in(reg) &a, in(reg) &mut b, out("ymm7") _);
        }
        text.push_str(", AVX");
        return expect(low == offered && a == b, text);
    }
    expect(low == offered, text)
}

/// Frames and the heap come back, device memory is aligned and zero, and how much a program can have.
fn memory(_: &Machine) -> Outcome {
    let before = mem::usage();
    for align in [4096, 65_536, 1 << 20] {
        let block = mem::dma::allocate(10_000, align).map_err(|error| alloc::format!("{error}"))?;
        // SAFETY: the block is ours, and this long.
        let bytes = unsafe { core::slice::from_raw_parts_mut(block.virt().as_ptr(), block.len()) };
        if !block.phys().is_multiple_of(align as u64) || bytes.iter().any(|&byte| byte != 0) {
            return Err(alloc::format!("device memory at {:#x}, align {align:#x}", block.phys()));
        }
        bytes.fill(0xff);
        // SAFETY: no device was told of it and the slice above is not used again.
        unsafe { mem::dma::release(block) };
    }
    let leak = before.free - mem::usage().free;
    let refused = Vec::<u8>::new().try_reserve(1 << 40).is_err();
    let largest = (1..before.free >> 16)
        .rev()
        .map(|n| n << 16)
        .find(|&n| Vec::<u8>::new().try_reserve(n as usize).is_ok());
    let largest = largest.unwrap_or(0);
    let text = alloc::format!(
        "{} of {} KiB free at the start, largest block {} KiB, leaked {leak}",
        before.free >> 10,
        before.ram >> 10,
        largest >> 10
    );
    expect(leak == 0 && refused && largest > before.free / 2, text)
}

/// Resets the machine, once: the CMOS memory, which survives, remembers.
fn reboot(_: &Machine) -> Outcome {
    const FREE_BYTE: u8 = 0x7e;
    const MARK: u8 = 0xa5;
    // SAFETY: index and data port of the CMOS memory; the byte belongs to nobody.
    let mark = unsafe {
        cpu::outb(0x70, FREE_BYTE);
        cpu::inb(0x71)
    };
    if mark == MARK {
        return Ok("this is the second boot".into());
    }
    // SAFETY: as above; the index still stands.
    unsafe { cpu::outb(0x71, MARK) };
    power::reboot()
}

/// What the loader brought: command line and modules.
fn modules(machine: &Machine) -> Outcome {
    let sums: Vec<(usize, u32)> = machine
        .modules()
        .map(|m| (m.len(), m.iter().fold(0_u32, |sum, &b| sum.wrapping_add(b.into()))))
        .collect();
    let file = crate::fw_cfg::file("opt/ravelin/config").map(|file| file.len());
    Ok(alloc::format!(
        "command line {:?}, modules (bytes, sum) {sums:?}, file {file:?}",
        machine.command_line
    ))
}

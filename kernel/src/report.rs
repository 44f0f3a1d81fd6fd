//! The last words: what is printed when a trap or a panic ends the run. It allocates nothing, takes no lock
//! that it waits for, and writes to the serial line directly.
//!
//! The backtrace is a scan: the words on the stack that lie behind a call instruction in the program's text.
//! It needs no frame pointers and no unwind tables, and may show a call that has returned.
#![expect(unsafe_code, reason = "reads the interrupted stack and code by address")]

use core::fmt::Write;
use core::ops::Range;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::console::Serial;
use crate::symbols::{Code, Return};
use crate::trap::Frame;
use crate::{Exit, cpu, mem, power, time, trap};

/// Calls shown at most.
const DEPTH: usize = 24;

/// Bounds of the program's text, for the scan; empty until boot has set them.
static TEXT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
/// Reports begun: 0, or the report is itself in trouble.
static BEGUN: AtomicU8 = AtomicU8::new(0);

/// Tells the scan where code lies.
pub(crate) fn set_text(text: &Range<u64>) {
    TEXT[0].store(text.start, Ordering::Relaxed);
    TEXT[1].store(text.end, Ordering::Relaxed);
}

/// Names of the exceptions, by vector (Intel SDM volume 3, table 6-1).
const NAMES: [&str; 32] = [
    "divide error",
    "debug",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "vector 9",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection",
    "page fault",
    "vector 15",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualization",
    "control protection",
    "vector 22",
    "vector 23",
    "vector 24",
    "vector 25",
    "vector 26",
    "vector 27",
    "hypervisor injection",
    "VMM communication",
    "security",
    "vector 31",
];
const PAGE_FAULT: u64 = 14;

/// Ends the run if a report is already being written, for then the reporter itself has failed.
pub(crate) fn begin(what: &str) {
    if BEGUN.fetch_add(1, Ordering::Relaxed) != 0 {
        Serial.send(b"\nfailed while reporting: ");
        Serial.send(what.as_bytes());
        Serial.send(b"\n");
        power::exit(Exit::Trap);
    }
}

/// Reports a CPU exception and ends the run.
pub(crate) fn trap(frame: &Frame) -> ! {
    let name = NAMES.get(frame.vector as usize).copied().unwrap_or("unknown vector");
    begin(name);
    let mut out = Serial;
    let now = time::now();
    let _ =
        writeln!(out, "\nFATAL {name} (vector {}, error {:#x}) after {now} us", frame.vector, frame.error);
    if frame.vector == PAGE_FAULT {
        let _ = writeln!(out, "  {}", PageFault { address: cpu::cr2(), error: frame.error });
    }
    let f = frame;
    let _ = writeln!(out, "  at  {}", Code(f.rip));
    let _ = writeln!(out, "  rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}", f.rax, f.rbx, f.rcx, f.rdx);
    let _ = writeln!(out, "  rsi {:016x} rdi {:016x} rbp {:016x} rsp {:016x}", f.rsi, f.rdi, f.rbp, f.rsp);
    let _ = writeln!(out, "  r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}", f.r8, f.r9, f.r10, f.r11);
    let _ = writeln!(out, "  r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}", f.r12, f.r13, f.r14, f.r15);
    let _ = writeln!(
        out,
        "  cr0 {:016x} cr2 {:016x} cr3 {:016x} cr4 {:016x}",
        cpu::cr0(),
        cpu::cr2(),
        cpu::cr3(),
        cpu::cr4()
    );
    let _ = writeln!(out, "  rip {:016x} rflags {:x} cs {:x} ss {:x}", f.rip, f.rflags, f.cs, f.ss);
    calls(f.rsp);
    power::exit(Exit::Trap)
}

/// Reports a Rust panic and ends the run. A failed allocation is one too, and has an exit code of its own.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    begin("panic");
    let mut out = Serial;
    let failed = mem::heap::last_failure().filter(|_| is_allocation_failure(info));
    if let Some(bytes) = failed {
        let u = mem::usage();
        let _ = writeln!(out, "\nFATAL out of memory: {bytes} bytes asked for after {} us", time::now());
        let _ =
            writeln!(out, "  heap {} bytes, {} in use; free frames {} bytes", u.heap, u.heap_used, u.free);
    } else {
        let _ = writeln!(out, "\nFATAL panic: {} after {} us", info.message(), time::now());
        if let Some(place) = info.location() {
            let _ = writeln!(out, "  at  {place}");
        }
    }
    let here = 0_u64;
    calls((&raw const here) as u64);
    power::exit(if failed.is_some() { Exit::OutOfMemory } else { Exit::Panic })
}

/// Whether this panic is the one that `alloc` raises for an infallible request. Stable Rust has no hook for
/// it, only the wording.
fn is_allocation_failure(info: &PanicInfo<'_>) -> bool {
    const WORDING: &[u8] = b"memory allocation of ";
    struct Prefix(usize, bool);
    impl Write for Prefix {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            for byte in s.bytes() {
                if let Some(&expected) = WORDING.get(self.0) {
                    self.1 &= byte == expected;
                    self.0 += 1;
                }
            }
            Ok(())
        }
    }
    let mut prefix = Prefix(0, true);
    let _ = write!(prefix, "{}", info.message());
    prefix.1 && prefix.0 == WORDING.len()
}

/// A page fault in words.
struct PageFault {
    address: u64,
    error: u64,
}

impl core::fmt::Display for PageFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Bits of the error code (SDM volume 3, 4.7).
        const PROTECTION: u64 = 1 << 0;
        const WRITE: u64 = 1 << 1;
        const RESERVED: u64 = 1 << 3;
        const FETCH: u64 = 1 << 4;
        let how = match self.error {
            e if e & FETCH != 0 => "execution",
            e if e & WRITE != 0 => "write",
            _ => "read",
        };
        let why = match self.error {
            e if e & RESERVED != 0 => "by a damaged page table",
            e if e & PROTECTION != 0 => "forbidden by the page",
            _ => "of nothing mapped",
        };
        write!(f, "{how} {why}, address {:#x}", self.address)?;
        if let Some(stack) = trap::overflowed(self.address) {
            write!(f, ": overflow of the {stack} stack")?;
        } else if self.address < mem::FRAME {
            write!(f, ": null pointer")?;
        }
        Ok(())
    }
}

/// Prints the calls that lie on the stack above `rsp`.
fn calls(rsp: u64) {
    let text = TEXT[0].load(Ordering::Relaxed)..TEXT[1].load(Ordering::Relaxed);
    // An overflowed stack pointer lies in the guard below its stack.
    let Some(stack) =
        trap::stack_of(rsp).or_else(|| trap::stack_of(rsp.checked_next_multiple_of(mem::FRAME)?))
    else {
        let _ = writeln!(Serial, "  rsp is in no stack: no calls to show");
        return;
    };
    let _ = writeln!(Serial, "  calls on the stack, innermost first:");
    let mut shown = 0;
    let mut at = rsp.max(stack.start).next_multiple_of(8);
    while at + 8 <= stack.end && shown < DEPTH {
        // SAFETY: inside a mapped stack, aligned; the words may be anything.
        let word = unsafe { (at as *const u64).read_volatile() };
        at += 8;
        if text.contains(&word) && word - text.start > 8 {
            // SAFETY: the 7 bytes before lie in the text as well, which is mapped readable.
            let before = unsafe { ((word - 7) as *const [u8; 7]).read_unaligned() };
            if follows_call(before) {
                let _ = writeln!(Serial, "    {}", Return(word));
                shown += 1;
            }
        }
    }
}

/// Whether the instruction that ends with these bytes may be a near call (E8 rel32, or FF /2 with any
/// operand of up to five bytes after the opcode and its ModRM).
fn follows_call(before: [u8; 7]) -> bool {
    let indirect = |modrm: u8| modrm >> 3 & 7 == 2;
    before[2] == 0xe8
        || [5, 4, 3, 1, 0]
            .iter()
            .any(|&i| before[i] == 0xff && before.get(i + 1).is_some_and(|&m| indirect(m)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_faults_in_words() {
        let words = |address, error| PageFault { address, error }.to_string();
        assert_eq!(words(8, 0), "read of nothing mapped, address 0x8: null pointer");
        assert_eq!(words(0x10_0000, 3), "write forbidden by the page, address 0x100000");
        assert_eq!(words(0x10_0000, 0x11), "execution forbidden by the page, address 0x100000");
        let guard = trap::guards().next().unwrap().start;
        assert!(words(guard + 8, 2).ends_with("overflow of the main stack"));
    }

    #[test]
    fn return_addresses_follow_calls() {
        assert!(follows_call([0, 0, 0xe8, 1, 2, 3, 4]));
        assert!(follows_call([0, 0, 0, 0, 0, 0xff, 0xd0])); // call rax
        assert!(follows_call([0, 0xff, 0x15, 1, 2, 3, 4])); // call [rip+x]
        assert!(!follows_call([0xe8, 0, 0, 0, 0, 0xff, 0xe0])); // jmp rax
        assert!(!follows_call([0; 7]));
    }
}

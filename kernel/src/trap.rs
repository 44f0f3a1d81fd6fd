//! Interrupt descriptor table, the stacks, and the assembly behind every vector (Intel SDM volume 3,
//! chapter 6).
//!
//! Prebuilt `core` uses the red zone below the stack pointer, so nothing may run on the interrupted stack:
//! every gate names an entry of the interrupt stack table. There are seven for 256 vectors, shared so that
//! no stack can be entered while it is in use by code that will return:
//!
//! | stack | vectors | why it is sound |
//! |---|---|---|
//! | 1 | 32-255, devices and timer | interrupt gates clear IF, so no second one comes before IRETQ; the assembly here cannot fault |
//! | 2 | NMI | fatal here, and blocks further NMIs |
//! | 3 | machine check | fatal |
//! | 4 | double fault | fatal |
//! | 5 | page fault | fatal |
//! | 6 | general protection, stack, segment, TSS | fatal |
//! | 7 | all other exceptions | fatal |
//!
//! A fatal vector never returns, so the worst that sharing can do is that a fault inside the reporter
//! overwrites the frame of the fault it was reporting; the reporter notices that it was entered twice and
//! ends the run with one line. Page faults, the likely fault inside a reporter, have their own stack.
#![expect(unsafe_code, reason = "descriptor tables are raw memory that the CPU reads")]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::mem::FRAME;
use crate::report;

/// Bytes of the main stack.
const MAIN: usize = 256 << 10;
/// Bytes of the stack of device interrupts, which push five words.
const SMALL: usize = 4 << 10;
/// Bytes of a stack that the reporter runs on.
const LARGE: usize = 16 << 10;
const GUARD: usize = FRAME as usize;

/// All stacks, each above a page that is not mapped. A stack grows down into its guard.
#[repr(C, align(4096))]
pub struct Stacks {
    main: Stack<MAIN>,
    device: Stack<SMALL>,
    fatal: [Stack<LARGE>; 6],
}

#[repr(C, align(4096))]
struct Stack<const N: usize> {
    guard: [u8; GUARD],
    bytes: UnsafeCell<[u8; N]>,
}

impl<const N: usize> Stack<N> {
    const fn new() -> Self {
        Self { guard: [0; GUARD], bytes: UnsafeCell::new([0; N]) }
    }

    fn guard(&self) -> Range<u64> {
        let start = (&raw const self.guard) as u64;
        start..start + FRAME
    }

    fn bounds(&self) -> Range<u64> {
        let start = self.bytes.get() as u64;
        start..start + N as u64
    }
}

// SAFETY: nobody makes a reference into a stack; the CPU uses each by one owner at a time (see above).
unsafe impl Sync for Stacks {}

/// The stacks of this CPU.
#[doc(hidden)]
pub static STACKS: Stacks =
    Stacks { main: Stack::new(), device: Stack::new(), fatal: [const { Stack::new() }; 6] };
/// Offset of the top of the main stack in [`STACKS`], for boot.s.
#[doc(hidden)]
pub const MAIN_STACK_TOP: usize = GUARD + MAIN;

/// The guard pages.
pub(crate) fn guards() -> impl Iterator<Item = Range<u64>> {
    [STACKS.main.guard(), STACKS.device.guard()].into_iter().chain(STACKS.fatal.iter().map(Stack::guard))
}

/// The stack whose guard page holds `address`, by name.
pub(crate) fn overflowed(address: u64) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "main",
        "device interrupt",
        "NMI",
        "machine check",
        "double fault",
        "page fault",
        "protection",
        "exception",
    ];
    guards().zip(NAMES).find(|(guard, _)| guard.contains(&address)).map(|(_, name)| name)
}

/// The mapped part of the stack that holds `address`.
pub(crate) fn stack_of(address: u64) -> Option<Range<u64>> {
    [STACKS.main.bounds(), STACKS.device.bounds()]
        .into_iter()
        .chain(STACKS.fatal.iter().map(Stack::bounds))
        .find(|bounds| bounds.contains(&address) || bounds.end == address)
}

/// Number of interrupt vectors.
pub const VECTORS: usize = 256;
/// First vector that is not an exception of the CPU.
pub const FIRST_DEVICE: u8 = 32;

/// How often each vector has been taken.
static FIRED: [AtomicU64; VECTORS] = [const { AtomicU64::new(0) }; VECTORS];
/// Address of the LAPIC's end-of-interrupt register; 0 in x2APIC mode, where it is an MSR.
static END_OF_INTERRUPT: AtomicU64 = AtomicU64::new(0);

/// How often `vector` has been taken.
pub(crate) fn fired(vector: u8) -> u64 {
    FIRED[usize::from(vector)].load(Ordering::Relaxed)
}

/// Tells the interrupt code how to acknowledge: by a store of 0 to this address, or by MSR if 0.
pub(crate) fn set_end_of_interrupt(address: u64) {
    END_OF_INTERRUPT.store(address, Ordering::Relaxed);
}

/// What the assembly pushes, lowest address first.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
#[expect(missing_docs, reason = "register names")]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// Bytes between the entries of two vectors.
const STUB: usize = 16;

global_asm!(
    r#"
    .text
    .balign 16
    .global ravelin_vector_stubs
ravelin_vector_stubs:
    # Exceptions: vector and error code (0 where the CPU pushes none), then the common part.
    .set ravelin_vector, 0
    .rept 32
    .balign 16
    .if (0x60227d00 >> ravelin_vector) & 1
    .else
    pushq $0
    .endif
    pushq $ravelin_vector
    jmp 1f
    .set ravelin_vector, ravelin_vector + 1
    .endr
    # Devices: the vector, then the common part.
    .rept 223
    .balign 16
    pushq %rax
    movl $ravelin_vector, %eax
    jmp 2f
    .set ravelin_vector, ravelin_vector + 1
    .endr
    # The spurious vector is not acknowledged.
    .balign 16
    iretq

1:  pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    andq $-16, %rsp
    xorl %ebp, %ebp
    call {report}
    ud2

    # Count, acknowledge, return. Nothing here can fault.
2:  pushq %rcx
    pushq %rdx
    leaq {fired}(%rip), %rdx
    incq (%rdx,%rax,8)
    movq {end_of_interrupt}(%rip), %rdx
    testq %rdx, %rdx
    jz 3f
    movl $0, (%rdx)
    popq %rdx
    popq %rcx
    popq %rax
    iretq
3:  movl $0x80b, %ecx
    xorl %eax, %eax
    wrmsr
    popq %rdx
    popq %rcx
    popq %rax
    iretq
"#,
    report = sym fatal,
    fired = sym FIRED,
    end_of_interrupt = sym END_OF_INTERRUPT,
    options(att_syntax)
);

unsafe extern "C" {
    /// The entries of all vectors, [`STUB`] bytes apart; only the address means something.
    static ravelin_vector_stubs: u8;
}

/// Called by the assembly above on the stack of the vector.
extern "C" fn fatal(frame: &Frame) -> ! {
    report::trap(frame)
}

/// Global descriptor table: null, code, data, and the task state segment in two entries.
#[repr(C, align(16))]
struct Gdt(UnsafeCell<[u64; 5]>);
/// 64-bit task state segment: only its stack pointers matter.
#[repr(C, align(16))]
struct Tss(UnsafeCell<[u32; 26]>);
#[repr(C, align(16))]
struct Idt(UnsafeCell<[[u64; 2]; VECTORS]>);

// SAFETY: written once by `init`, before any other code could look; from then on the CPU alone uses them.
unsafe impl Sync for Gdt {}
// SAFETY: as for Gdt.
unsafe impl Sync for Tss {}
// SAFETY: as for Gdt.
unsafe impl Sync for Idt {}

static GDT: Gdt = Gdt(UnsafeCell::new([0, CODE_SEGMENT, DATA_SEGMENT, 0, 0]));
static TSS: Tss = Tss(UnsafeCell::new([0; 26]));
static IDT: Idt = Idt(UnsafeCell::new([[0; 2]; VECTORS]));

const CODE_SEGMENT: u64 = 0x00af_9b00_0000_ffff;
const DATA_SEGMENT: u64 = 0x00cf_9300_0000_ffff;
const CODE_SELECTOR: u64 = 8;
const TSS_SELECTOR: u16 = 24;

/// Where the TSS keeps the first interrupt stack, in 32-bit words.
const FIRST_STACK: usize = 9;
/// Where the TSS keeps the offset of its I/O map (upper half of the word): beyond its end, so none.
const IO_MAP: usize = 25;

/// The interrupt stack of a vector: 1 to 7.
const fn stack_for(vector: usize) -> u64 {
    match vector {
        FIRST_DEVICE_INDEX.. => 1,
        2 => 2,
        18 => 3,
        8 => 4,
        14 => 5,
        10..=13 => 6,
        _ => 7,
    }
}
const FIRST_DEVICE_INDEX: usize = FIRST_DEVICE as usize;

/// The two words of an interrupt gate: present, ring 0, type 14, with an interrupt stack.
const fn gate(handler: u64, stack: u64) -> [u64; 2] {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e00 << 32;
    let low = handler & 0xffff
        | CODE_SELECTOR << 16
        | stack << 32
        | PRESENT_INTERRUPT_GATE
        | (handler & 0xffff_0000) << 32;
    [low, handler >> 32]
}

/// The two words of a descriptor of a 64-bit TSS at `base`.
const fn tss_descriptor(base: u64) -> [u64; 2] {
    const PRESENT_AVAILABLE_TSS: u64 = 0x89 << 40;
    const LIMIT: u64 = 26 * 4 - 1;
    let low = LIMIT | (base & 0xff_ffff) << 16 | PRESENT_AVAILABLE_TSS | (base & 0xff00_0000) << 32;
    [low, base >> 32]
}

/// The operand of LGDT and LIDT.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Loads the tables. From here on every trap is reported.
///
/// # Safety
/// Called once, with interrupts off.
pub(crate) unsafe fn init() {
    // SAFETY: the one access to the TSS from Rust, before the CPU is told of it.
    let tss = unsafe { &mut *TSS.0.get() };
    let tops =
        core::iter::once(STACKS.device.bounds().end).chain(STACKS.fatal.iter().map(|s| s.bounds().end));
    for (index, top) in tops.enumerate() {
        tss[FIRST_STACK + 2 * index] = top as u32;
        tss[FIRST_STACK + 2 * index + 1] = (top >> 32) as u32;
    }
    tss[IO_MAP] = (26 * 4) << 16;

    // SAFETY: as for the TSS.
    let gdt = unsafe { &mut *GDT.0.get() };
    [gdt[3], gdt[4]] = tss_descriptor(TSS.0.get() as u64);

    // SAFETY: as for the TSS.
    let idt = unsafe { &mut *IDT.0.get() };
    let stubs = (&raw const ravelin_vector_stubs) as u64;
    for (vector, entry) in idt.iter_mut().enumerate() {
        *entry = gate(stubs + (vector * STUB) as u64, stack_for(vector));
    }

    let gdtr = TablePointer { limit: size_of::<Gdt>() as u16 - 1, base: GDT.0.get() as u64 };
    let idtr = TablePointer { limit: size_of::<Idt>() as u16 - 1, base: IDT.0.get() as u64 };
    // SAFETY: the new GDT has the same code and data segments at the same selectors, so the cached ones stay
    // true; all three tables are statics.
    unsafe {
        asm!("lgdt [{}]", "lidt [{}]", "ltr {:x}", in(reg) &raw const gdtr, in(reg) &raw const idtr, in(reg) TSS_SELECTOR,
             options(readonly, nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_carry_address_stack_and_type() {
        let [low, high] = gate(0x1234_5678_9abc_def0, 5);
        assert_eq!(low & 0xffff, 0xdef0);
        assert_eq!(low >> 48, 0x9abc);
        assert_eq!(low >> 16 & 0xffff, CODE_SELECTOR);
        assert_eq!(low >> 32 & 7, 5);
        assert_eq!(low >> 40 & 0xff, 0x8e);
        assert_eq!(high, 0x1234_5678);
    }

    #[test]
    fn what_returns_shares_a_stack_with_nothing_fatal() {
        for vector in 0..VECTORS {
            assert_eq!(stack_for(vector) == 1, vector >= 32, "vector {vector}");
        }
        for alone in [2, 8, 14, 18] {
            assert_eq!((0..VECTORS).filter(|&v| stack_for(v) == stack_for(alone)).count(), 1);
        }
    }

    #[test]
    fn every_stack_has_a_guard_below_it() {
        let guards: Vec<_> = guards().collect();
        assert_eq!(guards.len(), 8);
        assert!(guards.iter().all(|g| g.start.is_multiple_of(FRAME) && g.end - g.start == FRAME));
        assert_eq!(overflowed(guards[0].start), Some("main"));
        assert_eq!(stack_of(guards[0].end).unwrap().start, guards[0].end);
        assert_eq!(MAIN_STACK_TOP as u64, STACKS.main.bounds().end - (&raw const STACKS) as u64);
    }
}

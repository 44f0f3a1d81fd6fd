//! Instructions that Rust has no word for: port I/O, control and model-specific registers, CPUID, the
//! time-stamp counter, descriptor tables. Names and numbers are those of the Intel SDM, volume 3.
#![expect(unsafe_code, reason = "privileged instructions are only reachable through asm!")]

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, _rdtsc};

/// Writes a byte to an I/O port.
///
/// # Safety
/// The device behind `port` must not, by this write, touch memory that Rust owns.
#[inline]
pub unsafe fn outb(port: u16, value: u8) {
    // SAFETY: ring 0 may do port I/O; the effect is the caller's promise.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes 16 bits to an I/O port.
///
/// # Safety
/// As for [`outb`].
#[inline]
pub unsafe fn outw(port: u16, value: u16) {
    // SAFETY: see outb.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes 32 bits to an I/O port. Orders earlier memory writes before it, so that it can start DMA.
///
/// # Safety
/// As for [`outb`].
#[inline]
pub unsafe fn outl(port: u16, value: u32) {
    // SAFETY: see outb. No `nomem`: a device may read memory because of this write.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) }
}

/// Reads a byte from an I/O port.
///
/// # Safety
/// As for [`outb`]: some registers change the device when read.
#[inline]
pub unsafe fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: see outb.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads 16 bits from an I/O port.
///
/// # Safety
/// As for [`inb`].
#[inline]
pub unsafe fn inw(port: u16) -> u16 {
    let value;
    // SAFETY: see outb.
    unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads 32 bits from an I/O port.
///
/// # Safety
/// As for [`inb`].
#[inline]
pub unsafe fn inl(port: u16) -> u32 {
    let value;
    // SAFETY: see outb.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads a model-specific register.
///
/// # Safety
/// The CPU must have it.
#[inline]
pub unsafe fn rdmsr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the register exists, by the caller's promise; reading has no effect on memory.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The CPU must have it, and the value must not break an invariant of this crate.
#[inline]
pub unsafe fn wrmsr(register: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") low, in("edx") high, options(nostack, preserves_flags));
    }
}

/// One leaf of CPUID: EAX, EBX, ECX, EDX; zeros when the CPU has no such leaf.
pub fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let base = leaf & 0xf000_0000;
    let last = __cpuid_count(base, 0).eax;
    if leaf > last {
        return [0; 4];
    }
    let r = __cpuid_count(leaf, subleaf);
    [r.eax, r.ebx, r.ecx, r.edx]
}

/// The time-stamp counter, ordered after earlier loads.
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC and this crate leaves CR4.TSD clear.
    unsafe { _rdtsc() }
}

/// CR0.
pub fn cr0() -> u64 {
    let value;
    // SAFETY: reading a control register in ring 0 has no effect.
    unsafe { asm!("mov {}, cr0", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// CR2: the address of the last page fault.
pub fn cr2() -> u64 {
    let value;
    // SAFETY: as for cr0.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// CR3: the physical address of the page table in use.
pub fn cr3() -> u64 {
    let value;
    // SAFETY: as for cr0.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// CR4.
pub fn cr4() -> u64 {
    let value;
    // SAFETY: as for cr0.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Switches to another page table.
///
/// # Safety
/// It must map everything that is in use, at the address it is used at.
pub unsafe fn set_cr3(root: u64) {
    // SAFETY: the caller's promise; no `nomem`, because what memory means changes here.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) }
}

/// Sets CR4.
///
/// # Safety
/// Every bit must be one that the CPU has and that keeps the invariants of this crate.
pub unsafe fn set_cr4(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr4, {}", in(reg) value, options(nostack, preserves_flags)) }
}

/// Forgets the cached translation of one page.
pub fn invalidate_page(address: u64) {
    // SAFETY: dropping a cached translation is always sound; the page table is the truth.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) }
}

/// Turns on machine checks, and the protections that cost nothing here, because no page belongs to a user: no
/// execution of, and no access to, user pages (SMEP, SMAP), no leaking of descriptor addresses (UMIP).
pub(crate) fn enable_protections() {
    const MACHINE_CHECK: u64 = 1 << 6;
    const UMIP: u64 = 1 << 11;
    const SMEP: u64 = 1 << 20;
    const SMAP: u64 = 1 << 21;
    let [_, ebx, ecx, _] = cpuid(7, 0);
    let mut wanted = 0;
    if cpuid(1, 0)[3] & 1 << 7 != 0 {
        wanted |= MACHINE_CHECK;
    }
    if ebx & 1 << 7 != 0 {
        wanted |= SMEP;
    }
    if ebx & 1 << 20 != 0 {
        wanted |= SMAP;
    }
    if ecx & 1 << 2 != 0 {
        wanted |= UMIP;
    }
    // SAFETY: only bits that CPUID offers, and no user page exists that they could forbid.
    unsafe { set_cr4(cr4() | wanted) }
}

/// Waits for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: stopping with interrupts off touches no memory.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}

/// Sleeps until the next interrupt, and takes it: the only place where IF is 1. STI holds interrupts back
/// for one instruction, so none can slip in between it and HLT.
#[inline]
pub(crate) fn sleep() {
    // SAFETY: the handlers are the assembly of `trap`, which touch their own counters and the LAPIC only
    // and run on a stack of their own (no red zone is at risk).
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) }
}

/// Takes the interrupts that wait, without sleeping.
#[inline]
pub(crate) fn take_interrupts() {
    // SAFETY: as for sleep. The NOP is the instruction during which STI still holds them back.
    unsafe { asm!("sti", "nop", "nop", "cli", options(nostack)) }
}

/// Resets the CPU by an exception that has no handler.
pub(crate) fn triple_fault() -> ! {
    let nothing = [0_u16; 5];
    // SAFETY: this is meant to be the end; no handler runs, and no memory is touched any more.
    unsafe { asm!("lidt [{}]", "int3", in(reg) nothing.as_ptr(), options(nostack)) };
    halt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_leaves_are_zero() {
        assert_eq!(cpuid(0x0fff_ffff, 0), [0; 4]);
        assert_ne!(cpuid(0, 0), [0; 4]);
    }
}

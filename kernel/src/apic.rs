//! The local interrupt controller of the CPU (Intel SDM volume 3, chapter 11), as xAPIC (registers in
//! memory) or x2APIC (registers as MSRs), and its timer as the one alarm of the machine. The two legacy
//! controllers are masked; nothing is routed through them or through an I/O APIC.
#![expect(unsafe_code, reason = "the controller is MMIO or MSRs")]

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;

use crate::mem::{self, Mmio, NoMemory};
use crate::{cpu, time, trap};

/// Vector of the timer.
pub(crate) const TIMER: u8 = 0x20;
/// Vector of interrupts that vanished before they were taken. They are not acknowledged.
const SPURIOUS: u8 = 0xff;

const APIC_BASE: u32 = 0x1b;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
const TSC_DEADLINE: u32 = 0x6e0;
/// MSR of the x2APIC register at offset 0; the others follow, 16 bytes to an MSR.
const X2APIC: u32 = 0x800;

// Registers, by offset.
const ID: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const END_OF_INTERRUPT: usize = 0xb0;
const SPURIOUS_VECTOR: usize = 0xf0;
const COMMAND_LOW: usize = 0x300;
const COMMAND_HIGH: usize = 0x310;
const LVT_TIMER: usize = 0x320;
const LVT_LINT0: usize = 0x350;
const LVT_LINT1: usize = 0x360;
const LVT_ERROR: usize = 0x370;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_1: u32 = 0b1011;

#[derive(Debug)]
enum Registers {
    Memory(Mmio),
    Msr,
}

/// The controller of this CPU.
#[derive(Debug)]
pub(crate) struct Apic {
    registers: Registers,
    /// The timer takes an absolute counter value instead of a count.
    deadline: bool,
    id: u32,
}

static APIC: Once<Apic> = Once::new();
/// Ticks of the timer per second, as divided; 0 until calibrated.
static RATE: AtomicU64 = AtomicU64::new(0);

impl Apic {
    fn read(&self, register: usize) -> u32 {
        match &self.registers {
            Registers::Memory(window) => window.read32(register),
            // SAFETY: x2APIC mode is on, and only registers that exist in it are named above.
            Registers::Msr => unsafe { cpu::rdmsr(X2APIC + register as u32 / 16) as u32 },
        }
    }

    fn write(&self, register: usize, value: u32) {
        match &self.registers {
            Registers::Memory(window) => window.write32(register, value),
            // SAFETY: as for read; the values are those of this file.
            Registers::Msr => unsafe { cpu::wrmsr(X2APIC + register as u32 / 16, value.into()) },
        }
    }
}

/// Masks the legacy controllers and turns on this CPU's own.
pub(crate) fn init() -> Result<(), NoMemory> {
    const LEGACY_MASKS: [u16; 2] = [0x21, 0xa1];
    for port in LEGACY_MASKS {
        // SAFETY: the mask registers of the two 8259s, or nothing.
        unsafe { cpu::outb(port, 0xff) };
    }
    let [_, _, features, _] = cpu::cpuid(1, 0);
    let (x2apic, deadline) = (features & 1 << 21 != 0, features & 1 << 24 != 0);
    // SAFETY: every x86-64 CPU has this MSR.
    let base = unsafe { cpu::rdmsr(APIC_BASE) } | BASE_ENABLE;
    let x2apic = x2apic || base & BASE_X2APIC != 0;
    // SAFETY: turns the controller on, in a mode that CPUID offers.
    unsafe { cpu::wrmsr(APIC_BASE, if x2apic { base | BASE_X2APIC } else { base }) };
    let registers = if x2apic {
        Registers::Msr
    } else {
        // SAFETY: the MSR says that the controller's registers are there, 4 KiB.
        Registers::Memory(unsafe { mem::map_mmio(base & 0x000f_ffff_ffff_f000, 4096) }?)
    };
    if let Registers::Memory(window) = &registers {
        trap::set_end_of_interrupt(window.base() + END_OF_INTERRUPT as u64);
    }
    let mut apic = Apic { registers, deadline, id: 0 };
    let id = apic.read(ID);
    apic.id = if x2apic { id } else { id >> 24 };
    for (register, value) in [
        (TASK_PRIORITY, 0),
        (LVT_LINT0, MASKED),
        (LVT_LINT1, MASKED),
        (LVT_ERROR, MASKED),
        (LVT_TIMER, MASKED),
        (SPURIOUS_VECTOR, SOFTWARE_ENABLE | u32::from(SPURIOUS)),
        (DIVIDE, DIVIDE_BY_1),
    ] {
        apic.write(register, value);
    }
    APIC.call_once(|| apic);
    Ok(())
}

/// Whether the alarm needs [`set_rate`].
pub(crate) fn needs_rate() -> bool {
    APIC.get().is_some_and(|apic| !apic.deadline)
}

/// Starts the timer at its largest count, without an alarm, to be watched by [`elapsed`].
pub(crate) fn start_count() {
    if let Some(apic) = APIC.get() {
        apic.write(INITIAL_COUNT, u32::MAX);
    }
}

/// Ticks since [`start_count`].
pub(crate) fn elapsed() -> u32 {
    APIC.get().map_or(0, |apic| u32::MAX - apic.read(CURRENT_COUNT))
}

/// Sets the rate of the timer and unmasks it.
pub(crate) fn set_rate(hertz: u64) {
    RATE.store(hertz, Ordering::Relaxed);
    let Some(apic) = APIC.get() else { return };
    apic.write(INITIAL_COUNT, 0);
    let mode = if apic.deadline { DEADLINE_MODE } else { 0 };
    apic.write(LVT_TIMER, mode | u32::from(TIMER));
}

/// Sets the alarm to `deadline` microseconds since boot, or as near before it as the timer reaches. A
/// deadline that has passed fires at once.
pub(crate) fn set_alarm(deadline: u64) {
    let Some(apic) = APIC.get() else { return };
    if apic.deadline {
        // A store of 0 would disarm.
        let ticks = time::ticks_at(deadline).max(1);
        // SAFETY: CPUID offers the register. Earlier stores need no order with it.
        return unsafe { cpu::wrmsr(TSC_DEADLINE, ticks) };
    }
    let span = deadline.saturating_sub(time::now());
    let count = u128::from(span) * u128::from(RATE.load(Ordering::Relaxed)) / 1_000_000;
    apic.write(INITIAL_COUNT, u32::try_from(count).unwrap_or(u32::MAX).max(1));
}

/// Sends this CPU a non-maskable interrupt.
pub(crate) fn send_nmi() {
    const NMI: u32 = 4 << 8 | 1 << 14;
    let Some(apic) = APIC.get() else { return };
    match &apic.registers {
        Registers::Memory(window) => {
            window.write32(COMMAND_HIGH, apic.id << 24);
            window.write32(COMMAND_LOW, NMI);
        }
        // SAFETY: x2APIC mode is on, where the command is one register; an NMI is fatal, and reported.
        Registers::Msr => unsafe {
            cpu::wrmsr(X2APIC + COMMAND_LOW as u32 / 16, u64::from(apic.id) << 32 | u64::from(NMI));
        },
    }
}

/// Identifier of this CPU, as a message-signalled interrupt names its destination.
pub(crate) fn id() -> u32 {
    APIC.get().map_or(0, |apic| apic.id)
}

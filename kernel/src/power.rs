//! The ways out, and the codes that a script reads.
#![expect(unsafe_code, reason = "power registers are I/O ports")]

use spin::Once;

use crate::acpi::{Acpi, Register, SoftOff};
use crate::{cpu, mem};

/// How a run ended. With QEMU's `isa-debug-exit` at port 0xf4, QEMU's exit status is `2 * code + 1`;
/// success powers the machine off instead, which is status 0.
///
/// | code | status | meaning |
/// |---|---|---|
/// | 0 | 0 | [`Exit::Success`] |
/// | 1 | 3 | [`Exit::Failure`] |
/// | 2 | 5 | [`Exit::Configuration`] |
/// | 3 | 7 | [`Exit::NoEntropy`] |
/// | 4 | 9 | [`Exit::OutOfMemory`] |
/// | 5 | 11 | [`Exit::Panic`] |
/// | 6 | 13 | [`Exit::Trap`] |
/// | 7 | 15 | [`Exit::Boot`] |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Asked to stop, and stopped.
    Success = 0,
    /// The program gave up; the log says why.
    Failure = 1,
    /// The configuration is unusable; the log says where.
    Configuration = 2,
    /// No source of randomness: keys cannot be made.
    NoEntropy = 3,
    /// The heap and the memory behind it are used up.
    OutOfMemory = 4,
    /// A Rust panic.
    Panic = 5,
    /// A CPU exception.
    Trap = 6,
    /// The loader handed over something that cannot be started from.
    Boot = 7,
}

/// `isa-debug-exit`, as the documented QEMU command line places it.
const DEBUG_EXIT: u16 = 0xf4;
/// Waited after each attempt to switch off or reset, in microseconds, before the next is made.
const PATIENCE: u64 = 100_000;

static ACPI: Once<Acpi> = Once::new();

/// Keeps the switches, and maps those that lie in memory: at the end there may be no memory to map them with.
pub(crate) fn init(acpi: Acpi) -> Result<(), mem::NoMemory> {
    let reset = acpi.reset.map(|(register, _)| register);
    let off = match acpi.soft_off {
        Some(SoftOff::Reduced { control, .. }) => Some(control),
        _ => None,
    };
    for register in [reset, off].into_iter().flatten() {
        if let Register::Memory(address) = register {
            // SAFETY: ACPI says that this byte is a power register.
            unsafe { mem::map_mmio(address, 1) }?;
        }
    }
    ACPI.call_once(|| acpi);
    Ok(())
}

fn write(register: Register, value: u8) {
    match register {
        // SAFETY: ACPI says that this port is a power register.
        Register::Port(port) => unsafe { cpu::outb(port, value) },
        // SAFETY: ACPI says so of this address; `init` has mapped it.
        Register::Memory(address) => unsafe { (address as *mut u8).write_volatile(value) },
    }
}

fn wait() {
    crate::time::busy_wait(PATIENCE);
}

/// Ends the run with `code`.
pub fn exit(code: Exit) -> ! {
    if code == Exit::Success {
        power_off();
    }
    // SAFETY: port 0xf4 is the debug-exit device or nothing; QEMU ends within the instruction.
    unsafe { cpu::outb(DEBUG_EXIT, code as u8) };
    power_off()
}

/// Switches the machine off: by ACPI, else by the registers of QEMU's machines, else by a reset, which ends a
/// QEMU with `-no-reboot`.
pub fn power_off() -> ! {
    /// Sleep enable of a PM1 control register; the sleep type lies below it.
    const SLEEP_16: u16 = 1 << 13;
    const TYPE_SHIFT_16: u32 = 10;
    /// The same for the sleep control register of hardware-reduced ACPI.
    const SLEEP_8: u8 = 1 << 5;
    const TYPE_SHIFT_8: u32 = 2;
    /// PM1a control of q35 and of i440FX, whose sleep type for soft off is 0.
    const QEMU: [u16; 2] = [0x604, 0xb004];
    match ACPI.get().and_then(|acpi| acpi.soft_off) {
        Some(SoftOff::Fixed { a, b }) => {
            for (port, kind) in core::iter::once(a).chain(b) {
                // SAFETY: ACPI says that this port is a PM1 control register.
                unsafe { cpu::outw(port, SLEEP_16 | u16::from(kind) << TYPE_SHIFT_16) };
            }
            wait();
        }
        Some(SoftOff::Reduced { control, kind }) => {
            write(control, SLEEP_8 | kind << TYPE_SHIFT_8);
            wait();
        }
        None => {
            for port in QEMU {
                // SAFETY: on a machine without ACPI tables, QEMU's register or nothing.
                unsafe { cpu::outw(port, SLEEP_16) };
            }
        }
    }
    reboot()
}

/// Resets the machine: by ACPI, else by the chipset, the keyboard controller, and at last a triple fault.
pub fn reboot() -> ! {
    const RESET_CONTROL: u16 = 0xcf9;
    const KEYBOARD_COMMAND: u16 = 0x64;
    if let Some((register, value)) = ACPI.get().and_then(|acpi| acpi.reset) {
        write(register, value);
        wait();
    }
    for (port, value) in [(RESET_CONTROL, 0x02), (RESET_CONTROL, 0x06), (KEYBOARD_COMMAND, 0xfe)] {
        // SAFETY: the reset registers of a PC, or nothing.
        unsafe { cpu::outb(port, value) };
    }
    wait();
    cpu::triple_fault()
}

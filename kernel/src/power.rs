//! The ways out, and the codes that a script reads.
#![expect(unsafe_code, reason = "power registers are I/O ports")]

use crate::cpu;

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

/// Ends the run with `code`.
pub fn exit(code: Exit) -> ! {
    if code == Exit::Success {
        power_off();
    }
    // SAFETY: port 0xf4 is the debug-exit device or nothing; QEMU ends within the instruction.
    unsafe { cpu::outb(DEBUG_EXIT, code as u8) };
    power_off()
}

/// Switches the machine off.
pub fn power_off() -> ! {
    // SAFETY: the PM1a control register of QEMU's q35 (and, second, i440FX): sleep type 0, enable.
    unsafe { cpu::outw(0x604, 0x2000) };
    // SAFETY: as above.
    unsafe { cpu::outw(0xb004, 0x2000) };
    cpu::halt()
}

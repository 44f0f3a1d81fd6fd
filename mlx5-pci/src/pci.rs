//! What the driver does in PCI configuration space: function-level reset, and letting the device reach memory.
//!
//! From the PCI Express Base Specification 5.0, 6.6.2 (function-level reset) and 7.5 (registers):
//! 1. Bus mastering goes off, and transactions that are under way are waited for.
//! 2. The reset is started; nothing is touched for 100 ms.
//! 3. The function answers configuration requests again.
//! 4. What the reset has cleared and the machine had set (BARs, control registers, MSI-X) is put back.

use crate::hal::Function;
use core::fmt;
use core::time::Duration;

/// Registers of the header.
const ID: u16 = 0x00;
const COMMAND: u16 = 0x04;
const BAR0: u16 = 0x10;
const CAPABILITIES: u16 = 0x34;
const INTERRUPT: u16 = 0x3c;
/// Bits of the command register. The status register above it is cleared by ones, so zeroes are written there.
const COMMAND_BITS: u32 = 0xffff;
const MEMORY_SPACE: u32 = 1 << 1;
const BUS_MASTER: u32 = 1 << 2;
const NO_INTX: u32 = 1 << 10;
/// `STATUS` in the upper half: there is a list of capabilities.
const HAS_LIST: u32 = 1 << 20;
/// Capability ids.
const EXPRESS: u32 = 0x10;
const MSIX: u32 = 0x11;
/// Registers of the PCI Express capability.
const DEVICE_CAPABILITIES: u16 = 0x04;
const DEVICE_CONTROL: u16 = 0x08;
const LINK_CONTROL: u16 = 0x10;
const DEVICE_CONTROL_2: u16 = 0x28;
const LINK_CONTROL_2: u16 = 0x30;
const FLR_CAPABLE: u32 = 1 << 28;
const START_FLR: u32 = 1 << 15;
const TRANSACTIONS_PENDING: u32 = 1 << 21;
/// MSI-X control: enable and mask.
const MSIX_CONTROL: u32 = 0xc000_0000;
/// The most entries of a table. The field says one less than there are.
const MSIX_ENTRIES: u16 = 1 << 11;
/// More capabilities than fit configuration space: the list has a loop.
const LONGEST_LIST: usize = 48;

const QUIET: Duration = Duration::from_secs(1);
const RESET: Duration = Duration::from_millis(100);
const READY: Duration = Duration::from_secs(60);

/// Why a function could not be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetError {
    /// It can't do a function-level reset.
    Unable,
    /// It is not there.
    Absent,
    /// It did not come back within this time.
    Lost(Duration),
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unable => f.write_str("the function offers no function-level reset"),
            Self::Absent => f.write_str("the function is not on the bus"),
            Self::Lost(after) => write!(f, "the function is not back {after:?} after its reset"),
        }
    }
}

impl core::error::Error for ResetError {}

/// Device id of the function.
pub(crate) fn device_id(function: &impl Function) -> u16 {
    (function.config_read(ID) >> 16) as u16
}

/// The offset of a capability.
fn capability(function: &impl Function, id: u32) -> Option<u16> {
    if function.config_read(COMMAND) & HAS_LIST == 0 {
        return None;
    }
    let mut at = function.config_read(CAPABILITIES) as u16 & 0xfc;
    for _ in 0..LONGEST_LIST {
        if at < 0x40 {
            return None;
        }
        let head = function.config_read(at);
        if head & 0xff == id {
            return Some(at);
        }
        at = (head >> 8) as u16 & 0xfc;
    }
    None
}

/// Entries of the function's MSI-X table; 0 if it has none.
pub fn interrupts(function: &impl Function) -> u16 {
    capability(function, MSIX).map_or(0, |at| (function.config_read(at) >> 16) as u16 % MSIX_ENTRIES + 1)
}

/// Steps 1 to 4. Afterwards memory space is on, and bus mastering is off until [`start`].
///
/// # Errors
/// When the function can't be reset, or is lost by it.
pub(crate) fn reset(function: &mut impl Function) -> Result<(), ResetError> {
    if function.config_read(ID) == u32::MAX {
        return Err(ResetError::Absent);
    }
    let express = capability(function, EXPRESS).ok_or(ResetError::Unable)?;
    if function.config_read(express + DEVICE_CAPABILITIES) & FLR_CAPABLE == 0 {
        return Err(ResetError::Unable);
    }
    let msix = capability(function, MSIX);
    let controls = [DEVICE_CONTROL, LINK_CONTROL, DEVICE_CONTROL_2, LINK_CONTROL_2]
        .map(|register| (express + register, function.config_read(express + register) & COMMAND_BITS));
    let bars = [0, 1, 2, 3, 4, 5].map(|index| BAR0 + 4 * index).map(|at| (at, function.config_read(at)));
    let interrupt = function.config_read(INTERRUPT) & 0xff;
    let vectors = msix.map(|at| (at, function.config_read(at) & MSIX_CONTROL));
    let command = function.config_read(COMMAND) & COMMAND_BITS & !BUS_MASTER;

    function.config_write(COMMAND, command);
    wait(function, QUIET, |function| {
        function.config_read(express + DEVICE_CONTROL) & TRANSACTIONS_PENDING == 0
    });
    let (control, value) = controls[0];
    function.config_write(control, value | START_FLR);
    wait(function, RESET, |_| false);
    if !wait(function, READY, |function| function.config_read(ID) != u32::MAX) {
        return Err(ResetError::Lost(READY));
    }
    for (at, value) in bars.into_iter().chain(controls) {
        function.config_write(at, value);
    }
    function.config_write(INTERRUPT, interrupt);
    if let Some((at, value)) = vectors {
        function.config_write(at, value);
    }
    function.config_write(COMMAND, command | MEMORY_SPACE | NO_INTX);
    Ok(())
}

/// Waits until `done`, or for `at_most`; whether it is done.
fn wait<F: Function>(function: &F, at_most: Duration, done: impl Fn(&F) -> bool) -> bool {
    let start = function.now();
    while !done(function) {
        if function.now().saturating_sub(start) >= at_most {
            return false;
        }
        function.relax();
    }
    true
}

/// Lets the device reach memory.
pub(crate) fn start(function: &mut impl Function) {
    let command = function.config_read(COMMAND) & COMMAND_BITS;
    function.config_write(COMMAND, command | MEMORY_SPACE | BUS_MASTER);
}

/// Keeps the device from reaching memory.
pub(crate) fn stop(function: &mut impl Function) {
    let command = function.config_read(COMMAND) & COMMAND_BITS;
    function.config_write(COMMAND, command & !BUS_MASTER);
}

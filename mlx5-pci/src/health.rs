//! Whether the device is alive: what its registers say (facts E.1), in words, and a watch over its health counter.
//!
//! What ails a device is not mended here: [`Device::recover`](crate::device::Device::recover) does that.

use crate::hal::Bar;
use crate::prm::{HealthBuffer, HealthSyndrome, InitSeg, Layout};
use core::fmt;
use core::time::Duration;

/// `cmdq_addr_l_sz`, with the state of the interface in bits 10:8.
const QUEUE_LOW: usize = 0x14;
const INTERFACE_SHIFT: u32 = 8;
const INTERFACE_DISABLED: u32 = 1;
const INTERFACE_SOFTWARE_RESET: u32 = 7;
/// Where the health buffer lies.
const BUFFER: usize = 0x200;
/// The counter that runs as long as the firmware does; a copy of the syndrome above it.
const COUNTER: usize = 0x1010;
const COUNTER_BITS: u32 = 0x00ff_ffff;
/// So many periods in a row without a change, and the firmware is dead.
const MISSES: u32 = 3;

/// Why the device can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// Registers read as all ones: the function is gone from the bus.
    Gone,
    /// The firmware has switched its interface off.
    Disabled {
        /// What its health buffer says.
        syndrome: HealthSyndrome,
        /// The extended syndrome beside it.
        extended: u16,
    },
    /// The firmware asks for a reset.
    ResetRequested {
        /// What its health buffer says.
        syndrome: HealthSyndrome,
        /// The extended syndrome beside it.
        extended: u16,
    },
    /// The health counter stands still.
    Stuck,
}

impl fmt::Display for Illness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone from the bus"),
            Self::Disabled { syndrome, extended } => {
                write!(f, "interface off, health syndrome {}/{extended:#06x}", Text(*syndrome))
            }
            Self::ResetRequested { syndrome, extended } => {
                write!(f, "firmware asks for a reset, health syndrome {}/{extended:#06x}", Text(*syndrome))
            }
            Self::Stuck => f.write_str("the health counter stands still"),
        }
    }
}

/// A syndrome in words.
struct Text(HealthSyndrome);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            HealthSyndrome(0) => "none",
            HealthSyndrome::FW_INTERNAL_ERR => "firmware internal error",
            HealthSyndrome::DEAD_IRISC => "a processor of the device does not respond",
            HealthSyndrome::HW_FATAL_ERR => "fatal hardware error",
            HealthSyndrome::FW_CRC_ERR => "checksum error in the firmware's memory",
            HealthSyndrome::ICM_FETCH_PCI_ERR => "PCI error while fetching from the host's pages",
            HealthSyndrome::ICM_PAGE_ERR => "a host page is bad",
            HealthSyndrome::ASYNCHRONOUS_EQ_BUF_OVERRUN => "an asynchronous event queue ran over",
            HealthSyndrome::EQ_IN_ERR => "an event queue is in error",
            HealthSyndrome::EQ_INV => "an event queue is invalid",
            HealthSyndrome::FFSER_ERR => "uncorrectable error in the device's memory",
            HealthSyndrome::HIGH_TEMP_ERR => "too hot",
            HealthSyndrome::ICM_PCI_POISONED_ERR => "poisoned data from the host's pages",
            HealthSyndrome::TRUST_LOCKDOWN_ERR => "locked down by its root of trust",
            _ => "unknown",
        };
        write!(f, "{:#04x} ({text})", self.0.0)
    }
}

/// The health buffer.
pub(crate) fn buffer(bar: &impl Bar) -> HealthBuffer {
    let mut buffer = HealthBuffer::default();
    for (offset, dword) in (BUFFER..).step_by(4).zip(buffer.as_bytes_mut().as_chunks_mut::<4>().0) {
        *dword = bar.read(offset).to_be_bytes();
    }
    buffer
}

/// What ails the device, as far as its registers say at this moment.
pub(crate) fn sense(bar: &impl Bar) -> Option<Illness> {
    let low = bar.read(QUEUE_LOW);
    if low == u32::MAX {
        return Some(Illness::Gone);
    }
    let buffer = buffer(bar);
    let (syndrome, extended) = (HealthSyndrome(buffer.synd()), buffer.ext_synd());
    match low >> INTERFACE_SHIFT & 7 {
        INTERFACE_DISABLED | INTERFACE_SOFTWARE_RESET => Some(Illness::Disabled { syndrome, extended }),
        _ if buffer.rfr() && syndrome.0 != 0 => Some(Illness::ResetRequested { syndrome, extended }),
        _ => None,
    }
}

/// Watches the health counter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    counter: u32,
    changed: Option<Duration>,
}

impl Watch {
    /// What ails the device at `now`, if the counter should change at least once in every `period`.
    pub(crate) fn look(&mut self, bar: &impl Bar, now: Duration, period: Duration) -> Option<Illness> {
        if let Some(illness) = sense(bar) {
            return Some(illness);
        }
        let counter = bar.read(COUNTER) & COUNTER_BITS;
        match self.changed {
            Some(changed) if counter == self.counter => {
                (now.saturating_sub(changed) > MISSES * period).then_some(Illness::Stuck)
            }
            _ => {
                *self = Self { counter, changed: Some(now) };
                None
            }
        }
    }
}

/// What the firmware says about itself, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Firmware version: major, minor, sub-minor.
    pub firmware: [u16; 3],
    /// The health buffer.
    pub buffer: HealthBuffer,
}

impl Report {
    /// As the registers have it now.
    pub(crate) fn read(bar: &impl Bar) -> Self {
        let [first, second] = [0, 4].map(|at| bar.read(at));
        Self { firmware: [first as u16, (first >> 16) as u16, second as u16], buffer: buffer(bar) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, sub] = self.firmware;
        let buffer = &self.buffer;
        writeln!(f, "firmware {major}.{minor}.{sub:04}, hardware {:#010x}", buffer.hw_id())?;
        let syndrome = HealthSyndrome(buffer.synd());
        writeln!(f, "health syndrome {}, extended {:#06x}", Text(syndrome), buffer.ext_synd())?;
        if syndrome.0 != 0 {
            let severity = if buffer.valid() { buffer.severity() } else { 0 };
            writeln!(f, "severity {severity}, reset requested: {}, at {} s", buffer.rfr(), buffer.time())?;
            writeln!(
                f,
                "exit pointer {:#010x}, return address {:#010x}",
                buffer.assert_exit_ptr(),
                buffer.assert_callra()
            )?;
            for (number, word) in buffer.assert_var().as_chunks::<4>().0.iter().enumerate() {
                writeln!(f, "variable {number}: {:#010x}", u32::from_be_bytes(*word))?;
            }
        }
        Ok(())
    }
}

const _: () = assert!(InitSeg::SIZE > BUFFER + <HealthBuffer as Layout>::SIZE);

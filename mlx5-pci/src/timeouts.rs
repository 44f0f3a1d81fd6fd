//! How long to wait for what: the firmware's own values, from the initialization segment and from DTOR, and those of
//! the reference driver until they can be read (facts E.1).

use crate::hal::Bar;
use crate::prm::{DefaultTimeout, DtorReg};
use core::time::Duration;

/// Registers of the segment that hold timeouts.
const CMD_EXEC_TO: usize = 0xff8;
const CMD_Q_INIT_TO: usize = 0xffc;

/// The longest that is believed.
const LONGEST: Duration = Duration::from_secs(600);

/// Timeouts of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From reset until the firmware takes a command queue.
    pub pre_init: Duration,
    /// From the command queue until the firmware takes commands.
    pub init: Duration,
    /// One command.
    pub command: Duration,
    /// How often the health counter is looked at.
    pub health_poll: Duration,
    /// TEARDOWN_HCA until the interface is quiet.
    pub teardown: Duration,
    /// Until the firmware gives pages back.
    pub reclaim_pages: Duration,
    /// Whether the firmware tells timeouts at all.
    pub from_firmware: bool,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            pre_init: Duration::from_secs(120),
            init: Duration::from_secs(2),
            command: Duration::from_secs(60),
            health_poll: Duration::from_secs(2),
            teardown: Duration::from_secs(3),
            reclaim_pages: Duration::from_secs(5),
            from_firmware: false,
        }
    }
}

impl Timeouts {
    /// Takes what the initialization segment says, if it says anything.
    pub(crate) fn read_segment(&mut self, bar: &impl Bar) {
        let read = |at: usize| DefaultTimeout::copy_from(&bar.read(at).to_be_bytes());
        if bar.read(CMD_Q_INIT_TO) == 0 {
            return;
        }
        self.from_firmware = true;
        replace(&mut self.init, &read(CMD_Q_INIT_TO));
        replace(&mut self.command, &read(CMD_EXEC_TO));
    }

    /// Takes what DTOR says.
    pub(crate) fn take(&mut self, register: &DtorReg) {
        replace(&mut self.health_poll, &register.health_poll_to());
        replace(&mut self.teardown, &register.tear_down_to());
        replace(&mut self.reclaim_pages, &register.reclaim_pages_to());
    }
}

/// Zero says nothing.
fn replace(timeout: &mut Duration, field: &DefaultTimeout) {
    let value = u64::from(field.to_value());
    let told = match field.to_multiplier() & 3 {
        0 => Duration::from_millis(value),
        1 => Duration::from_secs(value),
        2 => Duration::from_secs(60 * value),
        _ => Duration::from_secs(3600 * value),
    };
    if !told.is_zero() {
        *timeout = told.min(LONGEST);
    }
}

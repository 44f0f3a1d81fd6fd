//! The initialization segment as the driver reads it (facts E.1): firmware version, command queue, health, timers.

use crate::Device;
use mlx5_pci::prm::{HealthBuffer, InitSeg};

/// How often the health counter counts, in milliseconds.
const HEALTH_PERIOD: u128 = 10;
/// The command interface's revision.
const CMDIF_REV: u32 = 5;
/// `initializing`, bits 26:24: a driver may take the full interface.
const NIC_INTERFACE_SUPPORTED: u32 = 1 << 24;

impl Device {
    /// A byte of the segment.
    pub(crate) fn segment_byte(&self, at: usize) -> u8 {
        let word = self.segment_word(at & !3);
        word.to_be_bytes()[at & 3]
    }

    fn segment_word(&self, at: usize) -> u32 {
        let identity = self.profile.identity();
        match at {
            0x0 => u32::from(identity.firmware[1]) << 16 | u32::from(identity.firmware[0]),
            0x4 => CMDIF_REV << 16 | u32::from(identity.firmware[2]),
            0x10 => self.commands.address_high(),
            0x14 => self.commands.address_low(),
            0x1fc => NIC_INTERFACE_SUPPORTED,
            0x200..0x240 => {
                let buffer = self.health_buffer();
                let bytes = &buffer.as_bytes()[at - 0x200..at - 0x200 + 4];
                u32::from_be_bytes(bytes.try_into().unwrap_or_default())
            }
            0x1000 => (self.timer() >> 32) as u32,
            0x1004 => self.timer() as u32,
            0x1010 => self.health_counter(),
            0x1040 => self.now.as_secs() as u32,
            0x1044 => self.now.subsec_nanos(),
            _ => 0,
        }
    }

    /// The free-running timer, in ticks of `device_frequency_khz`.
    pub(crate) fn timer(&self) -> u64 {
        let khz = u128::from(self.profile.general().device_frequency_khz());
        (self.now.as_nanos() * khz / 1_000_000) as u64
    }

    fn health_buffer(&self) -> HealthBuffer {
        let [major, minor, sub] = self.profile.identity().firmware;
        let version = u32::from(major) << 24 | u32::from(minor & 0xff) << 16 | u32::from(sub);
        let mut buffer = HealthBuffer::build().fw_ver(version).hw_id(self.profile.identity().hardware).done();
        if let Some(syndrome) = self.faults.fatal_syndrome() {
            buffer.set().synd(syndrome).assert_exit_ptr(0x0012_3456).time(self.now.as_secs() as u32);
        }
        buffer
    }

    fn health_counter(&self) -> u32 {
        let ticks = self.faults.health_stopped().unwrap_or(self.now).as_millis() / HEALTH_PERIOD;
        let syndrome = u32::from(self.faults.fatal_syndrome().unwrap_or(0));
        syndrome << 24 | (ticks as u32 & 0x00ff_ffff)
    }

    /// Whether the function is gone: reads are all ones, writes go nowhere.
    pub(crate) fn is_dead(&self) -> bool {
        self.faults.dead()
    }
}

/// The layouts and the code above have to agree on where things stand.
const _: () = assert!(InitSeg::SIZE >= 0x2000);

//! Priorities, traffic classes, flow control and buffers of the port: settings that registers write and read back.
//!
//! The model has one queue in each direction, so nothing is shaped or paused; what was set is kept and shown.

use super::counters::PRIORITIES;

/// Traffic classes.
pub(crate) const CLASSES: usize = 8;
/// Code points of a DSCP.
pub(crate) const DSCPS: usize = 64;
/// Buffers of a port that can be sized.
pub(crate) const BUFFERS: usize = 8;

/// Bandwidth of a traffic class (QETC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Class {
    /// Group of classes that share bandwidth.
    pub(crate) group: u8,
    /// Percent of the group's bandwidth.
    pub(crate) bandwidth: u8,
    /// Unit of the limit: 0 none, 3 100 Mbit/s, 4 1 Gbit/s.
    pub(crate) limit_unit: u8,
    /// The limit.
    pub(crate) limit: u8,
}

/// A receive buffer (PBMC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buffer {
    /// Whether frames may be lost in it.
    pub(crate) lossy: bool,
    /// Size in cells.
    pub(crate) size: u16,
    /// Cells above which pause is sent.
    pub(crate) xoff: u16,
    /// Cells below which pause ends.
    pub(crate) xon: u16,
}

/// Settings.
#[derive(Clone, Debug)]
pub(crate) struct Qos {
    /// Global pause: sent, honoured.
    pub(crate) pause_tx: bool,
    pub(crate) pause_rx: bool,
    /// Priority flow control by priority: sent, honoured.
    pub(crate) pfc_tx: u8,
    pub(crate) pfc_rx: u8,
    /// Watermarks of a stalled device.
    pub(crate) stall_minor: u16,
    pub(crate) stall_critical: u16,
    /// What gives a received frame its priority: 1 PCP, 2 DSCP, 3 both.
    pub(crate) trust: u8,
    /// Priority by DSCP.
    pub(crate) dscp: [u8; DSCPS],
    /// Traffic class by priority.
    pub(crate) class_of: [u8; PRIORITIES],
    /// Bandwidth by traffic class.
    pub(crate) classes: [Class; CLASSES],
    /// Who runs DCBX: 0 off, 1 CEE, 2 IEEE; and whether the peer's configuration is taken.
    pub(crate) dcbx_version: u8,
    pub(crate) dcbx_willing: bool,
    /// Receive buffers, and the buffer of each priority.
    pub(crate) buffers: [Buffer; BUFFERS],
    pub(crate) buffer_of: [u8; PRIORITIES],
    /// Pause timer and refresh in 512 bit times.
    pub(crate) xoff_timer: u16,
    pub(crate) xoff_refresh: u16,
    /// Sizes of the shared pools in cells (SBPR), by direction and pool.
    pub(crate) pools: [[u32; 4]; 2],
    /// Largest share of a pool by direction and buffer (SBCM): the share and its pool.
    pub(crate) shares: [[(u32, u8); BUFFERS]; 2],
}

/// Cells in the whole receive buffer of a port.
pub(crate) const CELLS: u16 = 0x2000;

impl Default for Qos {
    fn default() -> Qos {
        let mut buffers = [Buffer::default(); BUFFERS];
        buffers[0] = Buffer { lossy: true, size: CELLS / 2, xoff: 0, xon: 0 };
        let mut classes = [Class::default(); CLASSES];
        for (number, class) in classes.iter_mut().enumerate() {
            // Vendor default: one group, strict, by number.
            *class = Class { group: number as u8, bandwidth: 100, ..Class::default() };
        }
        Qos {
            pause_tx: true,
            pause_rx: true,
            pfc_tx: 0,
            pfc_rx: 0,
            stall_minor: 0,
            stall_critical: 0,
            trust: 1,
            // The class selector bits.
            dscp: core::array::from_fn(|dscp| (dscp >> 3) as u8),
            class_of: [1, 0, 2, 3, 4, 5, 6, 7],
            classes,
            dcbx_version: 2,
            dcbx_willing: false,
            buffers,
            buffer_of: [0; PRIORITIES],
            xoff_timer: 0xffff,
            xoff_refresh: 0x7fff,
            pools: [[u32::from(CELLS), 0, 0, 0]; 2],
            shares: [[(u32::from(CELLS), 0); BUFFERS]; 2],
        }
    }
}

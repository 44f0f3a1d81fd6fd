//! What a device is and offers: capability profiles.

use crate::command::Command;
use mlx5_pci::prm::CmdHcaCap;

/// What a device is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// PCI vendor.
    pub vendor: u16,
    /// PCI device.
    pub device: u16,
    /// PCI revision.
    pub revision: u8,
    /// PCI subsystem vendor.
    pub subsystem_vendor: u16,
    /// PCI subsystem.
    pub subsystem: u16,
    /// Firmware version: major, minor, subminor.
    pub firmware: [u16; 3],
    /// Hardware id in the health buffer.
    pub hardware: u32,
    /// Board id (PSID).
    pub board: String,
    /// Permanent MAC address.
    pub mac: [u8; 6],
    /// MSI-X vectors.
    pub vectors: u16,
    /// Pages wanted for boot.
    pub boot_pages: usize,
    /// Pages wanted for INIT_HCA.
    pub init_pages: usize,
}

/// A device as its data file describes it.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    identity: Identity,
    general: CmdHcaCap,
}

impl Profile {
    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Current general capabilities.
    pub fn general(&self) -> &CmdHcaCap {
        &self.general
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[];

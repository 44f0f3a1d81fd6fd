//! What the queues need of other chapters: time stamps, interrupts, memory behind keys; and how answers are written.

use crate::hca::{KeyFault, RESERVED_LKEY};
use crate::{Check, Device, Memory};

/// Writes the fixed part of an output.
pub(super) fn answer(output: &mut [u8], bytes: &[u8]) {
    for (place, byte) in output.iter_mut().zip(bytes) {
        *place = *byte;
    }
}

/// The check that an access through a key has failed.
fn check(fault: KeyFault) -> Check {
    match fault {
        KeyFault::NoKey => Check::NoObject,
        KeyFault::Free => Check::State,
        KeyFault::Domain => Check::Mismatch,
        KeyFault::Rights => Check::Capability,
        KeyFault::Bounds => Check::Limit,
        KeyFault::Unmapped => Check::Unmapped,
    }
}

/// A memory key as a queue uses it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The key.
    pub(super) key: u32,
    /// The protection domain of the queue.
    pub(super) pd: u32,
    /// Whether the queue may use the reserved key: `rlky` of its context.
    pub(super) reserved: bool,
}

impl Key {
    fn usable(self) -> Result<(), Check> {
        if self.key == RESERVED_LKEY && !self.reserved { Err(Check::Mismatch) } else { Ok(()) }
    }
}

impl Device {
    /// Reads guest memory at `address` of a key.
    ///
    /// # Errors
    /// The check that failed.
    pub(super) fn read_key(
        &self,
        memory: &dyn Memory,
        key: Key,
        address: u64,
        into: &mut [u8],
    ) -> Result<(), Check> {
        key.usable()?;
        self.read_by_key(memory, key.key, key.pd, address, into).map_err(check)
    }

    /// Writes guest memory at `address` of a key.
    ///
    /// # Errors
    /// The check that failed.
    pub(super) fn write_key(
        &self,
        memory: &dyn Memory,
        key: Key,
        address: u64,
        from: &[u8],
    ) -> Result<(), Check> {
        key.usable()?;
        self.write_by_key(memory, key.key, key.pd, address, from).map_err(check)
    }

    /// The time stamp of a CQE: the free-running timer.
    pub(super) fn timestamp(&self) -> u64 {
        self.timer()
    }

    /// Raises an MSI-X vector, if MSI-X is on; masks of single vectors are the front end's.
    pub(super) fn raise(&mut self, vector: u16) {
        if self.msix_enabled() {
            self.out.vectors.push(vector);
        }
    }
}

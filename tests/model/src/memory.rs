//! Guest memory as the device reaches it: by bus address, and only where something is mapped.

use core::fmt;

/// A device access that no mapped guest memory answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The first bus address of the access.
    pub address: u64,
    /// How many bytes were wanted.
    pub length: usize,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x} are not mapped", self.length, self.address)
    }
}

impl core::error::Error for Unmapped {}

/// Guest memory behind bus addresses. Reads and writes are in the order in which they are made, also against what the
/// guest's processors see; an access is whole or not done at all.
pub trait Memory {
    /// Copies guest memory at `address` out.
    ///
    /// # Errors
    /// [`Unmapped`] when any byte of it is not mapped.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped>;

    /// Copies `from` into guest memory at `address`.
    ///
    /// # Errors
    /// [`Unmapped`] when any byte of it is not mapped; nothing is written then.
    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped>;
}

/// Reads `N` bytes.
///
/// # Errors
/// As [`Memory::read`].
pub(crate) fn read_array<const N: usize>(memory: &dyn Memory, address: u64) -> Result<[u8; N], Unmapped> {
    let mut bytes = [0; N];
    memory.read(address, &mut bytes)?;
    Ok(bytes)
}

/// Reads `length` bytes.
///
/// # Errors
/// As [`Memory::read`].
pub(crate) fn read_vec(memory: &dyn Memory, address: u64, length: usize) -> Result<Vec<u8>, Unmapped> {
    let mut bytes = vec![0; length];
    memory.read(address, &mut bytes)?;
    Ok(bytes)
}

/// Reads a big-endian dword, as doorbell records are.
///
/// # Errors
/// As [`Memory::read`].
pub(crate) fn read_be32(memory: &dyn Memory, address: u64) -> Result<u32, Unmapped> {
    read_array(memory, address).map(u32::from_be_bytes)
}

//! Reads and writes of network-order numbers that answer "not there" instead of panicking.

/// Two bytes at `at`.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    chunk(bytes, at).map(u16::from_be_bytes)
}

/// Four bytes at `at`.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    chunk(bytes, at).map(u32::from_be_bytes)
}

/// `N` bytes at `at`.
pub(crate) fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Overwrites the bytes at `at`; nothing happens where they would not fit.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let room = at.checked_add(value.len()).and_then(|end| bytes.get_mut(at..end));
    if let Some(room) = room {
        room.copy_from_slice(value);
    }
}

/// The bytes from `start` to `end`, both cut to what is there.
pub(crate) fn cut(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    let end = end.min(bytes.len());
    &bytes[start.min(end)..end]
}

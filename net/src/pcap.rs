//! Captures in the classic libpcap file format (draft-ietf-opsawg-pcap), nanosecond variant, little-endian.
//! Writes only. Leaves out pcapng, comments and interface names.

use alloc::vec::Vec;
use core::convert::Infallible;

use crate::time::{Duration, Instant};

/// Where the bytes of a capture go.
pub trait Sink {
    /// What can go wrong there.
    type Error;
    /// Takes all of `bytes`.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl<S: Sink> Sink for &mut S {
    type Error = S::Error;

    fn write(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).write(bytes)
    }
}

/// What a captured packet starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LinkType {
    /// An Ethernet header (LINKTYPE_ETHERNET).
    Ethernet = 1,
    /// An IPv4 or IPv6 header (LINKTYPE_RAW).
    RawIp = 101,
}

/// Magic number of files with nanosecond timestamps.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// File format version 2.4.
const VERSION: [u16; 2] = [2, 4];
/// Bytes of the file header.
pub const FILE_HEADER: usize = 24;
/// Bytes of the header of each record.
pub const RECORD_HEADER: usize = 16;

/// Writes one capture.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    origin: Duration,
    snap_len: u32,
}

impl<S: Sink> Writer<S> {
    /// Starts a capture with its file header. `origin` is the time of [`Instant::ZERO`] since 1970 (zero if
    /// unknown); of longer packets only the first `snap_len` bytes are kept.
    pub fn new(mut sink: S, link: LinkType, origin: Duration, snap_len: u32) -> Result<Self, S::Error> {
        let mut header = [0; FILE_HEADER];
        header[0..4].copy_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
        header[4..6].copy_from_slice(&VERSION[0].to_le_bytes());
        header[6..8].copy_from_slice(&VERSION[1].to_le_bytes());
        // Eight reserved bytes stay zero.
        header[16..20].copy_from_slice(&snap_len.to_le_bytes());
        header[20..24].copy_from_slice(&(link as u32).to_le_bytes());
        sink.write(&header)?;
        Ok(Self { sink, origin, snap_len })
    }

    /// Appends one packet, seen at `now`.
    pub fn record(&mut self, now: Instant, packet: &[u8]) -> Result<(), S::Error> {
        let at = self.origin.saturating_add(now.since(Instant::ZERO));
        let kept = &packet[..packet.len().min(self.snap_len as usize)];
        let mut header = [0; RECORD_HEADER];
        // Seconds wrap in 2106, as the format has it.
        header[0..4].copy_from_slice(&(at.as_secs() as u32).to_le_bytes());
        header[4..8].copy_from_slice(&at.subsec_nanos().to_le_bytes());
        header[8..12].copy_from_slice(&(kept.len() as u32).to_le_bytes());
        header[12..16].copy_from_slice(&(packet.len() as u32).to_le_bytes());
        self.sink.write(&header)?;
        self.sink.write(kept)
    }

    /// The sink, for flushing or taking the bytes out.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// The sink as it is now.
    pub fn sink(&self) -> &S {
        &self.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_byte_by_byte() {
        let origin = Duration::from_secs(0x6543_2100);
        let mut writer = Writer::new(Vec::new(), LinkType::RawIp, origin, 3).unwrap();
        writer.record(Instant(1_000_002), b"abcde").unwrap();
        // Decoded with tshark 4.0 as: nanosecond pcap, Raw IP, 3 of 5 bytes, 1698898177.000002000.
        let expected = [
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 101, 0, 0, 0, //
            0x01, 0x21, 0x43, 0x65, 0xd0, 0x07, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, b'a', b'b', b'c',
        ];
        assert_eq!(writer.into_sink(), expected);
    }
}

//! Captures: one pcap file for each place where packets are seen.
//!
//! Of a card there are two, of the packets that it encrypts and decrypts: `NAME-host.pcap` holds them as the host sees
//! them, `NAME-wire.pcap` as they are on the wire. What no crypto touches is only in its wire's `wireN.pcap`, which has
//! everything. A full disk ends a capture, not the device.

use crate::lock;
use core::time::Duration;
use mlx5_model::{Side, Tap};
use net::pcap::{LinkType, Sink, Writer};
use net::time::Instant;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest frame that is kept whole.
const SNAP: u32 = 64 * 1024;

#[derive(Clone)]
struct Output(Arc<Mutex<BufWriter<File>>>);

impl Sink for Output {
    type Error = io::Error;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.0).write_all(bytes)
    }
}

/// One file.
pub struct Pcap {
    output: Output,
    writer: Writer<Output>,
    started: std::time::Instant,
    full: bool,
}

impl Pcap {
    /// Begins `path` anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Pcap> {
        let output = Output(Arc::new(Mutex::new(BufWriter::new(File::create(path)?))));
        let origin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let writer = Writer::new(output.clone(), LinkType::Ethernet, origin, SNAP)?;
        lock(&output.0).flush()?;
        Ok(Pcap { output, writer, started: std::time::Instant::now(), full: false })
    }

    /// Appends frames that are seen now, and brings them to the file.
    pub fn record<'a>(&mut self, frames: impl IntoIterator<Item = &'a [u8]>) {
        if self.full {
            return;
        }
        let now = Instant(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        let recorded = frames.into_iter().try_for_each(|frame| self.writer.record(now, frame));
        if let Err(error) = recorded.and_then(|()| lock(&self.output.0).flush()) {
            log::error!("a capture ends: {error}");
            self.full = true;
        }
    }
}

/// Both captures of a card.
pub struct Captures {
    host: Pcap,
    wire: Pcap,
}

impl Captures {
    /// Begins `NAME-host.pcap` and `NAME-wire.pcap` in `dir`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn create(dir: &Path, name: &str) -> io::Result<Captures> {
        let pcap = |side: &str| Pcap::create(&dir.join(format!("{name}-{side}.pcap")));
        Ok(Captures { host: pcap("host")?, wire: pcap("wire")? })
    }

    /// Appends what the device has tapped.
    pub fn record(&mut self, taps: &[Tap]) {
        let of = |side: Side| taps.iter().filter(move |tap| tap.side == side).map(|tap| tap.frame.as_slice());
        self.host.record(of(Side::Host));
        self.wire.record(of(Side::Wire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_file() {
        let dir = std::env::temp_dir().join(format!("mlx5-device-capture-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut captures = Captures::create(&dir, "A").unwrap();
        let tap = |side, length| Tap { side, outbound: true, frame: vec![length; usize::from(length)] };
        captures.record(&[tap(Side::Host, 60), tap(Side::Wire, 90), tap(Side::Host, 70)]);
        let size = |name: &str| std::fs::metadata(dir.join(name)).unwrap().len();
        let (file, record) = (net::pcap::FILE_HEADER, net::pcap::RECORD_HEADER);
        assert_eq!(size("A-host.pcap"), (file + 2 * record + 130) as u64);
        assert_eq!(size("A-wire.pcap"), (file + record + 90) as u64);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

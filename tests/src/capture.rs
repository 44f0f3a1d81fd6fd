//! Frames off an interface into a pcap file, by tcpdump.

use crate::error::Result;
use crate::namespace::Namespace;
use crate::process::Process;
use core::time::Duration;
use rustix::process::Signal;
use std::path::{Path, PathBuf};

/// A capture under way.
pub struct Capture {
    process: Process,
    path: PathBuf,
}

impl Capture {
    /// Starts capturing what `filter` (tcpdump's language) selects and returns when the capture has begun.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(namespace: &Namespace, interface: &str, filter: &str) -> Result<Capture> {
        let name = format!("capture-{interface}");
        let path = namespace.site().path(&format!("{name}.pcap"));
        let file = path.display().to_string();
        // -Z root: Debian's tcpdump would drop to a user that may not write here.
        let process = namespace.spawn(
            &name,
            "tcpdump",
            &["-Z", "root", "-n", "-U", "--immediate-mode", "-s", "0", "-i", interface, "-w", &file, filter],
        )?;
        process.expect_line("listening on", Duration::from_secs(10))?;
        Ok(Capture { process, path })
    }

    /// Ends the capture after letting the last frames arrive, and returns the file.
    pub fn stop(mut self) -> PathBuf {
        std::thread::sleep(Duration::from_millis(200));
        self.process.signal(Signal::INT);
        let _ = self.process.wait(Duration::from_secs(5));
        self.path.clone()
    }

    /// The file so far.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

//! The site of one test: its scratch directory, its name, and the janitor that removes whatever it made.
//!
//! A run can end by success, panic, Ctrl-C or SIGKILL. Only a second process sees all four, so a site starts a small
//! shell (`janitor.sh`) that holds the reading end of a pipe and cleans up when the pipe closes. Leftovers of a run
//! whose janitor died too are swept when the next site is made: they carry the process number of their maker.

use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::paths;
use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// One test's world. Cheap to clone; the last clone cleans up.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    /// `rvPID-N`: the start of every namespace's name and short enough for an interface's name.
    prefix: String,
    dir: PathBuf,
    janitor: Mutex<Option<Child>>,
}

impl Site {
    /// A fresh site with a scratch directory under the target directory, named after `what`.
    ///
    /// # Errors
    /// When the directory or the janitor cannot be made.
    pub fn new(what: &str) -> Result<Site> {
        Site::new_in(&paths::target().join("sites"), what)
    }

    /// A fresh site under the system's directory for temporary files: for users who may not write to the target
    /// directory, and short enough for the names of sockets.
    ///
    /// # Errors
    /// When the directory or the janitor cannot be made.
    pub fn new_anywhere(what: &str) -> Result<Site> {
        Site::new_in(&std::env::temp_dir(), &format!("ravelin-{what}"))
    }

    fn new_in(parent: &Path, what: &str) -> Result<Site> {
        let pid = std::process::id();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        if serial == 0 {
            sweep();
        }
        let dir = parent.join(format!("{what}-{pid}-{serial}"));
        fs::create_dir_all(&dir).map_err(Error::io(format!("creating {}", dir.display())))?;
        let janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting the janitor (sh)"))?;
        let site = Site(Arc::new(Inner {
            prefix: format!("rv{pid}-{serial}"),
            dir,
            janitor: Mutex::new(Some(janitor)),
        }));
        site.tell(&format!("dir {}", site.dir().display()));
        if std::env::var_os("RAVELIN_KEEP").is_some() {
            site.keep();
        }
        Ok(site)
    }

    /// The scratch directory. It is removed with the site unless the test panics, [`Site::keep`] was called,
    /// or `RAVELIN_KEEP` is set.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// A directory whose name is short enough for the names of sockets (108 octets), whatever the target directory is
    /// called. It goes away with the site in any case.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn sockets(&self) -> Result<PathBuf> {
        let dir = std::env::temp_dir().join(&self.0.prefix);
        self.tell(&format!("sockets {}", dir.display()));
        fs::create_dir_all(&dir).map_err(Error::io(format!("creating {}", dir.display())))?;
        Ok(dir)
    }

    /// A file in the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.dir.join(name)
    }

    /// Writes a file into the scratch directory and returns where it is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io(format!("creating {}", parent.display())))?;
        }
        fs::write(&path, content).map_err(Error::io(format!("writing {}", path.display())))?;
        Ok(path)
    }

    /// The start of every name this site gives to namespaces and taps.
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// A new network namespace of this site, with its loopback up. `role` is one or two letters.
    ///
    /// # Errors
    /// When `ip netns` refuses (no root).
    pub fn namespace(&self, role: &str) -> Result<Namespace> {
        let name = format!("{}{role}", self.0.prefix);
        self.tell(&format!("ns {name}"));
        Namespace::create(self.clone(), name)
    }

    /// Tells the janitor of a process group, for processes that run in no namespace of the site.
    pub fn adopt(&self, pid: u32) {
        self.tell(&format!("pid {pid}"));
    }

    /// Tells the janitor that a process group has ended.
    pub fn release(&self, pid: u32) {
        self.tell(&format!("gone {pid}"));
    }

    /// Leaves the scratch directory for reading after the test.
    pub fn keep(&self) {
        self.tell("keep");
    }

    /// Ends everything of this site now and waits until it is gone, whoever else still holds the site.
    pub fn end(&self) {
        self.0.end();
    }

    fn tell(&self, line: &str) {
        if let Ok(mut janitor) = self.0.janitor.lock()
            && let Some(stdin) = janitor.as_mut().and_then(|child| child.stdin.as_mut())
        {
            // A janitor that was killed leaves its work to the next run's sweep.
            let _ = writeln!(stdin, "{line}");
        }
    }
}

impl Inner {
    fn end(&self) {
        let Ok(mut janitor) = self.janitor.lock() else { return };
        let Some(mut child) = janitor.take() else { return };
        if std::thread::panicking() {
            if let Some(stdin) = child.stdin.as_mut() {
                let _ = writeln!(stdin, "keep");
            }
            eprintln!("logs of the failed test: {}", self.dir.display());
        }
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}

/// The hidden subcommand `site-for-a-test`: makes a namespace with a process in it, says so, and waits to be killed.
///
/// # Errors
/// When the site cannot be made.
pub fn main_for_a_test() -> Result<()> {
    let site = Site::new("victim")?;
    let namespace = site.namespace("x")?;
    let sleeper = namespace.spawn("sleeper", "sleep", &["600"])?;
    println!("namespace {} sleeper {}", namespace.name(), sleeper.id());
    std::thread::sleep(core::time::Duration::from_secs(600));
    Ok(())
}

/// Ends what runs of dead processes left behind: their namespaces with everything inside.
fn sweep() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("rv").and_then(|rest| rest.split('-').next()) else { continue };
        if pid.parse::<u32>().is_err() || Path::new("/proc").join(pid).exists() {
            continue;
        }
        let feed = format!("ns {name}\n");
        let janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if let Ok(mut child) = janitor {
            if let Some(mut stdin) = child.stdin.take() {
                let _ = stdin.write_all(feed.as_bytes());
            }
            let _ = child.wait();
        }
    }
}

//! strongSwan in a network namespace: a peer that we did not write, with its own `/run` and its own log.
//!
//! Its ESP is the libipsec plugin, so it speaks UDP-encapsulated tunnel mode only. For native ESP see [`crate::uml`].

use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::process::{Process, run};
use crate::swanctl::{self, Connection, Esp};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Debian's path of the IKE daemon.
pub const DAEMON: &str = "/usr/lib/ipsec/charon";

/// A running daemon.
pub struct Charon {
    process: Process,
    dir: PathBuf,
    /// What the daemon sees as `/run`.
    run: PathBuf,
}

impl Charon {
    /// Starts a daemon in `namespace` and loads `connections` into it.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start(namespace: &Namespace, connections: &[Connection]) -> Result<Charon> {
        Charon::start_with(namespace, connections, &[])
    }

    /// As [`Charon::start`] with further lines for the `charon` section, e.g. `fragment_size = 300`.
    ///
    /// # Errors
    /// When it does not come up or refuses the configuration.
    pub fn start_with(
        namespace: &Namespace,
        connections: &[Connection],
        settings: &[&str],
    ) -> Result<Charon> {
        let site = namespace.site();
        let name = format!("charon-{}", namespace.name());
        let dir = site.path(&name);
        let run = site.sockets()?.join(namespace.name());
        for dir in [&dir, &run] {
            fs::create_dir_all(dir).map_err(Error::io(format!("creating {}", dir.display())))?;
        }
        // A stale socket would answer the wait below.
        let _ = fs::remove_file(run.join("charon.vici"));
        let log = dir.join("charon.log");
        site.write(
            &format!("{name}/strongswan.conf"),
            &swanctl::strongswan_conf(Esp::InDaemon, &log.display().to_string(), settings),
        )?;
        // `ip netns exec` gives a mount namespace of its own, so a private /run costs one bind mount.
        let line = format!(
            "mount --bind {run} /run && exec env STRONGSWAN_CONF={conf} SWANCTL_DIR={dir} {DAEMON}",
            run = run.display(),
            conf = dir.join("strongswan.conf").display(),
            dir = dir.display(),
        );
        let process = namespace.spawn(&format!("{name}.out"), "sh", &["-c", &line])?;
        let mut charon = Charon { process, dir, run };
        charon.wait_for_socket(Duration::from_secs(10))?;
        charon.load(connections)?;
        Ok(charon)
    }

    fn wait_for_socket(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !self.run.join("charon.vici").exists() {
            if self.process.poll().is_some() || Instant::now() > deadline {
                return Err(Error::NoLine {
                    who: "charon".into(),
                    pattern: "(its control socket)".into(),
                    waited: timeout,
                    tail: self.process.transcript().tail(),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Replaces the loaded configuration.
    ///
    /// # Errors
    /// When the daemon refuses it.
    pub fn load(&self, connections: &[Connection]) -> Result<()> {
        let path = self.dir.join("swanctl.conf");
        fs::write(&path, swanctl::render(connections)).map_err(Error::io("writing swanctl.conf"))?;
        let said = self.swanctl(&["--load-all", "--noprompt"])?;
        if connections.is_empty() {
            return Ok(());
        }
        demand(said.contains("successfully loaded"), "the daemon to load every connection", said)
    }

    /// Runs `swanctl` against this daemon.
    ///
    /// # Errors
    /// When the command ends with a failure; its text is in the error.
    pub fn swanctl(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.swanctl_command(arguments))
    }

    /// The `swanctl` command, for callers that time it or run it in the background.
    pub fn swanctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("swanctl");
        command.env("STRONGSWAN_CONF", self.dir.join("strongswan.conf"));
        command.env("SWANCTL_DIR", &self.dir);
        command.args(arguments);
        command.args(["--uri", &format!("unix://{}", self.run.join("charon.vici").display())]);
        command
    }

    /// Brings a child up and returns the daemon's account of it.
    ///
    /// # Errors
    /// When it does not come up within 20 s.
    pub fn initiate(&self, child: &str) -> Result<String> {
        self.swanctl(&["--initiate", "--child", child, "--timeout", "20"])
    }

    /// The security associations as the daemon lists them.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn list_sas(&self) -> Result<String> {
        self.swanctl(&["--list-sas"])
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("charon.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until the log has a line with `text`, at least `count` times.
    ///
    /// # Errors
    /// [`Error::NoLine`] after `timeout`.
    pub fn expect_log(&self, text: &str, count: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let log = self.log();
            if log.lines().filter(|line| line.contains(text)).count() >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                let lines: Vec<&str> = log.lines().filter(|line| !line.contains(": ")).collect();
                let from = lines.len().saturating_sub(30);
                return Err(Error::NoLine {
                    who: "charon".into(),
                    pattern: text.into(),
                    waited: timeout,
                    tail: lines.get(from..).unwrap_or_default().join("\n"),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends the daemon in order, which deletes its associations.
    pub fn stop(&mut self) {
        self.process.stop(Duration::from_secs(5));
    }
}

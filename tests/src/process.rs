//! One child process: started in a process group of its own, its output followed, its costs readable, ended on drop.

use crate::error::{Error, Result};
use crate::site::Site;
use crate::transcript::{Line, Transcript};
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

/// Clock ticks per second of `/proc/PID/stat`; Linux reports 100 to user space on every architecture we run on.
const TICKS_PER_SECOND: u64 = 100;
/// Longest wait for the output of a process that has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// Highest resident memory so far, in bytes.
    pub resident_peak: u64,
}

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    site: Site,
    transcript: Transcript,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; both its output streams go to one transcript and to `NAME.log` in the site's directory.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(site: &Site, name: &str, command: Command) -> Result<Process> {
        Process::spawn_with(site, name, command, false)
    }

    /// As [`Process::spawn`]; `echo` also copies the output to ours.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn_with(site: &Site, name: &str, mut command: Command, echo: bool) -> Result<Process> {
        let path = site.path(&format!("{name}.log"));
        let log = File::create(&path).map_err(Error::io(format!("creating {}", path.display())))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let transcript = Transcript::new(name);
        let mut child = command.spawn().map_err(Error::io(format!("starting {}", describe(&command))))?;
        site.adopt(child.id());
        if let Some(stdout) = child.stdout.take() {
            transcript.follow(stdout, log.try_clone().ok(), echo);
        }
        if let Some(stderr) = child.stderr.take() {
            transcript.follow(stderr, Some(log), echo);
        }
        Ok(Process { name: name.to_string(), child, site: site.clone(), transcript, status: None })
    }

    /// Starts `command` with our own output streams and no input: nothing of what it says is read here.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn_in_sight(site: &Site, name: &str, mut command: Command) -> Result<Process> {
        command.stdin(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(Error::io(format!("starting {}", describe(&command))))?;
        site.adopt(child.id());
        let transcript = Transcript::new(name);
        Ok(Process { name: name.to_string(), child, site: site.clone(), transcript, status: None })
    }

    /// The process number, which is also its group's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.transcript.started()
    }

    /// What it said so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Waits for a line that matches `pattern`, anywhere in what was said so far or will be said.
    ///
    /// # Errors
    /// When it does not come within `timeout` or the process ends first.
    pub fn expect_line(&self, pattern: &str, timeout: Duration) -> Result<Line> {
        self.transcript.expect_from(0, pattern, timeout)
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// When the process no longer reads.
    pub fn write(&mut self, text: &str) -> Result<()> {
        let doing = format!("writing to {}", self.name);
        match self.child.stdin.as_mut() {
            Some(stdin) => {
                stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).map_err(Error::io(doing))
            }
            None => Err(Error::Io { doing, source: std::io::ErrorKind::BrokenPipe.into() }),
        }
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// How it ended, if it has.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        if self.status.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.status = Some(status);
            self.site.release(self.child.id());
        }
        self.status
    }

    /// Waits until it has ended and all that it said has been read.
    ///
    /// # Errors
    /// [`Error::NoLine`] when it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.poll() {
                self.transcript.finish(LAST_WORDS);
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Error::NoLine {
                    who: self.name.clone(),
                    pattern: "(its end)".into(),
                    waited: timeout,
                    tail: self.transcript.tail(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal to the whole group.
    pub fn signal(&mut self, signal: Signal) {
        if self.poll().is_none()
            && let Ok(raw) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(raw)
        {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Asks it to end, and ends it after `patience`.
    pub fn stop(&mut self, patience: Duration) {
        self.signal(Signal::TERM);
        if self.wait(patience).is_err() {
            self.signal(Signal::KILL);
            let _ = self.wait(Duration::from_secs(5));
        }
    }

    /// What it has used so far; zeros when it has ended.
    pub fn usage(&self) -> Usage {
        usage_of(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.wait(Duration::from_secs(5));
    }
}

/// What the process `pid` has used so far; zeros when there is none.
pub fn usage_of(pid: u32) -> Usage {
    let mut usage = Usage::default();
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
        && let Some((_, rest)) = stat.rsplit_once(')')
    {
        // proc(5): utime and stime are fields 14 and 15; the command's closing parenthesis ends field 2.
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        usage.cpu = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
    }
    if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
        let kib = |key: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        usage.resident = kib("VmRSS:") * 1024;
        usage.resident_peak = kib("VmHWM:") * 1024;
    }
    usage
}

/// Runs a command to its end and returns what it said on standard output.
///
/// # Errors
/// When it cannot be started or ends with a failure.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("starting {}", describe(command))))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let said = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Command { command: describe(command), status: output.status.to_string(), said })
}

/// The command as one would type it.
pub fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

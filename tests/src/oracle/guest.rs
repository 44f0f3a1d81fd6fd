//! A Linux guest: one of Debian's kernels in the cache's QEMU, its initial file system made on the spot, driven by
//! commands over a serial port of its own so that the kernel's log on the console can't come between.

use super::{Kernel, fetch, kernel_log, rebuild};
use crate::error::{Error, Result};
use crate::initramfs::cpio::Tree;
use crate::process::Process;
use crate::site::Site;
use crate::transcript::Transcript;
use core::time::Duration;
use std::fs;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The beginning of every guest's first process.
pub(super) const INIT: &str = include_str!("init.sh");
const AGENT: &str = include_str!("agent.sh");
/// What costs boot time under emulation and is not looked at is off; so are the alarms of a slow host. An oops ends the
/// guest, with the reason on its console.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 oops=panic nokaslr mitigations=off cryptomgr.notests \
                            apparmor=0 random.trust_cpu=on no_timer_check nopti nowatchdog net.ifnames=0 \
                            rcupdate.rcu_cpu_stall_suppress=1";
/// Longest time from QEMU's start to the agent's first word, on a loaded host.
const BOOT: Duration = Duration::from_secs(120);
/// How long a command may take when nothing else is said.
const USUAL: Duration = Duration::from_secs(30);
/// What the host waits beyond a command's own timeout.
const GRACE: Duration = Duration::from_secs(15);

/// The modules of IPsec with AES-GCM. 6.1 cannot add such an SA without `drbg`, and `jitterentropy_rng` does not load
/// under emulation (its clock is too coarse).
pub const XFRM: &[&str] = &[
    "aesni_intel",
    "ghash_clmulni_intel",
    "ghash_generic",
    "gcm",
    "ctr",
    "hmac",
    "sha512_generic",
    "drbg",
    "seqiv",
    "echainiv",
    "esp4",
    "esp6",
    "esp4_offload",
    "esp6_offload",
    "xfrm_user",
];

/// The guest to boot.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Its kernel.
    pub kernel: Kernel,
    /// The vfio-user sockets of its cards, each behind a root port of its own.
    pub cards: Vec<PathBuf>,
    /// Whether `mlx5_core` is the one that was rebuilt with IPsec; only for 6.12.
    pub rebuilt: bool,
    /// Virtual processors; as many channels has each card.
    pub processors: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Further arguments of QEMU's, e.g. a plain network device.
    pub arguments: Vec<String>,
}

impl Boot {
    /// A guest with two processors and the cards at these sockets.
    pub fn new(kernel: Kernel, cards: &[PathBuf]) -> Boot {
        Boot {
            kernel,
            cards: cards.to_vec(),
            rebuilt: false,
            processors: 2,
            memory: 768,
            arguments: Vec::new(),
        }
    }

    /// Boots it, and waits until it takes commands. `name` names its logs in the site's directory.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&self, site: &Site, name: &str) -> Result<Guest> {
        let initrd = site.path(&format!("{name}.initrd"));
        self.write_initrd(&initrd, AGENT)?;
        let path = site.sockets()?.join(format!("{name}.agent"));
        let listener = UnixListener::bind(&path).map_err(Error::io(format!("binding {}", path.display())))?;
        let mut command = self.machine(&initrd, "")?;
        command.args(["-serial", "stdio", "-chardev", &format!("socket,id=agent,path={}", path.display())]);
        command.args(["-serial", "chardev:agent"]);
        let process = Process::spawn(site, name, command)?;
        let agent = Agent::accept(&listener, &process, name)?;
        let guest = Guest { name: name.into(), process, agent: Mutex::new(agent), log: Mutex::default() };
        guest.lock().transcript.expect_from(0, "^=ready=$", BOOT).map_err(|error| guest.explain(error))?;
        Ok(guest)
    }

    /// QEMU with all of the guest but its serial ports; `words` are more for the kernel's command line.
    pub(super) fn machine(&self, initrd: &Path, words: &str) -> Result<Command> {
        let mut command = fetch::qemu_command()?;
        command.args(["-M", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", "max"]);
        command.args(["-smp", &self.processors.to_string(), "-m", &format!("{}M", self.memory)]);
        command.args(["-object", &shared_memory(self.memory)]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-device", "virtio-rng-pci"]);
        command.arg("-kernel").arg(self.kernel.dir()?.join("vmlinuz")).arg("-initrd").arg(initrd);
        command.args(["-append", format!("{COMMAND_LINE} {words}").trim_end()]);
        command.args(attach(&self.cards));
        command.args(&self.arguments);
        Ok(command)
    }

    /// Tools, modules and the first process, one archive behind the other, as Linux unpacks them. `rest` is what the
    /// first process does after [`INIT`].
    pub(super) fn write_initrd(&self, path: &Path, rest: &str) -> Result<()> {
        let mut own = Tree::default();
        own.file("init", 0o755, format!("{INIT}{rest}"));
        if self.rebuilt {
            let component = rebuild::module()?.ok_or_else(|| Error::Observed {
                expected: "mlx5_core with IPsec in the cache".into(),
                found: "nothing".into(),
            })?;
            own.file("modules/mlx5_core.ko", 0o644, read(&component.dir()?.join("mlx5_core.ko"))?);
        }
        let mut archive = read(&fetch::tools().dir()?.join("tools.cpio"))?;
        archive.extend(read(&self.kernel.dir()?.join("modules.cpio"))?);
        archive.extend(own.emit());
        fs::write(path, archive).map_err(Error::io(format!("writing {}", path.display())))
    }
}

/// QEMU's object `mem`: `mebibytes` of memory, shared so that a model reads and writes it through the file.
pub(crate) fn shared_memory(mebibytes: u32) -> String {
    format!("memory-backend-memfd,id=mem,size={mebibytes}M,share=on")
}

/// QEMU's arguments for cards at these sockets, each behind a root port of its own.
pub(crate) fn attach(cards: &[PathBuf]) -> Vec<String> {
    let device = |(number, card): (usize, &PathBuf)| {
        let port = format!("pcie-root-port,id=port{number},slot={}", number + 1);
        let card = format!(
            "{{\"driver\":\"vfio-user-pci\",\"bus\":\"port{number}\",\
             \"socket\":{{\"type\":\"unix\",\"path\":\"{}\"}}}}",
            card.display()
        );
        ["-device".to_owned(), port, "-device".to_owned(), card]
    };
    cards.iter().enumerate().flat_map(device).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io(format!("reading {}", path.display())))
}

/// How a command in the guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 143 when it was ended for taking too long.
    pub status: i32,
    /// What it said on both streams.
    pub text: String,
}

/// A running guest.
pub struct Guest {
    name: String,
    process: Process,
    agent: Mutex<Agent>,
    /// The kernel's log as far as it was read.
    log: Mutex<String>,
}

/// The host's end of the command channel.
struct Agent {
    stream: UnixStream,
    transcript: Transcript,
    commands: u32,
}

impl Agent {
    fn accept(listener: &UnixListener, process: &Process, name: &str) -> Result<Agent> {
        listener.set_nonblocking(true).map_err(Error::io("waiting for QEMU"))?;
        let deadline = Instant::now() + GRACE;
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(_) => {
                    return Err(Error::Ended {
                        who: name.into(),
                        pattern: "(its serial port)".into(),
                        tail: process.transcript().tail(),
                    });
                }
            }
        };
        stream.set_nonblocking(false).map_err(Error::io("talking to QEMU"))?;
        let transcript = Transcript::new(&format!("{name}'s agent"));
        transcript.follow(stream.try_clone().map_err(Error::io("talking to QEMU"))?, None, false);
        Ok(Agent { stream, transcript, commands: 0 })
    }

    fn run(&mut self, line: &str, timeout: Duration) -> Result<Output> {
        self.commands += 1;
        let number = self.commands;
        let mark = self.transcript.len();
        let text = format!("{number} {} {}\n", timeout.as_secs().max(1), hex(line.as_bytes()));
        self.stream.write_all(text.as_bytes()).map_err(Error::io(format!("sending `{line}`")))?;
        let key = format!("=end-{number}=");
        let end = self.transcript.expect_from(mark, &format!("^{key}\\d+$"), timeout + GRACE)?;
        let lines = self.transcript.lines(mark);
        let said = lines.iter().skip_while(|line| line.text != format!("=begin-{number}=")).skip(1);
        let said: Vec<&str> =
            said.take_while(|line| !line.text.starts_with(&key)).map(|line| line.text.as_str()).collect();
        let status = end.text.trim_start_matches(&key).parse().unwrap_or(-1);
        // The agent ends what was said by a line end of its own.
        Ok(Output { status, text: said.join("\n").trim_end_matches('\n').to_owned() })
    }
}

impl Guest {
    /// Runs a shell line in the guest, for half a minute at most.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn run(&self, line: &str) -> Result<Output> {
        self.run_for(line, USUAL)
    }

    /// Runs a shell line in the guest; after `timeout` it is ended.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn run_for(&self, line: &str, timeout: Duration) -> Result<Output> {
        let output = self.lock().run(line, timeout);
        output.map_err(|error| self.explain(error))
    }

    /// Runs a shell line that must succeed, and returns what it said.
    ///
    /// # Errors
    /// When it ends with a failure.
    pub fn sh(&self, line: &str) -> Result<String> {
        self.sh_for(line, USUAL)
    }

    /// As [`Guest::sh`], with a timeout.
    ///
    /// # Errors
    /// When it ends with a failure.
    pub fn sh_for(&self, line: &str, timeout: Duration) -> Result<String> {
        let Output { status, text } = self.run_for(line, timeout)?;
        if status == 0 {
            return Ok(text);
        }
        let status = format!("status {status} in {}", self.name);
        Err(Error::Command { command: line.into(), status, said: format!("{text}\n{}", self.recent_log()) })
    }

    /// Loads modules, each after all that it needs.
    ///
    /// # Errors
    /// When the kernel refuses one.
    pub fn load(&self, modules: &[&str]) -> Result<()> {
        modules.iter().try_for_each(|module| self.sh(&format!("load {module}")).map(|_| ()))
    }

    /// The guest's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's log since [`Guest::forget_log`] was called last, in the form of `dmesg -r`.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn log(&self) -> Result<String> {
        let fresh = self.sh("dmesg -r -c")?;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if !fresh.is_empty() {
            log.push_str(&fresh);
            log.push('\n');
        }
        Ok(log.clone())
    }

    /// Demands that the kernel has logged no fault since [`Guest::forget_log`].
    ///
    /// # Errors
    /// With the faults.
    pub fn demand_clean_log(&self) -> Result<()> {
        let log = self.log()?;
        kernel_log::demand_clean(&self.name, &log)
    }

    /// Drops the log so far: what was in it is known or was wanted.
    pub fn forget_log(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Powers the guest off and waits for QEMU's end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn shut_down(mut self) -> Result<()> {
        {
            let mut agent = self.lock();
            let line = format!("0 5 {}\n", hex(b"poweroff -f"));
            agent.stream.write_all(line.as_bytes()).map_err(Error::io("powering off"))?;
        }
        self.process.wait(GRACE).map(|_| ())
    }

    /// The QEMU process, for its console and its costs.
    pub fn process(&self) -> &Process {
        &self.process
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Agent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines of the console, where an oops would be.
    fn recent_log(&self) -> String {
        self.process.transcript().tail()
    }

    /// Adds the console to an error of the command channel.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::NoLine { who, pattern, waited, tail } => {
                Error::NoLine { who, pattern, waited, tail: format!("{tail}\n{}", self.recent_log()) }
            }
            Error::Ended { who, pattern, tail } => {
                Error::Ended { who, pattern, tail: format!("{tail}\n{}", self.recent_log()) }
            }
            other => other,
        }
    }
}

/// Two digits an octet, as `xxd -r -p` reads them.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

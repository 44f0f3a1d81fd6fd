//! QEMU as a test drives it: the machine's description, its ports into namespaces or unix sockets, its serial console.
//!
//! A tap port is made by QEMU itself inside the first port's namespace; a script moves it to where it belongs before
//! the machine starts, so that no frame is lost and nothing stays when QEMU ends in whatever way.

use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::oracle::{fetch, guest};
use crate::process::{Process, Usage};
use crate::site::Site;
use crate::transcript::{Line, Transcript};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

static TAPS: AtomicU32 = AtomicU32::new(0);

/// Where a port's frames go.
#[derive(Clone)]
pub enum Wire {
    /// A tap inside a namespace.
    Tap {
        /// The namespace that gets the tap.
        namespace: Namespace,
        /// The tap's name there, 15 characters at most.
        interface: String,
        /// Addresses with prefix lengths that the namespace's end gets.
        addresses: Vec<String>,
        /// The bridge there that the tap becomes a port of.
        bridge: Option<String>,
    },
    /// One frame per datagram between two unix sockets; needs no root.
    Datagram {
        /// The socket that QEMU binds.
        local: PathBuf,
        /// The socket that QEMU sends to.
        remote: PathBuf,
    },
}

/// One network port of the machine.
#[derive(Clone)]
pub struct Port {
    /// Its hardware address.
    pub mac: String,
    /// Where its frames go.
    pub wire: Wire,
    /// Further properties of the device, e.g. `csum=off,gso=off`.
    pub options: String,
}

impl Port {
    /// A tap port. `number` is the last octet of the hardware address.
    pub fn tap(number: u8, namespace: &Namespace, interface: &str, addresses: &[&str]) -> Port {
        let wire = Wire::Tap {
            namespace: namespace.clone(),
            interface: interface.into(),
            addresses: addresses.iter().map(|&address| address.into()).collect(),
            bridge: None,
        };
        Port { mac: mac(number), wire, options: String::new() }
    }

    /// A tap port that becomes a port of the namespace's bridge.
    pub fn bridged(number: u8, namespace: &Namespace, interface: &str, bridge: &str) -> Port {
        let wire = Wire::Tap {
            namespace: namespace.clone(),
            interface: interface.into(),
            addresses: Vec::new(),
            bridge: Some(bridge.into()),
        };
        Port { mac: mac(number), wire, options: String::new() }
    }

    /// A port over unix datagram sockets.
    pub fn datagram(number: u8, local: &Path, remote: &Path) -> Port {
        let wire = Wire::Datagram { local: local.into(), remote: remote.into() };
        Port { mac: mac(number), wire, options: String::new() }
    }
}

/// A locally administered address of QEMU's range.
pub fn mac(number: u8) -> String {
    format!("52:54:00:72:76:{number:02x}")
}

/// The machine to start.
#[derive(Clone)]
pub struct Machine {
    /// `-M`.
    pub machine: String,
    /// `-accel`.
    pub accel: String,
    /// `-cpu`.
    pub cpu: String,
    /// `-m`, in MiB.
    pub memory: u32,
    /// `-kernel`; without one the machine's firmware runs.
    pub kernel: Option<PathBuf>,
    /// `-initrd`.
    pub initrd: Option<PathBuf>,
    /// `-append`.
    pub append: String,
    /// The image's configuration, as the fw_cfg file `opt/ravelin/config`.
    pub config: Option<PathBuf>,
    /// Whether the machine has our exit device and virtio-rng, as the image wants.
    pub ravelin: bool,
    /// Its network ports in PCI order.
    pub ports: Vec<Port>,
    /// The vfio-user sockets of its cards, each behind a root port and so after all `ports` in PCI order. With any, QEMU is
    /// the one of the oracle's cache.
    pub cards: Vec<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Copies the console to our standard output.
    pub echo: bool,
}

impl Machine {
    /// The machine of the image: q35 under TCG with 32 MiB.
    pub fn ravelin(image: &Path, config: &Path) -> Machine {
        Machine {
            machine: "q35".into(),
            accel: "tcg".into(),
            cpu: "max".into(),
            memory: 32,
            kernel: Some(image.into()),
            initrd: None,
            append: String::new(),
            config: Some(config.into()),
            ravelin: true,
            ports: Vec::new(),
            cards: Vec::new(),
            arguments: Vec::new(),
            echo: false,
        }
    }

    /// A Linux machine with a kernel, an initramfs and a command line.
    pub fn linux(kernel: &Path, initrd: &Path, append: &str, memory: u32) -> Machine {
        Machine {
            machine: "pc".into(),
            accel: "tcg,thread=multi".into(),
            initrd: Some(initrd.into()),
            append: append.into(),
            config: None,
            ravelin: false,
            memory,
            ..Machine::ravelin(kernel, Path::new(""))
        }
    }

    /// Adds a port.
    #[must_use]
    pub fn port(mut self, port: Port) -> Machine {
        self.ports.push(port);
        self
    }

    /// Starts it. `name` names its console log in the site's directory.
    ///
    /// # Errors
    /// When QEMU cannot be started; a machine that ends at once is noticed by the first [`Qemu::expect_line`].
    pub fn start(&self, site: &Site, name: &str) -> Result<Qemu> {
        let qemu = self.program()?;
        let mut command = match self.home() {
            Some(namespace) => within(namespace, &qemu),
            None => qemu,
        };
        let memory = if self.cards.is_empty() { "" } else { ",memory-backend=mem" };
        command.args(["-M", &format!("{}{memory}", self.machine), "-accel", &self.accel, "-cpu", &self.cpu]);
        if !self.cards.is_empty() {
            command.args(["-object", &guest::shared_memory(self.memory)]).args(guest::attach(&self.cards));
        }
        command.args(["-m", &self.memory.to_string(), "-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(["-serial", "stdio", "-no-reboot"]);
        if let Some(kernel) = &self.kernel {
            command.arg("-kernel").arg(kernel);
        }
        if let Some(initrd) = &self.initrd {
            command.arg("-initrd").arg(initrd);
        }
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        if self.ravelin {
            command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-device", "virtio-rng-pci"]);
        }
        if let Some(config) = &self.config {
            command.arg("-fw_cfg").arg(format!("name=opt/ravelin/config,file={}", config.display()));
        }
        for (index, port) in self.ports.iter().enumerate() {
            command.args(["-netdev", &netdev(site, index, port)?, "-device", &device(index, port)]);
        }
        command.args(&self.arguments);
        let process = Process::spawn_with(site, name, command, self.echo)?;
        Ok(Qemu { process })
    }

    /// QEMU: Debian's own, or a newer one that takes cards.
    fn program(&self) -> Result<Command> {
        if self.cards.is_empty() { Ok(Command::new("qemu-system-x86_64")) } else { fetch::qemu_command() }
    }

    /// The namespace that QEMU runs in: the first tap port's.
    fn home(&self) -> Option<&Namespace> {
        self.ports.iter().find_map(|port| match &port.wire {
            Wire::Tap { namespace, .. } => Some(namespace),
            Wire::Datagram { .. } => None,
        })
    }
}

/// The same command in a namespace.
fn within(namespace: &Namespace, command: &Command) -> Command {
    let mut inside = namespace.command(&command.get_program().to_string_lossy());
    inside.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

fn netdev(site: &Site, index: usize, port: &Port) -> Result<String> {
    match &port.wire {
        Wire::Datagram { local, remote } => Ok(format!(
            "dgram,id=n{index},local.type=unix,local.path={},remote.type=unix,remote.path={}",
            local.display(),
            remote.display()
        )),
        Wire::Tap { namespace, interface, addresses, bridge } => {
            let number = TAPS.fetch_add(1, Ordering::Relaxed);
            let script =
                site.write(&format!("tap{number}.sh"), &up(namespace, interface, addresses, bridge))?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
                .map_err(Error::io(format!("making {} executable", script.display())))?;
            Ok(format!("tap,id=n{index},ifname=rvtap{number},script={},downscript=no", script.display()))
        }
    }
}

/// The script that QEMU runs with the name of the tap that it has just opened.
fn up(namespace: &Namespace, interface: &str, addresses: &[String], bridge: &Option<String>) -> String {
    let space = namespace.name();
    let mut batch = String::new();
    if let Some(bridge) = bridge {
        batch.push_str(&format!("link set {interface} master {bridge}\n"));
    }
    for address in addresses {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        batch.push_str(&format!("addr add {address} dev {interface}{nodad}\n"));
    }
    batch.push_str(&format!("link set {interface} up\n"));
    // A move into the namespace that the tap is already in succeeds too, but may not rename in the same step.
    format!(
        "#!/bin/sh -e\nip link set dev \"$1\" netns {space}\nip -n {space} -batch - <<END\nlink set dev $1 name {interface}\n{batch}END\n"
    )
}

fn device(index: usize, port: &Port) -> String {
    let options = if port.options.is_empty() { String::new() } else { format!(",{}", port.options) };
    format!("virtio-net-pci,netdev=n{index},mac={},romfile={options}", port.mac)
}

/// A running machine.
pub struct Qemu {
    process: Process,
}

impl Qemu {
    /// Waits for a console line, from the machine's start on.
    ///
    /// # Errors
    /// When it does not come in time or QEMU ends first.
    pub fn expect_line(&self, pattern: &str, timeout: Duration) -> Result<Line> {
        self.process.expect_line(pattern, timeout)
    }

    /// The console so far.
    pub fn console(&self) -> &Transcript {
        self.process.transcript()
    }

    /// Types one line into the serial console.
    ///
    /// # Errors
    /// When QEMU has ended.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.process.write(&format!("{line}\n"))
    }

    /// Types one line and waits for an answer that matches `pattern`; what was said before does not count.
    ///
    /// # Errors
    /// When the answer does not come in time.
    pub fn ask(&mut self, line: &str, pattern: &str, timeout: Duration) -> Result<Line> {
        let mark = self.console().len();
        self.type_line(line)?;
        self.console().expect_from(mark, pattern, timeout)
    }

    /// Waits for the machine's end and returns QEMU's exit code (`None` when a signal ended it). A value V that the
    /// image writes to the exit device arrives as 2V + 1.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<i32>> {
        Ok(self.process.wait(timeout)?.code())
    }

    /// CPU time and memory of the QEMU process.
    pub fn usage(&self) -> Usage {
        self.process.usage()
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends QEMU.
    pub fn stop(&mut self) {
        self.process.stop(Duration::from_secs(2));
    }
}

//! User-Mode Linux as a peer: a whole Linux kernel with its own ESP as one host process, ready in two to three seconds.
//!
//! Its root is the host's file tree, read-only, so it runs the host's strongSwan. It is driven over its console. Needs
//! Debian's `user-mode-linux`; on CPUs with AMX also a C compiler for the shim `tests/uml/xstate.c`.

use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::paths;
use crate::process::{Process, run};
use crate::swanctl::{self, Connection, Esp};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The kernel, a program.
pub const KERNEL: &str = "/usr/bin/linux.uml";
/// Where Debian keeps its modules; below is the release.
const MODULES: &str = "/usr/lib/uml/modules";
/// In loading order. Without the generators (`drbg` and what it needs) the kernel cannot add an AES-GCM SA.
const LOADED: &[&str] = &[
    "crypto/ctr",
    "crypto/cbc",
    "crypto/hmac",
    "crypto/gf128mul",
    "crypto/ghash-generic",
    "crypto/gcm",
    "crypto/seqiv",
    "crypto/echainiv",
    "crypto/sha512_generic",
    "crypto/jitterentropy_rng",
    "crypto/drbg",
    "lib/crypto/libchacha",
    "crypto/chacha_generic",
    "lib/crypto/libpoly1305",
    "crypto/poly1305_generic",
    "crypto/chacha20poly1305",
    "crypto/authenc",
    "net/xfrm/xfrm_algo",
    "net/xfrm/xfrm_user",
    "net/ipv4/esp4",
    "lib/crc-ccitt",
    "net/ipv6/ipv6",
    "net/ipv6/esp6",
];

/// What the guest is to be.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// Addresses with prefix lengths for its one interface `vec0`.
    pub addresses: Vec<String>,
    /// Addresses with prefix lengths for its loopback: hosts behind the peer.
    pub behind: Vec<String>,
    /// Routes, e.g. `10.1.0.0/24 via 192.0.2.1`.
    pub routes: Vec<String>,
    /// A second interface `vec1` on the tap of this name, with an address; the guest forwards between the two.
    pub inside: Option<(String, String)>,
    /// strongSwan's connections; none means that the daemon is not started.
    pub connections: Vec<Connection>,
}

/// A running guest.
pub struct Uml {
    process: Process,
    commands: u32,
}

impl Uml {
    /// Boots a guest whose interface is the tap `tap` of `namespace` (made with [`Namespace::tap`]), and waits until
    /// it is ready.
    ///
    /// # Errors
    /// When it does not come up within 60 s or strongSwan refuses the configuration.
    pub fn start(namespace: &Namespace, tap: &str, guest: &Guest) -> Result<Uml> {
        let site = namespace.site();
        let dir = format!("uml-{tap}");
        let swanctl_dir = site.path(&dir);
        site.write(
            &format!("{dir}/strongswan.conf"),
            &swanctl::strongswan_conf(Esp::InKernel, "/run/charon.log", &[]),
        )?;
        site.write(&format!("{dir}/swanctl.conf"), &swanctl::render(&guest.connections))?;
        let init = site.write(&format!("{dir}/init.sh"), &init(guest, &swanctl_dir.display().to_string()))?;
        run(Command::new("chmod").arg("+x").arg(&init))?;
        let mut command = namespace.command("env");
        if let Some(shim) = shim()? {
            command.arg(format!("LD_PRELOAD={}", shim.display()));
        }
        command.arg(format!("TMPDIR={}", memory_dir())).arg(KERNEL);
        // 256 MB: with 96 some boots could not add a SA. The memory is sparse, the process stays below 60 MB.
        command.args(["mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"]);
        command.args(["con=null", "con0=fd:0,fd:1", &format!("umid={tap}")]);
        command.arg(format!("uml_dir={}", site.sockets()?.display()));
        command.arg(format!("init={}", init.display()));
        command.arg(format!("vec0:transport=tap,ifname={tap},mac={},vec=0", crate::qemu::mac(0xe0)));
        if let Some((tap, _)) = &guest.inside {
            command.arg(format!("vec1:transport=tap,ifname={tap},mac={},vec=0", crate::qemu::mac(0xe1)));
        }
        let process = Process::spawn(site, &dir, command)?;
        let mut uml = Uml { process, commands: 0 };
        uml.process.expect_line("^READY", Duration::from_secs(60))?;
        let boot = uml.process.transcript().text();
        demand(!boot.contains("xtask: inserting"), "every kernel module to load", boot)?;
        if !guest.connections.is_empty() {
            let said = uml.sh("cat /run/swanctl.out", Duration::from_secs(10))?;
            demand(said.contains("successfully loaded"), "the guest's strongSwan to load", said)?;
        }
        Ok(uml)
    }

    /// Runs a shell line in the guest and returns what it said.
    ///
    /// # Errors
    /// When it ends with a failure or takes longer than `timeout`.
    pub fn sh(&mut self, line: &str, timeout: Duration) -> Result<String> {
        let (status, said) = self.sh_status(line, timeout)?;
        if status == 0 {
            return Ok(said);
        }
        Err(Error::Command { command: line.into(), status: format!("status {status} in the guest"), said })
    }

    /// Runs a shell line in the guest and returns its status and what it said.
    ///
    /// # Errors
    /// When it takes longer than `timeout`.
    pub fn sh_status(&mut self, line: &str, timeout: Duration) -> Result<(i32, String)> {
        self.commands += 1;
        let mark = self.process.transcript().len();
        let key = format!("=ended-{}=", self.commands);
        self.process.write(&format!("({line}) 2>&1 </dev/null; printf '\\n{key}%d\\n' $?\n"))?;
        let end = self.process.transcript().expect_from(mark, &format!("^{key}\\d+$"), timeout)?;
        let status = end.text.trim_start_matches(&key).parse().unwrap_or(-1);
        let lines = self.process.transcript().lines(mark);
        let said = lines.iter().take_while(|line| !line.text.starts_with(&key));
        Ok((status, said.map(|line| format!("{}\n", line.text)).collect()))
    }

    /// Brings a child up.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn initiate(&mut self, child: &str) -> Result<String> {
        let line = format!("swanctl --initiate --child {child} --timeout 20");
        self.sh(&line, Duration::from_secs(30))
    }

    /// The daemon's log, with the keys.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn log(&mut self) -> Result<String> {
        self.sh("cat /run/charon.log", Duration::from_secs(20))
    }

    /// Demands that `count` echoes from `source` to `target` all come back. One more is sent behind them and not
    /// looked at: on a busy host the guest may notice a frame only when the next one arrives.
    ///
    /// # Errors
    /// When one does not.
    pub fn ping_all(&mut self, source: &str, target: &str, count: u32) -> Result<()> {
        let line = format!("ping -n -W 1 -i 0.1 -c {} -I {source} {target}", count + 1);
        let (_, said) = self.sh_status(&line, Duration::from_secs(u64::from(count) + 15))?;
        let lost = (1..=count).find(|number| !said.contains(&format!("icmp_seq={number} ttl")));
        demand(lost.is_none(), format!("all of {count} echoes from {source} (guest) to {target}"), said)
    }

    /// Sends echoes with `size` octets of data.
    ///
    /// # Errors
    /// When ping cannot run.
    pub fn ping(&mut self, source: &str, target: &str, count: u32, size: u32) -> Result<crate::ping::Echoes> {
        let line = format!("ping -n -q -W 1 -i 0.1 -s {size} -c {count} -I {source} {target}");
        let (_, said) = self.sh_status(&line, Duration::from_secs(u64::from(count) + 15))?;
        crate::ping::parse(&said)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Where UML keeps its memory file: in memory if it can.
fn memory_dir() -> &'static str {
    if fs::metadata("/dev/shm").is_ok_and(|shm| shm.is_dir()) { "/dev/shm" } else { "/tmp" }
}

/// Builds the shim where the CPU needs it.
fn shim() -> Result<Option<PathBuf>> {
    if !needs_shim() {
        return Ok(None);
    }
    let dir = paths::target().join("harness");
    fs::create_dir_all(&dir).map_err(Error::io(format!("creating {}", dir.display())))?;
    let library = dir.join("xstate.so");
    let source = paths::root().join("tests/uml/xstate.c");
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    if modified(&library) < modified(&source) {
        let fresh = dir.join(format!("xstate-{}.so", std::process::id()));
        run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&fresh).arg(&source))?;
        fs::rename(&fresh, &library).map_err(Error::io("putting the shim in place"))?;
    }
    Ok(Some(library))
}

/// Whether this CPU's extended state is larger than UML's buffer.
pub fn needs_shim() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("amx_tile"))
}

/// The hidden subcommand `insert-modules DIRECTORY NAME…`, which the guest calls: it spares the host the package with
/// `insmod`. A module that does not exist is built into this kernel.
///
/// # Errors
/// When the kernel refuses a module.
pub fn insert_modules(arguments: &[String]) -> Result<()> {
    let Some((directory, names)) = arguments.split_first() else { return Ok(()) };
    for name in names {
        let path = format!("{directory}/{name}.ko");
        let Ok(file) = fs::File::open(&path) else { continue };
        let inserted = rustix::system::finit_module(&file, c"", 0);
        inserted.map_err(|errno| Error::io(format!("inserting {path}"))(errno.into()))?;
    }
    Ok(())
}

/// The guest's first process: mounts, modules, addresses, strongSwan, then a shell on the console.
fn init(guest: &Guest, dir: &str) -> String {
    let mut script = format!(
        "#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run LC_ALL=C
export STRONGSWAN_CONF={dir}/strongswan.conf SWANCTL_DIR={dir}
mount -n -t proc proc /proc; mount -n -t sysfs sys /sys; mount -n -t tmpfs run /run
stty -echo 2>/dev/null
{xtask} insert-modules {MODULES}/$(uname -r)/kernel {modules}
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
ip link set lo up
",
        xtask = paths::xtask().display(),
        modules = LOADED.join(" ")
    );
    for (interface, addresses) in [("vec0", &guest.addresses), ("lo", &guest.behind)] {
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            script.push_str(&format!("ip addr add {address} dev {interface}{nodad}\n"));
        }
    }
    script.push_str("ip link set vec0 up\n");
    if let Some((_, address)) = &guest.inside {
        script.push_str(&format!("ip addr add {address} dev vec1; ip link set vec1 up\n"));
        script.push_str("echo 1 > /proc/sys/net/ipv4/ip_forward\n");
    }
    for route in &guest.routes {
        let family = if route.contains(':') { "-6" } else { "-4" };
        script.push_str(&format!("ip {family} route add {route}\n"));
    }
    if !guest.connections.is_empty() {
        script.push_str(&format!(
            "{daemon} >/run/charon.out 2>&1 &
while [ ! -S /run/charon.vici ]; do sleep 0.02; done
swanctl --load-all --noprompt >/run/swanctl.out 2>&1
",
            daemon = crate::charon::DAEMON
        ));
    }
    script.push_str("echo READY\nPS1= exec sh\n");
    script
}

//! What a run needs from the machine. What is missing fails the run with the command that installs it; nothing is
//! skipped.

use crate::error::{Error, Result};
use crate::paths;
use crate::process::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that a suite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The effective user is root: namespaces and taps.
    Root,
    /// QEMU.
    Qemu,
    /// strongSwan with libipsec and swanctl.
    StrongSwan,
    /// User-Mode Linux, and a C compiler where its shim is needed.
    Uml,
    /// tcpdump and tshark.
    Captures,
    /// Python with scapy in a virtual environment of ours.
    Scapy,
    /// ip, ping and what belongs to them.
    Network,
    /// What the Linux appliance that benchmarks compare with is built with.
    Appliance,
    /// What counts instructions.
    Valgrind,
    /// QEMU with vfio-user, Debian's kernels and a guest's tools, in the cache.
    Oracle,
    /// As [`Need::Oracle`], and `mlx5_core` rebuilt with IPsec.
    OracleIpsec,
}

/// The packages of the virtual environment, pinned.
const PYTHON_PACKAGES: &[&str] = &["scapy==2.6.1", "cryptography==44.0.2"];

impl Need {
    /// Everything that any suite needs.
    pub const ALL: &'static [Need] = &[
        Need::Root,
        Need::Qemu,
        Need::StrongSwan,
        Need::Uml,
        Need::Captures,
        Need::Scapy,
        Need::Network,
        Need::Appliance,
        Need::Valgrind,
        Need::Oracle,
        Need::OracleIpsec,
    ];

    /// (file that must exist, Debian package that brings it).
    fn files(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Need::Root => vec![],
            Need::Qemu => vec![("/usr/bin/qemu-system-x86_64", "qemu-system-x86")],
            Need::StrongSwan => vec![
                (crate::charon::DAEMON, "strongswan-charon"),
                ("/usr/sbin/swanctl", "strongswan-swanctl"),
                ("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", "libcharon-extra-plugins"),
                ("/usr/lib/ipsec/plugins/libstrongswan-openssl.so", "libstrongswan-standard-plugins"),
                ("/usr/lib/ipsec/plugins/libstrongswan-chapoly.so", "libstrongswan-extra-plugins"),
            ],
            Need::Uml => {
                let mut files = vec![(crate::uml::KERNEL, "user-mode-linux")];
                if crate::uml::needs_shim() {
                    files.push(("/usr/bin/cc", "gcc"));
                    files.push(("/usr/include/x86_64-linux-gnu/sys/ptrace.h", "libc6-dev"));
                }
                files
            }
            Need::Captures => vec![("/usr/bin/tcpdump", "tcpdump"), ("/usr/bin/tshark", "tshark")],
            Need::Scapy => {
                vec![("/usr/bin/python3", "python3"), ("/usr/share/doc/python3-venv", "python3-venv")]
            }
            Need::Appliance => vec![
                ("/usr/bin/mmdebstrap", "mmdebstrap"),
                ("/usr/bin/cpio", "cpio"),
                ("/usr/bin/zstd", "zstd"),
                ("/usr/bin/iperf3", "iperf3"),
                ("/usr/bin/ldd", "libc-bin"),
            ],
            Need::Valgrind => vec![("/usr/bin/valgrind", "valgrind")],
            Need::Oracle | Need::OracleIpsec => vec![
                (crate::oracle::KEYRING, "debian-archive-keyring"),
                ("/usr/bin/xz", "xz-utils"),
                ("/usr/bin/apt-get", "apt"),
            ],
            Need::Network => vec![("/sbin/ip", "iproute2"), ("/bin/ping", "iputils-ping")],
        }
    }
}

/// The Debian packages that are missing for `needs`.
pub fn missing_packages(needs: &[Need]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for (file, package) in needs.iter().flat_map(|need| need.files()) {
        if !present(file) && !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages
}

fn present(file: &str) -> bool {
    // Debian moved /bin and /sbin below /usr; a package may know either name.
    [file.to_string(), format!("/usr{file}"), file.replace("/usr/bin/", "/usr/local/bin/")]
        .iter()
        .any(|path| Path::new(path).exists())
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command that installs Debian packages.
pub fn install_command(packages: &[&str]) -> String {
    format!("apt-get install --no-install-recommends -y {}", packages.join(" "))
}

/// Installs what is missing for `needs`; the caller has made sure of root.
///
/// # Errors
/// When apt-get ends with a failure.
pub fn install(needs: &[Need]) -> Result<()> {
    let packages = missing_packages(needs);
    if packages.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        println!("apt-get {}", arguments.join(" "));
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    apt(&["update", "-q"])?;
    apt(&[&["install", "-q", "--no-install-recommends", "-y"], packages.as_slice()].concat())?;
    Ok(())
}

/// Demands everything in `needs`.
///
/// # Errors
/// [`Error::Missing`] that names all of what is missing, each with its command.
pub fn check(needs: &[Need]) -> Result<()> {
    let mut missing = Vec::new();
    if needs.contains(&Need::Root) && !is_root() {
        missing
            .push(("root, for network namespaces and taps".into(), "sudo -E cargo xtask test".to_string()));
    }
    for package in missing_packages(needs) {
        missing.push((format!("the package {package}"), install_command(&[package])));
    }
    if needs.contains(&Need::Root) && is_root() && !Path::new("/dev/net/tun").exists() {
        missing.push(("/dev/net/tun".into(), "modprobe tun".into()));
    }
    if needs.contains(&Need::Scapy) && missing.is_empty() && !venv_ready() {
        let python = venv().display().to_string();
        missing.push((
            format!("scapy in {python}"),
            format!("python3 -m venv {python} && {python}/bin/pip install {}", PYTHON_PACKAGES.join(" ")),
        ));
    }
    if needs.contains(&Need::Oracle) || needs.contains(&Need::OracleIpsec) {
        for what in crate::oracle::missing(needs.contains(&Need::OracleIpsec))? {
            missing.push((what, "cargo xtask install".into()));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
}

/// The virtual environment with scapy: `RAVELIN_VENV`, else in the target directory.
pub fn venv() -> PathBuf {
    match std::env::var_os("RAVELIN_VENV") {
        Some(path) => path.into(),
        None => paths::target().join("venv"),
    }
}

/// Its interpreter.
pub fn python() -> PathBuf {
    venv().join("bin/python3")
}

fn venv_ready() -> bool {
    let check = "import scapy, cryptography";
    run(Command::new(python()).args(["-c", check])).is_ok()
}

/// Makes the virtual environment when it is not there.
///
/// # Errors
/// When Python or pip ends with a failure.
pub fn make_venv() -> Result<()> {
    if venv_ready() {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(venv()))?;
    run(Command::new(venv().join("bin/pip")).args(["install", "-q"]).args(PYTHON_PACKAGES))?;
    Ok(())
}

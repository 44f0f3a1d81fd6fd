//! The recipes of what is fetched: QEMU, the kernels with the modules that a guest may load, the guest's tools.
//!
//! Each ends as few files: of a kernel only `vmlinuz` and an archive of modules stay, of the tools only what the
//! dynamic linker names.

use super::Kernel;
use super::archive::{Archive, write};
use super::cache::{Component, remove};
use crate::error::{Error, Result, demand};
use crate::initramfs::cpio::Tree;
use crate::initramfs::modules::{Dependencies, name_of, needs};
use crate::initramfs::{add_file, linked};
use crate::process::run;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first QEMU with `vfio-user-pci`.
const QEMU_AT_LEAST: (u32, u32) = (10, 1);
const QEMU_SUITES: &[&str] = &["trixie", "trixie-backports"];

/// Modules that a guest may load, without what they need. What a kernel has built in is left out without a word.
const MODULES: &[&str] = &[
    "mlx5_core",
    "mlx5_ib",
    "8021q",
    "vxlan",
    "geneve",
    "ip_gre",
    "ipip",
    "ip6_tunnel",
    "virtio_pci",
    "virtio_net",
    "esp4",
    "esp6",
    "esp4_offload",
    "esp6_offload",
    "xfrm_user",
    "xfrm_interface",
    "xfrm4_tunnel",
    "xfrm6_tunnel",
    "aesni_intel",
    "ghash_clmulni_intel",
    "ghash_generic",
    "gcm",
    "ccm",
    "ctr",
    "cbc",
    "hmac",
    "authenc",
    "authencesn",
    "seqiv",
    "echainiv",
    "sha256_generic",
    "sha512_generic",
    "jitterentropy_rng",
    "drbg",
    "rdma_rxe",
    "rdma_ucm",
    "ib_uverbs",
    "crc32_generic",
];

/// Debian's packages of the guest's tools.
const TOOL_PACKAGES: &[&str] = &[
    "busybox-static",
    "dash",
    "iproute2",
    "ethtool",
    "iperf3",
    "tcpdump",
    "rdmacm-utils",
    "ibverbs-providers",
];
/// The tools with shared objects.
const TOOLS: &[&str] = &[
    "/usr/bin/dash",
    "/usr/bin/ip",
    "/usr/sbin/ethtool",
    "/usr/bin/iperf3",
    "/usr/bin/tcpdump",
    "/usr/bin/rdma",
    "/usr/bin/rping",
];
/// Where libibverbs looks for what it loads by name: the library of `rdma_rxe`, and the file that names it.
const VERBS: &str = "/usr/lib/x86_64-linux-gnu/libibverbs";
const VERBS_NAMES: &str = "/etc/libibverbs.d/rxe.driver";

/// QEMU in a root of its own.
pub(super) fn qemu() -> Component {
    Component { name: "qemu".into(), recipe: format!("1 {QEMU_AT_LEAST:?} {}", QEMU_SUITES.join(" ")) }
}

/// Unpacks QEMU and makes sure that it can be our model's client.
pub(super) fn make_qemu(dir: &Path) -> Result<()> {
    let archive = Archive::open(&dir.join("apt"), QEMU_SUITES)?;
    archive.unpack_whole(&dir.join("root"), &["qemu-system-x86"], &["-t", "trixie-backports"])?;
    let version = run(qemu_at(dir).arg("--version"))?;
    demand(version_of(&version) >= Some(QEMU_AT_LEAST), "QEMU 10.1 or newer", version)
}

/// The two first numbers of `QEMU emulator version 11.1.3 (…)`.
fn version_of(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split("version ").nth(1)?.split(['.', ' ']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The QEMU that lies in the cache, ready for arguments. It runs under its own dynamic linker and so without root, and
/// sees the machine's file system as it is.
///
/// # Errors
/// When there is no place for a cache.
pub(crate) fn qemu_command() -> Result<Command> {
    Ok(qemu_at(&qemu().dir()?))
}

fn qemu_at(dir: &Path) -> Command {
    let usr = dir.join("root/usr");
    let libraries = usr.join("lib/x86_64-linux-gnu");
    let mut command = Command::new(usr.join("lib64/ld-linux-x86-64.so.2"));
    // /proc/self/exe is the linker, so QEMU would look for its modules where the machine's own QEMU has them.
    command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
    command.arg("--library-path").arg(format!("{0}:{0}/pulseaudio", libraries.display()));
    command.args(["--argv0", "qemu-system-x86_64"]).arg(usr.join("bin/qemu-system-x86_64"));
    for data in ["seabios", "qemu"] {
        command.arg("-L").arg(usr.join("share").join(data));
    }
    command
}

/// A kernel and its modules.
pub(super) fn kernel(kernel: Kernel) -> Component {
    Component { name: format!("linux-{}", kernel.series()), recipe: format!("1 {}", MODULES.join(" ")) }
}

/// The suites that a kernel comes from.
pub(super) fn suites(kernel: Kernel) -> [String; 2] {
    [kernel.suite().into(), format!("{}-security", kernel.suite())]
}

/// Fetches today's kernel of a series, and keeps `vmlinuz`, `release` and `modules.cpio`.
pub(super) fn make_kernel(kernel: Kernel, dir: &Path) -> Result<()> {
    let [suite, security] = suites(kernel);
    let archive = Archive::open(&dir.join("apt"), &[&suite, &security])?;
    let start = format!("linux-image-{}.", kernel.series());
    let package = archive.behind("linux-image-amd64", &start)?;
    let release = package.trim_start_matches("linux-image-").to_owned();
    let root = dir.join("root");
    archive.unpack_one(&root, &package)?;
    let image = root.join("boot").join(format!("vmlinuz-{release}"));
    fs::copy(&image, dir.join("vmlinuz")).map_err(Error::io(format!("copying {}", image.display())))?;
    let found = [root.join("usr/lib/modules").join(&release), root.join("lib/modules").join(&release)];
    let modules = found.into_iter().find(|path| path.is_dir());
    let modules = modules
        .ok_or_else(|| Error::Observed { expected: format!("modules in {package}"), found: "none".into() })?;
    write(&dir.join("modules.cpio"), modules_archive(&modules.join("kernel"))?.emit())?;
    write(&dir.join("release"), release)?;
    remove(&root)
}

/// `/modules/NAME.ko` for each wanted module and what it needs, and `/modules/order/NAME`, the order to load them in.
fn modules_archive(kernel: &Path) -> Result<Tree> {
    let mut files = BTreeMap::new();
    collect(kernel, &mut files)?;
    let mut tree = Tree::default();
    let mut lines = String::new();
    let mut pending: Vec<String> = MODULES.iter().map(|&name| name.to_owned()).collect();
    let mut seen = Vec::new();
    while let Some(name) = pending.pop() {
        let Some(path) = files.get(&name).filter(|_| !seen.contains(&name)) else { continue };
        let content = read_module(path)?;
        let needed = needs(&content);
        lines.push_str(&format!("{name}: {}\n", needed.join(" ")));
        pending.extend(needed);
        tree.file(&format!("modules/{name}.ko"), 0o644, content);
        seen.push(name);
    }
    let dependencies = Dependencies::parse(&lines);
    for name in &seen {
        let order = dependencies.load_order(&[name]).join("\n");
        tree.file(&format!("modules/order/{name}"), 0o644, format!("{order}\n"));
    }
    demand(seen.iter().any(|name| name == "mlx5_core"), "mlx5_core among the modules", seen.join(" "))?;
    Ok(tree)
}

/// All modules below `dir`, by name.
fn collect(dir: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(Error::io(format!("reading {}", dir.display())))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(name_of(&path.display().to_string()), path);
        }
    }
    Ok(())
}

/// A module's object file; trixie's are compressed.
fn read_module(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz").arg("-dc").arg(path).output();
        let output = output.map_err(Error::io("starting xz"))?;
        demand(output.status.success(), format!("{} to unpack", path.display()), output.status)?;
        return Ok(output.stdout);
    }
    fs::read(path).map_err(Error::io(format!("reading {}", path.display())))
}

/// The guest's tools, `tools.cpio`.
pub(super) fn tools() -> Component {
    Component { name: "tools".into(), recipe: format!("3 {} {}", TOOL_PACKAGES.join(" "), TOOLS.join(" ")) }
}

/// Picks the tools out of their packages.
pub(super) fn make_tools(dir: &Path) -> Result<()> {
    let [suite, security] = suites(Kernel::V6_12);
    let archive = Archive::open(&dir.join("apt"), &[&suite, &security])?;
    let root = dir.join("root");
    archive.unpack_whole(&root, TOOL_PACKAGES, &[])?;
    let mut tree = Tree::default();
    for empty in ["dev", "proc", "sys", "run", "tmp", "root", "etc", "sbin"] {
        tree.directory(empty);
    }
    tree.character("dev/console", 5, 1);
    add_file(&mut tree, &root, "/bin/busybox")?;
    // busybox's own shell would take its own `ip` for ours, whatever PATH says.
    tree.symlink("bin/sh", "/usr/bin/dash");
    for tool in TOOLS {
        add_file(&mut tree, &root, tool)?;
        for library in linked(&root, tool)? {
            add_file(&mut tree, &root, &library)?;
        }
    }
    // glibc loads it by name when a thread is cancelled, as iperf3's are.
    add_file(&mut tree, &root, "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1")?;
    add_verbs(&mut tree, &root)?;
    // tcpdump looks its user up, iperf3 the names of protocols.
    tree.file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
    tree.file("etc/group", 0o644, "root:x:0:\n");
    tree.file("etc/protocols", 0o644, "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nesp 50 IPSEC-ESP\n");
    write(&dir.join("tools.cpio"), tree.emit())?;
    remove(&root)
}

/// The user's side of `rdma_rxe`.
fn add_verbs(tree: &mut Tree, root: &Path) -> Result<()> {
    let dir = root.join(VERBS.trim_start_matches('/'));
    let entries = fs::read_dir(&dir).map_err(Error::io(format!("reading {}", dir.display())))?;
    let mut names = entries.flatten().map(|entry| entry.file_name().display().to_string());
    let library = names.find(|name| name.starts_with("librxe-"));
    let library = library.ok_or_else(|| Error::Observed {
        expected: format!("librxe in {}", dir.display()),
        found: "none".into(),
    })?;
    add_file(tree, root, &format!("{VERBS}/{library}"))?;
    add_file(tree, root, VERBS_NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_qemu_is_read() {
        assert_eq!(version_of("QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)"), Some((11, 1)));
        assert!(version_of("QEMU emulator version 7.2.19 (Debian)") < Some(QEMU_AT_LEAST));
        assert!(version_of("no QEMU") < Some(QEMU_AT_LEAST));
    }
}

//! The Linux + strongSwan appliance that the benches compare with: Debian 12's cloud kernel and an initial file
//! system with just charon, swanctl, `ip`, busybox and the modules of kernel ESP. Packages are extracted once (their
//! maintainer scripts do not run), the files needed are picked by the dynamic linker's own answer, and the archive is
//! packed here, so that the result depends on the recipe alone. It lies in `~/.cache/ravelin/appliance` and is rebuilt
//! when the recipe changes. What it leaves out: systemd, udev, a shell beyond busybox, anything a gateway can spare.

use super::error::{Error, Result};
use ravelin_tests::initramfs::cpio::Tree;
use ravelin_tests::initramfs::modules::Dependencies;
use ravelin_tests::initramfs::{add_file, linked};
use ravelin_tests::paths;
use ravelin_tests::process::run;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the tree is extracted from, with all that these packages depend on.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "iproute2",
    "kmod",
    "libcharon-extra-plugins",
    "libstrongswan-extra-plugins",
    "libstrongswan-standard-plugins",
    "linux-image-cloud-amd64",
    "strongswan-charon",
    "strongswan-swanctl",
];
const SUITE: &str = "bookworm";
/// The machine's own package sources, so that the appliance comes from where the rest of it came from.
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";

const PROGRAMS: &[&str] = &["/sbin/ip", "/usr/lib/ipsec/charon", "/usr/sbin/swanctl"];
/// The plugins that `strongswan.conf` loads, of those that are shared objects.
const PLUGINS: &[&str] = &[
    "random",
    "nonce",
    "aes",
    "sha1",
    "sha2",
    "hmac",
    "kdf",
    "drbg",
    "pem",
    "pkcs1",
    "pkcs8",
    "x509",
    "pubkey",
    "gmp",
    "curve25519",
    "openssl",
    "gcm",
    "kernel-netlink",
    "socket-default",
    "vici",
];
/// Loaded by name at run time, so the linker does not know of it: glibc's pthread_cancel.
const LIBGCC: &str = "/lib/x86_64-linux-gnu/libgcc_s.so.1";
const APPLETS: &[&str] = &["cat", "cut", "echo", "free", "insmod", "mount", "sed", "sh", "sleep", "tr"];
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_mmio",
    "virtio_net",
    "sha512_generic",
    "jitterentropy_rng",
    "drbg",
    "aesni_intel",
    "ghash_generic",
    "ctr",
    "gcm",
    "seqiv",
    "echainiv",
    "esp4",
    "xfrm_user",
];

const INIT: &str = include_str!("appliance/init.sh");
const STRONGSWAN_CONF: &str = include_str!("appliance/strongswan.conf");
const SWANCTL_CONF: &str = include_str!("appliance/swanctl.conf");

/// The kernel command line, tuned: everything that costs boot time under emulation and that a gateway in a trusted
/// hypervisor can spare is off.
const TUNED: &str = "quiet panic=-1 nokaslr mitigations=off cryptomgr.notests apparmor=0 random.trust_cpu=on \
                     no_timer_check lpj=4000000 8250.nr_uarts=1 nopti";

/// A built appliance.
#[derive(Debug, Clone)]
pub(crate) struct Appliance {
    /// The kernel, a bzImage.
    pub(crate) kernel: PathBuf,
    /// The initial file system, uncompressed: the fastest to boot.
    pub(crate) initramfs: PathBuf,
    /// The same, compressed: the smallest to ship.
    pub(crate) compressed: PathBuf,
}

impl Appliance {
    /// The appliance of the current recipe, from the cache or built now.
    ///
    /// # Errors
    /// When there is no home directory, or a step of the build fails.
    pub(crate) fn ready() -> Result<Self> {
        let cache = paths::cache()?.join("appliance");
        let appliance = Self {
            kernel: cache.join("vmlinuz"),
            initramfs: cache.join("initramfs.cpio"),
            compressed: cache.join("initramfs.cpio.zst"),
        };
        let recipe = recipe();
        let stamp = cache.join("recipe");
        if fs::read_to_string(&stamp).is_ok_and(|built| built == recipe) {
            return Ok(appliance);
        }
        eprintln!("building the Linux + strongSwan appliance (once, about half a minute)");
        let _ = fs::remove_file(&stamp);
        fs::create_dir_all(&cache).map_err(Error::io("creating", &cache))?;
        let root = cache.join("root");
        if root.exists() {
            fs::remove_dir_all(&root).map_err(Error::io("removing", &root))?;
        }
        extract(&root)?;
        let version = kernel_version(&root)?;
        let kernel = root.join("boot").join(format!("vmlinuz-{version}"));
        fs::copy(&kernel, &appliance.kernel).map_err(Error::io("copying", &kernel))?;
        let tree = tree(&root, &version)?;
        fs::write(&appliance.initramfs, tree.emit()).map_err(Error::io("writing", &appliance.initramfs))?;
        run(Command::new("zstd")
            .args(["--quiet", "--force", "-19", "-o"])
            .args([&appliance.compressed, &appliance.initramfs]))?;
        fs::remove_dir_all(&root).map_err(Error::io("removing", &root))?;
        fs::write(&stamp, recipe).map_err(Error::io("writing", &stamp))?;
        Ok(appliance)
    }

    /// The kernel command line for a gateway with these addresses (CIDR) and this next hop for the far network.
    pub(crate) fn command_line(outside: &str, inside: &str, next_hop: &str) -> String {
        format!("console=ttyS0 {TUNED} net={outside};{inside} gw={next_hop}")
    }

    /// What has to be shipped and loaded: kernel and compressed initial file system, in bytes.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn shipped_bytes(&self) -> Result<u64> {
        Ok(file_bytes(&self.kernel)? + file_bytes(&self.compressed)?)
    }
}

/// Length of a file in bytes.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn file_bytes(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).map_err(Error::io("reading", path))?.len())
}

/// Everything the result depends on, as text: equal text means equal appliance.
fn recipe() -> String {
    let lists = [PACKAGES, PROGRAMS, PLUGINS, APPLETS, MODULES].map(|list| list.join(" ")).join("\n");
    format!("{SUITE}\n{lists}\n{INIT}\n{STRONGSWAN_CONF}\n{SWANCTL_CONF}")
}

/// Unpacks the packages into `root`. Nothing in it is configured: no service, no user, no cache.
fn extract(root: &Path) -> Result<()> {
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--mode=root", "--variant=extract", "--skip=check/empty"])
        .args(["--aptopt=APT::Install-Recommends \"0\"", "--dpkgopt=path-exclude=/usr/share/*"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .args([SUITE.as_ref(), root.as_os_str(), SOURCES.as_ref()]))?;
    Ok(())
}

/// The one kernel that was extracted.
fn kernel_version(root: &Path) -> Result<String> {
    let modules = root.join("lib/modules");
    let mut entries = fs::read_dir(&modules).map_err(Error::io("reading", &modules))?;
    let entry = entries.next().ok_or_else(|| Error::Missing(modules.clone()))?;
    Ok(entry.map_err(Error::io("reading", &modules))?.file_name().to_string_lossy().into_owned())
}

/// Picks the appliance's files out of the extracted packages.
fn tree(root: &Path, version: &str) -> Result<Tree> {
    let mut tree = Tree::default();
    for directory in ["dev", "proc", "sys", "run", "tmp", "var"] {
        tree.directory(directory);
    }
    tree.character("dev/console", 5, 1);
    tree.symlink("var/run", "/run");
    let mut files: BTreeSet<String> = PROGRAMS.iter().map(|path| (*path).to_owned()).collect();
    files.extend(PLUGINS.iter().map(|name| format!("/usr/lib/ipsec/plugins/libstrongswan-{name}.so")));
    for path in files.clone() {
        files.extend(linked(root, &path)?);
    }
    files.insert(LIBGCC.to_owned());
    files.insert("/bin/busybox".to_owned());
    for path in &files {
        add_file(&mut tree, root, path)?;
    }
    for applet in APPLETS {
        tree.symlink(&format!("bin/{applet}"), "busybox");
    }
    add_modules(&mut tree, root, version)?;
    tree.file("init", 0o755, INIT);
    tree.file("etc/strongswan.conf", 0o644, STRONGSWAN_CONF);
    tree.file("etc/swanctl/swanctl.conf", 0o600, SWANCTL_CONF);
    tree.file("etc/passwd", 0o644, "root:x:0:0:root:/:/bin/sh\n");
    tree.file("etc/group", 0o644, "root:x:0:\n");
    Ok(tree)
}

/// Copies the modules flat into `/modules`, with their load order in `/modules/order`.
fn add_modules(tree: &mut Tree, root: &Path, version: &str) -> Result<()> {
    run(Command::new("chroot").arg(root).args(["/sbin/depmod", version]))?;
    let base = root.join("lib/modules").join(version);
    let listing = base.join("modules.dep");
    let text = fs::read_to_string(&listing).map_err(Error::io("reading", &listing))?;
    let mut order = String::new();
    for path in Dependencies::parse(&text).load_order(MODULES) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let file = base.join(path);
        tree.file(&format!("modules/{name}"), 0o644, fs::read(&file).map_err(Error::io("reading", &file))?);
        order.push_str(name);
        order.push('\n');
    }
    tree.file("modules/order", 0o644, order);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_that_is_packed_is_loaded() {
        let load =
            STRONGSWAN_CONF.lines().find(|line| line.trim_start().starts_with("load =")).expect("a list");
        let loaded: Vec<&str> = load.split_whitespace().skip(2).collect();
        assert_eq!(loaded, PLUGINS);
    }
}

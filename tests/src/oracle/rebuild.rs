//! `mlx5_core` of Debian's 6.12 with the one option that Debian leaves off, `CONFIG_MLX5_EN_IPSEC`: compiled from
//! Debian's source against Debian's headers with the kernel's own compiler, in a root of its own. Only this module is
//! built; it loads into the stock kernel that lies in the cache, and is remade when that kernel is another.

use super::Kernel;
use super::archive::{Archive, make_dir, write};
use super::cache::{Component, remove};
use super::fetch;
use crate::error::{Error, Result, demand};
use crate::process::run;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What `make modules` of a kernel's headers runs, and the compiler that built the kernel.
const BUILDER: &[&str] = &[
    "gcc-14",
    "make",
    "bash",
    "coreutils",
    "grep",
    "sed",
    "gawk",
    "findutils",
    "diffutils",
    "perl-base",
    "xz-utils",
    "kmod",
    "bc",
    "libelf1t64",
    "python3-minimal",
];
/// Names that the packages' maintainer scripts would have made.
const LINKS: &[(&str, &str)] = &[("sh", "bash"), ("awk", "gawk"), ("gcc", "gcc-14")];
const KERNEL: Kernel = Kernel::V6_12;
/// The driver's directory in the kernel's source; the module includes headers of its neighbours.
const SOURCE: &str = "drivers/net/ethernet/mellanox";

/// The rebuilt module of the kernel in the cache; nothing while there is no kernel.
pub(super) fn module() -> Result<Option<Component>> {
    let release = KERNEL.dir()?.join("release");
    let Ok(release) = fs::read_to_string(&release) else { return Ok(None) };
    Ok(Some(Component { name: "mlx5-ipsec".into(), recipe: format!("1 {release} {}", BUILDER.join(" ")) }))
}

/// Compiles the module unless it is there. When the archive has no headers for the cached kernel any more, both are
/// renewed.
pub(super) fn make() -> Result<()> {
    let missing = || Error::Observed { expected: "a kernel in the cache".into(), found: "none".into() };
    let component = module()?.ok_or_else(missing)?;
    if component.is_ready()? {
        return Ok(());
    }
    let scratch = component.dir()?.with_extension("apt");
    let [suite, security] = fetch::suites(KERNEL);
    let archive = Archive::open(&scratch, &[&suite, &security])?;
    let cached = || fs::read_to_string(KERNEL.dir()?.join("release")).map_err(Error::io("reading a release"));
    if !archive.has(&format!("linux-headers-{}", cached()?)) {
        fetch::kernel(KERNEL).remake(|dir| fetch::make_kernel(KERNEL, dir))?;
    }
    let release = cached()?;
    println!("compiling mlx5_core for {release} with IPsec: some minutes");
    module()?.ok_or_else(missing)?.make(|dir| compile(&archive, &release, dir))
}

fn compile(archive: &Archive, release: &str, dir: &Path) -> Result<()> {
    let root = dir.join("root");
    let headers = format!("linux-headers-{release}");
    archive.unpack_whole(&root, &[BUILDER, &[headers.as_str()]].concat(), &[])?;
    for (name, target) in LINKS {
        let path = root.join("usr/bin").join(name);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(target, &path).map_err(Error::io(format!("making {}", path.display())))?;
    }
    run(Command::new("mknod").args(["-m", "666"]).arg(root.join("dev/null")).args(["c", "1", "3"]))?;
    let build = root.join("build");
    make_dir(&build)?;
    let source = archive.behind("linux-source", "linux-source-")?;
    unpack_source(&archive.fetch(&source)?, &source, &build)?;
    run(Command::new("nice")
        .args(["chroot"])
        .arg(&root)
        .args(["/usr/bin/env", "-i", "PATH=/usr/bin:/usr/sbin", "make", "-s", "-C"])
        .arg(format!("/usr/src/{headers}"))
        .arg(format!("-j{}", std::thread::available_parallelism().map_or(1, usize::from)))
        .arg(format!("M=/build/{source}/{SOURCE}/mlx5/core"))
        .args(["CONFIG_MLX5_EN_IPSEC=y", "KCFLAGS=-DCONFIG_MLX5_EN_IPSEC=1", "modules"]))?;
    let object = build.join(&source).join(SOURCE).join("mlx5/core/mlx5_core.ko");
    run(Command::new("chroot").arg(&root).args(["/usr/bin/strip", "-g"]).arg(inside(&root, &object)))?;
    let content = fs::read(&object).map_err(Error::io(format!("reading {}", object.display())))?;
    let marker = b"mlx5e_ipsec_init";
    let built_in = content.windows(marker.len()).any(|window| window == marker);
    demand(built_in, "IPsec in the module", "none")?;
    write(&dir.join("mlx5_core.ko"), content)?;
    remove(&root)
}

/// The part of the source that the module needs, straight out of the package.
fn unpack_source(package: &Path, name: &str, into: &Path) -> Result<()> {
    let script = "set -o pipefail; dpkg-deb --fsys-tarfile \"$1\" | tar xO \"./usr/src/$2.tar.xz\" | xz -dc -T0 \
                  | tar x -C \"$3\" \"$2/$4\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(package).arg(name).arg(into).arg(SOURCE);
    run(&mut command).map(|_| ())
}

/// A path below `root` as it is called inside.
fn inside(root: &Path, path: &Path) -> String {
    format!("/{}", path.strip_prefix(root).unwrap_or(path).display())
}

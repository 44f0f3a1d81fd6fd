//! What an initial file system of Linux is made from: programs with the shared objects that they need, kernel modules
//! in load order, and the archive itself. Packages are unpacked elsewhere; here files are picked out of such a root.

pub mod cpio;
pub mod modules;

use crate::error::{Error, Result, demand};
use crate::process::run;
use cpio::Tree;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// glibc's dynamic linker, which names what a program needs.
const LINKER: &str = "/lib64/ld-linux-x86-64.so.2";

/// The shared objects that `path` needs, linker included, as the linker of the unpacked `root` finds them.
///
/// # Errors
/// When the linker cannot run in `root` (that takes root) or does not find one.
pub fn linked(root: &Path, path: &str) -> Result<Vec<String>> {
    let said = run(Command::new("chroot").arg(root).args([LINKER, "--list", path]))?;
    demand(!said.contains("not found"), format!("all that {path} is linked with"), &said)?;
    Ok(parse_linked(&said))
}

/// Reads `NAME => PATH (ADDRESS)` and `PATH (ADDRESS)`; the vDSO has no path.
fn parse_linked(said: &str) -> Vec<String> {
    said.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect()
}

/// Copies a file, links resolved inside `root`, to the same path in the tree.
///
/// # Errors
/// When it is not there.
pub fn add_file(tree: &mut Tree, root: &Path, path: &str) -> Result<()> {
    let real = resolve(root, path)?;
    let metadata = fs::metadata(&real).map_err(Error::io(format!("reading {}", real.display())))?;
    let content = fs::read(&real).map_err(Error::io(format!("reading {}", real.display())))?;
    tree.file(path, metadata.permissions().mode() & 0o777, content);
    Ok(())
}

/// Follows symbolic links, absolute ones from `root`.
fn resolve(root: &Path, path: &str) -> Result<PathBuf> {
    let mut inside = PathBuf::from(path);
    loop {
        let outside = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        match fs::read_link(&outside) {
            Ok(target) => inside = inside.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) if outside.is_file() => return Ok(outside),
            Err(source) => return Err(Error::io(format!("following {}", outside.display()))(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linkers_answer_is_read() {
        let said = "\tlinux-vdso.so.1 (0x00007f33a7015000)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f33a6d08000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f33a7017000)\n";
        assert_eq!(parse_linked(said), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}

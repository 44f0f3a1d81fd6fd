//! Debian's archive seen through an apt whose whole state is a scratch directory: nothing of the machine's own packages
//! is read or changed, packages are unpacked and never installed. Releases other than the machine's are open to it.

use super::cache::remove;
use crate::error::{Error, Result, demand};
use crate::process::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machine's own package sources: its mirrors serve the other releases as well.
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
/// Signs every release that is fetched from here.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt of its own.
pub(super) struct Archive {
    dir: PathBuf,
    options: Vec<String>,
}

impl Archive {
    /// An apt over `suites` with its state below `dir`. A suite that ends in `-security` comes from that mirror.
    pub(super) fn open(dir: &Path, suites: &[&str]) -> Result<Archive> {
        let own = |name: &str| dir.join(name).display().to_string();
        for name in ["lists/partial", "cache/archives/partial"] {
            make_dir(&dir.join(name))?;
        }
        let text = fs::read_to_string(SOURCES).unwrap_or_default();
        let lines: String = suites
            .iter()
            .map(|suite| format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror(&text, suite)))
            .collect();
        write(&dir.join("sources.list"), &lines)?;
        // Empty: no package counts as installed, so apt fetches all that a package needs.
        write(&dir.join("status"), "")?;
        let options = [
            format!("Dir::Etc::sourcelist={}", own("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".into(),
            "Dir::Etc::preferencesparts=/dev/null".into(),
            format!("Dir::State::Lists={}", own("lists")),
            format!("Dir::State::status={}", own("status")),
            format!("Dir::Cache={}", own("cache")),
            "APT::Sandbox::User=root".into(),
            "Acquire::Languages=none".into(),
            "Acquire::Retries=3".into(),
        ];
        let archive =
            Archive { dir: dir.into(), options: options.map(|option| format!("-o{option}")).into() };
        run(&mut archive.command("apt-get", &["-qq", "update"]))?;
        Ok(archive)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive").args(&self.options).args(arguments);
        command
    }

    /// The package with a version in its name that the empty package `name` stands for today.
    pub(super) fn behind(&self, name: &str, start: &str) -> Result<String> {
        let said = run(&mut self.command("apt-cache", &["depends", name]))?;
        let found = said.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        let found = found.filter(|package| package.starts_with(start));
        found
            .map(str::to_owned)
            .ok_or_else(|| Error::Observed {
                expected: format!("{name} to depend on {start}…"), found: said
            })
    }

    /// Whether the archive has a package.
    pub(super) fn has(&self, package: &str) -> bool {
        run(&mut self.command("apt-cache", &["show", package])).is_ok_and(|said| !said.is_empty())
    }

    /// Unpacks `packages` and all that they need into `root`, which becomes a tree that one can `chroot` into.
    pub(super) fn unpack_whole(&self, root: &Path, packages: &[&str], options: &[&str]) -> Result<()> {
        let install = ["-qq", "-y", "--no-install-recommends", "--download-only"];
        let arguments = [&install[..], options, &["install"], packages].concat();
        run(&mut self.command("apt-get", &arguments))?;
        self.unpack_fetched(root)?;
        for link in ["bin", "sbin", "lib", "lib64"] {
            let path = root.join(link);
            if !path.exists() {
                std::os::unix::fs::symlink(format!("usr/{link}"), &path)
                    .map_err(Error::io(format!("making {}", path.display())))?;
            }
        }
        for dir in ["tmp", "run", "dev", "usr/share"] {
            make_dir(&root.join(dir))?;
        }
        for unused in ["doc", "man", "locale", "lintian", "info"] {
            remove(&root.join("usr/share").join(unused))?;
        }
        Ok(())
    }

    /// Fetches one package alone and returns its file.
    pub(super) fn fetch(&self, package: &str) -> Result<PathBuf> {
        let dir = self.dir.join("one");
        remove(&dir)?;
        make_dir(&dir)?;
        run(self.command("apt-get", &["-qq", "download", package]).current_dir(&dir))?;
        let mut files = debs(&dir)?;
        demand(files.len() == 1, format!("one file of {package}"), files.len())?;
        files.pop().ok_or_else(|| Error::Observed { expected: package.into(), found: "nothing".into() })
    }

    /// Unpacks one package alone.
    pub(super) fn unpack_one(&self, root: &Path, package: &str) -> Result<()> {
        unpack(&self.fetch(package)?, root)
    }

    fn unpack_fetched(&self, root: &Path) -> Result<()> {
        let dir = self.dir.join("cache/archives");
        for file in debs(&dir)? {
            unpack(&file, root)?;
            fs::remove_file(&file).map_err(Error::io(format!("removing {}", file.display())))?;
        }
        Ok(())
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Lists and packages are needed no longer; what stays would only take room.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The mirror of `suite`: the first one in `sources` that serves its kind, else Debian's own.
fn mirror<'a>(sources: &'a str, suite: &str) -> &'a str {
    let security = suite.ends_with("-security");
    let uris = sources.lines().filter_map(|line| line.strip_prefix("URIs:")).flat_map(str::split_whitespace);
    let known = uris.into_iter().find(|uri| uri.contains("security") == security);
    let default =
        if security { "http://deb.debian.org/debian-security" } else { "http://deb.debian.org/debian" };
    known.unwrap_or(default)
}

fn debs(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(Error::io(format!("reading {}", dir.display())))?;
    let files = entries.flatten().map(|entry| entry.path());
    Ok(files.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
}

fn unpack(package: &Path, root: &Path) -> Result<()> {
    make_dir(root)?;
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(root)).map(|_| ())
}

/// Makes a directory with its parents.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io(format!("creating {}", dir.display())))
}

/// Writes a file.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).map_err(Error::io(format!("writing {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suite_has_its_mirror() {
        let text =
            "Types: deb\nURIs: http://near/debian\nSuites: bookworm\n\nURIs: http://near/debian-security\n";
        assert_eq!(mirror(text, "trixie-backports"), "http://near/debian");
        assert_eq!(mirror(text, "trixie-security"), "http://near/debian-security");
        assert_eq!(mirror("", "trixie"), "http://deb.debian.org/debian");
        assert_eq!(mirror("", "trixie-security"), "http://deb.debian.org/debian-security");
    }
}

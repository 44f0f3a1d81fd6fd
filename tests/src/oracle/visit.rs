//! A guest for a person: one of Debian's kernels with the card's driver loaded and a shell on its console
//! (`visit.sh`), started here with the console behind a socket, or by hand with the console on a terminal.

use super::Kernel;
use super::guest::{Boot, XFRM};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::site::Site;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SHELL: &str = include_str!("visit.sh");
/// Longest wait for QEMU to listen at the console.
const START: Duration = Duration::from_secs(20);

/// Which Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linux {
    /// Its kernel.
    pub kernel: Kernel,
    /// Whether `mlx5_core` is the one that was rebuilt with IPsec.
    pub rebuilt: bool,
}

impl Linux {
    /// All of them by name.
    pub const NAMES: &'static [(&'static str, Linux)] = &[
        ("6.1", Linux { kernel: Kernel::V6_1, rebuilt: false }),
        ("6.12", Linux { kernel: Kernel::V6_12, rebuilt: false }),
        ("6.12-ipsec", Linux { kernel: Kernel::V6_12, rebuilt: true }),
    ];

    /// The one with this name.
    pub fn named(name: &str) -> Option<Linux> {
        Linux::NAMES.iter().find(|(known, _)| *known == name).map(|(_, linux)| *linux)
    }
}

/// A guest that can be started, on one card.
pub struct Visit {
    boot: Boot,
    /// The card's name: A, B …
    card: String,
    initrd: PathBuf,
}

impl Visit {
    /// A guest for the card called `card` that is served at `socket`; its initial file system is written to `initrd`
    /// unless it is there.
    ///
    /// # Errors
    /// When the cache lacks something, or the file cannot be written.
    pub fn new(linux: Linux, card: &str, socket: &Path, initrd: &Path) -> Result<Visit> {
        let boot = Boot { rebuilt: linux.rebuilt, ..Boot::new(linux.kernel, &[socket.to_path_buf()]) };
        if !initrd.exists() {
            boot.write_initrd(initrd, SHELL)?;
        }
        Ok(Visit { boot, card: card.into(), initrd: initrd.into() })
    }

    /// QEMU with its console on the terminal that it is started from; Ctrl-A X ends it.
    ///
    /// # Errors
    /// When there is no place for a cache.
    pub fn by_hand(&self) -> Result<Command> {
        let mut command = self.machine()?;
        command.args(["-serial", "mon:stdio"]);
        Ok(command)
    }

    /// Starts it, with its console behind the unix socket `console`. What is said while nobody listens is kept in
    /// `NAME.console` in the site's directory.
    ///
    /// # Errors
    /// When QEMU cannot be started, or ends at once.
    pub fn start(&self, site: &Site, name: &str, console: &Path) -> Result<Process> {
        let mut command = self.machine()?;
        let log = site.path(&format!("{name}.console"));
        let (path, log) = (console.display(), log.display());
        command
            .args(["-chardev", &format!("socket,id=console,path={path},server=on,wait=off,logfile={log}")]);
        command.args(["-serial", "chardev:console"]);
        let mut process = Process::spawn(site, name, command)?;
        let deadline = Instant::now() + START;
        while !console.exists() {
            if process.poll().is_some() || Instant::now() > deadline {
                let tail = process.transcript().tail();
                return Err(Error::Ended { who: name.into(), pattern: "(its console)".into(), tail });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    fn machine(&self) -> Result<Command> {
        // Without the rebuilt driver nothing would offer itself to XFRM, but software ESP works all the same.
        let modules = [&["mlx5_core", "8021q"], XFRM].concat().join(",");
        self.boot.machine(&self.initrd, &format!("card={} modules={modules}", self.card))
    }
}

/// A command as a shell takes it, with the variables that are set for it.
///
/// # Errors
/// When a word is no UTF-8.
pub fn shell_words(command: &Command) -> Result<String> {
    let mut words = Vec::new();
    let text = |word: &std::ffi::OsStr| {
        let word = word.to_str().map(str::to_owned);
        word.ok_or_else(|| Error::Observed { expected: "UTF-8".into(), found: format!("{command:?}") })
    };
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", text(name)?, quoted(&text(value)?)));
        }
    }
    words.push(quoted(&text(command.get_program())?));
    for argument in command.get_args() {
        words.push(quoted(&text(argument)?));
    }
    Ok(words.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./,:=@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::run;

    #[test]
    fn a_shell_takes_the_words_as_they_are() {
        let words = ["plain", "two words", "", "{\"a\":\"b\"}", "it's", "$HOME `x` \\", "a*"];
        let mut command = Command::new("printf");
        command.env("SOME", "a b").arg("%s\\n").args(words).arg("$SOME");
        let text = shell_words(&command).unwrap();
        assert!(text.starts_with("SOME='a b' printf "), "{text}");
        let said = run(Command::new("sh").args(["-c", &text])).unwrap();
        assert_eq!(said, words.join("\n") + "\n$SOME\n");
    }

    #[test]
    fn every_linux_has_a_name() {
        assert_eq!(Linux::named("6.12-ipsec"), Some(Linux { kernel: Kernel::V6_12, rebuilt: true }));
        assert_eq!(Linux::named("6.13"), None);
    }
}

//! `cargo xtask device tell` and `device console`: talking to a server, and to a guest, that another terminal runs.

use super::{CONTROL, console_of};
use core::fmt;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

/// Ctrl-], as telnet has it.
const LEAVE: u8 = 0x1d;

#[derive(Debug)]
enum Error {
    Usage(&'static str),
    /// Nobody listens at a socket of this name.
    Nobody(String),
    /// More than one does.
    Several(Vec<PathBuf>),
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(usage) => write!(f, "{usage}"),
            Error::Nobody(name) => {
                write!(f, "nobody listens at a socket {name}; `cargo xtask device` starts one")
            }
            Error::Several(paths) => {
                write!(f, "several run; set RAVELIN_DEVICE to the directory of one of them:")?;
                paths.iter().try_for_each(|path| write!(f, "\n  {}", path.display()))
            }
            Error::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

/// The only socket of this name in a running site, or in `RAVELIN_DEVICE`.
fn connect(name: &str) -> Result<UnixStream, Error> {
    let dirs = match std::env::var_os("RAVELIN_DEVICE") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => std::fs::read_dir(std::env::temp_dir())?.flatten().map(|entry| entry.path()).collect(),
    };
    let paths = dirs.into_iter().map(|dir| dir.join(name)).filter(|path| path.exists());
    let mut found: Vec<(PathBuf, UnixStream)> =
        paths.filter_map(|path| UnixStream::connect(&path).ok().map(|stream| (path, stream))).collect();
    match (found.pop(), found.is_empty()) {
        (Some((_, stream)), true) => Ok(stream),
        (Some(last), false) => {
            let paths = found.into_iter().chain([last]).map(|(path, _)| path);
            Err(Error::Several(paths.map(|path| path.parent().map_or(path.clone(), PathBuf::from)).collect()))
        }
        (None, _) => Err(Error::Nobody(name.into())),
    }
}

/// Gives one command to the server and prints its answer.
pub(super) fn tell(words: &[String]) -> ExitCode {
    finish(ask(&words.join(" ")).map(|refused| if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }))
}

fn finish(outcome: Result<ExitCode, Error>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error}");
        ExitCode::FAILURE
    })
}

/// Whether it was refused.
fn ask(line: &str) -> Result<bool, Error> {
    if line.trim().is_empty() {
        return Err(Error::Usage("cargo xtask device tell COMMAND…; `tell help` lists them"));
    }
    let mut stream = connect(CONTROL)?;
    writeln!(stream, "{line}")?;
    let mut refused = false;
    for answer in BufReader::new(stream).lines() {
        let answer = answer?;
        if answer.is_empty() {
            break;
        }
        refused |= answer.starts_with("error: ");
        println!("{answer}");
    }
    Ok(refused)
}

/// Joins this terminal and a guest's console.
pub(super) fn console(words: &[String]) -> ExitCode {
    let [card] = words else {
        return finish(Err(Error::Usage("cargo xtask device console CARD, one of A, B, …")));
    };
    finish(join(&card.to_uppercase()).map(|()| ExitCode::SUCCESS))
}

fn join(card: &str) -> Result<(), Error> {
    let mut stream = connect(&console_of(card))?;
    let (mut input, terminal) = (io::stdin().lock(), io::stdin().is_terminal());
    let usual = if terminal { Some(raw()?) } else { None };
    if terminal {
        eprint!("console of guest {card}; Ctrl-] leaves it\r\n");
        // For a prompt.
        stream.write_all(b"\n")?;
    }
    let (mut said, restored) = (stream.try_clone()?, usual.clone());
    let listener = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = said.read(&mut bytes) {
            let mut out = io::stdout().lock();
            if out.write_all(&bytes[..count]).and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        // The guest is gone, and whoever types would wait for a key.
        restore(restored.as_ref());
        std::process::exit(0);
    });
    let mut typed = [0; 256];
    loop {
        let count = input.read(&mut typed)?;
        let keys = &typed[..count];
        if keys.is_empty() {
            // A script has said all; what the guest says to it is still heard, to the guest's end.
            let _ = listener.join();
            break;
        }
        if terminal && keys.contains(&LEAVE) {
            break;
        }
        stream.write_all(keys)?;
    }
    restore(usual.as_ref());
    Ok(())
}

/// Every key goes to the guest, and nothing is echoed here; returns what was before.
fn raw() -> Result<Termios, Error> {
    let usual = tcgetattr(io::stdin()).map_err(io::Error::from)?;
    let mut raw = usual.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(io::Error::from)?;
    Ok(usual)
}

fn restore(usual: Option<&Termios>) {
    if let Some(usual) = usual {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, usual);
    }
}

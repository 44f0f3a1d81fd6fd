//! What can go wrong while a system test sets up its world or waits for it: one enum for the whole harness.
//!
//! `Debug` prints the same text as `Display`, because a test that returns `Err` shows only `Debug`.

use core::fmt;
use core::time::Duration;
use std::io;

/// A failure of the harness, with the noun that failed.
pub enum Error {
    /// Something that has to be installed is not there. Each entry is (what is missing, the command that installs it).
    Missing(Vec<(String, String)>),
    /// A command ended with a failure.
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it said on both streams.
        said: String,
    },
    /// A process or file did not do what the operating system was asked for.
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A line that was waited for did not come.
    NoLine {
        /// Whose output was read.
        who: String,
        /// The pattern.
        pattern: String,
        /// How long it was waited for.
        waited: Duration,
        /// The end of what it did say.
        tail: String,
    },
    /// The process ended before it said what was waited for.
    Ended {
        /// Which process.
        who: String,
        /// The pattern that it did not say.
        pattern: String,
        /// The end of what it did say.
        tail: String,
    },
    /// An observation that contradicts what the test demands.
    Observed {
        /// What was demanded.
        expected: String,
        /// What was seen.
        found: String,
    },
}

/// The result of every step of the harness.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An I/O failure while `doing` something.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(items) => {
                writeln!(f, "this run needs what is not installed:")?;
                for (what, command) in items {
                    writeln!(f, "  {what}\n      {command}")?;
                }
                Ok(())
            }
            Error::Command { command, status, said } => write!(f, "`{command}` ended with {status}: {said}"),
            Error::Io { doing, source } => write!(f, "{doing}: {source}"),
            Error::NoLine { who, pattern, waited, tail } => {
                write!(
                    f,
                    "{who} did not say /{pattern}/ within {:.1} s; it said:\n{tail}",
                    waited.as_secs_f64()
                )
            }
            Error::Ended { who, pattern, tail } => {
                write!(f, "{who} ended before it said /{pattern}/; it said:\n{tail}")
            }
            Error::Observed { expected, found } => write!(f, "expected {expected}, found {found}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

/// Fails with [`Error::Observed`] unless `holds`.
pub fn demand(holds: bool, expected: impl Into<String>, found: impl fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Observed { expected: expected.into(), found: found.to_string() }) }
}

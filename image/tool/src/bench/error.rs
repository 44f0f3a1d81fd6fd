//! What can go wrong in a bench: one enum for the whole of `cargo xtask bench`.

use crate::image_file;
use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of a bench, with the noun that failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// A step of the harness.
    Harness(ravelin_tests::error::Error),
    /// A file could not be read or written.
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that a step should have made is not there.
    Missing(PathBuf),
    /// A JSON document does not have the form of its kind.
    Json {
        /// Whose document.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A measuring tool's report lacks a figure.
    NoFigure {
        /// The tool.
        tool: &'static str,
        /// The figure.
        figure: &'static str,
        /// What the tool said.
        said: String,
    },
    /// No protected ping came back in time.
    NoPing {
        /// Through which gateway.
        gateway: String,
        /// The end of its console.
        console: String,
    },
    /// There is no image to measure.
    Image(image_file::Error),
    /// No such bench.
    UnknownBench(String),
    /// No such argument.
    UnknownArgument(String),
}

/// The result of every step of a bench.
pub(crate) type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// A failure of `doing` something to the file at `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }
}

impl From<ravelin_tests::error::Error> for Error {
    fn from(error: ravelin_tests::error::Error) -> Self {
        Error::Harness(error)
    }
}

impl From<image_file::Error> for Error {
    fn from(error: image_file::Error) -> Self {
        Error::Image(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Harness(error) => error.fmt(f),
            Error::File { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Error::Missing(path) => write!(f, "{} is not there", path.display()),
            Error::Json { path, source } => write!(f, "{}: {source}", path.display()),
            Error::NoFigure { tool, figure, said } => {
                write!(f, "{tool} reported no {figure}; it said:\n{said}")
            }
            Error::NoPing { gateway, console } => {
                write!(f, "no protected ping came back through {gateway}; its console ends:\n{console}")
            }
            Error::Image(error) => error.fmt(f),
            Error::UnknownBench(name) => {
                write!(f, "there is no bench `{name}`; there are: {}", super::NAMES.join(", "))
            }
            Error::UnknownArgument(argument) => write!(f, "unknown argument `{argument}`"),
        }
    }
}

impl core::error::Error for Error {}

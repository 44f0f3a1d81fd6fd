//! What can be wrong with a configuration file: one type that says where, which key, what was found and
//! what would have been accepted. Values of secret keys never get into an error.

use alloc::{boxed::Box, string::String};
use core::fmt;

/// A place in the file, counted from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The kind of mistake, with the noun it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// Not TOML; the words are the TOML parser's.
    Syntax(String),
    /// A key that this table does not have.
    UnknownKey(String),
    /// A required key is absent.
    Missing,
    /// The value has another type.
    Type(&'static str),
    /// The value has the right type but cannot be read or is out of range.
    Value(String),
    /// A name, number or address that may occur once occurs again.
    Duplicate {
        /// What occurs twice.
        found: String,
        /// Where it was first.
        first: Position,
    },
    /// A reference to something that the file does not define.
    Unknown {
        /// What kind of thing was looked for.
        noun: &'static str,
        /// The name.
        found: String,
    },
    /// Two ports whose networks contain each other.
    Overlap {
        /// This one.
        found: String,
        /// The other.
        other: String,
    },
    /// Values that are right alone and wrong together.
    Conflict {
        /// What was found.
        found: String,
        /// Why it cannot be.
        why: &'static str,
    },
    /// No secret belongs to this pair of identities.
    NoSecret {
        /// Our identity.
        local: String,
        /// The peer's identity.
        remote: String,
    },
    /// The file that a secret is to be read from was not given to the gateway.
    NoSecretFile(String),
    /// A value, not shown because it is a secret, that cannot be used.
    BadSecret(&'static str),
    /// What was asked for exists in Ravelin, but not in this build or on this machine.
    Unsupported {
        /// What was asked for.
        found: String,
        /// Why not.
        why: &'static str,
    },
}

/// A mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file's name as the caller gave it.
    pub file: Box<str>,
    /// Where.
    pub at: Position,
    /// The key with its tables, such as `connections.gw.children.net.mode`; empty for a syntax error.
    pub key: Box<str>,
    /// What.
    pub mistake: Mistake,
    /// What would have been accepted.
    pub accepted: Box<str>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(words) => write!(f, "{words}"),
            Self::UnknownKey(key) => write!(f, "unknown key \"{key}\""),
            Self::Missing => write!(f, "missing"),
            Self::Type(found) => write!(f, "wrong type: found {found}"),
            Self::Value(found) => write!(f, "found {found}"),
            Self::Duplicate { found, first } => write!(f, "{found} again, first at {first}"),
            Self::Unknown { noun, found } => write!(f, "unknown {noun} \"{found}\""),
            Self::Overlap { found, other } => write!(f, "{found} overlaps {other}"),
            Self::Conflict { found, why } => write!(f, "found {found}: {why}"),
            Self::NoSecret { local, remote } => {
                write!(f, "no secret for local id \"{local}\" and remote id \"{remote}\"")
            }
            Self::NoSecretFile(name) => write!(f, "secret file \"{name}\" was not given to the gateway"),
            Self::BadSecret(why) => write!(f, "secret not usable: {why}"),
            Self::Unsupported { found, why } => write!(f, "{found} is not available: {why}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.at)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.mistake)?;
        if !self.accepted.is_empty() {
            write!(f, "; accepted: {}", self.accepted)?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

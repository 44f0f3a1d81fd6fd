//! The textual form of faults: one a line, `[at SECONDS | after COMMANDS] NAME [key=value …]`, `#` begins a comment.
//!
//! ```text
//! after 40 command-status opcode=0x904 status=0xf
//! at 2.5   link-flap down=0.3
//! completion-lost count=2
//! ```

use super::{Fault, When};
use crate::Device;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeMap;

/// The faults by name, each with its keys.
const NAMES: &str = "command-timeout [opcode=], command-delay [opcode=] by=, command-status [opcode=] status= \
    [syndrome=], completion-lost count=, completion-twice count=, completion-error count= syndrome=, health-stuck, \
    health-fatal syndrome=, link-flap down=, page-request pages= [times=], icv-failure count=, replay count=, death";

/// A line that is no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line's number, from 1.
    pub line: usize,
    /// What was wrong, and what would be accepted.
    pub reason: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl core::error::Error for ScriptError {}

/// Faults with the times at which they happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<(When, Fault)>);

impl Script {
    /// Arms all of it; times and command counts start now.
    pub fn arm(&self, device: &mut Device) {
        for (when, fault) in &self.0 {
            match when {
                When::Now => device.inject(fault.clone()),
                When::At(after) => device.inject_at(device.now + *after, fault.clone()),
                When::AfterCommands(count) => device.inject_after(*count, fault.clone()),
            }
        }
    }

    /// How many faults it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Script, ScriptError> {
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                faults.push(parse(line).map_err(|reason| ScriptError { line: index + 1, reason })?);
            }
        }
        Ok(Script(faults))
    }
}

fn parse(line: &str) -> Result<(When, Fault), String> {
    let mut words = line.split_whitespace().peekable();
    let mut when = When::Now;
    if let Some(word) = words.next_if(|word| matches!(*word, "at" | "after")) {
        let value = words.next().ok_or_else(|| format!("`{word}` wants a number"))?;
        when = if word == "at" { When::At(seconds(value)?) } else { When::AfterCommands(number(value)?) };
    }
    let name = words.next().ok_or_else(|| format!("a fault is missing; there are: {NAMES}"))?;
    let mut values = Values { name, pairs: BTreeMap::new() };
    for word in words {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("`{word}` is not of the form key=value"))?;
        values.pairs.insert(key, value);
    }
    let fault = values.fault()?;
    match values.pairs.keys().next() {
        Some(key) => Err(format!("`{name}` has no key `{key}`; there are: {NAMES}")),
        None => Ok((when, fault)),
    }
}

/// The key=value pairs of one line, taken out as they are used.
struct Values<'a> {
    name: &'a str,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl Values<'_> {
    fn fault(&mut self) -> Result<Fault, String> {
        Ok(match self.name {
            "command-timeout" => Fault::CommandTimeout { opcode: self.optional("opcode")? },
            "command-delay" => {
                Fault::CommandDelay { opcode: self.optional("opcode")?, by: seconds(self.text("by")?)? }
            }
            "command-status" => Fault::CommandStatus {
                opcode: self.optional("opcode")?,
                status: self.needed("status")?,
                syndrome: self.optional("syndrome")?.unwrap_or(0),
            },
            "completion-lost" => Fault::CompletionLost { count: self.needed("count")? },
            "completion-twice" => Fault::CompletionTwice { count: self.needed("count")? },
            "completion-error" => {
                Fault::CompletionError { count: self.needed("count")?, syndrome: self.needed("syndrome")? }
            }
            "health-stuck" => Fault::HealthStuck,
            "health-fatal" => Fault::HealthFatal { syndrome: self.needed("syndrome")? },
            "link-flap" => Fault::LinkFlap { down: seconds(self.text("down")?)? },
            "page-request" => {
                let text = self.text("pages")?;
                let pages = text.parse().map_err(|_| format!("`{text}` is not a number of pages"))?;
                Fault::PageRequest { pages, times: self.optional("times")?.unwrap_or(1) }
            }
            "icv-failure" => Fault::IcvFailure { count: self.needed("count")? },
            "replay" => Fault::Replay { count: self.needed("count")? },
            "death" => Fault::Death,
            other => return Err(format!("`{other}` is not a fault; there are: {NAMES}")),
        })
    }

    fn text(&mut self, key: &str) -> Result<&str, String> {
        self.pairs.remove(key).ok_or_else(|| format!("`{}` wants {key}=", self.name))
    }

    fn needed<T: TryFrom<u64>>(&mut self, key: &str) -> Result<T, String> {
        self.optional(key)?.ok_or_else(|| format!("`{}` wants {key}=", self.name))
    }

    fn optional<T: TryFrom<u64>>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.pairs.remove(key) else {
            return Ok(None);
        };
        T::try_from(number(text)?).map(Some).map_err(|_| format!("{key}={text} is too large"))
    }
}

/// A decimal or hexadecimal number.
fn number(text: &str) -> Result<u64, String> {
    let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    parsed.map_err(|_| format!("`{text}` is not a number"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("`{text}` is not a time that can come"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_documents() {
        let script: Script = "
            after 40 command-status opcode=0x904 status=0xf
            at 2.5 link-flap down=0.3   # a comment
            completion-lost count=2
            page-request pages=-8 times=3"
            .parse()
            .unwrap();
        assert_eq!(
            script.0,
            [
                (
                    When::AfterCommands(40),
                    Fault::CommandStatus { opcode: Some(0x904), status: 0xf, syndrome: 0 }
                ),
                (When::At(Duration::from_millis(2500)), Fault::LinkFlap { down: Duration::from_millis(300) }),
                (When::Now, Fault::CompletionLost { count: 2 }),
                (When::Now, Fault::PageRequest { pages: -8, times: 3 }),
            ]
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, line, part) in [
            ("death\nfrobnicate", 2, "link-flap"),
            ("completion-lost", 1, "wants count="),
            ("health-stuck count=1", 1, "no key `count`"),
            ("at noon death", 1, "seconds"),
            ("command-status status=0x100", 1, "too large"),
            ("at", 1, "wants a number"),
        ] {
            let error = text.parse::<Script>().unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.reason.contains(part), "{text}: {}", error.reason);
        }
    }
}

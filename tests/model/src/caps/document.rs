//! A profile's text as a list of dotted keys and values with their lines, and what can be wrong with them.

use core::fmt;
use toml::de::{DeTable, DeValue};

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Not TOML; the words are the parser's.
    Syntax(String),
    /// There is no such key here.
    Unknown,
    /// A key that has to be there is not.
    Missing,
    /// The value is of another type.
    Type(&'static str),
    /// The value is of the right type and cannot be used.
    Value(String),
}

/// A mistake in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The profile's name.
    pub file: String,
    /// The line, counted from 1; 0 when it is about no line.
    pub line: usize,
    /// The dotted key.
    pub key: String,
    /// What.
    pub mistake: Mistake,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.file, self.line, self.key)?;
        match &self.mistake {
            Mistake::Syntax(words) => write!(f, "{words}")?,
            Mistake::Unknown => write!(f, "unknown key")?,
            Mistake::Missing => write!(f, "missing")?,
            Mistake::Type(found) => write!(f, "wrong type: found {found}")?,
            Mistake::Value(found) => write!(f, "found {found}")?,
        }
        if self.accepted.is_empty() { Ok(()) } else { write!(f, "; accepted: {}", self.accepted) }
    }
}

impl core::error::Error for ProfileError {}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
    /// A list of whole numbers.
    Numbers(Vec<u64>),
}

impl Value {
    /// What it is called in an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Number(_) => "number",
            Value::Text(_) => "text",
            Value::Numbers(_) => "list",
        }
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it stands.
    pub(super) line: usize,
    /// The dotted key.
    pub(super) key: String,
    /// Its value.
    pub(super) value: Value,
}

/// Reads a profile's text; lines come in the order of the text.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Line>, ProfileError> {
    let line_of = |offset: usize| text.get(..offset).unwrap_or(text).matches('\n').count() + 1;
    let error = |offset: usize, key: &str, mistake: Mistake, accepted: &str| ProfileError {
        file: file.into(),
        line: line_of(offset),
        key: key.into(),
        mistake,
        accepted: accepted.into(),
    };
    let parsed = DeTable::parse(text).map_err(|wrong| {
        let offset = wrong.span().map_or(text.len(), |span| span.start);
        error(offset, "", Mistake::Syntax(wrong.message().into()), "")
    })?;
    let mut lines = Vec::new();
    let mut todo: Vec<(String, &DeTable<'_>)> = vec![(String::new(), parsed.get_ref())];
    while let Some((prefix, table)) = todo.pop() {
        for (name, value) in table {
            let name = name.get_ref();
            let key = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            let offset = value.span().start;
            let number = |value: &DeValue<'_>, offset: usize| {
                let digits = value.as_integer();
                digits
                    .and_then(|digits| u64::from_str_radix(digits.as_str(), digits.radix()).ok())
                    .ok_or_else(|| {
                        error(
                            offset,
                            &key,
                            Mistake::Type(value.type_str()),
                            "whole number that is not negative",
                        )
                    })
            };
            let value = match value.get_ref() {
                DeValue::Table(inner) => {
                    todo.push((key, inner));
                    continue;
                }
                DeValue::Boolean(flag) => Value::Number(u64::from(*flag)),
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Array(items) => Value::Numbers(
                    items
                        .iter()
                        .map(|item| number(item.get_ref(), item.span().start))
                        .collect::<Result<_, _>>()?,
                ),
                other => Value::Number(number(other, offset)?),
            };
            lines.push((offset, Line { line: line_of(offset), key, value }));
        }
    }
    lines.sort_by_key(|(offset, _)| *offset);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

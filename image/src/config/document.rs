//! Tables and values of the file with their places, so that every mistake can name line, column and
//! key. Reading is by hand instead of derived: derived readers report mistakes as text and lose the
//! place of what is missing or contradictory.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::{Error, Mistake, Position};

/// The text being read.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Document<'_> {
    pub(super) fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Position { line: clamp(line), column: clamp(column) }
    }

    pub(super) fn error(&self, offset: usize, key: &str, mistake: Mistake, accepted: &str) -> Error {
        Error {
            file: self.file.into(),
            at: self.position(offset),
            key: key.into(),
            mistake,
            accepted: accepted.into(),
        }
    }
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A table whose keys have been checked against the known ones.
#[derive(Clone)]
pub(super) struct Table<'a> {
    doc: Document<'a>,
    path: String,
    start: usize,
    entries: &'a DeTable<'a>,
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Item<'a> {
    doc: Document<'a>,
    pub(super) path: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

/// `"a", "b", "c"`.
pub(super) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push('"');
        text.push_str(word);
        text.push('"');
    }
    text
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl<'a> Table<'a> {
    /// The file's outermost table.
    pub(super) fn root(doc: Document<'a>, entries: &'a DeTable<'a>, keys: &[&str]) -> Result<Self, Error> {
        let table = Self { doc, path: String::new(), start: 0, entries };
        table.check(keys)?;
        Ok(table)
    }

    fn check(&self, keys: &[&str]) -> Result<(), Error> {
        // The first in the file, not the first in the alphabet.
        let unknown = self.entries.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let name = key.get_ref().as_ref();
        Err(self.doc.error(
            key.span().start,
            &join(&self.path, name),
            Mistake::UnknownKey(name.to_owned()),
            &quoted(keys.iter().copied()),
        ))
    }

    /// The value of `key`, if it is there.
    pub(super) fn optional(&self, key: &str) -> Option<Item<'a>> {
        let value = self.entries.get(key)?;
        Some(Item { doc: self.doc, path: join(&self.path, key), span: value.span(), value: value.get_ref() })
    }

    /// The value of `key`, or the mistake that it is missing.
    pub(super) fn required(&self, key: &str, accepted: &str) -> Result<Item<'a>, Error> {
        self.optional(key)
            .ok_or_else(|| self.doc.error(self.start, &join(&self.path, key), Mistake::Missing, accepted))
    }

    /// All entries in the order of the file, for tables whose keys are names that the user chooses.
    pub(super) fn named(&self) -> Vec<(&'a str, Item<'a>)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| {
                let name: &'a str = key.get_ref().as_ref();
                // Mistakes about the whole entry point at its name.
                let item = Item {
                    doc: self.doc,
                    path: join(&self.path, name),
                    span: key.span(),
                    value: value.get_ref(),
                };
                (name, item)
            })
            .collect();
        all.sort_by_key(|(_, item)| item.span.start);
        all
    }

    /// A mistake about the table as a whole.
    pub(super) fn mistake(&self, mistake: Mistake, accepted: &str) -> Error {
        self.doc.error(self.start, &self.path, mistake, accepted)
    }
}

impl<'a> Item<'a> {
    /// A mistake about this value.
    pub(super) fn mistake(&self, mistake: Mistake, accepted: &str) -> Error {
        self.doc.error(self.span.start, &self.path, mistake, accepted)
    }

    /// The mistake that the value is not one of the accepted ones.
    pub(super) fn unacceptable(&self, accepted: &str) -> Error {
        self.mistake(Mistake::Value(self.shown()), accepted)
    }

    /// Where the value begins.
    pub(super) fn position(&self) -> Position {
        self.doc.position(self.span.start)
    }

    /// The value as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self.value {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => format!("{number}"),
            DeValue::Float(number) => format!("{number}"),
            DeValue::Boolean(flag) => format!("{flag}"),
            other => other.type_str().to_owned(),
        }
    }

    /// The same item, its place narrowed to `offset` bytes into its text, where that can be found in the
    /// file: escapes and multi-line strings look different there.
    pub(super) fn inside(&self, offset: usize) -> Self {
        let written = self.doc.text.get(self.span.clone()).and_then(|text| text.get(1..));
        let plain = self.value.as_str().zip(written).is_some_and(|(text, written)| written.starts_with(text));
        let start = self.span.start + if plain && offset > 0 { 1 + offset } else { 0 };
        Self { span: start.min(self.span.end)..self.span.end, ..self.clone() }
    }

    fn wrong_type(&self, accepted: &str) -> Error {
        self.mistake(Mistake::Type(self.value.type_str()), accepted)
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn text(&self, accepted: &str) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.wrong_type(accepted))
    }

    /// A whole number, written as one.
    pub(super) fn integer(&self, accepted: &str) -> Result<u64, Error> {
        let number = self.value.as_integer().ok_or_else(|| self.wrong_type(accepted))?;
        // A leading minus fails here too, which is right: no key takes a negative number.
        u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| self.unacceptable(accepted))
    }

    /// A number within bounds.
    pub(super) fn within(&self, bounds: core::ops::RangeInclusive<u64>) -> Result<u64, Error> {
        let accepted = format!("{} to {}", bounds.start(), bounds.end());
        let number = self.integer(&accepted)?;
        if bounds.contains(&number) { Ok(number) } else { Err(self.unacceptable(&accepted)) }
    }

    /// `true`/`false`, or swanctl's `"yes"`/`"no"`.
    pub(super) fn flag(&self) -> Result<bool, Error> {
        const ACCEPTED: &str = "true, false";
        match self.value {
            DeValue::Boolean(flag) => Ok(*flag),
            DeValue::String(text) if text == "yes" => Ok(true),
            DeValue::String(text) if text == "no" => Ok(false),
            DeValue::String(_) => Err(self.unacceptable(ACCEPTED)),
            _ => Err(self.wrong_type(ACCEPTED)),
        }
    }

    /// One of a set of words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Error> {
        let accepted = quoted(words.iter().map(|(word, _)| *word));
        let text = self.text(&accepted)?;
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| self.unacceptable(&accepted))
    }

    /// The elements of an array, or the comma-separated parts of a string as swanctl writes lists.
    pub(super) fn strings(&self, accepted: &str) -> Result<Vec<(&'a str, Self)>, Error> {
        match self.value {
            DeValue::String(text) => {
                let mut offset = 0;
                let part = |part: &'a str| {
                    let item = self.inside(offset + part.len() - part.trim_start().len());
                    offset += part.len() + 1;
                    (part.trim(), item)
                };
                Ok(text.split(',').map(part).collect())
            }
            DeValue::Array(_) => self
                .elements(accepted)?
                .into_iter()
                .map(|element| Ok((element.text(accepted)?, element)))
                .collect(),
            _ => Err(self.wrong_type(accepted)),
        }
    }

    /// The elements of an array.
    pub(super) fn elements(&self, accepted: &str) -> Result<Vec<Self>, Error> {
        let array = self.value.as_array().ok_or_else(|| self.wrong_type(accepted))?;
        let element = |value: &'a toml::Spanned<DeValue<'a>>| Self {
            doc: self.doc,
            path: self.path.clone(),
            span: value.span(),
            value: value.get_ref(),
        };
        Ok(array.iter().map(element).collect())
    }

    /// A table that has only `keys`.
    pub(super) fn table(&self, keys: &[&str]) -> Result<Table<'a>, Error> {
        let table = self.names()?;
        table.check(keys)?;
        Ok(table)
    }

    /// A table whose keys are names.
    pub(super) fn names(&self) -> Result<Table<'a>, Error> {
        let entries = self.value.as_table().ok_or_else(|| self.wrong_type("table"))?;
        Ok(Table { doc: self.doc, path: self.path.clone(), start: self.span.start, entries })
    }
}

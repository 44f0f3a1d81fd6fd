//! What the device has refused, noticed and, when asked, every command that it was given.

use crate::Refusal;
use crate::trace::Exchange;
use mlx5_pci::prm::CmdStatus;
use std::collections::{BTreeMap, VecDeque};

/// Lines that are kept; older ones are counted and forgotten.
const KEEP: usize = 10_000;

/// A refused command, or another misuse of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The command's opcode; 0 when it was no command.
    pub opcode: u16,
    /// What was misused: `command`, `doorbell`, `wqe` and the like.
    pub what: &'static str,
    /// The number of the queue or the slot.
    pub number: u32,
    /// The check and where it failed.
    pub refusal: Refusal,
}

/// The log of one device.
#[derive(Debug, Default)]
pub struct Log {
    refused: VecDeque<Refused>,
    forgotten: u64,
    notes: VecDeque<String>,
    exchanges: Vec<Exchange>,
    tracing: bool,
    commands: BTreeMap<u16, u64>,
    statuses: BTreeMap<(u16, u8), u64>,
}

impl Log {
    /// Refused commands and other misuse, oldest first.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.refused.iter()
    }

    /// How many lines were forgotten because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What else was worth a line, oldest first.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// Keeps every command from now on, or no longer.
    pub fn set_tracing(&mut self, tracing: bool) {
        self.tracing = tracing;
    }

    /// The commands that were kept.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// How often each opcode was given.
    pub fn commands(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.commands.iter().map(|(opcode, count)| (*opcode, *count))
    }

    /// How often commands with `opcode` were refused with each status.
    pub fn statuses(&self, opcode: u16) -> impl Iterator<Item = (CmdStatus, u64)> + '_ {
        let statuses = self.statuses.range((opcode, 0)..=(opcode, u8::MAX));
        statuses.map(|((_, status), count)| (CmdStatus(*status), *count))
    }

    /// Forgets refusals, notes and exchanges.
    pub fn clear(&mut self) {
        let tracing = self.tracing;
        *self = Log { tracing, ..Log::default() };
    }

    pub(crate) fn refuse(&mut self, opcode: u16, number: u32, refusal: Refusal) {
        *self.statuses.entry((opcode, refusal.status.0)).or_default() += 1;
        self.push(Refused { opcode, what: "command", number, refusal });
    }

    pub(crate) fn misuse(&mut self, what: &'static str, number: u32, refusal: Refusal) {
        self.push(Refused { opcode: 0, what, number, refusal });
    }

    fn push(&mut self, refused: Refused) {
        if self.refused.len() == KEEP {
            self.refused.pop_front();
            self.forgotten += 1;
        }
        self.refused.push_back(refused);
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        if self.notes.len() == KEEP {
            self.notes.pop_front();
        }
        self.notes.push_back(line.into());
    }

    pub(crate) fn command(&mut self, opcode: u16) {
        *self.commands.entry(opcode).or_default() += 1;
    }

    pub(crate) fn exchange(&mut self, exchange: impl FnOnce() -> Exchange) {
        if self.tracing {
            self.exchanges.push(exchange());
        }
    }
}

//! Flow steering (facts E.10): tables, groups and entries as values; what a function receives, by [`receive`].
//!
//! A table is a list of entries, tried in the order of their index. A group is a range of indices whose entries match on
//! the same fields. An entry that forwards to a table needs one of a higher level. What an entry does is a [`Rule`]; most
//! only forward, which an [`Action`] says in short.

pub mod flow;
pub mod receive;
mod rule;

pub use rule::Rule;

use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{
    CreateFlowGroupIn, CreateFlowTableIn, DeleteFteIn, DestroyFlowGroupIn, DestroyFlowTableIn,
    FlowTableContext, FlowTableType, FteMatchParam, SetFlowTableRootIn, SetFteIn,
};
use core::ops::Range;

/// `match_criteria_enable`: outer headers, miscellaneous, registers.
const OUTER: u8 = 1 << 0;
const MISC: u8 = 1 << 1;
const MISC_2: u8 = 1 << 3;
/// `op_mod` of SET_FLOW_TABLE_ENTRY: change an entry.
const CHANGE: u16 = 1;
/// `modify_enable_mask`: actions with their contexts, destinations.
const CHANGE_ACTION: u8 = 1 << 0;
const CHANGE_DESTINATION: u8 = 1 << 2;

/// Where an entry sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A receive queue or several, by hash.
    Tir(u32),
    /// Another table, of a higher level.
    Table(u32),
}

/// What an entry does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// Where it goes.
    pub to: Destination,
    /// The mark that its completion carries, 24 bits; 0 leaves it as it is.
    pub mark: u32,
}

/// A flow table.
#[derive(Debug)]
pub struct Table {
    kind: FlowTableType,
    number: u32,
}

/// A range of a table's entries that match on the same fields.
#[derive(Debug)]
pub struct Group {
    number: u32,
    range: Range<u32>,
}

impl Table {
    /// A table of `2^log_size` entries at `level`. What no entry takes is dropped on receive, and passes on send.
    ///
    /// # Errors
    /// When the command fails.
    pub fn create<F: Function>(
        commands: &mut Commands<F>,
        kind: FlowTableType,
        level: u8,
        log_size: u8,
    ) -> Result<Self, CmdError> {
        let context = FlowTableContext::build().level(level).log_size(log_size).done();
        Self::create_as(commands, kind, &context)
    }

    /// A table whose entries may change where the layers of a packet begin (`reformat_en`), if `reformats`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn create_reformatting<F: Function>(
        commands: &mut Commands<F>,
        kind: FlowTableType,
        level: u8,
        log_size: u8,
        reformats: bool,
    ) -> Result<Self, CmdError> {
        let context = FlowTableContext::build().level(level).log_size(log_size).reformat_en(reformats).done();
        Self::create_as(commands, kind, &context)
    }

    fn create_as<F: Function>(
        commands: &mut Commands<F>,
        kind: FlowTableType,
        context: &FlowTableContext,
    ) -> Result<Self, CmdError> {
        let input = CreateFlowTableIn::build().table_type(kind.0).flow_table_context(context).done();
        Ok(Self { kind, number: commands.exec(&input)?.table_id() })
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Packets of the table's type enter here.
    ///
    /// # Errors
    /// When the command fails.
    pub fn make_root<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        let input = SetFlowTableRootIn::build().table_type(self.kind.0).table_id(self.number).done();
        commands.exec(&input).map(|_| ())
    }

    /// Entries in `range` match on the bits that are set in `mask`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn group<F: Function>(
        &self,
        commands: &mut Commands<F>,
        range: Range<u32>,
        mask: &FteMatchParam,
    ) -> Result<Group, CmdError> {
        let bytes = mask.as_bytes();
        let sections = [(OUTER, &bytes[..0x40]), (MISC, &bytes[0x40..0x80]), (MISC_2, &bytes[0xc0..0x100])];
        let enable = sections
            .iter()
            .filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0))
            .fold(0, |enable, (section, _)| enable | section);
        let input = CreateFlowGroupIn::build()
            .table_type(self.kind.0)
            .table_id(self.number)
            .start_flow_index(range.start)
            .end_flow_index(range.end.saturating_sub(1))
            .match_criteria_enable(enable)
            .match_criteria(mask)
            .done();
        Ok(Group { number: commands.exec(&input)?.group_id(), range })
    }

    /// Sets the entry at `index` of `group`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set<F: Function>(
        &self,
        commands: &mut Commands<F>,
        group: &Group,
        index: u32,
        value: &FteMatchParam,
        action: Action,
    ) -> Result<(), CmdError> {
        self.set_rule(commands, group, index, value, &Rule::from(action))
    }

    /// Sets the entry at `index` of `group`, which is free.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set_rule<F: Function>(
        &self,
        commands: &mut Commands<F>,
        group: &Group,
        index: u32,
        value: &FteMatchParam,
        rule: &Rule,
    ) -> Result<(), CmdError> {
        let input = self.entry(group, index, value, rule);
        commands.exec_with(&input, &rule.list()).map(|_| ())
    }

    /// Changes what the entry at `index` does, in one step: no packet meets neither. Its value stays the same.
    ///
    /// # Errors
    /// When the command fails.
    pub fn change<F: Function>(
        &self,
        commands: &mut Commands<F>,
        group: &Group,
        index: u32,
        value: &FteMatchParam,
        rule: &Rule,
    ) -> Result<(), CmdError> {
        let mut input = self.entry(group, index, value, rule);
        input.set().op_mod(CHANGE).modify_enable_mask(CHANGE_ACTION | CHANGE_DESTINATION);
        commands.exec_with(&input, &rule.list()).map(|_| ())
    }

    fn entry(&self, group: &Group, index: u32, value: &FteMatchParam, rule: &Rule) -> SetFteIn {
        let mut context = rule.context();
        context.set().group_id(group.number).match_value(value);
        SetFteIn::build()
            .table_type(self.kind.0)
            .table_id(self.number)
            .flow_index(index)
            .flow_context(&context)
            .done()
    }

    /// Deletes the entry at `index`.
    ///
    /// # Errors
    /// When the command fails.
    pub fn delete<F: Function>(&self, commands: &mut Commands<F>, index: u32) -> Result<(), CmdError> {
        let input =
            DeleteFteIn::build().table_type(self.kind.0).table_id(self.number).flow_index(index).done();
        commands.exec(&input).map(|_| ())
    }

    /// Destroys a group without entries.
    ///
    /// # Errors
    /// When the command fails.
    pub fn ungroup<F: Function>(&self, commands: &mut Commands<F>, group: &Group) -> Result<(), CmdError> {
        let input = DestroyFlowGroupIn::build()
            .table_type(self.kind.0)
            .table_id(self.number)
            .group_id(group.number)
            .done();
        commands.exec(&input).map(|_| ())
    }

    /// Destroys the table, which has no groups and to which nothing leads.
    ///
    /// # Errors
    /// When the command fails.
    pub fn destroy<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        let input = DestroyFlowTableIn::build().table_type(self.kind.0).table_id(self.number).done();
        commands.exec(&input).map(|_| ())
    }
}

impl Group {
    /// Its indices.
    pub fn range(&self) -> Range<u32> {
        self.range.clone()
    }
}

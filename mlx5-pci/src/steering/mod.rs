//! Flow steering (facts E.10): tables, groups and entries as values; what a function receives, by [`receive`].
//!
//! A table is a list of entries, tried in the order of their index. A group is a range of indices whose entries match on
//! the same fields. An entry that forwards to a table needs one of a higher level. Left out, as nothing needs it yet:
//! counters, header rewriting and packet reformats; entries take them as further fields of [`Action`].

pub mod flow;
pub mod receive;

use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{
    CreateFlowGroupIn, CreateFlowTableIn, DeleteFteIn, DestFormatStruct, DestinationType, DestroyFlowGroupIn,
    DestroyFlowTableIn, FlowContext, FlowTableContext, FlowTableType, FteMatchParam, SetFlowTableRootIn,
    SetFteIn,
};
use core::ops::Range;

/// `match_criteria_enable`: outer headers, miscellaneous.
const OUTER: u8 = 1 << 0;
const MISC: u8 = 1 << 1;
/// Actions of an entry.
const FORWARD: u16 = 1 << 2;

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
        let input = CreateFlowTableIn::build().table_type(kind.0).flow_table_context(&context).done();
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
        let sections = [(OUTER, &mask.as_bytes()[..0x40]), (MISC, &mask.as_bytes()[0x40..0x80])];
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
        let (kind, number) = match action.to {
            Destination::Tir(number) => (DestinationType::TIR, number),
            Destination::Table(number) => (DestinationType::FLOW_TABLE, number),
        };
        let context = FlowContext::build()
            .group_id(group.number)
            .flow_tag(action.mark)
            .action(FORWARD)
            .destination_list_size(1)
            .match_value(value)
            .done();
        let input = SetFteIn::build()
            .table_type(self.kind.0)
            .table_id(self.number)
            .flow_index(index)
            .flow_context(&context)
            .done();
        let list = DestFormatStruct::build().destination_type(kind.0).destination_id(number).done();
        commands.exec_with(&input, list.as_bytes()).map(|_| ())
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

//! Flow steering: tables, groups, entries and what they refer to, and the interpreter that takes packets through them.
//!
//! `table`, `group`, `entry`, `counter`, `modify` and `reformat` are the commands; `action` checks what an entry does;
//! `fields` and `matcher` are what is matched on and how; `interpret`, `rewrite` and `tunnel` are the packet's way.
//!
//! NIC_RX and NIC_TX are carried out, and sniffer tables get copies. Tables of RDMA are kept where a profile offers
//! them, but no packet comes out of them. Not offered: the embedded switch, samplers, flow meters, tables that software
//! owns, match definers.

mod action;
mod counter;
mod entry;
mod fields;
mod group;
mod interpret;
mod limits;
mod matcher;
mod modify;
mod reformat;
mod rewrite;
mod snapshot;
mod table;
mod table_type;
mod tunnel;

#[cfg(test)]
mod tests;

use crate::caps::Profile;
use crate::command::{Command, command};
use crate::objects::Numbered;
use counter::Counters;
use limits::Limits;
use modify::Rewrite;
use reformat::Reformat;
use std::collections::BTreeMap;
use table::Table;
use table_type::TableType;

/// State of steering.
#[derive(Debug)]
pub(crate) struct Steering {
    limits: Limits,
    tables: Numbered<Table>,
    /// The tables that were set as roots.
    roots: BTreeMap<TableType, u32>,
    next_group: u32,
    next_entry: u32,
    counters: Counters,
    rewrites: Numbered<Rewrite>,
    reformats: Numbered<Reformat>,
    /// Received packets that nothing matched.
    discarded: u64,
}

impl Steering {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> Steering {
        let limits = Limits::new(profile);
        Steering {
            tables: Numbered::new(1, 0xff_ffff),
            roots: BTreeMap::new(),
            next_group: 0,
            next_entry: 0,
            counters: Counters::default(),
            rewrites: Numbered::new(1, u32::MAX >> 1),
            reformats: Numbered::new(1, limits.reformats),
            discarded: 0,
            limits,
        }
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[&[
    command!(SET_FLOW_TABLE_ROOT [0, 1], SetFlowTableRootIn, SetFlowTableRootOut, Initialized, table::set_root),
    command!(CREATE_FLOW_TABLE, CreateFlowTableIn, CreateFlowTableOut, Initialized, table::create),
    command!(DESTROY_FLOW_TABLE, DestroyFlowTableIn, DestroyFlowTableOut, Initialized, table::destroy),
    command!(MODIFY_FLOW_TABLE, ModifyFlowTableIn, ModifyFlowTableOut, Initialized, table::modify),
    command!(QUERY_FLOW_TABLE, QueryFlowTableIn, QueryFlowTableOut, Initialized, table::query),
    command!(CREATE_FLOW_GROUP, CreateFlowGroupIn, CreateFlowGroupOut, Initialized, group::create),
    command!(DESTROY_FLOW_GROUP, DestroyFlowGroupIn, DestroyFlowGroupOut, Initialized, group::destroy),
    command!(QUERY_FLOW_GROUP, QueryFlowGroupIn, QueryFlowGroupOut, Initialized, group::query),
    command!(SET_FLOW_TABLE_ENTRY [0, 1], SetFteIn + 8, SetFteOut, Initialized, entry::set),
    command!(QUERY_FLOW_TABLE_ENTRY, QueryFteIn, QueryFteOut, Initialized, entry::query),
    command!(DELETE_FLOW_TABLE_ENTRY, DeleteFteIn, DeleteFteOut, Initialized, entry::delete),
    command!(ALLOC_FLOW_COUNTER, AllocFlowCounterIn, AllocFlowCounterOut, Initialized, counter::alloc),
    command!(
        DEALLOC_FLOW_COUNTER,
        DeallocFlowCounterIn,
        DeallocFlowCounterOut,
        Initialized,
        counter::dealloc
    ),
    command!(QUERY_FLOW_COUNTER, QueryFlowCounterIn, QueryFlowCounterOut, Initialized, counter::query),
    reformat::ALLOC,
    command!(
        DEALLOC_PACKET_REFORMAT_CONTEXT,
        DeallocPacketReformatContextIn,
        DeallocPacketReformatContextOut,
        Initialized,
        reformat::dealloc
    ),
    command!(
        QUERY_PACKET_REFORMAT_CONTEXT,
        QueryPacketReformatContextIn,
        QueryPacketReformatContextOut,
        Initialized,
        reformat::query
    ),
    command!(
        ALLOC_MODIFY_HEADER_CONTEXT,
        AllocModifyHeaderContextIn + 8,
        AllocModifyHeaderContextOut,
        Initialized,
        modify::alloc
    ),
    command!(
        DEALLOC_MODIFY_HEADER_CONTEXT,
        DeallocModifyHeaderContextIn,
        DeallocModifyHeaderContextOut,
        Initialized,
        modify::dealloc
    ),
    command!(
        QUERY_MODIFY_HEADER_CONTEXT,
        QueryModifyHeaderContextIn,
        // No driver's interface declares the answer; its head has the length of this one.
        DeallocModifyHeaderContextOut,
        Initialized,
        modify::query
    ),
]];

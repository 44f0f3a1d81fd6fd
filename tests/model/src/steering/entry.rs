//! Flow table entries: SET (new or changed), QUERY and DELETE_FLOW_TABLE_ENTRY.
//!
//! Facts E.10; `fs_cmd.c` of Linux. The list behind the command has destinations first and then counters. Linux sends
//! more room than it fills when an entry drops: what is behind the last counter has to be zero. Inferred: a new entry
//! does not replace one (BAD_RES_STATE); a change names the group and the value that the entry has.

use super::action::{Destination, LIST, Plan, Surroundings};
use super::fields::{self, Param};
use super::limits::{offered, wrong};
use super::table::own_vport;
use super::table_type::TableType;
use crate::objects::Kind;
use crate::packet::dwords;
use crate::{Check, Device, Memory, Refusal};
use core::cell::Cell;
use mlx5_pci::prm::{
    CmdStatus, DeleteFteIn, DestFormatStruct, FlowContext, FlowCounterList, QueryFteIn, QueryFteOut,
    SetFteIn, reserved_bit,
};
use std::sync::Arc;

/// `op_mod` of SET_FLOW_TABLE_ENTRY: change an entry.
const MODIFY: u16 = 1;
/// `modify_enable_mask`: actions and their contexts.
const MODIFY_ACTION: u8 = 1 << 0;
/// `modify_enable_mask`: the flow tag.
const MODIFY_FLOW_TAG: u8 = 1 << 1;
/// `modify_enable_mask`: the destinations.
const MODIFY_DESTINATIONS: u8 = 1 << 2;
/// `modify_enable_mask`: the counters.
const MODIFY_COUNTERS: u8 = 1 << 3;
/// `modify_enable_mask`: the IPSEC object.
const MODIFY_IPSEC: u8 = 1 << 4;

/// Bytes of an item in the list.
const ITEM: usize = 8;

/// Destination types.
const FLOW_TABLE: u8 = 1;
const TIR: u8 = 2;
const TABLE_TYPE: u8 = 0xa;

/// An entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number among the holders of references.
    pub(super) serial: u32,
    /// What it does.
    pub(super) plan: Arc<Plan>,
    /// Packets that it has matched, for those who watch.
    pub(super) hits: Cell<u64>,
}

fn index_out_of_range() -> Refusal {
    Refusal::new(CmdStatus::BAD_INDEX, Check::Limit, "flow_index", 0x20)
}

/// SET_FLOW_TABLE_ENTRY.
pub(super) fn set(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = SetFteIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let context = command.flow_context();
    let index = command.flow_index();
    let table = device.steering.table(command.table_type(), command.table_id())?;
    let group = table.group(context.group_id(), 0x44)?;
    if !group.covers(index) {
        return Err(index_out_of_range());
    }
    let value = dwords(&context.match_value());
    if let Some(dword) = group.entries.mask().outside(&value) {
        return Err(wrong(Check::Unmasked, "match_value", 0x80 + 4 * dword as u16));
    }
    let wanted = plan(&command, &context, &input[SetFteIn::SIZE..])?;
    let old = group.entry(index);
    let plan = if command.op_mod() == MODIFY {
        let old = old.ok_or(Refusal::no_object("flow_index", 0x20))?;
        if group.entries.value(index) != Some(value) {
            return Err(wrong(Check::Mismatch, "match_value", 0x80));
        }
        changed(&old.plan, wanted, command.modify_enable_mask())?
    } else {
        if command.modify_enable_mask() != 0 {
            return Err(wrong(Check::Conflict, "modify_enable_mask", 0x1b));
        }
        if old.is_some() {
            return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::State, "flow_index", 0x20));
        }
        wanted
    };
    let limits = device.steering.limits.of(table.kind).ok_or(wrong(Check::Capability, "table_type", 0x10))?;
    offered(command.op_mod() != MODIFY || limits.caps.flow_modify_en(), "op_mod", 0x06)?;
    Surroundings { device, table, limits }.check(&plan)?;
    store(device, &command, context.group_id(), &value, plan)
}

/// Puts a checked plan into the table.
fn store(
    device: &mut Device,
    command: &SetFteIn,
    group: u32,
    value: &Param,
    plan: Plan,
) -> Result<(), Refusal> {
    let index = command.flow_index();
    let fresh = device.steering.next_entry;
    let table = device.steering.table_mut(command.table_type(), command.table_id())?;
    let group = table.groups.iter_mut().find(|other| other.number == group);
    let group = group.ok_or(Refusal::no_object("group_id", 0x44))?;
    let references = plan.references();
    let plan = Arc::new(plan);
    let serial = match group.entries.get_mut(index) {
        Some(entry) => {
            entry.plan = plan;
            entry.serial
        }
        None => {
            group.entries.insert(index, value, Entry { serial: fresh, plan, hits: Cell::new(0) });
            device.steering.next_entry = fresh.wrapping_add(1);
            fresh
        }
    };
    device.links.release((Kind::FlowEntry, serial));
    device.links.hold((Kind::FlowEntry, serial), references);
    Ok(())
}

/// What the command asks for.
fn plan(command: &SetFteIn, context: &FlowContext, list: &[u8]) -> Result<Plan, Refusal> {
    offered(!context.extended_destination(), "extended_destination", 0x50)?;
    offered(!context.uplink_hairpin_en(), "uplink_hairpin_en", 0x50)?;
    offered(context.flow_source() == 0, "flow_source", 0x50)?;
    // 0 is IPsec; 1 is MACsec.
    offered(context.encrypt_decrypt_type() == 0, "encrypt_decrypt_type", 0x50)?;
    let aso = &context.as_bytes()[0x240..0x260];
    offered(aso.iter().all(|byte| *byte == 0), "execute_aso", 0x280)?;
    let (destinations, counters) =
        (context.destination_list_size() as usize, context.flow_counter_list_size() as usize);
    let items = list.as_chunks::<ITEM>().0;
    let too_short = Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "destination_list_size", 0x50);
    let (to, rest) = items.split_at_checked(destinations).ok_or(too_short)?;
    let (counted, rest) = rest.split_at_checked(counters).ok_or(too_short)?;
    let end = LIST as usize + ITEM * (destinations + counters);
    if rest.as_flattened().iter().any(|byte| *byte != 0) {
        return Err(wrong(Check::Reserved, "destination", end.min(0xffff) as u16));
    }
    let at = |item: usize| (LIST as usize + ITEM * item).min(0xffff) as u16;
    Ok(Plan {
        action: context.action(),
        flow_tag: context.flow_tag(),
        ignore_flow_level: command.ignore_flow_level(),
        destinations: to
            .iter()
            .enumerate()
            .map(|(n, item)| destination(item, at(n)))
            .collect::<Result<_, _>>()?,
        counters: counted
            .iter()
            .enumerate()
            .map(|(n, item)| counter(item, at(destinations + n)))
            .collect::<Result<_, _>>()?,
        reformat: context.packet_reformat_id(),
        rewrite: context.modify_header_id(),
        crypto: context.encrypt_decrypt_obj_id(),
        push: [context.push_vlan(), context.push_vlan_2()],
    })
}

fn destination(item: &[u8; ITEM], offset: u16) -> Result<Destination, Refusal> {
    if let Some(at) = reserved_bit(item, &DestFormatStruct::CLAIMS) {
        return Err(wrong(Check::Reserved, "destination", offset + at as u16));
    }
    let item = DestFormatStruct::copy_from(item);
    let foreign =
        item.destination_eswitch_owner_vhca_id_valid() || item.destination_eswitch_owner_vhca_id() != 0;
    offered(!foreign, "destination_eswitch_owner_vhca_id", offset + 4)?;
    offered(!item.packet_reformat(), "packet_reformat", offset + 4)?;
    let number = item.destination_id();
    if item.destination_type() != TABLE_TYPE && item.destination_table_type() != 0 {
        return Err(wrong(Check::Conflict, "destination_table_type", offset + 4));
    }
    match item.destination_type() {
        FLOW_TABLE => Ok(Destination::Table(number)),
        TIR => Ok(Destination::Tir(number)),
        TABLE_TYPE => {
            let kind = TableType::from_code(item.destination_table_type());
            let kind = kind.ok_or(wrong(Check::Capability, "destination_table_type", offset + 4))?;
            Ok(Destination::Other(kind, number))
        }
        // Ports, samplers and the uplink belong to the embedded switch or to objects that are not offered.
        _ => Err(wrong(Check::Capability, "destination_type", offset)),
    }
}

fn counter(item: &[u8; ITEM], offset: u16) -> Result<u32, Refusal> {
    match reserved_bit(item, &FlowCounterList::CLAIMS) {
        Some(at) => Err(wrong(Check::Reserved, "flow_counter_list", offset + at as u16)),
        None => Ok(FlowCounterList::copy_from(item).flow_counter_id()),
    }
}

/// The old plan with what `mask` names of the new one.
fn changed(old: &Plan, new: Plan, mask: u8) -> Result<Plan, Refusal> {
    let known = MODIFY_ACTION | MODIFY_FLOW_TAG | MODIFY_DESTINATIONS | MODIFY_COUNTERS | MODIFY_IPSEC;
    if mask == 0 || mask & !known != 0 {
        return Err(Refusal::value("modify_enable_mask", 0x1b));
    }
    let mut plan = old.clone();
    if mask & MODIFY_ACTION != 0 {
        plan = Plan {
            destinations: plan.destinations,
            counters: plan.counters,
            flow_tag: plan.flow_tag,
            ..new.clone()
        };
    }
    if mask & MODIFY_FLOW_TAG != 0 {
        plan.flow_tag = new.flow_tag;
    }
    if mask & MODIFY_DESTINATIONS != 0 {
        plan.destinations = new.destinations;
        plan.ignore_flow_level = new.ignore_flow_level;
    }
    if mask & MODIFY_COUNTERS != 0 {
        plan.counters = new.counters;
    }
    if mask & MODIFY_IPSEC != 0 {
        plan.crypto = new.crypto;
    }
    Ok(plan)
}

/// DELETE_FLOW_TABLE_ENTRY.
pub(super) fn delete(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = DeleteFteIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let index = command.flow_index();
    let table = device.steering.table_mut(command.table_type(), command.table_id())?;
    if index >= table.size {
        return Err(index_out_of_range());
    }
    let group = table.groups.iter_mut().find(|group| group.covers(index));
    let entry = group.and_then(|group| group.entries.remove(index));
    let entry = entry.ok_or(Refusal::no_object("flow_index", 0x20))?;
    device.links.release((Kind::FlowEntry, entry.serial));
    Ok(())
}

/// QUERY_FLOW_TABLE_ENTRY: as it was set, with changes.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryFteIn::copy_from(input);
    let index = command.flow_index();
    let table = device.steering.table(command.table_type(), command.table_id())?;
    if index >= table.size {
        return Err(index_out_of_range());
    }
    let group = table.groups.iter().find(|group| group.covers(index));
    let found = group.and_then(|group| Some((group, group.entry(index)?, group.entries.value(index)?)));
    let (group, entry, value) = found.ok_or(Refusal::no_object("flow_index", 0x20))?;
    let plan = &entry.plan;
    let context = FlowContext::build()
        .push_vlan(&plan.push[0])
        .push_vlan_2(&plan.push[1])
        .group_id(group.number)
        .flow_tag(plan.flow_tag)
        .action(plan.action)
        .destination_list_size(plan.destinations.len() as u32)
        .flow_counter_list_size(plan.counters.len() as u32)
        .packet_reformat_id(plan.reformat)
        .modify_header_id(plan.rewrite)
        .encrypt_decrypt_obj_id(plan.crypto)
        .match_value(&fields::bytes(&value))
        .done();
    let mut answer = QueryFteOut::build().flow_context(&context).done().as_bytes().to_vec();
    for destination in &plan.destinations {
        let item = match *destination {
            Destination::Table(number) => item(FLOW_TABLE, number, 0),
            Destination::Tir(number) => item(TIR, number, 0),
            Destination::Other(kind, number) => item(TABLE_TYPE, number, kind.code()),
        };
        answer.extend_from_slice(item.as_bytes());
    }
    for number in &plan.counters {
        answer.extend_from_slice(FlowCounterList::build().flow_counter_id(*number).done().as_bytes());
    }
    let room = output.get_mut(..answer.len());
    let short = Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen", 0);
    room.ok_or(short)?.copy_from_slice(&answer);
    Ok(())
}

fn item(kind: u8, number: u32, table_type: u8) -> DestFormatStruct {
    DestFormatStruct::build()
        .destination_type(kind)
        .destination_id(number)
        .destination_table_type(table_type)
        .done()
}

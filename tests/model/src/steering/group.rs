//! Flow groups: CREATE, DESTROY and QUERY_FLOW_GROUP.
//!
//! Facts E.10; `fs_core.c` of Linux. A group has a range of flow indices of its table, which no other group has, and
//! the mask of all its entries. Inferred: a range that another group has is a bad parameter.

use super::entry::Entry;
use super::fields::{self, ENABLE, Param, Support};
use super::limits::{TableLimits, offered, wrong};
use super::matcher::{Entries, Mask};
use super::table::own_vport;
use crate::packet::dwords;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateFlowGroupIn, CreateFlowGroupOut, DestroyFlowGroupIn, FteMatchParam, QueryFlowGroupIn,
    QueryFlowGroupOut,
};

/// Where `match_criteria` stands in CREATE_FLOW_GROUP.
const CRITERIA: u16 = 0x40;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Its number.
    pub(super) number: u32,
    /// Its first flow index.
    pub(super) start: u32,
    /// Its last flow index.
    pub(super) end: u32,
    /// `match_criteria_enable`.
    enable: u8,
    /// Its entries.
    pub(super) entries: Entries,
}

impl Group {
    /// Whether `index` is one of its.
    pub(super) fn covers(&self, index: u32) -> bool {
        (self.start..=self.end).contains(&index)
    }

    /// The entry at `index`.
    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index)
    }
}

/// CREATE_FLOW_GROUP.
pub(super) fn create(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = CreateFlowGroupIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let steering = &mut device.steering;
    let table = steering.table(command.table_type(), command.table_id())?;
    // 0 is a group of masked entries, the only type that NIC tables have.
    offered(command.group_type() == 0, "group_type", 0x11)?;
    offered(!command.source_eswitch_owner_vhca_id_valid(), "source_eswitch_owner_vhca_id_valid", 0x18)?;
    offered(command.match_definer_id() == 0, "match_definer_id", 0x2a)?;
    let (start, end) = (command.start_flow_index(), command.end_flow_index());
    if start > end {
        return Err(Refusal::value("start_flow_index", 0x1c));
    }
    if end >= table.size {
        return Err(Refusal::new(CmdStatus::BAD_INDEX, Check::Limit, "end_flow_index", 0x24));
    }
    if table.groups.iter().any(|group| group.start <= end && start <= group.end) {
        return Err(wrong(Check::Conflict, "start_flow_index", 0x1c));
    }
    let criteria = dwords(&command.match_criteria());
    let limits = steering.limits.of(table.kind).ok_or(wrong(Check::Capability, "table_type", 0x10))?;
    check_criteria(limits, command.match_criteria_enable(), &criteria)?;
    let number = steering.next_group & 0xff_ffff;
    steering.next_group += 1;
    let group = Group {
        number,
        start,
        end,
        enable: command.match_criteria_enable(),
        entries: Entries::new(Mask::new(&criteria)),
    };
    let table = steering.tables.named_mut(command.table_id(), "table_id", 0x14)?;
    let at = table.groups.partition_point(|other| other.start < start);
    table.groups.insert(at, group);
    let answer = CreateFlowGroupOut::build().group_id(number).done();
    output[..CreateFlowGroupOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

/// Criteria stay in the sections that are enabled and in the fields that the table type may match on.
fn check_criteria(limits: &TableLimits, enable: u8, criteria: &Param) -> Result<(), Refusal> {
    if enable & !ENABLE != 0 {
        return Err(wrong(Check::Reserved, "match_criteria_enable", 0x3f));
    }
    for (field, support) in limits.fields.fields() {
        let at = CRITERIA + 4 * field.dword as u16;
        let (any, all) = field.of(criteria);
        if any && enable & field.section == 0 {
            return Err(wrong(Check::Conflict, field.name, at));
        }
        offered(!any || support == Support::Masked || (all && support == Support::Whole), field.name, at)?;
    }
    Ok(())
}

/// DESTROY_FLOW_GROUP: not while it has entries.
pub(super) fn destroy(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let command = DestroyFlowGroupIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let table = device.steering.table_mut(command.table_type(), command.table_id())?;
    let at = table.groups.iter().position(|group| group.number == command.group_id());
    let at = at.ok_or(Refusal::no_object("group_id", 0x18))?;
    if table.groups[at].entries.len() > 0 {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::InUse, "group_id", 0x18));
    }
    table.groups.remove(at);
    Ok(())
}

/// QUERY_FLOW_GROUP.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryFlowGroupIn::copy_from(input);
    let table = device.steering.table(command.table_type(), command.table_id())?;
    let group = table.group(command.group_id(), 0x18)?;
    let criteria: FteMatchParam = fields::bytes(&group.entries.mask().param());
    let answer = QueryFlowGroupOut::build()
        .start_flow_index(group.start)
        .end_flow_index(group.end)
        .match_criteria_enable(group.enable)
        .match_criteria(&criteria)
        .done();
    output[..QueryFlowGroupOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

//! Flow tables: CREATE, DESTROY, MODIFY and QUERY_FLOW_TABLE, SET_FLOW_TABLE_ROOT.
//!
//! Facts E.10; `fs_cmd.c` and `fs_core.c` of Linux. The root of a type is the table that was set; before that, and
//! after it was destroyed or reset, the table of level 0 if there is one (iPXE relies on that). What misses in NIC_RX is
//! dropped, what misses in NIC_TX leaves.
//!
//! Inferred: a table that is missed to has a higher level, but for devices that can ignore levels, since Linux chains
//! tables of one level by their misses then; the root may be destroyed, since Linux does not reset it before.

use super::Steering;
use super::entry::Entry;
use super::fields::Param;
use super::group::Group;
use super::limits::{TableLimits, offered, wrong};
use super::table_type::TableType;
use crate::objects::{Kind, Links};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateFlowTableIn, CreateFlowTableOut, DestroyFlowTableIn, FlowTableContext,
    ModifyFlowTableIn, QueryFlowTableIn, QueryFlowTableOut, SetFlowTableRootIn,
};

/// `modify_field_select`: `table_miss_action` and `table_miss_id`.
const MODIFY_MISS: u16 = 1 << 0;
/// `op_mod` of SET_FLOW_TABLE_ROOT: the root is the default again.
const DISCONNECT: u16 = 1;

/// Where a packet goes that no entry matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// What the table type does.
    Default,
    /// To another table.
    Forward(u32),
    /// Out of the RDMA tables, to the NIC's.
    Domain,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its type.
    pub(super) kind: TableType,
    /// As it was created, for queries.
    pub(super) context: FlowTableContext,
    /// How many flow indices it has.
    pub(super) size: u32,
    /// What happens without a match.
    pub(super) miss: Miss,
    /// Its groups by ascending flow index.
    pub(super) groups: Vec<Group>,
}

impl Table {
    /// The group that a command names at `offset`.
    pub(super) fn group(&self, number: u32, offset: u16) -> Result<&Group, Refusal> {
        let group = self.groups.iter().find(|group| group.number == number);
        group.ok_or(Refusal::no_object("group_id", offset))
    }

    /// The first entry by flow index that matches.
    pub(super) fn find(&self, packet: &Param) -> Option<&Entry> {
        self.groups.iter().find_map(|group| group.entries.find(packet)).map(|(_, entry)| entry)
    }
}

/// Commands about the tables of other functions are for those that manage them.
pub(super) fn own_vport(other_vport: bool, vport_number: u16) -> Result<(), Refusal> {
    offered(!other_vport, "other_vport", 0x08)?;
    if vport_number == 0 { Ok(()) } else { Err(Refusal::value("vport_number", 0x0a)) }
}

impl Steering {
    /// The table that a command names by type (at 0x10) and number (at 0x14).
    pub(super) fn table(&self, table_type: u8, number: u32) -> Result<&Table, Refusal> {
        let (kind, _) = self.limits.table(table_type, 0x10)?;
        let table = self.tables.named(number, "table_id", 0x14)?;
        if table.kind == kind { Ok(table) } else { Err(mismatch()) }
    }

    /// As [`Steering::table`].
    pub(super) fn table_mut(&mut self, table_type: u8, number: u32) -> Result<&mut Table, Refusal> {
        let (kind, _) = self.limits.table(table_type, 0x10)?;
        let table = self.tables.named_mut(number, "table_id", 0x14)?;
        if table.kind == kind { Ok(table) } else { Err(mismatch()) }
    }

    /// The table where packets begin.
    pub(super) fn root(&self, kind: TableType) -> Option<u32> {
        let first = || self.tables.iter().find(|(_, table)| table.kind == kind && table.context.level() == 0);
        self.roots.get(&kind).copied().or_else(|| first().map(|(number, _)| number))
    }

    /// What a context says about misses; `at` is where the context stands.
    fn miss(
        &self,
        limits: &TableLimits,
        kind: TableType,
        level: u8,
        context: &FlowTableContext,
    ) -> Result<Miss, Refusal> {
        let number = context.table_miss_id();
        match context.table_miss_action() {
            0 | 2 if number != 0 => Err(wrong(Check::Conflict, "table_miss_id", 0x1c)),
            0 => Ok(Miss::Default),
            1 => {
                offered(limits.caps.identified_miss_table_mode(), "table_miss_action", 0x18)?;
                let next = self.tables.named(number, "table_miss_id", 0x1c)?;
                if next.kind != kind {
                    return Err(Refusal::new(CmdStatus::BAD_RES, Check::Mismatch, "table_miss_id", 0x1c));
                }
                if next.context.level() <= level && !limits.caps.ignore_flow_level() {
                    return Err(wrong(Check::Limit, "level", 0x19));
                }
                Ok(Miss::Forward(number))
            }
            2 => {
                offered(limits.caps.table_miss_action_domain(), "table_miss_action", 0x18)?;
                Ok(Miss::Domain)
            }
            _ => Err(Refusal::value("table_miss_action", 0x18)),
        }
    }
}

fn mismatch() -> Refusal {
    Refusal::new(CmdStatus::BAD_RES, Check::Mismatch, "table_type", 0x10)
}

/// Notes where a table misses to.
fn hold_miss(links: &mut Links, number: u32, miss: Miss) {
    links.release((Kind::FlowTable, number));
    if let Miss::Forward(next) = miss {
        links.hold((Kind::FlowTable, number), [(Kind::FlowTable, next)]);
    }
}

/// CREATE_FLOW_TABLE.
pub(super) fn create(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = CreateFlowTableIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let steering = &mut device.steering;
    let (kind, limits) = steering.limits.table(command.table_type(), 0x10)?;
    let context = command.flow_table_context();
    check_context(limits, &context)?;
    let miss = steering.miss(limits, kind, context.level(), &context)?;
    if steering.tables.iter().filter(|(_, table)| table.kind == kind).count() >= limits.tables() {
        return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Full, "opcode", 0));
    }
    let size = 1 << context.log_size();
    let number = steering.tables.insert(Table { kind, context, size, miss, groups: Vec::new() })?;
    hold_miss(&mut device.links, number, miss);
    let answer = CreateFlowTableOut::build().table_id(number).done();
    output[..CreateFlowTableOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

fn check_context(limits: &TableLimits, context: &FlowTableContext) -> Result<(), Refusal> {
    let caps = &limits.caps;
    // A table that software owns is memory that software writes; the model has none.
    offered(!context.sw_owner(), "sw_owner", 0x18)?;
    offered(!context.rtc_valid(), "rtc_valid", 0x1a)?;
    offered(!context.reformat_en() || caps.reformat(), "reformat_en", 0x18)?;
    offered(!context.decap_en() || caps.decap(), "decap_en", 0x18)?;
    offered(!context.termination_table() || caps.termination_table(), "termination_table", 0x18)?;
    if context.level() > caps.max_ft_level() {
        return Err(wrong(Check::Limit, "level", 0x19));
    }
    if context.log_size() > caps.log_max_ft_size().min(30) {
        return Err(wrong(Check::Limit, "log_size", 0x1b));
    }
    if context.lag_master_next_table_id() != 0 {
        return Err(wrong(Check::Conflict, "lag_master_next_table_id", 0x20));
    }
    let owner = context.sw_owner_icm_root_0() | context.sw_owner_icm_root_1();
    if owner == 0 { Ok(()) } else { Err(wrong(Check::Conflict, "sw_owner_icm_root_1", 0x30)) }
}

/// DESTROY_FLOW_TABLE: not while it has groups, or an entry or another table leads to it.
pub(super) fn destroy(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let command = DestroyFlowTableIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let number = command.table_id();
    let table = device.steering.table(command.table_type(), number)?;
    let kind = table.kind;
    if !table.groups.is_empty() {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::InUse, "table_id", 0x14));
    }
    device.links.end((Kind::FlowTable, number), "table_id", 0x14)?;
    device.steering.tables.remove(number);
    if device.steering.roots.get(&kind) == Some(&number) {
        device.steering.roots.remove(&kind);
    }
    Ok(())
}

/// MODIFY_FLOW_TABLE: where it misses to.
pub(super) fn modify(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = ModifyFlowTableIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let number = command.table_id();
    let steering = &mut device.steering;
    let table = steering.table(command.table_type(), number)?;
    let limits = steering.limits.of(table.kind).ok_or(mismatch())?;
    offered(limits.caps.flow_table_modify(), "opcode", 0x00)?;
    if command.modify_field_select() != MODIFY_MISS {
        return Err(Refusal::value("modify_field_select", 0x0e));
    }
    let context = command.flow_table_context();
    let mut named = FlowTableContext::default();
    named.set().table_miss_action(context.table_miss_action()).table_miss_id(context.table_miss_id());
    if named != context {
        return Err(wrong(Check::Unmasked, "flow_table_context", 0x18));
    }
    let miss = steering.miss(limits, table.kind, table.context.level(), &context)?;
    if miss == Miss::Forward(number) {
        return Err(wrong(Check::Conflict, "table_miss_id", 0x1c));
    }
    let table = steering.tables.named_mut(number, "table_id", 0x14)?;
    table.miss = miss;
    table.context.set().table_miss_action(context.table_miss_action()).table_miss_id(context.table_miss_id());
    hold_miss(&mut device.links, number, miss);
    Ok(())
}

/// QUERY_FLOW_TABLE.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryFlowTableIn::copy_from(input);
    let table = device.steering.table(command.table_type(), command.table_id())?;
    let answer = QueryFlowTableOut::build().flow_table_context(&table.context).done();
    output[..QueryFlowTableOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

/// SET_FLOW_TABLE_ROOT.
pub(super) fn set_root(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let command = SetFlowTableRootIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let steering = &mut device.steering;
    let (kind, limits) = steering.limits.table(command.table_type(), 0x10)?;
    offered(limits.caps.modify_root(), "opcode", 0x00)?;
    let foreign = command.table_of_other_vport() || command.table_vport_number() != 0;
    offered(!foreign, "table_of_other_vport", 0x11)?;
    // For the queue pairs of IPoIB.
    offered(command.underlay_qpn() == 0, "underlay_qpn", 0x18)?;
    let owner = command.table_eswitch_owner_vhca_id_valid() || command.table_eswitch_owner_vhca_id() != 0;
    offered(!owner, "table_eswitch_owner_vhca_id_valid", 0x1c)?;
    if command.op_mod() == DISCONNECT {
        offered(limits.caps.reset_root_to_default(), "op_mod", 0x06)?;
        if command.table_id() != 0 {
            return Err(wrong(Check::Conflict, "table_id", 0x14));
        }
        steering.roots.remove(&kind);
        return Ok(());
    }
    steering.table(command.table_type(), command.table_id())?;
    steering.roots.insert(kind, command.table_id());
    Ok(())
}

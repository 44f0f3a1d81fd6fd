//! What an entry does with a packet, and whether that is allowed.
//!
//! Facts E.10, C.3, C.4; `fs_cmd.c` and `en_accel/ipsec_fs.c` of Linux. Inferred: an entry ends a packet's way through
//! its table in exactly one way (allow, drop or forward); an ESP reformat goes with its crypto action and the other way
//! round (crypto offload, which has no reformat, is not carried out); capabilities about reformats together with other
//! actions are not asked for ESP, since Linux does not ask.

use super::limits::{TableLimits, offered, wrong};
use super::reformat::Reformat;
use super::table::Table;
use super::table_type::TableType;
use crate::objects::{Kind, Object};
use crate::{Check, Device, Refusal};
use mlx5_pci::prm::{CmdStatus, Vlan};

/// The packet leaves the tables.
pub(super) const ALLOW: u16 = 0x1;
/// The packet ends here.
pub(super) const DROP: u16 = 0x2;
/// The packet goes to the destinations.
pub(super) const FWD_DEST: u16 = 0x4;
/// Counters count it.
pub(super) const COUNT: u16 = 0x8;
/// A reformat context is applied.
pub(super) const PACKET_REFORMAT: u16 = 0x10;
/// An outer L2 tunnel is taken off.
pub(super) const DECAP: u16 = 0x20;
/// A modify-header context is applied.
pub(super) const MOD_HDR: u16 = 0x40;
/// The outermost VLAN tag is taken off.
pub(super) const VLAN_POP: u16 = 0x80;
/// A VLAN tag is put on.
pub(super) const VLAN_PUSH: u16 = 0x100;
/// A second tag is taken off.
pub(super) const VLAN_POP_2: u16 = 0x400;
/// A second tag is put on.
pub(super) const VLAN_PUSH_2: u16 = 0x800;
/// An IPSEC object decrypts.
pub(super) const CRYPTO_DECRYPT: u16 = 0x1000;
/// An IPSEC object encrypts.
pub(super) const CRYPTO_ENCRYPT: u16 = 0x2000;
/// An ASO object is executed.
const EXECUTE_ASO: u16 = 0x4000;
/// Every action that exists.
const KNOWN: u16 = 0x7dff;

/// Where `action` stands in SET_FLOW_TABLE_ENTRY.
const ACTION: u16 = 0x4e;
/// Where the destination list begins.
pub(super) const LIST: u16 = 0x340;

/// One place where a packet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A table of the same type.
    Table(u32),
    /// A TIR.
    Tir(u32),
    /// A table of another type.
    Other(TableType, u32),
}

/// What an entry does.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Actions by bit.
    pub(super) action: u16,
    /// Put into the completion.
    pub(super) flow_tag: u32,
    /// Tables of the same or a lower level may follow.
    pub(super) ignore_flow_level: bool,
    /// Where the packet goes.
    pub(super) destinations: Vec<Destination>,
    /// What counts it.
    pub(super) counters: Vec<u32>,
    /// Reformat context.
    pub(super) reformat: u32,
    /// Modify-header context.
    pub(super) rewrite: u32,
    /// IPSEC object.
    pub(super) crypto: u32,
    /// Tags to put on.
    pub(super) push: [Vlan; 2],
}

impl Plan {
    /// Whether any of `actions` is there.
    pub(super) fn has(&self, actions: u16) -> bool {
        self.action & actions != 0
    }

    /// What it refers to.
    pub(super) fn references(&self) -> Vec<Object> {
        let destinations = self.destinations.iter().map(|destination| match destination {
            Destination::Table(number) | Destination::Other(_, number) => (Kind::FlowTable, *number),
            Destination::Tir(number) => (Kind::Tir, *number),
        });
        let counters = self.counters.iter().map(|number| (Kind::FlowCounter, *number));
        let contexts = [
            (PACKET_REFORMAT, (Kind::Reformat, self.reformat)),
            (MOD_HDR, (Kind::ModifyHeader, self.rewrite)),
            (CRYPTO_DECRYPT | CRYPTO_ENCRYPT, (Kind::Ipsec, self.crypto)),
        ];
        let contexts = contexts.into_iter().filter(|(action, _)| self.has(*action)).map(|(_, object)| object);
        destinations.chain(counters).chain(contexts).collect()
    }
}

/// What is around a plan that is checked.
pub(super) struct Surroundings<'a> {
    /// Where it is to be.
    pub(super) device: &'a Device,
    /// The table that the entry is for.
    pub(super) table: &'a Table,
    /// What that type offers.
    pub(super) limits: &'a TableLimits,
}

fn conflict(field: &'static str, offset: u16) -> Refusal {
    wrong(Check::Conflict, field, offset)
}

impl Surroundings<'_> {
    /// Whether `plan` is allowed.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), Refusal> {
        if plan.action & !KNOWN != 0 {
            return Err(wrong(Check::Reserved, "action", ACTION));
        }
        match plan.action & (ALLOW | DROP | FWD_DEST) {
            ALLOW => offered(self.table.kind.allows(), "action", ACTION)?,
            DROP | FWD_DEST => {}
            0 => return Err(Refusal::value("action", ACTION)),
            _ => return Err(conflict("action", ACTION)),
        }
        offered(!plan.has(EXECUTE_ASO), "execute_aso", 0x280)?;
        self.check_vlan(plan)?;
        self.check_destinations(plan)?;
        self.check_counters(plan)?;
        self.check_crypto(plan)?;
        self.check_reformat(plan)?;
        self.check_rewrite(plan)
    }

    fn check_vlan(&self, plan: &Plan) -> Result<(), Refusal> {
        let caps = &self.limits.caps;
        for (action, first, capability) in [
            (VLAN_POP, 0, caps.pop_vlan()),
            (VLAN_PUSH, 0, caps.push_vlan()),
            (VLAN_POP_2, VLAN_POP, caps.pop_vlan_2()),
            (VLAN_PUSH_2, VLAN_PUSH, caps.push_vlan_2()),
        ] {
            offered(!plan.has(action) || capability, "action", ACTION)?;
            if plan.has(action) && first != 0 && !plan.has(first) {
                return Err(conflict("action", ACTION));
            }
        }
        for (action, tag, offset) in [(VLAN_PUSH, &plan.push[0], 0x40), (VLAN_PUSH_2, &plan.push[1], 0x60)] {
            if !plan.has(action) && *tag != Vlan::default() {
                return Err(conflict("push_vlan", offset));
            }
            if plan.has(action) && !matches!(tag.ethtype(), 0x8100 | 0x88a8) {
                return Err(Refusal::value("push_vlan", offset));
            }
        }
        Ok(())
    }

    fn check_destinations(&self, plan: &Plan) -> Result<(), Refusal> {
        if plan.has(FWD_DEST) == plan.destinations.is_empty() {
            return Err(conflict("destination_list_size", 0x50));
        }
        if plan.destinations.len() as u64 > u64::from(self.limits.destinations()) {
            return Err(wrong(Check::Limit, "destination_list_size", 0x50));
        }
        offered(!plan.ignore_flow_level || self.limits.caps.ignore_flow_level(), "ignore_flow_level", 0x18)?;
        for (item, destination) in plan.destinations.iter().enumerate() {
            self.check_destination(plan, *destination, LIST + 8 * item as u16)?;
        }
        let tirs = plan.destinations.iter().filter(|to| matches!(to, Destination::Tir(_))).count();
        let limits = &self.device.steering.limits;
        offered(tirs < 2 || limits.several_tirs, "destination_list_size", 0x50)?;
        let mixed = tirs > 0 && tirs < plan.destinations.len();
        offered(!mixed || limits.tirs_and_tables, "destination_list_size", 0x50)
    }

    fn check_destination(&self, plan: &Plan, destination: Destination, offset: u16) -> Result<(), Refusal> {
        let mismatch = Refusal::new(CmdStatus::BAD_RES, Check::Mismatch, "destination_id", offset);
        match destination {
            Destination::Tir(number) => {
                offered(self.table.kind.has_tirs(), "destination_type", offset)?;
                if self.device.queues.has_tir(number) {
                    Ok(())
                } else {
                    Err(Refusal::no_object("destination_id", offset))
                }
            }
            Destination::Table(number) => {
                let next = self.device.steering.tables.named(number, "destination_id", offset)?;
                if next.kind != self.table.kind {
                    return Err(mismatch);
                }
                if self.table.context.termination_table() {
                    return Err(conflict("destination_type", offset));
                }
                if next.context.level() <= self.table.context.level() && !plan.ignore_flow_level {
                    return Err(wrong(Check::Limit, "destination_id", offset));
                }
                Ok(())
            }
            Destination::Other(kind, number) => {
                let bit = match (self.table.kind, kind) {
                    (TableType::NicRx, TableType::RdmaRx) => 1 << 0,
                    (TableType::RdmaTx, TableType::NicTx) => 1 << 1,
                    _ => 0,
                };
                offered(
                    self.device.steering.limits.to_other_type & bit != 0,
                    "destination_table_type",
                    offset + 4,
                )?;
                let next = self.device.steering.tables.named(number, "destination_id", offset)?;
                if next.kind == kind { Ok(()) } else { Err(mismatch) }
            }
        }
    }

    fn check_counters(&self, plan: &Plan) -> Result<(), Refusal> {
        if plan.has(COUNT) == plan.counters.is_empty() {
            return Err(conflict("flow_counter_list_size", 0x54));
        }
        offered(plan.counters.is_empty() || self.limits.caps.flow_counter(), "action", ACTION)?;
        if plan.counters.len() as u64 > u64::from(self.limits.counters()) {
            return Err(wrong(Check::Limit, "flow_counter_list_size", 0x54));
        }
        for (item, number) in plan.counters.iter().enumerate() {
            if !self.device.steering.counters.has(*number) {
                let offset = LIST + 8 * (plan.destinations.len() + item) as u16;
                return Err(Refusal::no_object("flow_counter_id", offset));
            }
        }
        Ok(())
    }

    fn check_crypto(&self, plan: &Plan) -> Result<(), Refusal> {
        let caps = &self.limits.caps;
        offered(!plan.has(CRYPTO_DECRYPT) || caps.ipsec_decrypt(), "action", ACTION)?;
        offered(!plan.has(CRYPTO_ENCRYPT) || caps.ipsec_encrypt(), "action", ACTION)?;
        match (plan.has(CRYPTO_DECRYPT), plan.has(CRYPTO_ENCRYPT)) {
            (true, true) => Err(conflict("action", ACTION)),
            (false, false) if plan.crypto != 0 => Err(conflict("encrypt_decrypt_obj_id", 0x64)),
            (false, false) => Ok(()),
            _ if self.device.ipsec.has(plan.crypto) => Ok(()),
            _ => Err(Refusal::no_object("encrypt_decrypt_obj_id", 0x64)),
        }
    }

    fn check_reformat(&self, plan: &Plan) -> Result<(), Refusal> {
        let caps = &self.limits.caps;
        if plan.has(DECAP) {
            offered(caps.decap(), "action", ACTION)?;
            if !self.table.context.decap_en() || plan.has(PACKET_REFORMAT) {
                return Err(conflict("action", ACTION));
            }
        }
        let crypto = plan.action & (CRYPTO_DECRYPT | CRYPTO_ENCRYPT);
        if !plan.has(PACKET_REFORMAT) {
            if plan.reformat != 0 {
                return Err(conflict("packet_reformat_id", 0x58));
            }
            return if crypto == 0 { Ok(()) } else { Err(conflict("action", ACTION)) };
        }
        let reformat: &Reformat =
            self.device.steering.reformats.named(plan.reformat, "packet_reformat_id", 0x58)?;
        offered(reformat.offered_by(caps), "packet_reformat_id", 0x58)?;
        if reformat.crypto_action() != crypto {
            return Err(conflict("packet_reformat_id", 0x58));
        }
        if reformat.changes_layers() && !self.table.context.reformat_en() {
            return Err(conflict("packet_reformat_id", 0x58));
        }
        if crypto == 0 {
            let vlan = plan.has(VLAN_POP | VLAN_PUSH);
            offered(!vlan || caps.reformat_and_vlan_action(), "action", ACTION)?;
            offered(!plan.has(MOD_HDR) || caps.reformat_and_modify_action(), "action", ACTION)?;
        }
        Ok(())
    }

    fn check_rewrite(&self, plan: &Plan) -> Result<(), Refusal> {
        if !plan.has(MOD_HDR) {
            return if plan.rewrite == 0 { Ok(()) } else { Err(conflict("modify_header_id", 0x5c)) };
        }
        let rewrite = self.device.steering.rewrites.named(plan.rewrite, "modify_header_id", 0x5c)?;
        if rewrite.kind == self.table.kind {
            Ok(())
        } else {
            Err(Refusal::new(CmdStatus::BAD_RES, Check::Mismatch, "modify_header_id", 0x5c))
        }
    }
}

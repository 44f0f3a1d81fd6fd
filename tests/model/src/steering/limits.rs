//! What the capability profile allows of flow steering, read once.
//!
//! Capabilities: FLOW_TABLE (7), and of GENERAL the number of flow counters, facts E.5.

use super::fields::Supported;
use super::table_type::TableType;
use crate::caps::Profile;
use crate::{Check, Refusal};
use mlx5_pci::prm::{CmdStatus, FlowTableNicCap, FlowTablePropLayout};
use std::collections::BTreeMap;

/// BAD_PARAM because of `check`.
pub(super) const fn wrong(check: Check, field: &'static str, offset: u16) -> Refusal {
    Refusal::new(CmdStatus::BAD_PARAM, check, field, offset)
}

/// A capability that is not there.
pub(super) fn offered(offered: bool, field: &'static str, offset: u16) -> Result<(), Refusal> {
    if offered { Ok(()) } else { Err(wrong(Check::Capability, field, offset)) }
}

/// Capabilities of one table type.
#[derive(Clone, Debug)]
pub(super) struct TableLimits {
    /// The capabilities.
    pub(super) caps: FlowTablePropLayout,
    /// What may be matched on.
    pub(super) fields: Supported,
}

/// Limits of this chapter.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// By table type; types that are not offered are absent.
    tables: BTreeMap<TableType, TableLimits>,
    /// An entry may have several TIRs.
    pub(super) several_tirs: bool,
    /// An entry may have TIRs and tables.
    pub(super) tirs_and_tables: bool,
    /// `flow_table_type_2_type`: from which table type to which other one entries may forward.
    pub(super) to_other_type: u8,
    /// How many packet reformat contexts there may be.
    pub(super) reformats: u32,
    /// Bytes of the longest header that a reformat puts on.
    pub(super) max_encap_header_size: u16,
    /// How many flow counters there may be.
    pub(super) counters: u32,
    /// `flow_counter_bulk_alloc`: sizes in which counters can be had, bit n for 128 << n.
    pub(super) counter_bulks: u8,
    /// How many counters may be queried at once.
    pub(super) counters_per_query: u32,
}

/// Two to the power of a capability, as far as it makes sense here.
fn power(log: u8) -> u32 {
    1 << log.min(30)
}

impl Limits {
    /// What `profile` says.
    pub(super) fn new(profile: &Profile) -> Limits {
        let caps = profile.flow_table();
        let general = profile.general();
        let counters =
            u32::from(general.max_flow_counter_31_16()) << 16 | u32::from(general.max_flow_counter_15_0());
        let tables = TableType::ALL.into_iter().map(|kind| (kind, TableLimits::new(kind, &caps)));
        Limits {
            tables: tables.filter(|(_, limits)| limits.caps.ft_support()).collect(),
            several_tirs: caps.nic_rx_multi_path_tirs(),
            tirs_and_tables: caps.nic_rx_multi_path_tirs_fts(),
            to_other_type: profile.general_2().flow_table_type_2_type(),
            reformats: power(caps.log_max_packet_reformat_context()),
            max_encap_header_size: caps.max_encap_header_size(),
            counters: counters.min(1 << 24),
            counter_bulks: general.flow_counter_bulk_alloc(),
            counters_per_query: power(general.log_max_flow_counter_bulk()),
        }
    }

    /// The limits of the table type that a command names.
    pub(super) fn table(&self, code: u8, offset: u16) -> Result<(TableType, &TableLimits), Refusal> {
        let kind = TableType::from_code(code);
        kind.and_then(|kind| Some((kind, self.tables.get(&kind)?))).ok_or(wrong(
            Check::Capability,
            "table_type",
            offset,
        ))
    }

    /// The limits of all table types.
    pub(super) fn tables(&self) -> impl Iterator<Item = &TableLimits> {
        self.tables.values()
    }

    /// The limits of a type of which there is a table already.
    pub(super) fn of(&self, kind: TableType) -> Option<&TableLimits> {
        self.tables.get(&kind)
    }
}

impl TableLimits {
    fn new(kind: TableType, caps: &FlowTableNicCap) -> TableLimits {
        let of = match kind {
            TableType::NicRx => caps.flow_table_properties_nic_receive(),
            TableType::NicTx => caps.flow_table_properties_nic_transmit(),
            TableType::SnifferRx => caps.flow_table_properties_nic_receive_sniffer(),
            TableType::SnifferTx => caps.flow_table_properties_nic_transmit_sniffer(),
            TableType::RdmaRx => caps.flow_table_properties_nic_receive_rdma(),
            TableType::RdmaTx => caps.flow_table_properties_nic_transmit_rdma(),
        };
        let more = match kind {
            TableType::NicRx => caps.ft_field_support_2_nic_receive(),
            TableType::RdmaRx => caps.ft_field_support_2_nic_receive_rdma(),
            TableType::RdmaTx => caps.ft_field_support_2_nic_transmit_rdma(),
            _ => Default::default(),
        };
        TableLimits { fields: Supported::new(kind, &of, &more), caps: of }
    }

    /// How many tables there may be.
    pub(super) fn tables(&self) -> usize {
        power(self.caps.log_max_ft_num()) as usize
    }

    /// How many destinations an entry may have.
    pub(super) fn destinations(&self) -> u32 {
        power(self.caps.log_max_destination())
    }

    /// How many counters an entry may have.
    pub(super) fn counters(&self) -> u32 {
        power(self.caps.log_max_flow_counter())
    }

    /// How many modify-header contexts there may be.
    pub(super) fn rewrites(&self) -> usize {
        power(self.caps.log_max_modify_header_context()) as usize
    }
}

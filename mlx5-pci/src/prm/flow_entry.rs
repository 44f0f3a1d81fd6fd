//! Flow table entries.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of SET_FLOW_TABLE_ENTRY (0x936).
    pub struct SetFteIn [0x340] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x018 [31:31] ignore_flow_level: bool,
        0x018 [7:0] modify_enable_mask: u8,
        0x020 [31:0] flow_index: u32,
        0x040 [..] flow_context: FlowContext,
    }

    /// Output of SET_FLOW_TABLE_ENTRY (0x936).
    pub struct SetFteOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_FLOW_TABLE_ENTRY (0x937).
    pub struct QueryFteIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x020 [31:0] flow_index: u32,
    }

    /// Output of QUERY_FLOW_TABLE_ENTRY (0x937).
    pub struct QueryFteOut [0x340] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x040 [..] flow_context: FlowContext,
    }

    /// Input of DELETE_FLOW_TABLE_ENTRY (0x938).
    pub struct DeleteFteIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x020 [31:0] flow_index: u32,
    }

    /// Output of DELETE_FLOW_TABLE_ENTRY (0x938).
    pub struct DeleteFteOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// What a flow table entry matches and does; its destinations and counters follow.
    pub struct FlowContext [0x300] {
        0x000 [..] push_vlan: Vlan,
        0x004 [31:0] group_id: u32,
        0x008 [23:0] flow_tag: u32,
        0x00c [15:0] action: u16,
        0x010 [31:31] extended_destination: bool,
        0x010 [30:30] uplink_hairpin_en: bool,
        0x010 [29:28] flow_source: u8,
        0x010 [27:24] encrypt_decrypt_type: u8,
        0x010 [23:0] destination_list_size: u32,
        0x014 [23:0] flow_counter_list_size: u32,
        0x018 [31:0] packet_reformat_id: u32,
        0x01c [31:0] modify_header_id: u32,
        0x020 [..] push_vlan_2: Vlan,
        0x024 [31:0] encrypt_decrypt_obj_id: u32,
        0x040 [..] match_value: FteMatchParam,
        0x240 [..] execute_aso_0: ExecuteAso,
        0x248 [..] execute_aso_1: ExecuteAso,
        0x250 [..] execute_aso_2: ExecuteAso,
        0x258 [..] execute_aso_3: ExecuteAso,
    }

    /// A VLAN tag to push.
    pub struct Vlan [0x4] {
        0x000 [31:16] ethtype: u16,
        0x000 [15:13] prio: u8,
        0x000 [12:12] cfi: bool,
        0x000 [11:0] vid: u16,
    }

    /// A destination.
    pub struct DestFormatStruct [0x8] {
        0x000 [31:24] destination_type: u8,
        0x000 [23:0] destination_id: u32,
        0x004 [31:31] destination_eswitch_owner_vhca_id_valid: bool,
        0x004 [30:30] packet_reformat: bool,
        0x004 [23:16] destination_table_type: u8,
        0x004 [15:0] destination_eswitch_owner_vhca_id: u16,
    }

    /// A flow counter in the list of an entry.
    pub struct FlowCounterList [0x8] {
        0x000 [31:0] flow_counter_id: u32,
    }

    /// A destination with a packet reformat of its own.
    pub struct ExtendedDestFormat [0x10] {
        0x000 [..] destination_entry: DestFormatStruct,
        0x008 [31:0] packet_reformat_id: u32,
    }
}

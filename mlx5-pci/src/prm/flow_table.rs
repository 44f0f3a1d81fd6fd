//! Flow tables and groups.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of CREATE_FLOW_TABLE (0x930).
    pub struct CreateFlowTableIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x018 [..] flow_table_context: FlowTableContext,
    }

    /// Output of CREATE_FLOW_TABLE (0x930).
    pub struct CreateFlowTableOut [0x10] {
        0x000 [31:24] status: u8,
        0x000 [23:0] icm_address_63_40: u32,
        0x004 [31:0] syndrome: u32,
        0x008 [31:24] icm_address_39_32: u8,
        0x008 [23:0] table_id: u32,
        0x00c [31:0] icm_address_31_0: u32,
    }

    /// Input of MODIFY_FLOW_TABLE (0x93c).
    pub struct ModifyFlowTableIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x00c [15:0] modify_field_select: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x018 [..] flow_table_context: FlowTableContext,
    }

    /// Output of MODIFY_FLOW_TABLE (0x93c).
    pub struct ModifyFlowTableOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_FLOW_TABLE (0x931).
    pub struct DestroyFlowTableIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
    }

    /// Output of DESTROY_FLOW_TABLE (0x931).
    pub struct DestroyFlowTableOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_FLOW_TABLE (0x932).
    pub struct QueryFlowTableIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
    }

    /// Output of QUERY_FLOW_TABLE (0x932).
    pub struct QueryFlowTableOut [0x40] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x018 [..] flow_table_context: FlowTableContext,
    }

    /// Input of SET_FLOW_TABLE_ROOT (0x92f).
    pub struct SetFlowTableRootIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x010 [16:16] table_of_other_vport: bool,
        0x010 [15:0] table_vport_number: u16,
        0x014 [23:0] table_id: u32,
        0x018 [23:0] underlay_qpn: u32,
        0x01c [31:31] table_eswitch_owner_vhca_id_valid: bool,
        0x01c [15:0] table_eswitch_owner_vhca_id: u16,
    }

    /// Output of SET_FLOW_TABLE_ROOT (0x92f).
    pub struct SetFlowTableRootOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of CREATE_FLOW_GROUP (0x933).
    pub struct CreateFlowGroupIn [0x400] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x010 [19:16] group_type: u8,
        0x014 [23:0] table_id: u32,
        0x018 [31:31] source_eswitch_owner_vhca_id_valid: bool,
        0x01c [31:0] start_flow_index: u32,
        0x024 [31:0] end_flow_index: u32,
        0x028 [15:0] match_definer_id: u16,
        0x03c [7:0] match_criteria_enable: u8,
        0x040 [..] match_criteria: FteMatchParam,
    }

    /// Output of CREATE_FLOW_GROUP (0x933).
    pub struct CreateFlowGroupOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] group_id: u32,
    }

    /// Input of DESTROY_FLOW_GROUP (0x934).
    pub struct DestroyFlowGroupIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x018 [31:0] group_id: u32,
    }

    /// Output of DESTROY_FLOW_GROUP (0x934).
    pub struct DestroyFlowGroupOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_FLOW_GROUP (0x935).
    pub struct QueryFlowGroupIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [31:24] table_type: u8,
        0x014 [23:0] table_id: u32,
        0x018 [31:0] group_id: u32,
    }

    /// Output of QUERY_FLOW_GROUP (0x935).
    pub struct QueryFlowGroupOut [0x400] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x01c [31:0] start_flow_index: u32,
        0x024 [31:0] end_flow_index: u32,
        0x03c [7:0] match_criteria_enable: u8,
        0x040 [..] match_criteria: FteMatchParam,
    }

    /// Flow table context.
    pub struct FlowTableContext [0x28] {
        0x000 [31:31] reformat_en: bool,
        0x000 [30:30] decap_en: bool,
        0x000 [29:29] sw_owner: bool,
        0x000 [28:28] termination_table: bool,
        0x000 [27:24] table_miss_action: u8,
        0x000 [23:16] level: u8,
        0x000 [15:15] rtc_valid: bool,
        0x000 [7:0] log_size: u8,
        0x004 [23:0] table_miss_id: u32,
        0x008 [23:0] lag_master_next_table_id: u32,
        0x018 [63:0] sw_owner_icm_root_1: u64,
        0x020 [63:0] sw_owner_icm_root_0: u64,
    }
}

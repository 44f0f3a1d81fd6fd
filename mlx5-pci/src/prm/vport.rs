//! Virtual ports.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of QUERY_NIC_VPORT_CONTEXT (0x754).
    pub struct QueryNicVportContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x00c [26:24] allowed_list_type: u8,
    }

    /// Output of QUERY_NIC_VPORT_CONTEXT (0x754).
    pub struct QueryNicVportContextOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] nic_vport_context: NicVportContext,
    }

    /// Input of MODIFY_NIC_VPORT_CONTEXT (0x755).
    pub struct ModifyNicVportContextIn [0x200] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x00c [..] field_select: ModifyNicVportFieldSelect,
        0x100 [..] nic_vport_context: NicVportContext,
    }

    /// Output of MODIFY_NIC_VPORT_CONTEXT (0x755).
    pub struct ModifyNicVportContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_VPORT_STATE (0x750).
    pub struct QueryVportStateIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
    }

    /// Output of QUERY_VPORT_STATE (0x750).
    pub struct QueryVportStateOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x00c [7:4] admin_state: u8,
        0x00c [3:0] state: u8,
    }

    /// Input of MODIFY_VPORT_STATE (0x751).
    pub struct ModifyVportStateIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x00c [7:4] admin_state: u8,
    }

    /// Output of MODIFY_VPORT_STATE (0x751).
    pub struct ModifyVportStateOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_ESW_VPORT_CONTEXT (0x752).
    pub struct QueryEswVportContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
    }

    /// Output of QUERY_ESW_VPORT_CONTEXT (0x752).
    pub struct QueryEswVportContextOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] esw_vport_context: EswVportContext,
    }

    /// Input of MODIFY_ESW_VPORT_CONTEXT (0x753).
    pub struct ModifyEswVportContextIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x00c [..] field_select: EswVportContextFieldsSelect,
        0x010 [..] esw_vport_context: EswVportContext,
    }

    /// Output of MODIFY_ESW_VPORT_CONTEXT (0x753).
    pub struct ModifyEswVportContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of SET_L2_TABLE_ENTRY (0x829).
    pub struct SetL2TableEntryIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x014 [23:0] table_index: u32,
        0x01c [15:15] silent_mode_valid: bool,
        0x01c [14:14] silent_mode: bool,
        0x01c [12:12] vlan_valid: bool,
        0x01c [11:0] vlan: u16,
        0x020 [..] mac_address: MacAddressLayout,
    }

    /// Output of SET_L2_TABLE_ENTRY (0x829).
    pub struct SetL2TableEntryOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_L2_TABLE_ENTRY (0x82a).
    pub struct QueryL2TableEntryIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x014 [23:0] table_index: u32,
    }

    /// Output of QUERY_L2_TABLE_ENTRY (0x82a).
    pub struct QueryL2TableEntryOut [0x40] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x01c [12:12] vlan_valid: bool,
        0x01c [11:0] vlan: u16,
        0x020 [..] mac_address: MacAddressLayout,
    }

    /// Input of DELETE_L2_TABLE_ENTRY (0x82b).
    pub struct DeleteL2TableEntryIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x014 [23:0] table_index: u32,
    }

    /// Output of DELETE_L2_TABLE_ENTRY (0x82b).
    pub struct DeleteL2TableEntryOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// NIC vport context, without the list of addresses or VLANs behind it.
    pub struct NicVportContext [0x100] {
        0x000 [26:24] min_wqe_inline_mode: u8,
        0x000 [2:2] disable_mc_local_lb: bool,
        0x000 [1:1] disable_uc_local_lb: bool,
        0x000 [0:0] roce_en: bool,
        0x004 [31:31] arm_change_event: bool,
        0x004 [4:4] event_on_mtu: bool,
        0x004 [3:3] event_on_promisc_change: bool,
        0x004 [2:2] event_on_vlan_change: bool,
        0x004 [1:1] event_on_mc_address_change: bool,
        0x004 [0:0] event_on_uc_address_change: bool,
        0x008 [31:31] vhca_id_type: bool,
        0x008 [19:16] affiliation_criteria: u8,
        0x008 [15:0] affiliated_vhca_id: u16,
        0x020 [30:28] sd_group: u8,
        0x024 [15:0] mtu: u16,
        0x028 [63:0] system_image_guid: u64,
        0x030 [63:0] port_guid: u64,
        0x038 [63:0] node_guid: u64,
        0x068 [31:16] qkey_violation_counter: u16,
        0x0f0 [31:31] promisc_uc: bool,
        0x0f0 [30:30] promisc_mc: bool,
        0x0f0 [29:29] promisc_all: bool,
        0x0f0 [26:24] allowed_list_type: u8,
        0x0f0 [11:0] allowed_list_size: u16,
        0x0f4 [..] permanent_address: MacAddressLayout,
    }

    /// What MODIFY_NIC_VPORT_CONTEXT changes.
    pub struct ModifyNicVportFieldSelect [0x4] {
        0x000 [13:13] affiliation: bool,
        0x000 [11:11] disable_uc_local_lb: bool,
        0x000 [10:10] disable_mc_local_lb: bool,
        0x000 [9:9] node_guid: bool,
        0x000 [8:8] port_guid: bool,
        0x000 [7:7] min_inline: bool,
        0x000 [6:6] mtu: bool,
        0x000 [5:5] change_event: bool,
        0x000 [4:4] promisc: bool,
        0x000 [3:3] permanent_address: bool,
        0x000 [2:2] addresses_list: bool,
        0x000 [1:1] roce_en: bool,
    }

    /// A MAC address in the list of a vport.
    pub struct MacAddressLayout [0x8] {
        0x000 [15:0] mac_addr_47_32: u16,
        0x004 [31:0] mac_addr_31_0: u32,
    }

    /// E-switch vport context.
    pub struct EswVportContext [0x100] {
        0x000 [31:31] fdb_to_vport_reg_c: bool,
        0x000 [28:28] vport_svlan_strip: bool,
        0x000 [27:27] vport_cvlan_strip: bool,
        0x000 [26:26] vport_svlan_insert: bool,
        0x000 [25:24] vport_cvlan_insert: u8,
        0x000 [23:16] fdb_to_vport_reg_c_id: u8,
        0x008 [31:31] svlan_cfi: bool,
        0x008 [30:28] svlan_pcp: u8,
        0x008 [27:16] svlan_id: u16,
        0x008 [15:15] cvlan_cfi: bool,
        0x008 [14:12] cvlan_pcp: u8,
        0x008 [11:0] cvlan_id: u16,
        0x0f0 [63:0] sw_steering_vport_icm_address_rx: u64,
        0x0f8 [63:0] sw_steering_vport_icm_address_tx: u64,
    }

    /// What MODIFY_ESW_VPORT_CONTEXT changes.
    pub struct EswVportContextFieldsSelect [0x4] {
        0x000 [4:4] fdb_to_vport_reg_c_id: bool,
        0x000 [3:3] vport_cvlan_insert: bool,
        0x000 [2:2] vport_svlan_insert: bool,
        0x000 [1:1] vport_cvlan_strip: bool,
        0x000 [0:0] vport_svlan_strip: bool,
    }

    /// A VLAN in the list of a vport.
    pub struct VlanLayout [0x8] {
        0x000 [11:0] vlan: u16,
    }
}

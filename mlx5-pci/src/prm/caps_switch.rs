//! Capabilities of the embedded switch.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Capability ESWITCH_FLOW_TABLE: tables of the embedded switch.
    pub struct FlowTableEswitchCap [0x1000] {
        0x000 [31:24] fdb_to_vport_reg_c_id: u8,
        0x000 [18:18] fdb_uplink_hairpin: bool,
        0x000 [17:17] fdb_multi_path_any_table_limit_regc: bool,
        0x000 [15:15] fdb_dynamic_tunnel: bool,
        0x000 [13:13] fdb_multi_path_any_table: bool,
        0x000 [10:10] fdb_modify_header_fwd_to_table: bool,
        0x000 [9:9] fdb_ipv4_ttl_modify: bool,
        0x000 [8:8] flow_source: bool,
        0x000 [5:5] multi_fdb_encap: bool,
        0x000 [4:4] egress_acl_forward_to_vport: bool,
        0x000 [3:3] fdb_multi_path_to_table: bool,
        0x040 [..] flow_table_properties_nic_esw_fdb: FlowTablePropLayout,
        0x080 [..] flow_table_properties_esw_acl_ingress: FlowTablePropLayout,
        0x0c0 [..] flow_table_properties_esw_acl_egress: FlowTablePropLayout,
        0x280 [..] ft_field_support_2_esw_fdb: FlowTableFieldsSupported2,
        0x290 [..] ft_field_bitmask_support_2_esw_fdb: FlowTableFieldsSupported2,
        0x300 [63:0] sw_steering_fdb_action_drop_icm_address_rx: u64,
        0x308 [63:0] sw_steering_fdb_action_drop_icm_address_tx: u64,
        0x310 [63:0] sw_steering_uplink_icm_address_rx: u64,
        0x318 [63:0] sw_steering_uplink_icm_address_tx: u64,
    }

    /// Capability ESWITCH.
    pub struct ESwitchCap [0x100] {
        0x000 [31:31] vport_svlan_strip: bool,
        0x000 [30:30] vport_cvlan_strip: bool,
        0x000 [29:29] vport_svlan_insert: bool,
        0x000 [28:28] vport_cvlan_insert_if_not_exist: bool,
        0x000 [27:27] vport_cvlan_insert_overwrite: bool,
        0x000 [25:25] vport_cvlan_insert_always: bool,
        0x000 [24:24] esw_shared_ingress_acl: bool,
        0x000 [23:23] esw_uplink_ingress_acl: bool,
        0x000 [22:22] root_ft_on_other_esw: bool,
        0x000 [6:6] esw_functions_changed: bool,
        0x000 [4:4] ecpf_vport_exists: bool,
        0x000 [3:3] counter_eswitch_affinity: bool,
        0x000 [2:2] merged_eswitch: bool,
        0x000 [1:1] nic_vport_node_guid_modify: bool,
        0x000 [0:0] nic_vport_port_guid_modify: bool,
        0x004 [31:31] vxlan_encap_decap: bool,
        0x004 [30:30] nvgre_encap_decap: bool,
        0x004 [28:24] log_max_fdb_encap_uplink: u8,
        0x004 [20:16] log_max_packet_reformat_context: u8,
        0x004 [9:0] max_encap_header_size: u16,
        0x008 [20:16] log_max_esw_sf: u8,
        0x008 [15:0] esw_sf_base_id: u16,
    }
}

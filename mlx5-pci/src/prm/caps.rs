//! Capabilities beside the general ones.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Capability GENERAL_2.
    pub struct CmdHcaCap2 [0x100] {
        0x010 [31:31] migratable: bool,
        0x010 [13:13] query_vuid: bool,
        0x010 [7:7] umr_log_entity_size_5: bool,
        0x014 [31:24] max_reformat_insert_size: u8,
        0x014 [23:16] max_reformat_insert_offset: u8,
        0x014 [15:8] max_reformat_remove_size: u8,
        0x014 [7:0] max_reformat_remove_offset: u8,
        0x018 [23:23] migration_multi_load: bool,
        0x018 [22:22] migration_tracking_state: bool,
        0x018 [21:21] multiplane_qp_ud: bool,
        0x018 [15:15] migration_in_chunks: bool,
        0x018 [13:13] sf_eq_usage: bool,
        0x018 [7:7] multiplane: bool,
        0x01c [31:0] cross_vhca_object_to_object_supported: u32,
        0x020 [63:0] allowed_object_for_other_vhca_access: u64,
        0x034 [31:24] flow_table_type_2_type: u8,
        0x034 [21:21] format_select_dw_8_6_ext: bool,
        0x034 [20:16] log_min_mkey_entity_size: u8,
        0x044 [30:30] sw_vhca_id_valid: bool,
        0x044 [29:16] sw_vhca_id: u16,
        0x048 [20:16] ts_cqe_metadata_size2wqe_counter: u8,
        0x050 [31:24] format_select_dw_gtpu_dw_0: u8,
        0x050 [23:16] format_select_dw_gtpu_dw_1: u8,
        0x050 [15:8] format_select_dw_gtpu_dw_2: u8,
        0x050 [7:0] format_select_dw_gtpu_first_ext_dw_0: u8,
        0x054 [31:0] generate_wqe_type: u32,
        0x070 [20:16] min_mkey_log_entity_size_fixed_buffer: u8,
        0x070 [15:0] ec_vf_vport_base: u16,
        0x074 [21:16] max_mkey_log_entity_size_mtt: u8,
        0x074 [15:0] max_rqt_vhca_id: u16,
        0x07c [15:15] pcc_ifa2: bool,
        0x080 [30:30] min_mkey_log_entity_size_fixed_buffer_valid: bool,
        0x080 [15:0] return_reg_id: u16,
        0x084 [3:0] flow_table_hash_type: u8,
        0x088 [23:0] max_num_eqs_24b: u32,
    }

    /// Capability ETHERNET_OFFLOADS.
    pub struct PerProtocolNetworkingOffloadCaps [0x100] {
        0x000 [31:31] csum_cap: bool,
        0x000 [30:30] vlan_cap: bool,
        0x000 [29:29] lro_cap: bool,
        0x000 [28:28] lro_psh_flag: bool,
        0x000 [27:27] lro_time_stamp: bool,
        0x000 [24:24] wqe_vlan_insert: bool,
        0x000 [23:23] self_lb_en_modifiable: bool,
        0x000 [20:16] max_lso_cap: u8,
        0x000 [15:14] multi_pkt_send_wqe: u8,
        0x000 [13:12] wqe_inline_mode: u8,
        0x000 [11:8] rss_ind_tbl_cap: u8,
        0x000 [7:7] reg_umr_sq: bool,
        0x000 [6:6] scatter_fcs: bool,
        0x000 [5:5] enhanced_multi_pkt_send_wqe: bool,
        0x000 [4:4] tunnel_lso_const_out_ip_id: bool,
        0x000 [3:3] tunnel_lro_gre: bool,
        0x000 [2:2] tunnel_lro_vxlan: bool,
        0x000 [1:1] tunnel_stateless_gre: bool,
        0x000 [0:0] tunnel_stateless_vxlan: bool,
        0x004 [31:31] swp: bool,
        0x004 [30:30] swp_csum: bool,
        0x004 [29:29] swp_lso: bool,
        0x004 [28:28] cqe_checksum_full: bool,
        0x004 [27:27] tunnel_stateless_geneve_tx: bool,
        0x004 [26:26] tunnel_stateless_mpls_over_udp: bool,
        0x004 [25:25] tunnel_stateless_mpls_over_gre: bool,
        0x004 [24:24] tunnel_stateless_vxlan_gpe: bool,
        0x004 [23:23] tunnel_stateless_ipv4_over_vxlan: bool,
        0x004 [22:22] tunnel_stateless_ip_over_ip: bool,
        0x004 [21:21] insert_trailer: bool,
        0x004 [19:19] tunnel_stateless_ip_over_ip_rx: bool,
        0x004 [18:18] tunnel_stateless_ip_over_ip_tx: bool,
        0x004 [15:8] max_vxlan_udp_ports: u8,
        0x004 [7:7] swp_csum_l4_partial: bool,
        0x004 [1:1] max_geneve_opt_len: bool,
        0x004 [0:0] tunnel_stateless_geneve_rx: bool,
        0x008 [15:0] lro_min_mss_size: u16,
        0x030 [31:0] lro_timer_supported_periods_0: u32,
        0x034 [31:0] lro_timer_supported_periods_1: u32,
        0x038 [31:0] lro_timer_supported_periods_2: u32,
        0x03c [31:0] lro_timer_supported_periods_3: u32,
    }

    /// Capability IPSEC.
    pub struct IpsecCap [0x100] {
        0x000 [31:31] ipsec_full_offload: bool,
        0x000 [30:30] ipsec_crypto_offload: bool,
        0x000 [29:29] ipsec_esn: bool,
        0x000 [28:28] ipsec_crypto_esp_aes_gcm_256_encrypt: bool,
        0x000 [27:27] ipsec_crypto_esp_aes_gcm_128_encrypt: bool,
        0x000 [26:26] ipsec_crypto_esp_aes_gcm_256_decrypt: bool,
        0x000 [25:25] ipsec_crypto_esp_aes_gcm_128_decrypt: bool,
        0x000 [20:16] log_max_ipsec_offload: u8,
        0x004 [31:24] min_log_ipsec_full_replay_window: u8,
        0x004 [23:16] max_log_ipsec_full_replay_window: u8,
    }

    /// Capability CRYPTO: data encryption keys.
    pub struct CryptoCap [0x100] {
        0x000 [28:28] synchronize_dek: bool,
        0x000 [27:27] int_kek_manual: bool,
        0x000 [26:26] int_kek_auto: bool,
        0x004 [28:24] log_dek_max_alloc: u8,
        0x004 [20:16] log_max_num_deks: u8,
        0x00c [28:24] log_dek_granularity: u8,
        0x00c [20:16] log_max_num_int_kek: u8,
        0x00c [15:0] sw_wrapped_dek: u16,
    }
}

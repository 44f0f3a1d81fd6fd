//! Capabilities that the Ethernet driver only looks at.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Capability QOS.
    pub struct QosCap [0x100] {
        0x000 [31:31] packet_pacing: bool,
        0x000 [30:30] esw_scheduling: bool,
        0x000 [29:29] esw_bw_share: bool,
        0x000 [28:28] esw_rate_limit: bool,
        0x000 [26:26] packet_pacing_burst_bound: bool,
        0x000 [25:25] packet_pacing_typical_size: bool,
        0x000 [23:23] nic_sq_scheduling: bool,
        0x000 [22:22] nic_bw_share: bool,
        0x000 [21:21] nic_rate_limit: bool,
        0x000 [20:20] packet_pacing_uid: bool,
        0x000 [19:16] log_esw_max_sched_depth: u8,
        0x004 [20:16] log_max_qos_nic_queue_group: u8,
        0x008 [31:0] packet_pacing_max_rate: u32,
        0x00c [31:0] packet_pacing_min_rate: u32,
        0x010 [15:0] packet_pacing_rate_table_size: u16,
        0x014 [31:16] esw_element_type: u16,
        0x014 [15:0] esw_tsar_type: u16,
        0x018 [15:0] max_qos_para_vport: u16,
        0x01c [31:0] max_tsar_bw_share: u32,
        0x020 [31:16] nic_element_type: u16,
        0x020 [15:0] nic_tsar_type: u16,
        0x024 [28:24] log_meter_aso_granularity: u8,
        0x024 [20:16] log_meter_aso_max_alloc: u8,
        0x024 [12:8] log_max_num_meter_aso: u8,
    }

    /// Capability DEBUG.
    pub struct DebugCap [0x100] {
        0x000 [31:31] core_dump_general: bool,
        0x000 [30:30] core_dump_qp: bool,
        0x000 [22:22] resource_dump: bool,
        0x004 [29:29] stall_detect: bool,
    }

    /// Capability ODP, as Linux 6.12 has it; 6.1 knows only what `odp_scheme_cap` holds.
    pub struct OdpCap [0x100] {
        0x000 [..] transport_page_fault_scheme_cap: OdpSchemeCap,
        0x040 [..] memory_page_fault_scheme_cap: OdpSchemeCap,
        0x0c0 [31:31] mem_page_fault: bool,
    }

    /// One scheme of on-demand paging.
    pub struct OdpSchemeCap [0x40] {
        0x008 [31:31] sig: bool,
        0x008 [26:26] page_prefetch: bool,
        0x010 [..] rc_odp_caps: OdpPerTransportServiceCap,
        0x014 [..] uc_odp_caps: OdpPerTransportServiceCap,
        0x018 [..] ud_odp_caps: OdpPerTransportServiceCap,
        0x01c [..] xrc_odp_caps: OdpPerTransportServiceCap,
        0x020 [..] dc_odp_caps: OdpPerTransportServiceCap,
    }

    /// On-demand paging of one transport.
    pub struct OdpPerTransportServiceCap [0x4] {
        0x000 [31:31] send: bool,
        0x000 [30:30] receive: bool,
        0x000 [29:29] write: bool,
        0x000 [28:28] read: bool,
        0x000 [27:27] atomic: bool,
        0x000 [26:26] srq_receive: bool,
    }

    /// Capability ATOMIC.
    pub struct AtomicCaps [0x100] {
        0x008 [31:30] atomic_req_8b_endianness_mode: u8,
        0x008 [25:25] supported_atomic_req_8b_endianness_mode_1: bool,
        0x010 [15:0] atomic_operations: u16,
        0x014 [15:0] atomic_size_qp: u16,
        0x018 [15:0] atomic_size_dc: u16,
    }

    /// Capability ROCE.
    pub struct RoceCap [0x100] {
        0x000 [31:31] roce_apm: bool,
        0x000 [27:27] sw_r_roce_src_udp_port: bool,
        0x000 [26:26] fl_rc_qp_when_roce_disabled: bool,
        0x000 [25:25] fl_rc_qp_when_roce_enabled: bool,
        0x000 [24:24] roce_cc_general: bool,
        0x000 [23:23] qp_ooo_transmit_default: bool,
        0x000 [1:0] qp_ts_format: u8,
        0x010 [19:16] l3_type: u8,
        0x010 [7:0] roce_version: u8,
        0x014 [15:0] r_roce_dest_udp_port: u16,
        0x018 [31:16] r_roce_max_src_udp_port: u16,
        0x018 [15:0] r_roce_min_src_udp_port: u16,
        0x01c [15:0] roce_address_table_size: u16,
    }

    /// Capability DEV_EVENT: types of affiliated and of other events.
    pub struct DeviceEventCap [0x40] {
        0x000 [..] user_affiliated_events: [u8; 32],
        0x020 [..] user_unaffiliated_events: [u8; 32],
    }

    /// Capability TLS.
    pub struct TlsCap [0x100] {
        0x000 [31:31] tls_1_2_aes_gcm_128: bool,
        0x000 [30:30] tls_1_3_aes_gcm_128: bool,
        0x000 [29:29] tls_1_2_aes_gcm_256: bool,
        0x000 [28:28] tls_1_3_aes_gcm_256: bool,
    }

    /// Capability PORT_SELECTION.
    pub struct PortSelectionCap [0x1000] {
        0x000 [15:15] port_select_flow_table: bool,
        0x000 [13:13] port_select_flow_table_bypass: bool,
        0x040 [..] flow_table_properties_port_selection: FlowTablePropLayout,
        0x080 [..] ft_field_support_2_port_selection: FlowTableFieldsSupported2,
    }

    /// Capability MACSEC.
    pub struct MacsecCap [0x100] {
        0x000 [31:31] macsec_epn: bool,
        0x000 [28:28] macsec_crypto_esp_aes_gcm_256_encrypt: bool,
        0x000 [27:27] macsec_crypto_esp_aes_gcm_128_encrypt: bool,
        0x000 [26:26] macsec_crypto_esp_aes_gcm_256_decrypt: bool,
        0x000 [25:25] macsec_crypto_esp_aes_gcm_128_decrypt: bool,
        0x000 [20:16] log_max_macsec_offload: u8,
        0x004 [31:24] min_log_macsec_full_replay_window: u8,
        0x004 [23:16] max_log_macsec_full_replay_window: u8,
    }
}

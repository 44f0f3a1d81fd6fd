//! Work queues, RQ tables and transport interface objects: contexts.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// The work queue in the context of an SQ, RQ or RMP.
    pub struct Wq [0xc0] {
        0x000 [31:28] wq_type: u8,
        0x000 [27:27] wq_signature: bool,
        0x000 [26:25] end_padding_mode: u8,
        0x000 [24:24] cd_slave: bool,
        0x004 [31:31] hds_skip_first_sge: bool,
        0x004 [30:28] log2_hds_buf_size: u8,
        0x004 [20:16] page_offset: u8,
        0x004 [15:0] lwm: u16,
        0x008 [23:0] pd: u32,
        0x00c [23:0] uar_page: u32,
        0x010 [63:0] dbr_addr: u64,
        0x018 [31:0] hw_counter: u32,
        0x01c [31:0] sw_counter: u32,
        0x020 [19:16] log_wq_stride: u8,
        0x020 [12:8] log_wq_pg_sz: u8,
        0x020 [4:0] log_wq_sz: u8,
        0x024 [31:31] dbr_umem_valid: bool,
        0x024 [30:30] wq_umem_valid: bool,
        0x024 [28:24] log_hairpin_num_packets: u8,
        0x024 [20:16] log_hairpin_data_sz: u8,
        0x024 [11:8] log_wqe_num_of_strides: u8,
        0x024 [7:7] two_byte_shift_en: bool,
        0x024 [2:0] log_wqe_stride_size: u8,
        0x028 [31:0] dbr_umem_id: u32,
        0x02c [31:0] wq_umem_id: u32,
        0x030 [63:0] wq_umem_offset: u64,
        0x038 [31:0] headers_mkey: u32,
        0x03c [31:31] shampo_enable: bool,
        0x03c [26:24] log_reservation_size: u8,
        0x03c [18:16] log_max_num_of_packets_per_reservation: u8,
        0x03c [9:8] log_headers_entry_size: u8,
        0x03c [3:0] log_headers_buffer_entry_num: u8,
    }

    /// Send queue context.
    pub struct Sqc [0xf0] {
        0x000 [31:31] rlky: bool,
        0x000 [30:30] cd_master: bool,
        0x000 [29:29] fre: bool,
        0x000 [28:28] flush_in_error_en: bool,
        0x000 [27:27] allow_multi_pkt_send_wqe: bool,
        0x000 [26:24] min_wqe_inline_mode: u8,
        0x000 [23:20] state: u8,
        0x000 [19:19] reg_umr: bool,
        0x000 [18:18] allow_swp: bool,
        0x000 [17:17] hairpin: bool,
        0x000 [16:16] non_wire: bool,
        0x000 [5:4] ts_format: u8,
        0x004 [23:0] user_index: u32,
        0x008 [23:0] cqn: u32,
        0x00c [23:0] hairpin_peer_rq: u32,
        0x010 [15:0] hairpin_peer_vhca: u16,
        0x018 [23:0] ts_cqe_to_dest_cqn: u32,
        0x01c [15:0] packet_pacing_rate_limit_index: u16,
        0x020 [31:16] tis_lst_sz: u16,
        0x020 [15:0] qos_queue_group_id: u16,
        0x02c [23:0] tis_num_0: u32,
        0x030 [..] wq: Wq,
    }

    /// Receive queue context.
    pub struct Rqc [0xf0] {
        0x000 [31:31] rlky: bool,
        0x000 [30:30] delay_drop_en: bool,
        0x000 [29:29] scatter_fcs: bool,
        0x000 [28:28] vsd: bool,
        0x000 [27:24] mem_rq_type: u8,
        0x000 [23:20] state: u8,
        0x000 [18:18] flush_in_error_en: bool,
        0x000 [17:17] hairpin: bool,
        0x000 [5:4] ts_format: u8,
        0x004 [23:0] user_index: u32,
        0x008 [23:0] cqn: u32,
        0x00c [31:24] counter_set_id: u8,
        0x010 [23:0] rmpn: u32,
        0x014 [23:0] hairpin_peer_sq: u32,
        0x018 [15:0] hairpin_peer_vhca: u16,
        0x024 [25:24] shampo_no_match_alignment_granularity: u8,
        0x024 [17:16] shampo_match_criteria_type: u8,
        0x024 [15:0] reservation_timeout: u16,
        0x030 [..] wq: Wq,
    }

    /// Receive memory pool context.
    pub struct Rmpc [0xf0] {
        0x000 [23:20] state: u8,
        0x004 [31:31] basic_cyclic_rcv_wqe: bool,
        0x030 [..] wq: Wq,
    }

    /// Transport interface send context.
    pub struct Tisc [0xa0] {
        0x000 [31:31] strict_lag_tx_port_affinity: bool,
        0x000 [30:30] tls_en: bool,
        0x000 [27:24] lag_tx_port_affinity: u8,
        0x000 [19:16] prio: u8,
        0x024 [23:0] transport_domain: u32,
        0x028 [23:0] underlay_qpn: u32,
        0x02c [23:0] pd: u32,
    }

    /// Transport interface receive context.
    pub struct Tirc [0xf0] {
        0x004 [31:28] disp_type: u8,
        0x004 [27:27] tls_en: bool,
        0x010 [27:12] lro_timeout_period_usecs: u16,
        0x010 [11:8] packet_merge_mask: u8,
        0x010 [7:0] lro_max_ip_payload_size: u8,
        0x01c [23:0] inline_rqn: u32,
        0x020 [31:31] rx_hash_symmetric: bool,
        0x020 [29:29] tunneled_offload_en: bool,
        0x020 [23:0] indirect_table: u32,
        0x024 [31:28] rx_hash_fn: u8,
        0x024 [25:24] self_lb_block: u8,
        0x024 [23:0] transport_domain: u32,
        0x028 [..] rx_hash_toeplitz_key: [u8; 40],
        0x050 [..] rx_hash_field_selector_outer: RxHashFieldSelect,
        0x054 [..] rx_hash_field_selector_inner: RxHashFieldSelect,
    }

    /// Receive queue table context, without the list of queues behind it.
    pub struct Rqtc [0xf0] {
        0x014 [26:24] list_q_type: u8,
        0x014 [15:0] rqt_max_size: u16,
        0x018 [31:31] rq_vhca_id_format: bool,
        0x018 [15:0] rqt_actual_size: u16,
    }

    /// What receive-side scaling hashes.
    pub struct RxHashFieldSelect [0x4] {
        0x000 [31:31] l3_prot_type: bool,
        0x000 [30:30] l4_prot_type: bool,
        0x000 [29:0] selected_fields: u32,
    }
}

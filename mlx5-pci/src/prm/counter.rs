//! Queue, flow and vport counters.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of ALLOC_Q_COUNTER (0x771).
    pub struct AllocQCounterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of ALLOC_Q_COUNTER (0x771).
    pub struct AllocQCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [7:0] counter_set_id: u8,
    }

    /// Input of DEALLOC_Q_COUNTER (0x772).
    pub struct DeallocQCounterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [7:0] counter_set_id: u8,
    }

    /// Output of DEALLOC_Q_COUNTER (0x772).
    pub struct DeallocQCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_Q_COUNTER (0x773).
    pub struct QueryQCounterIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
        0x018 [31:31] clear: bool,
        0x018 [30:30] aggregate: bool,
        0x01c [7:0] counter_set_id: u8,
    }

    /// Output of QUERY_Q_COUNTER (0x773).
    pub struct QueryQCounterOut [0x100] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [31:0] rx_write_requests: u32,
        0x018 [31:0] rx_read_requests: u32,
        0x020 [31:0] rx_atomic_requests: u32,
        0x028 [31:0] rx_dct_connect: u32,
        0x030 [31:0] out_of_buffer: u32,
        0x038 [31:0] out_of_sequence: u32,
        0x040 [31:0] duplicate_request: u32,
        0x048 [31:0] rnr_nak_retry_err: u32,
        0x050 [31:0] packet_seq_err: u32,
        0x058 [31:0] implied_nak_seq_err: u32,
        0x060 [31:0] local_ack_timeout_err: u32,
        0x070 [31:0] req_rnr_retries_exceeded: u32,
        0x078 [31:0] resp_local_length_error: u32,
        0x07c [31:0] req_local_length_error: u32,
        0x080 [31:0] resp_local_qp_error: u32,
        0x084 [31:0] local_operation_error: u32,
        0x088 [31:0] resp_local_protection: u32,
        0x08c [31:0] req_local_protection: u32,
        0x090 [31:0] resp_cqe_error: u32,
        0x094 [31:0] req_cqe_error: u32,
        0x098 [31:0] req_mw_binding: u32,
        0x09c [31:0] req_bad_response: u32,
        0x0a0 [31:0] req_remote_invalid_request: u32,
        0x0a4 [31:0] resp_remote_invalid_request: u32,
        0x0a8 [31:0] req_remote_access_errors: u32,
        0x0ac [31:0] resp_remote_access_errors: u32,
        0x0b0 [31:0] req_remote_operation_errors: u32,
        0x0b4 [31:0] req_transport_retries_exceeded: u32,
        0x0b8 [31:0] cq_overflow: u32,
        0x0bc [31:0] resp_cqe_flush_error: u32,
        0x0c0 [31:0] req_cqe_flush_error: u32,
        0x0c8 [31:0] roce_adp_retrans: u32,
        0x0cc [31:0] roce_adp_retrans_to: u32,
        0x0d0 [31:0] roce_slow_restart: u32,
        0x0d4 [31:0] roce_slow_restart_cnps: u32,
        0x0d8 [31:0] roce_slow_restart_trans: u32,
    }

    /// Input of ALLOC_FLOW_COUNTER (0x939).
    pub struct AllocFlowCounterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [12:8] flow_counter_bulk_log_size: u8,
        0x00c [7:0] flow_counter_bulk: u8,
    }

    /// Output of ALLOC_FLOW_COUNTER (0x939).
    pub struct AllocFlowCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] flow_counter_id: u32,
    }

    /// Input of DEALLOC_FLOW_COUNTER (0x93a).
    pub struct DeallocFlowCounterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] flow_counter_id: u32,
    }

    /// Output of DEALLOC_FLOW_COUNTER (0x93a).
    pub struct DeallocFlowCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_FLOW_COUNTER (0x93b).
    pub struct QueryFlowCounterIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x018 [31:31] clear: bool,
        0x018 [15:0] num_of_counters: u16,
        0x01c [31:0] flow_counter_id: u32,
    }

    /// Output of QUERY_FLOW_COUNTER (0x93b).
    pub struct QueryFlowCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_VPORT_COUNTER (0x770).
    pub struct QueryVportCounterIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [19:16] port_num: u8,
        0x008 [15:0] vport_number: u16,
        0x018 [31:31] clear: bool,
    }

    /// Output of QUERY_VPORT_COUNTER (0x770).
    pub struct QueryVportCounterOut [0x210] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] received_errors: TrafficCounter,
        0x020 [..] transmit_errors: TrafficCounter,
        0x030 [..] received_ib_unicast: TrafficCounter,
        0x040 [..] transmitted_ib_unicast: TrafficCounter,
        0x050 [..] received_ib_multicast: TrafficCounter,
        0x060 [..] transmitted_ib_multicast: TrafficCounter,
        0x070 [..] received_eth_broadcast: TrafficCounter,
        0x080 [..] transmitted_eth_broadcast: TrafficCounter,
        0x090 [..] received_eth_unicast: TrafficCounter,
        0x0a0 [..] transmitted_eth_unicast: TrafficCounter,
        0x0b0 [..] received_eth_multicast: TrafficCounter,
        0x0c0 [..] transmitted_eth_multicast: TrafficCounter,
        0x0d0 [..] local_loopback: TrafficCounter,
    }

    /// Input of QUERY_VNIC_ENV (0x76f).
    pub struct QueryVnicEnvIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_vport: bool,
        0x008 [15:0] vport_number: u16,
    }

    /// Output of QUERY_VNIC_ENV (0x76f).
    pub struct QueryVnicEnvOut [0x210] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] vport_env: VnicDiagnosticStatistics,
    }

    /// What a flow counter, or a class of traffic of a vport, has counted.
    pub struct TrafficCounter [0x10] {
        0x000 [63:0] packets: u64,
        0x008 [63:0] octets: u64,
    }

    /// Diagnostic counters of a vport.
    pub struct VnicDiagnosticStatistics [0x200] {
        0x000 [31:0] counter_error_queues: u32,
        0x004 [31:0] total_error_queues: u32,
        0x008 [31:0] send_queue_priority_update_flow: u32,
        0x010 [63:0] nic_receive_steering_discard: u64,
        0x018 [63:0] receive_discard_vport_down: u64,
        0x020 [63:0] transmit_discard_vport_down: u64,
        0x028 [31:0] async_eq_overrun: u32,
        0x02c [31:0] comp_eq_overrun: u32,
        0x034 [31:0] invalid_command: u32,
        0x038 [31:0] quota_exceeded_command: u32,
        0x03c [31:0] internal_rq_out_of_buffer: u32,
        0x040 [31:0] cq_overrun: u32,
        0x044 [31:0] eth_wqe_too_small: u32,
        0x060 [63:0] generated_pkt_steering_fail: u64,
        0x068 [63:0] handled_pkt_steering_fail: u64,
    }
}

//! Commands of the port: wake-on-LAN, VXLAN ports, packet pacing, monitored counters.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of QUERY_WOL_ROL (0x831).
    pub struct QueryWolRolIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of QUERY_WOL_ROL (0x831).
    pub struct QueryWolRolOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [15:8] rol_mode: u8,
        0x008 [7:0] wol_mode: u8,
    }

    /// Input of SET_WOL_ROL (0x830).
    pub struct SetWolRolIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] rol_mode_valid: bool,
        0x008 [30:30] wol_mode_valid: bool,
        0x008 [15:8] rol_mode: u8,
        0x008 [7:0] wol_mode: u8,
    }

    /// Output of SET_WOL_ROL (0x830).
    pub struct SetWolRolOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of ADD_VXLAN_UDP_DPORT (0x827).
    pub struct AddVxlanUdpDportIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [15:0] vxlan_udp_port: u16,
    }

    /// Output of ADD_VXLAN_UDP_DPORT (0x827).
    pub struct AddVxlanUdpDportOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DELETE_VXLAN_UDP_DPORT (0x828).
    pub struct DeleteVxlanUdpDportIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [15:0] vxlan_udp_port: u16,
    }

    /// Output of DELETE_VXLAN_UDP_DPORT (0x828).
    pub struct DeleteVxlanUdpDportOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of SET_PP_RATE_LIMIT (0x780).
    pub struct SetPpRateLimitIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] rate_limit_index: u16,
        0x010 [..] ctx: SetPpRateLimitContext,
    }

    /// Output of SET_PP_RATE_LIMIT (0x780).
    pub struct SetPpRateLimitOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of SET_MONITOR_COUNTER (0x774).
    pub struct SetMonitorCounterIn [0x48] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] num_of_counters: u16,
        0x010 [..] monitor_counter: [u8; 56],
    }

    /// Output of SET_MONITOR_COUNTER (0x774).
    pub struct SetMonitorCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of ARM_MONITOR_COUNTER (0x775).
    pub struct ArmMonitorCounterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of ARM_MONITOR_COUNTER (0x775).
    pub struct ArmMonitorCounterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// A rate of packet pacing.
    pub struct SetPpRateLimitContext [0x30] {
        0x000 [31:0] rate_limit: u32,
        0x004 [31:0] burst_upper_bound: u32,
        0x008 [15:0] typical_packet_size: u16,
    }

    /// A counter to monitor.
    pub struct MonitorCounterOutput [0x8] {
        0x000 [27:24] type_: u8,
        0x000 [15:0] counter: u16,
        0x004 [31:0] counter_group_id: u32,
    }
}

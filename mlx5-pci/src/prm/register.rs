//! Access registers: feature masks and the link.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of ACCESS_REG (0x805).
    pub struct AccessRegisterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] register_id: u16,
        0x00c [31:0] argument: u32,
    }

    /// Output of ACCESS_REG (0x805).
    pub struct AccessRegisterOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// PCAP: capability mask of the port (Infiniband).
    pub struct PcapReg [0x14] {
        0x000 [23:16] local_port: u8,
        0x004 [..] port_capability_mask: [u8; 16],
    }

    /// PCAM: which port registers there are.
    pub struct PcamReg [0x50] {
        0x000 [23:16] feature_group: u8,
        0x000 [7:0] access_reg_group: u8,
        0x008 [..] regs_5000_to_507f: PcamRegs5000To507f,
        0x028 [..] enhanced_features: PcamEnhancedFeatures,
    }

    /// Features of port registers.
    pub struct PcamEnhancedFeatures [0x10] {
        0x008 [23:23] fec_100g_per_lane_in_pplm: bool,
        0x008 [12:12] buffer_ownership: bool,
        0x00c [23:23] fec_50g_per_lane_in_pplm: bool,
        0x00c [18:18] rx_icrc_encapsulated_counter: bool,
        0x00c [13:13] ptys_extended_ethernet: bool,
        0x00c [9:9] pfcc_mask: bool,
        0x00c [5:5] per_lane_error_counters: bool,
        0x00c [4:4] rx_buffer_fullness_counters: bool,
        0x00c [3:3] ptys_connector_type: bool,
        0x00c [1:1] ppcnt_discard_group: bool,
        0x00c [0:0] ppcnt_statistical_group: bool,
    }

    /// Port registers 0x5000 to 0x507f.
    pub struct PcamRegs5000To507f [0x10] {
        0x000 [31:0] port_access_reg_cap_mask_127_to_96: u32,
        0x004 [31:0] port_access_reg_cap_mask_95_to_64: u32,
        0x008 [31:4] port_access_reg_cap_mask_63_to_36: u32,
        0x008 [3:3] pplm: bool,
        0x008 [2:0] port_access_reg_cap_mask_34_to_32: u8,
        0x00c [31:13] port_access_reg_cap_mask_31_to_13: u32,
        0x00c [12:12] pbmc: bool,
        0x00c [11:11] pptb: bool,
        0x00c [10:9] port_access_reg_cap_mask_10_to_09: u8,
        0x00c [8:8] ppcnt: bool,
        0x00c [7:0] port_access_reg_cap_mask_07_to_00: u8,
    }

    /// MCAM: which management registers there are.
    pub struct McamReg [0x48] {
        0x000 [23:16] feature_group: u8,
        0x000 [7:0] access_reg_group: u8,
        0x008 [..] access_regs: McamAccessReg,
        0x028 [..] enhanced_features: McamEnhancedFeatures,
    }

    /// Features of management registers.
    pub struct McamEnhancedFeatures [0x10] {
        0x008 [15:15] mtutc_freq_adj_units: bool,
        0x008 [14:14] mtutc_time_adjustment_extended_range: bool,
        0x008 [2:2] mcia_32dwords: bool,
        0x008 [1:1] out_pulse_duration_ns: bool,
        0x008 [0:0] npps_period: bool,
        0x00c [21:21] reset_state: bool,
        0x00c [20:20] ptpcyc2realtime_modify: bool,
        0x00c [17:17] pci_status_and_power: bool,
        0x00c [11:11] mark_tx_action_cnp: bool,
        0x00c [10:10] mark_tx_action_cqe: bool,
        0x00c [9:9] dynamic_tx_overflow: bool,
        0x00c [4:4] pcie_outbound_stalled: bool,
        0x00c [3:3] tx_overflow_buffer_pkt: bool,
        0x00c [2:2] mtpps_enh_out_per_adj: bool,
        0x00c [1:1] mtpps_fs: bool,
        0x00c [0:0] pcie_performance_group: bool,
    }

    /// Management registers 0x9000 to 0x907f.
    pub struct McamAccessReg [0x10] {
        0x000 [3:3] mcda: bool,
        0x000 [2:2] mcc: bool,
        0x000 [1:1] mcqi: bool,
        0x000 [0:0] mcqs: bool,
        0x004 [31:26] regs_95_to_90: u8,
        0x004 [25:25] mpir: bool,
        0x004 [24:23] regs_88_to_87: u8,
        0x004 [22:22] mpegc: bool,
        0x004 [21:21] mtutc: bool,
        0x004 [20:4] regs_84_to_68: u32,
        0x004 [3:0] tracer_registers: u8,
        0x008 [31:14] regs_63_to_46: u32,
        0x008 [13:13] mrtc: bool,
        0x008 [12:9] regs_44_to_41: u8,
        0x008 [8:8] mfrl: bool,
        0x008 [7:0] regs_39_to_32: u8,
        0x00c [31:11] regs_31_to_11: u32,
        0x00c [10:10] mtmp: bool,
        0x00c [9:0] regs_9_to_0: u16,
    }

    /// Management registers 0x9080 to 0x90ff.
    pub struct McamAccessRegBits1 [0x10] {
        0x000 [31:0] regs_127_to_96: u32,
        0x004 [31:0] regs_95_to_64: u32,
        0x008 [31:0] regs_63_to_32: u32,
        0x00c [31:0] regs_31_to_0: u32,
    }

    /// Management registers 0x9100 to 0x917f.
    pub struct McamAccessRegBits2 [0x10] {
        0x000 [31:3] regs_127_to_99: u32,
        0x000 [2:2] mirc: bool,
        0x000 [1:0] regs_97_to_96: u8,
        0x004 [31:23] regs_95_to_87: u16,
        0x004 [22:21] synce_registers: u8,
        0x004 [20:0] regs_84_to_64: u32,
        0x008 [31:0] regs_63_to_32: u32,
        0x00c [31:0] regs_31_to_0: u32,
    }

    /// Management registers 0x9180 to 0x91ff.
    pub struct McamAccessRegBits3 [0x10] {
        0x000 [31:0] regs_127_to_96: u32,
        0x004 [31:0] regs_95_to_64: u32,
        0x008 [31:0] regs_63_to_32: u32,
        0x00c [31:2] regs_31_to_2: u32,
        0x00c [1:1] mtctr: bool,
        0x00c [0:0] mtptm: bool,
    }

    /// QCAM: which QoS registers there are.
    pub struct QcamReg [0x48] {
        0x000 [23:16] feature_group: u8,
        0x000 [7:0] access_reg_group: u8,
        0x008 [..] reg_cap: QcamAccessRegCapMask,
        0x028 [..] feature_cap: QcamQosFeatureCapMask,
    }

    /// QoS registers 0x4000 to 0x407f.
    pub struct QcamAccessRegCapMask [0x10] {
        0x000 [31:0] qcam_access_reg_cap_mask_127_to_20_0: u32,
        0x004 [31:0] qcam_access_reg_cap_mask_127_to_20_1: u32,
        0x008 [31:0] qcam_access_reg_cap_mask_127_to_20_2: u32,
        0x00c [31:20] qcam_access_reg_cap_mask_127_to_20_3: u16,
        0x00c [19:19] qpdpm: bool,
        0x00c [18:4] qcam_access_reg_cap_mask_18_to_4: u16,
        0x00c [3:3] qdpm: bool,
        0x00c [2:2] qpts: bool,
        0x00c [1:1] qcap: bool,
        0x00c [0:0] qcam_access_reg_cap_mask_0: bool,
    }

    /// Features of QoS registers.
    pub struct QcamQosFeatureCapMask [0x10] {
        0x000 [31:0] qcam_qos_feature_cap_mask_127_to_1_0: u32,
        0x004 [31:0] qcam_qos_feature_cap_mask_127_to_1_1: u32,
        0x008 [31:0] qcam_qos_feature_cap_mask_127_to_1_2: u32,
        0x00c [31:1] qcam_qos_feature_cap_mask_127_to_1_3: u32,
        0x00c [0:0] qpts_trust_both: bool,
    }

    /// HOST_ENDIANNESS: 0 for little-endian, 0x80 for big-endian.
    pub struct RegisterHostEndianness [0x10] {
        0x000 [31:31] he: bool,
    }

    /// DTOR: how long the driver is to wait for what.
    pub struct DtorReg [0x40] {
        0x004 [..] pcie_toggle_to: DefaultTimeout,
        0x014 [..] health_poll_to: DefaultTimeout,
        0x018 [..] full_crdump_to: DefaultTimeout,
        0x01c [..] fw_reset_to: DefaultTimeout,
        0x020 [..] flush_on_err_to: DefaultTimeout,
        0x024 [..] pci_sync_update_to: DefaultTimeout,
        0x028 [..] tear_down_to: DefaultTimeout,
        0x02c [..] fsm_reactivate_to: DefaultTimeout,
        0x030 [..] reclaim_pages_to: DefaultTimeout,
        0x034 [..] reclaim_vfs_pages_to: DefaultTimeout,
        0x038 [..] reset_unload_to: DefaultTimeout,
    }

    /// A timeout: value and unit.
    pub struct DefaultTimeout [0x4] {
        0x000 [31:29] to_multiplier: u8,
        0x000 [19:0] to_value: u32,
    }
}

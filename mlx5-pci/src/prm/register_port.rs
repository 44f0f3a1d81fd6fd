//! Access registers of the port.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// PMLP: lanes of the port.
    pub struct PmlpReg [0x40] {
        0x000 [31:31] rxtx: bool,
        0x000 [23:16] local_port: u8,
        0x000 [7:0] width: u8,
        0x004 [31:0] lane0_module_mapping: u32,
        0x008 [31:0] lane1_module_mapping: u32,
        0x00c [31:0] lane2_module_mapping: u32,
        0x010 [31:0] lane3_module_mapping: u32,
    }

    /// The module behind a lane.
    pub struct Lane2ModuleMapping [0x4] {
        0x000 [27:24] rx_lane: u8,
        0x000 [19:16] tx_lane: u8,
        0x000 [7:0] module: u8,
    }

    /// PMTU: the MTU of the port.
    pub struct PmtuReg [0x10] {
        0x000 [23:16] local_port: u8,
        0x004 [31:16] max_mtu: u16,
        0x008 [31:16] admin_mtu: u16,
        0x00c [31:16] oper_mtu: u16,
    }

    /// PTYS: link modes of the port.
    pub struct PtysReg [0x40] {
        0x000 [30:30] an_disable_admin: bool,
        0x000 [29:29] an_disable_cap: bool,
        0x000 [23:16] local_port: u8,
        0x000 [7:4] plane_ind: u8,
        0x000 [2:0] proto_mask: u8,
        0x004 [31:28] an_status: u8,
        0x004 [15:0] data_rate_oper: u16,
        0x008 [31:0] ext_eth_proto_capability: u32,
        0x00c [31:0] eth_proto_capability: u32,
        0x010 [31:16] ib_link_width_capability: u16,
        0x010 [15:0] ib_proto_capability: u16,
        0x014 [31:0] ext_eth_proto_admin: u32,
        0x018 [31:0] eth_proto_admin: u32,
        0x01c [31:16] ib_link_width_admin: u16,
        0x01c [15:0] ib_proto_admin: u16,
        0x020 [31:0] ext_eth_proto_oper: u32,
        0x024 [31:0] eth_proto_oper: u32,
        0x028 [31:16] ib_link_width_oper: u16,
        0x028 [15:0] ib_proto_oper: u16,
        0x02c [3:0] connector_type: u8,
        0x030 [31:0] eth_proto_lp_advertise: u32,
    }

    /// PAOS: administrative and operational state of the port.
    pub struct PaosReg [0x10] {
        0x000 [31:24] swid: u8,
        0x000 [23:16] local_port: u8,
        0x000 [11:8] admin_status: u8,
        0x000 [3:0] oper_status: u8,
        0x004 [31:31] ase: bool,
        0x004 [30:30] ee: bool,
        0x004 [1:0] e: u8,
    }

    /// PFCC: flow control of the port.
    pub struct PfccReg [0x20] {
        0x000 [27:26] buf_ownership: u8,
        0x000 [23:16] local_port: u8,
        0x000 [4:4] ppan_mask_n: bool,
        0x000 [3:3] minor_stall_mask: bool,
        0x000 [2:2] critical_stall_mask: bool,
        0x004 [31:28] ppan: u8,
        0x004 [23:16] prio_mask_tx: u8,
        0x004 [7:0] prio_mask_rx: u8,
        0x008 [31:31] pptx: bool,
        0x008 [30:30] aptx: bool,
        0x008 [29:29] pptx_mask_n: bool,
        0x008 [23:16] pfctx: u8,
        0x00c [31:31] pprx: bool,
        0x00c [30:30] aprx: bool,
        0x00c [29:29] pprx_mask_n: bool,
        0x00c [23:16] pfcrx: u8,
        0x010 [31:16] device_stall_minor_watermark: u16,
        0x010 [15:0] device_stall_critical_watermark: u16,
    }

    /// PUDE: a change of the operational state of the port.
    pub struct PudeReg [0x10] {
        0x000 [31:24] swid: u8,
        0x000 [23:16] local_port: u8,
        0x000 [11:8] admin_status: u8,
        0x000 [3:0] oper_status: u8,
    }

    /// PPTB: priorities to buffers.
    pub struct PptbReg [0xc] {
        0x000 [29:28] mm: u8,
        0x000 [23:16] local_port: u8,
        0x000 [9:9] cm: bool,
        0x000 [8:8] um: bool,
        0x000 [7:0] pm: u8,
        0x004 [31:0] prio_x_buff: u32,
        0x008 [31:24] pm_msb: u8,
        0x008 [7:4] ctrl_buff: u8,
        0x008 [3:0] untagged_buff: u8,
    }

    /// PBMC: receive buffers.
    pub struct PbmcReg [0x6c] {
        0x000 [23:16] local_port: u8,
        0x004 [31:16] xoff_timer_value: u16,
        0x004 [15:0] xoff_refresh: u16,
        0x008 [22:16] fullness_threshold: u8,
        0x008 [15:0] port_buffer_size: u16,
        0x00c [..] buffer: [u8; 80],
    }

    /// A receive buffer.
    pub struct BufferxReg [0x8] {
        0x000 [25:25] lossy: bool,
        0x000 [24:24] epsb: bool,
        0x000 [15:0] size: u16,
        0x004 [31:16] xoff_threshold: u16,
        0x004 [15:0] xon_threshold: u16,
    }

    /// PMAOS: state of the module.
    pub struct PmaosReg [0x10] {
        0x000 [23:16] module: u8,
        0x000 [11:8] admin_status: u8,
        0x000 [3:0] oper_status: u8,
        0x004 [31:31] ase: bool,
        0x004 [30:30] ee: bool,
        0x004 [1:0] e: u8,
    }

    /// PPLM: forward error correction.
    pub struct PplmReg [0x50] {
        0x000 [23:16] local_port: u8,
        0x008 [31:24] port_profile_mode: u8,
        0x008 [23:16] static_port_profile: u8,
        0x008 [15:8] active_port_profile: u8,
        0x00c [31:24] retransmission_active: u8,
        0x00c [23:0] fec_mode_active: u32,
        0x010 [31:28] rs_fec_correction_bypass_cap: u8,
        0x010 [19:16] fec_override_cap_56g: u8,
        0x010 [15:12] fec_override_cap_100g: u8,
        0x010 [11:8] fec_override_cap_50g: u8,
        0x010 [7:4] fec_override_cap_25g: u8,
        0x010 [3:0] fec_override_cap_10g_40g: u8,
        0x014 [31:28] rs_fec_correction_bypass_admin: u8,
        0x014 [19:16] fec_override_admin_56g: u8,
        0x014 [15:12] fec_override_admin_100g: u8,
        0x014 [11:8] fec_override_admin_50g: u8,
        0x014 [7:4] fec_override_admin_25g: u8,
        0x014 [3:0] fec_override_admin_10g_40g: u8,
        0x018 [31:16] fec_override_cap_400g_8x: u16,
        0x018 [15:0] fec_override_cap_200g_4x: u16,
        0x01c [31:16] fec_override_cap_100g_2x: u16,
        0x01c [15:0] fec_override_cap_50g_1x: u16,
        0x020 [31:16] fec_override_admin_400g_8x: u16,
        0x020 [15:0] fec_override_admin_200g_4x: u16,
        0x024 [31:16] fec_override_admin_100g_2x: u16,
        0x024 [15:0] fec_override_admin_50g_1x: u16,
        0x028 [31:16] fec_override_cap_800g_8x: u16,
        0x028 [15:0] fec_override_cap_400g_4x: u16,
        0x02c [31:16] fec_override_cap_200g_2x: u16,
        0x02c [15:0] fec_override_cap_100g_1x: u16,
        0x044 [31:16] fec_override_admin_800g_8x: u16,
        0x044 [15:0] fec_override_admin_400g_4x: u16,
        0x048 [31:16] fec_override_admin_200g_2x: u16,
        0x048 [15:0] fec_override_admin_100g_1x: u16,
    }

    /// PDDR: diagnosis of the link.
    pub struct PddrReg [0x100] {
        0x000 [23:16] local_port: u8,
        0x000 [15:14] pnat: u8,
        0x004 [7:0] page_select: u8,
        0x008 [..] page_data: [u8; 248],
    }

    /// PDDR page 1: why the link is down.
    pub struct PddrTroubleshootingPage [0xf8] {
        0x000 [15:0] group_opcode: u16,
        0x004 [..] status_opcode: [u8; 4],
        0x00c [..] status_message: [u8; 236],
    }

    /// SBCAM: which shared-buffer registers there are.
    pub struct SbcamReg [0x4c] {
        0x000 [23:16] feature_group: u8,
        0x000 [7:0] access_reg_group: u8,
        0x008 [..] sb_access_reg_cap_mask: [u8; 16],
        0x028 [..] sb_feature_cap_mask: [u8; 16],
        0x040 [31:0] cap_total_buffer_size: u32,
        0x044 [31:16] cap_cell_size: u16,
        0x044 [15:8] cap_max_pg_buffers: u8,
        0x044 [7:0] cap_num_pool_supported: u8,
        0x048 [23:16] cap_sbsr_stat_size: u8,
        0x048 [15:8] cap_max_tclass_data: u8,
        0x048 [7:0] cap_max_cpu_ingress_tclass_sb: u8,
    }

    /// QPTS: what the priority is taken from, PCP or DSCP.
    pub struct QptsReg [0x8] {
        0x000 [23:16] local_port: u8,
        0x004 [2:0] trust_state: u8,
    }

    /// QPDPM: DSCP to priorities.
    pub struct QpdpmReg [0x84] {
        0x000 [23:16] local_port: u8,
        0x004 [..] dscp: [u8; 128],
    }

    /// The priority of a DSCP.
    pub struct QpdpmDscpReg [0x4] {
        0x000 [31:31] e: bool,
        0x000 [19:16] prio: u8,
    }

    /// QTCT: priorities to traffic classes.
    pub struct QtctReg [0x8] {
        0x000 [23:16] port_number: u8,
        0x000 [2:0] prio: u8,
        0x004 [2:0] tclass: u8,
    }

    /// QETCR: bandwidth of traffic classes.
    pub struct QetcReg [0x50] {
        0x000 [23:16] port_number: u8,
        0x008 [..] tc_configuration: [u8; 64],
        0x048 [..] global_configuration: EtsGlobalConfigReg,
    }

    /// Bandwidth of a traffic class.
    pub struct EtsTcnConfigReg [0x8] {
        0x000 [31:31] g: bool,
        0x000 [30:30] b: bool,
        0x000 [29:29] r: bool,
        0x000 [19:16] group: u8,
        0x000 [6:0] bw_allocation: u8,
        0x004 [19:16] max_bw_units: u8,
        0x004 [7:0] max_bw_value: u8,
    }

    /// Bandwidth of the port.
    pub struct EtsGlobalConfigReg [0x8] {
        0x000 [29:29] r: bool,
        0x004 [19:16] max_bw_units: u8,
        0x004 [7:0] max_bw_value: u8,
    }

    /// PCMR: frame check sequences of the port.
    pub struct PcmrReg [0xc] {
        0x000 [23:16] local_port: u8,
        0x004 [31:31] entropy_force_cap: bool,
        0x004 [30:30] entropy_calc_cap: bool,
        0x004 [29:29] entropy_gre_calc_cap: bool,
        0x004 [13:13] rx_ts_over_crc_cap: bool,
        0x004 [1:1] fcs_cap: bool,
        0x008 [31:31] entropy_force: bool,
        0x008 [30:30] entropy_calc: bool,
        0x008 [29:29] entropy_gre_calc: bool,
        0x008 [13:13] rx_ts_over_crc: bool,
        0x008 [1:1] fcs_chk: bool,
    }

    /// DCBX_PARAM: who negotiates DCBX.
    pub struct DcbxParam [0x40] {
        0x000 [31:31] dcbx_cee_cap: bool,
        0x000 [30:30] dcbx_ieee_cap: bool,
        0x000 [29:29] dcbx_standby_cap: bool,
        0x000 [23:16] port_number: u8,
        0x000 [5:0] max_application_table_size: u8,
        0x004 [10:8] version_oper: u8,
        0x004 [2:0] version_admin: u8,
        0x008 [31:31] willing_admin: bool,
        0x008 [27:24] pfc_cap_oper: u8,
        0x008 [19:16] pfc_cap_admin: u8,
        0x008 [11:8] num_of_tc_oper: u8,
        0x008 [3:0] num_of_tc_admin: u8,
        0x00c [31:31] remote_willing: bool,
        0x00c [27:24] remote_pfc_cap: u8,
        0x00c [3:0] remote_num_of_tc: u8,
        0x010 [7:0] error: u8,
    }

    /// SBPR: a shared-buffer pool.
    pub struct SbprReg [0x18] {
        0x000 [31:31] desc: bool,
        0x000 [30:30] snap: bool,
        0x000 [25:24] dir: u8,
        0x000 [3:0] pool: u8,
        0x004 [31:31] infi_size: bool,
        0x004 [23:0] size: u32,
        0x008 [3:0] mode: u8,
        0x00c [23:0] buff_occupancy: u32,
        0x010 [31:31] clr: bool,
        0x010 [23:0] max_buff_occupancy: u32,
        0x014 [23:0] ext_buff_occupancy: u32,
    }

    /// SBCM: the quota of a class in a shared-buffer pool.
    pub struct SbcmReg [0x28] {
        0x000 [31:31] desc: bool,
        0x000 [30:30] snap: bool,
        0x000 [23:16] local_port: u8,
        0x000 [15:14] pnat: u8,
        0x000 [13:8] pg_buff: u8,
        0x000 [1:0] dir: u8,
        0x004 [0:0] exc: bool,
        0x010 [23:0] buff_occupancy: u32,
        0x014 [31:31] clr: bool,
        0x014 [23:0] max_buff_occupancy: u32,
        0x018 [23:0] min_buff: u32,
        0x01c [31:31] infi_max: bool,
        0x01c [23:0] max_buff: u32,
        0x024 [3:0] pool: u8,
    }

    /// PAMP: monitoring of packets.
    pub struct PampReg [0x2c] {
        0x000 [23:16] opamp_group: u8,
        0x000 [3:0] opamp_group_type: u8,
        0x004 [31:16] start_index: u16,
        0x004 [11:0] num_of_indices: u16,
        0x008 [..] index_data: [u8; 36],
    }

    /// PLIB: local port to Infiniband port.
    pub struct PlibReg [0x10] {
        0x000 [23:16] local_port: u8,
        0x000 [7:0] ib_port: u8,
    }

    /// PMPE: a change of the module.
    pub struct PmpeReg [0x10] {
        0x000 [23:16] module: u8,
        0x000 [3:0] module_status: u8,
    }

    /// PVLC: virtual lanes of the port.
    pub struct PvlcReg [0x10] {
        0x000 [23:16] local_port: u8,
        0x004 [3:0] vl_hw_cap: u8,
        0x008 [3:0] vl_admin: u8,
        0x00c [3:0] vl_operational: u8,
    }
}

//! PPCNT: counters of priorities and of the physical layer.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// PPCNT group 0x10: of a priority.
    pub struct EthPerPrioGrpDataLayout [0xf8] {
        0x000 [31:0] rx_octets_high: u32,
        0x004 [31:0] rx_octets_low: u32,
        0x020 [31:0] rx_frames_high: u32,
        0x024 [31:0] rx_frames_low: u32,
        0x028 [31:0] tx_octets_high: u32,
        0x02c [31:0] tx_octets_low: u32,
        0x048 [31:0] tx_frames_high: u32,
        0x04c [31:0] tx_frames_low: u32,
        0x050 [31:0] rx_pause_high: u32,
        0x054 [31:0] rx_pause_low: u32,
        0x058 [31:0] rx_pause_duration_high: u32,
        0x05c [31:0] rx_pause_duration_low: u32,
        0x060 [31:0] tx_pause_high: u32,
        0x064 [31:0] tx_pause_low: u32,
        0x068 [31:0] tx_pause_duration_high: u32,
        0x06c [31:0] tx_pause_duration_low: u32,
        0x070 [31:0] rx_pause_transition_high: u32,
        0x074 [31:0] rx_pause_transition_low: u32,
        0x078 [31:0] rx_discards_high: u32,
        0x07c [31:0] rx_discards_low: u32,
        0x080 [31:0] device_stall_minor_watermark_cnt_high: u32,
        0x084 [31:0] device_stall_minor_watermark_cnt_low: u32,
        0x088 [31:0] device_stall_critical_watermark_cnt_high: u32,
        0x08c [31:0] device_stall_critical_watermark_cnt_low: u32,
    }

    /// PPCNT group 0x11: of a traffic class.
    pub struct EthPerTcPrioGrpDataLayout [0xf8] {
        0x000 [31:0] transmit_queue_high: u32,
        0x004 [31:0] transmit_queue_low: u32,
        0x008 [31:0] no_buffer_discard_uc_high: u32,
        0x00c [31:0] no_buffer_discard_uc_low: u32,
    }

    /// PPCNT group 0x13: congestion of a traffic class.
    pub struct EthPerTcCongestPrioGrpDataLayout [0xf8] {
        0x000 [31:0] wred_discard_high: u32,
        0x004 [31:0] wred_discard_low: u32,
        0x008 [31:0] ecn_marked_tc_high: u32,
        0x00c [31:0] ecn_marked_tc_low: u32,
    }

    /// PPCNT group 0x12: physical layer.
    pub struct PhysLayerCntrs [0xf8] {
        0x000 [31:0] time_since_last_clear_high: u32,
        0x004 [31:0] time_since_last_clear_low: u32,
        0x008 [31:0] symbol_errors_high: u32,
        0x00c [31:0] symbol_errors_low: u32,
        0x010 [31:0] sync_headers_errors_high: u32,
        0x014 [31:0] sync_headers_errors_low: u32,
        0x018 [31:0] edpl_bip_errors_lane0_high: u32,
        0x01c [31:0] edpl_bip_errors_lane0_low: u32,
        0x020 [31:0] edpl_bip_errors_lane1_high: u32,
        0x024 [31:0] edpl_bip_errors_lane1_low: u32,
        0x028 [31:0] edpl_bip_errors_lane2_high: u32,
        0x02c [31:0] edpl_bip_errors_lane2_low: u32,
        0x030 [31:0] edpl_bip_errors_lane3_high: u32,
        0x034 [31:0] edpl_bip_errors_lane3_low: u32,
        0x038 [31:0] fc_fec_corrected_blocks_lane0_high: u32,
        0x03c [31:0] fc_fec_corrected_blocks_lane0_low: u32,
        0x040 [31:0] fc_fec_corrected_blocks_lane1_high: u32,
        0x044 [31:0] fc_fec_corrected_blocks_lane1_low: u32,
        0x048 [31:0] fc_fec_corrected_blocks_lane2_high: u32,
        0x04c [31:0] fc_fec_corrected_blocks_lane2_low: u32,
        0x050 [31:0] fc_fec_corrected_blocks_lane3_high: u32,
        0x054 [31:0] fc_fec_corrected_blocks_lane3_low: u32,
        0x058 [31:0] fc_fec_uncorrectable_blocks_lane0_high: u32,
        0x05c [31:0] fc_fec_uncorrectable_blocks_lane0_low: u32,
        0x060 [31:0] fc_fec_uncorrectable_blocks_lane1_high: u32,
        0x064 [31:0] fc_fec_uncorrectable_blocks_lane1_low: u32,
        0x068 [31:0] fc_fec_uncorrectable_blocks_lane2_high: u32,
        0x06c [31:0] fc_fec_uncorrectable_blocks_lane2_low: u32,
        0x070 [31:0] fc_fec_uncorrectable_blocks_lane3_high: u32,
        0x074 [31:0] fc_fec_uncorrectable_blocks_lane3_low: u32,
        0x078 [31:0] rs_fec_corrected_blocks_high: u32,
        0x07c [31:0] rs_fec_corrected_blocks_low: u32,
        0x080 [31:0] rs_fec_uncorrectable_blocks_high: u32,
        0x084 [31:0] rs_fec_uncorrectable_blocks_low: u32,
        0x088 [31:0] rs_fec_no_errors_blocks_high: u32,
        0x08c [31:0] rs_fec_no_errors_blocks_low: u32,
        0x090 [31:0] rs_fec_single_error_blocks_high: u32,
        0x094 [31:0] rs_fec_single_error_blocks_low: u32,
        0x098 [31:0] rs_fec_corrected_symbols_total_high: u32,
        0x09c [31:0] rs_fec_corrected_symbols_total_low: u32,
        0x0a0 [31:0] rs_fec_corrected_symbols_lane0_high: u32,
        0x0a4 [31:0] rs_fec_corrected_symbols_lane0_low: u32,
        0x0a8 [31:0] rs_fec_corrected_symbols_lane1_high: u32,
        0x0ac [31:0] rs_fec_corrected_symbols_lane1_low: u32,
        0x0b0 [31:0] rs_fec_corrected_symbols_lane2_high: u32,
        0x0b4 [31:0] rs_fec_corrected_symbols_lane2_low: u32,
        0x0b8 [31:0] rs_fec_corrected_symbols_lane3_high: u32,
        0x0bc [31:0] rs_fec_corrected_symbols_lane3_low: u32,
        0x0c0 [31:0] link_down_events: u32,
        0x0c4 [31:0] successful_recovery_events: u32,
    }

    /// PPCNT group 0x16: statistics of the physical layer.
    pub struct PhysLayerStatisticalCntrs [0xf8] {
        0x000 [31:0] time_since_last_clear_high: u32,
        0x004 [31:0] time_since_last_clear_low: u32,
        0x008 [31:0] phy_received_bits_high: u32,
        0x00c [31:0] phy_received_bits_low: u32,
        0x010 [31:0] phy_symbol_errors_high: u32,
        0x014 [31:0] phy_symbol_errors_low: u32,
        0x018 [31:0] phy_corrected_bits_high: u32,
        0x01c [31:0] phy_corrected_bits_low: u32,
        0x020 [31:0] phy_corrected_bits_lane0_high: u32,
        0x024 [31:0] phy_corrected_bits_lane0_low: u32,
        0x028 [31:0] phy_corrected_bits_lane1_high: u32,
        0x02c [31:0] phy_corrected_bits_lane1_low: u32,
        0x030 [31:0] phy_corrected_bits_lane2_high: u32,
        0x034 [31:0] phy_corrected_bits_lane2_low: u32,
        0x038 [31:0] phy_corrected_bits_lane3_high: u32,
        0x03c [31:0] phy_corrected_bits_lane3_low: u32,
    }
}

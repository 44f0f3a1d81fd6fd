//! Access registers of the device.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// MTCAP: which temperature sensors there are.
    pub struct MtcapReg [0x10] {
        0x000 [6:0] sensor_count: u8,
        0x008 [63:0] sensor_map: u64,
    }

    /// MTMP: a temperature sensor.
    pub struct MtmpReg [0x20] {
        0x000 [11:0] sensor_index: u16,
        0x004 [15:0] temperature: u16,
        0x008 [31:31] mte: bool,
        0x008 [30:30] mtr: bool,
        0x008 [15:0] max_temperature: u16,
        0x00c [31:30] tee: u8,
        0x00c [15:0] temp_threshold_hi: u16,
        0x010 [15:0] temp_threshold_lo: u16,
        0x018 [31:0] sensor_name_hi: u32,
        0x01c [31:0] sensor_name_lo: u32,
    }

    /// MCIA: the EEPROM of the cable module. Linux 6.1 gives the first 64 bytes.
    pub struct MciaReg [0x90] {
        0x000 [31:31] l: bool,
        0x000 [23:16] module: u8,
        0x000 [7:0] status: u8,
        0x004 [31:24] i2c_device_address: u8,
        0x004 [23:16] page_number: u8,
        0x004 [15:0] device_address: u16,
        0x008 [15:0] size: u16,
        0x010 [..] dwords: [u8; 128],
    }

    /// MFRL: reset levels of the firmware.
    pub struct MfrlReg [0x8] {
        0x004 [29:29] pci_sync_for_fw_update_start: bool,
        0x004 [28:27] pci_sync_for_fw_update_resp: u8,
        0x004 [26:24] rst_type_sel: u8,
        0x004 [23:21] pci_reset_req_method: u8,
        0x004 [19:16] reset_state: u8,
        0x004 [15:8] reset_type: u8,
        0x004 [7:0] reset_level: u8,
    }

    /// MPEIN: the PCIe link.
    pub struct MpeinReg [0x30] {
        0x000 [29:24] depth: u8,
        0x000 [23:16] pcie_index: u8,
        0x000 [15:8] node: u8,
        0x004 [31:0] capability_mask: u32,
        0x008 [23:16] link_width_enabled: u8,
        0x008 [15:0] link_speed_enabled: u16,
        0x00c [31:24] lane0_physical_position: u8,
        0x00c [23:16] link_width_active: u8,
        0x00c [15:0] link_speed_active: u16,
        0x010 [31:16] num_of_pfs: u16,
        0x010 [15:0] num_of_vfs: u16,
        0x014 [31:16] bdf0: u16,
        0x018 [31:28] max_read_request_size: u8,
        0x018 [27:24] max_payload_size: u8,
        0x018 [18:16] pwr_status: u8,
        0x018 [15:12] port_type: u8,
        0x018 [0:0] lane_reversal: bool,
        0x01c [11:0] pci_power: u16,
        0x024 [31:16] device_status: u16,
        0x024 [15:8] port_state: u8,
        0x028 [15:0] receiver_detect_result: u16,
    }

    /// MPCNT: a group of PCIe counters.
    pub struct MpcntReg [0x100] {
        0x000 [23:16] pcie_index: u8,
        0x000 [5:0] grp: u8,
        0x004 [31:31] clr: bool,
        0x008 [..] counter_set: [u8; 248],
    }

    /// MPCNT group 0x0: PCIe performance.
    pub struct PciePerfCntrsGrpDataLayout [0xf8] {
        0x000 [31:0] life_time_counter_high: u32,
        0x004 [31:0] life_time_counter_low: u32,
        0x008 [31:0] rx_errors: u32,
        0x00c [31:0] tx_errors: u32,
        0x010 [31:0] l0_to_recovery_eieos: u32,
        0x014 [31:0] l0_to_recovery_ts: u32,
        0x018 [31:0] l0_to_recovery_framing: u32,
        0x01c [31:0] l0_to_recovery_retrain: u32,
        0x020 [31:0] crc_error_dllp: u32,
        0x024 [31:0] crc_error_tlp: u32,
        0x028 [31:0] tx_overflow_buffer_pkt_high: u32,
        0x02c [31:0] tx_overflow_buffer_pkt_low: u32,
        0x030 [31:0] outbound_stalled_reads: u32,
        0x034 [31:0] outbound_stalled_writes: u32,
        0x038 [31:0] outbound_stalled_reads_events: u32,
        0x03c [31:0] outbound_stalled_writes_events: u32,
    }

    /// MTPPS: a pulse-per-second pin.
    pub struct MtppsReg [0x3c] {
        0x000 [19:16] cap_number_of_pps_pins: u8,
        0x000 [11:8] cap_max_num_of_pps_in_pins: u8,
        0x000 [3:0] cap_max_num_of_pps_out_pins: u8,
        0x004 [12:8] cap_log_min_npps_period: u8,
        0x004 [4:0] cap_log_min_out_pulse_duration_ns: u8,
        0x008 [27:24] cap_pin_3_mode: u8,
        0x008 [19:16] cap_pin_2_mode: u8,
        0x008 [11:8] cap_pin_1_mode: u8,
        0x008 [3:0] cap_pin_0_mode: u8,
        0x00c [27:24] cap_pin_7_mode: u8,
        0x00c [19:16] cap_pin_6_mode: u8,
        0x00c [11:8] cap_pin_5_mode: u8,
        0x00c [3:0] cap_pin_4_mode: u8,
        0x010 [31:0] field_select: u32,
        0x018 [63:0] npps_period: u64,
        0x020 [31:31] enable: bool,
        0x020 [19:16] pattern: u8,
        0x020 [11:8] pin_mode: u8,
        0x020 [7:0] pin: u8,
        0x024 [29:0] out_pulse_duration_ns: u32,
        0x028 [63:0] time_stamp: u64,
        0x030 [31:16] out_pulse_duration: u16,
        0x030 [15:0] out_periodic_adjustment: u16,
        0x034 [31:0] enhanced_out_periodic_adjustment: u32,
    }

    /// MTPPSE: events of a pulse-per-second pin.
    pub struct MtppseReg [0x10] {
        0x000 [7:0] pin: u8,
        0x004 [31:31] event_arm: bool,
        0x004 [3:0] event_generation_mode: u8,
    }

    /// MTUTC: sets or slews the real-time clock.
    pub struct MtutcReg [0x1c] {
        0x000 [26:24] freq_adj_units: u8,
        0x000 [20:16] log_max_freq_adjustment: u8,
        0x000 [3:0] operation: u8,
        0x004 [31:0] freq_adjustment: u32,
        0x010 [31:0] utc_sec: u32,
        0x014 [29:0] utc_nsec: u32,
        0x018 [31:0] time_adjustment: u32,
    }

    /// MCQI: a piece of information on a component of the firmware.
    pub struct McqiReg [0x18] {
        0x000 [31:31] read_pending_component: bool,
        0x000 [15:0] component_index: u16,
        0x008 [4:0] info_type: u8,
        0x00c [31:0] info_size: u32,
        0x010 [31:0] offset: u32,
        0x014 [15:0] data_size: u16,
    }

    /// Capabilities of a component of the firmware.
    pub struct McqiCap [0x14] {
        0x000 [31:0] supported_info_bitmask: u32,
        0x004 [31:0] component_size: u32,
        0x008 [31:0] max_component_size: u32,
        0x00c [31:28] log_mcda_word_size: u8,
        0x00c [15:0] mcda_max_write_size: u16,
        0x010 [31:31] rd_en: bool,
        0x010 [29:29] match_chip_id: bool,
        0x010 [28:28] match_psid: bool,
        0x010 [27:27] check_user_timestamp: bool,
        0x010 [26:26] match_base_guid_mac: bool,
    }

    /// Version of a component of the firmware.
    pub struct McqiVersion [0x7c] {
        0x000 [29:29] build_time_valid: bool,
        0x000 [28:28] user_defined_time_valid: bool,
        0x000 [7:0] version_string_length: u8,
        0x004 [31:0] version: u32,
        0x008 [63:0] build_time: u64,
        0x010 [63:0] user_defined_time: u64,
        0x018 [31:0] build_tool_version: u32,
        0x020 [..] version_string: [u8; 92],
    }

    /// MCQS: status of a component of the firmware.
    pub struct McqsReg [0x10] {
        0x000 [31:31] last_index_flag: bool,
        0x000 [23:16] fw_device: u8,
        0x000 [15:0] component_index: u16,
        0x004 [15:0] identifier: u16,
        0x008 [8:4] component_status: u8,
        0x008 [3:0] component_update_state: u8,
        0x00c [31:28] last_update_state_changer_type: u8,
        0x00c [27:24] last_update_state_changer_host_id: u8,
    }

    /// MCC: control of a firmware update.
    pub struct MccReg [0x20] {
        0x000 [27:16] time_elapsed_since_last_cmd: u16,
        0x000 [7:0] instruction: u8,
        0x004 [15:0] component_index: u16,
        0x008 [23:0] update_handle: u32,
        0x00c [31:28] handle_owner_type: u8,
        0x00c [27:24] handle_owner_host_id: u8,
        0x00c [22:16] control_progress: u8,
        0x00c [15:8] error_code: u8,
        0x00c [3:0] control_state: u8,
        0x010 [31:0] component_size: u32,
    }

    /// MCDA: data of a firmware update.
    pub struct McdaReg [0x10] {
        0x000 [23:0] update_handle: u32,
        0x004 [31:0] offset: u32,
        0x008 [15:0] size: u16,
    }

    /// MIRC: re-activation of the firmware image.
    pub struct MircReg [0x8] {
        0x000 [7:0] status_code: u8,
    }

    /// MPIR: the PCIe function of the port.
    pub struct MpirReg [0x10] {
        0x000 [31:31] sdm: bool,
        0x000 [3:0] host_buses: u8,
        0x008 [31:24] local_port: u8,
    }

    /// MRTC: the real-time clock.
    pub struct MrtcReg [0x10] {
        0x000 [31:31] time_synced: bool,
        0x008 [31:0] time_h: u32,
        0x00c [31:0] time_l: u32,
    }

    /// MTRC_CAP: what the firmware tracer can do.
    pub struct MtrcCap [0x80] {
        0x000 [31:31] trace_owner: bool,
        0x000 [30:30] trace_to_memory: bool,
        0x000 [25:24] trc_ver: u8,
        0x000 [3:0] num_string_db: u8,
        0x004 [31:24] first_string_trace: u8,
        0x004 [23:16] num_string_trace: u8,
        0x008 [7:0] log_max_trace_buffer_size: u8,
        0x010 [..] string_db_param: [u8; 64],
    }

    /// MTRC_CTRL: control of the firmware tracer.
    pub struct MtrcCtrl [0x40] {
        0x000 [31:30] trace_status: u8,
        0x000 [27:27] arm_event: bool,
        0x000 [15:0] modify_field_select: u16,
        0x008 [20:0] current_timestamp52_32: u32,
        0x00c [31:0] current_timestamp31_0: u32,
    }

    /// MTPTM: PCIe precision time measurement.
    pub struct MtptmReg [0x10] {
        0x000 [15:15] psta: bool,
    }

    /// MTCTR: two clocks read at once.
    pub struct MtctrReg [0x18] {
        0x000 [31:24] first_clock_timestamp_request: u8,
        0x000 [23:16] second_clock_timestamp_request: u8,
        0x004 [31:31] first_clock_valid: bool,
        0x004 [30:30] second_clock_valid: bool,
        0x008 [63:0] first_clock_timestamp: u64,
        0x010 [63:0] second_clock_timestamp: u64,
    }

    /// MLCR: the beacon LED.
    pub struct MlcrReg [0xc] {
        0x000 [23:16] local_port: u8,
        0x004 [15:0] beacon_duration: u16,
        0x008 [15:0] beacon_remain: u16,
    }
}

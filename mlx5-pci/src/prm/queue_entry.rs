//! Entries that the device writes: EQEs with their event data, and CQEs.

use crate::{codes, prm};

prm! {
    /// Event queue entry.
    pub struct Eqe [0x40] {
        0x00 [23:16] type_: u8,
        0x00 [7:0] sub_type: u8,
        0x20 [..] data: [u8; 28],
        0x3c [15:8] signature: u8,
        0x3c [0:0] owner: bool,
    }

    /// Event data of COMP.
    pub struct EqeComp [0x1c] {
        0x18 [23:0] cqn: u32,
    }

    /// Event data of CMD: a bit per slot.
    pub struct EqeCmd [0x1c] {
        0x00 [31:0] vector: u32,
    }

    /// Event data of PAGE_REQUEST; the number is negative when pages are offered back.
    pub struct EqePageReq [0x1c] {
        0x00 [31:31] embedded_cpu_function: bool,
        0x00 [30:30] release_all_pages: bool,
        0x00 [15:0] func_id: u16,
        0x04 [31:0] num_pages: u32,
    }

    /// Event data of PORT_CHANGE.
    pub struct EqePortState [0x1c] {
        0x08 [31:28] port: u8,
    }

    /// Event data of CQ_ERROR.
    pub struct EqeCqErr [0x1c] {
        0x00 [23:0] cqn: u32,
        0x08 [7:0] syndrome: u8,
    }

    /// Event data of errors and state changes of queues.
    pub struct EqeQpSrq [0x1c] {
        0x14 [31:24] type_: u8,
        0x18 [23:0] qp_srq_n: u32,
    }

    /// Event data of NIC_VPORT_CHANGE.
    pub struct EqeVportChange [0x1c] {
        0x00 [15:0] vport_num: u16,
    }

    /// Event data of PORT_MODULE.
    pub struct EqePortModule [0x1c] {
        0x00 [23:16] module: u8,
        0x00 [3:0] module_status: u8,
        0x04 [11:8] error_type: u8,
    }

    /// Event data of GPIO.
    pub struct EqeGpio [0x1c] {
        0x08 [63:0] gpio_event: u64,
    }

    /// Event data of PPS.
    pub struct EqePps [0x1c] {
        0x00 [7:0] pin: u8,
        0x08 [63:0] time_stamp: u64,
    }

    /// Event data of TEMP_WARN: a bit per sensor.
    pub struct EqeTempWarning [0x1c] {
        0x00 [63:0] sensor_warning_msb: u64,
        0x08 [63:0] sensor_warning_lsb: u64,
    }

    /// Event data of OBJECT_CHANGE.
    pub struct EqeObjChange [0x1c] {
        0x00 [15:0] obj_type: u16,
        0x04 [31:0] obj_id: u32,
    }

    /// Completion queue entry.
    pub struct Cqe64 [0x40] {
        0x00 [24:24] outer_l3_tunneled: bool,
        0x00 [15:0] wqe_id: u16,
        0x04 [31:24] lro_tcppsh_abort_dupack: u8,
        0x04 [23:16] lro_min_ttl: u8,
        0x04 [15:0] lro_tcp_win: u16,
        0x08 [31:0] lro_ack_seq_num: u32,
        0x0c [31:0] rss_hash_result: u32,
        0x10 [31:24] rss_hash_type: u8,
        0x10 [23:16] ml_path: u8,
        0x14 [31:16] check_sum: u16,
        0x14 [15:0] slid: u16,
        0x18 [31:0] flags_rqpn: u32,
        0x1c [31:24] hds_ip_ext: u8,
        0x1c [23:16] l4_l3_hdr_type: u8,
        0x1c [15:0] vlan_info: u16,
        /// 31:24 segments of LRO.
        0x20 [31:0] srqn: u32,
        0x24 [31:0] ft_metadata: u32,
        0x2c [31:0] byte_cnt: u32,
        0x30 [63:0] timestamp: u64,
        0x38 [31:24] send_wqe_opcode: u8,
        /// The flow tag on receive, the SQ number on send.
        0x38 [23:0] sop_drop_qpn: u32,
        0x3c [31:16] wqe_counter: u16,
        0x3c [15:8] signature: u8,
        0x3c [7:4] opcode: u8,
        0x3c [3:2] format: u8,
        0x3c [1:1] solicited: bool,
        0x3c [0:0] owner: bool,
    }

    /// Completion queue entry of an error.
    pub struct ErrCqe [0x40] {
        0x20 [31:0] srqn: u32,
        0x34 [15:8] vendor_err_synd: u8,
        0x34 [7:0] syndrome: u8,
        0x38 [31:24] s_wqe_opcode: u8,
        0x38 [23:0] qpn: u32,
        0x3c [31:16] wqe_counter: u16,
        0x3c [15:8] signature: u8,
        0x3c [7:4] opcode: u8,
        0x3c [3:2] format: u8,
        0x3c [1:1] solicited: bool,
        0x3c [0:0] owner: bool,
    }

    /// One of eight in a compressed CQE; the first dword depends on the format.
    pub struct MiniCqe8 [0x8] {
        0x00 [31:0] rx_hash_result: u32,
        0x04 [31:0] byte_cnt: u32,
    }

    /// A mini CQE whose first dword holds checksum and stride index.
    pub struct MiniCqe8Checksum [0x8] {
        0x00 [31:16] checksum: u16,
        0x00 [15:0] stridx: u16,
        0x04 [31:0] byte_cnt: u32,
    }

    /// A mini CQE of sends.
    pub struct MiniCqe8Send [0x8] {
        0x00 [31:16] wqe_counter: u16,
        0x00 [15:8] s_wqe_opcode: u8,
        0x04 [31:0] byte_cnt: u32,
    }
}

codes! {
    /// Types of events.
    pub enum EventType: u8 {
        COMP = 0x00,
        PATH_MIG = 0x01,
        COMM_EST = 0x02,
        SQ_DRAINED = 0x03,
        CQ_ERROR = 0x04,
        WQ_CATAS_ERROR = 0x05,
        PATH_MIG_FAILED = 0x07,
        INTERNAL_ERROR = 0x08,
        PORT_CHANGE = 0x09,
        CMD = 0x0a,
        PAGE_REQUEST = 0x0b,
        PAGE_FAULT = 0x0c,
        NIC_VPORT_CHANGE = 0x0d,
        ESW_FUNCTIONS_CHANGED = 0x0e,
        VHCA_STATE_CHANGE = 0x0f,
        WQ_INVAL_REQ_ERROR = 0x10,
        WQ_ACCESS_ERROR = 0x11,
        SRQ_CATAS_ERROR = 0x12,
        SRQ_LAST_WQE = 0x13,
        SRQ_RQ_LIMIT = 0x14,
        GPIO = 0x15,
        PORT_MODULE = 0x16,
        TEMP_WARN = 0x17,
        XRQ_ERROR = 0x18,
        REMOTE_CONFIG = 0x19,
        DB_BF_CONGESTION = 0x1a,
        STALL = 0x1b,
        DCT_DRAINED = 0x1c,
        DCT_KEY_VIOLATION = 0x1d,
        FPGA_ERROR = 0x20,
        FPGA_QP_ERROR = 0x21,
        GENERAL = 0x22,
        MONITOR_COUNTER = 0x24,
        PPS = 0x25,
        DEVICE_TRACER = 0x26,
        OBJECT_CHANGE = 0x27,
    }
}

codes! {
    /// Opcodes of CQEs.
    pub enum CqeOpcode: u8 {
        REQ = 0x0,
        RESP_WR_IMM = 0x1,
        RESP_SEND = 0x2,
        RESP_SEND_IMM = 0x3,
        RESP_SEND_INV = 0x4,
        RESIZE_CQ = 0x5,
        SIG_ERR = 0xc,
        REQ_ERR = 0xd,
        RESP_ERR = 0xe,
        INVALID = 0xf,
    }
}

codes! {
    /// Syndromes of error CQEs.
    pub enum CqeSyndrome: u8 {
        LOCAL_LENGTH = 0x01,
        LOCAL_QP_OP = 0x02,
        LOCAL_PROT = 0x04,
        WR_FLUSH = 0x05,
        MW_BIND = 0x06,
        BAD_RESP = 0x10,
        LOCAL_ACCESS = 0x11,
        REMOTE_INVAL_REQ = 0x12,
        REMOTE_ACCESS = 0x13,
        REMOTE_OP = 0x14,
        TRANSPORT_RETRY = 0x15,
        RNR_RETRY = 0x16,
        REMOTE_ABORTED = 0x22,
    }
}

codes! {
    /// Subtypes of PORT_CHANGE.
    pub enum PortChange: u8 {
        DOWN = 0x1,
        ACTIVE = 0x4,
        INITIALIZED = 0x5,
        LID = 0x6,
        PKEY = 0x7,
        GUID = 0x8,
        CLIENT_REREG = 0x9,
    }
}

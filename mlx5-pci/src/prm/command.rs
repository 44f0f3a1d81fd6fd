//! The initialization segment, the command queue's entries and mailboxes, and the statuses of commands.

use crate::{codes, prm};

prm! {
    /// The initialization segment at the start of BAR 0. Registers behind 0x200c do not exist.
    pub struct InitSeg [0x2010] {
        0x0000 [31:16] fw_rev_minor: u16,
        0x0000 [15:0] fw_rev_major: u16,
        0x0004 [31:16] cmd_interface_rev: u16,
        0x0004 [15:0] fw_rev_subminor: u16,
        0x0010 [31:0] cmdq_addr_h: u32,
        0x0014 [31:12] cmdq_addr_l: u32,
        0x0014 [10:8] nic_interface: u8,
        0x0014 [7:4] log_cmdq_size: u8,
        0x0014 [3:0] log_cmdq_stride: u8,
        0x0018 [31:0] command_doorbell_vector: u32,
        0x01fc [31:31] initializing: bool,
        0x01fc [26:24] nic_interface_supported: u8,
        0x01fc [23:23] embedded_cpu: bool,
        0x0200 [..] health_buffer: HealthBuffer,
        0x0ff8 [31:29] cmd_exec_to_multiplier: u8,
        0x0ff8 [19:0] cmd_exec_to: u32,
        0x0ffc [31:29] cmd_q_init_to_multiplier: u8,
        0x0ffc [19:0] cmd_q_init_to: u32,
        0x1000 [63:0] internal_timer: u64,
        0x1010 [31:24] health_syndrome: u8,
        0x1010 [23:0] health_counter: u32,
        0x1040 [63:0] real_time: u64,
        0x2000 [63:0] ieee1588_clk: u64,
        0x2008 [31:0] ieee1588_clk_type: u32,
        0x200c [0:0] clr_intx: bool,
    }

    /// What the firmware says when it is not well.
    pub struct HealthBuffer [0x40] {
        0x00 [..] assert_var: [u8; 24],
        0x20 [31:0] assert_exit_ptr: u32,
        0x24 [31:0] assert_callra: u32,
        0x2c [31:0] time: u32,
        0x30 [31:0] fw_ver: u32,
        0x34 [31:0] hw_id: u32,
        0x38 [31:31] rfr: bool,
        0x38 [27:27] valid: bool,
        0x38 [26:24] severity: u8,
        0x3c [31:24] irisc_index: u8,
        0x3c [23:16] synd: u8,
        0x3c [15:0] ext_synd: u16,
    }

    /// An entry of the command queue.
    pub struct CmdLayout [0x40] {
        0x00 [31:24] type_: u8,
        0x04 [31:0] inlen: u32,
        0x08 [63:0] in_ptr: u64,
        0x10 [..] input: [u8; 16],
        0x20 [..] output: [u8; 16],
        0x30 [63:0] out_ptr: u64,
        0x38 [31:0] outlen: u32,
        0x3c [31:24] token: u8,
        0x3c [23:16] sig: u8,
        0x3c [7:1] delivery_status: u8,
        /// The device owns the entry.
        0x3c [0:0] owner: bool,
    }

    /// A mailbox: 512 bytes of a command's input or output.
    pub struct CmdProtBlock [0x240] {
        0x000 [..] data: [u8; 512],
        0x230 [63:0] next: u64,
        0x238 [31:0] block_num: u32,
        0x23c [23:16] token: u8,
        0x23c [15:8] ctrl_sig: u8,
        0x23c [7:0] sig: u8,
    }
}

codes! {
    /// How a command that was delivered has ended; the first byte of its output.
    pub enum CmdStatus: u8 {
        OK = 0x0,
        INT_ERR = 0x1,
        BAD_OP = 0x2,
        BAD_PARAM = 0x3,
        BAD_SYS_STATE = 0x4,
        BAD_RES = 0x5,
        RES_BUSY = 0x6,
        NOT_READY = 0x7,
        LIM_ERR = 0x8,
        BAD_RES_STATE = 0x9,
        BAD_INDEX = 0xa,
        NO_RES = 0xf,
        BAD_QP_STATE = 0x10,
        BAD_PKT = 0x30,
        BAD_SIZE_OUTS_CQES = 0x40,
        BAD_INP_LEN = 0x50,
        BAD_OUTP_LEN = 0x51,
    }
}

codes! {
    /// Whether a command was delivered; bits 7:1 of the entry's last byte.
    pub enum DeliveryStatus: u8 {
        OK = 0x0,
        SIGNATURE_ERROR = 0x1,
        TOKEN_ERROR = 0x2,
        BAD_BLOCK_NUMBER = 0x3,
        BAD_OUTPUT_POINTER = 0x4,
        BAD_INPUT_POINTER = 0x5,
        INTERNAL = 0x6,
        INPUT_LENGTH = 0x7,
        OUTPUT_LENGTH = 0x8,
        RESERVED_NOT_ZERO = 0x9,
        BAD_COMMAND_TYPE = 0x10,
    }
}

codes! {
    /// What ails the firmware: the health buffer's `synd`; 0 is nothing.
    pub enum HealthSyndrome: u8 {
        FW_INTERNAL_ERR = 0x01,
        DEAD_IRISC = 0x07,
        HW_FATAL_ERR = 0x08,
        FW_CRC_ERR = 0x09,
        ICM_FETCH_PCI_ERR = 0x0a,
        ICM_PAGE_ERR = 0x0b,
        ASYNCHRONOUS_EQ_BUF_OVERRUN = 0x0c,
        EQ_IN_ERR = 0x0d,
        EQ_INV = 0x0e,
        FFSER_ERR = 0x0f,
        HIGH_TEMP_ERR = 0x10,
        ICM_PCI_POISONED_ERR = 0x12,
        TRUST_LOCKDOWN_ERR = 0x13,
    }
}

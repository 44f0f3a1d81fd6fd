//! Segments of work queue entries, which the driver writes.

use crate::{codes, prm};

prm! {
    /// Control segment: the first 16 bytes of every send WQE.
    pub struct WqeCtrlSeg [0x10] {
        0x00 [31:24] opmod: u8,
        0x00 [23:8] wqe_index: u16,
        0x00 [7:0] opcode: u8,
        0x04 [31:8] qpn: u32,
        /// Size in units of 16 bytes.
        0x04 [5:0] ds: u8,
        0x08 [31:24] signature: u8,
        0x08 [7:5] fence: u8,
        0x08 [3:2] ce: u8,
        0x08 [1:1] se: bool,
        /// Memory key of a UMR, object number of an ASO access, TIS of TLS; else 0.
        0x0c [31:0] imm: u32,
    }

    /// Ethernet segment.
    pub struct WqeEthSeg [0x10] {
        0x00 [31:24] swp_outer_l4_offset: u8,
        0x00 [23:16] swp_outer_l3_offset: u8,
        0x00 [15:8] swp_inner_l4_offset: u8,
        0x00 [7:0] swp_inner_l3_offset: u8,
        0x04 [31:31] l4_csum: bool,
        0x04 [30:30] l3_csum: bool,
        0x04 [29:29] l4_inner_csum: bool,
        0x04 [28:28] l3_inner_csum: bool,
        0x04 [21:21] swp_outer_l4_udp: bool,
        0x04 [20:20] swp_outer_l3_v6: bool,
        0x04 [17:17] swp_inner_l4_udp: bool,
        0x04 [16:16] swp_inner_l3_v6: bool,
        0x04 [15:0] mss: u16,
        0x08 [31:0] flow_table_metadata: u32,
        /// 15: insert a VLAN tag; 9:0: size of inline headers when it is not set.
        0x0c [31:16] inline_hdr_sz: u16,
        /// First two bytes of inline headers, or the VLAN TCI.
        0x0c [15:0] inline_hdr_start: u16,
    }

    /// Data segment: of a send WQE, and what receive WQEs consist of.
    pub struct WqeDataSeg [0x10] {
        0x00 [31:31] inline_or_pad: bool,
        0x00 [30:0] byte_count: u32,
        0x04 [31:0] lkey: u32,
        0x08 [63:0] addr: u64,
    }

    /// Head of inline data in place of a data segment; bit 31 is set.
    pub struct WqeInlineSeg [0x4] {
        0x00 [31:31] inline: bool,
        0x00 [30:0] byte_count: u32,
    }

    /// Control segment of ACCESS_ASO.
    pub struct WqeAsoCtrlSeg [0x30] {
        0x00 [31:0] va_h: u32,
        0x04 [31:6] va_l: u32,
        0x04 [0:0] read_en: bool,
        0x08 [31:0] l_key: u32,
        0x0c [31:30] data_mask_mode: u8,
        0x0c [23:20] condition_0_operand: u8,
        0x0c [19:16] condition_1_operand: u8,
        0x0c [15:12] condition_0_offset: u8,
        0x0c [11:8] condition_1_offset: u8,
        0x0c [7:6] condition_operand: u8,
        0x0c [5:0] data_offset: u8,
        0x10 [31:0] condition_0_data: u32,
        0x14 [31:0] condition_0_mask: u32,
        0x18 [31:0] condition_1_data: u32,
        0x1c [31:0] condition_1_mask: u32,
        0x20 [63:0] bitwise_data: u64,
        0x28 [63:0] data_mask: u64,
    }

    /// Control segment of a UMR.
    pub struct WqeUmrCtrlSeg [0x30] {
        0x00 [31:24] flags: u8,
        /// Octwords of translations that follow inline or are pointed to.
        0x04 [31:16] xlt_octowords: u16,
        /// With `TRANSLATION_OFFSET_EN`: the first octword to change.
        0x04 [15:0] xlt_offset: u16,
        0x08 [63:0] mkey_mask: u64,
        0x10 [31:0] xlt_offset_47_16: u32,
    }

    /// An indirect entry of a memory key: a range of another one.
    pub struct Klm [0x10] {
        0x00 [31:0] byte_count: u32,
        0x04 [31:0] key: u32,
        0x08 [63:0] va: u64,
    }

    /// An indirect entry of a memory key whose entries have one size.
    pub struct Ksm [0x10] {
        0x04 [31:0] key: u32,
        0x08 [63:0] va: u64,
    }

    /// A page of a memory key.
    pub struct Mtt [0x8] {
        0x00 [31:0] ptag_h: u32,
        0x04 [31:8] ptag_l: u32,
        0x04 [1:1] wr_en: bool,
        0x04 [0:0] rd_en: bool,
    }
}

codes! {
    /// Opcodes of send WQEs.
    pub enum WqeOpcode: u8 {
        NOP = 0x00,
        SEND_INVAL = 0x01,
        RDMA_WRITE = 0x08,
        RDMA_WRITE_IMM = 0x09,
        SEND = 0x0a,
        SEND_IMM = 0x0b,
        LSO = 0x0e,
        RDMA_READ = 0x10,
        ATOMIC_CS = 0x11,
        ATOMIC_FA = 0x12,
        ATOMIC_MASKED_CS = 0x14,
        ATOMIC_MASKED_FA = 0x15,
        BIND_MW = 0x18,
        CONFIG_CMD = 0x1f,
        SET_PSV = 0x20,
        GET_PSV = 0x21,
        CHECK_PSV = 0x22,
        DUMP = 0x23,
        UMR = 0x25,
        RGET_PSV = 0x26,
        RCHECK_PSV = 0x27,
        ENHANCED_MPSW = 0x29,
        FLOW_TBL_ACCESS = 0x2c,
        ACCESS_ASO = 0x2d,
    }
}

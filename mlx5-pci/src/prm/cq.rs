//! Completion queues.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of CREATE_CQ (0x400).
    pub struct CreateCqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] cq_context: Cqc,
        0x05c [31:31] cq_umem_valid: bool,
    }

    /// Output of CREATE_CQ (0x400).
    pub struct CreateCqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] cqn: u32,
    }

    /// Input of DESTROY_CQ (0x401).
    pub struct DestroyCqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] cqn: u32,
    }

    /// Output of DESTROY_CQ (0x401).
    pub struct DestroyCqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_CQ (0x402).
    pub struct QueryCqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] cqn: u32,
    }

    /// Output of QUERY_CQ (0x402).
    pub struct QueryCqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] cq_context: Cqc,
    }

    /// Input of MODIFY_CQ (0x403).
    pub struct ModifyCqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] cqn: u32,
        0x00c [..] modify_field_select_resize_field_select: [u8; 4],
        0x010 [..] cq_context: Cqc,
        0x05c [31:31] cq_umem_valid: bool,
    }

    /// Output of MODIFY_CQ (0x403).
    pub struct ModifyCqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Completion queue context.
    pub struct Cqc [0x40] {
        0x000 [31:28] status: u8,
        0x000 [25:25] dbr_umem_valid: bool,
        0x000 [24:24] apu_cq: bool,
        0x000 [23:21] cqe_sz: u8,
        0x000 [20:20] cc: bool,
        0x000 [18:18] scqe_break_moderation_en: bool,
        0x000 [17:17] oi: bool,
        0x000 [16:15] cq_period_mode: u8,
        0x000 [14:14] cqe_comp_en: bool,
        0x000 [13:12] mini_cqe_res_format: u8,
        0x000 [11:8] st: u8,
        0x000 [1:0] cqe_compression_layout: u8,
        0x008 [11:6] page_offset: u8,
        0x00c [28:24] log_cq_size: u8,
        0x00c [23:0] uar_page: u32,
        0x010 [27:16] cq_period: u16,
        0x010 [15:0] cq_max_count: u16,
        0x014 [31:0] c_eqn_or_apu_element: u32,
        0x018 [28:24] log_page_size: u8,
        0x020 [23:0] last_notified_index: u32,
        0x024 [23:0] last_solicit_index: u32,
        0x028 [23:0] consumer_counter: u32,
        0x02c [23:0] producer_counter: u32,
        0x038 [63:0] dbr_addr: u64,
    }
}

//! Header rewriting and packet reformats.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of ALLOC_MODIFY_HEADER_CONTEXT (0x940).
    pub struct AllocModifyHeaderContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [31:24] table_type: u8,
        0x00c [7:0] num_of_actions: u8,
    }

    /// Output of ALLOC_MODIFY_HEADER_CONTEXT (0x940).
    pub struct AllocModifyHeaderContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] modify_header_id: u32,
    }

    /// Input of DEALLOC_MODIFY_HEADER_CONTEXT (0x941).
    pub struct DeallocModifyHeaderContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] modify_header_id: u32,
    }

    /// Output of DEALLOC_MODIFY_HEADER_CONTEXT (0x941).
    pub struct DeallocModifyHeaderContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of ALLOC_PACKET_REFORMAT_CONTEXT (0x93d).
    pub struct AllocPacketReformatContextIn [0x24] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x01c [..] packet_reformat_context: PacketReformatContextIn,
    }

    /// Output of ALLOC_PACKET_REFORMAT_CONTEXT (0x93d).
    pub struct AllocPacketReformatContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// Input of DEALLOC_PACKET_REFORMAT_CONTEXT (0x93e).
    pub struct DeallocPacketReformatContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// Output of DEALLOC_PACKET_REFORMAT_CONTEXT (0x93e).
    pub struct DeallocPacketReformatContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_PACKET_REFORMAT_CONTEXT (0x93f).
    pub struct QueryPacketReformatContextIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// Output of QUERY_PACKET_REFORMAT_CONTEXT (0x93f).
    pub struct QueryPacketReformatContextOut [0x1c] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_MODIFY_HEADER_CONTEXT (0x942).
    pub struct QueryModifyHeaderContextIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] modify_header_id: u32,
    }

    /// A packet reformat, with the first two of its bytes.
    pub struct PacketReformatContextIn [0x8] {
        0x000 [31:24] reformat_type: u8,
        0x000 [19:16] reformat_param_0: u8,
        0x000 [9:0] reformat_data_size: u16,
        0x004 [31:24] reformat_param_1: u8,
        0x004 [15:0] reformat_data: u16,
    }

    /// Header rewriting: set a field.
    pub struct SetActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] field: u16,
        0x000 [12:8] offset: u8,
        0x000 [4:0] length: u8,
        0x004 [31:0] data: u32,
    }

    /// Header rewriting: add to a field.
    pub struct AddActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] field: u16,
        0x004 [31:0] data: u32,
    }

    /// Header rewriting: copy a field.
    pub struct CopyActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] src_field: u16,
        0x000 [12:8] src_offset: u8,
        0x000 [4:0] length: u8,
        0x004 [27:16] dst_field: u16,
        0x004 [12:8] dst_offset: u8,
    }
}

//! Header rewriting and packet reformats.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use crate::prm;

prm! {
    /// `alloc_modify_header_context_in`.
    pub struct AllocModifyHeaderContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [31:24] table_type: u8,
        0x00c [7:0] num_of_actions: u8,
        0x010 [..] actions: [u8; 0],
    }

    /// `alloc_modify_header_context_out`.
    pub struct AllocModifyHeaderContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] modify_header_id: u32,
    }

    /// `dealloc_modify_header_context_in`.
    pub struct DeallocModifyHeaderContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] modify_header_id: u32,
    }

    /// `dealloc_modify_header_context_out`.
    pub struct DeallocModifyHeaderContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `alloc_packet_reformat_context_in`.
    pub struct AllocPacketReformatContextIn [0x24] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x01c [..] packet_reformat_context: PacketReformatContextIn,
    }

    /// `alloc_packet_reformat_context_out`.
    pub struct AllocPacketReformatContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// `dealloc_packet_reformat_context_in`.
    pub struct DeallocPacketReformatContextIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// `dealloc_packet_reformat_context_out`.
    pub struct DeallocPacketReformatContextOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_packet_reformat_context_in`.
    pub struct QueryPacketReformatContextIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] packet_reformat_id: u32,
    }

    /// `query_packet_reformat_context_out`.
    pub struct QueryPacketReformatContextOut [0x1c] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_modify_header_context_in`.
    pub struct QueryModifyHeaderContextIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:0] modify_header_id: u32,
    }

    /// `packet_reformat_context_in`.
    pub struct PacketReformatContextIn [0x8] {
        0x000 [31:24] reformat_type: u8,
        0x000 [19:16] reformat_param_0: u8,
        0x000 [9:0] reformat_data_size: u16,
        0x004 [31:24] reformat_param_1: u8,
        0x004 [15:0] reformat_data: u16,
    }

    /// `set_action_in`.
    pub struct SetActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] field: u16,
        0x000 [12:8] offset: u8,
        0x000 [4:0] length: u8,
        0x004 [31:0] data: u32,
    }

    /// `add_action_in`.
    pub struct AddActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] field: u16,
        0x004 [31:0] data: u32,
    }

    /// `copy_action_in`.
    pub struct CopyActionIn [0x8] {
        0x000 [31:28] action_type: u8,
        0x000 [27:16] src_field: u16,
        0x000 [12:8] src_offset: u8,
        0x000 [4:0] length: u8,
        0x004 [27:16] dst_field: u16,
        0x004 [12:8] dst_offset: u8,
    }
}

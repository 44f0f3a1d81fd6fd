//! Event queues.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of CREATE_EQ (0x301).
    pub struct CreateEqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] eq_context_entry: Eqc,
        0x058 [..] event_bitmask: [u8; 32],
    }

    /// Output of CREATE_EQ (0x301).
    pub struct CreateEqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [7:0] eq_number: u8,
    }

    /// Input of DESTROY_EQ (0x302).
    pub struct DestroyEqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [7:0] eq_number: u8,
    }

    /// Output of DESTROY_EQ (0x302).
    pub struct DestroyEqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_EQ (0x303).
    pub struct QueryEqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [7:0] eq_number: u8,
    }

    /// Output of QUERY_EQ (0x303).
    pub struct QueryEqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] eq_context_entry: Eqc,
        0x058 [63:0] event_bitmask: u64,
    }

    /// Input of GEN_EQE (0x304).
    pub struct GenEqeIn [0x50] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [7:0] eq_number: u8,
        0x010 [..] eqe: [u8; 64],
    }

    /// Output of GEN_EQE (0x304).
    pub struct GenEqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Event queue context.
    pub struct Eqc [0x40] {
        0x000 [31:28] status: u8,
        0x000 [18:18] ec: bool,
        0x000 [17:17] oi: bool,
        0x000 [11:8] st: u8,
        0x008 [11:6] page_offset: u8,
        0x00c [28:24] log_eq_size: u8,
        0x00c [23:0] uar_page: u32,
        0x014 [11:0] intr: u16,
        0x018 [28:24] log_page_size: u8,
        0x028 [23:0] consumer_counter: u32,
        0x02c [23:0] producer_counter: u32,
    }
}

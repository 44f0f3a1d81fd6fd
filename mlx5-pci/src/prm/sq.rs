//! Commands of send queues and TIS.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of CREATE_SQ (0x904).
    pub struct CreateSqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Sqc,
    }

    /// Output of CREATE_SQ (0x904).
    pub struct CreateSqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] sqn: u32,
    }

    /// Input of MODIFY_SQ (0x905).
    pub struct ModifySqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] sq_state: u8,
        0x008 [23:0] sqn: u32,
        0x010 [63:0] modify_bitmask: u64,
        0x020 [..] ctx: Sqc,
    }

    /// Output of MODIFY_SQ (0x905).
    pub struct ModifySqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_SQ (0x906).
    pub struct DestroySqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] sqn: u32,
    }

    /// Output of DESTROY_SQ (0x906).
    pub struct DestroySqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_SQ (0x907).
    pub struct QuerySqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] sqn: u32,
    }

    /// Output of QUERY_SQ (0x907).
    pub struct QuerySqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] sq_context: Sqc,
    }

    /// Input of CREATE_TIS (0x912).
    pub struct CreateTisIn [0xc0] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Tisc,
    }

    /// Output of CREATE_TIS (0x912).
    pub struct CreateTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] tisn: u32,
    }

    /// Input of MODIFY_TIS (0x913).
    pub struct ModifyTisIn [0xc0] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
        0x010 [..] bitmask: ModifyTisBitmask,
        0x020 [..] ctx: Tisc,
    }

    /// Output of MODIFY_TIS (0x913).
    pub struct ModifyTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_TIS (0x914).
    pub struct DestroyTisIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
    }

    /// Output of DESTROY_TIS (0x914).
    pub struct DestroyTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_TIS (0x915).
    pub struct QueryTisIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
    }

    /// Output of QUERY_TIS (0x915).
    pub struct QueryTisOut [0xb0] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] tis_context: Tisc,
    }

    /// What MODIFY_TIS changes.
    pub struct ModifyTisBitmask [0x8] {
        0x004 [2:2] lag_tx_port_affinity: bool,
        0x004 [1:1] strict_lag_tx_port_affinity: bool,
        0x004 [0:0] prio: bool,
    }
}

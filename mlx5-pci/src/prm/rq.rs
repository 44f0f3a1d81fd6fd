//! Commands of receive queues, RMP, RQT and TIR.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of CREATE_RQ (0x908).
    pub struct CreateRqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Rqc,
    }

    /// Output of CREATE_RQ (0x908).
    pub struct CreateRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rqn: u32,
    }

    /// Input of MODIFY_RQ (0x909).
    pub struct ModifyRqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] rq_state: u8,
        0x008 [23:0] rqn: u32,
        0x010 [63:0] modify_bitmask: u64,
        0x020 [..] ctx: Rqc,
    }

    /// Output of MODIFY_RQ (0x909).
    pub struct ModifyRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_RQ (0x90a).
    pub struct DestroyRqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqn: u32,
    }

    /// Output of DESTROY_RQ (0x90a).
    pub struct DestroyRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_RQ (0x90b).
    pub struct QueryRqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqn: u32,
    }

    /// Output of QUERY_RQ (0x90b).
    pub struct QueryRqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rq_context: Rqc,
    }

    /// Input of CREATE_RMP (0x90c).
    pub struct CreateRmpIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Rmpc,
    }

    /// Output of CREATE_RMP (0x90c).
    pub struct CreateRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rmpn: u32,
    }

    /// Input of MODIFY_RMP (0x90d).
    pub struct ModifyRmpIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] rmp_state: u8,
        0x008 [23:0] rmpn: u32,
        0x010 [..] bitmask: RmpBitmask,
        0x020 [..] ctx: Rmpc,
    }

    /// Output of MODIFY_RMP (0x90d).
    pub struct ModifyRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_RMP (0x90e).
    pub struct DestroyRmpIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rmpn: u32,
    }

    /// Output of DESTROY_RMP (0x90e).
    pub struct DestroyRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_RMP (0x90f).
    pub struct QueryRmpIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rmpn: u32,
    }

    /// Output of QUERY_RMP (0x90f).
    pub struct QueryRmpOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rmp_context: Rmpc,
    }

    /// What MODIFY_RMP changes.
    pub struct RmpBitmask [0x8] {
        0x004 [0:0] lwm: bool,
    }
}

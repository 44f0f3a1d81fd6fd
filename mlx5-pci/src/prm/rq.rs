//! Commands of receive queues, RMP, RQT and TIR.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use super::*;
use crate::prm;

prm! {
    /// `create_rq_in`.
    pub struct CreateRqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Rqc,
    }

    /// `create_rq_out`.
    pub struct CreateRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rqn: u32,
    }

    /// `modify_rq_in`.
    pub struct ModifyRqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] rq_state: u8,
        0x008 [23:0] rqn: u32,
        0x010 [63:0] modify_bitmask: u64,
        0x020 [..] ctx: Rqc,
    }

    /// `modify_rq_out`.
    pub struct ModifyRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_rq_in`.
    pub struct DestroyRqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqn: u32,
    }

    /// `destroy_rq_out`.
    pub struct DestroyRqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_rq_in`.
    pub struct QueryRqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqn: u32,
    }

    /// `query_rq_out`.
    pub struct QueryRqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rq_context: Rqc,
    }

    /// `create_rmp_in`.
    pub struct CreateRmpIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Rmpc,
    }

    /// `create_rmp_out`.
    pub struct CreateRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rmpn: u32,
    }

    /// `modify_rmp_in`.
    pub struct ModifyRmpIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] rmp_state: u8,
        0x008 [23:0] rmpn: u32,
        0x010 [..] bitmask: RmpBitmask,
        0x020 [..] ctx: Rmpc,
    }

    /// `modify_rmp_out`.
    pub struct ModifyRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_rmp_in`.
    pub struct DestroyRmpIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rmpn: u32,
    }

    /// `destroy_rmp_out`.
    pub struct DestroyRmpOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_rmp_in`.
    pub struct QueryRmpIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rmpn: u32,
    }

    /// `query_rmp_out`.
    pub struct QueryRmpOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rmp_context: Rmpc,
    }

    /// `rmp_bitmask`.
    pub struct RmpBitmask [0x8] {
        0x004 [0:0] lwm: bool,
    }
}

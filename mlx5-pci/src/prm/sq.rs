//! Commands of send queues and TIS.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use super::*;
use crate::prm;

prm! {
    /// `create_sq_in`.
    pub struct CreateSqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Sqc,
    }

    /// `create_sq_out`.
    pub struct CreateSqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] sqn: u32,
    }

    /// `modify_sq_in`.
    pub struct ModifySqIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:28] sq_state: u8,
        0x008 [23:0] sqn: u32,
        0x010 [63:0] modify_bitmask: u64,
        0x020 [..] ctx: Sqc,
    }

    /// `modify_sq_out`.
    pub struct ModifySqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_sq_in`.
    pub struct DestroySqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] sqn: u32,
    }

    /// `destroy_sq_out`.
    pub struct DestroySqOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_sq_in`.
    pub struct QuerySqIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] sqn: u32,
    }

    /// `query_sq_out`.
    pub struct QuerySqOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] sq_context: Sqc,
    }

    /// `create_tis_in`.
    pub struct CreateTisIn [0xc0] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Tisc,
    }

    /// `create_tis_out`.
    pub struct CreateTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] tisn: u32,
    }

    /// `modify_tis_in`.
    pub struct ModifyTisIn [0xc0] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
        0x010 [..] bitmask: ModifyTisBitmask,
        0x020 [..] ctx: Tisc,
    }

    /// `modify_tis_out`.
    pub struct ModifyTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_tis_in`.
    pub struct DestroyTisIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
    }

    /// `destroy_tis_out`.
    pub struct DestroyTisOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_tis_in`.
    pub struct QueryTisIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tisn: u32,
    }

    /// `query_tis_out`.
    pub struct QueryTisOut [0xb0] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] tis_context: Tisc,
    }

    /// `modify_tis_bitmask`.
    pub struct ModifyTisBitmask [0x8] {
        0x004 [2:2] lag_tx_port_affinity: bool,
        0x004 [1:1] strict_lag_tx_port_affinity: bool,
        0x004 [0:0] prio: bool,
    }
}

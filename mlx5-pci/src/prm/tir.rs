//! Commands of RQT and TIR.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use super::*;
use crate::prm;

prm! {
    /// `create_rqt_in`.
    pub struct CreateRqtIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] rqt_context: Rqtc,
    }

    /// `create_rqt_out`.
    pub struct CreateRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rqtn: u32,
    }

    /// `modify_rqt_in`.
    pub struct ModifyRqtIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
        0x010 [..] bitmask: RqtBitmask,
        0x020 [..] ctx: Rqtc,
    }

    /// `modify_rqt_out`.
    pub struct ModifyRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_rqt_in`.
    pub struct DestroyRqtIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
    }

    /// `destroy_rqt_out`.
    pub struct DestroyRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_rqt_in`.
    pub struct QueryRqtIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
    }

    /// `query_rqt_out`.
    pub struct QueryRqtOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rqt_context: Rqtc,
    }

    /// `create_tir_in`.
    pub struct CreateTirIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Tirc,
    }

    /// `create_tir_out`.
    pub struct CreateTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x000 [23:0] icm_address_63_40: u32,
        0x004 [31:0] syndrome: u32,
        0x008 [31:24] icm_address_39_32: u8,
        0x008 [23:0] tirn: u32,
        0x00c [31:0] icm_address_31_0: u32,
    }

    /// `modify_tir_in`.
    pub struct ModifyTirIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
        0x010 [..] bitmask: ModifyTirBitmask,
        0x020 [..] ctx: Tirc,
    }

    /// `modify_tir_out`.
    pub struct ModifyTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `destroy_tir_in`.
    pub struct DestroyTirIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
    }

    /// `destroy_tir_out`.
    pub struct DestroyTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_tir_in`.
    pub struct QueryTirIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
    }

    /// `query_tir_out`.
    pub struct QueryTirOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] tir_context: Tirc,
    }

    /// `rqt_bitmask`.
    pub struct RqtBitmask [0x8] {
        0x004 [0:0] rqn_list: bool,
    }

    /// `modify_tir_bitmask`.
    pub struct ModifyTirBitmask [0x8] {
        0x004 [4:4] self_lb_en: bool,
        0x004 [2:2] hash: bool,
        0x004 [0:0] packet_merge: bool,
    }
}

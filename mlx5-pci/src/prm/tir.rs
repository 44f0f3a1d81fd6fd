//! Commands of RQT and TIR.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of CREATE_RQT (0x916).
    pub struct CreateRqtIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] rqt_context: Rqtc,
    }

    /// Output of CREATE_RQT (0x916).
    pub struct CreateRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] rqtn: u32,
    }

    /// Input of MODIFY_RQT (0x917).
    pub struct ModifyRqtIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
        0x010 [..] bitmask: RqtBitmask,
        0x020 [..] ctx: Rqtc,
    }

    /// Output of MODIFY_RQT (0x917).
    pub struct ModifyRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_RQT (0x918).
    pub struct DestroyRqtIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
    }

    /// Output of DESTROY_RQT (0x918).
    pub struct DestroyRqtOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_RQT (0x919).
    pub struct QueryRqtIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] rqtn: u32,
    }

    /// Output of QUERY_RQT (0x919).
    pub struct QueryRqtOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] rqt_context: Rqtc,
    }

    /// Input of CREATE_TIR (0x900).
    pub struct CreateTirIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x020 [..] ctx: Tirc,
    }

    /// Output of CREATE_TIR (0x900).
    pub struct CreateTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x000 [23:0] icm_address_63_40: u32,
        0x004 [31:0] syndrome: u32,
        0x008 [31:24] icm_address_39_32: u8,
        0x008 [23:0] tirn: u32,
        0x00c [31:0] icm_address_31_0: u32,
    }

    /// Input of MODIFY_TIR (0x901).
    pub struct ModifyTirIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
        0x010 [..] bitmask: ModifyTirBitmask,
        0x020 [..] ctx: Tirc,
    }

    /// Output of MODIFY_TIR (0x901).
    pub struct ModifyTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DESTROY_TIR (0x902).
    pub struct DestroyTirIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
    }

    /// Output of DESTROY_TIR (0x902).
    pub struct DestroyTirOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_TIR (0x903).
    pub struct QueryTirIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] tirn: u32,
    }

    /// Output of QUERY_TIR (0x903).
    pub struct QueryTirOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x020 [..] tir_context: Tirc,
    }

    /// What MODIFY_RQT changes.
    pub struct RqtBitmask [0x8] {
        0x004 [0:0] rqn_list: bool,
    }

    /// What MODIFY_TIR changes.
    pub struct ModifyTirBitmask [0x8] {
        0x004 [4:4] self_lb_en: bool,
        0x004 [2:2] hash: bool,
        0x004 [0:0] packet_merge: bool,
    }

    /// An RQ in the list of an RQ table.
    pub struct RqNum [0x4] {
        0x000 [23:0] rq_num: u32,
    }

    /// An RQ and its function in the list of an RQ table.
    pub struct RqVhca [0x8] {
        0x000 [23:0] rq_num: u32,
        0x004 [15:0] rq_vhca_id: u16,
    }
}

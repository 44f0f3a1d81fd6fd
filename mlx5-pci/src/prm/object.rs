//! General objects: encryption keys and IPsec.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use super::*;
use crate::prm;

prm! {
    /// `general_obj_in_cmd_hdr`.
    pub struct GeneralObjInCmdHdr [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [31:16] vhca_tunnel_id: u16,
        0x004 [15:0] obj_type: u16,
        0x008 [31:0] obj_id: u32,
        0x00c [..] create: GeneralObjCreateParam,
    }

    /// `general_obj_out_cmd_hdr`.
    pub struct GeneralObjOutCmdHdr [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] obj_id: u32,
    }

    /// `general_obj_create_param`.
    pub struct GeneralObjCreateParam [0x4] {
        0x000 [31:31] alias_object: bool,
        0x000 [28:24] log_obj_range: u8,
    }

    /// `general_obj_query_param`.
    pub struct GeneralObjQueryParam [0x4] {
        0x000 [31:31] alias_object: bool,
        0x000 [30:0] obj_offset: u32,
    }

    /// `encryption_key_obj`.
    pub struct EncryptionKeyObj [0x200] {
        0x000 [63:0] modify_field_select: u64,
        0x008 [31:24] state: u8,
        0x008 [23:23] sw_wrapped: bool,
        0x008 [11:8] key_size: u8,
        0x008 [3:0] key_purpose: u8,
        0x00c [23:0] pd: u32,
        0x030 [63:0] opaque: u64,
        0x040 [..] key: [u8; 128],
        0x0c0 [..] sw_wrapped_dek: [u8; 128],
    }

    /// `create_encryption_key_in`.
    pub struct CreateEncryptionKeyIn [0x210] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] encryption_key_object: EncryptionKeyObj,
    }

    /// `modify_encryption_key_in`.
    pub struct ModifyEncryptionKeyIn [0x210] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] encryption_key_object: EncryptionKeyObj,
    }

    /// `ipsec_obj`.
    pub struct IpsecObj [0x80] {
        0x000 [63:0] modify_field_select: u64,
        0x008 [31:31] full_offload: bool,
        0x008 [29:29] esn_en: bool,
        0x008 [28:28] esn_overlap: bool,
        0x008 [25:24] icv_length: u8,
        0x008 [19:16] aso_return_reg: u8,
        0x00c [31:0] esn_msb: u32,
        0x010 [23:0] dekn: u32,
        0x014 [31:0] salt: u32,
        0x018 [63:0] implicit_iv: u64,
        0x020 [23:0] ipsec_aso_access_pd: u32,
        0x040 [..] ipsec_aso: IpsecAso,
    }

    /// `ipsec_aso`.
    pub struct IpsecAso [0x40] {
        0x000 [31:31] valid: bool,
        0x000 [29:28] mode: u8,
        0x000 [27:26] window_sz: u8,
        0x000 [25:25] soft_lft_arm: bool,
        0x000 [24:24] hard_lft_arm: bool,
        0x000 [23:23] remove_flow_enable: bool,
        0x000 [22:22] esn_event_arm: bool,
        0x004 [31:0] remove_flow_pkt_cnt: u32,
        0x008 [31:0] remove_flow_soft_lft: u32,
        0x01c [31:0] mode_parameter: u32,
        0x020 [..] replay_protection_window: [u8; 32],
    }

    /// `create_ipsec_obj_in`.
    pub struct CreateIpsecObjIn [0x90] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// `modify_ipsec_obj_in`.
    pub struct ModifyIpsecObjIn [0x90] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// `query_ipsec_obj_out`.
    pub struct QueryIpsecObjOut [0x90] {
        0x000 [..] general_obj_out_cmd_hdr: GeneralObjOutCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// `sync_crypto_in`.
    pub struct SyncCryptoIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [15:0] crypto_type: u16,
    }

    /// `sync_crypto_out`.
    pub struct SyncCryptoOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `create_uctx_in`.
    pub struct CreateUctxIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] uctx: Uctx,
    }

    /// `create_uctx_out`.
    pub struct CreateUctxOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [15:0] uid: u16,
    }

    /// `destroy_uctx_in`.
    pub struct DestroyUctxIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] uid: u16,
    }

    /// `destroy_uctx_out`.
    pub struct DestroyUctxOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }
}

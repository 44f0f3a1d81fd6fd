//! General objects: encryption keys and IPsec.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Head of the input of every command on a general object.
    pub struct GeneralObjInCmdHdr [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [31:16] vhca_tunnel_id: u16,
        0x004 [15:0] obj_type: u16,
        0x008 [31:0] obj_id: u32,
        0x00c [..] create: GeneralObjCreateParam,
    }

    /// Head of the output of every command on a general object.
    pub struct GeneralObjOutCmdHdr [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] obj_id: u32,
    }

    /// Parameters of CREATE_GENERAL_OBJECT.
    pub struct GeneralObjCreateParam [0x4] {
        0x000 [31:31] alias_object: bool,
        0x000 [28:24] log_obj_range: u8,
    }

    /// Parameters of QUERY_GENERAL_OBJECT.
    pub struct GeneralObjQueryParam [0x4] {
        0x000 [31:31] alias_object: bool,
        0x000 [30:0] obj_offset: u32,
    }

    /// Data encryption key. Linux 6.1 gives the first 256 bytes.
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

    /// Input of CREATE_GENERAL_OBJECT for an encryption key.
    pub struct CreateEncryptionKeyIn [0x210] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] encryption_key_object: EncryptionKeyObj,
    }

    /// Input of MODIFY_GENERAL_OBJECT for an encryption key.
    pub struct ModifyEncryptionKeyIn [0x210] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] encryption_key_object: EncryptionKeyObj,
    }

    /// IPsec object: one direction of an SA. Linux 6.1 gives 256 bytes.
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

    /// The part of an IPsec object that ACCESS_ASO reads and writes: lifetime, sequence number, window.
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

    /// Input of CREATE_GENERAL_OBJECT for an IPsec object.
    pub struct CreateIpsecObjIn [0x90] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// Input of MODIFY_GENERAL_OBJECT for an IPsec object.
    pub struct ModifyIpsecObjIn [0x90] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// Input of QUERY_GENERAL_OBJECT for an IPsec object.
    pub struct QueryIpsecObjIn [0x10] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
    }

    /// Input of DESTROY_GENERAL_OBJECT.
    pub struct DestroyGeneralObjIn [0x10] {
        0x000 [..] general_obj_in_cmd_hdr: GeneralObjInCmdHdr,
    }

    /// Output of QUERY_GENERAL_OBJECT for an IPsec object.
    pub struct QueryIpsecObjOut [0x90] {
        0x000 [..] general_obj_out_cmd_hdr: GeneralObjOutCmdHdr,
        0x010 [..] ipsec_object: IpsecObj,
    }

    /// Input of SYNC_CRYPTO (0xb12).
    pub struct SyncCryptoIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [15:0] crypto_type: u16,
    }

    /// Output of SYNC_CRYPTO (0xb12).
    pub struct SyncCryptoOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of CREATE_UCTX (0xa04).
    pub struct CreateUctxIn [0x40] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] uctx: Uctx,
    }

    /// Output of CREATE_UCTX (0xa04).
    pub struct CreateUctxOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [15:0] uid: u16,
    }

    /// Input of DESTROY_UCTX (0xa06).
    pub struct DestroyUctxIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] uid: u16,
    }

    /// Output of DESTROY_UCTX (0xa06).
    pub struct DestroyUctxOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }
}

//! General objects: CREATE, MODIFY, QUERY and DESTROY by object type, and SYNC_CRYPTO.
//!
//! Facts E.11; `lib/crypto.c` and `en_accel/ipsec_offload.c` of Linux. The header's word at 0x06, where other commands
//! have `op_mod`, is the object type. QUERY may come with the object's body in its input, as Linux sends it: all zero.
//! Ranges of keys (`log_obj_range`, `obj_offset`) belong to the CRYPTO capability, which is not offered; aliases belong
//! to virtualization. Both are refused.

use super::{key, object};
use crate::command::{Command, command};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, EncryptionKeyObj, GeneralObjCreateParam, GeneralObjInCmdHdr, GeneralObjOutCmdHdr, IpsecObj,
    SyncCryptoIn,
};

/// Where the object's body begins in input and output.
pub(super) const BODY: usize = GeneralObjInCmdHdr::SIZE;

/// The commands of this chapter.
pub(crate) const COMMANDS: &[Command] = &[
    command!(CREATE_GENERAL_OBJECT [], GeneralObjInCmdHdr + 4, GeneralObjOutCmdHdr, Initialized, create),
    command!(MODIFY_GENERAL_OBJECT [], GeneralObjInCmdHdr + 4, GeneralObjOutCmdHdr, Initialized, modify),
    command!(QUERY_GENERAL_OBJECT [], GeneralObjInCmdHdr + 4, GeneralObjOutCmdHdr, Initialized, query),
    command!(DESTROY_GENERAL_OBJECT [], GeneralObjInCmdHdr + 4, GeneralObjOutCmdHdr, Initialized, destroy),
    command!(SYNC_CRYPTO, SyncCryptoIn, SyncCryptoOut, Initialized, sync_crypto),
];

/// The kinds of general objects that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    EncryptionKey,
    Ipsec,
}

impl Type {
    fn body(self) -> (usize, &'static [u32]) {
        match self {
            Type::EncryptionKey => (EncryptionKeyObj::SIZE, &EncryptionKeyObj::CLAIMS),
            Type::Ipsec => (IpsecObj::SIZE, &IpsecObj::CLAIMS),
        }
    }
}

impl Device {
    /// The object type of a command, if the profile has it; checks what all general objects have in common.
    fn object_type(&self, input: &[u8]) -> Result<(Type, GeneralObjInCmdHdr), Refusal> {
        let header = GeneralObjInCmdHdr::copy_from(input);
        if header.vhca_tunnel_id() != 0 {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "vhca_tunnel_id", 4));
        }
        let kind = header.obj_type();
        let kind = match kind {
            super::limits::ENCRYPTION_KEY if self.ipsec.limits.has(kind) => Type::EncryptionKey,
            super::limits::IPSEC if self.ipsec.limits.has(kind) => Type::Ipsec,
            _ => return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "obj_type", 6)),
        };
        if header.create() != GeneralObjCreateParam::default() {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "op_param", 12));
        }
        Ok((kind, header))
    }
}

/// The body that CREATE and MODIFY must have: of the right length, reserved bits zero.
fn body(kind: Type, input: &[u8]) -> Result<&[u8], Refusal> {
    let (size, claims) = kind.body();
    let body = input.get(BODY..).filter(|body| body.len() == size).ok_or(bad_length(input))?;
    match mlx5_pci::prm::reserved_bit(body, claims) {
        Some(offset) => {
            Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "reserved", (BODY + offset) as u16))
        }
        None => Ok(body),
    }
}

/// QUERY and DESTROY say all they have to say in the header; a body, if there is one, is zero.
fn no_body(kind: Type, input: &[u8]) -> Result<(), Refusal> {
    let rest = input.get(BODY..).unwrap_or_default();
    if !rest.is_empty() && rest.len() != kind.body().0 {
        return Err(bad_length(input));
    }
    match rest.iter().position(|byte| *byte != 0) {
        Some(offset) => {
            Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "object", (BODY + offset) as u16))
        }
        None => Ok(()),
    }
}

fn bad_length(input: &[u8]) -> Refusal {
    let length = u16::try_from(input.len()).unwrap_or(u16::MAX);
    Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "inlen", length)
}

fn create(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let (kind, header) = device.object_type(input)?;
    if header.obj_id() != 0 {
        return Err(Refusal::value("obj_id", 8));
    }
    let body = body(kind, input)?;
    let number = match kind {
        Type::EncryptionKey => key::create(device, body),
        Type::Ipsec => object::create(device, body),
    }?;
    let answer = GeneralObjOutCmdHdr::build().obj_id(number).done();
    output[..GeneralObjOutCmdHdr::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

fn modify(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let (kind, header) = device.object_type(input)?;
    let body = body(kind, input)?;
    match kind {
        Type::EncryptionKey => key::modify(device, header.obj_id(), body),
        Type::Ipsec => object::modify(device, header.obj_id(), body),
    }
}

fn query(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let (kind, header) = device.object_type(input)?;
    no_body(kind, input)?;
    let room = output.get_mut(BODY..BODY + kind.body().0).ok_or(Refusal::new(
        CmdStatus::BAD_OUTP_LEN,
        Check::OutputLength,
        "outlen",
        0,
    ))?;
    match kind {
        Type::EncryptionKey => room.copy_from_slice(key::query(device, header.obj_id())?.as_bytes()),
        Type::Ipsec => room.copy_from_slice(object::query(device, header.obj_id())?.as_bytes()),
    }
    let answer = GeneralObjOutCmdHdr::build().obj_id(header.obj_id()).done();
    output[..GeneralObjOutCmdHdr::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

fn destroy(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let (kind, header) = device.object_type(input)?;
    no_body(kind, input)?;
    match kind {
        Type::EncryptionKey => key::destroy(device, header.obj_id()),
        Type::Ipsec => object::destroy(device, header.obj_id()),
    }
}

/// After SYNC_CRYPTO no engine still uses a key that is gone. The model's engines never do, so there is nothing to
/// wait for. Bit 0 stands for all types, the others for a `key_purpose` each.
fn sync_crypto(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = SyncCryptoIn::copy_from(input);
    if !device.ipsec.limits.has(super::limits::ENCRYPTION_KEY) {
        return Err(Refusal::new(CmdStatus::BAD_OP, Check::Capability, "opcode", 0));
    }
    let known = 1 | 1 << key::PURPOSE_IPSEC;
    match command.crypto_type() {
        0 => Err(Refusal::value("crypto_type", 0x0e)),
        types if types & !known != 0 => Err(Refusal::value("crypto_type", 0x0e)),
        _ => Ok(()),
    }
}

//! Modify-header contexts: ALLOC, DEALLOC and QUERY_MODIFY_HEADER_CONTEXT.
//!
//! Facts E.10; `fs_cmd.c` of Linux. A context belongs to a table type. What the actions do is in [`super::rewrite`].
//! Inferred: register A is there on transmit and B on receive; the IPsec syndrome and the MACsec metadata can be
//! copied from and not written.

use super::limits::{offered, wrong};
use super::rewrite::{Action, Field, Part};
use super::table_type::TableType;
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    AddActionIn, AllocModifyHeaderContextIn, AllocModifyHeaderContextOut, CmdStatus, CopyActionIn,
    DeallocModifyHeaderContextIn, QueryModifyHeaderContextIn, SetActionIn, reserved_bit,
};
use std::sync::Arc;

const SET: u8 = 1;
const ADD: u8 = 2;
const COPY: u8 = 3;

/// Bytes of an action.
const ITEM: usize = 8;
/// Where the first action stands.
const ACTIONS: u16 = 0x10;

/// A context.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// The table type that it is for.
    pub(super) kind: TableType,
    /// Its actions.
    pub(super) actions: Arc<[Action]>,
    /// As they came, for queries.
    bytes: Vec<u8>,
}

/// ALLOC_MODIFY_HEADER_CONTEXT.
pub(super) fn alloc(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = AllocModifyHeaderContextIn::copy_from(input);
    let steering = &mut device.steering;
    let (kind, limits) = steering.limits.table(command.table_type(), 0x0c)?;
    let count = command.num_of_actions();
    let bytes = &input[AllocModifyHeaderContextIn::SIZE..];
    let items = bytes.as_chunks::<ITEM>().0;
    if items.len() != usize::from(count) {
        return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "num_of_actions", 0x0f));
    }
    if count == 0 {
        return Err(Refusal::value("num_of_actions", 0x0f));
    }
    if count > limits.caps.max_modify_header_actions() {
        return Err(wrong(Check::Limit, "num_of_actions", 0x0f));
    }
    let of_kind = || steering.rewrites.iter().filter(|(_, rewrite)| rewrite.kind == kind).count();
    // There are no more of a kind than of all: mostly no need to count.
    if steering.rewrites.len() >= limits.rewrites() && of_kind() >= limits.rewrites() {
        return Err(Refusal::new(CmdStatus::NO_RES, Check::Full, "opcode", 0));
    }
    let parse = |(n, item)| action(kind, item, ACTIONS + (ITEM * n) as u16);
    let actions = items.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    let number = steering.rewrites.insert(Rewrite { kind, actions, bytes: bytes.to_vec() })?;
    let answer = AllocModifyHeaderContextOut::build().modify_header_id(number).done();
    output[..AllocModifyHeaderContextOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

fn action(kind: TableType, item: &[u8; ITEM], offset: u16) -> Result<Action, Refusal> {
    let set = SetActionIn::copy_from(item);
    let claims = match set.action_type() {
        SET => &SetActionIn::CLAIMS,
        ADD => &AddActionIn::CLAIMS,
        COPY => &CopyActionIn::CLAIMS,
        _ => return Err(Refusal::value("action_type", offset)),
    };
    if let Some(at) = reserved_bit(item, claims) {
        return Err(wrong(Check::Reserved, "action", offset + at as u16));
    }
    match set.action_type() {
        SET => {
            let to = part(kind, true, (set.field(), set.offset(), set.length()), "field", offset)?;
            if set.data() & !to.mask() != 0 {
                return Err(wrong(Check::Unmasked, "data", offset + 4));
            }
            Ok(Action::Set { to, data: set.data() })
        }
        ADD => {
            let add = AddActionIn::copy_from(item);
            let field = field(kind, true, add.field(), "field", offset)?;
            let to = Part { field, offset: 0, length: field.width() };
            if add.data() & !to.mask() != 0 {
                return Err(wrong(Check::Unmasked, "data", offset + 4));
            }
            Ok(Action::Add { to, data: add.data() })
        }
        _ => {
            let copy = CopyActionIn::copy_from(item);
            let source = (copy.src_field(), copy.src_offset(), copy.length());
            let target = (copy.dst_field(), copy.dst_offset(), copy.length());
            Ok(Action::Copy {
                from: part(kind, false, source, "src_field", offset)?,
                to: part(kind, true, target, "dst_field", offset + 4)?,
            })
        }
    }
}

/// The field of this number, if tables of this type have it.
fn field(kind: TableType, write: bool, code: u16, name: &'static str, offset: u16) -> Result<Field, Refusal> {
    let field = Field::from_code(code).ok_or(Refusal::value(name, offset))?;
    let there = match field {
        Field::RegA => !kind.receives(),
        Field::RegB => kind.receives(),
        Field::IpsecSyndrome => kind.receives() && !write,
        Field::MacsecMetadata { .. } => !write,
        _ => true,
    };
    offered(there, name, offset)?;
    Ok(field)
}

/// Bits of a field: number, offset and length, where length 0 is 32.
fn part(
    kind: TableType,
    write: bool,
    (code, start, length): (u16, u8, u8),
    name: &'static str,
    offset: u16,
) -> Result<Part, Refusal> {
    let field = field(kind, write, code, name, offset)?;
    let length = if length == 0 { 32 } else { length };
    if start + length > field.width() {
        return Err(wrong(Check::Limit, "length", offset));
    }
    Ok(Part { field, offset: start, length })
}

/// DEALLOC_MODIFY_HEADER_CONTEXT: not while an entry uses it.
pub(super) fn dealloc(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let number = DeallocModifyHeaderContextIn::copy_from(input).modify_header_id();
    device.steering.rewrites.named(number, "modify_header_id", 8)?;
    device.links.end((Kind::ModifyHeader, number), "modify_header_id", 8)?;
    device.steering.rewrites.remove(number);
    Ok(())
}

/// QUERY_MODIFY_HEADER_CONTEXT: the actions from 0x10 on.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let number = QueryModifyHeaderContextIn::copy_from(input).modify_header_id();
    let rewrite = device.steering.rewrites.named(number, "modify_header_id", 8)?;
    let room = output.get_mut(usize::from(ACTIONS)..usize::from(ACTIONS) + rewrite.bytes.len());
    let short = Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen", 0);
    room.ok_or(short)?.copy_from_slice(&rewrite.bytes);
    Ok(())
}

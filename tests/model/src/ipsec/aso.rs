//! ACCESS_ASO: a work queue entry reads and changes the ASO context of an IPSEC object.
//!
//! Facts E.12; `lib/aso.c` of Linux; the operands as DPDK's `mlx5_prm.h` numbers them (condition 0 in the high half of
//! its byte, the logical operator in bits 7:6 of the last one). What is read is the context before the change.
//!
//! Inferred: windows of the 64-bit mode begin every four bytes; the conditions' offsets count dwords; a context that
//! is not of this protection domain is a local protection error, everything else that is wrong a local QP operation
//! error. Modes with 64 bytes of data need a longer entry, which no driver of IPsec sends; they are refused.

use super::object::Object;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, IpsecAso, WqeAsoCtrlSeg, WqeCtrlSeg, reserved_bit};

/// CQE syndrome of an operation that makes no sense.
const LOCAL_QP_OPERATION: u8 = 0x02;
/// CQE syndrome of an access that is not allowed.
const LOCAL_PROTECTION: u8 = 0x04;

/// `opmod` of IPSEC objects.
const OPMOD_IPSEC: u8 = 0;
/// `data_mask_mode`: a window of 64 bits, bit by bit.
const BITWISE_64: u8 = 0;
/// The entry's length in units of 16 bytes.
const DATA_SEGMENTS: u8 = 4;

/// Why an entry was refused: the CQE's syndrome and what the log says.
type Fault = (u8, Refusal);

const fn operation(check: Check, field: &'static str, offset: u16) -> Fault {
    (LOCAL_QP_OPERATION, Refusal::new(CmdStatus::BAD_PARAM, check, field, offset))
}

const fn protection(check: Check, field: &'static str, offset: u16) -> Fault {
    (LOCAL_PROTECTION, Refusal::new(CmdStatus::BAD_PARAM, check, field, offset))
}

impl Device {
    /// An ACCESS_ASO work queue entry of 64 bytes from an SQ in protection domain `pd`; `Err` is the CQE's syndrome.
    pub(crate) fn access_aso(&mut self, memory: &dyn Memory, pd: u32, wqe: &[u8; 64]) -> Result<(), u8> {
        self.try_access(memory, pd, wqe).map_err(|(syndrome, refusal)| {
            self.misuse("aso", WqeCtrlSeg::copy_from(wqe).imm(), refusal);
            syndrome
        })
    }

    fn try_access(&mut self, memory: &dyn Memory, pd: u32, bytes: &[u8; 64]) -> Result<(), Fault> {
        let (control, wqe) =
            (WqeCtrlSeg::copy_from(bytes), WqeAsoCtrlSeg::copy_from(&bytes[WqeCtrlSeg::SIZE..]));
        if let Some(offset) = reserved_bit(&bytes[WqeCtrlSeg::SIZE..], &WqeAsoCtrlSeg::CLAIMS) {
            return Err(operation(Check::Reserved, "reserved", (WqeCtrlSeg::SIZE + offset) as u16));
        }
        if control.opmod() != OPMOD_IPSEC {
            return Err(operation(Check::Capability, "opmod", 0x00));
        }
        if control.ds() != DATA_SEGMENTS {
            return Err(operation(Check::InputLength, "ds", 0x07));
        }
        if wqe.data_mask_mode() != BITWISE_64 {
            return Err(operation(Check::Value, "data_mask_mode", 0x1c));
        }
        let number = control.imm();
        let object = self.ipsec.objects.get(number).ok_or(operation(Check::NoObject, "general_id", 0x0c))?;
        if !object.body.full_offload() {
            return Err(operation(Check::State, "general_id", 0x0c));
        }
        if object.body.ipsec_aso_access_pd() != pd {
            return Err(protection(Check::Mismatch, "ipsec_aso_access_pd", 0x0c));
        }
        let changed = change(object, &wqe)?;
        let before = *object.aso.as_bytes();
        if wqe.read_en() {
            let address = u64::from(wqe.va_h()) << 32 | u64::from(wqe.va_l()) << 6;
            self.write_by_key(memory, wqe.l_key(), pd, address, &before)
                .map_err(|_| protection(Check::Unmapped, "l_key", 0x18))?;
        } else if (wqe.va_h(), wqe.va_l(), wqe.l_key()) != (0, 0, 0) {
            return Err(operation(Check::Conflict, "va_l", 0x14));
        }
        if let (Some(changed), Some(object)) = (changed, self.ipsec.objects.get_mut(number)) {
            object.aso = changed;
        }
        Ok(())
    }
}

/// The context after the entry's write, if its conditions hold.
fn change(object: &Object, wqe: &WqeAsoCtrlSeg) -> Result<Option<IpsecAso>, Fault> {
    let mut bytes = *object.aso.as_bytes();
    let (mask, data) = (wqe.data_mask(), wqe.bitwise_data());
    if data & !mask != 0 {
        return Err(operation(Check::Unmasked, "bitwise_data", 0x30));
    }
    let first = holds(
        &bytes,
        wqe.condition_0_operand(),
        wqe.condition_0_offset(),
        wqe.condition_0_data(),
        wqe.condition_0_mask(),
    )?;
    let second = holds(
        &bytes,
        wqe.condition_1_operand(),
        wqe.condition_1_offset(),
        wqe.condition_1_data(),
        wqe.condition_1_mask(),
    )?;
    let both = match wqe.condition_operand() {
        0 => first && second,
        1 => first || second,
        _ => return Err(operation(Check::Value, "condition_operand", 0x1f)),
    };
    let start = 4 * usize::from(wqe.data_offset());
    let window = bytes.get_mut(start..start + 8).ok_or(operation(Check::Value, "data_offset", 0x1f))?;
    let old = window.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    window.copy_from_slice(&(old & !mask | data).to_be_bytes());
    if !both {
        return Ok(None);
    }
    if reserved_bit(&bytes, &IpsecAso::CLAIMS).is_some() {
        return Err(operation(Check::Reserved, "bitwise_data", 0x30));
    }
    Ok(Some(IpsecAso::copy_from(&bytes)))
}

/// Whether a condition on a dword of the context holds.
fn holds(context: &[u8], operand: u8, offset: u8, data: u32, mask: u32) -> Result<bool, Fault> {
    let start = 4 * usize::from(offset);
    let dword = context.get(start..start + 4).ok_or(operation(Check::Value, "condition_offset", 0x1e))?;
    let value = dword.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)) & mask;
    let ahead = value.wrapping_sub(data) as i32;
    match operand {
        0 => Ok(false),
        1 => Ok(true),
        2 => Ok(value == data),
        3 => Ok(value != data),
        4 => Ok(value >= data),
        5 => Ok(value <= data),
        6 => Ok(value < data),
        7 => Ok(value > data),
        8 => Ok(ahead > 0),
        9 => Ok(ahead < 0),
        _ => Err(operation(Check::Value, "condition_operand", 0x1d)),
    }
}

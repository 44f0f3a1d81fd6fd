//! UMR: a WQE that changes a memory key, as striding receive queues use it to put pages behind their WQEs.
//!
//! After the control segment come 48 bytes that say what to change, the key's context with the new values, and the
//! translations: inline, or behind a data segment. Left out: signatures, another page size, nested keys.

use super::named::Key;
use super::wqe::{SEGMENT, Sender, WqeError};
use crate::{Check, Device, Memory};
use mlx5_pci::prm::{Mkc, WqeCtrlSeg, WqeDataSeg, WqeUmrCtrlSeg};

/// Where the segments lie.
const CONTROL_AT: usize = SEGMENT;
const CONTEXT_AT: usize = CONTROL_AT + WqeUmrCtrlSeg::SIZE;
const DATA_AT: usize = CONTEXT_AT + Mkc::SIZE;

/// `flags`.
const INLINE: u8 = 1 << 7;
const CHECK_FREE: u8 = 1 << 6;
const CHECK_NOT_FREE: u8 = 1 << 5;
const OFFSET: u8 = 1 << 4;

/// `mkey_mask`: what to take from the context.
const LENGTH: u64 = 1 << 0;
const START: u64 = 1 << 6;
const DOMAIN: u64 = 1 << 7;
const VARIANT: u64 = 1 << 13;
const LOCAL_READ: u64 = 1 << 17;
const LOCAL_WRITE: u64 = 1 << 18;
const REMOTE_READ: u64 = 1 << 19;
const REMOTE_WRITE: u64 = 1 << 20;
const ATOMIC: u64 = 1 << 21;
const RELAXED_WRITE: u64 = 1 << 25;
const FREE: u64 = 1 << 29;
const RELAXED_READ: u64 = 1 << 47;
const KNOWN: u64 = LENGTH
    | START
    | DOMAIN
    | VARIANT
    | LOCAL_READ
    | LOCAL_WRITE
    | REMOTE_READ
    | REMOTE_WRITE
    | ATOMIC
    | RELAXED_WRITE
    | FREE
    | RELAXED_READ;

/// Translations count in these.
const OCTWORD: usize = 16;

const fn binding(check: Check, field: &'static str, offset: usize) -> WqeError {
    WqeError::new(WqeError::BINDING, check, field, offset)
}

impl Device {
    /// A UMR WQE.
    pub(super) fn register_memory(
        &mut self,
        memory: &dyn Memory,
        sender: &Sender,
        wqe: &[u8],
    ) -> Result<(), WqeError> {
        if !sender.reg_umr {
            return Err(WqeError::new(WqeError::OPERATION, Check::Capability, "reg_umr", 0));
        }
        if wqe.len() < DATA_AT {
            return Err(WqeError::new(WqeError::LENGTH, Check::Limit, "ds", 4));
        }
        let number = WqeCtrlSeg::copy_from(wqe).imm();
        let control = WqeUmrCtrlSeg::copy_from(wqe.get(CONTROL_AT..).unwrap_or_default());
        let new = Mkc::copy_from(wqe.get(CONTEXT_AT..).unwrap_or_default());
        let mask = control.mkey_mask();
        if mask & !KNOWN != 0 {
            return Err(binding(Check::Value, "mkey_mask", CONTROL_AT + 8));
        }
        let translations = self.translations(memory, sender, &control, wqe)?;
        let flags = control.flags();
        let offset = if flags & OFFSET != 0 {
            (control.xlt_offset_47_16() as usize) << 16 | usize::from(control.xlt_offset())
        } else {
            0
        };
        let key = self.mkey_mut(number >> 8).ok_or(binding(Check::NoObject, "umr_mkey", 0xc))?;
        if u32::from(key.variant()) != number & 0xff && mask & VARIANT == 0 {
            return Err(binding(Check::NoObject, "umr_mkey", 0xc));
        }
        let old = key.context();
        if !old.umr_en() {
            return Err(binding(Check::State, "umr_en", 0xc));
        }
        if old.pd() != sender.pd {
            return Err(binding(Check::Mismatch, "pd", 0xc));
        }
        if flags & CHECK_FREE != 0 && !old.free() || flags & CHECK_NOT_FREE != 0 && old.free() {
            return Err(binding(Check::State, "free", CONTROL_AT));
        }
        if !key.update_translations(offset, &translations) {
            return Err(binding(Check::Limit, "xlt_offset", CONTROL_AT + 4));
        }
        apply(key.context_mut(), &new, mask);
        Ok(())
    }

    /// The new translations: inline, or behind a data segment.
    fn translations(
        &self,
        memory: &dyn Memory,
        sender: &Sender,
        control: &WqeUmrCtrlSeg,
        wqe: &[u8],
    ) -> Result<Vec<u8>, WqeError> {
        let bytes = usize::from(control.xlt_octowords()) * OCTWORD;
        let limit = WqeError::new(WqeError::LENGTH, Check::Limit, "xlt_octowords", CONTROL_AT + 4);
        let rest = wqe.get(DATA_AT..).unwrap_or_default();
        if bytes == 0 || control.flags() & INLINE != 0 {
            return rest.get(..bytes).map(<[u8]>::to_vec).ok_or(limit);
        }
        if rest.len() < SEGMENT {
            return Err(limit);
        }
        let segment = WqeDataSeg::copy_from(rest);
        if (segment.byte_count() as usize) < bytes {
            return Err(limit);
        }
        let key = Key { key: segment.lkey(), pd: sender.pd, reserved: sender.reserved_key };
        let mut read = vec![0; bytes];
        self.read_key(memory, key, segment.addr(), &mut read)
            .map_err(|check| WqeError::new(WqeError::PROTECTION, check, "lkey", DATA_AT + 4))?;
        Ok(read)
    }
}

/// Takes over what `mask` names.
fn apply(context: &mut Mkc, new: &Mkc, mask: u64) {
    let on = |bit| mask & bit != 0;
    if on(LENGTH) {
        context.set().len(new.len()).length64(new.length64());
    }
    if on(START) {
        context.set().start_addr(new.start_addr());
    }
    if on(DOMAIN) {
        context.set().pd(new.pd());
    }
    if on(VARIANT) {
        context.set().mkey_7_0(new.mkey_7_0());
    }
    if on(LOCAL_READ) {
        context.set().lr(new.lr());
    }
    if on(LOCAL_WRITE) {
        context.set().lw(new.lw());
    }
    if on(REMOTE_READ) {
        context.set().rr(new.rr());
    }
    if on(REMOTE_WRITE) {
        context.set().rw(new.rw());
    }
    if on(ATOMIC) {
        context.set().a(new.a());
    }
    if on(RELAXED_WRITE) {
        context.set().relaxed_ordering_write(new.relaxed_ordering_write());
    }
    if on(RELAXED_READ) {
        context.set().relaxed_ordering_read(new.relaxed_ordering_read());
    }
    if on(FREE) {
        context.set().free(new.free());
    }
}

//! Memory keys: CREATE_MKEY, QUERY_MKEY, DESTROY_MKEY, and what a UMR work queue entry changes (facts E.9).

use super::key::{Access, KeyFault};
use crate::command::{Command, command};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, CreateMkeyIn, CreateMkeyOut, DestroyMkeyIn, Mkc, QueryMkeyIn, QueryMkeyOut};

/// `access_mode`: addresses are bus addresses.
const PHYSICAL: u8 = 0;
/// A list of pages of one size.
const MTT: u8 = 1;
/// A list of (length, key, address).
const KLM: u8 = 2;
/// A list of (key, address), all of one size.
const KSM: u8 = 3;
/// `qpn` of a key that any queue may use.
const ANY_QUEUE: u32 = 0x00ff_ffff;
/// `translations_octword_size` counts so many bytes.
const OCTWORD: usize = 16;
/// The largest `log_page_size`.
const LARGEST_PAGE: u8 = 40;

pub(super) const COMMANDS: &[Command] = &[
    command!(CREATE_MKEY, CreateMkeyIn + 16, CreateMkeyOut, Initialized, create),
    command!(QUERY_MKEY, QueryMkeyIn, QueryMkeyOut, Initialized, query),
    command!(DESTROY_MKEY, DestroyMkeyIn, DestroyMkeyOut, Initialized, destroy),
];

/// A memory key.
#[derive(Clone, Debug)]
pub(crate) struct Mkey {
    context: Mkc,
    translation: Translation,
}

/// How addresses of a key become bus addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Translation {
    /// They are bus addresses.
    Physical,
    /// Pages of `1 << shift` bytes; the low three bits of an item are access flags.
    Pages { shift: u32, list: Vec<u64> },
    /// Ranges of other keys; with `uniform`, each is `1 << uniform` bytes long.
    Keys { uniform: Option<u32>, list: Vec<KeyEntry> },
}

/// One range of another key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyEntry {
    pub(crate) length: u64,
    pub(crate) key: u32,
    pub(crate) address: u64,
}

impl Mkey {
    /// The low byte of the key, which the driver chooses.
    pub(crate) fn variant(&self) -> u8 {
        self.context.mkey_7_0()
    }

    /// The first address.
    pub(crate) fn start(&self) -> u64 {
        self.context.start_addr()
    }

    /// Its context.
    pub(crate) fn context(&self) -> &Mkc {
        &self.context
    }

    /// As [`Mkey::context`], for UMR.
    pub(crate) fn context_mut(&mut self) -> &mut Mkc {
        &mut self.context
    }

    pub(super) fn translation(&self) -> &Translation {
        &self.translation
    }

    pub(super) fn check(&self, pd: u32, address: u64, length: u64, access: Access) -> Result<(), KeyFault> {
        if self.context.free() {
            return Err(KeyFault::Free);
        }
        if self.context.pd() != pd {
            return Err(KeyFault::Domain);
        }
        let allowed = match access {
            Access::Read => self.context.lr(),
            Access::Write => self.context.lw(),
        };
        if !allowed {
            return Err(KeyFault::Rights);
        }
        let end = address.checked_add(length).ok_or(KeyFault::Bounds)?;
        let whole = self.context.length64();
        let limit = self.start().saturating_add(self.context.len());
        if !whole && (address < self.start() || end > limit) {
            return Err(KeyFault::Bounds);
        }
        Ok(())
    }

    /// Writes `bytes` of translations from octword `offset` on, as a UMR does; false when they do not fit.
    pub(crate) fn update_translations(&mut self, offset: usize, bytes: &[u8]) -> bool {
        match &mut self.translation {
            Translation::Physical => bytes.is_empty(),
            Translation::Pages { list, .. } => {
                put(list, offset * 2, bytes.chunks_exact(8).map(|item| be64(item, 0)))
            }
            Translation::Keys { uniform, list } => {
                let shift = *uniform;
                put(list, offset, bytes.chunks_exact(OCTWORD).map(|item| key_entry(item, shift)))
            }
        }
    }
}

/// Overwrites a part of `list`; false when it is not long enough.
fn put<T>(list: &mut [T], at: usize, items: impl ExactSizeIterator<Item = T>) -> bool {
    let count = items.len();
    let Some(places) = at.checked_add(count).and_then(|end| list.get_mut(at..end)) else {
        return false;
    };
    for (place, item) in places.iter_mut().zip(items) {
        *place = item;
    }
    true
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|item| item.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|item| item.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// KLM {byte count, key, address} or KSM {reserved, key, address}.
fn key_entry(bytes: &[u8], uniform: Option<u32>) -> KeyEntry {
    let length = uniform.map_or_else(|| u64::from(be32(bytes, 0)), |shift| 1 << shift);
    KeyEntry { length, key: be32(bytes, 4), address: be64(bytes, 8) }
}

fn create(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let command = CreateMkeyIn::copy_from(input);
    let context = command.memory_key_mkey_entry();
    device.named_pd(context.pd(), 0x1c)?;
    if context.qpn() != ANY_QUEUE {
        return Err(Refusal::value("qpn", 0x14));
    }
    if context.bsf_en() || context.bsf_octword_size() != 0 {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "bsf_en", 0x1c));
    }
    if context.free() && !context.umr_en() {
        return Err(Refusal::value("free", 0x10));
    }
    let list = &input[CreateMkeyIn::SIZE..];
    let actual = command.translations_octword_actual_size() as usize;
    if list.len() < actual * OCTWORD {
        return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "klm_pas_mtt", 0x60));
    }
    let translation = translation(&context, &list[..actual * OCTWORD])?;
    let pd = context.pd();
    let index = device.hca.mkeys.insert(Mkey { context, translation })?;
    device.links.hold((Kind::Mkey, index), [(Kind::Pd, pd)]);
    let out = CreateMkeyOut::build().mkey_index(index).done();
    output[..CreateMkeyOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

/// The translation that a context describes, its start filled from `given`.
fn translation(context: &Mkc, given: &[u8]) -> Result<Translation, Refusal> {
    let octwords = context.translations_octword_size() as usize;
    if octwords > 1 << 22 {
        return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "translations_octword_size", 0x44));
    }
    if given.len() > octwords * OCTWORD {
        return Err(Refusal::value("translations_octword_actual_size", 0x60));
    }
    let shift = context.log_page_size();
    let paged = |mode| {
        if mode != KLM && !(12..=LARGEST_PAGE).contains(&shift) {
            return Err(Refusal::value("log_page_size", 0x48));
        }
        Ok(())
    };
    let mode = context.access_mode_4_2() << 2 | context.access_mode_1_0();
    match mode {
        PHYSICAL => {
            if octwords != 0 {
                return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Conflict, "access_mode", 0x10));
            }
            Ok(Translation::Physical)
        }
        MTT => {
            // A page list that is given as a whole has to cover the length.
            paged(mode)?;
            let mut list = vec![0; octwords * 2];
            put(&mut list, 0, given.chunks_exact(8).map(|item| be64(item, 0)));
            if context.len() > (list.len() as u64) << shift {
                return Err(Refusal::value("len", 0x28));
            }
            Ok(Translation::Pages { shift: shift.into(), list })
        }
        KLM | KSM => {
            paged(mode)?;
            let uniform = (mode == KSM).then_some(u32::from(shift));
            let mut list = vec![KeyEntry::default(); octwords];
            put(&mut list, 0, given.chunks_exact(OCTWORD).map(|item| key_entry(item, uniform)));
            Ok(Translation::Keys { uniform, list })
        }
        _ => Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "access_mode", 0x10)),
    }
}

fn query(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let command = QueryMkeyIn::copy_from(input);
    let mkey = device.hca.mkeys.named(command.mkey_index(), "mkey_index", 0x8)?;
    let out = QueryMkeyOut::build().memory_key_mkey_entry(mkey.context()).done();
    output[..QueryMkeyOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn destroy(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let index = DestroyMkeyIn::copy_from(input).mkey_index();
    device.hca.mkeys.named(index, "mkey_index", 0x8)?;
    device.links.end((Kind::Mkey, index), "mkey_index", 0x8)?;
    device.hca.mkeys.remove(index);
    Ok(())
}

impl Device {
    /// The key of this index, for UMR.
    pub(crate) fn mkey_mut(&mut self, index: u32) -> Option<&mut Mkey> {
        self.hca.mkeys.get_mut(index)
    }
}

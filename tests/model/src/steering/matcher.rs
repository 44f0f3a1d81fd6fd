//! A group's mask, and its entries by what they match: a packet is looked up by hash, whatever number of entries there
//! is. Only the dwords that the mask uses are compared.

use super::entry::Entry;
use super::fields::{DWORDS, Param};
use std::collections::{BTreeMap, HashMap};

/// The dwords that a mask uses, with their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask(Vec<(usize, u32)>);

impl Mask {
    /// From `match_criteria`.
    pub(super) fn new(criteria: &Param) -> Mask {
        Mask(criteria.iter().copied().enumerate().filter(|(_, bits)| *bits != 0).collect())
    }

    /// The masked dwords of `value`, in `room`.
    fn key<'a>(&self, value: &Param, room: &'a mut Param) -> &'a [u32] {
        for ((dword, bits), room) in self.0.iter().zip(room.iter_mut()) {
            *room = value[*dword] & bits;
        }
        &room[..self.0.len()]
    }

    /// The first dword of `value` with a bit outside of the mask.
    pub(super) fn outside(&self, value: &Param) -> Option<usize> {
        let whole = self.param();
        value.iter().zip(&whole).position(|(value, mask)| value & !mask != 0)
    }

    /// As `match_criteria` has it.
    pub(super) fn param(&self) -> Param {
        let bits: Vec<u32> = self.0.iter().map(|(_, bits)| *bits).collect();
        self.spread(&bits)
    }

    fn spread(&self, key: &[u32]) -> Param {
        let mut param = [0; DWORDS];
        for ((dword, _), value) in self.0.iter().zip(key) {
            param[*dword] = *value;
        }
        param
    }
}

/// The entries of a group, by flow index and by value.
#[derive(Debug)]
pub(super) struct Entries {
    mask: Mask,
    by_index: BTreeMap<u32, (Box<[u32]>, Entry)>,
    /// Several entries may match the same; the lowest index counts.
    by_value: HashMap<Box<[u32]>, Vec<u32>>,
}

impl Entries {
    /// None yet.
    pub(super) fn new(mask: Mask) -> Entries {
        Entries { mask, by_index: BTreeMap::new(), by_value: HashMap::new() }
    }

    /// The mask.
    pub(super) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_index.len()
    }

    /// Puts an entry at `index`, which is free.
    pub(super) fn insert(&mut self, index: u32, value: &Param, entry: Entry) {
        let key: Box<[u32]> = self.mask.key(value, &mut [0; DWORDS]).into();
        let indices = self.by_value.entry(key.clone()).or_default();
        let at = indices.partition_point(|other| *other < index);
        indices.insert(at, index);
        self.by_index.insert(index, (key, entry));
    }

    /// Takes the entry at `index` away.
    pub(super) fn remove(&mut self, index: u32) -> Option<Entry> {
        let (key, entry) = self.by_index.remove(&index)?;
        if let Some(indices) = self.by_value.get_mut(&key) {
            indices.retain(|other| *other != index);
            if indices.is_empty() {
                self.by_value.remove(&key);
            }
        }
        Some(entry)
    }

    /// The entry at `index`.
    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        self.by_index.get(&index).map(|(_, entry)| entry)
    }

    /// The entry at `index`.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.by_index.get_mut(&index).map(|(_, entry)| entry)
    }

    /// All of them by flow index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.by_index.iter().map(|(index, (_, entry))| (*index, entry))
    }

    /// What the entry at `index` matches.
    pub(super) fn value(&self, index: u32) -> Option<Param> {
        self.by_index.get(&index).map(|(key, _)| self.mask.spread(key))
    }

    /// The first entry that matches a packet, with its index.
    pub(super) fn find(&self, packet: &Param) -> Option<(u32, &Entry)> {
        let mut room = [0; DWORDS];
        let index = *self.by_value.get(self.mask.key(packet, &mut room))?.first()?;
        Some((index, self.get(index)?))
    }
}

//! The L2 table: which unicast address belongs to which function of the card. With one function it only keeps them.

use std::collections::BTreeMap;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The address.
    pub(crate) address: [u8; 6],
    /// The VLAN, if the entry is for one only.
    pub(crate) vlan: Option<u16>,
}

/// The table by index.
#[derive(Clone, Debug, Default)]
pub(crate) struct L2Table {
    entries: BTreeMap<u32, Entry>,
}

impl L2Table {
    /// Sets an entry; an older one is replaced, as the hardware does.
    pub(crate) fn set(&mut self, index: u32, entry: Entry) {
        self.entries.insert(index, entry);
    }

    /// The entry.
    pub(crate) fn get(&self, index: u32) -> Option<Entry> {
        self.entries.get(&index).copied()
    }

    /// Removes an entry; false when there is none.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        self.entries.remove(&index).is_some()
    }
}

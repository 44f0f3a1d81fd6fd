//! Tables and entries as a [`Snapshot`](crate::snapshot::Snapshot) shows them, and the SPIs that IPSEC objects serve.

use super::action::{
    ALLOW, COUNT, CRYPTO_DECRYPT, CRYPTO_ENCRYPT, DECAP, DROP, Destination, MOD_HDR, PACKET_REFORMAT, Plan,
    VLAN_POP, VLAN_POP_2, VLAN_PUSH, VLAN_PUSH_2,
};
use super::fields::Param;
use super::table::Table;
use super::{Steering, reformat};
use crate::objects::Kind;
use crate::packet::dwords;
use crate::snapshot;
use mlx5_pci::prm::{FteMatchParam, FteMatchSetMisc};
use std::collections::BTreeMap;

impl Steering {
    /// How many objects there are of each kind.
    pub(crate) fn counts(&self) -> [(Kind, usize); 6] {
        let groups = || self.tables.iter().flat_map(|(_, table)| &table.groups);
        [
            (Kind::FlowTable, self.tables.len()),
            (Kind::FlowGroup, groups().count()),
            (Kind::FlowEntry, groups().map(|group| group.entries.len()).sum()),
            (Kind::FlowCounter, self.counters.len()),
            (Kind::ModifyHeader, self.rewrites.len()),
            (Kind::Reformat, self.reformats.len()),
        ]
    }

    /// Every table.
    pub(crate) fn snapshot(&self) -> Vec<snapshot::Table> {
        let tables = self.tables.iter();
        tables
            .map(|(number, table)| snapshot::Table {
                number,
                kind: format!("{:?}", table.kind),
                level: table.context.level(),
                root: self.root(table.kind) == Some(number),
                groups: table.groups.len(),
                entries: entries(table),
            })
            .collect()
    }

    /// The SPIs of IPSEC objects: on receive an entry's match has it, on transmit the header that is put on.
    pub(crate) fn spis(&self) -> BTreeMap<u32, u32> {
        let mut spis = BTreeMap::new();
        for (_, table) in self.tables.iter() {
            for group in &table.groups {
                for (index, entry) in group.entries.iter() {
                    let plan = &entry.plan;
                    let spi = if plan.has(CRYPTO_DECRYPT) {
                        group.entries.value(index).and_then(|value| matched_spi(&value))
                    } else if plan.has(CRYPTO_ENCRYPT) {
                        self.reformats.get(plan.reformat).and_then(reformat::Reformat::spi)
                    } else {
                        None
                    };
                    spis.extend(spi.map(|spi| (plan.crypto, spi)));
                }
            }
        }
        spis
    }
}

fn entries(table: &Table) -> Vec<snapshot::Entry> {
    let entries = table.groups.iter().flat_map(|group| group.entries.iter());
    entries
        .map(|(index, entry)| snapshot::Entry { index, does: words(&entry.plan), hits: entry.hits.get() })
        .collect()
}

/// What an entry does, in the order in which it does it.
fn words(plan: &Plan) -> String {
    let mut words = Vec::new();
    let mut does = |action: u16, word: String| {
        if plan.has(action) {
            words.push(word);
        }
    };
    does(COUNT, "count".into());
    does(CRYPTO_DECRYPT, format!("decrypt {:#x}", plan.crypto));
    does(DECAP, "decap".into());
    does(VLAN_POP | VLAN_POP_2, "pop vlan".into());
    does(MOD_HDR, format!("modify {:#x}", plan.rewrite));
    does(VLAN_PUSH | VLAN_PUSH_2, "push vlan".into());
    does(CRYPTO_ENCRYPT, format!("encrypt {:#x}", plan.crypto));
    does(PACKET_REFORMAT, format!("reformat {:#x}", plan.reformat));
    does(ALLOW, "allow".into());
    does(DROP, "drop".into());
    words.extend(plan.destinations.iter().map(|destination| match destination {
        Destination::Table(number) | Destination::Other(_, number) => format!("table {number:#x}"),
        Destination::Tir(number) => format!("TIR {number:#x}"),
    }));
    words.join(", ")
}

/// The SPI that an entry matches: outer, or behind a UDP header the inner one.
fn matched_spi(value: &Param) -> Option<u32> {
    let place = |misc: FteMatchSetMisc| {
        let param = dwords(&FteMatchParam::build().misc_parameters(&misc).done());
        param.iter().position(|dword| *dword != 0).and_then(|dword| value.get(dword)).copied()
    };
    let outer = place(FteMatchSetMisc::build().outer_esp_spi(u32::MAX).done());
    let inner = place(FteMatchSetMisc::build().inner_esp_spi(u32::MAX).done());
    [outer, inner].into_iter().flatten().find(|spi| *spi != 0)
}

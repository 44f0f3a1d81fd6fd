//! Keys and IPSEC objects as a [`Snapshot`](crate::snapshot::Snapshot) shows them. Keys themselves are not shown.

use super::Ipsec;
use super::object::{MODE_INC_SN, MODE_REPLAY_PROTECTION, Object};
use crate::objects::Kind;
use crate::snapshot::Association;
use std::collections::BTreeMap;

impl Ipsec {
    /// How many objects there are of each kind.
    pub(crate) fn counts(&self) -> [(Kind, usize); 2] {
        [(Kind::EncryptionKey, self.keys.len()), (Kind::Ipsec, self.objects.len())]
    }

    /// Every IPSEC object; `spis` has the SPIs that are known.
    pub(crate) fn snapshot(&self, spis: &BTreeMap<u32, u32>) -> Vec<Association> {
        let objects = self.objects.iter();
        objects.map(|(number, object)| object.snapshot(number, spis.get(&number).copied())).collect()
    }
}

impl Object {
    fn snapshot(&self, object: u32, spi: Option<u32>) -> Association {
        let mode = self.aso.mode();
        let receives = mode == MODE_REPLAY_PROTECTION;
        let window = self.aso.replay_protection_window();
        let counted = self.aso.remove_flow_enable() || self.aso.hard_lft_arm() || self.aso.soft_lft_arm();
        Association {
            object,
            spi,
            mode: match mode {
                MODE_INC_SN => "send",
                MODE_REPLAY_PROTECTION => "receive",
                _ => "none",
            },
            esn: self.body.esn_en(),
            sequence: self.whole(self.aso.mode_parameter()),
            window: if receives { 32 << self.aso.window_sz() } else { 0 },
            seen: if receives { window.iter().map(|byte| byte.count_ones()).sum() } else { 0 },
            left: counted.then(|| self.aso.remove_flow_pkt_cnt()),
            removed: self.removed,
        }
    }
}

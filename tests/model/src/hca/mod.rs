//! Bring-up and tear-down of the function, and what all else hangs on: UARs, protection domains, transport domains and
//! memory keys (facts E.3, E.9).

mod domains;
mod key;
mod mkey;
mod segment;
mod stages;

#[cfg(test)]
mod tests;

pub(crate) use key::KeyFault;
pub(crate) use mkey::Mkey;
pub(crate) use stages::RESERVED_LKEY;

use crate::caps::Profile;
use crate::command::{Command, Stage};
use crate::objects::Numbered;

/// The first UAR page that ALLOC_UAR hands out.
const FIRST_UAR: u32 = 0x10;
/// UAR pages that fit BAR 0 behind it.
const UARS: u32 = 0x1000;

/// State of the function as a whole.
#[derive(Debug)]
pub(crate) struct Hca {
    stage: Stage,
    issi: u16,
    driver: String,
    uars: Numbered<()>,
    pds: Numbered<()>,
    transport_domains: Numbered<()>,
    mkeys: Numbered<Mkey>,
}

impl Hca {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> Hca {
        let general = profile.general();
        Hca {
            stage: Stage::Reset,
            issi: 0,
            driver: String::new(),
            uars: Numbered::new(FIRST_UAR, UARS),
            pds: Numbered::new(1, 1 << general.log_max_pd()),
            transport_domains: Numbered::new(1, 1 << general.log_max_transport_domain()),
            mkeys: Numbered::new(0x400, 1 << general.log_max_mkey()),
        }
    }

    /// How far bring-up has come.
    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether command signatures are checked: `cmdif_checksum` of the current capabilities.
    pub(crate) fn command_signatures(&self, profile: &Profile) -> bool {
        profile.general().cmdif_checksum() != 0
    }

    /// Whether ALLOC_UAR has handed out page `uar`.
    pub(crate) fn has_uar(&self, uar: u32) -> bool {
        self.uars.get(uar).is_some()
    }

    /// Whether the protection domain exists. Domain 0 always does: Linux's drop RQ names it, and no key is in it.
    pub(crate) fn has_pd(&self, pd: u32) -> bool {
        pd == 0 || self.pds.get(pd).is_some()
    }

    /// Whether the transport domain exists.
    pub(crate) fn has_transport_domain(&self, domain: u32) -> bool {
        self.transport_domains.get(domain).is_some()
    }

    /// How many objects of this chapter exist: UARs, protection domains, transport domains, memory keys.
    pub(crate) fn counts(&self) -> [usize; 4] {
        [self.uars.len(), self.pds.len(), self.transport_domains.len(), self.mkeys.len()]
    }

    /// The driver's name for itself.
    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[stages::COMMANDS, domains::COMMANDS, mkey::COMMANDS];

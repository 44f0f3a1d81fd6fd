//! IPsec: keys, IPSEC objects, what they do to packets, and how a driver reads and changes their live state.
//!
//! - [`general`]: the four commands of general objects, by object type;
//! - [`key`]: encryption keys; [`object`]: IPSEC objects; [`limits`]: what the profile allows;
//! - [`engine`]: encrypt and decrypt as actions of a flow entry;
//! - [`sequence`]: numbers, windows, lifetimes and events of an ASO context;
//! - [`aso`]: ACCESS_ASO work queue entries.
//!
//! The ESP transforms themselves are in [`crate::esp`].

mod aso;
mod engine;
mod general;
mod key;
mod limits;
mod object;
mod sequence;
mod snapshot;
#[cfg(test)]
mod tests;

use crate::caps::Profile;
use crate::objects::Numbered;
pub(crate) use engine::Crypto;

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[crate::command::Command]] = &[general::COMMANDS];

/// State of IPsec.
#[derive(Debug)]
pub(crate) struct Ipsec {
    limits: limits::Limits,
    keys: Numbered<key::Key>,
    objects: Numbered<object::Object>,
}

impl Ipsec {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> Ipsec {
        let limits = limits::Limits::of(profile);
        Ipsec { keys: Numbered::new(1, limits.keys), objects: Numbered::new(1, limits.objects), limits }
    }

    /// Whether an IPSEC object exists, for the flow entry that names it.
    pub(crate) fn has(&self, object: u32) -> bool {
        self.objects.get(object).is_some()
    }
}

//! The security policy database (RFC 4301 section 4.4.1): an ordered list, first match decides, no match
//! drops. Policies are written in the outbound sense; inbound traffic in the clear is compared reversed.
//!
//! Look-up is by an index of the packet's family ([`index`]), so that it costs the same for one policy and for a
//! hundred thousand, and likewise for the SAs of a policy ([`active`]).
//!
//! Left out: decorrelation and caching (RFC 4301 section 4.4.1 allows to do without), separate SPDs per
//! interface, and names as selectors.

mod active;
mod index;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashMap;
use net::flow::Flow;

use crate::sa::Handle;
use crate::selector::{Match, Selector};
use active::{Actives, Taken};
use index::Index;

/// A policy, for as long as it is in the SPD; numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub u32);

impl core::fmt::Display for PolicyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What happens to the traffic of a policy (RFC 4301 section 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Only through ESP.
    Protect {
        /// In transport mode: such policies take whole datagrams only.
        transport: bool,
    },
    /// In the clear.
    Bypass,
    /// Not at all.
    Discard,
}

impl Action {
    /// PROTECT in tunnel mode.
    pub const TUNNEL: Self = Self::Protect { transport: false };
    /// PROTECT in transport mode.
    pub const TRANSPORT: Self = Self::Protect { transport: true };
}

/// One rule of the SPD, in the outbound sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The traffic; any of these.
    pub selectors: Vec<Selector>,
    /// What happens to it.
    pub action: Action,
}

#[derive(Debug)]
struct Entry {
    id: PolicyId,
    policy: Policy,
    /// Its place in the order.
    order: u64,
    active: Actives,
}

/// Between the places of two policies at first, so that others can come between them.
const GAP: u64 = 1 << 32;

/// What the SPD says about an outbound flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    NoPolicy,
    /// Only the whole datagram can tell.
    Unknown,
    Discard,
    Bypass,
    /// The SA to use, if one is active for this flow.
    Protect(PolicyId, Option<Handle>),
}

/// The ordered list of policies.
#[derive(Debug, Default)]
pub struct Spd {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// Entries in order.
    order: BTreeMap<u64, usize>,
    ids: HashMap<PolicyId, usize>,
    rules: Index<usize>,
    /// Of an SA that is active, the entry and its number there.
    active: HashMap<Handle, (usize, u64)>,
    next: u32,
}

impl Spd {
    /// Appends a policy: it decides what none before it does.
    pub fn push(&mut self, policy: Policy) -> PolicyId {
        let last = self.order.last_key_value().map_or(0, |(order, _)| *order);
        match last.checked_add(GAP) {
            Some(order) => self.place(order, policy),
            None => self.insert(usize::MAX, policy),
        }
    }

    /// Inserts a policy so that `before` others come first (all, if there are fewer).
    pub fn insert(&mut self, before: usize, policy: Policy) -> PolicyId {
        let before = before.min(self.order.len());
        let last = self.order.last_key_value().map_or(0, |(order, _)| *order);
        if before == self.order.len() && last < u64::MAX - GAP {
            return self.push(policy);
        }
        let mut next = self.order.keys().skip(before.saturating_sub(1)).copied();
        let low = if before == 0 { 0 } else { next.next().unwrap_or(0) };
        let high = next.next().unwrap_or(u64::MAX);
        let middle = low + (high - low) / 2;
        if middle == low {
            self.spread();
            return self.insert(before, policy);
        }
        self.place(middle, policy)
    }

    fn place(&mut self, order: u64, policy: Policy) -> PolicyId {
        let id = PolicyId(self.next);
        self.next += 1;
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        for (number, selector) in (0..).zip(&policy.selectors) {
            self.rules.insert((order, number), selector, at);
        }
        self.order.insert(order, at);
        self.ids.insert(id, at);
        if let Some(place) = self.entries.get_mut(at) {
            *place = Some(Entry { id, policy, order, active: Actives::default() });
        }
        id
    }

    /// Gives all policies places with gaps between them again.
    fn spread(&mut self) {
        self.rules = Index::default();
        let places = core::mem::take(&mut self.order);
        for (number, at) in (1..).zip(places.into_values()) {
            let order = number * GAP;
            self.order.insert(order, at);
            let Some(Some(entry)) = self.entries.get_mut(at) else { continue };
            entry.order = order;
            for (number, selector) in (0..).zip(&entry.policy.selectors) {
                self.rules.insert((order, number), selector, at);
            }
        }
    }

    fn entry(&self, id: PolicyId) -> Option<&Entry> {
        self.entries.get(*self.ids.get(&id)?)?.as_ref()
    }

    /// The policies in order.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        let entries = self.order.values().filter_map(|at| self.entries.get(*at)?.as_ref());
        entries.map(|entry| (entry.id, &entry.policy))
    }

    /// A policy by its number.
    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.entry(id).map(|entry| &entry.policy)
    }

    /// The outbound SAs of a policy, newest first.
    pub fn active(&self, id: PolicyId) -> impl Iterator<Item = Handle> {
        self.entry(id).into_iter().flat_map(|entry| entry.active.iter())
    }

    /// Takes a policy out. Its SAs must be retired with it, see [`crate::Ipsec::remove_policy`].
    pub(crate) fn remove(&mut self, id: PolicyId) -> Option<Policy> {
        let at = self.ids.remove(&id)?;
        let entry = self.entries.get_mut(at)?.take()?;
        self.free.push(at);
        self.order.remove(&entry.order);
        for (number, selector) in (0..).zip(&entry.policy.selectors) {
            self.rules.remove((entry.order, number), selector);
        }
        for handle in entry.active.iter() {
            self.active.remove(&handle);
        }
        Some(entry.policy)
    }

    /// Makes an SA the one that outbound traffic of `id` under `selectors` uses, and returns the SAs that
    /// carry nothing any more because it covers all that they cover.
    pub(crate) fn activate(&mut self, id: PolicyId, handle: Handle, selectors: &[Selector]) -> Vec<Handle> {
        let Some(&at) = self.ids.get(&id) else { return Vec::new() };
        self.deactivate(handle);
        let Some(Some(entry)) = self.entries.get_mut(at) else { return Vec::new() };
        let (number, replaced) = entry.active.add(handle, selectors, &entry.policy.selectors);
        for old in &replaced {
            self.active.remove(old);
        }
        self.active.insert(handle, (at, number));
        replaced
    }

    /// Outbound traffic no longer uses this SA.
    pub(crate) fn deactivate(&mut self, handle: Handle) {
        let Some((at, number)) = self.active.remove(&handle) else { return };
        if let Some(Some(entry)) = self.entries.get_mut(at) {
            entry.active.remove(number);
        }
    }

    /// What happens to an outbound flow.
    #[inline]
    pub(crate) fn lookup(&self, flow: &Flow) -> Verdict {
        let Some((matched, at)) = self.rules.first(flow, |matched| matched != Match::No) else {
            //= rfc4301#5.1
            return Verdict::NoPolicy;
        };
        let Some(Some(entry)) = self.entries.get(at) else { return Verdict::NoPolicy };
        //= rfc4301#7.3
        if matched == Match::Unknown {
            return Verdict::Unknown;
        }
        match entry.policy.action {
            Action::Discard => Verdict::Discard,
            Action::Bypass => Verdict::Bypass,
            Action::Protect { transport } => {
                if transport && flow.ports == net::flow::Ports::Opaque {
                    return Verdict::Unknown;
                }
                match entry.active.take(flow) {
                    Taken::By(handle) => Verdict::Protect(entry.id, Some(handle)),
                    Taken::Unknown => Verdict::Unknown,
                    Taken::No => Verdict::Protect(entry.id, None),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

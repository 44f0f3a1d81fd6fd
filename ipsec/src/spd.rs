//! The security policy database (RFC 4301 section 4.4.1): an ordered list, first match decides, no match
//! drops. Policies are written in the outbound sense; inbound traffic in the clear is compared reversed.
//!
//! Look-up walks a compiled list of the packet's family only: addresses as plain integers, one entry per
//! selector, in policy order.
//!
//! Left out: decorrelation and caching (RFC 4301 section 4.4.1 allows to do without), separate SPDs per
//! interface, and names as selectors.

use alloc::vec::Vec;
use core::net::IpAddr;

use net::flow::Flow;

use crate::sa::Handle;
use crate::selector::{Match, Selector, Upper};

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

/// An outbound SA of a policy.
#[derive(Debug)]
struct Active {
    handle: Handle,
    selectors: Vec<Selector>,
    /// It covers all that the policy covers: no need to compare.
    whole: bool,
}

#[derive(Debug)]
struct Entry {
    id: PolicyId,
    policy: Policy,
    active: Vec<Active>,
}

/// A selector of one family, ready to compare.
#[derive(Debug)]
struct Rule<A> {
    src: (A, A),
    dst: (A, A),
    proto: Option<u8>,
    upper: Upper,
    entry: usize,
}

impl<A: PartialOrd + Copy> Rule<A> {
    fn matches(&self, src: A, dst: A, flow: &Flow) -> Match {
        let outer = self.src.0 <= src
            && src <= self.src.1
            && self.dst.0 <= dst
            && dst <= self.dst.1
            && self.proto.is_none_or(|proto| proto == flow.proto);
        if outer { self.upper.matches(flow.ports) } else { Match::No }
    }
}

fn first_match<A: PartialOrd + Copy>(rules: &[Rule<A>], src: A, dst: A, flow: &Flow) -> (Match, usize) {
    for rule in rules {
        let matched = rule.matches(src, dst, flow);
        if matched != Match::No {
            return (matched, rule.entry);
        }
    }
    (Match::No, 0)
}

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
    entries: Vec<Entry>,
    rules4: Vec<Rule<u32>>,
    rules6: Vec<Rule<u128>>,
    next: u32,
}

impl Spd {
    /// Appends a policy: it decides what none before it does.
    pub fn push(&mut self, policy: Policy) -> PolicyId {
        self.insert(self.entries.len(), policy)
    }

    /// Inserts a policy so that `before` others come first (all, if there are fewer).
    pub fn insert(&mut self, before: usize, policy: Policy) -> PolicyId {
        let id = PolicyId(self.next);
        self.next += 1;
        let at = before.min(self.entries.len());
        self.entries.insert(at, Entry { id, policy, active: Vec::new() });
        self.compile();
        id
    }

    /// The policies in order.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        self.entries.iter().map(|entry| (entry.id, &entry.policy))
    }

    /// A policy by its number.
    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| &entry.policy)
    }

    /// The outbound SAs of a policy, newest first.
    pub fn active(&self, id: PolicyId) -> impl Iterator<Item = Handle> {
        let entry = self.entries.iter().find(|entry| entry.id == id);
        entry.into_iter().flat_map(|entry| entry.active.iter().map(|active| active.handle))
    }

    /// Takes a policy out. Its SAs must be retired with it, see [`crate::Ipsec::remove_policy`].
    pub(crate) fn remove(&mut self, id: PolicyId) -> Option<Policy> {
        let at = self.entries.iter().position(|entry| entry.id == id)?;
        let entry = self.entries.remove(at);
        self.compile();
        Some(entry.policy)
    }

    /// Makes an SA the one that outbound traffic of `id` under `selectors` uses, and returns the SAs that
    /// carry nothing any more because it covers all that they cover.
    pub(crate) fn activate(&mut self, id: PolicyId, handle: Handle, selectors: &[Selector]) -> Vec<Handle> {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else {
            return Vec::new();
        };
        let covers = |old: &[Selector]| old.iter().all(|o| selectors.iter().any(|new| o.is_subset(new)));
        let (replaced, mut kept): (Vec<_>, Vec<_>) =
            entry.active.drain(..).partition(|old| old.handle == handle || covers(&old.selectors));
        let whole = covers(&entry.policy.selectors);
        kept.insert(0, Active { handle, selectors: selectors.to_vec(), whole });
        entry.active = kept;
        replaced.into_iter().map(|old| old.handle).filter(|&old| old != handle).collect()
    }

    /// Outbound traffic no longer uses this SA.
    pub(crate) fn deactivate(&mut self, handle: Handle) {
        for entry in &mut self.entries {
            entry.active.retain(|active| active.handle != handle);
        }
    }

    /// What happens to an outbound flow.
    pub(crate) fn lookup(&self, flow: &Flow) -> Verdict {
        let (matched, at) = match (flow.src, flow.dst) {
            (IpAddr::V4(s), IpAddr::V4(d)) => first_match(&self.rules4, s.to_bits(), d.to_bits(), flow),
            (IpAddr::V6(s), IpAddr::V6(d)) => first_match(&self.rules6, s.to_bits(), d.to_bits(), flow),
            _ => (Match::No, 0),
        };
        let entry = match (matched, self.entries.get(at)) {
            (Match::Yes, Some(entry)) => entry,
            //= rfc4301#7.3
            (Match::Unknown, Some(_)) => return Verdict::Unknown,
            //= rfc4301#5.1
            _ => return Verdict::NoPolicy,
        };
        match entry.policy.action {
            Action::Discard => Verdict::Discard,
            Action::Bypass => Verdict::Bypass,
            Action::Protect { transport } => {
                if transport && flow.ports == net::flow::Ports::Opaque {
                    return Verdict::Unknown;
                }
                let mut unknown = false;
                for active in &entry.active {
                    let matches = |selector: &Selector| {
                        let matched = selector.matches(flow);
                        unknown |= matched == Match::Unknown;
                        matched == Match::Yes
                    };
                    if active.whole || active.selectors.iter().any(matches) {
                        return Verdict::Protect(entry.id, Some(active.handle));
                    }
                }
                if unknown { Verdict::Unknown } else { Verdict::Protect(entry.id, None) }
            }
        }
    }

    fn compile(&mut self) {
        self.rules4.clear();
        self.rules6.clear();
        for (entry, Entry { policy, .. }) in self.entries.iter().enumerate() {
            for &Selector { src, dst, proto, upper } in &policy.selectors {
                match (src.first(), src.last(), dst.first(), dst.last()) {
                    (IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(c), IpAddr::V4(d)) => {
                        let (src, dst) = ((a.to_bits(), b.to_bits()), (c.to_bits(), d.to_bits()));
                        self.rules4.push(Rule { src, dst, proto, upper, entry });
                    }
                    (IpAddr::V6(a), IpAddr::V6(b), IpAddr::V6(c), IpAddr::V6(d)) => {
                        let (src, dst) = ((a.to_bits(), b.to_bits()), (c.to_bits(), d.to_bits()));
                        self.rules6.push(Rule { src, dst, proto, upper, entry });
                    }
                    // A selector across families covers nothing.
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

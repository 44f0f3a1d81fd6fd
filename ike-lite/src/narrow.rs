//! Traffic selector negotiation (RFC 7296, section 2.9): what of the peer's wishes the configuration allows.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::{Child, SelectorSpec};
use crate::output::Mode;
use crate::selector::TrafficSelector;

/// More selectors than this on one side are cut off. The first, which is the peer's own packet, stays.
const MAX_SELECTORS: usize = 64;

/// Selectors of a child, seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selectors {
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
}

/// Addresses that the two sides use for IKE.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
}

/// What both lists match, without selectors that others contain; the peer's order.
fn common(offered: &[TrafficSelector], ours: &[SelectorSpec], address: IpAddr) -> Vec<TrafficSelector> {
    let mut found: Vec<TrafficSelector> = Vec::new();
    for wish in offered {
        for spec in ours {
            let Some(both) = wish.intersect(&spec.resolve(address)) else { continue };
            if found.iter().any(|other| both.is_subset(other)) {
                continue;
            }
            // What contains the first choice takes its place in front.
            let place = found.iter().position(|other| other.is_subset(&both)).unwrap_or(found.len());
            found.retain(|other| !other.is_subset(&both));
            found.insert(place.min(found.len()), both);
            if found.len() >= MAX_SELECTORS {
                return found;
            }
        }
    }
    found
}

/// Whether a packet can match `one` at one end and `other` at the other.
fn pairs(one: &TrafficSelector, other: &TrafficSelector) -> bool {
    one.first.is_ipv4() == other.first.is_ipv4()
        && (one.protocol == 0 || other.protocol == 0 || one.protocol == other.protocol)
}

/// What `child` allows of the wish; `None` if nothing is left.
pub(crate) fn narrow(child: &Child, ends: Ends, wish: &Selectors) -> Option<Selectors> {
    let mut local = common(&wish.local, &child.local_ts, ends.local);
    let mut remote = common(&wish.remote, &child.remote_ts, ends.remote);
    local.retain(|one| remote.iter().any(|other| pairs(one, other)));
    remote.retain(|one| local.iter().any(|other| pairs(one, other)));
    (!local.is_empty() && !remote.is_empty()).then_some(Selectors { local, remote })
}

/// Which of the children fits the wish and what it allows. One that takes the first selector of both sides, which
/// is the packet that made the peer ask, goes before one that doesn't.
pub(crate) fn choose<'c>(
    children: impl IntoIterator<Item = &'c Child>,
    ends: Ends,
    wish: &Selectors,
    mode: Mode,
) -> Option<(&'c Child, Selectors)> {
    let first = |list: &[TrafficSelector]| list.first().copied();
    let mut best: Option<(u8, &Child, Selectors)> = None;
    for child in children {
        // A tunnel where transport mode was configured isn't what the operator asked for.
        if child.mode == Mode::Transport && mode == Mode::Tunnel {
            continue;
        }
        let Some(selectors) = narrow(child, ends, wish) else { continue };
        let holds = |wished: &[TrafficSelector], allowed: &[TrafficSelector]| {
            first(wished).is_some_and(|packet| allowed.iter().any(|selector| packet.is_subset(selector)))
        };
        //= rfc7296#2.9
        let takes_first = holds(&wish.local, &selectors.local) && holds(&wish.remote, &selectors.remote);
        let takes_all = wish.local.iter().all(|s| holds(&[*s], &selectors.local))
            && wish.remote.iter().all(|s| holds(&[*s], &selectors.remote));
        let score = u8::from(takes_first) * 4 + u8::from(takes_all) * 2 + u8::from(child.mode == mode);
        if best.as_ref().is_none_or(|(other, _, _)| score > *other) {
            best = Some((score, child, selectors));
        }
    }
    best.map(|(_, child, selectors)| (child, selectors))
}

#[cfg(test)]
mod tests;

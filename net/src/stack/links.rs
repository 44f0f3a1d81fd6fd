//! Routes, and how they follow the links: of several routes for the same destinations the best one is used whose port has a
//! link. Where no port has one, the best of all is: what leaves by it is the device's to lose.
//!
//! Left out: routes that are learned, and links that fail further away.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::{Hop, Port, Stack, Target};
use crate::config::Route;
use crate::nic::PortId;
use crate::prefix::Prefix;
use crate::route::Table;

/// What leads where, in the order of precedence that [`Stack::new`] has.
pub(super) fn table(ports: &[Port], configured: &[Route]) -> Table<Target> {
    let mut routes = Table::default();
    let addresses = || {
        let ports = (0..=u8::MAX).map(PortId).zip(ports);
        // The last one is not a route.
        ports
            .flat_map(|(id, port)| port.addresses.iter().rev().skip(1).rev().map(move |prefix| (id, *prefix)))
    };
    for (id, prefix) in addresses() {
        routes.insert(prefix, Target::Link(id));
    }
    let up = |port: PortId| ports.get(usize::from(port.0)).is_some_and(|port| port.up);
    let mut best: Vec<&Route> = configured.iter().collect();
    // The last one that is inserted counts. Of equal ones it is the last of the configuration.
    best.sort_by_key(|route| (up(route.port), core::cmp::Reverse(route.metric)));
    for route in best {
        routes.insert(route.prefix, target(route));
    }
    routes.insert(Prefix::host(IpAddr::V4(Ipv4Addr::BROADCAST)), Target::Broadcast);
    for prefix in ports.iter().flat_map(|port| &port.addresses) {
        if let Some(broadcast) = prefix.broadcast() {
            routes.insert(Prefix::host(broadcast), Target::Broadcast);
            routes.insert(Prefix::host(prefix.first()), Target::Broadcast);
        }
    }
    for prefix in ports.iter().flat_map(|port| &port.addresses) {
        routes.insert(Prefix::host(prefix.addr()), Target::Own);
    }
    routes
}

fn target(route: &Route) -> Target {
    route.via.map_or(Target::Link(route.port), |via| Target::Via(route.port, via))
}

impl Stack {
    /// A port has a link from now on, or has none. Whether this may change where packets leave: then what [`Stack::hop`] has
    /// said does not hold any more.
    pub fn set_link(&mut self, port: PortId, up: bool) -> bool {
        let Some(place) = self.ports.get_mut(usize::from(port.0)).filter(|port| port.up != up) else {
            return false;
        };
        place.up = up;
        self.routes = table(&self.ports, &self.configured);
        self.configured.iter().any(|route| {
            let other =
                |other: &&Route| other.port != route.port && other.prefix.network() == route.prefix.network();
            route.port == port && self.configured.iter().any(|one| other(&one))
        })
    }

    /// The way to `dst` by this port, if it has a link and a route, be it the best or not.
    pub fn hop_by(&self, dst: IpAddr, port: PortId) -> Option<Hop> {
        let links = self.port(port).filter(|port| port.up)?.addresses.iter();
        let links = links.map(|prefix| (*prefix, Target::Link(port)));
        let routes = self.configured.iter().filter(|route| route.port == port);
        let all = links.chain(routes.map(|route| (route.prefix, target(route))));
        let (_, target) =
            all.filter(|(prefix, _)| prefix.contains(dst)).max_by_key(|(prefix, _)| prefix.prefix_len())?;
        self.hop_at(target, dst)
    }
}

//! The way out of the gateway (RFC 4301, section 5.1): route, policy, ESP.
//!
//! 1. Route: within the inside a packet leaves as it is.
//! 2. By an outside port: [`Ipsec::outbound`](ipsec::Ipsec::outbound) decides. PROTECT: cut to what fits through the tunnel,
//!    seal, route again by the outer header.
//! 3. A train of TCP segments passes as one as long as what is done to the first is done to all. Otherwise it comes apart, and
//!    each is decided on by itself.
//!
//! Fail closed: a packet leaves by an outside port only by way of `cross`, which sends in the clear only on
//! `Outbound::Bypass`. The sole exceptions are ESP itself, IKE, NAT keepalives (`own`), ARP and ND (`net`).

use ipsec::{Handle, Outbound};
use net::ip::ipv6;
use net::train::Apart;
use net::{Hop, Instant, Packet, Parsed, Unreachable};

use crate::cause::Cause;
use crate::gateway::Gateway;
use crate::slots::LIMIT_AGE;
use crate::tap::Point;

/// Who a packet is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody else, who is told what goes wrong.
    Forwarded,
    /// Ourselves.
    Own,
}

/// How packets leave by an SA.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// The largest packet that fits.
    limit: u16,
    /// Whether larger ones are to be cut before.
    cut_inside: bool,
    /// Whether a card does it.
    by_card: bool,
    /// The way to the peer.
    hop: Option<Hop>,
}

impl Gateway {
    /// Sends a packet of our own, chosen its source so that a PROTECT policy that leads to its destination
    /// covers it.
    pub(crate) fn originate(&mut self, now: Instant, mut packet: Packet) {
        self.choose_source(&mut packet);
        if let Some((packet, parsed)) = self.parse(packet) {
            self.route(now, packet, &parsed, Origin::Own);
        }
    }

    /// Finds the way out: within the inside, or across the boundary.
    pub(crate) fn route(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin) {
        let Some(hop) = self.stack.hop(parsed.flow.dst) else {
            // Counts the cause.
            let error = match origin {
                Origin::Forwarded => self.stack.unreachable(now, &packet, Unreachable::NoRoute),
                Origin::Own => None,
            };
            let _ = self.stack.send(now, packet);
            if let Some(error) = error {
                self.originate(now, error);
            }
            return;
        };
        if self.is_outside(hop.port()) {
            self.cross(now, packet, parsed, origin, hop);
        } else {
            self.emit(now, packet, parsed, origin, hop);
        }
    }

    /// Takes a packet across the boundary outwards, as the policies say.
    fn cross(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, hop: Hop) {
        match self.ipsec.outbound_train(now, &parsed.flow, packet.count()) {
            Outbound::Protect(handle) => self.protect(now, packet, parsed, origin, handle),
            Outbound::Bypass => self.emit(now, packet, parsed, origin, hop),
            Outbound::Discard => {
                //= rfc1812#5.2.7.1
                if origin == Origin::Forwarded
                    && packet.meta.sa_in.is_none()
                    && let Some(error) = self.stack.unreachable(now, &packet, Unreachable::Prohibited)
                {
                    self.originate(now, error);
                }
            }
            Outbound::NeedSa(policy) => {
                self.counters.add(Cause::NoSa, packet.count());
                if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == policy) {
                    rule.no_sa += packet.count();
                }
            }
            Outbound::NeedReassembly if parsed.fragment.is_some() => {
                if let Some((packet, parsed)) = self.whole(now, packet, *parsed) {
                    self.cross(now, packet, &parsed, origin, hop);
                }
            }
            Outbound::NeedReassembly => self.counters.add(Cause::PortsUnreadable, packet.count()),
        }
    }

    /// Sends a packet as it is, or tells its sender that it is too big.
    fn emit(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, hop: Hop) {
        let fits = packet.len() <= usize::from(hop.mtu());
        if fits && origin == Origin::Forwarded && packet.meta.fragment_size.is_none() {
            let _ = self.stack.send_by(now, hop, packet);
            return;
        }
        if packet.is_train() {
            return self.apart(packet, |gateway, packet| gateway.emit(now, packet, parsed, origin, hop));
        }
        let may_cut = !parsed.dont_fragment || packet.meta.fragment_size.is_some();
        if !fits
            && !may_cut
            && origin == Origin::Forwarded
            && let Some(error) = self.stack.too_big(now, &packet, hop.mtu())
        {
            self.originate(now, error);
        }
        // Cuts, sends, or counts why not.
        let _ = self.stack.send(now, packet);
    }

    /// Seals a packet and sends it to the peer.
    #[inline]
    fn protect(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, handle: Handle) {
        if let Some(slot) = self.slots.of(handle)
            && now < slot.limit_until
            && packet.len() <= usize::from(slot.limit)
            && let Some(hop) = slot.hop
            && !packet.is_train()
        {
            if let Some(packet) = self.sealed(now, packet, handle, Some(parsed)) {
                let _ = self.stack.send_by(now, hop, packet);
            }
            return;
        }
        self.protect_cut(now, packet, parsed, origin, handle);
    }

    /// Seals a packet, after cutting it to what fits (RFC 4301, section 8.2).
    fn protect_cut(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, handle: Handle) {
        let Way { limit, cut_inside, by_card, hop } = self.way(now, handle);
        let fits = packet.len() <= usize::from(limit);
        if packet.is_train() && !(fits && self.ipsec.takes_train(now, handle, &packet)) {
            return self
                .apart(packet, |gateway, packet| gateway.protect(now, packet, parsed, origin, handle));
        }
        let may_cut = !parsed.dont_fragment || packet.meta.fragment_size.is_some();
        // In transport mode, and where the peer compares ports, whole datagrams are protected and the
        // outer packet is cut (RFC 4303, section 3.3.4; RFC 4301, section 7).
        let cut_outside = !cut_inside && !by_card && (may_cut || origin == Origin::Own);
        if fits {
            let Some(packet) = self.sealed(now, packet, handle, Some(parsed)) else { return };
            let _ = match hop {
                Some(hop) => self.stack.send_by(now, hop, packet),
                None => self.stack.send(now, packet),
            };
            return;
        }
        if cut_outside {
            return self.seal(now, packet, handle);
        }
        if may_cut && cut_inside {
            let mut pieces = alloc::vec::Vec::new();
            if self.stack.fragment(packet, limit, &mut |piece| pieces.push(piece)).is_ok() {
                for piece in pieces {
                    self.seal(now, piece, handle);
                }
            }
            return;
        }
        // IPv6 has no path below 1280: such packets go through the tunnel in pieces of the outer packet.
        let least = ipv6::MIN_MTU;
        if parsed.flow.dst.is_ipv6() && packet.len() <= usize::from(least) && !by_card {
            return self.seal_to_be_cut(now, packet, handle);
        }
        self.count(if by_card { Cause::TooBigForCard } else { Cause::TooBigForTunnel });
        let told = if parsed.flow.dst.is_ipv6() { limit.max(least) } else { limit };
        if origin == Origin::Forwarded
            && let Some(error) = self.stack.too_big(now, &packet, told)
        {
            self.originate(now, error);
        }
    }

    /// Does the same with each packet of a train.
    fn apart(&mut self, train: Packet, mut each: impl FnMut(&mut Self, Packet)) {
        let count = train.count();
        let mut done = 0;
        for packet in Apart::packet(train).into_iter().flatten() {
            done += 1;
            each(self, packet);
        }
        // None is: each has the room that its headers came in.
        self.counters.add(Cause::Unparsable, count - done);
    }

    /// How packets leave by an SA.
    #[inline]
    fn way(&mut self, now: Instant, handle: Handle) -> Way {
        let Some(slot) = self.slots.of(handle) else { return Way::default() };
        if now >= slot.limit_until {
            slot.limit = self.ipsec.max_inner(handle, self.stack.path_mtu(slot.remote));
            slot.hop = self.stack.hop(slot.remote);
            // Where the route leads elsewhere now, the old way is used until there are SAs for the new one.
            if let Some(card) = slot.card
                && slot.hop.is_none_or(|hop| hop.port() != card)
                && let Some(hop) = self.stack.hop_by(slot.remote, card)
            {
                slot.hop = Some(hop);
            }
            slot.limit_until = now + LIMIT_AGE;
        }
        let cut_inside = slot.tunnel && slot.sends.is_some_and(|sends| sends.cut_inside);
        Way { limit: slot.limit, cut_inside, by_card: slot.card.is_some(), hop: slot.hop }
    }

    fn seal(&mut self, now: Instant, packet: Packet, handle: Handle) {
        if let Some(packet) = self.sealed(now, packet, handle, None) {
            let _ = self.stack.send(now, packet);
        }
    }

    /// As [`Self::seal`], and lets an outer IPv4 packet be cut although the inner packet counts as one with DF.
    fn seal_to_be_cut(&mut self, now: Instant, packet: Packet, handle: Handle) {
        let Some(mut packet) = self.sealed(now, packet, handle, None) else { return };
        self.allow_cutting(&mut packet);
        let _ = self.stack.send(now, packet);
    }

    /// Seals a packet, of which it may be known what its header says.
    #[inline]
    fn sealed(
        &mut self,
        now: Instant,
        mut packet: Packet,
        handle: Handle,
        parsed: Option<&Parsed>,
    ) -> Option<Packet> {
        self.watch(now, Point::BeforeSeal, &packet);
        match parsed {
            Some(parsed) => self.ipsec.seal_parsed(now, handle, &mut packet, parsed).ok()?,
            None => self.ipsec.seal(now, handle, &mut packet).ok()?,
        }
        self.watch(now, Point::AfterSeal, &packet);
        // The outer packet is ours: what was known of the inner one no longer holds.
        packet.meta.fragment_size = None;
        packet.meta.sa_in = None;
        Some(packet)
    }
}

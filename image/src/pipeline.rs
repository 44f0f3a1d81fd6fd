//! A packet's way through the gateway (RFC 4301, section 5).
//!
//! 1. To us? Fragments are collected, ESP is opened or, if it came in fragments and a card has the key, given to the card;
//!    IKE goes to the responder, everything else is
//!    delivered, after [`Ipsec::check_clear`](ipsec::Ipsec::check_clear) if it came in the clear from
//!    the outside.
//! 2. To others: `check_clear` likewise; hop limit; route.
//! 3. Leaves by an outside port: [`Ipsec::outbound`](ipsec::Ipsec::outbound) decides. PROTECT: cut to what
//!    fits through the tunnel, seal, route again by the outer header.
//!
//! Fail closed: a packet leaves by an outside port only by way of `cross`, which sends in the clear only on
//! `Outbound::Bypass`. The sole exceptions are ESP itself, IKE, NAT keepalives (`own`), ARP and ND (`net`).

use ipsec::offload::Name;
use ipsec::wire::Encapsulated;
use ipsec::{Handle, Opened, Outbound};
use net::ip::{ipv6, proto, udp};
use net::{Flow, Hop, Instant, Local, Packet, Parsed, PortId, Ports, Reassembled, Unreachable};

use crate::cause::Cause;
use crate::gateway::Gateway;
use crate::slots::LIMIT_AGE;
use crate::tap::Point;

/// Port of IKE (RFC 7296, section 2).
pub(crate) const IKE_PORT: u16 = 500;
/// Port of IKE and ESP behind NATs (RFC 3948, section 2).
pub(crate) const NAT_PORT: u16 = 4500;

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
    /// Takes a sound IP packet off the wire.
    pub(crate) fn input(&mut self, now: Instant, packet: Packet, parsed: Parsed) {
        if self.stack.is_local(parsed.flow.dst) {
            if let Some((packet, parsed)) = self.whole(now, packet, parsed) {
                self.input_local(now, packet, parsed);
            }
        } else if let Some((packet, parsed)) = self.admit(now, packet, parsed) {
            self.forward(now, packet, parsed);
        }
    }

    /// Collects fragments; a packet that is none passes through.
    fn whole(&mut self, now: Instant, packet: Packet, parsed: Parsed) -> Option<(Packet, Parsed)> {
        if parsed.fragment.is_none() {
            return Some((packet, parsed));
        }
        match self.stack.reassemble(now, packet, &parsed) {
            Reassembled::Whole(packet) => self.parse(packet),
            Reassembled::Waiting | Reassembled::Dropped(_) => None,
        }
    }

    /// Reads the header of a packet that was put together or generated here.
    pub(crate) fn parse(&mut self, packet: Packet) -> Option<(Packet, Parsed)> {
        match Flow::parse(packet.bytes()) {
            Ok(parsed) => Some((packet, parsed)),
            Err(_) => {
                self.count(Cause::Unparsable);
                None
            }
        }
    }

    /// Lets a packet in the clear pass the boundary inwards if the policies do.
    fn admit(&mut self, now: Instant, packet: Packet, parsed: Parsed) -> Option<(Packet, Parsed)> {
        if packet.meta.sa_in.is_some() || !self.is_outside(packet.meta.port) {
            return Some((packet, parsed));
        }
        match self.ipsec.check_clear(&parsed.flow) {
            Ok(()) => Some((packet, parsed)),
            Err(drop) if drop.cause == ipsec::Cause::FragmentUnmatched => {
                if parsed.fragment.is_none() {
                    self.count(Cause::PortsUnreadable);
                    return None;
                }
                let (packet, parsed) = self.whole(now, packet, parsed)?;
                self.admit(now, packet, parsed)
            }
            Err(_) => None,
        }
    }

    /// A whole packet to one of our addresses.
    fn input_local(&mut self, now: Instant, packet: Packet, parsed: Parsed) {
        match (parsed.flow.proto, parsed.flow.ports) {
            (proto::ESP, _) => return self.open(now, packet),
            (proto::UDP, Ports::Ports { dst: IKE_PORT, .. }) if self.ike.is_some() => {
                return self.input_ike(now, packet, &parsed, &[]);
            }
            (proto::UDP, Ports::Ports { dst: NAT_PORT, .. }) => {
                match Encapsulated::of(
                    packet.bytes().get(parsed.header_len + udp::HEADER..).unwrap_or_default(),
                ) {
                    Encapsulated::Esp => return self.open(now, packet),
                    Encapsulated::Ike if self.ike.is_some() => {
                        return self.input_ike(now, packet, &parsed, &ipsec::wire::NON_ESP_MARKER);
                    }
                    Encapsulated::Keepalive => return self.count(Cause::Keepalive),
                    Encapsulated::Short => return self.count(Cause::EncapsulatedShort),
                    // Without IKE it is a datagram like any other.
                    Encapsulated::Ike => {}
                }
            }
            (proto::ICMP | proto::ICMPV6, Ports::Icmp { kind, .. })
                if crate::icmp::is_error(&parsed.flow, kind) =>
            {
                // Unauthenticated, but the way by which path MTUs become known (RFC 4301, section 6.1.1).
                return self.input_error(now, packet, &parsed);
            }
            _ => {}
        }
        if let Some((packet, parsed)) = self.admit(now, packet, parsed) {
            self.deliver(now, packet, &parsed);
        }
    }

    /// Opens a packet with ESP and sends what was in it on its way.
    fn open(&mut self, now: Instant, mut packet: Packet) {
        if packet.meta.sa_in.is_some() {
            // One layer is what the policies describe; more would let a peer choose how deep we go.
            return self.count(Cause::Nested);
        }
        if packet.meta.fragment_size.is_some()
            && let Some((port, largest)) = self.ipsec.card_of(packet.bytes())
        {
            return self.give_back(port, largest, packet);
        }
        self.watch(now, Point::BeforeOpen, &packet);
        let Ok(opened) = self.ipsec.open(now, &mut packet) else { return };
        self.opened(now, packet, opened);
    }

    /// Gives ESP that came in fragments back to the card, which opens it as if it had just come, by its own key and window. A
    /// packet goes this way once: only what was put together here does, and what comes back unopened is not taken
    /// ([`net::Stack::receive`]).
    fn give_back(&mut self, port: PortId, largest: u16, packet: Packet) {
        if packet.len() > usize::from(largest) {
            return self.count(Cause::FragmentsTooBigForCard);
        }
        if self.stack.send_back(port, packet).is_ok() {
            self.given_back += 1;
        }
    }

    /// Takes a packet that a card has opened under the SA that it calls `name`.
    pub(crate) fn opened_by_card(&mut self, now: Instant, mut packet: Packet, name: Name) {
        let port = packet.meta.port;
        let Ok(opened) = self.ipsec.open_by_card(now, (port, name), &mut packet) else { return };
        self.opened(now, packet, opened);
    }

    /// Sends what came out of an SA on its way.
    fn opened(&mut self, now: Instant, mut packet: Packet, opened: Opened) {
        packet.meta.sa_in = Some(opened.handle.bits());
        // That the outer packet came in pieces says nothing about the inner one.
        packet.meta.fragment_size = None;
        self.watch(now, Point::AfterOpen, &packet);
        self.hint(now, opened.handle);
        let parsed = opened.parsed;
        if self.stack.admit(&packet, &parsed).is_err() {
            return;
        }
        if self.stack.is_local(parsed.flow.dst) {
            if let Some((packet, parsed)) = self.whole(now, packet, parsed) {
                let encapsulated = parsed.flow.proto == proto::ESP
                    || matches!(parsed.flow.ports, Ports::Ports { dst: NAT_PORT, .. });
                if encapsulated {
                    return self.count(Cause::Nested);
                }
                self.deliver(now, packet, &parsed);
            }
        } else {
            self.forward(now, packet, parsed);
        }
    }

    /// Gives a packet to one of our own services.
    fn deliver(&mut self, now: Instant, packet: Packet, parsed: &Parsed) {
        match self.stack.local(now, packet, parsed) {
            Local::Reply(reply) => self.originate(now, reply),
            Local::Udp(packet, _) => {
                self.count(Cause::NoUdpService);
                if let Some(error) = self.stack.unreachable(now, &packet, Unreachable::Port) {
                    self.originate(now, error);
                }
            }
            Local::Other(packet) => {
                self.count(Cause::NoProtocolService);
                if let Some(error) = self.stack.unreachable(now, &packet, Unreachable::Protocol) {
                    self.originate(now, error);
                }
            }
            Local::Error(_) => self.count(Cause::IcmpUnverified),
            Local::Consumed | Local::Dropped(_) => {}
        }
    }

    /// A packet to somebody else, admitted.
    fn forward(&mut self, now: Instant, mut packet: Packet, parsed: Parsed) {
        match self.stack.decrement_hop_limit(now, &mut packet) {
            Ok(()) => self.route(now, packet, parsed, Origin::Forwarded),
            Err(Some(error)) => self.originate(now, error),
            Err(None) => {}
        }
    }

    /// Sends a packet of our own, chosen its source so that a PROTECT policy that leads to its destination
    /// covers it.
    pub(crate) fn originate(&mut self, now: Instant, mut packet: Packet) {
        self.choose_source(&mut packet);
        if let Some((packet, parsed)) = self.parse(packet) {
            self.route(now, packet, parsed, Origin::Own);
        }
    }

    /// Finds the way out: within the inside, or across the boundary.
    fn route(&mut self, now: Instant, packet: Packet, parsed: Parsed, origin: Origin) {
        let Some(egress) = self.stack.egress(parsed.flow.dst) else {
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
        if self.is_outside(egress.port) {
            self.cross(now, packet, parsed, origin, egress.mtu);
        } else {
            self.emit(now, packet, &parsed, origin, egress.mtu);
        }
    }

    /// Takes a packet across the boundary outwards, as the policies say.
    fn cross(&mut self, now: Instant, packet: Packet, parsed: Parsed, origin: Origin, mtu: u16) {
        match self.ipsec.outbound(now, &parsed.flow) {
            Outbound::Protect(handle) => self.protect(now, packet, &parsed, origin, handle),
            Outbound::Bypass => self.emit(now, packet, &parsed, origin, mtu),
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
                self.count(Cause::NoSa);
                if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == policy) {
                    rule.no_sa += 1;
                }
            }
            Outbound::NeedReassembly if parsed.fragment.is_some() => {
                if let Some((packet, parsed)) = self.whole(now, packet, parsed) {
                    self.cross(now, packet, parsed, origin, mtu);
                }
            }
            Outbound::NeedReassembly => self.count(Cause::PortsUnreadable),
        }
    }

    /// Sends a packet as it is, or tells its sender that it is too big.
    fn emit(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, mtu: u16) {
        let fits = packet.len() <= usize::from(mtu);
        let may_cut = !parsed.dont_fragment || packet.meta.fragment_size.is_some();
        if !fits
            && !may_cut
            && origin == Origin::Forwarded
            && let Some(error) = self.stack.too_big(now, &packet, mtu)
        {
            self.originate(now, error);
        }
        // Cuts, sends, or counts why not.
        let _ = self.stack.send(now, packet);
    }

    /// Seals a packet, after cutting it to what fits (RFC 4301, section 8.2).
    fn protect(&mut self, now: Instant, packet: Packet, parsed: &Parsed, origin: Origin, handle: Handle) {
        let Way { limit, cut_inside, by_card, hop } = self.way(now, handle);
        let may_cut = !parsed.dont_fragment || packet.meta.fragment_size.is_some();
        // In transport mode, and where the peer compares ports, whole datagrams are protected and the
        // outer packet is cut (RFC 4303, section 3.3.4; RFC 4301, section 7).
        let cut_outside = !cut_inside && !by_card && (may_cut || origin == Origin::Own);
        if packet.len() <= usize::from(limit) {
            let Some(packet) = self.sealed(now, packet, handle) else { return };
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

    /// How packets leave by an SA.
    #[inline]
    fn way(&mut self, now: Instant, handle: Handle) -> Way {
        let Some(slot) = self.slots.of(handle) else { return Way::default() };
        if now >= slot.limit_until {
            slot.limit = self.ipsec.max_inner(handle, self.stack.path_mtu(slot.remote));
            slot.hop = self.stack.hop(slot.remote);
            slot.limit_until = now + LIMIT_AGE;
        }
        let cut_inside = slot.tunnel && slot.sends.is_some_and(|sends| sends.cut_inside);
        Way { limit: slot.limit, cut_inside, by_card: slot.by_card, hop: slot.hop }
    }

    fn seal(&mut self, now: Instant, packet: Packet, handle: Handle) {
        if let Some(packet) = self.sealed(now, packet, handle) {
            let _ = self.stack.send(now, packet);
        }
    }

    /// As [`Self::seal`], and lets an outer IPv4 packet be cut although the inner packet counts as one with DF.
    fn seal_to_be_cut(&mut self, now: Instant, packet: Packet, handle: Handle) {
        let Some(mut packet) = self.sealed(now, packet, handle) else { return };
        self.allow_cutting(&mut packet);
        let _ = self.stack.send(now, packet);
    }

    fn sealed(&mut self, now: Instant, mut packet: Packet, handle: Handle) -> Option<Packet> {
        self.watch(now, Point::BeforeSeal, &packet);
        self.ipsec.seal(now, handle, &mut packet).ok()?;
        self.watch(now, Point::AfterSeal, &packet);
        // The outer packet is ours: what was known of the inner one no longer holds.
        packet.meta.fragment_size = None;
        packet.meta.sa_in = None;
        Some(packet)
    }
}

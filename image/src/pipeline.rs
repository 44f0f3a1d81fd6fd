//! A packet's way through the gateway (RFC 4301, section 5).
//!
//! 1. To us? Fragments are collected, ESP is opened or, if it came in fragments or by another port than the card's that has
//!    the key, given to that card; IKE goes to the responder, everything else is
//!    delivered, after [`Ipsec::check_clear`](ipsec::Ipsec::check_clear) if it came in the clear from
//!    the outside.
//! 2. To others: `check_clear` likewise; hop limit; TCP segments that follow each other are put together ([`net::train`]).
//! 3. What leaves goes on in `outbound`.

use ipsec::Opened;
use ipsec::offload::Name;
use ipsec::wire::Encapsulated;
use net::ip::{proto, udp};
use net::train::Came;
use net::{Flow, Instant, Local, Packet, Parsed, PortId, Ports, Reassembled, Unreachable};

use crate::cause::Cause;
use crate::gateway::Gateway;
use crate::outbound::Origin;
use crate::tap::Point;

/// Port of IKE (RFC 7296, section 2).
pub(crate) const IKE_PORT: u16 = 500;
/// Port of IKE and ESP behind NATs (RFC 3948, section 2).
pub(crate) const NAT_PORT: u16 = 4500;

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
    pub(crate) fn whole(&mut self, now: Instant, packet: Packet, parsed: Parsed) -> Option<(Packet, Parsed)> {
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
        if (packet.meta.fragment_size.is_some() || self.cards > 1)
            && let Some((port, largest)) = self.ipsec.card_of(packet.bytes())
            && (packet.meta.fragment_size.is_some() || packet.meta.port != port)
        {
            return self.give_back(port, largest, packet);
        }
        self.watch(now, Point::BeforeOpen, &packet);
        let Ok(opened) = self.ipsec.open(now, &mut packet) else { return };
        self.opened(now, packet, opened);
    }

    /// Gives ESP that came in fragments, or by another port, to the card that has its key, which opens it as if it had just
    /// come, by its own key and window. A packet goes this way once: what comes back unopened is not taken
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
            Ok(()) if parsed.flow.proto == proto::TCP && self.tap.is_none() => {
                if parsed.fragment.is_some() {
                    // Which stream it belongs to can't be seen: it overtakes none.
                    self.send_trains(now);
                }
                let (headroom, name) = self.came;
                let came = Came { front: packet.headroom().saturating_sub(headroom), name };
                for (packet, parsed) in self.trains.offer(packet, parsed, came) {
                    self.route(now, packet, &parsed, Origin::Forwarded);
                }
            }
            Ok(()) => self.route(now, packet, &parsed, Origin::Forwarded),
            Err(Some(error)) => self.originate(now, error),
            Err(None) => {}
        }
    }

    /// Sends off the segments that waited for others of their burst.
    pub(crate) fn send_trains(&mut self, now: Instant) {
        while let Some((packet, parsed)) = self.trains.flush() {
            self.route(now, packet, &parsed, Origin::Forwarded);
        }
    }
}

//! From the frame to the sound IP packet: Ethernet, header and martian checks (RFC 1122 3.2.1.3, RFC 1812 5.2
//! and 5.3.7), and the answers to ARP (RFC 826) and neighbour discovery (RFC 4861 7.2).

use core::net::{IpAddr, Ipv6Addr};

use super::{Stack, Target};
use crate::address;
use crate::arp::Arp;
use crate::cause::Cause;
use crate::ethernet::{self, Header};
use crate::flow::{Flow, Parsed, Ports};
use crate::icmp;
use crate::ip::{ipv4, proto};
use crate::nd::{self, Message};
use crate::neighbour::{Key, News};
use crate::nic::PortId;
use crate::packet::Packet;
use crate::reassembly::Outcome;
use crate::time::Instant;
use crate::verdict::{Reassembled, Received};
use crate::wire::EthernetAddress;

/// Types of the IPv4 options that route by the sender's will.
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

impl Stack {
    /// Takes an Ethernet frame that came in by `frame.meta.port`, which the caller has set. Answers ARP and
    /// neighbour discovery. A frame from the port's own address is one that went by [`Stack::send_back`] and is as it was,
    /// or a forgery.
    #[inline]
    pub fn receive(&mut self, now: Instant, frame: Packet) -> Received {
        match self.try_receive(now, frame) {
            Ok(received) => received,
            Err(cause) => Received::Dropped(self.counters.count(cause)),
        }
    }

    fn try_receive(&mut self, now: Instant, mut frame: Packet) -> Result<Received, Cause> {
        let header = Header::parse(frame.bytes()).ok_or(Cause::FrameShort)?;
        let port = self.port(frame.meta.port).ok_or(Cause::NoSuchPort)?;
        let to_group = ethernet::is_group(header.dst);
        if !to_group && header.dst != port.mac {
            return Err(Cause::NotOurMac);
        }
        if ethernet::is_group(header.src) || header.src == port.mac {
            return Err(Cause::LinkSource);
        }
        if !frame.pull(ethernet::HEADER) {
            return Err(Cause::FrameShort);
        }
        match header.kind {
            ethernet::IPV4 | ethernet::IPV6 => {}
            ethernet::ARP => return self.handle_arp(now, &frame).map(|()| Received::Consumed),
            _ => return Err(Cause::Ethertype),
        }
        let parsed = Flow::parse(frame.bytes())?;
        if parsed.flow.src.is_ipv4() != (header.kind == ethernet::IPV4) {
            return Err(Cause::IpVersion);
        }
        if !frame.truncate(parsed.total_len) {
            return Err(Cause::IpTotalLength);
        }
        self.check(frame.bytes(), &parsed)?;
        if to_group && !self.is_group(parsed.flow.dst) {
            return Err(Cause::LinkBroadcast);
        }
        if let (proto::ICMPV6, Ports::Icmp { kind: nd::FIRST..=nd::LAST, .. }) =
            (parsed.flow.proto, parsed.flow.ports)
        {
            return self.handle_nd(now, &frame, &parsed, header.src).map(|()| Received::Consumed);
        }
        Ok(Received::Ip(frame, parsed))
    }

    /// Takes the Ethernet header off a frame whose IP packet a device has verified as a part of what it opened, so that
    /// nothing of it is asked again. An error is counted.
    pub fn unframe(&mut self, mut frame: Packet) -> Result<Packet, Cause> {
        let outcome = match Header::parse(frame.bytes()) {
            None => Err(Cause::FrameShort),
            Some(Header { kind: ethernet::IPV4 | ethernet::IPV6, .. }) => Ok(()),
            Some(_) => Err(Cause::Ethertype),
        };
        if let Err(cause) = outcome {
            return Err(self.counters.count(cause));
        }
        // It is as long as its header.
        let _ = frame.pull(ethernet::HEADER);
        Ok(frame)
    }

    /// The checks that [`Stack::receive`] makes of addresses and options, for a packet that came another
    /// way: out of a tunnel. An error is counted.
    pub fn admit(&mut self, packet: &Packet, parsed: &Parsed) -> Result<(), Cause> {
        self.check(packet.bytes(), parsed).map_err(|cause| self.counters.count(cause))
    }

    fn check(&self, packet: &[u8], parsed: &Parsed) -> Result<(), Cause> {
        let Flow { src, dst, .. } = parsed.flow;
        if !address::is_source(src) {
            //= rfc4862#5.4.2
            // Who looks for a duplicate of its address has none yet.
            let probing = src == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && parsed.flow.proto == proto::ICMPV6
                && dst.is_multicast();
            if !probing {
                return Err(Cause::MartianSource);
            }
        }
        if !address::is_destination(dst) {
            return Err(Cause::MartianDestination);
        }
        match self.routes.lookup(src) {
            Some(Target::Own) => return Err(Cause::OwnSource),
            Some(Target::Broadcast) => return Err(Cause::MartianSource),
            _ => {}
        }
        if dst.is_multicast() && !self.is_local(dst) {
            return Err(Cause::NotJoined);
        }
        //= rfc4291#2.5.6
        let link_scope = address::is_link_local_v6(src) || address::is_link_local_v6(dst);
        if link_scope && !self.is_local(dst) {
            return Err(Cause::LinkScope);
        }
        if src.is_ipv4() && parsed.header_len > ipv4::HEADER {
            check_options(packet.get(ipv4::HEADER..parsed.header_len).unwrap_or(&[]))?;
        }
        Ok(())
    }

    /// Whether `dst` is a group: multicast, or a broadcast.
    pub(super) fn is_group(&self, dst: IpAddr) -> bool {
        dst.is_multicast() || self.routes.lookup(dst) == Some(Target::Broadcast)
    }

    /// Collects the fragments of a datagram. `parsed` must be of this packet and show a fragment.
    pub fn reassemble(&mut self, now: Instant, packet: Packet, parsed: &Parsed) -> Reassembled {
        let counters = &mut self.counters;
        let mut evicted = || {
            counters.count(Cause::ReassemblyFull);
        };
        match self.reassembly.insert(now, &packet, parsed, &self.pool, &mut evicted) {
            Outcome::Whole(whole) => Reassembled::Whole(whole),
            Outcome::Waiting => Reassembled::Waiting,
            Outcome::Dropped(cause) => Reassembled::Dropped(self.counters.count(cause)),
        }
    }

    /// Whether a neighbour on `port` may have the address `addr`.
    fn may_be_neighbour(&self, port: PortId, addr: IpAddr) -> bool {
        address::is_source(addr)
            && (address::is_link_local_v6(addr) || self.routes.lookup(addr) == Some(Target::Link(port)))
            && !self.is_own(addr)
    }

    /// Whether `addr` is one of the addresses of `port`.
    fn is_own_on(&self, port: PortId, addr: IpAddr) -> bool {
        self.port(port).is_some_and(|port| port.addresses.iter().any(|prefix| prefix.addr() == addr))
    }

    fn handle_arp(&mut self, now: Instant, packet: &Packet) -> Result<(), Cause> {
        let id = packet.meta.port;
        let arp = Arp::parse(packet.bytes()).ok_or(Cause::ArpMalformed)?;
        if ethernet::is_group(arp.sender_mac) {
            return Err(Cause::ArpMalformed);
        }
        let for_us = self.is_own_on(id, IpAddr::V4(arp.target));
        let sender = IpAddr::V4(arp.sender);
        let key = Key { port: id, addr: sender };
        // An address probe (RFC 5227 2.1.1) has no sender yet.
        let probing = !arp.reply && arp.sender.is_unspecified();
        // Who sends from an address that is on no link of its own, such as Linux's loopback, asks from it. It is told, and
        // not learned.
        let stranger =
            !arp.reply && { address::is_source(sender) && !self.is_own(sender) && !self.is_group(sender) };
        let neighbour = self.may_be_neighbour(id, sender);
        if self.mac(id) == Some(arp.sender_mac) || !(probing || stranger || neighbour) {
            return Err(Cause::NeighbourRefused);
        }
        let learned = if !neighbour {
            None
        } else if for_us && !arp.reply {
            self.neighbours.heard(now, key, arp.sender_mac)
        } else {
            // A reply is an answer only if there was a question; the rest is gratuitous.
            let solicited = arp.reply && for_us && self.neighbours.is_asked(&key);
            let news = News { mac: Some(arp.sender_mac), solicited, overriding: true };
            self.neighbours.learn(now, key, news)
        };
        self.release(id, learned);
        if arp.reply {
            return Ok(());
        }
        if !for_us {
            return Err(Cause::NotTarget);
        }
        let own = self.mac(id).ok_or(Cause::NoSuchPort)?;
        let answer = Arp {
            reply: true,
            sender_mac: own,
            sender: arp.target,
            target_mac: arp.sender_mac,
            target: arp.sender,
        };
        self.send_arp(id, arp.sender_mac, &answer)
    }

    fn handle_nd(
        &mut self,
        now: Instant,
        packet: &Packet,
        parsed: &Parsed,
        from: EthernetAddress,
    ) -> Result<(), Cause> {
        let id = packet.meta.port;
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (parsed.flow.src, parsed.flow.dst) else {
            return Err(Cause::NdMalformed);
        };
        //= rfc6980#5
        if parsed.hop_limit != nd::HOP_LIMIT || parsed.fragment.is_some() || !self.is_local(dst.into()) {
            return Err(Cause::NdMalformed);
        }
        if !icmp::is_intact(packet.bytes(), parsed) {
            return Err(Cause::IcmpChecksum);
        }
        let message = packet.bytes().get(parsed.header_len..).unwrap_or(&[]);
        if !matches!(message.first(), Some(&(nd::SOLICITATION | nd::ADVERTISEMENT))) {
            return Err(Cause::IcmpUnhandled);
        }
        match Message::parse(message, src, dst).ok_or(Cause::NdMalformed)? {
            Message::Solicitation { target, mac } => {
                let probing = src.is_unspecified();
                if !probing && !self.may_be_neighbour(id, src.into()) {
                    return Err(Cause::NeighbourRefused);
                }
                if !self.is_own_on(id, target.into()) {
                    return Err(Cause::NotTarget);
                }
                let own = self.mac(id);
                if let Some(mac) = mac.filter(|mac| !ethernet::is_group(*mac) && own != Some(*mac)) {
                    let learned = self.neighbours.heard(now, Key { port: id, addr: src.into() }, mac);
                    self.release(id, learned);
                }
                //= rfc4861#7.2.4
                let (to, station) = if probing {
                    (address::ALL_NODES_V6, ethernet::multicast_v6(address::ALL_NODES_V6))
                } else {
                    (src, mac.unwrap_or(from))
                };
                let answer =
                    Message::Advertisement { target, mac: None, solicited: !probing, overriding: true };
                self.send_nd(id, station, target, to, &answer)
            }
            Message::Advertisement { target, mac, solicited, overriding } => {
                // Nobody else has our hardware address: what is sent to it comes back.
                let refused = |mac| ethernet::is_group(mac) || self.mac(id) == Some(mac);
                if !self.may_be_neighbour(id, target.into()) || mac.is_some_and(refused) {
                    return Err(Cause::NeighbourRefused);
                }
                let news = News { mac, solicited, overriding };
                let learned = self.neighbours.learn(now, Key { port: id, addr: target.into() }, news);
                self.release(id, learned);
                Ok(())
            }
        }
    }
}

/// Refuses source routes, and options that do not fill their room (RFC 791 3.1).
fn check_options(mut options: &[u8]) -> Result<(), Cause> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    loop {
        let length = match *options {
            [] | [END, ..] => return Ok(()),
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return Err(Cause::SourceRoute),
            [NO_OPERATION, ..] => 1,
            [_, length, ..] if length >= 2 => usize::from(length),
            _ => return Err(Cause::IpOptions),
        };
        options = options.get(length..).ok_or(Cause::IpOptions)?;
    }
}

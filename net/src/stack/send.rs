//! From the IP packet to the frame in a port's queue: route, path MTU, fragments, neighbour, Ethernet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use super::{Stack, Target};
use crate::address;
use crate::arp::Arp;
use crate::cause::Cause;
use crate::ethernet::{self, Header};
use crate::fragment;
use crate::icmp;
use crate::ip::{array, be16, ipv4, ipv6};
use crate::nd::{self, Message};
use crate::neighbour::{Key, Question, Resolution};
use crate::nic::{Burst, PortId};
use crate::packet::{Meta, Packet};
use crate::time::Instant;
use crate::verdict::Egress;
use crate::wire::EthernetAddress;

/// The way to a destination: port and next hop, and what passes the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    key: Key,
    mtu: u16,
}

impl Hop {
    /// The port.
    #[inline]
    pub fn port(&self) -> PortId {
        self.key.port
    }

    /// The largest IP packet in bytes.
    #[inline]
    pub fn mtu(&self) -> u16 {
        self.mtu
    }
}

impl Stack {
    /// Port and next hop to `dst`; a link-local `dst` is on the link of `scope`.
    #[inline]
    pub(super) fn route(&self, dst: IpAddr, scope: PortId) -> Option<(PortId, IpAddr)> {
        if address::is_link_local_v6(dst) && !self.is_own(dst) {
            return Some((scope, dst));
        }
        match self.routes.lookup(dst)? {
            Target::Link(port) => Some((port, dst)),
            Target::Via(port, via) => Some((port, via)),
            Target::Own | Target::Broadcast => None,
        }
    }

    /// The way to `dst`, and the source address to use. `None` without a route, for multicast and
    /// broadcast, for our own addresses, and for link-local ones, which say nothing about the port.
    pub fn egress(&self, dst: IpAddr) -> Option<Egress> {
        if dst.is_multicast() || address::is_link_local_v6(dst) {
            return None;
        }
        let (port, next_hop) = self.route(dst, PortId::default())?;
        let mtu = self.link_mtu(port, dst)?;
        let on_port = self.source_on(port, if address::is_link_local_v6(next_hop) { dst } else { next_hop });
        let anywhere = || (0..=u8::MAX).take(self.ports.len()).find_map(|id| self.source_on(PortId(id), dst));
        let source = on_port.filter(|source| source.is_ipv4() == dst.is_ipv4()).or_else(anywhere);
        Some(Egress { port, next_hop, mtu, source })
    }

    fn link_mtu(&self, port: PortId, dst: IpAddr) -> Option<u16> {
        let mtu = self.port(port)?.mtu;
        Some(if dst.is_ipv6() { mtu.max(ipv6::MIN_MTU) } else { mtu })
    }

    /// Largest IP packet that is believed to reach `dst` in one piece: the least of the link's MTU and what
    /// was learned. 0 without a route.
    pub fn path_mtu(&mut self, dst: IpAddr) -> u16 {
        let link = self.egress(dst).map_or(0, |egress| egress.mtu);
        self.path_mtus.lookup(dst).map_or(link, |learned| learned.min(link))
    }

    /// Believes that the path to `dst` carries no packet above `mtu` bytes. Call only after the report
    /// was checked against something we really sent ([`IcmpError`](crate::IcmpError)). A value below what
    /// is believable for the family is raised to that (IPv4: 576; IPv6: 1280, RFC 8201 4), one above
    /// the present belief is ignored. Returns the path MTU that now holds.
    pub fn learn_path_mtu(&mut self, dst: IpAddr, mtu: u16, now: Instant) -> u16 {
        let present = self.path_mtu(dst);
        self.path_mtus.learn(now, dst, mtu, present);
        self.path_mtu(dst)
    }

    /// Cuts `packet` into fragments of at most `mtu` bytes and hands them to `out` in order; a packet that
    /// fits goes out as it is. Allowed are IPv4 with DF clear (RFC 791 3.2), IPv6 from an own address
    /// (RFC 8200 4.5), and what was reassembled here (`meta.fragment_size`), for which the fragments
    /// become no larger than those that came in. An error is counted.
    pub fn fragment(&mut self, packet: Packet, mtu: u16, out: &mut impl FnMut(Packet)) -> Result<(), Cause> {
        self.try_fragment(packet, mtu, out).map_err(|cause| self.counters.count(cause))
    }

    fn try_fragment(&mut self, packet: Packet, mtu: u16, out: &mut impl FnMut(Packet)) -> Result<(), Cause> {
        let limit = mtu.min(packet.meta.fragment_size.unwrap_or(u16::MAX));
        if packet.len() <= usize::from(limit) {
            out(packet);
            return Ok(());
        }
        if packet.meta.sa_out.is_some() || packet.is_train() {
            // A device makes ESP of whole packets only; and no segment of a train is an IP fragment.
            return Err(Cause::TooBig);
        }
        let bytes = packet.bytes();
        let allowed = packet.meta.fragment_size.is_some()
            || match bytes.first().map(|byte| byte >> 4) {
                Some(4) => be16(bytes, ipv4::FLAGS).is_some_and(|flags| flags & ipv4::DF == 0),
                _ => array::<16>(bytes, ipv6::SRC).is_some_and(|src| self.is_own(src.into())),
            };
        if !allowed {
            return Err(Cause::TooBig);
        }
        let ident = self.idents.draw();
        fragment::fragment(&packet, usize::from(limit), ident, &self.pool, out)
    }

    /// Sends an IP packet: route, fragment where needed and allowed, resolve the neighbour, queue the
    /// frame at the port. A packet that waits for its neighbour is `Ok`. Every error is counted. The port of
    /// a link-local destination is `packet.meta.port`. A train is sent as one, and not cut further. Learned path MTUs bind only packets from
    /// our own addresses: others find out for themselves.
    #[inline]
    pub fn send(&mut self, now: Instant, packet: Packet) -> Result<(), Cause> {
        let count = packet.count();
        self.try_send(now, packet).map_err(|cause| self.lost(cause, count))
    }

    /// Counts `count` packets that were dropped.
    #[cold]
    fn lost(&mut self, cause: Cause, count: u64) -> Cause {
        self.counters.add(cause, count);
        cause
    }

    /// The way to `dst`, for [`Stack::send_by`]; it holds until routes change. `None` as in [`Stack::egress`].
    #[inline]
    pub fn hop(&self, dst: IpAddr) -> Option<Hop> {
        if dst.is_multicast() || address::is_link_local_v6(dst) {
            return None;
        }
        self.hop_at(self.routes.lookup(dst)?, dst)
    }

    #[inline]
    pub(super) fn hop_at(&self, target: Target, dst: IpAddr) -> Option<Hop> {
        let (port, addr) = match target {
            Target::Link(port) => (port, dst),
            Target::Via(port, via) => (port, via),
            Target::Own | Target::Broadcast => return None,
        };
        Some(Hop { key: Key { port, addr }, mtu: self.link_mtu(port, dst)? })
    }

    /// Sends an IP packet by a way that [`Stack::hop`] has found for its destination. It must not be longer than what passes
    /// there.
    #[inline]
    pub fn send_by(&mut self, now: Instant, hop: Hop, packet: Packet) -> Result<(), Cause> {
        let count = packet.count();
        self.transmit(now, hop.key, packet).map_err(|cause| self.lost(cause, count))
    }

    fn try_send(&mut self, now: Instant, packet: Packet) -> Result<(), Cause> {
        let (src, dst) = addresses(packet.bytes())?;
        if dst.is_multicast() {
            return Err(Cause::GroupForward);
        }
        //= rfc4291#2.5.6
        if address::is_link_local_v6(dst) && !self.is_own(src) {
            return Err(Cause::LinkScope);
        }
        let Some((port, next_hop)) = self.route(dst, packet.meta.port) else {
            let group = self.is_group(dst);
            return Err(if group { Cause::GroupForward } else { Cause::NoRoute });
        };
        let mut mtu = self.link_mtu(port, dst).ok_or(Cause::NoSuchPort)?;
        if !self.path_mtus.is_empty()
            && let Some(learned) = self.path_mtus.lookup(dst)
            && self.is_own(src)
        {
            mtu = mtu.min(learned);
        }
        let limit = mtu.min(packet.meta.fragment_size.unwrap_or(u16::MAX));
        if packet.len() <= usize::from(limit) {
            return self.transmit(now, Key { port, addr: next_hop }, packet);
        }
        let mut pieces = Vec::new();
        self.try_fragment(packet, mtu, &mut |piece| pieces.push(piece))?;
        for piece in pieces {
            self.transmit(now, Key { port, addr: next_hop }, piece)?;
        }
        Ok(())
    }

    /// Queues a packet at `port` as a frame to the port itself, as it is: for a device that gives such frames back to its own
    /// receive side, and has something to do there. What comes back as it was, [`Stack::receive`] refuses, so that nothing goes round
    /// twice. An error is counted.
    pub fn send_back(&mut self, port: PortId, mut packet: Packet) -> Result<(), Cause> {
        packet.meta = Meta { port, ..Meta::default() };
        let own = self.mac(port).ok_or(Cause::NoSuchPort);
        own.and_then(|mac| self.enqueue(port, mac, packet)).map_err(|cause| self.counters.count(cause))
    }

    /// Hands the IP packet to a neighbour.
    #[inline]
    fn transmit(&mut self, now: Instant, key: Key, packet: Packet) -> Result<(), Cause> {
        match self.neighbours.resolve(now, key, packet) {
            Resolution::Known(mac, packet) => self.enqueue(key.port, mac, packet),
            Resolution::Waits(question) => {
                if let Some(question) = question {
                    self.ask(question);
                }
                Ok(())
            }
            Resolution::Replaced(count) => {
                self.counters.add(Cause::PendingFull, count);
                Ok(())
            }
            Resolution::Refused => Err(Cause::PendingFull),
        }
    }

    /// Queues the IP packet as a frame to `dst`.
    #[inline]
    fn enqueue(&mut self, id: PortId, dst: EthernetAddress, mut packet: Packet) -> Result<(), Cause> {
        let kind = match packet.bytes().first().map(|byte| byte >> 4) {
            Some(4) => ethernet::IPV4,
            _ => ethernet::IPV6,
        };
        let port = self.ports.get_mut(usize::from(id.0)).ok_or(Cause::NoSuchPort)?;
        if port.tx.len() >= port.tx_max {
            return Err(Cause::TxQueueFull);
        }
        if !(Header { dst, src: port.mac, kind }).push(&mut packet) {
            return Err(Cause::NoHeadroom);
        }
        port.tx.push_back(packet);
        Ok(())
    }

    /// Queues the packets that waited for a neighbour.
    pub(super) fn release(&mut self, id: PortId, learned: Option<(EthernetAddress, VecDeque<Packet>)>) {
        let Some((mac, packets)) = learned else { return };
        for packet in packets {
            let count = packet.count();
            if let Err(cause) = self.enqueue(id, mac, packet) {
                self.lost(cause, count);
            }
        }
    }

    /// Puts a question about a neighbour on the wire. A question that cannot be put is counted, and repeated by
    /// its timer.
    pub(super) fn ask(&mut self, question: Question) {
        if let Err(cause) = self.try_ask(question) {
            self.counters.count(cause);
        }
    }

    fn try_ask(&mut self, question: Question) -> Result<(), Cause> {
        let id = question.key.port;
        let own = self.mac(id).ok_or(Cause::NoSuchPort)?;
        match question.key.addr {
            IpAddr::V4(target) => {
                let source = self.source_on(id, question.key.addr);
                let Some(IpAddr::V4(sender)) = source else { return Err(Cause::Unresolved) };
                let to = question.to.unwrap_or(EthernetAddress::BROADCAST);
                let target_mac = question.to.unwrap_or_default();
                let arp = Arp { reply: false, sender_mac: own, sender, target_mac, target };
                self.send_arp(id, to, &arp)
            }
            IpAddr::V6(target) => {
                let (dst, to) = match question.to {
                    Some(station) => (target, station),
                    None => {
                        let group = address::solicited_node(target);
                        (group, ethernet::multicast_v6(group))
                    }
                };
                let message = Message::Solicitation { target, mac: None };
                self.send_nd(id, to, address::link_local(own), dst, &message)
            }
        }
    }

    pub(super) fn send_arp(&mut self, id: PortId, to: EthernetAddress, arp: &Arp) -> Result<(), Cause> {
        let mut packet = self.pool.take().ok_or(Cause::NoBuffer)?;
        let message = arp.emit();
        packet.append(message.len()).ok_or(Cause::NoBuffer)?.copy_from_slice(&message);
        self.enqueue_frame(id, Header { dst: to, src: arp.sender_mac, kind: ethernet::ARP }, packet)
    }

    pub(super) fn send_nd(
        &mut self,
        id: PortId,
        to: EthernetAddress,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        message: &Message,
    ) -> Result<(), Cause> {
        let own = self.mac(id).ok_or(Cause::NoSuchPort)?;
        let mut packet = self.pool.take().ok_or(Cause::NoBuffer)?;
        let message = message.emit(own);
        packet.append(message.len()).ok_or(Cause::NoBuffer)?.copy_from_slice(&message);
        icmp::finish(&mut packet, src.into(), dst.into(), 0, nd::HOP_LIMIT, 0).ok_or(Cause::NoHeadroom)?;
        self.enqueue_frame(id, Header { dst: to, src: own, kind: ethernet::IPV6 }, packet)
    }

    fn enqueue_frame(&mut self, id: PortId, header: Header, mut packet: Packet) -> Result<(), Cause> {
        let port = self.ports.get_mut(usize::from(id.0)).ok_or(Cause::NoSuchPort)?;
        if port.tx.len() >= port.tx_max {
            return Err(Cause::TxQueueFull);
        }
        if !header.push(&mut packet) {
            return Err(Cause::NoHeadroom);
        }
        port.tx.push_back(packet);
        Ok(())
    }

    /// Moves frames for `port` into `burst` until it is full or none is left.
    pub fn take_tx(&mut self, port: PortId, burst: &mut Burst) {
        let Some(port) = self.ports.get_mut(usize::from(port.0)) else { return };
        while !burst.is_full() {
            let Some(frame) = port.tx.pop_front() else { return };
            let _ = burst.push(frame);
        }
    }
}

/// Source and destination of an IP packet.
#[inline]
fn addresses(packet: &[u8]) -> Result<(IpAddr, IpAddr), Cause> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => {
            let src = array::<4>(packet, ipv4::SRC).ok_or(Cause::IpShort)?;
            let dst = array::<4>(packet, ipv4::DST).ok_or(Cause::IpShort)?;
            Ok((src.into(), dst.into()))
        }
        Some(6) => {
            let src = array::<16>(packet, ipv6::SRC).ok_or(Cause::IpShort)?;
            let dst = array::<16>(packet, ipv6::DST).ok_or(Cause::IpShort)?;
            Ok((src.into(), dst.into()))
        }
        _ => Err(Cause::IpVersion),
    }
}

//! ICMP errors that we owe to senders, and the timers that give rise to some.

use core::net::IpAddr;

use super::{GENERATED_MAX, Stack, Target};
use crate::cause::Cause;
use crate::checksum;
use crate::flow::Flow;
use crate::icmp::{self, Report};
use crate::ip::{be16, ipv4, ipv6, put};
use crate::neighbour::Due;
use crate::nic::PortId;
use crate::packet::Packet;
use crate::time::Instant;
use crate::verdict::Unreachable;

impl Stack {
    /// Takes one hop off a packet to be forwarded. At the last hop the packet must be dropped
    /// (counted here), and the error, if there is one, sent in its place.
    #[inline]
    pub fn decrement_hop_limit(&mut self, now: Instant, packet: &mut Packet) -> Result<(), Option<Packet>> {
        let bytes = packet.bytes_mut();
        let at = match bytes.first().map(|byte| byte >> 4) {
            Some(4) => ipv4::TTL,
            Some(6) => ipv6::HOP_LIMIT,
            _ => {
                self.counters.count(Cause::IpVersion);
                return Err(None);
            }
        };
        match bytes.get_mut(at) {
            //= rfc1812#5.3.1
            Some(hops) if *hops > 1 => {
                if at == ipv4::TTL {
                    // TTL and protocol share a 16-bit field; only its upper half changes.
                    let old = be16(bytes, ipv4::TTL).unwrap_or(0);
                    let new = old.wrapping_sub(0x0100);
                    let sum = be16(bytes, ipv4::CHECKSUM).unwrap_or(0);
                    put(bytes, ipv4::TTL, new.to_be_bytes());
                    put(bytes, ipv4::CHECKSUM, checksum::adjust(sum, old, new).to_be_bytes());
                } else {
                    *hops -= 1;
                }
                Ok(())
            }
            _ => {
                self.counters.count(Cause::HopLimit);
                Err(self.report(now, packet, Report::HopLimit))
            }
        }
    }

    /// "Fragmentation needed" or "packet too big" to the sender of `packet`: `mtu` bytes would have
    /// passed. `None` (counted) where RFC 1812 4.3.2.7 or RFC 4443 2.4(e) forbid an error or the rate limit
    /// is reached. The error is an IP packet to [`Stack::send`]. To IPv6 senders at least 1280 is said
    /// (RFC 8200 5): where less would pass, the outer packet has to be fragmented.
    ///
    /// The error comes from an own address on the port that the packet came in by; if it came out of a
    /// tunnel (`meta.sa_in` is set), on the port that leads to its destination, so that the address lies
    /// on the protected side.
    pub fn too_big(&mut self, now: Instant, packet: &Packet, mtu: u16) -> Option<Packet> {
        self.report(now, packet, Report::TooBig(mtu))
    }

    /// "Destination unreachable" to the sender of `packet`; otherwise as [`Stack::too_big`].
    pub fn unreachable(&mut self, now: Instant, packet: &Packet, why: Unreachable) -> Option<Packet> {
        self.report(now, packet, Report::Unreachable(why))
    }

    fn report(&mut self, now: Instant, packet: &Packet, report: Report) -> Option<Packet> {
        match self.try_report(now, packet, report) {
            Ok(error) => Some(error),
            Err(cause) => {
                self.counters.count(cause);
                None
            }
        }
    }

    fn try_report(&mut self, now: Instant, packet: &Packet, report: Report) -> Result<Packet, Cause> {
        let bytes = packet.bytes();
        let parsed = Flow::parse(bytes).map_err(|_| Cause::ErrorSuppressed)?;
        let Flow { src: sender, dst, .. } = parsed.flow;
        let to_group = self.is_group(dst);
        let from_station = !matches!(self.routes.lookup(sender), Some(Target::Own | Target::Broadcast));
        if to_group || !from_station || !icmp::may_report(bytes, &parsed) {
            return Err(Cause::ErrorSuppressed);
        }
        let source = self.error_source(packet, sender, dst).ok_or(Cause::ErrorSuppressed)?;
        if !self.errors.take(now) {
            return Err(Cause::ErrorRateLimited);
        }
        let mut error = self.pool.take().ok_or(Cause::NoBuffer)?;
        error.meta.port = packet.meta.port;
        let ident = self.idents.draw() as u16;
        let quoted = &bytes[..parsed.total_len];
        icmp::emit_error(&mut error, report, quoted, source, sender, ident).ok_or(Cause::NoBuffer)?;
        Ok(error)
    }

    /// The own address that an error to `sender` about a packet to `dst` comes from.
    fn error_source(&self, packet: &Packet, sender: IpAddr, dst: IpAddr) -> Option<IpAddr> {
        if self.is_own(dst) {
            return Some(dst);
        }
        let port = match packet.meta.sa_in {
            Some(_) => self.route(dst, packet.meta.port).map_or(packet.meta.port, |(port, _)| port),
            None => packet.meta.port,
        };
        self.source_on(port, sender).or_else(|| self.egress(sender)?.source)
    }

    /// An ICMP error that a timer gave rise to (neighbour does not answer, datagram stayed
    /// incomplete), as an IP packet to [`Stack::send`]. Bounded; call until `None` after [`Stack::poll`].
    pub fn take_generated(&mut self) -> Option<Packet> {
        self.generated.pop_front()
    }

    fn generate(&mut self, now: Instant, about: &Packet, report: Report) {
        if self.generated.len() < GENERATED_MAX
            && let Some(error) = self.report(now, about, report)
        {
            self.generated.push_back(error);
        }
    }

    /// Runs the timers; returns when to be called again at the latest.
    pub fn poll(&mut self, now: Instant) -> Instant {
        let mut due = core::mem::take(&mut self.due);
        let neighbours = self.neighbours.poll(now, &mut due);
        for due in due.drain(..) {
            match due {
                Due::Ask(question) => self.ask(question),
                Due::Unreachable(pending) => {
                    for packet in pending {
                        self.counters.add(Cause::Unresolved, packet.count());
                        self.generate(now, &packet, Report::Unreachable(Unreachable::Host));
                    }
                }
            }
        }
        self.due = due;
        let mut expired = alloc::vec::Vec::new();
        let reassembly = self.reassembly.poll(now, &mut |first| expired.push(first));
        for first in expired {
            self.counters.count(Cause::ReassemblyTimeout);
            //= rfc8200#4.5
            if let Some(first) = first {
                self.generate(now, &first, Report::ReassemblyTime);
            }
        }
        neighbours.min(reassembly).min(self.path_mtus.poll(now))
    }

    /// The own address on `port` to speak to `peer` from: on its link if there is one, else the first of the
    /// port; link-local only to link-local peers.
    pub(super) fn source_on(&self, port: PortId, peer: IpAddr) -> Option<IpAddr> {
        let near = crate::address::is_link_local_v6(peer);
        let usable =
            |addr: IpAddr| addr.is_ipv4() == peer.is_ipv4() && crate::address::is_link_local_v6(addr) == near;
        let addresses = &self.port(port)?.addresses;
        let mut usable = addresses.iter().filter(|prefix| usable(prefix.addr()));
        let first = usable.clone().next();
        usable.find(|prefix| prefix.contains(peer)).or(first).map(|prefix| prefix.addr())
    }
}

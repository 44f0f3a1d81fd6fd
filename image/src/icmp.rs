//! ICMP errors: those about our own outer packets, which anybody can forge, and the source address of
//! those that we send.

use core::net::IpAddr;

use ipsec::Action;
use net::checksum::Sum;
use net::ip::{ipv4, ipv6, proto, put};
use net::{ErrorKind, Flow, IcmpError, Instant, Local, Packet, Parsed, Ports};

use crate::cause::Cause;
use crate::gateway::Gateway;

/// Offset of the checksum in an ICMP or ICMPv6 message.
const CHECKSUM: usize = 2;

/// Path MTUs to try in turn where a router did not say (RFC 1191, section 7.1).
const PLATEAUS: [u16; 9] = [9000, 4352, 2002, 1492, 1280, 1006, 576, 508, 296];

/// Whether an ICMP type is that of an error message.
pub(crate) fn is_error(flow: &Flow, kind: u8) -> bool {
    match flow.proto {
        // Destination unreachable, time exceeded, parameter problem (RFC 792).
        proto::ICMP => matches!(kind, 3 | 11 | 12),
        //= rfc4443#2.1
        proto::ICMPV6 => kind < 128,
        _ => false,
    }
}

impl Gateway {
    /// An ICMP error to one of our addresses that came in the clear, or from a tunnel.
    pub(crate) fn input_error(&mut self, now: Instant, packet: Packet, parsed: &Parsed) {
        let clear = packet.meta.sa_in.is_none();
        match self.stack.local(now, packet, parsed) {
            Local::Error(error) if clear && self.is_about_sa(&error) => self.obey(now, &error),
            Local::Dropped(_) | Local::Consumed => {}
            _ => self.count(Cause::IcmpUnverified),
        }
    }

    /// Whether what an error quotes is what one of our outbound SAs sends.
    //= rfc4301#8.2.1
    fn is_about_sa(&mut self, error: &IcmpError) -> bool {
        let quoted = error.quoted;
        let word = u32::from_be_bytes([quoted[0], quoted[1], quoted[2], quoted[3]]);
        let ports = (u16::from_be_bytes([quoted[0], quoted[1]]), u16::from_be_bytes([quoted[2], quoted[3]]));
        self.slots.iter_mut().any(|slot| {
            slot.remote == error.quoted_dst
                && slot.sends.is_some_and(|sends| {
                    sends.local == error.quoted_src
                        && match (error.quoted_proto, sends.ports) {
                            (proto::ESP, None) => sends.spi == word,
                            (proto::UDP, Some(own)) => own == ports,
                            _ => false,
                        }
                })
        })
    }

    fn obey(&mut self, now: Instant, error: &IcmpError) {
        let remote = error.quoted_dst;
        match error.kind {
            ErrorKind::TooBig(mtu) => {
                let known = self.stack.path_mtu(remote);
                let guess = || PLATEAUS.into_iter().find(|&plateau| plateau < known).unwrap_or(known);
                let mtu = if mtu == 0 { guess() } else { mtu };
                let mtu = self.stack.learn_path_mtu(remote, mtu, now);
                self.slots.forget_limits(remote);
                log::debug!("path MTU to {remote} is {mtu}, says {}", error.from);
            }
            kind => log::debug!("{} reports {kind:?} about packets to {remote}", error.from),
        }
    }

    /// Gives an ICMP error of ours that has to cross the boundary a source address that a PROTECT policy
    /// covers, if there is one: the address of the outside port, which routing suggests, is rarely in it.
    pub(crate) fn choose_source(&self, packet: &mut Packet) {
        let Ok(Parsed { flow, header_len, .. }) = Flow::parse(packet.bytes()) else { return };
        let Ports::Icmp { kind, .. } = flow.ports else { return };
        if !is_error(&flow, kind) || !self.stack.egress(flow.dst).is_some_and(|e| self.is_outside(e.port)) {
            return;
        }
        let protects = self
            .ipsec
            .spd()
            .iter()
            .filter(|(_, policy)| matches!(policy.action, Action::Protect { .. }))
            .flat_map(|(_, policy)| &policy.selectors)
            .filter(|selector| selector.dst.contains(flow.dst));
        let mut better = None;
        for selector in protects {
            if selector.src.contains(flow.src) {
                return;
            }
            better = better.or_else(|| self.own.iter().copied().find(|addr| selector.src.contains(*addr)));
        }
        if let Some(source) = better {
            readdress(packet, header_len, flow.dst, source);
        }
    }
}

/// Replaces the source address of an ICMP message and corrects the checksums.
fn readdress(packet: &mut Packet, header_len: usize, dst: IpAddr, source: IpAddr) {
    let bytes = packet.bytes_mut();
    match source {
        IpAddr::V4(addr) => {
            put(bytes, ipv4::SRC, addr.octets());
            put(bytes, ipv4::CHECKSUM, [0, 0]);
            let sum = net::checksum::of(bytes.get(..header_len).unwrap_or_default());
            put(bytes, ipv4::CHECKSUM, sum);
        }
        IpAddr::V6(addr) => {
            put(bytes, ipv6::SRC, addr.octets());
            let Some(message) = bytes.get_mut(header_len..) else { return };
            put(message, CHECKSUM, [0, 0]);
            let length = u32::try_from(message.len()).unwrap_or(0);
            let sum = Sum::new().with_pseudo(source, dst, proto::ICMPV6, length).with(message).finish();
            put(message, CHECKSUM, sum);
        }
    }
}

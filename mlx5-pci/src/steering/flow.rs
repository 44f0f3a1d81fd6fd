//! Fields to match on: what a group's mask and an entry's value look like for addresses, protocols and flows.

use crate::port::Mac;
use crate::prm::{FteMatchParam, FteMatchSetLyr24, FteMatchSetMisc};
use core::net::IpAddr;

/// IP protocols.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ESP: u8 = 50;

/// A flow that can be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same IP version.
    pub destination: IpAddr,
    /// What is above IP.
    pub transport: Transport,
}

/// What is above IP in a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with source and destination port.
    Tcp(u16, u16),
    /// UDP with source and destination port.
    Udp(u16, u16),
    /// ESP with an SPI.
    Esp(u32),
}

/// Kinds of flows, each with a mask of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) v6: bool,
    pub(crate) protocol: u8,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] = [
        Kind { v6: false, protocol: TCP },
        Kind { v6: false, protocol: UDP },
        Kind { v6: false, protocol: ESP },
        Kind { v6: true, protocol: TCP },
        Kind { v6: true, protocol: UDP },
        Kind { v6: true, protocol: ESP },
    ];

    /// The mask of flows of this kind.
    pub(crate) fn mask(self) -> FteMatchParam {
        let ones = if self.v6 { [0xff; 16] } else { pad([0xff; 4]) };
        let transport = match self.protocol {
            TCP => Transport::Tcp(0xffff, 0xffff),
            UDP => Transport::Udp(0xffff, 0xffff),
            _ => Transport::Esp(u32::MAX),
        };
        fields(0xf, 0xff, true, ones, ones, transport)
    }
}

impl Flow {
    /// The kind, unless it mixes IP versions.
    pub(crate) fn kind(&self) -> Option<Kind> {
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            return None;
        }
        let protocol = match self.transport {
            Transport::Tcp(..) => TCP,
            Transport::Udp(..) => UDP,
            Transport::Esp(_) => ESP,
        };
        Some(Kind { v6: self.source.is_ipv6(), protocol })
    }

    /// The value of an entry that matches the flow.
    pub(crate) fn value(&self, kind: Kind) -> FteMatchParam {
        let version = if kind.v6 { 6 } else { 4 };
        let [source, destination] = [self.source, self.destination].map(octets);
        fields(version, kind.protocol, false, source, destination, self.transport)
    }
}

fn fields(
    version: u8,
    protocol: u8,
    frag: bool,
    source: [u8; 16],
    destination: [u8; 16],
    transport: Transport,
) -> FteMatchParam {
    let outer = FteMatchSetLyr24::build()
        .ip_version(version)
        .ip_protocol(protocol)
        .frag(frag)
        .src_ipv4_src_ipv6(&source)
        .dst_ipv4_dst_ipv6(&destination);
    let mut misc = FteMatchSetMisc::default();
    let outer = match transport {
        Transport::Tcp(source, destination) => outer.tcp_sport(source).tcp_dport(destination),
        Transport::Udp(source, destination) => outer.udp_sport(source).udp_dport(destination),
        Transport::Esp(spi) => {
            misc.set().outer_esp_spi(spi);
            outer
        }
    };
    FteMatchParam::build().outer_headers(&outer.done()).misc_parameters(&misc).done()
}

/// An address as it is matched: IPv4 in the last four bytes.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => pad(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}

fn pad([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// A destination address, or the bits of one.
pub(crate) fn to([a, b, c, d, e, f]: Mac) -> FteMatchParam {
    let outer = FteMatchSetLyr24::build()
        .dmac_47_16(u32::from_be_bytes([a, b, c, d]))
        .dmac_15_0(u16::from_be_bytes([e, f]))
        .done();
    FteMatchParam::build().outer_headers(&outer).done()
}

/// IP version and protocol, or the bits of them; `frag` in a mask keeps fragments out.
pub(crate) fn protocol(version: u8, protocol: u8, frag: bool) -> FteMatchParam {
    let outer = FteMatchSetLyr24::build().ip_version(version).ip_protocol(protocol).frag(frag).done();
    FteMatchParam::build().outer_headers(&outer).done()
}

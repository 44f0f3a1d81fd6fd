//! What modify-header actions do to a packet and its registers.
//!
//! Facts E.10. Fields are the outer headers'; an action on a header that is not there does nothing. Checksums follow
//! incrementally (RFC 1624), so that one that was wrong stays wrong; a UDP checksum of zero stays zero.

use crate::packet::{Headers, L4};
use crate::transit::Transit;
use core::net::IpAddr;

/// A field that actions name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Bits 47:16 of an address, and bits 15:0.
    SourceMac { high: bool },
    /// Bits 47:16 of an address, and bits 15:0.
    DestinationMac { high: bool },
    /// Ethertype behind VLAN tags.
    Ethertype,
    /// VLAN id of the first tag.
    FirstVid,
    /// DSCP of either IP.
    Dscp,
    /// TTL of IPv4.
    Ttl,
    /// Hop limit of IPv6.
    HopLimit,
    /// IPv4 source.
    SourceV4,
    /// IPv4 destination.
    DestinationV4,
    /// Dword 0 (the first) to 3 of the IPv6 source.
    SourceV6(u8),
    /// Dword 0 (the first) to 3 of the IPv6 destination.
    DestinationV6(u8),
    /// TCP flags.
    TcpFlags,
    /// TCP source port.
    TcpSource,
    /// TCP destination port.
    TcpDestination,
    /// TCP sequence number.
    TcpSequence,
    /// TCP acknowledgement number.
    TcpAcknowledgement,
    /// UDP source port.
    UdpSource,
    /// UDP destination port.
    UdpDestination,
    /// Register A.
    RegA,
    /// Register B.
    RegB,
    /// Register C_n.
    RegC(u8),
    /// What decryption said.
    IpsecSyndrome,
    /// Metadata of MACsec, which no packet has: bits 47:32, and bits 31:0.
    MacsecMetadata { high: bool },
}

impl Field {
    /// By its number.
    pub(super) fn from_code(code: u16) -> Option<Field> {
        Some(match code {
            0x01 => Field::SourceMac { high: true },
            0x02 => Field::SourceMac { high: false },
            0x03 => Field::Ethertype,
            0x04 => Field::DestinationMac { high: true },
            0x05 => Field::DestinationMac { high: false },
            0x06 => Field::Dscp,
            0x07 => Field::TcpFlags,
            0x08 => Field::TcpSource,
            0x09 => Field::TcpDestination,
            0x0a => Field::Ttl,
            0x0b => Field::UdpSource,
            0x0c => Field::UdpDestination,
            0x0d..=0x10 => Field::SourceV6((code - 0x0d) as u8),
            0x11..=0x14 => Field::DestinationV6((code - 0x11) as u8),
            0x15 => Field::SourceV4,
            0x16 => Field::DestinationV4,
            0x17 => Field::FirstVid,
            0x47 => Field::HopLimit,
            0x49 => Field::RegA,
            0x50 => Field::RegB,
            0x51..=0x58 => Field::RegC((code - 0x51) as u8),
            0x59 => Field::TcpSequence,
            0x5b => Field::TcpAcknowledgement,
            0x5d => Field::IpsecSyndrome,
            0x6f => Field::MacsecMetadata { high: true },
            0x70 => Field::MacsecMetadata { high: false },
            _ => return None,
        })
    }

    /// How many bits it has.
    pub(super) fn width(self) -> u8 {
        match self {
            Field::Dscp => 6,
            Field::Ttl | Field::HopLimit | Field::IpsecSyndrome => 8,
            Field::TcpFlags => 9,
            Field::FirstVid => 12,
            Field::SourceMac { high: false }
            | Field::DestinationMac { high: false }
            | Field::MacsecMetadata { high: true }
            | Field::Ethertype
            | Field::TcpSource
            | Field::TcpDestination
            | Field::UdpSource
            | Field::UdpDestination => 16,
            _ => 32,
        }
    }
}

/// Bits of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The field.
    pub(super) field: Field,
    /// Its lowest bit.
    pub(super) offset: u8,
    /// How many bits.
    pub(super) length: u8,
}

impl Part {
    /// The bits that a value may have, right-aligned.
    pub(super) fn mask(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.length.clamp(1, 32)))
    }
}

/// An action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Bits become `data`.
    Set {
        /// Which.
        to: Part,
        /// Right-aligned.
        data: u32,
    },
    /// `data` is added, modulo the field's width.
    Add {
        /// A whole field.
        to: Part,
        /// What is added.
        data: u32,
    },
    /// Bits are copied.
    Copy {
        /// From here.
        from: Part,
        /// To here; as many bits.
        to: Part,
    },
}

/// Applies `actions` in order. Says whether the packet's bytes may have changed.
pub(super) fn apply(actions: &[Action], packet: &mut Transit) -> bool {
    let headers = Headers::parse(&packet.bytes);
    let mut changed = false;
    for action in actions {
        let (to, value) = match *action {
            Action::Set { to, data } => (to, Some(data)),
            Action::Add { to, data } => (to, read(packet, &headers, to).map(|old| old.wrapping_add(data))),
            Action::Copy { from, to } => (to, read(packet, &headers, from)),
        };
        if let Some(value) = value {
            changed |= write(packet, &headers, to, value & to.mask());
        }
    }
    changed
}

fn read(packet: &Transit, headers: &Headers, part: Part) -> Option<u32> {
    let whole = match part.field {
        Field::RegA => packet.reg_a,
        Field::RegB => packet.reg_b,
        Field::RegC(n) => *packet.reg_c.get(usize::from(n))?,
        Field::IpsecSyndrome => packet.ipsec_syndrome.into(),
        Field::MacsecMetadata { .. } => 0,
        field => {
            let place = place(headers, field)?;
            place.read(&packet.bytes)? >> place.shift & width_mask(field)
        }
    };
    Some(whole >> part.offset & part.mask())
}

fn width_mask(field: Field) -> u32 {
    Part { field, offset: 0, length: field.width() }.mask()
}

/// Writes bits; says whether they are the packet's own.
fn write(packet: &mut Transit, headers: &Headers, part: Part, value: u32) -> bool {
    let (bits, value) = (part.mask() << part.offset, value << part.offset);
    let register = match part.field {
        Field::RegA => Some(&mut packet.reg_a),
        Field::RegB => Some(&mut packet.reg_b),
        Field::RegC(n) => packet.reg_c.get_mut(usize::from(n)),
        Field::IpsecSyndrome | Field::MacsecMetadata { .. } => return false,
        _ => None,
    };
    if let Some(register) = register {
        *register = *register & !bits | value;
        return false;
    }
    let written = place(headers, part.field).and_then(|place| {
        let old = place.read(&packet.bytes)?;
        let new = old & !(bits << place.shift) | value << place.shift;
        place.write(headers, &mut packet.bytes, old, new)
    });
    written.is_some()
}

/// Where a field stands in a packet.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The first byte; at an even distance from the header's start, so that checksums can follow.
    at: usize,
    /// Two or four bytes.
    bytes: usize,
    /// The field's lowest bit in them.
    shift: u32,
    /// Which checksums cover it.
    covered: Covered,
}

/// Which checksums cover a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covered {
    /// None.
    None,
    /// The IPv4 header's.
    Header,
    /// The IPv4 header's, if there is one, and the transport's through its pseudo-header.
    Address,
    /// The transport's.
    Transport,
}

fn place(headers: &Headers, field: Field) -> Option<Place> {
    let layers = &headers.outer;
    let ethernet = layers.ethernet.as_ref();
    let ip = layers.ip.as_ref();
    let v4 = || ip.filter(|ip| ip.source.is_ipv4());
    let v6 = || ip.filter(|ip| ip.source.is_ipv6());
    let of = |at: usize, bytes: usize, shift: u32, covered: Covered| Place { at, bytes, shift, covered };
    Some(match field {
        Field::SourceMac { high: true } => of(ethernet?.offset + 6, 4, 0, Covered::None),
        Field::SourceMac { high: false } => of(ethernet?.offset + 10, 2, 0, Covered::None),
        Field::DestinationMac { high: true } => of(ethernet?.offset, 4, 0, Covered::None),
        Field::DestinationMac { high: false } => of(ethernet?.offset + 4, 2, 0, Covered::None),
        Field::Ethertype => of(ethernet?.end - 2, 2, 0, Covered::None),
        Field::FirstVid => {
            let ethernet = ethernet.filter(|ethernet| ethernet.tags[0].is_some())?;
            of(ethernet.offset + 14, 2, 0, Covered::None)
        }
        Field::Dscp => match ip?.source {
            IpAddr::V4(_) => of(ip?.offset, 2, 2, Covered::Header),
            IpAddr::V6(_) => of(ip?.offset, 2, 6, Covered::None),
        },
        Field::Ttl => of(v4()?.offset + 8, 2, 8, Covered::Header),
        Field::HopLimit => of(v6()?.offset + 6, 2, 0, Covered::None),
        Field::SourceV4 => of(v4()?.offset + 12, 4, 0, Covered::Address),
        Field::DestinationV4 => of(v4()?.offset + 16, 4, 0, Covered::Address),
        Field::SourceV6(n) => of(v6()?.offset + 8 + 4 * usize::from(n), 4, 0, Covered::Address),
        Field::DestinationV6(n) => of(v6()?.offset + 24 + 4 * usize::from(n), 4, 0, Covered::Address),
        Field::TcpFlags => of(layers.tcp()?.offset + 12, 2, 0, Covered::Transport),
        Field::TcpSource => of(layers.tcp()?.offset, 2, 0, Covered::Transport),
        Field::TcpDestination => of(layers.tcp()?.offset + 2, 2, 0, Covered::Transport),
        Field::TcpSequence => of(layers.tcp()?.offset + 4, 4, 0, Covered::Transport),
        Field::TcpAcknowledgement => of(layers.tcp()?.offset + 8, 4, 0, Covered::Transport),
        Field::UdpSource => of(layers.udp()?.offset, 2, 0, Covered::Transport),
        Field::UdpDestination => of(layers.udp()?.offset + 2, 2, 0, Covered::Transport),
        _ => return None,
    })
}

impl Place {
    fn read(&self, frame: &[u8]) -> Option<u32> {
        let bytes = frame.get(self.at..self.at + self.bytes)?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn write(&self, headers: &Headers, frame: &mut [u8], old: u32, new: u32) -> Option<()> {
        let bytes = new.to_be_bytes();
        frame.get_mut(self.at..self.at + self.bytes)?.copy_from_slice(&bytes[4 - self.bytes..]);
        let ip = headers.outer.ip.as_ref();
        let header = ip.filter(|ip| ip.source.is_ipv4()).map(|ip| (ip.offset + 10, false));
        let transport = match &headers.outer.l4 {
            L4::Tcp(tcp) => Some((tcp.offset + 16, false)),
            L4::Udp(udp) => Some((udp.offset + 6, true)),
            L4::Icmpv6(icmp) => Some((icmp.offset + 2, false)),
            _ => None,
        };
        let sums = match self.covered {
            Covered::None => [None, None],
            Covered::Header => [header, None],
            Covered::Address => [header, transport],
            Covered::Transport => [None, transport],
        };
        for (at, optional) in sums.into_iter().flatten() {
            follow(frame, at, optional, old, new);
        }
        Some(())
    }
}

/// The checksum at `at` follows a change of two or four bytes it covers; `optional` is UDP's, where 0 is none.
fn follow(frame: &mut [u8], at: usize, optional: bool, old: u32, new: u32) {
    let Some(room) = frame.get_mut(at..at + 2) else { return };
    let before = u16::from_be_bytes([room[0], room[1]]);
    if optional && before == 0 {
        return;
    }
    // HC' = ~(~HC + ~m + m'), by halves.
    let halves = |value: u32| (value >> 16) + (value & 0xffff);
    let mut sum = u32::from(!before) + halves(!old) + halves(new);
    while sum > 0xffff {
        sum = halves(sum);
    }
    let after = !(sum as u16);
    let after = if optional && after == 0 { 0xffff } else { after };
    room.copy_from_slice(&after.to_be_bytes());
}

//! Every mode of an SA, as the card is told and as its peer in software is.

use super::esp::Cipher;
use super::frames::{self, OPAQUE, OUR_MAC, PEER_MAC, from_peer, ip, to_peer};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipsec::{Action, AddressRange, Algorithm, Ipsec, Policy, SaParams, Spi, UdpEncap};
use mlx5_pci::ipsec::{Direction, Family, Install, Key, Limits, Mode, Ports, Secret};
use net::{Instant, Packet};

pub(crate) const NOW: Instant = Instant::from_secs(1000);
pub(crate) const SPI: u32 = 0x1234_5678;
pub(crate) const WINDOW: u16 = 64;
/// UDP ports: ours, and what a NAT has made of the peer's.
pub(crate) const PORTS: (u16, u16) = (4500, 61_234);
/// Of the card's own outer headers.
pub(crate) const HOP_LIMIT: u8 = 33;
pub(crate) const TRAFFIC_CLASS: u8 = 0xb8;
const IPV4_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;
const ETHERNET: usize = 14;

/// Who makes the outer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// There is none.
    Transport,
    /// Software, and ESP in transport mode goes between the two headers.
    Software(Family),
    /// The card.
    Card(Family),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) way: Way,
    /// Of ESP packets.
    pub(crate) family: Family,
    pub(crate) udp: bool,
    pub(crate) wide: bool,
    pub(crate) esn: bool,
}

impl Case {
    /// Transport mode over IPv4 with AES-128 and ESN.
    pub(crate) const PLAIN: Self =
        Self { way: Way::Transport, family: Family::V4, udp: false, wide: false, esn: true };

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let families = [Family::V4, Family::V6];
        let ways = families.map(|inner| [Way::Software(inner), Way::Card(inner)]).concat();
        let mut all = Vec::new();
        for way in [vec![Way::Transport], ways].concat() {
            for family in families {
                for udp in [false, true] {
                    for wide in [false, true] {
                        all.push(Self { way, family, udp, wide, esn: true });
                    }
                }
            }
        }
        // There is no such reformat.
        all.retain(|case| !(case.udp && matches!(case.way, Way::Card(_))));
        all
    }

    pub(crate) fn ours(family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(192, 0, 2, 1).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        }
    }

    pub(crate) fn peers(family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(192, 0, 2, 2).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).into(),
        }
    }

    pub(crate) const SALT: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];

    pub(crate) fn key(&self) -> Vec<u8> {
        (0..if self.wide { 32 } else { 16 }).map(|at| at * 5 + 0x41).collect()
    }

    pub(crate) fn cipher(&self) -> Cipher {
        Cipher::new(&self.key(), Self::SALT, self.esn)
    }

    fn install(&self, direction: Direction, source: IpAddr, destination: IpAddr) -> Install {
        let key = self.key();
        let key = match <[u8; 16]>::try_from(key.as_slice()) {
            Ok(key) => Key::Aes128(key),
            Err(_) => Key::Aes256(key.try_into().unwrap()),
        };
        let (ours, peers) = PORTS;
        let (port_from, port_to) = if direction.receives() { (peers, ours) } else { (ours, peers) };
        // On receive the Ethernet header is that of what comes out.
        let (from, to) = if direction.receives() { (PEER_MAC, OUR_MAC) } else { (OUR_MAC, PEER_MAC) };
        Install {
            direction,
            spi: SPI,
            source,
            destination,
            mode: match self.way {
                Way::Transport | Way::Software(_) => Mode::Transport,
                Way::Card(inner) => Mode::Tunnel {
                    inner,
                    source: from,
                    destination: to,
                    hop_limit: HOP_LIMIT,
                    traffic_class: TRAFFIC_CLASS,
                },
            },
            udp: self.udp.then_some(Ports { source: port_from, destination: port_to }),
            vlan: None,
            secret: Secret { key, salt: Self::SALT },
            iv: [0x77; 8],
            esn: self.esn,
            sequence: 1,
            packets: Limits::default(),
            octets: Limits::default(),
            selector: None,
        }
    }

    /// From us to the peer, on the card.
    pub(crate) fn sends(&self) -> Install {
        self.install(Direction::Send, Self::ours(self.family), Self::peers(self.family))
    }

    /// From the peer to us, on the card.
    pub(crate) fn receives(&self) -> Install {
        let window = if self.esn { WINDOW } else { 0 };
        self.install(Direction::Receive { window }, Self::peers(self.family), Self::ours(self.family))
    }

    /// The peer's software with its end of the SA, and the handle.
    pub(crate) fn peer(&self, direction: ipsec::Direction) -> (Ipsec, ipsec::Handle) {
        let (local, remote) = (Self::peers(self.family), Self::ours(self.family));
        let mode = match self.way {
            Way::Transport => ipsec::Mode::Transport { local, remote },
            _ => ipsec::Mode::Tunnel { local, remote },
        };
        let algorithm = if self.wide { Algorithm::AesGcm256 } else { Algorithm::AesGcm128 };
        let key = ipsec::Key::new(&[self.key(), Self::SALT.to_vec()].concat()).unwrap();
        let any = [AddressRange::ANY_V4, AddressRange::ANY_V6];
        let selectors = any.map(|any| ipsec::Selector::addresses(any, any).unwrap()).to_vec();
        let mut software = Ipsec::new(4);
        let action = if self.way == Way::Transport { Action::TRANSPORT } else { Action::TUNNEL };
        let policy = software.spd_mut().push(Policy { selectors: selectors.clone(), action });
        let mut sa = SaParams::new(direction, Spi(SPI), mode, (algorithm, key), (policy, selectors));
        sa.encap = self.udp.then_some(UdpEncap { local_port: PORTS.1, remote_port: PORTS.0 });
        sa.esn = self.esn;
        let handle = software.install(NOW, sa).unwrap();
        (software, handle)
    }

    /// The family of what is protected.
    pub(crate) fn inner(&self) -> Family {
        match self.way {
            Way::Transport => self.family,
            Way::Software(inner) | Way::Card(inner) => inner,
        }
    }

    /// A packet that is to be protected, with `length` bytes behind its IP header; from us or to us.
    pub(crate) fn packet(&self, outbound: bool, length: usize) -> Vec<u8> {
        self.packet_of(outbound, OPAQUE, &frames::pattern(length))
    }

    /// The same with this protocol and payload.
    pub(crate) fn packet_of(&self, outbound: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let (mut source, mut destination) = (Self::ours(self.inner()), Self::peers(self.inner()));
        if self.way != Way::Transport {
            // Of hosts behind the two.
            (source, destination) = (behind(source), behind(destination));
        }
        if outbound {
            ip(source, destination, protocol, payload)
        } else {
            ip(destination, source, protocol, payload)
        }
    }

    /// What the port is given to send `packet`.
    pub(crate) fn given(&self, packet: &[u8]) -> Vec<u8> {
        match self.way {
            Way::Software(inner) => {
                let protocol = protocol(inner);
                let (source, destination) = (Self::ours(self.family), Self::peers(self.family));
                to_peer(&ip(source, destination, protocol, packet))
            }
            _ => to_peer(packet),
        }
    }

    /// What the port hands on when `packet` has come out.
    pub(crate) fn handed_on(&self, packet: &[u8], frame: &[u8]) {
        match self.way {
            Way::Software(inner) => {
                let header = if self.family == Family::V4 { 20 } else { 40 };
                let (outer, rest) = frame[ETHERNET..].split_at(header);
                assert_eq!(rest, packet, "{self:?}");
                let found = if self.family == Family::V4 { outer[9] } else { outer[6] };
                assert_eq!(found, protocol(inner));
                // But for what the sender chose: lengths and checksum are right.
                if self.family == Family::V4 {
                    assert_eq!(net::checksum::of(outer), [0, 0]);
                    assert_eq!(usize::from(u16::from_be_bytes([outer[2], outer[3]])), header + packet.len());
                } else {
                    assert_eq!(usize::from(u16::from_be_bytes([outer[4], outer[5]])), packet.len());
                }
            }
            _ => assert_eq!(frame, from_peer(packet), "{self:?}"),
        }
    }

    /// The ESP in a frame, from the SPI on.
    pub(crate) fn esp<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let header = if self.family == Family::V4 { 20 } else { 40 };
        &frame[ETHERNET + header + if self.udp { 8 } else { 0 }..]
    }

    /// The headers before ESP in a frame that was sent are right.
    pub(crate) fn check_outer(&self, frame: &[u8]) {
        let esp = self.esp(frame).len();
        let packet = &frame[ETHERNET..];
        let v4 = self.family == Family::V4;
        let header = if v4 { 20 } else { 40 };
        let (class, hops, protocol) = if v4 {
            assert_eq!(net::checksum::of(&packet[..20]), [0, 0]);
            assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), packet.len() as u16);
            (packet[1], packet[8], packet[9])
        } else {
            assert_eq!(u16::from_be_bytes([packet[4], packet[5]]), packet.len() as u16 - 40);
            (packet[0] << 4 | packet[1] >> 4, packet[7], packet[6])
        };
        let made = matches!(self.way, Way::Card(_));
        let wanted = if made { (TRAFFIC_CLASS, HOP_LIMIT) } else { (0, 64) };
        assert_eq!((class, hops), wanted, "{self:?}");
        assert_eq!(protocol, if self.udp { frames::UDP } else { 50 });
        if self.udp {
            let udp = &packet[header..header + 8];
            let field = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
            assert_eq!([field(0), field(2), field(4), field(6)], [PORTS.0, PORTS.1, 8 + esp as u16, 0]);
        }
        let (from, to) = (Self::ours(self.family), Self::peers(self.family));
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let addresses = [octets(from), octets(to)].concat();
        assert_eq!(packet[header - addresses.len()..header], addresses, "{self:?}");
    }

    /// A frame with this ESP from the peer.
    pub(crate) fn wire(&self, esp: &[u8]) -> Vec<u8> {
        let (source, destination) = (Self::peers(self.family), Self::ours(self.family));
        if self.udp {
            from_peer(&ip(source, destination, frames::UDP, &frames::udp(PORTS.1, PORTS.0, esp)))
        } else {
            from_peer(&ip(source, destination, 50, esp))
        }
    }

    /// A frame with an ESP packet of the peer's, with `length` bytes inside; transport mode.
    pub(crate) fn sealed(&self, number: u64, length: usize) -> Vec<u8> {
        self.wire(&self.cipher().seal(SPI, number, OPAQUE, &frames::pattern(length)))
    }
}

fn protocol(inner: Family) -> u8 {
    if inner == Family::V4 { IPV4_IN_IP } else { IPV6_IN_IP }
}

fn behind(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 0xff00).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 0xff_0000).into(),
    }
}

/// What `software` opens `frame` to.
pub(crate) fn open(software: &mut Ipsec, frame: &[u8]) -> Result<Vec<u8>, ipsec::Drop> {
    let mut packet = Packet::from_bytes(&frame[ETHERNET..]);
    software.open(NOW, &mut packet)?;
    Ok(packet.bytes().to_vec())
}

/// The frame in which `software` seals `packet`.
pub(crate) fn seal(software: &mut Ipsec, handle: ipsec::Handle, packet: &[u8]) -> Vec<u8> {
    let mut sealed = Packet::from_bytes(packet);
    software.seal(NOW, handle, &mut sealed).unwrap();
    from_peer(sealed.bytes())
}

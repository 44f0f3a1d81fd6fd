//! What the tests of this crate share: packets made by scapy 2.8.0 (each with the expression that made it)
//! and a small builder for packets of any size.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::checksum::{self, Sum};
use crate::ip::{ipv4, ipv6, proto, put};

/// `IP(src='192.0.2.1',dst='198.51.100.7',ttl=9,tos=0xb9,flags='DF',id=0x1234)/TCP(sport=1000,dport=443)`
pub(crate) const TCP4: &str =
    "45b9002812344000090672a7c0000201c633640703e801bb0000000000000000500220009e030000";
/// `IP(src='192.0.2.1',dst='198.51.100.7')/ICMP(type=8,id=1,seq=2)/b'abcd'`
pub(crate) const ICMP4: &str = "450000200001000040018ea0c0000201c6336407080033360001000261626364";
/// `IP(src='192.0.2.1',dst='198.51.100.7',proto=50)/bytes(16)`
pub(crate) const ESP4: &str = "450000240001000040328e6bc0000201c633640700000000000000000000000000000000";
/// `IP(src='192.0.2.1',dst='198.51.100.7',options=[IPOption_Router_Alert()])/UDP(sport=5,dport=6)/b'x'`
pub(crate) const OPTIONS4: &str = "46000021000100004011f98ac0000201c6336407940400000005000600099b9478";
/// `IP(src='192.0.2.1',dst='198.51.100.7',options=[IPOption_LSRR(routers=['10.1.0.1'])])/UDP(sport=5,dport=6)/b'x'`
pub(crate) const LSRR4: &str = "47000025000100004011037ac0000201c63364078307040a01000100000500060009bbcd78";
/// `IPv6(src='2001:db8::1',dst='2001:db8:1::2',tc=0xb9,fl=0x12345,hlim=7)/UDP(sport=500,dport=4500)/b'hi'`
pub(crate) const UDP6: &str =
    "6b912345000a110720010db800000000000000000000000120010db800010000000000000000000201f41194000a28736869";
/// `IPv6(src='2001:db8::1',dst='2001:db8:1::2')/IPv6ExtHdrHopByHop(options=[RouterAlert()])/
/// IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0'*4)])/UDP(sport=1,dport=2)/b'hi'`
pub(crate) const EXTENSIONS6: &str = "60000000001a004020010db800000000000000000000000120010db80001000000000000000000023c\
     00050200000100110001040000000000010002000a3bf86869";
/// `IPv6(src='2001:db8::1',dst='2001:db8:1::2')/IPv6ExtHdrRouting(type=0,addresses=['2001:db8::9'])/
/// UDP(sport=1,dport=2)/b'hi'`
pub(crate) const ROUTING0: &str = "6000000000222b4020010db800000000000000000000000120010db8000100000000000000000002110200\
     010000000020010db800000000000000000000000900010002000a3bf26869";
/// As [`ROUTING0`] with `type=2,segleft=1`.
pub(crate) const ROUTING2: &str = "6000000000222b4020010db800000000000000000000000120010db8000100000000000000000002110202\
     010000000020010db800000000000000000000000900010002000a3bf26869";
/// `IPv6(src='2001:db8::1',dst='2001:db8:1::2')/IPv6ExtHdrFragment(nh=17,offset=3,m=1,id=0xdeadbeef)/bytes(16)`
pub(crate) const FRAGMENT6: &str = "6000000000182c4020010db800000000000000000000000120010db8000100000000000000000002110000\
     19deadbeef00000000000000000000000000000000";
/// `IPv6(src='2001:db8::1',dst='2001:db8:1::2')/IPv6ExtHdrFragment(id=7)/UDP(sport=1,dport=2)/b'hi'`
pub(crate) const ATOMIC6: &str = "6000000000122c4020010db800000000000000000000000120010db800010000000000000000000211000000\
     0000000700010002000a3bf86869";

/// The bytes that `text` spells.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().map(|b| (b as char).to_digit(16).unwrap() as u8).collect();
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A UDP packet of either family with `payload` and right checksums.
pub(crate) fn udp(src: &str, dst: &str, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let length = 8 + payload.len() as u16;
    let mut segment = Vec::new();
    for field in [ports[0], ports[1], length, 0] {
        segment.extend_from_slice(&field.to_be_bytes());
    }
    segment.extend_from_slice(payload);
    let sum = Sum::new().with_pseudo(src, dst, proto::UDP, u32::from(length)).with(&segment).finish();
    segment[6..8].copy_from_slice(&sum);
    let mut packet = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header = [0; ipv4::HEADER];
            header[..2].copy_from_slice(&[0x45, 0]);
            put(&mut header, ipv4::TOTAL_LENGTH, (20 + length).to_be_bytes());
            put(&mut header, ipv4::IDENT, [0x42, 0x42]);
            header[ipv4::TTL] = 64;
            header[ipv4::PROTOCOL] = proto::UDP;
            put(&mut header, ipv4::SRC, src.octets());
            put(&mut header, ipv4::DST, dst.octets());
            header.to_vec()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut header = [0; ipv6::HEADER];
            header[0] = 0x60;
            put(&mut header, ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
            header[ipv6::NEXT_HEADER] = proto::UDP;
            header[ipv6::HOP_LIMIT] = 64;
            put(&mut header, ipv6::SRC, src.octets());
            put(&mut header, ipv6::DST, dst.octets());
            header.to_vec()
        }
        _ => unreachable!("two families in one packet"),
    };
    fix_checksum(&mut packet);
    packet.extend_from_slice(&segment);
    packet
}

/// Makes the IPv4 header checksum right after a change; leaves IPv6 alone.
pub(crate) fn fix_checksum(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 {
        let header_len = usize::from(packet[0] & 15) * 4;
        packet[ipv4::CHECKSUM..ipv4::SRC].fill(0);
        let sum = checksum::of(&packet[..header_len]);
        packet[ipv4::CHECKSUM..ipv4::SRC].copy_from_slice(&sum);
    }
}

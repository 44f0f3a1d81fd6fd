use super::super::fixture::sample;
use super::super::{Headers, Ip, Tcp};
use super::*;

/// The key of Microsoft's "Verifying the RSS Hash Calculation".
const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// Destination, source with ports; hash over addresses; hash over addresses and TCP ports.
const VECTORS: &[(&str, u16, &str, u16, u32, u32)] = &[
    ("161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e_8fc2, 0x51cc_c178),
    ("65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718_262a, 0xc626_b0ea),
    ("12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0_a5de, 0x5c2b_394a),
    ("209.142.163.6", 2217, "38.27.205.30", 48228, 0x8298_9176, 0xafc7_327f),
    ("202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d18_09c5, 0x10e8_28a2),
    ("3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc1_8cd5, 0x4020_7d3d),
    ("ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c_461c, 0xdde5_1bbf),
    (
        "fe80::200:f8ff:fe21:67cf",
        38024,
        "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
        44251,
        0x4b61_e985,
        0x02d1_feef,
    ),
];

fn scaling(v6: bool, udp: bool, fields: u32) -> Scaling {
    let selection = Selection { v6, udp, fields };
    Scaling { function: Function::Toeplitz, symmetric: false, key: KEY, selection }
}

const ADDRESSES: u32 = Selection::SOURCE_IP | Selection::DESTINATION_IP;
const ALL: u32 = ADDRESSES | Selection::SOURCE_PORT | Selection::DESTINATION_PORT;

fn flow(source: IpAddr, source_port: u16, destination: IpAddr, destination_port: u16) -> Layers {
    let template = sample(if source.is_ipv4() { "tcp4" } else { "tcp6" }).headers().outer;
    let ip = Ip { source, destination, ..template.ip.clone().unwrap() };
    let tcp = Tcp { source: source_port, destination: destination_port, ..*template.tcp().unwrap() };
    Layers { ip: Some(ip), l4: L4::Tcp(tcp), ..template }
}

fn flows() -> impl Iterator<Item = (Layers, Layers, u32, u32)> {
    VECTORS.iter().map(|(destination, destination_port, source, source_port, addresses, ports)| {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let there = flow(source, *source_port, destination, *destination_port);
        let back = flow(destination, *destination_port, source, *source_port);
        (there, back, *addresses, *ports)
    })
}

#[test]
fn microsofts_vectors() {
    for (flow, _, addresses, ports) in flows() {
        let v6 = flow.l3() == L3::V6;
        let l3 = if v6 { 0x08 } else { 0x04 };
        assert_eq!(scaling(v6, false, ADDRESSES).hash(&flow), Hash { value: addresses, kind: l3 });
        assert_eq!(scaling(v6, false, ALL).hash(&flow), Hash { value: ports, kind: l3 | 0x40 });
        // For UDP selected, TCP has no ports.
        assert_eq!(scaling(v6, true, ALL).hash(&flow), Hash { value: addresses, kind: l3 });
        assert_eq!(scaling(!v6, false, ALL).hash(&flow), Hash::default());
    }
}

#[test]
fn symmetric_hashes_are_the_same_both_ways() {
    for (there, back, _, ports) in flows() {
        let v6 = there.l3() == L3::V6;
        let scaling = Scaling { symmetric: true, ..scaling(v6, false, ALL) };
        let hash = scaling.hash(&there);
        assert_eq!(hash, scaling.hash(&back));
        // In order already: the sorted input is the plain one.
        let (ip, tcp) = (there.ip.as_ref().unwrap(), there.tcp().unwrap());
        if ip.source < ip.destination && tcp.source < tcp.destination {
            assert_eq!(hash.value, ports);
        }
    }
}

/// Only a pair can be sorted.
#[test]
fn one_of_a_pair_stays_what_it_is() {
    for (there, back, ..) in flows().filter(|(there, ..)| there.l3() == L3::V4) {
        for (field, port) in [(Selection::SOURCE_IP, false), (Selection::SOURCE_PORT, true)] {
            let plain = scaling(false, false, field);
            let symmetric = Scaling { symmetric: true, ..plain.clone() };
            assert_eq!(symmetric.hash(&there), plain.hash(&there), "{port}");
            assert_eq!(symmetric.hash(&back), plain.hash(&back), "{port}");
        }
    }
}

#[test]
fn inverted_xor8() {
    let (flow, ..) = flows().next().unwrap();
    let scaling = Scaling { function: Function::InvertedXor8, ..scaling(false, false, ADDRESSES) };
    let sum = [66u8, 9, 149, 187, 161, 142, 100, 80].iter().fold(0, |sum, byte| sum ^ byte);
    assert_eq!(scaling.hash(&flow).value, u32::from(!sum));
}

#[test]
fn spi_of_both_kinds_of_esp() {
    for name in ["esp4", "natt"] {
        let layers = sample(name).headers().outer;
        let hash = scaling(false, false, ADDRESSES | Selection::SPI).hash(&layers);
        let input = [&[192, 0, 2, 1, 198, 51, 100, 2][..], &0xc0ff_ee01_u32.to_be_bytes()].concat();
        assert_eq!(hash, Hash { value: toeplitz(&KEY, &input), kind: 0xc4 }, "{name}");
    }
}

#[test]
fn nothing_to_hash() {
    let arp = sample("arp").headers().outer;
    assert_eq!(scaling(false, false, ALL).hash(&arp), Hash::default());
    let fragment = sample("frag4-first").headers().outer;
    assert_eq!(scaling(false, true, ALL).hash(&fragment).kind, 0x04);
    let none = Scaling { function: Function::None, ..scaling(false, false, ALL) };
    assert_eq!(none.hash(&sample("tcp4").headers().outer), Hash::default());
    assert_eq!(Headers::parse(&[]).outer, Layers::default());
    // Longer than the key: its bits have run out, the hash has not.
    toeplitz(&KEY, &[0xff; 100]);
}

//! What flow table entries match on: the headers as `fte_match_param`.
//!
//! Registers, syndromes, source SQN and source port are not the packet's and stay zero. Transport fields of one protocol
//! are zero for all others. Chosen where nothing is documented: the ethertype is the one behind VLAN tags; `first_*` is
//! the outermost tag; SPI of ESP in UDP is `inner_esp_spi`, because that is where Linux looks for it
//! (`en_accel/ipsec_fs.c`); ICMP is the outer one. Left out: MPLS, Geneve, GTP, VXLAN-GPE, MACsec, sampled fields.

use super::bytes::{be32, chunk};
use super::headers::{Ethernet, Headers, Icmp, Ip, L4, Layers, Tunnel};
use core::net::IpAddr;
use mlx5_pci::prm::{FteMatchParam, FteMatchSetLyr24, FteMatchSetMisc, FteMatchSetMisc3, FteMatchSetMisc5};

/// `fte_match_param` in dwords of host order, for masks and hashes.
pub type MatchParam = [u32; FteMatchParam::SIZE / 4];

/// `l4_type` of TCP and UDP; 0 is none.
const L4_TYPE_TCP: u8 = 1;
const L4_TYPE_UDP: u8 = 2;

/// The fields of a packet.
pub fn match_param(headers: &Headers, frame: &[u8]) -> MatchParam {
    let outer = &headers.outer;
    let mut param =
        FteMatchParam::build().outer_headers(&layers(outer, frame)).misc_parameters(&misc(headers));
    if let Some(inner) = &headers.inner {
        param = param.inner_headers(&layers(inner, frame));
    }
    let param = param.misc_parameters_3(&misc3(headers)).misc_parameters_5(&misc5(headers, frame)).done();
    dwords(&param)
}

/// A structure of matching in dwords of host order.
pub fn dwords(param: &FteMatchParam) -> MatchParam {
    let mut dwords = [0; FteMatchParam::SIZE / 4];
    for (dword, bytes) in dwords.iter_mut().zip(param.as_bytes().as_chunks::<4>().0) {
        *dword = u32::from_be_bytes(*bytes);
    }
    dwords
}

fn layers(layers: &Layers, frame: &[u8]) -> FteMatchSetLyr24 {
    let mut set = FteMatchSetLyr24::default();
    if let Some(ethernet) = &layers.ethernet {
        ethernet_fields(&mut set, ethernet);
    }
    if let Some(ip) = &layers.ip {
        ip_fields(&mut set, ip, frame);
    }
    match &layers.l4 {
        L4::Tcp(tcp) => {
            set.set()
                .l4_type(L4_TYPE_TCP)
                .tcp_flags(tcp.flags)
                .tcp_sport(tcp.source)
                .tcp_dport(tcp.destination);
        }
        L4::Udp(udp) => {
            set.set().l4_type(L4_TYPE_UDP).udp_sport(udp.source).udp_dport(udp.destination);
        }
        _ => {}
    }
    set
}

fn ethernet_fields(set: &mut FteMatchSetLyr24, ethernet: &Ethernet) {
    let (smac, dmac) = (halves(&ethernet.source), halves(&ethernet.destination));
    let fields = set.set().smac_47_16(smac.0).smac_15_0(smac.1).dmac_47_16(dmac.0).dmac_15_0(dmac.1);
    let fields = fields.ethertype(ethernet.ethertype);
    if let [Some(tag), _] = ethernet.tags {
        let (priority, cfi, vid) = tag.parts();
        let fields = fields.first_prio(priority).first_cfi(cfi).first_vid(vid);
        fields.cvlan_tag(!tag.service).svlan_tag(tag.service);
    }
}

fn ip_fields(set: &mut FteMatchSetLyr24, ip: &Ip, frame: &[u8]) {
    let version = if ip.source.is_ipv4() { 4 } else { 6 };
    let ihl = match chunk(frame, ip.offset) {
        Some([first]) if version == 4 => first & 0xf,
        _ => 0,
    };
    set.set()
        .ip_protocol(ip.protocol)
        .ip_dscp(ip.traffic_class >> 2)
        .ip_ecn(ip.traffic_class & 3)
        .frag(ip.fragment)
        .ip_version(version)
        .ipv4_ihl(ihl)
        .ttl_hoplimit(ip.ttl)
        .src_ipv4_src_ipv6(&address(ip.source))
        .dst_ipv4_dst_ipv6(&address(ip.destination));
}

/// Bits 47:16 and 15:0.
fn halves(address: &[u8; 6]) -> (u32, u16) {
    let [a, b, c, d, e, f] = *address;
    (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))
}

/// IPv4 stands in the last four bytes.
fn address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()).to_be_bytes(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn misc(headers: &Headers) -> FteMatchSetMisc {
    let mut misc = FteMatchSetMisc::default();
    let second = |layers: &Layers| layers.ethernet.as_ref().and_then(|ethernet| ethernet.tags[1]);
    if let Some(tag) = second(&headers.outer) {
        let (priority, cfi, vid) = tag.parts();
        let fields = misc.set().outer_second_prio(priority).outer_second_cfi(cfi).outer_second_vid(vid);
        fields.outer_second_cvlan_tag(!tag.service).outer_second_svlan_tag(tag.service);
    }
    if let Some(tag) = headers.inner.as_ref().and_then(second) {
        let (priority, cfi, vid) = tag.parts();
        let fields = misc.set().inner_second_prio(priority).inner_second_cfi(cfi).inner_second_vid(vid);
        fields.inner_second_cvlan_tag(!tag.service).inner_second_svlan_tag(tag.service);
    }
    match &headers.outer.l4 {
        L4::Esp(esp) => {
            misc.set().outer_esp_spi(esp.spi);
        }
        L4::Udp(udp) => {
            misc.set().inner_esp_spi(udp.esp.map_or(0, |esp| esp.spi));
        }
        L4::Gre(gre) => {
            let fields = misc.set().gre_c_present(gre.checksum).gre_k_present(gre.key.is_some());
            let fields = fields.gre_s_present(gre.sequence).gre_protocol(gre.protocol);
            fields.gre_key(&gre.key.unwrap_or(0).to_be_bytes());
        }
        _ => {}
    }
    if let Tunnel::Vxlan { vni, .. } = headers.tunnel {
        misc.set().vxlan_vni(vni);
    }
    let label = |layers: &Layers| layers.ip.as_ref().map_or(0, |ip| ip.flow_label);
    let inner = headers.inner.as_ref().map_or(0, label);
    misc.set().outer_ipv6_flow_label(label(&headers.outer)).inner_ipv6_flow_label(inner);
    misc
}

fn misc3(headers: &Headers) -> FteMatchSetMisc3 {
    let mut misc = FteMatchSetMisc3::default();
    if let Some(tcp) = headers.outer.tcp() {
        misc.set().outer_tcp_seq_num(tcp.sequence).outer_tcp_ack_num(tcp.acknowledgement);
    }
    if let Some(tcp) = headers.inner.as_ref().and_then(Layers::tcp) {
        misc.set().inner_tcp_seq_num(tcp.sequence).inner_tcp_ack_num(tcp.acknowledgement);
    }
    match headers.outer.l4 {
        L4::Icmp(Icmp { kind, code, data, .. }) => {
            misc.set().icmp_type(kind).icmp_code(code).icmp_header_data(data);
        }
        L4::Icmpv6(Icmp { kind, code, data, .. }) => {
            misc.set().icmpv6_type(kind).icmpv6_code(code).icmpv6_header_data(data);
        }
        _ => {}
    }
    misc
}

/// The first dwords of a VXLAN header.
fn misc5(headers: &Headers, frame: &[u8]) -> FteMatchSetMisc5 {
    let mut misc = FteMatchSetMisc5::default();
    if let Tunnel::Vxlan { offset, .. } = headers.tunnel {
        let dword = |at| be32(frame, offset + at).unwrap_or(0);
        misc.set().tunnel_header_0(dword(0)).tunnel_header_1(dword(4));
    }
    misc
}

#[cfg(test)]
mod tests;

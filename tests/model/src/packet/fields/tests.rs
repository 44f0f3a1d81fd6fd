use super::super::fixture::{sample, samples};
use super::*;

/// The structure again, so that a test can name fields.
fn param(name: &str) -> FteMatchParam {
    let sample = sample(name);
    let dwords = match_param(&sample.headers(), &sample.frame);
    FteMatchParam::copy_from(&dwords.iter().flat_map(|dword| dword.to_be_bytes()).collect::<Vec<u8>>())
}

#[test]
fn tcp_over_ipv4() {
    let outer = param("tcp4").outer_headers();
    assert_eq!((outer.smac_47_16(), outer.smac_15_0()), (0x0200_0000, 2));
    assert_eq!((outer.dmac_47_16(), outer.dmac_15_0()), (0x0200_0000, 1));
    assert_eq!((outer.ethertype(), outer.ip_version(), outer.ip_protocol()), (0x800, 4, 6));
    assert_eq!((outer.ip_dscp(), outer.ip_ecn(), outer.ttl_hoplimit(), outer.ipv4_ihl()), (0x2e, 1, 17, 5));
    assert_eq!((outer.tcp_sport(), outer.tcp_dport(), outer.tcp_flags()), (4000, 80, 0x18));
    assert_eq!((outer.udp_sport(), outer.udp_dport(), outer.l4_type()), (0, 0, 1));
    assert_eq!(outer.src_ipv4_src_ipv6(), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    assert_eq!(outer.dst_ipv4_dst_ipv6()[12..], [198, 51, 100, 2]);
    assert!(!outer.frag() && !outer.cvlan_tag() && !outer.svlan_tag());
    let misc3 = param("tcp4").misc_parameters_3();
    assert_eq!((misc3.outer_tcp_seq_num(), misc3.outer_tcp_ack_num()), (0x0102_0304, 0x0a0b_0c0d));
}

/// Byte offsets of the facts, section E.10, without any layout between.
#[test]
fn dwords_are_where_they_belong() {
    let of = |name: &str| {
        let sample = sample(name);
        match_param(&sample.headers(), &sample.frame)
    };
    assert_eq!(of("tcp4")[0x2c / 4], 0xc000_0201);
    assert_eq!(of("tcp4")[0x3c / 4], 0xc633_6402);
    assert_eq!(of("esp4")[(0x40 + 0x30) / 4], 0xc0ff_ee01);
    assert_eq!(of("natt")[(0x40 + 0x2c) / 4], 0xc0ff_ee01);
    assert_eq!(of("vxlan")[(0x40 + 0x14) / 4] >> 8, 0xab_cdef);
    // Nothing of a packet stands in registers.
    for sample in samples() {
        let dwords = match_param(&sample.headers(), &sample.frame);
        assert_eq!(dwords[0xc0 / 4..0x100 / 4], [0; 16], "{}", sample.name);
    }
}

#[test]
fn ipv6() {
    let param = param("tcp6");
    let outer = param.outer_headers();
    assert_eq!((outer.ethertype(), outer.ip_version(), outer.ipv4_ihl()), (0x86dd, 6, 0));
    assert_eq!(outer.src_ipv4_src_ipv6()[..4], [0x20, 1, 0xd, 0xb8]);
    assert_eq!((outer.ip_dscp(), outer.ip_ecn()), (0xb, 2));
    assert_eq!(param.misc_parameters().outer_ipv6_flow_label(), 0x12345);
}

#[test]
fn tags() {
    let outer = param("vlan-tcp4").outer_headers();
    assert_eq!((outer.first_prio(), outer.first_cfi(), outer.first_vid()), (5, false, 100));
    assert!(outer.cvlan_tag() && !outer.svlan_tag());
    let param = param("qinq-udp6");
    let outer = param.outer_headers();
    assert_eq!((outer.first_prio(), outer.first_cfi(), outer.first_vid()), (1, true, 7));
    assert!(outer.svlan_tag() && !outer.cvlan_tag());
    let misc = param.misc_parameters();
    assert_eq!((misc.outer_second_vid(), misc.outer_second_cvlan_tag()), (4094, true));
    assert!(!misc.outer_second_svlan_tag());
    assert_eq!((outer.ethertype(), outer.udp_dport(), outer.l4_type()), (0x86dd, 53, 2));
}

#[test]
fn fragments() {
    let outer = param("frag4-first").outer_headers();
    assert!(outer.frag());
    assert_eq!((outer.ip_protocol(), outer.udp_dport(), outer.l4_type()), (17, 0, 0));
}

#[test]
fn icmp() {
    let misc3 = param("icmp4").misc_parameters_3();
    assert_eq!((misc3.icmp_type(), misc3.icmp_code(), misc3.icmp_header_data()), (8, 0, 0x1234_0005));
    let misc3 = param("nd").misc_parameters_3();
    assert_eq!((misc3.icmpv6_type(), misc3.icmp_type()), (135, 0));
}

#[test]
fn tunnels() {
    let vxlan = param("vxlan");
    let inner = vxlan.inner_headers();
    assert_eq!((inner.dmac_15_0(), inner.ip_version(), inner.tcp_dport()), (0x11, 6, 80));
    assert_eq!(vxlan.misc_parameters().vxlan_vni(), 0xab_cdef);
    assert_eq!(vxlan.misc_parameters_5().tunnel_header_1(), 0xabcd_ef00);
    assert_eq!(vxlan.misc_parameters_3().inner_tcp_seq_num(), 0x0102_0304);
    let gre = param("gre").misc_parameters();
    assert_eq!((gre.gre_k_present(), gre.gre_c_present(), gre.gre_protocol()), (true, false, 0x800));
    assert_eq!(gre.gre_key(), &0xcafe_0001_u32.to_be_bytes());
    let bridged = param("gre-bridged");
    assert_eq!(bridged.inner_headers().first_vid(), 9);
    assert!(bridged.misc_parameters().gre_s_present());
    assert_eq!(param("ipip").outer_headers().ip_protocol(), 4);
    assert_eq!(param("ipip").inner_headers().ip_protocol(), 6);
}

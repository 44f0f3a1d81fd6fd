//! Segments against the layouts of `prm`.

use super::*;

fn as_bytes(segment: Segment) -> [u8; SEGMENT] {
    let mut out = [0; SEGMENT];
    for (place, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(segment) {
        *place = word.to_be_bytes();
    }
    out
}

#[test]
fn control_segments() {
    let ours = control(WqeOpcode::LSO, 0xfedc, 0x12_3456, 63, true);
    let layout = WqeCtrlSeg::build().opcode(0x0e).wqe_index(0xfedc).qpn(0x12_3456).ds(63).ce(2).done();
    assert_eq!(&as_bytes(ours), layout.as_bytes());
    let mut quiet = control(WqeOpcode::SEND, 1, 2, 3, false);
    assert_eq!(&as_bytes(quiet), WqeCtrlSeg::build().opcode(10).wqe_index(1).qpn(2).ds(3).done().as_bytes());
    quiet[SIGNALLED.0] |= SIGNALLED.1;
    assert_eq!(quiet, control(WqeOpcode::SEND, 1, 2, 3, true));
}

#[test]
fn ethernet_segments() {
    let all = Ethernet { l3: true, l4: true, mss: 1448, metadata: 0x8000_0001, vlan: Some(0xa064) };
    let layout = WqeEthSeg::build()
        .l3_csum(true)
        .l4_csum(true)
        .mss(1448)
        .flow_table_metadata(0x8000_0001)
        .inline_hdr_sz(0x8000)
        .inline_hdr_start(0xa064)
        .done();
    assert_eq!(&as_bytes(all.segment()), layout.as_bytes());
    // The bits as the facts have them: 0x40 L3, 0x80 L4.
    assert_eq!(as_bytes(Ethernet { l3: true, ..Ethernet::default() }.segment())[4], 0x40);
    assert_eq!(as_bytes(Ethernet { l4: true, ..Ethernet::default() }.segment())[4], 0x80);
}

#[test]
fn packets_inside() {
    let inside = Inside { outer: 7, network: 27, transport: 37, outer_v6: true, v6: false, udp: true };
    let ethernet = Ethernet { l3: true, l4: true, ..Ethernet::default() };
    let told = |inside: Inside| {
        let mut out = ethernet.segment();
        inside.tell(ethernet, &mut out);
        out
    };
    let layout = WqeEthSeg::build()
        .l3_inner_csum(true)
        .l4_inner_csum(true)
        .swp_outer_l3_v6(true)
        .swp_inner_l4_udp(true)
        .swp_outer_l3_offset(7)
        .swp_inner_l3_offset(27)
        .swp_inner_l4_offset(37)
        .done();
    assert_eq!(&as_bytes(told(inside)), layout.as_bytes());
    // The bits as the facts have them: 0x10 and 0x20 inner, 0x10 outer IPv6 and 0x02 inner UDP of the parser.
    assert_eq!(as_bytes(told(inside))[..6], [0, 7, 37, 27, 0x30, 0x12]);
    assert_eq!(inside.behind(4), Inside { outer: 9, network: 29, transport: 39, ..inside });
    let v4 = Inside { outer_v6: false, v6: true, udp: false, ..inside };
    assert_eq!(as_bytes(told(v4))[4..6], [0x60, 0x01]);
}

#[test]
fn headers_begin_in_the_ethernet_segment() {
    let headers: [u8; 54] = core::array::from_fn(|at| at as u8 + 1);
    let ours = Ethernet { l4: true, ..Ethernet::default() }.with_headers(&headers);
    let layout = WqeEthSeg::build().l4_csum(true).inline_hdr_sz(54).inline_hdr_start(0x0102).done();
    assert_eq!(&as_bytes(ours), layout.as_bytes());
    assert_eq!(as_bytes(bytes(&headers[2..18])), headers[2..18]);
    assert_eq!(as_bytes(bytes(&headers[50..])), [51, 52, 53, 54, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn data_segments() {
    let ours = data(9018, 0xaabb_ccdd, 0x0123_4567_89ab_cdef);
    let layout = WqeDataSeg::build().byte_count(9018).lkey(0xaabb_ccdd).addr(0x0123_4567_89ab_cdef).done();
    assert_eq!(&as_bytes(ours), layout.as_bytes());
}

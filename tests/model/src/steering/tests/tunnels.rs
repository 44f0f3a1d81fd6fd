//! Tunnels put on and taken off: what was put on comes off again.

use super::super::reformat::{L2_TO_L2_TUNNEL, L2_TO_L3_TUNNEL, L3_TUNNEL_TO_L2};
use super::super::tunnel::{apply, decap};
use super::bench::*;
use crate::packet::checksum::verify;
use crate::packet::{Headers, Tunnel};

/// Headers up to the payload, with lengths and checksums that are still to be filled in.
fn front(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let ends = Ends { source: [198, 51, 100, 1], destination: [198, 51, 100, 2], ports: (0, 0) };
    let mut data = ipv4(ends, protocol, transport);
    data[16..18].fill(0);
    data[24..26].fill(0);
    data
}

#[test]
fn vxlan_on_and_off() {
    let inner = tcp(ENDS, b"hello");
    // UDP to 4789 without checksum, VXLAN with network 0x123456.
    let transport = [0x30, 0x39, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0x12, 0x34, 0x56, 0];
    let mut frame = inner.clone();
    let mut data = front(17, &transport);
    data[38..42].fill(0);
    assert!(apply(L2_TO_L2_TUNNEL, &data, &mut frame));
    assert_eq!(frame.len(), data.len() + inner.len());
    let headers = Headers::parse(&frame);
    assert!(matches!(headers.tunnel, Tunnel::Vxlan { vni: 0x123456, .. }), "{headers:?}");
    assert_eq!(headers.outer.udp().unwrap().length as usize, 8 + 8 + inner.len());
    assert_eq!(verify(&headers.outer, &frame).l3, Some(true));
    assert!(decap(&mut frame));
    assert_eq!(frame, inner);
    assert!(!decap(&mut frame), "there is no other tunnel");
}

#[test]
fn ip_in_ip_on_and_off() {
    let inner = tcp(ENDS, b"hello");
    let mut frame = inner.clone();
    assert!(apply(L2_TO_L3_TUNNEL, &front(4, &[]), &mut frame));
    let headers = Headers::parse(&frame);
    assert_eq!(headers.tunnel, Tunnel::IpInIp);
    assert_eq!(verify(&headers.outer, &frame).l3, Some(true));
    // Padding behind the outer packet does not come out.
    frame.extend([0; 7]);
    assert!(apply(L3_TUNNEL_TO_L2, &inner[..14], &mut frame));
    assert_eq!(frame, inner);
    assert!(!apply(L3_TUNNEL_TO_L2, &inner[..14], &mut frame), "there is no other tunnel");
}

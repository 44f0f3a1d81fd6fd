//! TIRs: which queue a packet goes to, and what its CQE says about it.

use super::receive::{Receiving, setup, udp};
use super::rig::{Rig, Ring, Work, segment};
use crate::transit::Transit;
use mlx5_pci::prm::*;

/// Ethernet and IPv6 around `payload`.
fn v6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next_header, 64]);
    for host in [1, 2] {
        frame.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    frame.extend(payload);
    let fill = crate::packet::checksum::Fill { l3: true, l4: true, inner_l3: true, inner_l4: true };
    crate::packet::checksum::fill(&mut frame, fill);
    frame
}

/// A TCP header with `flags`, and `payload` bytes.
fn tcp(flags: u8, payload: usize) -> Vec<u8> {
    let mut bytes = vec![0, 7, 0, 9, 0, 0, 0, 1, 0, 0, 0, 5, 0x50, flags, 1, 0, 0, 0, 0, 0];
    bytes.extend(vec![3; payload]);
    bytes
}

#[test]
fn the_cqe_tells_what_a_packet_is() {
    let mut t = setup(4, |_| ());
    let mut unknown = udp(1, 20);
    unknown[12] = 0x88;
    // Another protocol than TCP and UDP: nothing to check above IP.
    let icmp = v6(58, &[128, 0, 0, 0, 0, 1, 0, 1]);
    for (frame, ok, kind) in [
        (v6(6, &tcp(0x02, 0)), 7, 1 << 4 | 1 << 2),
        (v6(6, &tcp(0x10, 0)), 7, 3 << 4 | 1 << 2),
        (v6(6, &tcp(0x10, 1)), 7, 4 << 4 | 1 << 2),
        (v6(17, &[0, 7, 0, 9, 0, 10, 0, 0, 1, 2]), 7, 2 << 4 | 1 << 2),
        (icmp, 3, 1 << 2),
        (unknown, 1, 0),
    ] {
        t.post(2048);
        t.rig.deliver(t.tir, &frame);
        let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
        assert_eq!((cqe.hds_ip_ext(), cqe.l4_l3_hdr_type()), (ok, kind), "{frame:02x?}");
        assert!(!cqe.outer_l3_tunneled());
    }
}

#[test]
fn both_headers_of_a_tunnel_have_to_be_right() {
    let mut t = setup(4, |_| ());
    let inner = udp(1, 20);
    // VXLAN over IPv4: the outer checksum of UDP is not used.
    let mut frame = udp(5, 8 + inner.len());
    frame[36..38].copy_from_slice(&4789u16.to_be_bytes());
    frame[40..42].fill(0);
    frame[42..50].copy_from_slice(&[8, 0, 0, 0, 0, 0, 7, 0]);
    frame[50..].copy_from_slice(&inner);
    for (spoilt, ok) in [(None, 7), (Some(24), 5), (Some(50 + 24), 5), (Some(50 + 45), 3)] {
        let mut frame = frame.clone();
        if let Some(at) = spoilt {
            frame[at] ^= 1;
        }
        t.post(2048);
        t.rig.deliver(t.tir, &frame);
        let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
        assert!(cqe.outer_l3_tunneled());
        assert_eq!((cqe.hds_ip_ext(), cqe.l4_l3_hdr_type()), (ok, 2 << 4 | 2 << 2), "{spoilt:?}");
    }
}

#[test]
fn own_packets_are_kept_out_by_the_tir() {
    let mut t = setup(4, |_| ());
    for _ in 0..8 {
        t.post(256);
    }
    let mut unicast = udp(1, 1);
    let mut multicast = unicast.clone();
    multicast[0] = 1;
    unicast[0] = 2;
    let looped = |bytes: &[u8], domain| Transit {
        loopback: true,
        transport_domain: Some(domain),
        ..Transit::new(bytes.to_vec())
    };
    for (block, expected) in [(0, 1), (1, 2), (2, 2), (3, 3)] {
        let context =
            Tirc::build().inline_rqn(t.rq.number).transport_domain(t.rig.domain).self_lb_block(block);
        let input = t.rig.create_tir_input(&context.done());
        let tir = t.rig.host.expect(&input, 16).word(8) & 0xff_ffff;
        for packet in [
            looped(&unicast, t.rig.domain),
            looped(&multicast, t.rig.domain),
            looped(&unicast, t.rig.domain + 1),
        ] {
            t.rig.deliver_transit(tir, packet);
        }
        assert_eq!(t.rig.drain(&mut t.cq).len(), expected, "{block}");
    }
}

#[test]
fn a_hash_spreads_flows_over_a_table() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut queues: Vec<(Ring, Work)> = Vec::new();
    for _ in 0..4 {
        let cq = rig.cq(eq.number, 8);
        let mut rq = rig.rq(cq.number, 6, 4, |_| ());
        for _ in 0..64 {
            let at = rig.host.memory.alloc(256);
            let wqe = segment(rig.key, at, 256);
            rig.post_receive(&mut rq, 16, &wqe);
        }
        queues.push((cq, rq));
    }
    let context = Rqtc::build().rqt_max_size(8).rqt_actual_size(4).done();
    let mut input =
        CreateRqtIn::build().opcode(Opcode::CREATE_RQT.0).rqt_context(&context).done().as_bytes().to_vec();
    input.extend(queues.iter().flat_map(|(_, rq)| rq.number.to_be_bytes()));
    let rqt = rig.host.expect(&input, 16).word(8);
    // Microsoft's key; its vector for 66.9.149.187:2794 -> 161.142.100.80:1766 is 0x51ccc178.
    let key = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
        0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
        0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];
    let select = RxHashFieldSelect::build().l4_prot_type(true).selected_fields(0xf).done();
    let context = Tirc::build()
        .disp_type(1)
        .indirect_table(rqt)
        .rx_hash_fn(2)
        .transport_domain(rig.domain)
        .rx_hash_toeplitz_key(&key)
        .rx_hash_field_selector_outer(&select)
        .done();
    let input = rig.create_tir_input(&context);
    let tir = rig.host.expect(&input, 16).word(8) & 0xff_ffff;
    let mut known = udp(2794, 4);
    known[26..34].copy_from_slice(&[66, 9, 149, 187, 161, 142, 100, 80]);
    known[36..38].copy_from_slice(&1766u16.to_be_bytes());
    rig.deliver(tir, &known);
    let cqe = rig.take_cqe(&mut queues[0].0).expect("a CQE in the first queue");
    assert_eq!((cqe.rss_hash_result(), cqe.rss_hash_type()), (0x51cc_c178, 2 << 6 | 1 << 2));
    for port in 0..64 {
        rig.deliver(tir, &udp(port, 4));
    }
    let counts: Vec<usize> = queues.iter_mut().map(|(cq, _)| rig.drain(cq).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 64);
    assert!(counts.iter().all(|count| *count > 4), "{counts:?}");
    // Everything that is referred to stays.
    for (opcode, number) in [
        (Opcode::DESTROY_RQT, rqt),
        (Opcode::DESTROY_RQ, queues[0].1.number),
        (Opcode::DEALLOC_TRANSPORT_DOMAIN, rig.domain),
    ] {
        assert_eq!(rig.try_short(opcode, number).status, CmdStatus::BAD_RES_STATE);
    }
    // MODIFY_RQT: everything to the last queue; the others are free.
    let context = Rqtc::build().rqt_actual_size(1).done();
    let mask = RqtBitmask::build().rqn_list(true).done();
    let input =
        ModifyRqtIn::build().opcode(Opcode::MODIFY_RQT.0).rqtn(rqt).bitmask(&mask).ctx(&context).done();
    let last = queues[3].1.number;
    rig.host.expect(&[&input.as_bytes()[..], &last.to_be_bytes()].concat(), 16);
    for port in 0..8 {
        rig.deliver(tir, &udp(port, 4));
    }
    assert_eq!(rig.drain(&mut queues[3].0).len(), 8);
    rig.short_with(Opcode::DESTROY_RQ, queues[1].1.number);
    assert_eq!(rig.try_short(Opcode::DESTROY_RQ, last).status, CmdStatus::BAD_RES_STATE);
    rig.short_with(Opcode::DESTROY_TIR, tir);
    rig.short_with(Opcode::DESTROY_RQT, rqt);
    rig.short_with(Opcode::DESTROY_RQ, queues[0].1.number);
}

#[test]
fn a_tir_is_modified_in_parts() {
    let mut t = setup(4, |_| ());
    for _ in 0..8 {
        t.post(256);
    }
    let select = RxHashFieldSelect::build().l4_prot_type(true).selected_fields(0xf).done();
    let context = Tirc::build()
        .rx_hash_fn(2)
        .rx_hash_toeplitz_key(&[1; 40])
        .rx_hash_field_selector_outer(&select)
        .self_lb_block(1)
        .done();
    let modify = |t: &mut Receiving, mask: ModifyTirBitmask| {
        let input =
            ModifyTirIn::build().opcode(Opcode::MODIFY_TIR.0).tirn(t.tir).bitmask(&mask).ctx(&context);
        t.rig.host.expect(input.done().as_bytes(), 16);
        let own = Transit { loopback: true, transport_domain: Some(t.rig.domain), ..Transit::new(udp(1, 1)) };
        t.rig.deliver_transit(t.tir, own);
        t.rig.deliver(t.tir, &udp(1, 1));
        let cqes = t.rig.drain(&mut t.cq);
        (cqes.len(), cqes[0].rss_hash_type())
    };
    assert_eq!(modify(&mut t, ModifyTirBitmask::default()), (1, 0));
    assert_eq!(modify(&mut t, ModifyTirBitmask::build().hash(true).done()), (1, 2 << 6 | 1 << 2));
    assert_eq!(modify(&mut t, ModifyTirBitmask::build().self_lb_en(true).done()), (2, 2 << 6 | 1 << 2));
    let input = QueryTirIn::build().opcode(Opcode::QUERY_TIR.0).tirn(t.tir).done();
    let output = t.rig.host.expect(input.as_bytes(), QueryTirOut::SIZE).output;
    let found = QueryTirOut::copy_from(&output).tir_context();
    assert_eq!((found.rx_hash_fn(), found.self_lb_block(), found.inline_rqn()), (2, 1, t.rq.number));
}

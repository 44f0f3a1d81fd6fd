//! TIRs and receive queues with one packet to a WQE.

use super::rig::{Rig, Ring, Work, error, segment};
use crate::Check;
use crate::transit::Transit;
use mlx5_pci::prm::{
    AllocQCounterIn, CmdStatus, CqeOpcode, CqeSyndrome, CreateRmpIn, CreateRqtIn, ModifyRqIn, ModifyRqtIn,
    ModifyTirBitmask, ModifyTirIn, Opcode, QueryQCounterIn, QueryQCounterOut, QueryTirIn, QueryTirOut, Rmpc,
    Rqc, RqtBitmask, Rqtc, RxHashFieldSelect, Tirc,
};

struct Receiving {
    rig: Rig,
    cq: Ring,
    rq: Work,
    tir: u32,
}

fn setup(log_stride: u8, change: impl FnOnce(&mut Rqc)) -> Receiving {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let cq = rig.cq(eq.number, 6);
    let rq = rig.rq(cq.number, 3, log_stride, change);
    let tir = rig.tir(rq.number);
    Receiving { rig, cq, rq, tir }
}

/// An IPv4 UDP packet with right checksums, `payload` long.
pub(super) fn udp(source_port: u16, payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let total = (28 + payload) as u16;
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(source_port.to_be_bytes());
    frame.extend([0, 9]);
    frame.extend((8 + payload as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend((0..payload).map(|at| at as u8));
    let fill = crate::packet::checksum::Fill { l3: true, l4: true, ..Default::default() };
    crate::packet::checksum::fill(&mut frame, fill);
    frame
}

impl Receiving {
    fn post(&mut self, bytes: u32) -> u64 {
        let at = self.rig.host.memory.alloc(bytes as usize);
        let wqe = segment(self.rig.key, at, bytes);
        let stride = 16;
        self.rig.post_receive(&mut self.rq, stride, &wqe);
        at
    }
}

#[test]
fn a_packet_gets_into_its_wqe_and_cqe() {
    let mut t = setup(4, |_| ());
    let at = t.post(2048);
    let packet = udp(5, 30);
    let transit = Transit { reg_b: 0x8000_0042, flow_tag: 0x123, ..Transit::new(packet.clone()) };
    t.rig.deliver_transit(t.tir, transit);
    assert_eq!(t.rig.host.memory.get(at, packet.len()), packet);
    let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
    assert_eq!((CqeOpcode(cqe.opcode()), cqe.byte_cnt(), cqe.wqe_counter()), (CqeOpcode::RESP_SEND, 72, 0));
    assert_eq!((cqe.hds_ip_ext(), cqe.l4_l3_hdr_type()), (7, 2 << 4 | 2 << 2));
    assert_eq!((cqe.ft_metadata(), cqe.sop_drop_qpn()), (0x8000_0042, 0x123));
    // The sum over the IP packet; its header sums up to all ones, which is zero.
    let sum: u32 = packet[34..].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    assert_eq!(u32::from(cqe.check_sum()) % 0xffff, sum % 0xffff);
}

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
fn wrong_checksums_show() {
    let mut t = setup(4, |_| ());
    t.post(2048);
    t.post(2048);
    let mut packet = udp(5, 30);
    packet[50] ^= 1;
    t.rig.deliver(t.tir, &packet);
    packet[24] ^= 1;
    t.rig.deliver(t.tir, &packet);
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(cqes.iter().map(|cqe| cqe.hds_ip_ext()).collect::<Vec<_>>(), [3, 1]);
}

/// With the bit that asks for padding in front.
fn pad(mut segment: Vec<u8>) -> Vec<u8> {
    segment[0] |= 0x80;
    segment
}

#[test]
fn a_wqe_may_have_several_segments_and_ends_at_the_terminator() {
    let mut t = setup(6, |_| ());
    let first = t.rig.host.memory.alloc(40);
    let second = t.rig.host.memory.alloc(4096);
    let key = t.rig.key;
    let wqe = [
        pad(segment(key, first, 40)),
        segment(key, second, 4096),
        segment(0x100, 0, 0),
        segment(key, 0, 4096),
    ]
    .concat();
    t.rig.post_receive(&mut t.rq, 64, &wqe);
    let packet = udp(5, 100);
    t.rig.deliver(t.tir, &packet);
    assert_eq!(t.rig.host.memory.get(first, 40), packet[..40]);
    assert_eq!(t.rig.host.memory.get(second, packet.len() - 40), packet[40..]);
    assert_eq!(t.rig.drain(&mut t.cq).len(), 1);
    // What lies behind the terminator does not count.
    let wqe = [segment(key, first, 40), segment(0x100, 0, 0), segment(key, second, 4096)].concat();
    t.rig.post_receive(&mut t.rq, 64, &wqe);
    t.rig.deliver(t.tir, &packet);
    assert_eq!(error(&t.rig.drain(&mut t.cq)[0]).1, CqeSyndrome::LOCAL_LENGTH);
    assert_eq!(t.rig.host.device.port.environment().wqe_too_small, 1);
}

#[test]
fn wqes_are_used_round_the_ring() {
    let mut t = setup(4, |_| ());
    for index in 0..20u16 {
        let at = t.post(256);
        let packet = udp(index, 10);
        t.rig.deliver(t.tir, &packet);
        assert_eq!(t.rig.host.memory.get(at, packet.len()), packet);
        assert_eq!(t.rig.take_cqe(&mut t.cq).map(|cqe| cqe.wqe_counter()), Some(index));
    }
}

#[test]
fn without_a_wqe_packets_are_counted() {
    let mut counter = 0;
    let mut rig = Rig::new();
    let input = AllocQCounterIn::build().opcode(Opcode::ALLOC_Q_COUNTER.0).done();
    let set = rig.host.expect(input.as_bytes(), 16).word(8);
    let eq = rig.eq(6, 0);
    let cq = rig.cq(eq.number, 6);
    let rq = rig.rq(cq.number, 3, 4, |context| {
        context.set().counter_set_id(set as u8);
    });
    let tir = rig.tir(rq.number);
    for _ in 0..3 {
        rig.deliver(tir, &udp(1, 1));
        counter += 1;
    }
    assert_eq!(rig.try_short(Opcode::DEALLOC_Q_COUNTER, set).status, CmdStatus::BAD_RES_STATE);
    let mut read = |clear| {
        let input =
            QueryQCounterIn::build().opcode(Opcode::QUERY_Q_COUNTER.0).counter_set_id(set as u8).clear(clear);
        let output = rig.host.expect(input.done().as_bytes(), QueryQCounterOut::SIZE).output;
        QueryQCounterOut::copy_from(&output).out_of_buffer()
    };
    assert_eq!([read(false), read(true), read(false)], [counter, counter, 0]);
}

#[test]
fn a_packet_that_is_too_long_ends_the_queue() {
    let mut t = setup(4, |context| {
        context.set().flush_in_error_en(true);
    });
    t.post(64);
    t.post(64);
    t.rig.deliver(t.tir, &udp(5, 100));
    let cqes: Vec<_> = t.rig.drain(&mut t.cq).iter().map(error).collect();
    assert_eq!(
        cqes,
        [
            (CqeOpcode::RESP_ERR, CqeSyndrome::LOCAL_LENGTH, 0),
            (CqeOpcode::RESP_ERR, CqeSyndrome::WR_FLUSH, 1)
        ]
    );
    assert_eq!(t.rig.rq_state(t.rq.number), 3);
    assert_eq!(t.rig.modify_rq(t.rq.number, 3, 1).status, CmdStatus::BAD_RES_STATE);
    assert_eq!(t.rig.modify_rq(t.rq.number, 3, 0).status, CmdStatus::OK);
    t.rq.counter = 0;
    assert_eq!(t.rig.modify_rq(t.rq.number, 0, 1).status, CmdStatus::OK);
    t.post(2048);
    t.rig.deliver(t.tir, &udp(5, 100));
    assert_eq!(t.rig.drain(&mut t.cq).iter().map(|cqe| cqe.opcode()).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_key_without_write_access_ends_the_queue() {
    let mut t = setup(4, |_| ());
    let wqe = segment(t.rig.key ^ 1, 0x1000, 2048);
    t.rig.post_receive(&mut t.rq, 16, &wqe);
    t.rig.deliver(t.tir, &udp(5, 100));
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(error(&cqes[0]), (CqeOpcode::RESP_ERR, CqeSyndrome::LOCAL_PROT, 0));
    assert_eq!(t.rig.last_misuse(), Some(("rq", Check::NoObject, "lkey")));
}

#[test]
fn a_counter_beyond_the_ring_ends_the_queue() {
    let mut t = setup(4, |_| ());
    t.rig.host.memory.put(t.rq.record, &9u32.to_be_bytes());
    t.rig.deliver(t.tir, &udp(5, 100));
    assert_eq!(t.rig.last_misuse(), Some(("rq", Check::Limit, "receive counter")));
    assert_eq!(t.rig.rq_state(t.rq.number), 3);
}

#[test]
fn vlan_tags_are_stripped_unless_that_is_off() {
    for vsd in [false, true] {
        let mut t = setup(4, |context| {
            context.set().vsd(vsd);
        });
        let at = t.post(2048);
        let plain = udp(5, 30);
        let tagged = [&plain[..12], &[0x81, 0, 0x61, 0x23], &plain[12..]].concat();
        t.rig.deliver(t.tir, &tagged);
        let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
        let (expected, stripped) = if vsd { (&tagged, 0) } else { (&plain, 1) };
        assert_eq!(&t.rig.host.memory.get(at, expected.len()), expected);
        assert_eq!(cqe.byte_cnt() as usize, expected.len());
        assert_eq!((cqe.l4_l3_hdr_type() & 1, cqe.hds_ip_ext()), (stripped, 7));
        assert_eq!(cqe.vlan_info(), if vsd { 0 } else { 0x6123 });
    }
}

#[test]
fn the_frame_check_sequence_is_scattered_on_request() {
    let mut t = setup(4, |context| {
        context.set().scatter_fcs(true);
    });
    let at = t.post(2048);
    // The check value of CRC-32: the sum of these nine characters is 0xcbf43926.
    t.rig.deliver(t.tir, b"123456789");
    assert_eq!(t.rig.host.memory.get(at + 9, 4), [0x26, 0x39, 0xf4, 0xcb]);
    assert_eq!(t.rig.take_cqe(&mut t.cq).map(|cqe| cqe.byte_cnt()), Some(13));
    // MODIFY_RQ switches it off.
    let context = Rqc::build().state(1).done();
    let input = ModifyRqIn::build()
        .opcode(Opcode::MODIFY_RQ.0)
        .rqn(t.rq.number)
        .rq_state(1)
        .modify_bitmask(1 << 2)
        .ctx(&context)
        .done();
    t.rig.host.expect(input.as_bytes(), 16);
    t.post(2048);
    t.rig.deliver(t.tir, b"123456789");
    assert_eq!(t.rig.take_cqe(&mut t.cq).map(|cqe| cqe.byte_cnt()), Some(9));
}

#[test]
fn another_counter_set_lets_go_of_the_first() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let cq = rig.cq(eq.number, 6);
    let input = AllocQCounterIn::build().opcode(Opcode::ALLOC_Q_COUNTER.0).done();
    let [first, second] = [(); 2].map(|()| rig.host.expect(input.as_bytes(), 16).word(8));
    let rq = rig.rq(cq.number, 3, 4, |context| {
        context.set().counter_set_id(first as u8).flush_in_error_en(true);
    });
    let context = Rqc::build().state(1).counter_set_id(second as u8).done();
    let input = ModifyRqIn::build()
        .opcode(Opcode::MODIFY_RQ.0)
        .rqn(rq.number)
        .rq_state(1)
        .modify_bitmask(1 << 3)
        .ctx(&context)
        .done();
    rig.host.expect(input.as_bytes(), 16);
    rig.short_with(Opcode::DEALLOC_Q_COUNTER, first);
    assert_eq!(rig.try_short(Opcode::DEALLOC_Q_COUNTER, second).status, CmdStatus::BAD_RES_STATE);
    assert_eq!(rig.try_short(Opcode::DESTROY_CQ, cq.number).status, CmdStatus::BAD_RES_STATE);
    // Flushed WQEs are counted in it.
    rig.host.memory.put(rq.record, &2u32.to_be_bytes());
    assert_eq!(rig.modify_rq(rq.number, 1, 3).status, CmdStatus::OK);
    let input = QueryQCounterIn::build().opcode(Opcode::QUERY_Q_COUNTER.0).counter_set_id(second as u8);
    let output = rig.host.expect(input.done().as_bytes(), QueryQCounterOut::SIZE).output;
    assert_eq!(QueryQCounterOut::copy_from(&output).resp_cqe_flush_error(), 2);
}

#[test]
fn a_ring_may_begin_inside_of_a_page() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut cq = rig.cq(eq.number, 6);
    let record = rig.host.memory.alloc(64);
    let mut wq = rig.wq(3, 4, record);
    // In 64ths of a page: 192 bytes.
    wq.set().page_offset(3);
    let buffer = rig.host.memory.alloc(4096);
    let context = rig.rqc(cq.number, &wq);
    let input = rig.create_rq_input(&context, &buffer.to_be_bytes());
    let number = rig.host.expect(&input, 16).word(8);
    rig.modify_rq(number, 0, 1);
    let at = rig.host.memory.alloc(256);
    let wqe = segment(rig.key, at, 256);
    rig.host.memory.put(buffer + 192, &wqe);
    rig.host.memory.put(record, &1u32.to_be_bytes());
    let tir = rig.tir(number);
    rig.deliver(tir, &udp(1, 4));
    assert_eq!(rig.take_cqe(&mut cq).map(|cqe| cqe.opcode()), Some(CqeOpcode::RESP_SEND.0));
    assert_eq!(rig.host.memory.get(at, 6), udp(1, 4)[..6]);
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
    for (block, expected) in [(0, 3), (1, 2), (2, 2), (3, 1)] {
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
fn several_queues_take_from_one_pool() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let record = rig.host.memory.alloc(64);
    let mut wq = rig.wq(2, 5, record);
    // A linked list: each WQE begins with the number of the next.
    wq.set().wq_type(0);
    let context = Rmpc::build().state(1).wq(&wq).done();
    let buffer = rig.host.memory.alloc(4096);
    let input = CreateRmpIn::build().opcode(Opcode::CREATE_RMP.0).ctx(&context).done();
    let input = [&input.as_bytes()[..], &buffer.to_be_bytes()].concat();
    let rmp = rig.host.expect(&input, 16).word(8);
    let mut places = [0; 4];
    for (index, next) in [(0u64, 2u8), (2, 1), (1, 3)] {
        let at = rig.host.memory.alloc(256);
        places[index as usize] = at;
        let mut wqe = vec![0, 0, 0, next];
        wqe.resize(16, 0);
        wqe.extend(segment(rig.key, at, 256));
        rig.host.memory.put(buffer + 32 * index, &wqe);
    }
    rig.host.memory.put(record, &3u32.to_be_bytes());
    let mut queues = Vec::new();
    for _ in 0..2 {
        let cq = rig.cq(eq.number, 4);
        let context = Rqc::build().vsd(true).cqn(cq.number).mem_rq_type(1).rmpn(rmp).done();
        let input = rig.create_rq_input(&context, &[]);
        let rq = rig.host.expect(&input, 16).word(8);
        rig.modify_rq(rq, 0, 1);
        queues.push((cq, rig.tir(rq)));
    }
    let mut used = Vec::new();
    for turn in [0, 1, 0, 1] {
        let tir = queues[turn].1;
        rig.deliver(tir, &udp(turn as u16, 4));
        used.extend(rig.take_cqe(&mut queues[turn].0).map(|cqe| cqe.wqe_counter()));
    }
    assert_eq!(used, [0, 2, 1]);
    assert_eq!(rig.host.memory.get(places[2] + 34, 2), [0, 1]);
    assert_eq!(rig.try_short(Opcode::DESTROY_RMP, rmp).status, CmdStatus::BAD_RES_STATE);
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
    let mut modify = |t: &mut Receiving, mask: ModifyTirBitmask| {
        let input =
            ModifyTirIn::build().opcode(Opcode::MODIFY_TIR.0).tirn(t.tir).bitmask(&mask).ctx(&context);
        t.rig.host.expect(input.done().as_bytes(), 16);
        let own = Transit { loopback: true, transport_domain: Some(t.rig.domain), ..Transit::new(udp(1, 1)) };
        t.rig.deliver_transit(t.tir, own);
        t.rig.deliver(t.tir, &udp(1, 1));
        let cqes = t.rig.drain(&mut t.cq);
        (cqes.len(), cqes[0].rss_hash_type())
    };
    assert_eq!(modify(&mut t, ModifyTirBitmask::default()), (2, 0));
    assert_eq!(modify(&mut t, ModifyTirBitmask::build().hash(true).done()), (2, 2 << 6 | 1 << 2));
    assert_eq!(modify(&mut t, ModifyTirBitmask::build().self_lb_en(true).done()), (1, 2 << 6 | 1 << 2));
    let input = QueryTirIn::build().opcode(Opcode::QUERY_TIR.0).tirn(t.tir).done();
    let output = t.rig.host.expect(input.as_bytes(), QueryTirOut::SIZE).output;
    let found = QueryTirOut::copy_from(&output).tir_context();
    assert_eq!((found.rx_hash_fn(), found.self_lb_block(), found.inline_rqn()), (2, 1, t.rq.number));
}

//! Large send and large receive.

use super::rig::{Rig, segment};
use crate::packet::checksum::{Fill, fill};
use crate::packet::{Headers, L4};
use crate::transit::Transit;
use core::time::Duration;
use mlx5_pci::prm::{Cqe64, ModifyTirBitmask, ModifyTirIn, Opcode, Tirc, WqeEthSeg, WqeOpcode};

/// An IPv4 TCP packet with ACK set.
fn tcp(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend((40 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9]);
    frame.extend(sequence.to_be_bytes());
    frame.extend([0, 0, 0, 5, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend(payload);
    fill(&mut frame, Fill { l3: true, l4: true, ..Fill::default() });
    frame
}

#[test]
fn a_large_send_is_cut() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut cq = rig.cq(eq.number, 6);
    let mut sq = rig.sq(cq.number, 5, |_| ());
    let payload: Vec<u8> = (0..2500u32).map(|at| at as u8).collect();
    let whole = tcp(1000, &payload);
    let ethernet = WqeEthSeg::build().l3_csum(true).l4_csum(true).mss(1000).inline_hdr_sz(54).done();
    let mut body = ethernet.as_bytes()[..14].to_vec();
    body.extend(&whole[..54]);
    body.resize(body.len().next_multiple_of(16), 0);
    body.extend(rig.pointer(&whole[54..]));
    rig.submit(&mut sq, WqeOpcode::LSO, 0, &body);
    let frames = rig.frames();
    let mut expected = 0;
    for frame in &frames {
        let headers = Headers::parse(frame);
        let L4::Tcp(header) = headers.outer.l4 else { panic!("no TCP") };
        assert_eq!(header.sequence, 1000 + expected as u32);
        let part = &frame[54..];
        assert_eq!(part, &payload[expected..expected + part.len()]);
        expected += part.len();
        let verdict = crate::packet::checksum::verify(&headers.outer, frame);
        assert_eq!((verdict.l3, verdict.l4), (Some(true), Some(true)));
    }
    assert_eq!((frames.len(), expected), (3, 2500));
    assert_eq!(rig.drain(&mut cq).len(), 1);
    // Headers that are not all inline.
    let mut body = WqeEthSeg::build().mss(1000).inline_hdr_sz(18).done().as_bytes()[..14].to_vec();
    body.extend(&whole[..18]);
    body.extend(rig.pointer(&whole[18..]));
    rig.submit(&mut sq, WqeOpcode::LSO, 0, &body);
    assert_eq!(rig.last_misuse().map(|misuse| misuse.2), Some("inline_hdr.sz"));
    assert_eq!(rig.frames().len(), 0);
}

#[test]
fn segments_of_a_flow_are_merged_until_time_is_up() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut cq = rig.cq(eq.number, 6);
    let mut rq = rig.rq(cq.number, 3, 4, |_| ());
    let mut places = Vec::new();
    for _ in 0..4 {
        let at = rig.host.memory.alloc(8192);
        let wqe = segment(rig.key, at, 8192);
        rig.post_receive(&mut rq, 16, &wqe);
        places.push(at);
    }
    let tir = rig.tir(rq.number);
    let mask = ModifyTirBitmask::build().packet_merge(true).done();
    let context =
        Tirc::build().packet_merge_mask(3).lro_max_ip_payload_size(0xfe).lro_timeout_period_usecs(32).done();
    let input =
        ModifyTirIn::build().opcode(Opcode::MODIFY_TIR.0).tirn(tir).bitmask(&mask).ctx(&context).done();
    rig.host.expect(input.as_bytes(), 16);
    let us = Duration::from_micros;
    rig.host.advance(us(100));
    for (index, sequence) in [100u32, 200, 300].into_iter().enumerate() {
        rig.deliver(tir, &tcp(sequence, &[index as u8; 100]));
    }
    assert_eq!(rig.drain(&mut cq).len(), 0);
    assert_eq!(rig.host.device.deadline(), Some(us(132)));
    rig.host.advance(us(132));
    let cqe = rig.take_cqe(&mut cq).expect("a CQE");
    assert_eq!((cqe.srqn() >> 24, cqe.byte_cnt(), cqe.lro_min_ttl()), (3, 354, 64));
    assert_eq!((cqe.lro_ack_seq_num(), cqe.lro_tcp_win()), (5, 256));
    let expected = [[0; 100], [1; 100], [2; 100]].concat();
    assert_eq!(rig.host.memory.get(places[0] + 54, 300), expected);
    // A hole in the sequence: what was there goes first, each as it came.
    rig.deliver(tir, &tcp(400, &[3; 100]));
    rig.deliver(tir, &tcp(600, &[4; 100]));
    rig.host.advance(us(1000));
    let cqes = rig.drain(&mut cq);
    assert_eq!(
        cqes.iter().map(|cqe| (cqe.srqn() >> 24, cqe.byte_cnt())).collect::<Vec<_>>(),
        [(0, 154), (0, 154)]
    );
}

#[test]
fn only_segments_of_one_queue_and_one_verdict_are_merged() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut queues = Vec::new();
    for _ in 0..2 {
        let cq = rig.cq(eq.number, 6);
        let mut rq = rig.rq(cq.number, 3, 4, |_| ());
        for _ in 0..8 {
            let at = rig.host.memory.alloc(8192);
            let wqe = segment(rig.key, at, 8192);
            rig.post_receive(&mut rq, 16, &wqe);
        }
        let context = Tirc::build()
            .inline_rqn(rq.number)
            .transport_domain(rig.domain)
            .packet_merge_mask(1)
            .lro_max_ip_payload_size(0xfe)
            .lro_timeout_period_usecs(32);
        let input = rig.create_tir_input(&context.done());
        let tir = rig.host.expect(&input, 16).word(8) & 0xff_ffff;
        queues.push((cq, rq, tir));
    }
    let segments = |cqes: Vec<Cqe64>| cqes.iter().map(|cqe| cqe.srqn() >> 24).collect::<Vec<_>>();
    // The second segment goes to another queue.
    rig.deliver(queues[0].2, &tcp(100, &[1; 100]));
    rig.deliver(queues[1].2, &tcp(200, &[2; 100]));
    rig.host.advance(Duration::from_micros(50));
    assert_eq!(segments(rig.drain(&mut queues[0].0)), [0]);
    assert_eq!(segments(rig.drain(&mut queues[1].0)), [0]);
    // Steering has marked the second one differently.
    rig.deliver(queues[0].2, &tcp(100, &[1; 100]));
    let marked = Transit { reg_b: 1, ..Transit::new(tcp(200, &[2; 100])) };
    rig.deliver_transit(queues[0].2, marked);
    rig.host.advance(Duration::from_micros(100));
    assert_eq!(segments(rig.drain(&mut queues[0].0)), [0, 0]);
    // A reset queue gets nothing of what waited.
    rig.deliver(queues[0].2, &tcp(100, &[1; 100]));
    rig.modify_rq(queues[0].1.number, 1, 0);
    rig.modify_rq(queues[0].1.number, 0, 1);
    rig.host.advance(Duration::from_micros(200));
    assert_eq!(segments(rig.drain(&mut queues[0].0)), Vec::<u32>::new());
    // IPv6 is not asked for, so it does not wait.
    let mut other = tcp(300, &[1; 100]);
    other[12] = 0x86;
    rig.deliver(queues[0].2, &other);
    assert_eq!(segments(rig.drain(&mut queues[0].0)), [0]);
}

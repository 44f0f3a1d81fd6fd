//! TIRs and receive queues with one packet to a WQE.

use super::rig::{Rig, Ring, Work, error, segment};
use crate::Check;
use crate::transit::Transit;
use mlx5_pci::prm::{
    AllocQCounterIn, CmdStatus, CqeOpcode, CqeSyndrome, CreateRmpIn, ModifyRqIn, Opcode, QueryQCounterIn,
    QueryQCounterOut, Rmpc, Rqc,
};

pub(super) struct Receiving {
    pub(super) rig: Rig,
    pub(super) cq: Ring,
    pub(super) rq: Work,
    pub(super) tir: u32,
}

pub(super) fn setup(log_stride: u8, change: impl FnOnce(&mut Rqc)) -> Receiving {
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
    pub(super) fn post(&mut self, bytes: u32) -> u64 {
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

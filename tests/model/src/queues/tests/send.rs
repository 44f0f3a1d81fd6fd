//! Send queues: from WQEs to frames, and what becomes of WQEs that are wrong.

use super::rig::{Rig, Ring, Work, error, plain, segment};
use crate::Check;
use mlx5_pci::prm::{
    CmdStatus, CqeOpcode, CqeSyndrome, CreateFlowGroupIn, CreateFlowTableIn, EventType, FlowContext,
    FlowTableContext, FteMatchParam, FteMatchSetMisc2, Opcode, SetFlowTableRootIn, SetFteIn, Sqc, WqeDataSeg,
    WqeEthSeg, WqeOpcode,
};

struct Sending {
    rig: Rig,
    cq: Ring,
    sq: Work,
}

fn setup(change: impl FnOnce(&mut Sqc)) -> Sending {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let cq = rig.cq(eq.number, 6);
    let sq = rig.sq(cq.number, 5, change);
    Sending { rig, cq, sq }
}

impl Sending {
    fn send(&mut self, body: &[u8]) {
        self.rig.submit(&mut self.sq, WqeOpcode::SEND, 0, body);
    }

    /// The only CQE, which has to be an error.
    fn expect_error(&mut self, syndrome: CqeSyndrome, check: Check, field: &'static str) {
        let cqes = self.rig.drain(&mut self.cq);
        assert_eq!(cqes.len(), 1);
        assert_eq!(error(&cqes[0]).0, CqeOpcode::REQ_ERR);
        assert_eq!(error(&cqes[0]).1, syndrome);
        assert_eq!(self.rig.last_misuse(), Some(("wqe", check, field)));
        assert_eq!(self.rig.sq_state(self.sq.number), 3);
        assert_eq!(self.rig.frames(), Vec::<Vec<u8>>::new());
    }
}

/// What is done to a WQE.
type Spoil = fn(&mut [u8]);

/// An Ethernet frame of some experimental type.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// Headers that are inline, as the tail of an Ethernet segment.
fn inline(headers: &[u8]) -> Vec<u8> {
    let mut segment = WqeEthSeg::build().inline_hdr_sz(headers.len() as u16).done().as_bytes()[..14].to_vec();
    segment.extend_from_slice(headers);
    segment.resize(segment.len().next_multiple_of(16), 0);
    segment
}

#[test]
fn pointers_become_a_frame() {
    let mut t = setup(|_| ());
    let whole = frame(100);
    let body = [plain(), t.rig.pointer(&whole[..40]), t.rig.pointer(&whole[40..])].concat();
    t.send(&body);
    assert_eq!(t.rig.frames(), [whole]);
    let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
    assert_eq!((cqe.opcode(), cqe.send_wqe_opcode(), cqe.wqe_counter()), (0, 0x0a, 0));
    assert_eq!(t.rig.sq_state(t.sq.number), 1);
}

#[test]
fn inline_headers_and_inline_data_come_from_the_wqe() {
    let mut t = setup(|_| ());
    let whole = frame(90);
    let mut data = WqeDataSeg::build().inline_or_pad(true).byte_count(20).done().as_bytes()[..4].to_vec();
    data.extend_from_slice(&whole[18..38]);
    data.resize(32, 0);
    let body = [inline(&whole[..18]), data, t.rig.pointer(&whole[38..])].concat();
    t.send(&body);
    assert_eq!(t.rig.frames(), [whole]);
}

#[test]
fn a_vlan_tag_is_inserted() {
    let mut t = setup(|_| ());
    let whole = frame(64);
    for (kind, ethertype) in [(0x8000, [0x81, 0]), (0x8001, [0x88, 0xa8])] {
        let ethernet = WqeEthSeg::build().inline_hdr_sz(kind).inline_hdr_start(0x6123).done();
        let body = [ethernet.as_bytes().to_vec(), t.rig.pointer(&whole)].concat();
        t.send(&body);
        let expected = [&whole[..12], &ethertype, &[0x61, 0x23], &whole[12..]].concat();
        assert_eq!(t.rig.frames(), [expected]);
    }
}

#[test]
fn checksums_are_filled_in() {
    let mut t = setup(|_| ());
    // IPv4 with UDP, both checksums wrong.
    let mut whole = vec![0; 14 + 20 + 8 + 6];
    whole[12] = 8;
    whole[14..34]
        .copy_from_slice(&[0x45, 0, 0, 34, 0, 1, 0, 0, 64, 17, 0xff, 0xff, 10, 0, 0, 1, 10, 0, 0, 2]);
    whole[34..].copy_from_slice(&[0, 7, 0, 9, 0, 14, 0xde, 0xad, 1, 2, 3, 4, 5, 6]);
    let ethernet = WqeEthSeg::build().l3_csum(true).l4_csum(true).done();
    let body = [ethernet.as_bytes().to_vec(), t.rig.pointer(&whole)].concat();
    t.send(&body);
    let sent = t.rig.frames().remove(0);
    let sum = |bytes: &[u8]| {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        (sum & 0xffff) + (sum >> 16)
    };
    assert_eq!(sum(&sent[14..34]), 0xffff);
    let pseudo = [&sent[26..34], &[0, 17, 0, 14], &sent[34..]].concat();
    assert_eq!(sum(&pseudo), 0xffff);
}

/// A table at the root of NIC_TX that drops frames whose register A is `metadata`.
fn drop_marked(rig: &mut Rig, metadata: u32) {
    let context = FlowTableContext::build().log_size(1).done();
    let input = CreateFlowTableIn::build()
        .opcode(Opcode::CREATE_FLOW_TABLE.0)
        .table_type(1)
        .flow_table_context(&context)
        .done();
    let table = rig.host.expect(input.as_bytes(), 16).word(8) & 0xff_ffff;
    let input =
        SetFlowTableRootIn::build().opcode(Opcode::SET_FLOW_TABLE_ROOT.0).table_type(1).table_id(table);
    rig.host.expect(input.done().as_bytes(), 16);
    let on_metadata = |value| {
        let misc = FteMatchSetMisc2::build().metadata_reg_a(value).done();
        FteMatchParam::build().misc_parameters_2(&misc).done()
    };
    let input = CreateFlowGroupIn::build()
        .opcode(Opcode::CREATE_FLOW_GROUP.0)
        .table_type(1)
        .table_id(table)
        .match_criteria_enable(8)
        .match_criteria(&on_metadata(u32::MAX))
        .done();
    let group = rig.host.expect(input.as_bytes(), 16).word(8) & 0xff_ffff;
    // 2: drop.
    let context = FlowContext::build().group_id(group).action(2).match_value(&on_metadata(metadata)).done();
    let input = SetFteIn::build()
        .opcode(Opcode::SET_FLOW_TABLE_ENTRY.0)
        .table_type(1)
        .table_id(table)
        .flow_context(&context)
        .done();
    rig.host.expect(input.as_bytes(), 16);
}

#[test]
fn metadata_is_register_a() {
    let mut t = setup(|_| ());
    drop_marked(&mut t.rig, 0x8000_0123);
    for (metadata, sent) in [(0x8000_0122, 1), (0x8000_0123, 0)] {
        let ethernet = WqeEthSeg::build().flow_table_metadata(metadata).done();
        let body = [ethernet.as_bytes().to_vec(), t.rig.pointer(&frame(60))].concat();
        t.send(&body);
        assert_eq!(t.rig.frames().len(), sent);
    }
}

#[test]
fn offsets_of_the_software_parser_count_when_the_queue_allows_them() {
    for allow in [false, true] {
        let mut t = setup(|context| {
            context.set().allow_swp(allow);
        });
        let mut whole = super::receive::udp(1, 20);
        whole[24..26].fill(0);
        // The offset of the IP header is wrong by two bytes.
        let ethernet = WqeEthSeg::build().l3_csum(true).swp_outer_l3_offset(8).done();
        let body = [ethernet.as_bytes().to_vec(), t.rig.pointer(&whole)].concat();
        t.send(&body);
        let good = super::receive::udp(1, 20);
        assert_eq!(t.rig.frames()[0] == good, !allow);
    }
}

#[test]
fn a_wqe_is_not_longer_than_the_device_can_take() {
    let mut profile = crate::caps::Profile::named("cx6dx").expect("a profile");
    profile.set("general.max_wqe_sz_sq", 128).expect("a capability");
    let mut rig = Rig::with_profile(profile);
    let eq = rig.eq(6, 0);
    let mut cq = rig.cq(eq.number, 6);
    let mut sq = rig.sq(cq.number, 5, |_| ());
    rig.submit(&mut sq, WqeOpcode::NOP, 0, &[0; 112]);
    rig.submit(&mut sq, WqeOpcode::NOP, 0, &[0; 113]);
    let cqes = rig.drain(&mut cq);
    assert_eq!((cqes[0].opcode(), error(&cqes[1]).1), (0, CqeSyndrome::LOCAL_LENGTH));
}

#[test]
fn modify_to_error_flushes_what_no_doorbell_has_told() {
    let mut t = setup(|_| ());
    t.rig.post(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    t.rig.host.memory.put(t.sq.record + 4, &1u32.to_be_bytes());
    assert_eq!(t.rig.modify_sq(t.sq.number, 1, 3).status, CmdStatus::OK);
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(cqes.iter().map(error).collect::<Vec<_>>(), [(CqeOpcode::REQ_ERR, CqeSyndrome::WR_FLUSH, 0)]);
}

#[test]
fn a_doorbell_for_a_wqe_that_is_not_posted_is_a_catastrophe() {
    let mut t = setup(|_| ());
    t.rig.post(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    t.rig.ring_sq(&t.sq, 40);
    assert_eq!(t.rig.last_misuse(), Some(("doorbell", Check::Value, "wqe_index")));
}

#[test]
fn one_wqe_may_send_many_packets() {
    let mut t = setup(|_| ());
    let frames: Vec<_> = [60, 61, 99].map(frame).to_vec();
    let mut body = plain();
    for frame in &frames {
        body.extend(t.rig.pointer(frame));
    }
    t.rig.submit(&mut t.sq, WqeOpcode::ENHANCED_MPSW, 0, &body);
    assert_eq!(t.rig.frames(), frames);
    assert_eq!(t.rig.drain(&mut t.cq).len(), 1);
}

#[test]
fn cqes_are_written_when_asked_for() {
    let mut t = setup(|_| ());
    let silent = |index: u16, sqn: u32| {
        let control = mlx5_pci::prm::WqeCtrlSeg::build().wqe_index(index).qpn(sqn).ds(1).done();
        control.as_bytes().to_vec()
    };
    for index in 0..3 {
        let wqe = silent(index, t.sq.number);
        t.rig.post_raw(&mut t.sq, &wqe);
    }
    t.rig.submit(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(cqes.iter().map(|cqe| cqe.wqe_counter()).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_wqe_may_go_round_the_end_of_the_ring() {
    let mut t = setup(|_| ());
    for _ in 0..31 {
        t.rig.submit(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    }
    let whole = frame(80);
    let body = [plain(), (0..5).flat_map(|part| t.rig.pointer(&whole[part * 16..][..16])).collect()].concat();
    t.send(&body);
    assert_eq!(t.rig.frames(), [whole]);
}

#[test]
fn the_key_has_to_fit() {
    for (wrong, check) in
        [(0, Check::NoObject), (1, Check::Mismatch), (2, Check::Mismatch), (3, Check::Unmapped)]
    {
        let mut t = setup(|_| ());
        let pointer = match wrong {
            0 => segment(t.rig.key ^ 1, 0x5000, 64),
            1 => {
                let pd = t.rig.short(Opcode::ALLOC_PD).word(8);
                segment(t.rig.physical_key(pd), 0x5000, 64)
            }
            // The reserved key, without rlky.
            2 => segment(0x700, 0x5000, 64),
            _ => segment(t.rig.key, 0x5000, 64),
        };
        let body = [plain(), pointer].concat();
        t.send(&body);
        t.expect_error(CqeSyndrome::LOCAL_PROT, check, "lkey");
    }
}

#[test]
fn the_reserved_key_needs_rlky() {
    let mut t = setup(|context| {
        context.set().rlky(true);
    });
    let whole = frame(70);
    let mut pointer = t.rig.pointer(&whole);
    pointer[4..8].copy_from_slice(&0x700u32.to_be_bytes());
    let body = [plain(), pointer].concat();
    t.send(&body);
    assert_eq!(t.rig.frames(), [whole]);
}

#[test]
fn without_a_tis_nothing_is_sent() {
    let mut t = setup(|context| {
        context.set().tis_lst_sz(0).tis_num_0(0);
    });
    let body = [plain(), t.rig.pointer(&frame(60))].concat();
    t.send(&body);
    t.expect_error(CqeSyndrome::LOCAL_QP_OP, Check::NoObject, "tis_num_0");
}

#[test]
fn headers_have_to_be_inline_as_far_as_the_mode_says() {
    let mut t = setup(|context| {
        context.set().min_wqe_inline_mode(1);
    });
    let whole = frame(60);
    let body = [inline(&whole[..14]), t.rig.pointer(&whole[14..])].concat();
    t.send(&body);
    assert_eq!(t.rig.frames(), core::slice::from_ref(&whole));
    t.rig.drain(&mut t.cq);
    let body = [plain(), t.rig.pointer(&whole)].concat();
    t.send(&body);
    t.expect_error(CqeSyndrome::LOCAL_QP_OP, Check::Value, "inline_hdr.sz");
}

#[test]
fn wrong_control_segments_are_errors() {
    let cases: [(Spoil, CqeSyndrome, &str); 5] = [
        (|wqe| wqe[2] = 9, CqeSyndrome::LOCAL_QP_OP, "wqe_index"),
        (|wqe| wqe[6] ^= 1, CqeSyndrome::LOCAL_QP_OP, "qpn"),
        (|wqe| wqe[7] = 0, CqeSyndrome::LOCAL_LENGTH, "ds"),
        (|wqe| wqe[7] = 5, CqeSyndrome::LOCAL_LENGTH, "ds"),
        (|wqe| wqe[3] = 0x11, CqeSyndrome::LOCAL_QP_OP, "opcode"),
    ];
    for (spoil, syndrome, field) in cases {
        let mut t = setup(|_| ());
        let control = mlx5_pci::prm::WqeCtrlSeg::build().qpn(t.sq.number).ds(1).done();
        let mut wqe = control.as_bytes().to_vec();
        spoil(&mut wqe);
        t.rig.post_raw(&mut t.sq, &wqe);
        t.rig.ring_sq(&t.sq, 0);
        let cqes = t.rig.drain(&mut t.cq);
        assert_eq!(cqes.iter().map(error).map(|error| error.1).collect::<Vec<_>>(), [syndrome], "{field}");
        assert_eq!(t.rig.last_misuse().map(|misuse| misuse.2), Some(field));
    }
}

#[test]
fn after_an_error_everything_is_flushed_until_the_queue_is_reset() {
    let mut t = setup(|_| ());
    let first = t.sq.counter;
    t.rig.post(&mut t.sq, WqeOpcode(0x3f), 0, &[0; 100]);
    t.rig.post(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    t.rig.ring_sq(&t.sq, first);
    t.rig.submit(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    let cqes: Vec<_> = t.rig.drain(&mut t.cq).iter().map(error).collect();
    let flushed = CqeSyndrome::WR_FLUSH;
    assert_eq!(
        cqes,
        [
            (CqeOpcode::REQ_ERR, CqeSyndrome::LOCAL_QP_OP, 0),
            (CqeOpcode::REQ_ERR, flushed, 2),
            (CqeOpcode::REQ_ERR, flushed, 3)
        ]
    );
    let (number, bad) = (t.sq.number, CmdStatus::BAD_RES_STATE);
    assert_eq!(t.rig.modify_sq(number, 3, 1).status, bad);
    assert_eq!(t.rig.modify_sq(number, 1, 0).status, bad);
    assert_eq!(t.rig.modify_sq(number, 3, 0).status, CmdStatus::OK);
    assert_eq!(t.rig.modify_sq(number, 0, 1).status, CmdStatus::OK);
    t.sq.counter = 0;
    t.rig.submit(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    assert_eq!(t.rig.drain(&mut t.cq).iter().map(|cqe| cqe.opcode()).collect::<Vec<_>>(), [0]);
}

#[test]
fn doorbells_beyond_the_ring_are_catastrophes() {
    let mut t = setup(|_| ());
    let mut eq = t.rig.eq(4, 1 << EventType::WQ_CATAS_ERROR.0);
    t.sq.counter = 33;
    t.rig.ring_sq(&t.sq, 0);
    assert_eq!(t.rig.last_misuse(), Some(("doorbell", Check::Limit, "send counter")));
    assert_eq!(t.rig.sq_state(t.sq.number), 3);
    let eqe = t.rig.take_eqe(&mut eq).expect("an event");
    assert_eq!(eqe.data()[0x14], 2);
    assert_eq!(u32::from_be_bytes(*eqe.data().last_chunk().unwrap()), t.sq.number);
}

#[test]
fn doorbells_of_others_and_in_reset_are_refused() {
    let mut t = setup(|_| ());
    t.rig.modify_sq(t.sq.number, 1, 0);
    t.rig.submit(&mut t.sq, WqeOpcode::NOP, 0, &[]);
    assert_eq!(t.rig.last_misuse(), Some(("doorbell", Check::State, "state")));
    t.rig.modify_sq(t.sq.number, 0, 1);
    let uar = t.rig.uar;
    t.rig.uar = t.rig.short(Opcode::ALLOC_UAR).word(8);
    t.rig.ring_sq(&t.sq, 0);
    assert_eq!(t.rig.last_misuse(), Some(("doorbell", Check::Mismatch, "uar_page")));
    t.rig.uar = uar;
    t.sq.number += 1;
    t.rig.ring_sq(&t.sq, 0);
    assert_eq!(t.rig.last_misuse(), Some(("doorbell", Check::NoObject, "qpn")));
    assert_eq!(t.rig.drain(&mut t.cq).len(), 0);
}

#[test]
fn every_blueflame_buffer_is_a_doorbell() {
    let mut t = setup(|_| ());
    for (index, offset) in [0x800u64, 0x900, 0xa00, 0xf00].into_iter().enumerate() {
        t.rig.post(&mut t.sq, WqeOpcode::NOP, 0, &[]);
        t.rig.host.memory.put(t.sq.record + 4, &(index as u32 + 1).to_be_bytes());
        let wqe = t.rig.host.memory.get(t.sq.buffer + 64 * index as u64, 64);
        let memory = t.rig.host.memory.clone();
        let base = u64::from(t.rig.uar) * 4096;
        t.rig.host.device.bar_write(&memory, base + offset, &wqe);
        // The rest of a longer WQE.
        t.rig.host.device.bar_write(&memory, base + offset + 64, &[0xff; 64]);
        t.rig.host.device.bar_write(&memory, base + offset + 8, &[0xff; 8]);
        assert_eq!(t.rig.drain(&mut t.cq).len(), 1, "{offset:#x}");
    }
    assert_eq!(t.rig.last_misuse(), None);
}

//! Multi-packet WQEs and UMR, as Linux's striding receive queues use them.

use super::receive::udp;
use super::rig::{Rig, Ring, Work, error, segment};
use crate::Check;
use mlx5_pci::prm::{CqeOpcode, CqeSyndrome, CreateMkeyIn, Mkc, Opcode, WqeOpcode, WqeUmrCtrlSeg};

/// Strides of a WQE, and their bytes.
const STRIDES: u32 = 8;
const STRIDE: u32 = 256;

struct Striding {
    rig: Rig,
    icosq: Work,
    icocq: Ring,
    cq: Ring,
    rq: Work,
    tir: u32,
    key: u32,
}

/// A linked list of four WQEs of eight strides, whose memory a key of pages describes; one page for each.
fn setup() -> Striding {
    setup_with(false)
}

fn setup_with(shifted: bool) -> Striding {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let icocq = rig.cq(eq.number, 6);
    let icosq = rig.sq(icocq.number, 5, |context| {
        context.set().reg_umr(true).tis_lst_sz(0).tis_num_0(0);
    });
    let cq = rig.cq(eq.number, 6);
    let rq = rig.rq(cq.number, 2, 5, |context| {
        let mut wq = context.wq();
        // log2 of strides relative to 9, of their bytes relative to 6.
        wq.set().wq_type(2).log_wqe_num_of_strides(10).log_wqe_stride_size(2).two_byte_shift_en(shifted);
        context.set().wq(&wq);
    });
    let context = Mkc::build()
        .free(true)
        .umr_en(true)
        .lw(true)
        .lr(true)
        .access_mode_1_0(1)
        .qpn(0xff_ffff)
        .pd(rig.pd)
        .len(8 << 12)
        .translations_octword_size(4)
        .log_page_size(12)
        .done();
    let head = CreateMkeyIn::build().opcode(Opcode::CREATE_MKEY.0).memory_key_mkey_entry(&context);
    let head = head.translations_octword_actual_size(4).done();
    let filler = rig.host.memory.alloc(4096);
    let input = [&head.as_bytes()[..], &filler.to_be_bytes().repeat(8)].concat();
    let key = rig.host.expect(&input, 16).word(8) << 8;
    for index in 0..4u64 {
        let mut wqe = vec![0; 16];
        wqe[3] = (index + 1) as u8 & 3;
        wqe.extend(segment(key, index * 0x2000, STRIDES * STRIDE));
        rig.host.memory.put(rq.buffer + 32 * index, &wqe);
    }
    let tir = rig.tir(rq.number);
    Striding { rig, icosq, icocq, cq, rq, tir, key }
}

impl Striding {
    /// Puts pages behind WQE `index` and posts it.
    fn post(&mut self, index: u16) -> u64 {
        let page = self.rig.host.memory.alloc(4096);
        let spare = self.rig.host.memory.alloc(4096);
        self.umr(self.key, index, page, spare);
        self.rq.counter += 1;
        self.rig.host.memory.put(self.rq.record, &u32::from(self.rq.counter).to_be_bytes());
        page
    }

    fn umr(&mut self, key: u32, index: u16, page: u64, spare: u64) {
        let control =
            WqeUmrCtrlSeg::build().flags(0x90).xlt_octowords(1).xlt_offset(index).mkey_mask(1 << 29);
        let mut body = control.done().as_bytes().to_vec();
        body.extend([0; Mkc::SIZE]);
        for page in [page, spare] {
            // The low bits say what the device may do; bit 1: write.
            body.extend((page | 2).to_be_bytes());
        }
        self.rig.submit(&mut self.icosq, WqeOpcode::UMR, key, &body);
    }
}

#[test]
fn packets_share_a_wqe() {
    let mut t = setup();
    let page = t.post(0);
    assert_eq!(t.rig.drain(&mut t.icocq).iter().map(|cqe| cqe.opcode()).collect::<Vec<_>>(), [0]);
    let packets = [udp(1, 10), udp(2, 300), udp(3, 214)];
    for packet in &packets {
        t.rig.deliver(t.tir, packet);
    }
    let cqes = t.rig.drain(&mut t.cq);
    let seen: Vec<_> = cqes
        .iter()
        .map(|cqe| (cqe.wqe_id(), cqe.wqe_counter(), cqe.byte_cnt() >> 16, cqe.byte_cnt() & 0xffff))
        .collect();
    assert_eq!(seen, [(0, 0, 1, 52), (0, 1, 2, 342), (0, 3, 1, 256)]);
    for (packet, cqe) in packets.iter().zip(&cqes) {
        let at = page + u64::from(cqe.wqe_counter()) * u64::from(STRIDE);
        assert_eq!(&t.rig.host.memory.get(at, packet.len()), packet);
    }
}

#[test]
fn what_is_left_is_given_back_with_a_filler() {
    let mut t = setup();
    t.post(0);
    let second = t.post(1);
    for _ in 0..7 {
        t.rig.deliver(t.tir, &udp(1, 10));
    }
    t.rig.deliver(t.tir, &udp(2, 400));
    let cqes = t.rig.drain(&mut t.cq);
    let filler = &cqes[7];
    assert_eq!((filler.wqe_id(), filler.wqe_counter(), filler.byte_cnt()), (0, 7, 0x8001_0000));
    assert_eq!((cqes[8].wqe_id(), cqes[8].wqe_counter()), (1, 0));
    assert_eq!(t.rig.host.memory.get(second + 34, 2), [0, 2]);
}

#[test]
fn a_wqe_without_a_successor_ends_the_supply() {
    let mut t = setup();
    t.post(0);
    for _ in 0..9 {
        t.rig.deliver(t.tir, &udp(1, 10));
    }
    assert_eq!(t.rig.drain(&mut t.cq).len(), 8);
    // The list goes on where the first one pointed.
    t.post(1);
    t.rig.deliver(t.tir, &udp(1, 10));
    assert_eq!(t.rig.take_cqe(&mut t.cq).map(|cqe| (cqe.wqe_id(), cqe.wqe_counter())), Some((1, 0)));
}

#[test]
fn a_key_that_no_umr_has_set_up_gives_no_access() {
    let mut t = setup();
    t.rq.counter = 1;
    t.rig.host.memory.put(t.rq.record, &1u32.to_be_bytes());
    t.rig.deliver(t.tir, &udp(1, 10));
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(error(&cqes[0]), (CqeOpcode::RESP_ERR, CqeSyndrome::LOCAL_PROT, 0));
    assert_eq!(t.rig.last_misuse(), Some(("rq", Check::State, "lkey")));
}

#[test]
fn umr_is_for_queues_and_keys_that_allow_it() {
    let mut t = setup();
    let (key, physical) = (t.key, t.rig.key);
    t.umr(physical, 0, 0x1000, 0x2000);
    assert_eq!(error(&t.rig.drain(&mut t.icocq)[0]).1, CqeSyndrome::MW_BIND);
    assert_eq!(t.rig.last_misuse(), Some(("wqe", Check::State, "umr_en")));
    for (reg_umr, index, field) in [(false, 0, "reg_umr"), (true, 4, "xlt_offset")] {
        t.icosq = t.rig.sq(t.icocq.number, 5, |context| {
            context.set().reg_umr(reg_umr).tis_lst_sz(0).tis_num_0(0);
        });
        t.umr(key, index, 0x1000, 0x2000);
        assert_eq!(t.rig.last_misuse().map(|misuse| misuse.2), Some(field));
    }
}

#[test]
fn packets_may_begin_two_bytes_into_a_stride() {
    let mut t = setup_with(true);
    let page = t.post(0);
    // With the two bytes it is one more than a stride.
    let packet = udp(1, 213);
    t.rig.deliver(t.tir, &packet);
    let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
    assert_eq!((packet.len(), cqe.byte_cnt()), (255, 2 << 16 | 255));
    assert_eq!(t.rig.host.memory.get(page + 2, packet.len()), packet);
}

#[test]
fn strides_that_the_segments_do_not_cover_are_not_written() {
    let mut t = setup();
    let wqe = segment(t.key, 0, STRIDE + 100);
    t.rig.host.memory.put(t.rq.buffer + 16, &wqe);
    t.post(0);
    t.rig.deliver(t.tir, &udp(1, 10));
    t.rig.deliver(t.tir, &udp(1, 100));
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(error(&cqes[1]), (CqeOpcode::RESP_ERR, CqeSyndrome::LOCAL_LENGTH, 0));
}

#[test]
fn a_umr_may_read_translations_from_memory_and_check_the_state() {
    let mut t = setup();
    let page = t.rig.host.memory.alloc(4096);
    let list = t.rig.pointer(&[(page | 2).to_be_bytes(), [0; 8]].concat());
    let umr = |t: &mut Striding, flags| {
        let control = WqeUmrCtrlSeg::build().flags(flags).xlt_octowords(1).mkey_mask(1 << 29).done();
        let body = [&control.as_bytes()[..], &[0; Mkc::SIZE], &list].concat();
        let key = t.key;
        t.rig.submit(&mut t.icosq, WqeOpcode::UMR, key, &body);
        CqeOpcode(t.rig.drain(&mut t.icocq)[0].opcode())
    };
    // It is free, and after the first one it is not.
    assert_eq!(umr(&mut t, 0x40), CqeOpcode::REQ);
    assert_eq!(umr(&mut t, 0x20), CqeOpcode::REQ);
    t.rig.host.memory.put(t.rq.record, &1u32.to_be_bytes());
    t.rig.deliver(t.tir, &udp(1, 10));
    assert_eq!(t.rig.host.memory.get(page, 6), udp(1, 10)[..6]);
    assert_eq!(umr(&mut t, 0x40), CqeOpcode::REQ_ERR);
    assert_eq!(t.rig.last_misuse(), Some(("wqe", Check::State, "free")));
}

#[test]
fn a_umr_changes_keys_of_its_own_domain_only() {
    let mut t = setup();
    let key = t.key;
    t.rig.pd = t.rig.short(Opcode::ALLOC_PD).word(8);
    t.icosq = t.rig.sq(t.icocq.number, 5, |context| {
        context.set().reg_umr(true).tis_lst_sz(0).tis_num_0(0);
    });
    t.umr(key, 0, 0x1000, 0x2000);
    assert_eq!(t.rig.last_misuse(), Some(("wqe", Check::Mismatch, "pd")));
}

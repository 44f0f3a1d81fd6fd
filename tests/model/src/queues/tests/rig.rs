//! The driver's half of queues: memory, commands, doorbells, and reading entries as Linux does.

use crate::caps::Profile;
use crate::in_process::{Answer, Host};
use crate::transit::Transit;
use mlx5_pci::prm::*;

/// A function that is up, with one UAR page, protection domain, transport domain and key for all memory.
pub(super) struct Rig {
    pub(super) host: Host,
    pub(super) uar: u32,
    pub(super) pd: u32,
    pub(super) domain: u32,
    pub(super) key: u32,
}

/// A ring that the device writes.
pub(super) struct Ring {
    pub(super) number: u32,
    pub(super) buffer: u64,
    pub(super) record: u64,
    pub(super) log_size: u8,
    pub(super) counter: u32,
}

/// A ring that the driver writes.
pub(super) struct Work {
    pub(super) number: u32,
    pub(super) buffer: u64,
    pub(super) record: u64,
    pub(super) log_size: u8,
    pub(super) counter: u16,
}

/// Pages of a buffer as commands list them.
pub(super) fn pages(buffer: u64, bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(4096)).flat_map(|page| (buffer + 4096 * page as u64).to_be_bytes()).collect()
}

fn with(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}

impl Rig {
    pub(super) fn new() -> Rig {
        let mut profile = Profile::named("cx6dx").expect("a profile");
        for capability in [
            "general.cqe_compression",
            "general.mini_cqe_resp_stride_index",
            "general.enhanced_cqe_compression",
            "general.modify_rq_counter_set_id",
            "ethernet.scatter_fcs",
            "ethernet.lro_cap",
            "ethernet.swp",
            "ethernet.enhanced_multi_pkt_send_wqe",
        ] {
            profile.set(capability, 1).expect("a capability");
        }
        Rig::with_profile(profile)
    }

    pub(super) fn with_profile(profile: Profile) -> Rig {
        let mut host = Host::new(profile);
        host.bring_up();
        // MSI-X on.
        host.device.config_write(0x9e, &[0, 0x80]);
        let mut rig = Rig { host, uar: 0, pd: 0, domain: 0, key: 0 };
        rig.uar = rig.short(Opcode::ALLOC_UAR).word(8);
        rig.pd = rig.short(Opcode::ALLOC_PD).word(8);
        rig.domain = rig.short(Opcode::ALLOC_TRANSPORT_DOMAIN).word(8);
        rig.key = rig.physical_key(rig.pd);
        rig
    }

    /// A command of 16 bytes without arguments.
    pub(super) fn short(&mut self, opcode: Opcode) -> Answer {
        self.short_with(opcode, 0)
    }

    /// A command of 16 bytes with a number at 8.
    pub(super) fn short_with(&mut self, opcode: Opcode, number: u32) -> Answer {
        let mut input = [0; 16];
        input[..2].copy_from_slice(&opcode.0.to_be_bytes());
        input[8..12].copy_from_slice(&number.to_be_bytes());
        self.host.expect(&input, 16)
    }

    /// As [`Rig::short_with`], but it may fail.
    pub(super) fn try_short(&mut self, opcode: Opcode, number: u32) -> Answer {
        let mut input = [0; 16];
        input[..2].copy_from_slice(&opcode.0.to_be_bytes());
        input[8..12].copy_from_slice(&number.to_be_bytes());
        self.host.exec(&input, 16)
    }

    /// A key under which addresses are bus addresses.
    pub(super) fn physical_key(&mut self, pd: u32) -> u32 {
        let context =
            Mkc::build().lw(true).lr(true).qpn(0xff_ffff).mkey_7_0(0x5a).length64(true).pd(pd).done();
        let input =
            CreateMkeyIn::build().opcode(Opcode::CREATE_MKEY.0).memory_key_mkey_entry(&context).done();
        self.host.expect(input.as_bytes(), 16).word(8) << 8 | 0x5a
    }

    pub(super) fn eqc(&self, log_size: u8) -> Eqc {
        Eqc::build().log_eq_size(log_size).uar_page(self.uar).intr(3).done()
    }

    pub(super) fn create_eq_input(&self, context: &Eqc, events: u64, list: &[u8]) -> Vec<u8> {
        let mut mask = [0; 32];
        mask[..8].copy_from_slice(&events.to_be_bytes());
        let head =
            CreateEqIn::build().opcode(Opcode::CREATE_EQ.0).eq_context_entry(context).event_bitmask(&mask);
        with(head.done().as_bytes(), list)
    }

    pub(super) fn eq(&mut self, log_size: u8, events: u64) -> Ring {
        let bytes = 64usize << log_size;
        let buffer = self.host.memory.alloc(bytes.max(4096));
        for entry in 0..1u64 << log_size {
            self.host.memory.put(buffer + 64 * entry + 63, &[1]);
        }
        let input = self.create_eq_input(&self.eqc(log_size), events, &pages(buffer, bytes));
        let number = self.host.expect(&input, 16).word(8);
        Ring { number, buffer, record: 0, log_size, counter: 0 }
    }

    /// The next EQE, if there is one.
    pub(super) fn take_eqe(&self, eq: &mut Ring) -> Option<Eqe> {
        let at = eq.buffer + 64 * u64::from(eq.counter & ((1 << eq.log_size) - 1));
        let eqe = Eqe::copy_from(&self.host.memory.get(at, 64));
        if eqe.owner() != (eq.counter >> eq.log_size & 1 != 0) {
            return None;
        }
        eq.counter += 1;
        Some(eqe)
    }

    pub(super) fn ring_eq(&mut self, eq: &Ring, arm: bool) {
        let offset = if arm { 0x40 } else { 0x48 };
        let value = eq.number << 24 | (eq.counter & 0xff_ffff);
        self.host.write32(u64::from(self.uar) * 4096 + offset, value);
    }

    pub(super) fn cqc(&self, eqn: u32, log_size: u8, record: u64) -> Cqc {
        Cqc::build()
            .log_cq_size(log_size)
            .uar_page(self.uar)
            .c_eqn_or_apu_element(eqn)
            .dbr_addr(record)
            .done()
    }

    pub(super) fn create_cq_input(&self, context: &Cqc, list: &[u8]) -> Vec<u8> {
        with(CreateCqIn::build().opcode(Opcode::CREATE_CQ.0).cq_context(context).done().as_bytes(), list)
    }

    pub(super) fn cq(&mut self, eqn: u32, log_size: u8) -> Ring {
        self.cq_with(eqn, log_size, |_| ())
    }

    pub(super) fn cq_with(&mut self, eqn: u32, log_size: u8, change: impl FnOnce(&mut Cqc)) -> Ring {
        let record = self.host.memory.alloc(64);
        let mut context = self.cqc(eqn, log_size, record);
        change(&mut context);
        let stride = if context.cqe_sz() == 0 { 64 } else { 128 };
        let bytes = stride << log_size;
        let buffer = self.host.memory.alloc(bytes.max(4096));
        for end in (64..=bytes as u64).step_by(64) {
            self.host.memory.put(buffer + end - 2, &[0xff, 0xf1]);
        }
        let input = self.create_cq_input(&context, &pages(buffer, bytes));
        let number = self.host.expect(&input, 16).word(8);
        Ring { number, buffer, record, log_size, counter: 0 }
    }

    pub(super) fn cqe_at(&self, cq: &Ring, counter: u32) -> Cqe64 {
        let at = cq.buffer + 64 * u64::from(counter & ((1 << cq.log_size) - 1));
        Cqe64::copy_from(&self.host.memory.get(at, 64))
    }

    /// The next CQE, if there is one.
    pub(super) fn take_cqe(&mut self, cq: &mut Ring) -> Option<Cqe64> {
        let cqe = self.cqe_at(cq, cq.counter);
        if cqe.owner() != (cq.counter >> cq.log_size & 1 != 0) || cqe.opcode() == CqeOpcode::INVALID.0 {
            return None;
        }
        cq.counter += 1;
        self.host.memory.put(cq.record, &(cq.counter & 0xff_ffff).to_be_bytes());
        Some(cqe)
    }

    /// All CQEs that are there.
    pub(super) fn drain(&mut self, cq: &mut Ring) -> Vec<Cqe64> {
        core::iter::from_fn(|| self.take_cqe(cq)).collect()
    }

    pub(super) fn arm_cq(&mut self, cq: &Ring, sequence: u32, solicited: bool) {
        let word = sequence << 28 | u32::from(solicited) << 24 | (cq.counter & 0xff_ffff);
        let pair = u64::from(word) << 32 | u64::from(cq.number);
        self.host.memory.put(cq.record + 4, &word.to_be_bytes());
        self.host.write64(u64::from(self.uar) * 4096 + 0x20, pair.to_be_bytes());
    }

    pub(super) fn tis(&mut self) -> u32 {
        let context = Tisc::build().transport_domain(self.domain).done();
        let input = CreateTisIn::build().opcode(Opcode::CREATE_TIS.0).ctx(&context).done();
        self.host.expect(input.as_bytes(), 16).word(8)
    }

    pub(super) fn wq(&self, log_size: u8, log_stride: u8, record: u64) -> Wq {
        Wq::build()
            .wq_type(1)
            .pd(self.pd)
            .uar_page(self.uar)
            .dbr_addr(record)
            .log_wq_stride(log_stride)
            .log_wq_sz(log_size)
            .done()
    }

    pub(super) fn create_sq_input(&self, context: &Sqc, list: &[u8]) -> Vec<u8> {
        with(CreateSqIn::build().opcode(Opcode::CREATE_SQ.0).ctx(context).done().as_bytes(), list)
    }

    /// An SQ that is ready.
    pub(super) fn sq(&mut self, cqn: u32, log_size: u8, change: impl FnOnce(&mut Sqc)) -> Work {
        let tis = self.tis();
        let record = self.host.memory.alloc(64);
        let mut context = Sqc::build()
            .flush_in_error_en(true)
            .cqn(cqn)
            .tis_lst_sz(1)
            .tis_num_0(tis)
            .wq(&self.wq(log_size, 6, record))
            .done();
        change(&mut context);
        let bytes = 64usize << log_size;
        let buffer = self.host.memory.alloc(bytes.max(4096));
        let input = self.create_sq_input(&context, &pages(buffer, bytes));
        let number = self.host.expect(&input, 16).word(8);
        assert_eq!(self.modify_sq(number, 0, 1).status, CmdStatus::OK);
        Work { number, buffer, record, log_size, counter: 0 }
    }

    pub(super) fn modify_sq(&mut self, sqn: u32, from: u8, to: u8) -> Answer {
        let context = Sqc::build().state(to).done();
        let input =
            ModifySqIn::build().opcode(Opcode::MODIFY_SQ.0).sqn(sqn).sq_state(from).ctx(&context).done();
        self.host.exec(input.as_bytes(), 16)
    }

    pub(super) fn sq_state(&mut self, sqn: u32) -> u8 {
        let input = QuerySqIn::build().opcode(Opcode::QUERY_SQ.0).sqn(sqn).done();
        let output = self.host.expect(input.as_bytes(), QuerySqOut::SIZE).output;
        QuerySqOut::copy_from(&output).sq_context().state()
    }

    /// Puts a WQE into the ring, its control segment filled in.
    pub(super) fn post(&mut self, sq: &mut Work, opcode: WqeOpcode, imm: u32, body: &[u8]) {
        let control = WqeCtrlSeg::build()
            .wqe_index(sq.counter)
            .opcode(opcode.0)
            .qpn(sq.number)
            .ds((1 + body.len().div_ceil(16)) as u8)
            .ce(2)
            .imm(imm)
            .done();
        self.post_raw(sq, &with(control.as_bytes(), body));
    }

    /// Puts bytes into the ring as a WQE.
    pub(super) fn post_raw(&mut self, sq: &mut Work, wqe: &[u8]) {
        for block in wqe.chunks(64) {
            let slot = u64::from(sq.counter & ((1 << sq.log_size) - 1));
            self.host.memory.put(sq.buffer + 64 * slot, block);
            sq.counter = sq.counter.wrapping_add(1);
        }
    }

    /// Tells the device of the WQEs that are posted; the last of them began at `last`.
    pub(super) fn ring_sq(&mut self, sq: &Work, last: u16) {
        self.host.memory.put(sq.record + 4, &u32::from(sq.counter).to_be_bytes());
        let control = WqeCtrlSeg::build().wqe_index(last).qpn(sq.number).ds(1).done();
        let bytes = control.as_bytes().first_chunk().copied().unwrap();
        self.host.write64(u64::from(self.uar) * 4096 + 0x800, bytes);
    }

    /// Posts one WQE and rings.
    pub(super) fn submit(&mut self, sq: &mut Work, opcode: WqeOpcode, imm: u32, body: &[u8]) {
        let last = sq.counter;
        self.post(sq, opcode, imm, body);
        self.ring_sq(sq, last);
    }

    /// A data segment that points at a copy of `data` in memory.
    pub(super) fn pointer(&mut self, data: &[u8]) -> Vec<u8> {
        let at = self.host.memory.alloc(data.len().max(1));
        self.host.memory.put(at, data);
        segment(self.key, at, data.len() as u32)
    }

    pub(super) fn rqc(&self, cqn: u32, wq: &Wq) -> Rqc {
        Rqc::build().vsd(true).cqn(cqn).wq(wq).done()
    }

    pub(super) fn create_rq_input(&self, context: &Rqc, list: &[u8]) -> Vec<u8> {
        with(CreateRqIn::build().opcode(Opcode::CREATE_RQ.0).ctx(context).done().as_bytes(), list)
    }

    /// An RQ that is ready.
    pub(super) fn rq(
        &mut self,
        cqn: u32,
        log_size: u8,
        log_stride: u8,
        change: impl FnOnce(&mut Rqc),
    ) -> Work {
        let record = self.host.memory.alloc(64);
        let wq = self.wq(log_size, log_stride, record);
        let mut context = self.rqc(cqn, &wq);
        change(&mut context);
        let bytes = 1usize << (log_size + log_stride);
        let buffer = self.host.memory.alloc(bytes.max(4096));
        let input = self.create_rq_input(&context, &pages(buffer, bytes));
        let number = self.host.expect(&input, 16).word(8);
        assert_eq!(self.modify_rq(number, 0, 1).status, CmdStatus::OK);
        Work { number, buffer, record, log_size, counter: 0 }
    }

    pub(super) fn modify_rq(&mut self, rqn: u32, from: u8, to: u8) -> Answer {
        let context = Rqc::build().state(to).done();
        let input =
            ModifyRqIn::build().opcode(Opcode::MODIFY_RQ.0).rqn(rqn).rq_state(from).ctx(&context).done();
        self.host.exec(input.as_bytes(), 16)
    }

    pub(super) fn rq_state(&mut self, rqn: u32) -> u8 {
        let input = QueryRqIn::build().opcode(Opcode::QUERY_RQ.0).rqn(rqn).done();
        let output = self.host.expect(input.as_bytes(), QueryRqOut::SIZE).output;
        QueryRqOut::copy_from(&output).rq_context().state()
    }

    /// Writes the receive WQE that `slot` is, and counts it as posted.
    pub(super) fn post_receive(&mut self, rq: &mut Work, stride: u64, wqe: &[u8]) {
        let slot = u64::from(rq.counter & ((1 << rq.log_size) - 1));
        self.host.memory.put(rq.buffer + stride * slot, wqe);
        rq.counter = rq.counter.wrapping_add(1);
        self.host.memory.put(rq.record, &u32::from(rq.counter).to_be_bytes());
    }

    pub(super) fn create_tir_input(&self, context: &Tirc) -> Vec<u8> {
        CreateTirIn::build().opcode(Opcode::CREATE_TIR.0).ctx(context).done().as_bytes().to_vec()
    }

    /// A TIR that sends everything to one RQ.
    pub(super) fn tir(&mut self, rqn: u32) -> u32 {
        let context = Tirc::build().inline_rqn(rqn).transport_domain(self.domain).done();
        let input = self.create_tir_input(&context);
        self.host.expect(&input, 16).word(8) & 0xff_ffff
    }

    /// A packet from the wire reaches a TIR.
    pub(super) fn deliver(&mut self, tirn: u32, frame: &[u8]) {
        self.deliver_transit(tirn, Transit::new(frame.to_vec()));
    }

    pub(super) fn deliver_transit(&mut self, tirn: u32, packet: Transit) {
        let memory = self.host.memory.clone();
        self.host.device.deliver(&memory, tirn, packet);
    }

    /// Frames that went out.
    pub(super) fn frames(&mut self) -> Vec<Vec<u8>> {
        self.host.device.take().frames
    }

    /// Vectors that were raised.
    pub(super) fn vectors(&mut self) -> Vec<u16> {
        self.host.device.take().vectors
    }

    /// What was misused last.
    pub(super) fn last_misuse(&self) -> Option<(&'static str, crate::Check, &'static str)> {
        let line = self.host.device.log().refused().last()?;
        Some((line.what, line.refusal.check, line.refusal.field))
    }
}

/// A data segment.
pub(super) fn segment(key: u32, address: u64, bytes: u32) -> Vec<u8> {
    WqeDataSeg::build().byte_count(bytes).lkey(key).addr(address).done().as_bytes().to_vec()
}

/// An Ethernet segment without offloads.
pub(super) fn plain() -> Vec<u8> {
    WqeEthSeg::default().as_bytes().to_vec()
}

/// An error CQE.
pub(super) fn error(cqe: &Cqe64) -> (CqeOpcode, CqeSyndrome, u16) {
    let error = ErrCqe::copy_from(cqe.as_bytes());
    (CqeOpcode(error.opcode()), CqeSyndrome(error.syndrome()), error.wqe_counter())
}

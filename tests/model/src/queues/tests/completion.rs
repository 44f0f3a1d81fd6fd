//! Completion queues: arming, moderation, overrun, faults.

use super::rig::{Rig, Ring, Work, error};
use crate::{Check, Fault};
use core::time::Duration;
use mlx5_pci::prm::{
    CmdStatus, Cqc, CqeOpcode, CqeSyndrome, EventType, ModifyCqIn, Opcode, QueryCqIn, QueryCqOut, WqeOpcode,
};

struct Completions {
    rig: Rig,
    eq: Ring,
    errors: Ring,
    cq: Ring,
    sq: Work,
}

fn setup(log_size: u8, change: impl FnOnce(&mut Cqc)) -> Completions {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let errors = rig.eq(6, 1 << EventType::CQ_ERROR.0 | 1 << EventType::WQ_CATAS_ERROR.0);
    let cq = rig.cq_with(eq.number, log_size, change);
    let sq = rig.sq(cq.number, 6, |_| ());
    rig.ring_eq(&eq, true);
    Completions { rig, eq, errors, cq, sq }
}

impl Completions {
    fn complete(&mut self) {
        self.rig.submit(&mut self.sq, WqeOpcode::NOP, 0, &[]);
    }

    /// CQ numbers in the events since the last call.
    fn events(&mut self) -> Vec<u32> {
        let mut events = Vec::new();
        while let Some(eqe) = self.rig.take_eqe(&mut self.eq) {
            assert_eq!(eqe.type_(), EventType::COMP.0);
            events.push(u32::from_be_bytes(*eqe.data().last_chunk().unwrap()));
        }
        self.rig.ring_eq(&self.eq, true);
        events
    }
}

#[test]
fn cqes_are_owned_lap_by_lap() {
    let mut t = setup(2, |_| ());
    for index in 0..11 {
        t.complete();
        let cqe = t.rig.take_cqe(&mut t.cq).expect("a CQE");
        assert_eq!((cqe.wqe_counter(), cqe.sop_drop_qpn()), (index, t.sq.number));
        assert_eq!(t.rig.take_cqe(&mut t.cq), None);
    }
}

#[test]
fn each_arming_is_worth_one_event() {
    let mut t = setup(4, |_| ());
    t.complete();
    assert_eq!(t.events(), []);
    // What is there already counts.
    t.rig.arm_cq(&t.cq, 0, false);
    assert_eq!(t.events(), [t.cq.number]);
    assert_eq!(t.rig.vectors(), [3]);
    t.complete();
    t.rig.drain(&mut t.cq);
    t.rig.arm_cq(&t.cq, 1, false);
    assert_eq!(t.events(), []);
    t.complete();
    t.complete();
    assert_eq!(t.events(), [t.cq.number]);
}

#[test]
fn an_arming_for_an_event_that_is_past_is_ignored() {
    let mut t = setup(4, |_| ());
    t.rig.arm_cq(&t.cq, 0, false);
    t.complete();
    t.rig.drain(&mut t.cq);
    // The driver has not seen the event yet.
    t.rig.arm_cq(&t.cq, 0, false);
    t.complete();
    assert_eq!(t.events(), [t.cq.number]);
    t.rig.arm_cq(&t.cq, 1, false);
    assert_eq!(t.events(), [t.cq.number]);
}

#[test]
fn armed_for_solicited_completions_only_those_and_errors_count() {
    let mut t = setup(4, |_| ());
    t.rig.arm_cq(&t.cq, 0, true);
    t.complete();
    assert_eq!(t.events(), []);
    // A WQE that is not one: an opcode that does not exist.
    t.rig.submit(&mut t.sq, WqeOpcode(0x3f), 0, &[]);
    assert_eq!(t.events(), [t.cq.number]);
}

#[test]
fn moderation_waits_for_count_or_time() {
    let us = Duration::from_micros;
    let mut t = setup(6, |context| {
        context.set().cq_period(100).cq_max_count(3).cq_period_mode(1);
    });
    t.rig.host.advance(us(1000));
    t.rig.arm_cq(&t.cq, 0, false);
    t.complete();
    assert_eq!(t.events(), []);
    assert_eq!(t.rig.host.device.deadline(), Some(us(1100)));
    // The timer starts anew with each CQE.
    t.rig.host.advance(us(1060));
    t.complete();
    t.rig.host.advance(us(1100));
    assert_eq!(t.events(), []);
    t.rig.host.advance(us(1160));
    assert_eq!(t.events(), [t.cq.number]);
    t.rig.drain(&mut t.cq);
    t.rig.arm_cq(&t.cq, 1, false);
    for expected in [0, 0, 1] {
        t.complete();
        assert_eq!(t.events().len(), expected);
    }
}

#[test]
fn moderation_from_the_last_event_is_changed_by_modify() {
    let us = Duration::from_micros;
    let mut t = setup(6, |_| ());
    let context = Cqc::build().cq_period(50).cq_max_count(0).done();
    let input = ModifyCqIn::build()
        .opcode(Opcode::MODIFY_CQ.0)
        .cqn(t.cq.number)
        .modify_field_select_resize_field_select(&[0, 0, 0, 0x13])
        .cq_context(&context);
    t.rig.host.expect(input.done().as_bytes(), 16);
    // The first event has none before it.
    t.rig.host.advance(us(10));
    t.rig.arm_cq(&t.cq, 0, false);
    t.complete();
    assert_eq!(t.events(), [t.cq.number]);
    t.rig.drain(&mut t.cq);
    t.rig.arm_cq(&t.cq, 1, false);
    t.rig.host.advance(us(30));
    t.complete();
    assert_eq!(t.events(), []);
    t.rig.host.advance(us(60));
    assert_eq!(t.events(), [t.cq.number]);
    let query = QueryCqIn::build().opcode(Opcode::QUERY_CQ.0).cqn(t.cq.number).done();
    let output = t.rig.host.expect(query.as_bytes(), QueryCqOut::SIZE).output;
    let context = QueryCqOut::copy_from(&output).cq_context();
    assert_eq!((context.cq_period(), context.producer_counter(), context.st()), (50, 2, 0xa));
}

#[test]
fn an_overrun_is_an_event_and_the_end_of_the_cq() {
    let mut t = setup(1, |_| ());
    for _ in 0..3 {
        t.complete();
    }
    let eqe = t.rig.take_eqe(&mut t.errors).expect("an event");
    assert_eq!((eqe.type_(), eqe.data()[0xb]), (EventType::CQ_ERROR.0, 1));
    assert_eq!(u32::from_be_bytes(*eqe.data().first_chunk().unwrap()), t.cq.number);
    assert_eq!(t.rig.sq_state(t.sq.number), 3);
    assert_eq!(t.rig.drain(&mut t.cq).len(), 2);
    assert_eq!(t.rig.host.device.port.environment().cq_overrun, 1);
}

#[test]
fn a_collapsed_cq_has_one_entry() {
    let mut t = setup(1, |context| {
        context.set().cc(true).oi(true);
    });
    for index in 0..5 {
        t.complete();
        assert_eq!(t.rig.cqe_at(&t.cq, 0).wqe_counter(), index);
    }
    assert_eq!(t.rig.take_eqe(&mut t.errors), None);
}

#[test]
fn entries_of_128_bytes_hold_the_cqe_in_their_second_half() {
    let mut t = setup(2, |context| {
        context.set().cqe_sz(2);
    });
    t.complete();
    t.complete();
    let read = |t: &Completions, at| t.rig.host.memory.get(t.cq.buffer + at, 64);
    assert_eq!(read(&t, 64)[0x3d], 0);
    assert_eq!(read(&t, 128 + 64)[0x3d], 1);
    assert_eq!(read(&t, 128)[0x3f], 0xf1);
}

#[test]
fn faults_lose_double_and_spoil_completions() {
    let mut t = setup(4, |_| ());
    let advance = |t: &mut Completions| t.rig.host.advance(Duration::ZERO);
    t.rig.host.device.inject(Fault::CompletionLost { count: 1 });
    advance(&mut t);
    t.complete();
    t.complete();
    let counters =
        |cqes: Vec<mlx5_pci::prm::Cqe64>| -> Vec<u16> { cqes.iter().map(|cqe| cqe.wqe_counter()).collect() };
    assert_eq!(counters(t.rig.drain(&mut t.cq)), [1]);
    t.rig.host.device.inject(Fault::CompletionTwice { count: 1 });
    advance(&mut t);
    t.complete();
    assert_eq!(counters(t.rig.drain(&mut t.cq)), [2, 2]);
    t.rig.host.device.inject(Fault::CompletionError { count: 1, syndrome: 0x22 });
    advance(&mut t);
    t.complete();
    let cqes = t.rig.drain(&mut t.cq);
    assert_eq!(cqes.len(), 1);
    assert_eq!(error(&cqes[0]), (CqeOpcode::REQ_ERR, CqeSyndrome::REMOTE_ABORTED, 3));
    assert_eq!(t.rig.sq_state(t.sq.number), 3);
}

#[test]
fn doorbells_of_others_are_refused() {
    let mut t = setup(4, |_| ());
    let number = t.cq.number;
    t.cq.number += 1;
    t.rig.arm_cq(&t.cq, 0, false);
    assert_eq!(t.rig.last_misuse(), Some(("cq doorbell", Check::NoObject, "cqn")));
    t.cq.number = number;
    t.cq.counter = 1;
    t.rig.arm_cq(&t.cq, 0, false);
    assert_eq!(t.rig.last_misuse(), Some(("cq doorbell", Check::Value, "consumer_counter")));
    assert_eq!(t.rig.try_short(Opcode::DESTROY_CQ, number).status, CmdStatus::BAD_RES_STATE);
}

//! Event queues: subscription, ownership, arming, overrun.

use super::rig::Rig;
use crate::Check;
use crate::queues::Event;
use mlx5_pci::prm::{CmdStatus, EventType, Opcode, QueryEqIn, QueryEqOut};

const PORT_CHANGE: Event = Event { kind: EventType::PORT_CHANGE.0, sub_kind: 4, data: [7; 28] };
const SUBSCRIBED: u64 = 1 << EventType::PORT_CHANGE.0;

fn post(rig: &mut Rig, event: Event) {
    let memory = rig.host.memory.clone();
    rig.host.device.post_event(&memory, event);
}

#[test]
fn an_event_reaches_those_who_subscribed() {
    let mut rig = Rig::new();
    let mut wanting = rig.eq(4, SUBSCRIBED);
    let mut other = rig.eq(4, 1 << EventType::STALL.0);
    post(&mut rig, PORT_CHANGE);
    let eqe = rig.take_eqe(&mut wanting).expect("an EQE");
    assert_eq!((eqe.type_(), eqe.sub_type(), *eqe.data()), (9, 4, [7; 28]));
    assert_eq!(rig.take_eqe(&mut wanting), None);
    assert_eq!(rig.take_eqe(&mut other), None);
    assert!(rig.host.device.subscribed(EventType::STALL.0));
    assert!(!rig.host.device.subscribed(EventType::GENERAL.0));
}

#[test]
fn the_owner_bit_turns_with_every_lap() {
    let mut rig = Rig::new();
    let mut eq = rig.eq(2, SUBSCRIBED);
    for round in 0..11u8 {
        post(&mut rig, Event { sub_kind: round, ..PORT_CHANGE });
        assert_eq!(rig.take_eqe(&mut eq).map(|eqe| eqe.sub_type()), Some(round));
        assert_eq!(rig.take_eqe(&mut eq), None);
        rig.ring_eq(&eq, false);
    }
}

#[test]
fn only_an_armed_eq_raises_its_vector() {
    let mut rig = Rig::new();
    let mut eq = rig.eq(4, SUBSCRIBED);
    post(&mut rig, PORT_CHANGE);
    assert_eq!(rig.vectors(), []);
    // An EQE was there before.
    rig.ring_eq(&eq, true);
    assert_eq!(rig.vectors(), [3]);
    rig.take_eqe(&mut eq);
    rig.ring_eq(&eq, true);
    assert_eq!(rig.vectors(), []);
    post(&mut rig, PORT_CHANGE);
    post(&mut rig, PORT_CHANGE);
    assert_eq!(rig.vectors(), [3]);
}

#[test]
fn without_msix_nothing_is_raised() {
    let mut rig = Rig::new();
    let eq = rig.eq(4, SUBSCRIBED);
    rig.ring_eq(&eq, true);
    rig.host.device.config_write(0x9e, &[0, 0]);
    post(&mut rig, PORT_CHANGE);
    assert_eq!(rig.vectors(), []);
}

#[test]
fn an_overrun_stops_the_eq() {
    let mut rig = Rig::new();
    let mut eq = rig.eq(1, SUBSCRIBED);
    for _ in 0..3 {
        post(&mut rig, PORT_CHANGE);
    }
    assert_eq!(rig.last_misuse(), Some(("eq", Check::Full, "eq overrun")));
    let environment = *rig.host.device.port.environment();
    assert_eq!((environment.async_eq_overrun, environment.comp_eq_overrun), (1, 0));
    rig.take_eqe(&mut eq);
    rig.take_eqe(&mut eq);
    rig.ring_eq(&eq, true);
    post(&mut rig, PORT_CHANGE);
    assert_eq!(rig.take_eqe(&mut eq), None);
    let query = QueryEqIn::build().opcode(Opcode::QUERY_EQ.0).eq_number(eq.number as u8).done();
    let output = rig.host.expect(query.as_bytes(), QueryEqOut::SIZE).output;
    let answer = QueryEqOut::copy_from(&output);
    let context = answer.eq_context_entry();
    assert_eq!((context.status(), context.producer_counter(), context.consumer_counter()), (0xa, 2, 2));
    assert_eq!(answer.event_bitmask(), SUBSCRIBED);
}

#[test]
fn doorbells_of_others_and_from_the_future_are_refused() {
    let mut rig = Rig::new();
    let mut eq = rig.eq(4, SUBSCRIBED);
    eq.counter = 1;
    rig.ring_eq(&eq, true);
    assert_eq!(rig.last_misuse(), Some(("eq doorbell", Check::Value, "consumer_counter")));
    eq.counter = 0;
    rig.uar = rig.short(Opcode::ALLOC_UAR).word(8);
    rig.ring_eq(&eq, true);
    assert_eq!(rig.last_misuse(), Some(("eq doorbell", Check::Mismatch, "uar_page")));
    eq.number += 1;
    rig.ring_eq(&eq, true);
    assert_eq!(rig.last_misuse(), Some(("eq doorbell", Check::NoObject, "eqn")));
}

#[test]
fn an_eq_that_is_used_stays() {
    let mut rig = Rig::new();
    let eq = rig.eq(4, 0);
    let cq = rig.cq(eq.number, 4);
    assert_eq!(rig.try_short(Opcode::DESTROY_EQ, eq.number).status, CmdStatus::BAD_RES_STATE);
    assert_eq!(rig.try_short(Opcode::DEALLOC_UAR, rig.uar).status, CmdStatus::BAD_RES_STATE);
    rig.short_with(Opcode::DESTROY_CQ, cq.number);
    rig.short_with(Opcode::DESTROY_EQ, eq.number);
    assert_eq!(rig.try_short(Opcode::DESTROY_EQ, eq.number).status, CmdStatus::BAD_RES);
}

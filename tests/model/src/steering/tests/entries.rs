//! What entries are refused for, and with which status.

use super::bench::*;
use crate::objects::Kind;
use crate::{Check, Refusal};
use mlx5_pci::prm::{CmdStatus, DestFormatStruct, FteMatchParam, Opcode, QueryFteIn, QueryFteOut, Vlan};

const BAD: CmdStatus = CmdStatus::BAD_PARAM;
const DROP: u16 = 2;

/// A changed SET_FLOW_TABLE_ENTRY and why it has to be refused.
type EntryCase = (fn(&mut SetEntry), Check, &'static str);

/// A table of four entries at level 1 with one group for UDP, tables above and below, a counter, an entry at index 3.
struct Place {
    bench: Bench,
    kind: u8,
    table: u32,
    group: u32,
    higher: u32,
    lower: u32,
    counter: u32,
}

fn udp_value() -> FteMatchParam {
    param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 17 })
}

impl Place {
    fn new(kind: u8) -> Place {
        Place::with(kind, profile())
    }

    fn with(kind: u8, profile: crate::caps::Profile) -> Place {
        let mut bench = Bench::with(profile);
        let (lower, table, higher) =
            (bench.table(kind, 0, 2), bench.table(kind, 1, 2), bench.table(kind, 2, 2));
        let criteria = param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 0xff });
        let group = bench.group(kind, table, (1, 3), &criteria);
        let counter = bench.counter();
        entry(kind, table, group, 3).value(&udp_value()).action(DROP).set(&mut bench).unwrap();
        Place { bench, kind, table, group, higher, lower, counter }
    }

    fn entry(&self) -> SetEntry {
        entry(self.kind, self.table, self.group, 1).value(&udp_value())
    }

    #[track_caller]
    fn refused(&mut self, entry: SetEntry, status: CmdStatus, check: Check, field: &'static str) {
        assert_eq!(refusal(entry.set(&mut self.bench)), (status, check, field));
    }
}

#[test]
fn places_and_values() {
    let mut at = Place::new(NIC_RX);
    let index = |entry: SetEntry, index| {
        entry.with(|entry| {
            entry.head.set().flow_index(index);
        })
    };
    for outside in [0, 4, u32::MAX] {
        let entry = index(at.entry().action(DROP), outside);
        at.refused(entry, CmdStatus::BAD_INDEX, Check::Limit, "flow_index");
    }
    let taken = index(at.entry().action(DROP), 3);
    at.refused(taken, CmdStatus::BAD_RES_STATE, Check::State, "flow_index");
    let unmasked = param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 17, ip_version: 4 });
    let entry = at.entry().value(&unmasked).action(DROP);
    at.refused(entry, BAD, Check::Unmasked, "match_value");
}

#[test]
fn actions_against_each_other() {
    use Check::*;
    let (allow, forward) = (1, 4);
    for kind in [NIC_RX, NIC_TX] {
        let mut at = Place::new(kind);
        for (action, check, field) in [
            (0, Value, "action"),
            (DROP | forward, Conflict, "action"),
            (allow | DROP, Conflict, "action"),
            (0x8000, Reserved, "action"),
            (DROP | 0x200, Reserved, "action"),
            (DROP | 0x4000, Capability, "execute_aso"),
            // Tags: not offered by the profile.
            (DROP | 0x80, Capability, "action"),
            (DROP | 0x100, Capability, "action"),
            (forward, Conflict, "destination_list_size"),
            (DROP | 8, Conflict, "flow_counter_list_size"),
            (DROP | 0x20, Conflict, "action"),
        ] {
            let entry = at.entry().action(action);
            // Taking tunnels off is offered on receive only.
            let check = if action & 0x20 != 0 && kind == NIC_TX { Capability } else { check };
            at.refused(entry, BAD, check, field);
        }
    }
    let mut at = Place::new(NIC_RX);
    let entry = at.entry().action(allow);
    at.refused(entry, BAD, Capability, "action");
}

#[test]
fn contexts_without_their_actions() {
    let mut at = Place::new(NIC_RX);
    let cases: [EntryCase; 10] = [
        (|e| void(e.context.set().packet_reformat_id(1)), Check::Conflict, "packet_reformat_id"),
        (|e| void(e.context.set().modify_header_id(1)), Check::Conflict, "modify_header_id"),
        (|e| void(e.context.set().encrypt_decrypt_obj_id(1)), Check::Conflict, "encrypt_decrypt_obj_id"),
        (|e| void(e.context.set().encrypt_decrypt_type(1)), Check::Capability, "encrypt_decrypt_type"),
        (|e| void(e.context.set().extended_destination(true)), Check::Capability, "extended_destination"),
        (|e| void(e.context.set().uplink_hairpin_en(true)), Check::Capability, "uplink_hairpin_en"),
        (|e| void(e.context.set().flow_source(1)), Check::Capability, "flow_source"),
        (|e| void(e.context.set().push_vlan(&Vlan::build().vid(1).done())), Check::Conflict, "push_vlan"),
        (|e| void(e.head.set().modify_enable_mask(1)), Check::Conflict, "modify_enable_mask"),
        (|e| void(e.head.set().other_vport(true)), Check::Capability, "other_vport"),
    ];
    for (change, check, field) in cases {
        let entry = at.entry().action(DROP).with(change);
        at.refused(entry, BAD, check, field);
    }
    for (action, set, field) in [
        (
            0x10,
            (|e, id| void(e.context.set().packet_reformat_id(id))) as fn(&mut SetEntry, u32),
            "packet_reformat_id",
        ),
        (0x40, |e, id| void(e.context.set().modify_header_id(id)), "modify_header_id"),
        (0x1000, |e, id| void(e.context.set().encrypt_decrypt_obj_id(id)), "encrypt_decrypt_obj_id"),
    ] {
        let entry = at.entry().action(DROP | action).with(|entry| set(entry, 77));
        at.refused(entry, CmdStatus::BAD_RES, Check::NoObject, field);
    }
}

/// Statement form of a setter chain.
fn void<L, T>(_: mlx5_pci::prm::Build<L, T>) {}

#[test]
fn destinations() {
    let mut at = Place::new(NIC_RX);
    let foreign = at.bench.table(NIC_TX, 9, 0);
    let no_table = at.entry().forward(0x1234);
    at.refused(no_table, CmdStatus::BAD_RES, Check::NoObject, "destination_id");
    let other_type = at.entry().forward(foreign);
    at.refused(other_type, CmdStatus::BAD_RES, Check::Mismatch, "destination_id");
    for (table, field) in [(at.lower, "destination_id"), (at.table, "destination_id")] {
        let down = at.entry().forward(table);
        at.refused(down, BAD, Check::Limit, field);
    }
    let no_tir = at.entry().destination(2, 0x1234);
    at.refused(no_tir, CmdStatus::BAD_RES, Check::NoObject, "destination_id");
    // A port, a sampler, the uplink.
    for kind in [0, 6, 8, 0x99] {
        let port = at.entry().destination(kind, 0);
        at.refused(port, BAD, Check::Capability, "destination_type");
    }
    let rdma = at.entry().with(|entry| {
        let destination = DestFormatStruct::build().destination_type(0xa).destination_table_type(7);
        entry.to.push(destination.destination_id(1).done());
    });
    at.refused(rdma.action(4), BAD, Check::Capability, "destination_table_type");
    let stray = at.entry().forward(at.higher).with(|entry| {
        entry.to[0].set().destination_table_type(1);
    });
    at.refused(stray, BAD, Check::Conflict, "destination_table_type");
    let mut tx = Place::new(NIC_TX);
    let tir = tx.entry().destination(2, 0x20);
    tx.refused(tir, BAD, Check::Capability, "destination_type");
}

#[test]
fn levels_are_ignored_where_asked_and_offered() {
    let ignore = |entry: &mut SetEntry| void(entry.head.set().ignore_flow_level(true));
    let mut at = Place::new(NIC_RX);
    at.entry().forward(at.lower).with(ignore).set(&mut at.bench).unwrap();
    let mut without = profile();
    without.set("flow_table.nic_receive.ignore_flow_level", 0).unwrap();
    let mut at = Place::with(NIC_RX, without);
    let entry = at.entry().forward(at.lower).with(ignore);
    at.refused(entry, BAD, Check::Capability, "ignore_flow_level");
}

#[test]
fn lists_and_their_lengths() {
    let mut at = Place::new(NIC_RX);
    let mut bytes = at.entry().forward(at.higher).bytes();
    bytes.truncate(0x340);
    let short = refusal(at.bench.run(&bytes));
    assert_eq!(short, (CmdStatus::BAD_INP_LEN, Check::InputLength, "destination_list_size"));
    let bytes = [at.entry().forward(at.higher).bytes(), vec![0; 4]].concat();
    assert_eq!(refusal(at.bench.run(&bytes)), (CmdStatus::BAD_INP_LEN, Check::InputLength, "inlen"));
    let rest = at.entry().action(DROP).with(|entry| entry.behind = vec![0, 0, 0, 0, 0, 0, 0, 1]);
    at.refused(rest, BAD, Check::Reserved, "destination");
    let no_counter = at.entry().action(DROP).count(at.counter + 1);
    at.refused(no_counter, CmdStatus::BAD_RES, Check::NoObject, "flow_counter_id");
    // Room that Linux leaves for the destination of a rule that drops.
    let linux = at.entry().action(DROP).count(at.counter).with(|entry| entry.behind = vec![0; 8]);
    linux.set(&mut at.bench).unwrap();
    let mut one = profile();
    one.set("flow_table.nic_receive.log_max_destination", 0).unwrap();
    one.set("flow_table.nic_receive.log_max_flow_counter", 0).unwrap();
    let mut at = Place::with(NIC_RX, one);
    let two = at.entry().forward(at.higher).forward(at.higher);
    at.refused(two, BAD, Check::Limit, "destination_list_size");
    let two = at.entry().action(DROP).count(at.counter).count(at.counter);
    at.refused(two, BAD, Check::Limit, "flow_counter_list_size");
}

#[test]
fn changes() {
    let mut at = Place::new(NIC_RX);
    let change = |entry: SetEntry, mask| {
        let entry = entry.modify(mask);
        entry.with(|entry| {
            entry.head.set().flow_index(3);
        })
    };
    for mask in [0, 0x20, 0xff] {
        let entry = change(at.entry().action(DROP), mask);
        at.refused(entry, BAD, Check::Value, "modify_enable_mask");
    }
    let nothing = at.entry().action(DROP).modify(1);
    at.refused(nothing, CmdStatus::BAD_RES, Check::NoObject, "flow_index");
    let other = param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 6 });
    let moved = change(at.entry().value(&other).action(DROP), 1);
    at.refused(moved, BAD, Check::Mismatch, "match_value");
    // A list without the action that uses it, and the other way round.
    let list = change(at.entry().forward(at.higher), 1 << 2);
    at.refused(list, BAD, Check::Conflict, "destination_list_size");
    let action = change(at.entry().forward(at.higher), 1);
    at.refused(action, BAD, Check::Conflict, "destination_list_size");
    change(at.entry().forward(at.higher), 1 | 1 << 2).set(&mut at.bench).unwrap();
    assert_eq!(at.bench.device.links.count((Kind::FlowTable, at.higher)), 1);
    let mut without = profile();
    without.set("flow_table.nic_receive.flow_modify_en", 0).unwrap();
    let mut at = Place::with(NIC_RX, without);
    let entry = change(at.entry().action(DROP), 1);
    at.refused(entry, BAD, Check::Capability, "op_mod");
}

#[test]
fn tags_are_checked() {
    let mut tags = profile();
    for capability in ["pop_vlan", "push_vlan", "pop_vlan_2", "push_vlan_2"] {
        tags.set(&format!("flow_table.nic_transmit.{capability}"), 1).unwrap();
    }
    let mut at = Place::with(NIC_TX, tags);
    let second = at.entry().action(DROP | 0x400);
    at.refused(second, BAD, Check::Conflict, "action");
    let push = at.entry().action(DROP | 0x100);
    at.refused(push, BAD, Check::Value, "push_vlan");
}

#[test]
fn what_an_entry_refers_to_stays() {
    let mut at = Place::new(NIC_RX);
    at.entry().forward(at.higher).count(at.counter).set(&mut at.bench).unwrap();
    let dealloc = |opcode: Opcode, number: u32| {
        let mut bytes = vec![0; 16];
        bytes[..2].copy_from_slice(&opcode.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&number.to_be_bytes());
        bytes
    };
    let counter = dealloc(Opcode::DEALLOC_FLOW_COUNTER, at.counter);
    let in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, "flow_counter_id");
    assert_eq!(refusal(at.bench.run(&counter)), in_use);
    at.bench.run(delete_entry(NIC_RX, at.table, 1).as_bytes()).unwrap();
    at.bench.run(&counter).unwrap();
    at.bench.run(destroy_table(NIC_RX, at.higher).as_bytes()).unwrap();
}

#[test]
fn an_entry_is_reported_as_it_was_set() {
    let mut at = Place::new(NIC_RX);
    let set = at.entry().forward(at.higher).forward(at.higher).count(at.counter).with(|entry| {
        entry.context.set().flow_tag(0xabcdef);
    });
    set.set(&mut at.bench).unwrap();
    let query = |index| {
        let query = QueryFteIn::build().opcode(Opcode::QUERY_FLOW_TABLE_ENTRY.0).table_type(NIC_RX);
        query.table_id(at.table).flow_index(index).done()
    };
    let wanted = set.bytes();
    let length = wanted.len();
    let answer = at.bench.ask(query(1).as_bytes(), length).unwrap();
    let (context, was) = (QueryFteOut::copy_from(&answer).flow_context(), &wanted[0x40..0x340]);
    assert_eq!(context.as_bytes(), was);
    assert_eq!(answer[0x340..], wanted[0x340..]);
    let short = refusal(at.bench.ask(query(1).as_bytes(), length - 1));
    assert_eq!(short, (CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen"));
    let none: Result<Vec<u8>, Refusal> = at.bench.ask(query(2).as_bytes(), length);
    assert_eq!(refusal(none), (CmdStatus::BAD_RES, Check::NoObject, "flow_index"));
}

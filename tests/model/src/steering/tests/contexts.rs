//! Counters, modify-header and reformat contexts: what they are refused for, and what they report.

use super::bench::*;
use crate::Check;
use mlx5_pci::prm::{
    AllocFlowCounterIn, CmdStatus, CopyActionIn, DeallocFlowCounterIn, FlowTableContext, FteMatchParam,
    Opcode, QueryFlowCounterIn, QueryModifyHeaderContextIn, QueryPacketReformatContextIn, SetActionIn,
    TrafficCounter,
};

const BAD: CmdStatus = CmdStatus::BAD_PARAM;

/// A table type, actions, and how they are refused.
type RewriteCase<'a> = (u8, &'a [[u8; 8]], CmdStatus, Check, &'static str);
/// A reformat type, its parameter, its data, and how they are refused.
type ReformatCase = (u8, u8, Vec<u8>, (CmdStatus, Check, &'static str));

fn alloc_bulk(bulk: u8) -> AllocFlowCounterIn {
    AllocFlowCounterIn::build().opcode(Opcode::ALLOC_FLOW_COUNTER.0).flow_counter_bulk(bulk).done()
}

fn dealloc_counter(counter: u32) -> DeallocFlowCounterIn {
    DeallocFlowCounterIn::build().opcode(Opcode::DEALLOC_FLOW_COUNTER.0).flow_counter_id(counter).done()
}

fn query(first: u32, several: u16, clear: bool) -> QueryFlowCounterIn {
    QueryFlowCounterIn::build()
        .opcode(Opcode::QUERY_FLOW_COUNTER.0)
        .flow_counter_id(first)
        .num_of_counters(several)
        .clear(clear)
        .done()
}

#[test]
fn counters_come_in_bulks() {
    let mut bulks = profile();
    bulks.set("general.flow_counter_bulk_alloc", 0b101).unwrap();
    let mut bench = Bench::with(bulks);
    bench.counter();
    let small = bench.run(alloc_bulk(1).as_bytes()).unwrap();
    let large = bench.run(alloc_bulk(4).as_bytes()).unwrap();
    assert_eq!((small % 128, large % 512), (0, 0));
    for bulk in [2, 5, 0x80] {
        let refused = refusal(bench.run(alloc_bulk(bulk).as_bytes()));
        let check = if bulk == 5 { Check::Value } else { Check::Capability };
        assert_eq!(refused, (BAD, check, "flow_counter_bulk"));
    }
    let table = bench.table(NIC_RX, 0, 0);
    let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
    let drop = entry(NIC_RX, table, group, 0).action(2).count(large + 511);
    assert_eq!(
        refusal(drop.clone().count(large + 512).set(&mut bench)),
        (CmdStatus::BAD_RES, Check::NoObject, "flow_counter_id")
    );
    drop.set(&mut bench).unwrap();
    let in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, "flow_counter_id");
    assert_eq!(refusal(bench.run(dealloc_counter(large).as_bytes())), in_use);
    let inside = (CmdStatus::BAD_RES, Check::NoObject, "flow_counter_id");
    assert_eq!(refusal(bench.run(dealloc_counter(large + 511).as_bytes())), inside, "a bulk goes as a whole");
    bench.run(delete_entry(NIC_RX, table, 0).as_bytes()).unwrap();
    bench.run(dealloc_counter(large).as_bytes()).unwrap();
    assert_eq!(refusal(bench.run(dealloc_counter(large).as_bytes())), inside);
}

#[test]
fn there_are_only_so_many_counters() {
    let mut few = profile();
    few.set("general.max_flow_counter_31_16", 0).unwrap();
    few.set("general.max_flow_counter_15_0", 2).unwrap();
    let mut bench = Bench::with(few);
    let (first, _) = (bench.counter(), bench.counter());
    let full = (CmdStatus::NO_RES, Check::Full, "opcode");
    assert_eq!(refusal(bench.run(alloc_bulk(0).as_bytes())), full);
    bench.run(dealloc_counter(first).as_bytes()).unwrap();
    bench.counter();
}

/// Linux asks from a multiple of four to its last counter, whatever exists in between.
#[test]
fn counters_are_read_at_once_and_cleared() {
    let mut bench = Bench::new();
    let counters: Vec<u32> = (0..9).map(|_| bench.counter()).collect();
    let table = bench.table(NIC_RX, 0, 0);
    let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
    entry(NIC_RX, table, group, 0).action(2).count(counters[6]).set(&mut bench).unwrap();
    bench.run(dealloc_counter(counters[4]).as_bytes()).unwrap();
    bench.receive(&udp(ENDS, b"12345678"));
    let base = counters[6] & !3;
    let room = 0x10 + 4 * 0x10;
    let answer = bench.ask(query(base, 4, true).as_bytes(), room).unwrap();
    let packets: Vec<u64> =
        answer[0x10..].chunks(0x10).map(|counter| TrafficCounter::copy_from(counter).packets()).collect();
    let mut expected = vec![0; 4];
    expected[(counters[6] - base) as usize] = 1;
    assert_eq!(packets, expected);
    assert_eq!(bench.counted(counters[6]), (0, 0), "cleared");
    let refused = |result| refusal(result);
    let short = (CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen");
    assert_eq!(refused(bench.ask(query(base, 4, false).as_bytes(), room - 1)), short);
    let odd = (BAD, Check::Alignment, "flow_counter_id");
    assert_eq!(refused(bench.ask(query(base + 1, 4, false).as_bytes(), room)), odd);
    let many = (BAD, Check::Limit, "num_of_counters");
    assert_eq!(refused(bench.ask(query(base, 1025, false).as_bytes(), 0x10)), many);
    let gone = (CmdStatus::BAD_RES, Check::NoObject, "flow_counter_id");
    assert_eq!(refused(bench.ask(query(counters[4], 0, false).as_bytes(), 0x20)), gone);
}

fn set(field: u16, offset: u8, length: u8, data: u32) -> [u8; 8] {
    *SetActionIn::build()
        .action_type(1)
        .field(field)
        .offset(offset)
        .length(length)
        .data(data)
        .done()
        .as_bytes()
}

fn copy(from: u16, to: u16, offset: u8, length: u8) -> [u8; 8] {
    let action = CopyActionIn::build().action_type(3).src_field(from).dst_field(to).dst_offset(offset);
    *action.length(length).done().as_bytes()
}

#[test]
fn rewrites_that_cannot_be() {
    let mut bench = Bench::new();
    const REG_A: u16 = 0x49;
    const REG_B: u16 = 0x50;
    const SYNDROME: u16 = 0x5d;
    let cases: &[RewriteCase<'_>] = &[
        (NIC_RX, &[], BAD, Check::Value, "num_of_actions"),
        (NIC_RX, &[set(REG_B, 0, 0, 0); 17], BAD, Check::Limit, "num_of_actions"),
        (4, &[set(REG_B, 0, 0, 0)], BAD, Check::Capability, "table_type"),
        (NIC_RX, &[[0; 8]], BAD, Check::Value, "action_type"),
        (NIC_RX, &[[0x40, 0, 0, 0, 0, 0, 0, 0]], BAD, Check::Value, "action_type"),
        (NIC_RX, &[set(0xff, 0, 0, 0)], BAD, Check::Value, "field"),
        (NIC_RX, &[set(REG_A, 0, 0, 0)], BAD, Check::Capability, "field"),
        (NIC_TX, &[set(REG_B, 0, 0, 0)], BAD, Check::Capability, "field"),
        (NIC_RX, &[set(SYNDROME, 0, 8, 0)], BAD, Check::Capability, "field"),
        (NIC_RX, &[copy(REG_B, SYNDROME, 0, 8)], BAD, Check::Capability, "dst_field"),
        (NIC_TX, &[copy(SYNDROME, REG_A, 0, 8)], BAD, Check::Capability, "src_field"),
        // Beyond the field: 32 bits of a port, 8 bits from bit 25, 9 of the 8 of the syndrome.
        (NIC_RX, &[set(0x0b, 0, 0, 0)], BAD, Check::Limit, "length"),
        (NIC_RX, &[copy(SYNDROME, REG_B, 25, 8)], BAD, Check::Limit, "length"),
        (NIC_RX, &[copy(SYNDROME, REG_B, 0, 9)], BAD, Check::Limit, "length"),
        (NIC_RX, &[set(REG_B, 0, 4, 0x10)], BAD, Check::Unmasked, "data"),
        (NIC_RX, &[[0x20, 0x0a, 0, 0, 0, 0, 1, 0]], BAD, Check::Unmasked, "data"),
        (NIC_RX, &[[0x20, 0x0a, 0, 1, 0, 0, 0, 1]], BAD, Check::Reserved, "action"),
    ];
    for (number, (kind, actions, status, check, field)) in cases.iter().enumerate() {
        let refused = refusal(bench.run(&modify_header(*kind, actions)));
        assert_eq!(refused, (*status, *check, *field), "case {number}");
    }
    let mut bytes = modify_header(NIC_RX, &[set(REG_B, 0, 0, 0)]);
    bytes[0x0f] = 2;
    let length = refusal(bench.run(&bytes));
    assert_eq!(length, (CmdStatus::BAD_INP_LEN, Check::InputLength, "num_of_actions"));
}

#[test]
fn a_rewrite_belongs_to_a_table_type_and_stays_while_it_is_used() {
    let mut bench = Bench::new();
    let actions = [set(0x50, 0, 0, 0x8000_0001), copy(0x5d, 0x50, 24, 7)];
    let rewrite = bench.run(&modify_header(NIC_RX, &actions)).unwrap();
    let used = |entry: &mut SetEntry| {
        entry.context.set().modify_header_id(rewrite);
    };
    let place = |bench: &mut Bench, kind| {
        let table = bench.table(kind, 0, 0);
        let group = bench.group(kind, table, (0, 0), &FteMatchParam::default());
        (table, entry(kind, table, group, 0).action(2 | 0x40).with(used))
    };
    let (_, sends) = place(&mut bench, NIC_TX);
    assert_eq!(refusal(sends.set(&mut bench)), (CmdStatus::BAD_RES, Check::Mismatch, "modify_header_id"));
    let (table, receives) = place(&mut bench, NIC_RX);
    receives.set(&mut bench).unwrap();
    let dealloc = with_number(Opcode::DEALLOC_MODIFY_HEADER_CONTEXT, rewrite);
    let in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, "modify_header_id");
    assert_eq!(refusal(bench.run(&dealloc)), in_use);
    let query = QueryModifyHeaderContextIn::build().opcode(Opcode::QUERY_MODIFY_HEADER_CONTEXT.0);
    let query = query.modify_header_id(rewrite).done();
    let answer = bench.ask(query.as_bytes(), 0x20).unwrap();
    assert_eq!(answer[0x10..], *actions.as_flattened());
    bench.run(delete_entry(NIC_RX, table, 0).as_bytes()).unwrap();
    bench.run(&dealloc).unwrap();
    let gone = (CmdStatus::BAD_RES, Check::NoObject, "modify_header_id");
    assert_eq!(refusal(bench.run(&dealloc)), gone);
}

/// A command with a number at 0x08.
fn with_number(opcode: Opcode, number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..2].copy_from_slice(&opcode.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// SPI and nothing else.
fn esp(length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    data[length - 16..length - 12].copy_from_slice(&[0, 0, 0x10, 1]);
    data
}

/// Ethernet, IP that says ESP, SPI.
fn tunnel(v6: bool) -> Vec<u8> {
    let ip = if v6 { 40 } else { 20 };
    let mut data = esp(14 + ip + 16);
    if v6 {
        data[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        data[14 + 6] = 50;
    } else {
        data[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        data[14 + 9] = 50;
    }
    data
}

fn changed(mut data: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    data[at] = byte;
    data
}

#[test]
fn reformats_by_the_table_of_types() {
    let mut bench = Bench::new();
    for (kind, param_0, data) in [
        (0x5, 4, esp(16)),
        (0xb, 4, esp(16)),
        (0x7, 4, changed(esp(24), 1, 0x94)),
        (0xc, 4, esp(24)),
        (0x8, 0, vec![]),
        (0xa, 0, vec![]),
        (0x6, 4, tunnel(false)),
        (0x6, 4, tunnel(true)),
        (0x9, 0, vec![0; 14]),
    ] {
        let context = bench.run(&reformat(kind, param_0, &data)).unwrap();
        let query = QueryPacketReformatContextIn::build().opcode(Opcode::QUERY_PACKET_REFORMAT_CONTEXT.0);
        let query = query.packet_reformat_id(context).done();
        let asked = reformat(kind, param_0, &data);
        let answer = bench.ask(query.as_bytes(), asked.len()).unwrap();
        assert_eq!(answer[0x1c..], asked[0x1c..], "type {kind:#x}");
    }
    let size = (BAD, Check::Value, "reformat_data_size");
    let data = (BAD, Check::Value, "reformat_data");
    let zero = (BAD, Check::Reserved, "reformat_data");
    let parameter = (BAD, Check::Value, "reformat_param_0");
    let cases: &[ReformatCase] = &[
        (0x5, 4, esp(17), size),
        (0x5, 4, vec![], size),
        (0x7, 4, esp(16), size),
        (0x8, 0, vec![0; 16], size),
        (0x6, 4, esp(50), size),
        (0x6, 4, tunnel(false)[..49].to_vec(), size),
        (0x9, 0, vec![0; 18], size),
        (0x5, 0, esp(16), parameter),
        (0x8, 4, vec![], parameter),
        (0x5, 4, vec![0; 16], data),
        (0x6, 4, changed(tunnel(false), 14 + 9, 17), data),
        (0x6, 4, changed(tunnel(true), 14 + 6, 4), data),
        (0x5, 4, changed(esp(16), 4, 1), zero),
        (0x7, 4, changed(esp(24), 5, 1), zero),
        (0x6, 4, changed(tunnel(false), 49, 1), zero),
        (0x2, 0, vec![0; 50], (BAD, Check::Capability, "reformat_type")),
        (0xf, 0, vec![0; 50], (BAD, Check::Capability, "reformat_type")),
        (0x6, 4, vec![0; 130], (BAD, Check::Limit, "reformat_data_size")),
    ];
    for (number, (kind, param_0, data, refused)) in cases.iter().enumerate() {
        let mut bench = if *kind == 2 { Bench::with(plain()) } else { Bench::new() };
        assert_eq!(refusal(bench.run(&reformat(*kind, *param_0, data))), *refused, "case {number}");
    }
    let mut bytes = reformat(0x8, 0, &[]);
    bytes[0x1f] = 4;
    let length = refusal(bench.run(&bytes));
    assert_eq!(length, (CmdStatus::BAD_INP_LEN, Check::InputLength, "reformat_data_size"));
    let mut bytes = reformat(0x8, 0, &[]);
    bytes[0x20] = 4;
    assert_eq!(refusal(bench.run(&bytes)), (BAD, Check::Reserved, "reformat_param_1"));
}

/// A card without crypto.
fn plain() -> crate::caps::Profile {
    crate::caps::Profile::named("cx6dx").unwrap()
}

#[test]
fn esp_reformats_stand_beside_their_crypto_action() {
    let mut bench = Bench::new();
    let (add, del, out) = (
        bench.run(&reformat(0x5, 4, &esp(16))).unwrap(),
        bench.run(&reformat(0x8, 0, &[])).unwrap(),
        bench.run(&reformat(0x9, 0, &[0; 14])).unwrap(),
    );
    let mut refuse = |kind, context, action: u16, reformat_en| {
        let table = table_with(kind, FlowTableContext::build().reformat_en(reformat_en).done());
        let table = bench.run(table.as_bytes()).unwrap();
        let group = bench.group(kind, table, (0, 0), &FteMatchParam::default());
        let entry = entry(kind, table, group, 0).action(2 | action).with(|entry| {
            entry.context.set().packet_reformat_id(context);
        });
        refusal(entry.set(&mut bench))
    };
    let conflict = (BAD, Check::Conflict, "packet_reformat_id");
    let not_here = (BAD, Check::Capability, "packet_reformat_id");
    assert_eq!(refuse(NIC_TX, add, 0x10, false), conflict);
    assert_eq!(refuse(NIC_RX, del, 0x10, false), conflict);
    assert_eq!(refuse(NIC_RX, add, 0x10, false), not_here);
    assert_eq!(refuse(NIC_TX, del, 0x10, false), not_here);
    // Directions.
    let action = (BAD, Check::Capability, "action");
    assert_eq!(refuse(NIC_RX, del, 0x10 | 0x2000, false), action);
    assert_eq!(refuse(NIC_TX, add, 0x10 | 0x1000, false), action);
    let object = (CmdStatus::BAD_RES, Check::NoObject, "encrypt_decrypt_obj_id");
    assert_eq!(refuse(NIC_RX, out, 0x10 | 0x1000, true), object);
}

//! Packets through tables as Linux lays them out, seen by flow counters.

use super::bench::*;
use crate::transit::Transit;
use mlx5_pci::prm::FteMatchParam;

const DROP: u16 = 2;
const ALLOW: u16 = 1;

/// A table with one entry that drops and counts everything.
fn sink(bench: &mut Bench, kind: u8, level: u8) -> (u32, u32) {
    let table = bench.table(kind, level, 0);
    let group = bench.group(kind, table, (0, 0), &FteMatchParam::default());
    let counter = bench.counter();
    entry(kind, table, group, 0).action(DROP).count(counter).set(bench).unwrap();
    (table, counter)
}

fn protocol(number: u8) -> FteMatchParam {
    param!(outer_headers: FteMatchSetLyr24 { ip_version: 4, ip_protocol: number })
}

/// The traffic type table: by IP version and protocol, then by version, then everything.
#[test]
fn packets_go_by_traffic_type() {
    let mut bench = Bench::new();
    let (tcp_sink, tcp_count) = sink(&mut bench, NIC_RX, 1);
    let (udp_sink, udp_count) = sink(&mut bench, NIC_RX, 1);
    let (ip_sink, ip_count) = sink(&mut bench, NIC_RX, 1);
    let (any_sink, any_count) = sink(&mut bench, NIC_RX, 1);
    let table = bench.table(NIC_RX, 0, 4);
    bench.root(NIC_RX, table);
    let by_protocol = bench.group(NIC_RX, table, (0, 7), &protocol(0xff_u8).masked());
    let by_version = bench.group(NIC_RX, table, (8, 9), &version(0xf));
    let any = bench.group(NIC_RX, table, (10, 10), &FteMatchParam::default());
    entry(NIC_RX, table, by_protocol, 0).value(&protocol(6)).forward(tcp_sink).set(&mut bench).unwrap();
    entry(NIC_RX, table, by_protocol, 1).value(&protocol(17)).forward(udp_sink).set(&mut bench).unwrap();
    entry(NIC_RX, table, by_version, 8).value(&version(4)).forward(ip_sink).set(&mut bench).unwrap();
    entry(NIC_RX, table, any, 10).forward(any_sink).set(&mut bench).unwrap();
    bench.receive(&tcp(ENDS, b"x"));
    bench.receive(&udp(ENDS, b"xy"));
    bench.receive(&udp(ENDS, b"xy"));
    bench.receive(&ipv4(ENDS, 1, &[0; 8]));
    bench.receive(&[0xff; 60]);
    assert_eq!(bench.counted(tcp_count), (1, 14 + 20 + 20 + 1));
    assert_eq!(bench.counted(udp_count), (2, 2 * (14 + 20 + 8 + 2)));
    assert_eq!(bench.counted(ip_count), (1, 14 + 20 + 8));
    assert_eq!(bench.counted(any_count), (1, 60));
    assert_eq!(bench.device.steering.discarded, 0);
}

fn version(number: u8) -> FteMatchParam {
    param!(outer_headers: FteMatchSetLyr24 { ip_version: number })
}

trait Masked {
    fn masked(self) -> FteMatchParam;
}

impl Masked for FteMatchParam {
    /// The same with all bits of the IP version.
    fn masked(self) -> FteMatchParam {
        let mut outer = self.outer_headers();
        outer.set().ip_version(0xf);
        FteMatchParam::build().outer_headers(&outer).done()
    }
}

#[test]
fn what_misses_is_dropped_on_receive_and_leaves_on_transmit() {
    let mut bench = Bench::new();
    bench.receive(&udp(ENDS, b""));
    assert_eq!(bench.device.steering.discarded, 1, "no table at all");
    let table = bench.table(NIC_RX, 3, 0);
    bench.root(NIC_RX, table);
    bench.receive(&udp(ENDS, b""));
    assert_eq!(bench.device.steering.discarded, 2, "an empty table");
    let (next, counter) = sink(&mut bench, NIC_RX, 4);
    bench.run(modify_table(NIC_RX, table, Some(next)).as_bytes()).unwrap();
    bench.receive(&udp(ENDS, b""));
    assert_eq!((bench.device.steering.discarded, bench.counted(counter).0), (2, 1), "a miss that forwards");
    bench.run(modify_table(NIC_RX, table, None).as_bytes()).unwrap();
    bench.receive(&udp(ENDS, b""));
    assert_eq!((bench.device.steering.discarded, bench.counted(counter).0), (3, 1), "and no longer");
    let sent = bench.device.out.frames.len();
    bench.send(Transit::new(udp(ENDS, b"")));
    let table = bench.table(NIC_TX, 0, 0);
    bench.root(NIC_TX, table);
    bench.send(Transit::new(udp(ENDS, b"")));
    assert_eq!(bench.device.out.frames.len(), sent + 2);
}

#[test]
fn the_lowest_index_wins_whatever_order_entries_came_in() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_RX, 0, 3);
    bench.root(NIC_RX, table);
    let any = bench.group(NIC_RX, table, (4, 6), &FteMatchParam::default());
    let udp_only = bench.group(NIC_RX, table, (0, 3), &protocol(0xff).masked());
    let counters = [bench.counter(), bench.counter(), bench.counter()];
    entry(NIC_RX, table, any, 5).action(DROP).count(counters[2]).set(&mut bench).unwrap();
    entry(NIC_RX, table, any, 4).action(DROP).count(counters[1]).set(&mut bench).unwrap();
    entry(NIC_RX, table, udp_only, 2)
        .value(&protocol(17))
        .action(DROP)
        .count(counters[0])
        .set(&mut bench)
        .unwrap();
    let mut expected = [0; 3];
    for (deleted, winner) in [(None, 0), (Some(2), 1), (Some(4), 2)] {
        if let Some(index) = deleted {
            bench.run(delete_entry(NIC_RX, table, index).as_bytes()).unwrap();
        }
        bench.receive(&udp(ENDS, b""));
        expected[winner] += 1;
        assert_eq!(counters.map(|counter| bench.counted(counter).0), expected);
    }
}

/// Register A is what the WQE carries; entries can ask for single bits of it, and for the SQ.
#[test]
fn transmit_matches_on_register_a_and_the_send_queue() {
    let mut bench = Bench::new();
    let table = bench.table(NIC_TX, 0, 3);
    bench.root(NIC_TX, table);
    let marked = param!(misc_parameters_2: FteMatchSetMisc2 { metadata_reg_a: 1 << 23 });
    let from = |sqn| param!(misc_parameters: FteMatchSetMisc { source_sqn: sqn });
    let by_mark = bench.group(NIC_TX, table, (0, 1), &marked);
    let by_queue = bench.group(NIC_TX, table, (2, 3), &from(0xff_ffff));
    let (dropped, allowed) = (bench.counter(), bench.counter());
    entry(NIC_TX, table, by_mark, 0).value(&marked).action(DROP).count(dropped).set(&mut bench).unwrap();
    entry(NIC_TX, table, by_queue, 2).value(&from(7)).action(ALLOW).count(allowed).set(&mut bench).unwrap();
    let before = bench.device.out.frames.len();
    for (reg_a, source_sqn) in [(1 << 23 | 5, 7), (5, 7), (5, 8)] {
        bench.send(Transit { reg_a, source_sqn, ..Transit::new(udp(ENDS, b"")) });
    }
    assert_eq!((bench.counted(dropped).0, bench.counted(allowed).0), (1, 1));
    assert_eq!(bench.device.out.frames.len(), before + 2);
}

/// With `ignore_flow_level` tables can lead to one another; the packet does not go round for ever.
#[test]
fn a_loop_of_tables_ends() {
    let mut bench = Bench::new();
    let tables = [bench.table(NIC_RX, 0, 0), bench.table(NIC_RX, 0, 0)];
    bench.root(NIC_RX, tables[0]);
    let counter = bench.counter();
    for (table, next) in [(tables[0], tables[1]), (tables[1], tables[0])] {
        let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
        let round = entry(NIC_RX, table, group, 0).forward(next).count(counter);
        let round = round.with(|entry| {
            entry.head.set().ignore_flow_level(true);
        });
        round.set(&mut bench).unwrap();
    }
    bench.receive(&udp(ENDS, b""));
    assert_eq!(bench.counted(counter).0, 1024);
    assert_eq!(bench.device.log().refused().filter(|refused| refused.what == "flow table loop").count(), 1);
}

#[test]
fn several_destinations_get_a_copy_each() {
    let mut bench = Bench::new();
    let sinks = [sink(&mut bench, NIC_RX, 1), sink(&mut bench, NIC_RX, 1)];
    let table = bench.table(NIC_RX, 0, 0);
    bench.root(NIC_RX, table);
    let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
    entry(NIC_RX, table, group, 0).forward(sinks[0].0).forward(sinks[1].0).set(&mut bench).unwrap();
    bench.receive(&udp(ENDS, b"abc"));
    assert_eq!(sinks.map(|(_, counter)| bench.counted(counter)), [(1, 45), (1, 45)]);
}

/// Entries change in place: what the mask names and nothing else.
#[test]
fn an_entry_changes_in_place() {
    let mut bench = Bench::new();
    let (first, first_count) = sink(&mut bench, NIC_RX, 1);
    let (second, second_count) = sink(&mut bench, NIC_RX, 1);
    let table = bench.table(NIC_RX, 0, 0);
    bench.root(NIC_RX, table);
    let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
    let counter = bench.counter();
    let base = entry(NIC_RX, table, group, 0);
    base.clone().forward(first).count(counter).set(&mut bench).unwrap();
    bench.receive(&udp(ENDS, b""));
    // Destinations only: the counter stays although the command has none.
    base.clone().forward(second).modify(1 << 2).set(&mut bench).unwrap();
    bench.receive(&udp(ENDS, b""));
    let counts = [first_count, second_count, counter].map(|counter| bench.counted(counter).0);
    assert_eq!(counts, [1, 1, 2]);
    // The first table is no longer referred to, the second one is.
    assert!(bench.device.links.count((crate::objects::Kind::FlowTable, first)) == 0);
    assert!(bench.device.links.count((crate::objects::Kind::FlowTable, second)) == 1);
}

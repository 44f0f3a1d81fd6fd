//! WQEs as they lie in the ring, and what CQEs, sound and otherwise, make of the packets that are lent.

use super::*;
use crate::cq::Compression;
use crate::hal::{DmaExt, Function as _};
use crate::prm::{Cqe64, WqeCtrlSeg, WqeDataSeg, WqeEthSeg};
use crate::testing::{Machine, Registers};
use net::{Fill, Packet, Pool};
use std::vec::Vec;

const UAR: Uar = Uar { page: 1, log_bf_reg_size: 9 };
const ALL: Abilities = Abilities {
    enhanced: true,
    min_inline: 0,
    max_lso: 1 << 18,
    checksums: true,
    vlan: true,
    inside: (true, true),
};

struct Rig {
    machine: Machine,
    bar: Registers,
    sq: Sq<Machine>,
    pool: Pool,
    /// CQEs written.
    completions: u32,
}

fn rig(log_size: u8, abilities: Abilities) -> Rig {
    let mut machine = Machine::new();
    let bar = machine.map_bar(0).unwrap();
    let ring = Ring::new(&machine, log_size).unwrap();
    let cq = Cq::new(&machine, log_size, UAR, Compression::Off).unwrap();
    let sq = Sq::new(ring, cq, 0x1000, 0x55, UAR, abilities);
    Rig { machine, bar, sq, pool: Pool::new(64), completions: 0 }
}

impl Rig {
    fn packet(&self, length: usize) -> Packet {
        let mut packet = self.pool.take().unwrap();
        packet.append(length).unwrap().fill(0x5a);
        packet
    }

    fn send(&mut self, packets: impl IntoIterator<Item = Packet>) -> usize {
        let mut burst: Burst = packets.into_iter().collect();
        self.sq.post(&self.machine, &self.bar, &mut burst)
    }

    /// The WQE at `block`: opcode, segments, whether it asks for a CQE, Ethernet segment, lengths of its packets.
    fn wqe(&self, block: usize) -> (u8, u8, u8, WqeEthSeg, Vec<u32>) {
        let size = self.sq.ring.size() as usize * 64;
        let segment = |at: usize| self.sq.ring.memory().get::<16>((block * 64 + at * 16) % size);
        let control = WqeCtrlSeg::copy_from(&segment(0));
        assert_eq!((control.qpn(), usize::from(control.wqe_index())), (0x1000, block));
        let data = (2..usize::from(control.ds())).map(|at| WqeDataSeg::copy_from(&segment(at)));
        let lengths = data.inspect(|data| assert_eq!(data.lkey(), 0x55)).map(|data| data.byte_count());
        let ethernet = WqeEthSeg::copy_from(&segment(1));
        (control.opcode(), control.ds(), control.ce(), ethernet, lengths.collect())
    }

    fn counter(&self) -> u32 {
        self.sq.ring.memory().word(self.sq.ring.size() as usize * 64 + 4)
    }

    /// The device says that the WQE at `index` is done.
    fn complete(&mut self, index: u16) {
        self.write(Cqe64::build().opcode(0).wqe_counter(index).done());
    }

    fn write(&mut self, mut cqe: Cqe64) {
        let ring = self.sq.cq.ring();
        cqe.set().owner(ring.lap(self.completions) == 1);
        let entry = ring.entry(self.completions).unwrap();
        for (word, bytes) in entry.iter().zip(cqe.as_bytes().as_chunks::<4>().0) {
            word.store(u32::from_ne_bytes(*bytes), Relaxed);
        }
        self.completions += 1;
        self.sq.reap();
    }
}

#[test]
fn a_single_packet_goes_along_with_its_doorbell() {
    let mut rig = rig(4, ALL);
    assert_eq!(rig.send([rig.packet(60)]), 1);
    assert_eq!(rig.wqe(0), (0x0a, 3, 2, WqeEthSeg::default(), std::vec![60]));
    assert_eq!(rig.counter(), 1);
    // 64 bytes as eight pairs, to the first half of the register; the next one to the second.
    rig.send([rig.packet(60)]);
    let written = rig.bar.0.borrow();
    let places: Vec<_> = written.iter().map(|(at, _)| *at).collect();
    let expected: Vec<_> = (0..8).map(|at| 0x1800 + 8 * at).chain((0..8).map(|at| 0x1900 + 8 * at)).collect();
    assert_eq!(places, expected);
    assert_eq!(written[0].1, [0x0a, 0x1000 << 8 | 3]);
}

#[test]
fn a_burst_is_one_wqe_and_one_doorbell() {
    let mut rig = rig(5, ALL);
    assert_eq!(rig.send((0..32).map(|n| rig.packet(60 + n)).collect::<Vec<_>>()), 32);
    let (opcode, segments, signalled, _, lengths) = rig.wqe(0);
    assert_eq!((opcode, segments, signalled), (0x29, 34, 2));
    assert_eq!(lengths, (60..92).collect::<Vec<_>>());
    assert_eq!(rig.counter(), 9);
    assert_eq!(*rig.bar.0.borrow(), [(0x1800, std::vec![0x29, 0x1000 << 8 | 34])]);
}

#[test]
fn only_packets_with_the_same_offloads_share_a_wqe() {
    let mut rig = rig(5, ALL);
    let mut packets: Vec<_> = (0..5).map(|_| rig.packet(100)).collect();
    for packet in &mut packets[1..4] {
        packet.meta.fill = Fill::ALL;
    }
    packets[3].meta.vlan = Some(0x2064);
    rig.send(packets);
    assert_eq!([0, 1, 2, 3].map(|block| rig.wqe(block).0), [0x0a, 0x29, 0x0a, 0x0a]);
    assert_eq!([0, 1, 2, 3].map(|block| rig.wqe(block).2), [0, 0, 0, 2]);
    let checksums = WqeEthSeg::build().l3_csum(true).l4_csum(true);
    assert_eq!(rig.wqe(2).3, checksums.inline_hdr_sz(0x8000).inline_hdr_start(0x2064).done());
    rig.complete(3);
    assert_eq!((rig.sq.outstanding(), rig.pool.available()), (0, 64));
}

#[test]
fn without_the_capability_each_packet_has_a_wqe() {
    let mut rig = rig(5, Abilities { enhanced: false, ..ALL });
    rig.send((0..4).map(|_| rig.packet(60)).collect::<Vec<_>>());
    assert_eq!(
        [0, 1, 2, 3].map(|block| (rig.wqe(block).0, rig.wqe(block).2)),
        [(10, 0), (10, 0), (10, 0), (10, 2)]
    );
}

#[test]
fn the_ring_is_used_round_and_round_and_never_overrun() {
    let mut rig = rig(3, ALL);
    let mut counter = 0u16;
    for _ in 0..20 {
        // A burst of five is two blocks; there is room for eight packets.
        assert_eq!(rig.send((0..5).map(|_| rig.packet(60)).collect::<Vec<_>>()), 5);
        assert_eq!(rig.send((0..5).map(|_| rig.packet(60)).collect::<Vec<_>>()), 3);
        assert_eq!(rig.send([rig.packet(60)]), 0);
        let last = counter + 2;
        counter = last + 2;
        rig.complete(last);
        assert_eq!((rig.sq.outstanding(), rig.pool.available()), (0, 64));
        assert_eq!(rig.counter(), u32::from(counter));
    }
    assert_eq!(rig.sq.counters().strange, 0);
}

#[test]
fn a_lost_completion_is_made_good_by_the_next() {
    let mut rig = rig(4, ALL);
    rig.send([rig.packet(60)]);
    rig.send([rig.packet(60)]);
    rig.complete(1);
    assert_eq!((rig.sq.outstanding(), rig.pool.available()), (0, 64));
}

#[test]
fn numbers_that_cannot_be_change_nothing() {
    let mut rig = rig(4, ALL);
    rig.send([rig.packet(60)]);
    rig.complete(0);
    rig.send([rig.packet(60), rig.packet(61)]);
    rig.send([rig.packet(62)]);
    // Done before; never posted; not asked for; of another round.
    for wild in [0, 3, 0xffff, 0x8001, 17] {
        rig.complete(wild);
        assert_eq!((rig.sq.outstanding(), rig.sq.counters().strange > 0), (3, true), "{wild}");
    }
    rig.write(Cqe64::build().opcode(2).done());
    rig.write(Cqe64::build().opcode(7).done());
    assert_eq!(rig.sq.counters().strange, 7);
    rig.complete(2);
    assert_eq!((rig.sq.outstanding(), rig.pool.available()), (0, 64));
}

#[test]
fn after_an_error_nothing_is_sent_and_nothing_is_lost() {
    let mut rig = rig(4, ALL);
    rig.send([rig.packet(60), rig.packet(60)]);
    rig.write(Cqe64::build().opcode(13).wqe_counter(0).done());
    assert!(rig.sq.failure().is_some());
    let mut burst: Burst = [rig.packet(60)].into_iter().collect();
    assert_eq!(rig.sq.post(&rig.machine, &rig.bar, &mut burst), 0);
    assert_eq!((burst.len(), rig.sq.outstanding()), (1, 2));
    rig.sq.clear();
    assert_eq!((rig.sq.outstanding(), rig.sq.counters().drops, rig.counter()), (0, 2, 0));
    assert_eq!(rig.sq.post(&rig.machine, &rig.bar, &mut burst), 1);
    assert_eq!(rig.wqe(0).0, 0x0a);
}

/// A TCP frame with `payload` bytes.
fn tcp(rig: &Rig, payload: usize) -> Packet {
    let mut packet = rig.packet(54 + payload);
    let bytes = packet.bytes_mut();
    bytes[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    bytes[20..24].copy_from_slice(&[0, 0, 64, 6]);
    bytes[46] = 0x50;
    packet
}

#[test]
fn what_is_cut_has_its_headers_in_the_wqe() {
    let mut rig = rig(5, ALL);
    let mut packet = tcp(&rig, 1400);
    packet.meta.segment = Some(500);
    packet.meta.vlan = Some(0x0064);
    rig.send([packet]);
    let segment = |at: usize| rig.sq.ring.memory().get::<16>(at * 16);
    let control = WqeCtrlSeg::copy_from(&segment(0));
    // 58 bytes of headers with the tag: 2 in the Ethernet segment, 56 in four more.
    assert_eq!((control.opcode(), control.ds()), (0x0e, 7));
    let ethernet = WqeEthSeg::build().l3_csum(true).l4_csum(true).mss(500).inline_hdr_sz(58);
    assert_eq!(WqeEthSeg::copy_from(&segment(1)), ethernet.inline_hdr_start(0x5a5a).done());
    assert_eq!(segment(2)[10..16], [0x81, 0, 0, 0x64, 8, 0]);
    assert_eq!(segment(5)[8..], [0; 8]);
    let data = WqeDataSeg::copy_from(&segment(6));
    assert_eq!((data.byte_count(), data.addr() & 0xfff), (1400, 54));
    assert_eq!(rig.counter(), 2);
}

#[test]
fn what_the_device_cannot_do_is_not_sent() {
    let mut rig = rig(5, Abilities { max_lso: 1000, ..ALL });
    let mut too_long = tcp(&rig, 1400);
    too_long.meta.segment = Some(500);
    let mut endless = tcp(&rig, 900);
    endless.meta.segment = Some(0);
    let mut no_tcp = rig.packet(1000);
    no_tcp.meta.segment = Some(500);
    let mut protected = rig.packet(100);
    protected.meta.sa_out = Some(1);
    let runt = rig.packet(13);
    assert_eq!(rig.send([too_long, endless, no_tcp, protected, runt]), 5);
    assert_eq!((rig.sq.counters().drops, rig.sq.counters().frames, rig.pool.available()), (5, 0, 64));
    assert!(rig.bar.0.borrow().is_empty());
}

#[test]
fn headers_go_inline_where_the_device_wants_them() {
    for (mode, headers) in [(1, 14), (2, 54), (3, 54)] {
        let mut rig = rig(5, Abilities { min_inline: mode, ..ALL });
        rig.send([tcp(&rig, 100), rig.packet(14)]);
        let segment = |at: usize| rig.sq.ring.memory().get::<16>(at * 16);
        assert_eq!(WqeCtrlSeg::copy_from(&segment(0)).opcode(), 0x0a);
        assert_eq!(WqeEthSeg::copy_from(&segment(1)).inline_hdr_sz(), headers);
        let at = 2 + (usize::from(headers) - 2).div_ceil(16);
        let data = WqeDataSeg::copy_from(&segment(at));
        assert_eq!((data.byte_count(), data.addr() & 0xfff), (154 - u32::from(headers), headers.into()));
        // The second one is all header.
        let next = (at + 1).div_ceil(4) * 4;
        assert_eq!(WqeCtrlSeg::copy_from(&segment(next)).ds(), 3);
    }
}

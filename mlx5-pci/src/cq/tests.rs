//! CQEs as a device writes them, sound and otherwise.

use super::*;
use crate::hal::DmaExt;
use crate::prm::MiniCqe8;
use crate::testing::{Machine, Words};
use std::vec::Vec;

const UAR: Uar = Uar { page: 2, log_bf_reg_size: 9 };

fn cq(log_size: u8, compression: Compression) -> Cq<Words> {
    Cq::new(&Machine::new(), log_size, UAR, compression).unwrap()
}

/// Writes `cqe` where `counter` points, as the device does: with the owner bit of that round.
fn write(cq: &Cq<Words>, counter: u32, mut cqe: Cqe64) {
    cqe.set().owner(cq.ring.lap(counter) == 1);
    put(cq, counter, cqe.as_bytes());
}

fn put(cq: &Cq<Words>, counter: u32, bytes: &[u8; 64]) {
    let entry = cq.ring.entry(counter).unwrap();
    for (word, bytes) in entry.iter().zip(bytes.as_chunks::<4>().0) {
        word.store(u32::from_ne_bytes(*bytes), core::sync::atomic::Ordering::Relaxed);
    }
}

fn packet(counter: u16, bytes: u32) -> Cqe64 {
    Cqe64::build().opcode(2).wqe_counter(counter).byte_cnt(bytes).done()
}

fn drain(cq: &mut Cq<Words>) -> Vec<(u16, u32)> {
    core::iter::from_fn(|| cq.next())
        .map(|completion| match completion {
            Completion::Received(packet) => (packet.counter, packet.bytes),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn an_empty_queue_has_nothing_on_any_round() {
    let mut cq = cq(2, Compression::Off);
    assert_eq!(cq.next(), None);
    for round in 0..3u16 {
        for at in 0..4 {
            let counter = u32::from(round) * 4 + at;
            assert_eq!(cq.next(), None, "{counter}");
            write(&cq, counter, packet(at as u16, 60));
            assert_eq!(drain(&mut cq), [(at as u16, 60)]);
        }
    }
}

#[test]
fn fields_are_read_from_their_rows() {
    let mut cq = cq(2, Compression::Off);
    let cqe = Cqe64::build()
        .opcode(2)
        .wqe_counter(7)
        .wqe_id(3)
        .byte_cnt(1514)
        .outer_l3_tunneled(true)
        .rss_hash_result(0x1122_3344)
        .hds_ip_ext(7)
        .l4_l3_hdr_type(0x49)
        .vlan_info(0x2064)
        .ft_metadata(0x8000_0007)
        .sop_drop_qpn(0xaa_bbcc)
        .srqn(4 << 24)
        .done();
    write(&cq, 0, cqe);
    let expected = Received {
        counter: 7,
        wqe: 3,
        bytes: 1514,
        hash: 0x1122_3344,
        headers: 0x0749_2064,
        tunneled: true,
        metadata: 0x8000_0007,
        tag: 0xaa_bbcc,
        segments: 4 << 24,
    };
    assert_eq!(cq.next(), Some(Completion::Received(expected)));
    write(&cq, 1, Cqe64::build().opcode(0).wqe_counter(9).done());
    assert_eq!(cq.next(), Some(Completion::Sent(9)));
    let error = ErrCqe::build().opcode(13).wqe_counter(5).syndrome(4).vendor_err_synd(0x5e).done();
    write(&cq, 2, Cqe64::copy_from(error.as_bytes()));
    let failure = Failure { request: true, counter: 5, wqe: 0, syndrome: 4, vendor: 0x5e };
    assert_eq!(cq.next(), Some(Completion::Failed(failure)));
    write(&cq, 3, Cqe64::build().opcode(9).done());
    assert_eq!(cq.next(), Some(Completion::Nonsense));
}

/// The device does not wait between the two looks of a receive queue.
#[test]
fn a_packet_that_comes_between_two_looks_is_not_lost() {
    let mut cq = cq(2, Compression::Off);
    assert_eq!(cq.packet(), None);
    write(&cq, 0, packet(0, 60));
    assert_eq!(cq.other(), Some(Completion::Packets));
    assert_eq!(cq.packet().map(|packet| packet.bytes), Some(60));
    assert_eq!(cq.other(), None);
}

/// Formats that nobody has asked for, as packets within CQEs are.
#[test]
fn a_packet_of_another_format_is_nonsense() {
    let mut cq = cq(2, Compression::Off);
    for format in [1, 2] {
        let mut cqe = packet(0, 60);
        cqe.set().format(format);
        write(&cq, u32::from(format) - 1, cqe);
        assert_eq!(cq.next(), Some(Completion::Nonsense));
    }
    assert_eq!(cq.next(), None);
}

/// Writes a block of `minis` at `at`, as the model's compressor and Linux's reader have it.
fn block(cq: &Cq<Words>, at: u32, title: Cqe64, minis: &[[u8; 8]]) {
    let mut title = title;
    title.set().byte_cnt(minis.len() as u32).format(3);
    for (index, part) in minis.chunks(8).enumerate() {
        let mut bytes = [0xaa; 64];
        bytes[..8 * part.len()].copy_from_slice(part.as_flattened());
        put(cq, at + if index == 0 { 1 } else { 8 * index as u32 }, &bytes);
    }
    write(cq, at, title);
}

fn mini(stride: u16, bytes: u32) -> [u8; 8] {
    *MiniCqe8Checksum::build().stridx(stride).byte_cnt(bytes).done().as_bytes()
}

#[test]
fn a_compressed_block_is_as_many_packets() {
    assert_eq!(MiniCqe8::SIZE, 8);
    let mut cq = cq(5, Compression::Counted);
    // Three rounds and more, so that what blocks leave behind would be taken for CQEs if it stayed.
    let mut at = 0;
    for (round, count) in [20u32, 9, 2, 32, 31, 17, 8, 30].into_iter().enumerate() {
        let minis: Vec<_> = (0..count).map(|n| mini(0, 60 + n)).collect();
        block(&cq, at, packet(100, 0), &minis);
        let expected: Vec<_> = (0..count).map(|n| (100 + n as u16, 60 + n)).collect();
        assert_eq!(drain(&mut cq), expected, "block {round}");
        at += count;
    }
    write(&cq, at, packet(3, 64));
    assert_eq!(drain(&mut cq), [(3, 64)]);
}

#[test]
fn only_the_title_s_packet_has_its_hash() {
    let mut cq = cq(4, Compression::Counted);
    let mut title = packet(0, 0);
    title.set().rss_hash_result(0x77).sop_drop_qpn(5);
    block(&cq, 0, title, &[mini(0, 60), mini(0, 61)]);
    let of = |completion| match completion {
        Some(Completion::Received(packet)) => (packet.hash, packet.tag),
        other => panic!("{other:?}"),
    };
    assert_eq!([of(cq.next()), of(cq.next())], [(0x77, 5), (0, 5)]);
}

#[test]
fn strides_are_counted_or_told() {
    let mut counted = cq(4, Compression::Counted);
    block(&counted, 0, packet(4, 0), &[mini(9, 0x2_0000 + 100), mini(9, 0x1_0000 + 60), mini(9, 0x1_0000)]);
    let places: Vec<_> = drain(&mut counted).iter().map(|(counter, _)| *counter).collect();
    assert_eq!(places, [4, 6, 7]);
    let mut told = cq(4, Compression::StrideIndex);
    block(&told, 0, packet(4, 0), &[mini(4, 0x1_0000), mini(9, 0x1_0000)]);
    let places: Vec<_> = drain(&mut told).iter().map(|(counter, _)| *counter).collect();
    assert_eq!(places, [4, 9]);
}

#[test]
fn a_block_of_an_unbelievable_size_is_nonsense() {
    for (compression, count) in [
        (Compression::Counted, 0),
        (Compression::Counted, 1),
        (Compression::Counted, 17),
        (Compression::Off, 2),
    ] {
        let mut cq = cq(4, compression);
        write(&cq, 0, Cqe64::build().opcode(2).format(3).byte_cnt(count).done());
        assert_eq!(cq.next(), Some(Completion::Nonsense), "{count}");
        assert_eq!(cq.next(), None);
    }
}

#[test]
fn arming_says_what_was_taken_and_looks_once_more() {
    let mut machine = Machine::new();
    let bar = crate::hal::Function::map_bar(&mut machine, 0).unwrap();
    let mut cq = cq(2, Compression::Off);
    cq.number = 0x400;
    write(&cq, 0, packet(0, 60));
    drain(&mut cq);
    assert!(cq.arm(&bar));
    cq.notified();
    write(&cq, 1, packet(1, 60));
    assert!(!cq.arm(&bar));
    let expected = [(0x2020, std::vec![1, 0x400]), (0x2020, std::vec![0x1000_0001, 0x400])];
    assert_eq!(*bar.0.borrow(), expected);
    assert_eq!(cq.ring.memory().word(256), 1);
    assert_eq!(cq.ring.memory().word(260), 0x1000_0001);
}

//! CQE compression, unpacked as a driver does.

use super::receive::udp;
use super::rig::{Rig, Ring, Work, segment};
use crate::queues::compress::Compressor;
use crate::queues::limits::Limits;
use crate::{Memory, Unmapped};
use core::cell::RefCell;
use core::time::Duration;
use mlx5_pci::prm::{Cqc, Cqe64, CqeOpcode, MiniCqe8Checksum};

struct Compressing {
    rig: Rig,
    cq: Ring,
    rq: Work,
    tir: u32,
}

fn setup(change: impl FnOnce(&mut Cqc)) -> Compressing {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let cq = rig.cq_with(eq.number, 5, |context| {
        context.set().cqe_comp_en(true).mini_cqe_res_format(1);
        change(context);
    });
    let mut rq = rig.rq(cq.number, 6, 4, |_| ());
    for _ in 0..64 {
        let at = rig.host.memory.alloc(256);
        let wqe = segment(rig.key, at, 256);
        rig.post_receive(&mut rq, 16, &wqe);
    }
    let tir = rig.tir(rq.number);
    Compressing { rig, cq, rq, tir }
}

impl Compressing {
    fn minis(&self, slot: u32) -> Vec<MiniCqe8Checksum> {
        let entry = self.rig.cqe_at(&self.cq, slot);
        entry.as_bytes().chunks(8).map(MiniCqe8Checksum::copy_from).collect()
    }

    /// Length and WQE of all packets, in the basic layout.
    fn unpack(&mut self) -> Vec<(u32, u16)> {
        let mut seen = Vec::new();
        loop {
            let at = self.cq.counter;
            let title = self.rig.cqe_at(&self.cq, at);
            let own = |cqe: &Cqe64| cqe.opcode() == 2 && cqe.owner() == (at >> 5 & 1 != 0);
            if !own(&title) {
                return seen;
            }
            if title.format() != 3 {
                seen.push((title.byte_cnt(), title.wqe_counter()));
                self.cq.counter += 1;
                continue;
            }
            let count = title.byte_cnt();
            for index in 0..count {
                let array = if index < 8 { 1 } else { index / 8 * 8 };
                let mini = &self.minis(at + array)[index as usize % 8];
                seen.push((mini.byte_cnt(), title.wqe_counter() + index as u16));
            }
            self.cq.counter += count;
        }
    }
}

#[test]
fn a_run_of_packets_is_one_block() {
    let mut t = setup(|_| ());
    for size in 1..=11 {
        t.rig.deliver(t.tir, &udp(1, size));
    }
    assert_eq!(t.unpack(), []);
    t.rig.host.advance(Duration::from_micros(8));
    let expected: Vec<_> = (0..11).map(|index| (43 + u32::from(index), index)).collect();
    assert_eq!(t.unpack(), expected);
    assert_eq!(t.cq.counter, 11);
    let _ = t.rq.number;
}

#[test]
fn another_kind_of_packet_ends_a_block() {
    let mut t = setup(|_| ());
    t.rig.deliver(t.tir, &udp(1, 1));
    t.rig.deliver(t.tir, &udp(1, 2));
    let mut other = udp(1, 3);
    other[12] = 0x88;
    t.rig.deliver(t.tir, &other);
    assert_eq!(t.unpack(), [(43, 0), (44, 1)]);
    t.rig.host.advance(Duration::from_micros(100));
    assert_eq!(t.unpack(), [(45, 2)]);
    assert_eq!(t.cq.counter, 3);
}

#[test]
fn the_enhanced_layout_refers_to_the_cqe_before() {
    let mut t = setup(|context| {
        context.set().cqe_compression_layout(1);
    });
    for size in 1..=9 {
        t.rig.deliver(t.tir, &udp(1, size));
    }
    t.rig.host.advance(Duration::from_micros(100));
    let title = t.rig.cqe_at(&t.cq, 0);
    assert_eq!((title.opcode(), title.format(), title.byte_cnt(), title.signature()), (2, 0, 43, 0));
    let block = t.rig.cqe_at(&t.cq, 1);
    // Seven packets, and then one more in the next block.
    assert_eq!((block.opcode(), block.format(), block.signature()), (6, 3, 0));
    assert_eq!(
        t.minis(1)[..7].iter().map(|mini| mini.byte_cnt()).collect::<Vec<_>>(),
        [44, 45, 46, 47, 48, 49, 50]
    );
    let block = t.rig.cqe_at(&t.cq, 8);
    assert_eq!((block.opcode(), block.format(), t.minis(8)[0].byte_cnt()), (0, 3, 51));
    assert_eq!(t.rig.cqe_at(&t.cq, 9).signature(), 0xff);
}

/// Memory that notes where it is written.
struct Noting<'memory> {
    memory: &'memory dyn Memory,
    written: RefCell<Vec<u64>>,
}

impl Memory for Noting<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        self.memory.read(address, into)
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        self.written.borrow_mut().push(address);
        self.memory.write(address, from)
    }
}

#[test]
fn the_title_is_written_last_and_its_owner_after_all_else() {
    let mut t = setup(|_| ());
    for size in 1..=9 {
        t.rig.deliver(t.tir, &udp(1, size));
    }
    let arena = t.rig.host.memory.clone();
    let noting = Noting { memory: &arena, written: RefCell::default() };
    t.rig.host.device.advance(&noting, Duration::from_micros(100));
    let written: Vec<u64> = noting.written.borrow().iter().map(|at| at - t.cq.buffer).collect();
    assert_eq!(written, [8 * 64, 8 * 64 + 63, 64, 64 + 63, 0, 63]);
}

#[test]
fn blocks_are_owned_lap_by_lap() {
    for layout in [0, 1] {
        let mut t = setup(|context| {
            context.set().cqe_compression_layout(layout);
        });
        let mut now = Duration::ZERO;
        for round in 0..25u32 {
            for size in 1..=4 {
                let at = t.rig.host.memory.alloc(256);
                let wqe = segment(t.rig.key, at, 256);
                t.rig.deliver(t.tir, &udp(1, size));
                t.rig.post_receive(&mut t.rq, 16, &wqe);
            }
            now += Duration::from_micros(100);
            t.rig.host.advance(now);
            if layout == 0 {
                assert_eq!(t.unpack().len(), 4);
            } else {
                let lap = |counter: u32| (counter >> 5) as u8;
                let place = if round == 0 { 1 } else { 4 * round };
                let block = t.rig.cqe_at(&t.cq, place);
                assert_eq!((block.format(), block.signature()), (3, lap(place)), "{round}");
                t.cq.counter = 4 * round + 4;
            }
            t.rig.host.memory.put(t.cq.record, &t.cq.counter.to_be_bytes());
        }
    }
}

#[test]
fn without_stride_indices_places_have_to_follow_one_another() {
    let limits = Limits { cqe_compression: true, mini_cqe_resp_stride_index: true, ..Limits::default() };
    let cqe = |counter, strides: u32| {
        let opcode = CqeOpcode::RESP_SEND.0;
        Cqe64::build().opcode(opcode).wqe_counter(counter).byte_cnt(strides << 16 | 60).done()
    };
    for (format, expected) in [(1, [true, false, true, false]), (3, [true; 4])] {
        let mut compressor = Compressor::new(limits, format, 0).expect("a format");
        compressor.keep(cqe(4, 0), Duration::ZERO);
        let mut taken = vec![compressor.takes(&cqe(5, 0)), compressor.takes(&cqe(6, 0))];
        compressor.take();
        compressor.keep(cqe(4, 3), Duration::ZERO);
        taken.extend([compressor.takes(&cqe(7, 1)), compressor.takes(&cqe(5, 1))]);
        assert_eq!(taken, expected, "{format}");
    }
}

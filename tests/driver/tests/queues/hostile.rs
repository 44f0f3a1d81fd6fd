//! A device that lies: rings are overwritten with noise and with CQEs that look right and are not, while traffic goes on.
//! Nothing panics, nothing is read or written out of range, and when all is taken down every buffer is back.

use super::frames::udp;
use super::rig::{ALL, BUFFERS, Rig, machine, plain};
use super::witness::{Witness, scribble};
use core::time::Duration;
use mlx5_driver_tests::Machine;
use mlx5_pci::prm::{Cqe64, ErrCqe};
use mlx5_pci::queues::Settings;

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// A CQE with some fields that can be and some that cannot.
fn lie(random: &mut Random) -> Cqe64 {
    let owner = random.next() & 1 == 1;
    let counter = match random.below(3) {
        0 => random.next() as u16,
        1 => random.next() as u16 & 0xff,
        _ => 0,
    };
    if random.below(4) == 0 {
        let opcode = 13 + random.below(2) as u8;
        let error =
            ErrCqe::build().opcode(opcode).syndrome(random.next() as u8).wqe_counter(counter).owner(owner);
        return Cqe64::copy_from(error.done().as_bytes());
    }
    Cqe64::build()
        .opcode(if random.below(6) == 0 { random.below(16) as u8 } else { 2 * random.below(2) as u8 })
        .format(if random.below(4) == 0 { 3 } else { 0 })
        .wqe_counter(counter)
        .wqe_id(if random.below(4) == 0 { random.next() as u16 } else { random.below(4) as u16 })
        .byte_cnt(match random.below(4) {
            0 => random.next() as u32,
            1 => 0x1_0000 + random.below(2048) as u32,
            2 => random.below(64) as u32,
            _ => 1514,
        })
        .sop_drop_qpn(random.next() as u32 & 0xff_ffff)
        .owner(owner)
        .done()
}

/// Traffic while rings change under the driver; nothing may be lost for good.
fn survives(capabilities: &[(&str, u64)], settings: &Settings, seed: u64) {
    let machine = machine(capabilities);
    let (function, blocks) = Witness::new(&machine);
    let before = blocks.borrow().len();
    let mut rig = Rig::on(machine.clone(), function, settings);
    // The command interface comes first: its own lies are told elsewhere. Rings are the blocks that queues have asked for.
    let rings: Vec<_> =
        blocks.borrow()[before..].iter().copied().filter(|(_, bytes)| *bytes % 4096 == 64).collect();
    assert!(rings.len() >= 5, "{rings:x?}");
    let mut random = Random(seed | 1);
    for _ in 0..60 {
        let frames: Vec<_> = (0..20).map(|n| udp(n, &[n as u8; 60])).collect();
        rig.arrive(&frames);
        for _ in 0..random.below(8) {
            let (iova, bytes) = rings[random.below(rings.len())];
            let entry = iova + 64 * random.below(bytes / 64) as u64;
            if random.below(2) == 0 {
                scribble(&machine, entry + 4 * random.below(16) as u64, random.next() as u32);
            } else {
                for (at, word) in lie(&mut random).as_bytes().as_chunks::<4>().0.iter().enumerate() {
                    scribble(&machine, entry + 4 * at as u64, u32::from_be_bytes(*word));
                }
            }
        }
        let held = rig.received();
        let packets: Vec<_> = (0..8)
            .filter_map(|_| rig.pool.take())
            .map(|mut packet| {
                let _ = packet.append(60);
                packet
            })
            .collect();
        rig.send(packets);
        let bar = rig.device.commands().bar().clone();
        rig.queues.channels()[0].arm(&bar);
        machine.pass(Duration::from_millis(1));
        drop(held);
        if random.below(4) == 0 {
            rig.repair();
        }
    }
    assert_eq!(rig.tear_down().available(), BUFFERS, "seed {seed}");
}

#[test]
fn noise_in_the_rings() {
    let striding = Settings { striding: true, compression: true, log_receive: 7, ..plain() };
    let compressed = Settings { compression: true, ..plain() };
    for seed in 1..=12 {
        survives(&[], &plain(), seed * 0x9e37_79b9);
        survives(ALL, &compressed, seed * 0x85eb_ca6b);
        survives(ALL, &striding, seed * 0xc2b2_ae35);
    }
}

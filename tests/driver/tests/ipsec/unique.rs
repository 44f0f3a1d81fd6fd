//! No key ever meets the same IV twice, and no SA the same number: over many packets, SAs that come and go, events that are
//! served late, resets. Seen at the wire.

use super::case::{Case, Way};
use super::esp::Cipher;
use super::rig::Rig;
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::ipsec::{Family, Handle, Install, Key, Secret};
use net::{Burst, Nic};
use std::collections::{BTreeMap, HashSet};

const PACKETS: usize = if cfg!(debug_assertions) { 60_000 } else { 1_200_000 };
/// Pairs of peers, of which each has an SA at any time.
const PLACES: usize = 12;

/// xorshift64*, Vigna 2016.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize % bound
    }
}

/// An SA as the wire knows it.
struct Known {
    cipher: Cipher,
    case: Case,
    /// The number that is to come next.
    next: u64,
}

#[derive(Default)]
struct Wire {
    /// By key: keys are never used again, SPIs are.
    known: BTreeMap<u32, (usize, Known)>,
    keys: usize,
    ivs: HashSet<(usize, [u8; 8])>,
    numbers: HashSet<(usize, u64)>,
    packets: usize,
}

impl Wire {
    fn see(&mut self, frame: &[u8]) {
        let v6 = frame[12..14] == [0x86, 0xdd];
        let header = if v6 { 40 } else { 20 };
        let esp = &frame[14 + header..];
        let spi = u32::from_be_bytes(esp[..4].try_into().unwrap());
        let (key, known) = self.known.get_mut(&spi).unwrap_or_else(|| panic!("nobody has SPI {spi:#x}"));
        let inside = known.cipher.open((known.next >> 32) as u32, esp);
        let inside = inside.unwrap_or_else(|| panic!("{:?} number {:#x}", known.case, known.next));
        assert_eq!(inside.number, known.next as u32, "in order, none left out");
        assert!(self.ivs.insert((*key, inside.iv)), "an IV came again");
        assert!(self.numbers.insert((*key, known.next)), "a number came again");
        known.next += 1;
        self.packets += 1;
    }
}

/// A fresh SA for a place, under a key that none had before.
fn fresh(wire: &mut Wire, random: &mut Random, place: usize) -> Install {
    wire.keys += 1;
    let ways = [Way::Transport, Way::Card(Family::V4), Way::Software(Family::V6), Way::Card(Family::V6)];
    let family = if place.is_multiple_of(2) { Family::V4 } else { Family::V6 };
    let case = Case { way: ways[place % 4], family, ..Case::PLAIN };
    let mut sa = case.sends();
    let mut key = [0x5a; 16];
    key[..8].copy_from_slice(&wire.keys.to_be_bytes());
    sa.secret = Secret { key: Key::Aes128(key), salt: Case::SALT };
    // Some begin shortly before a crossing.
    let start = [1, 1, (1 << 31) - 50, (1 << 32) - 50, (3 << 32) - 200][random.below(5)];
    (sa.spi, sa.sequence) = (0x1000 + place as u32, start);
    let known = Known { cipher: Cipher::new(&key, Case::SALT, true), case, next: start };
    wire.known.insert(sa.spi, (wire.keys, known));
    sa
}

fn burst(rig: &mut Rig, handle: Handle, frame: &[u8], count: usize) {
    let mut burst = Burst::new();
    for _ in 0..count {
        let mut packet = rig.packet(frame);
        packet.meta.sa_out = Some(handle.bits());
        let _ = burst.push(packet);
    }
    rig.nic.tx(&mut burst);
}

#[test]
fn nothing_comes_twice() {
    let mut rig = Rig::new();
    let (mut wire, mut random) = (Wire::default(), Random(0x1234_5678_9abc_def1));
    let mut places: Vec<(Handle, Vec<u8>)> = Vec::new();
    let install = |rig: &mut Rig, wire: &mut Wire, random: &mut Random, place: usize| {
        let sa = fresh(wire, random, place);
        let case = wire.known[&sa.spi].1.case;
        (rig.install(&sa), case.given(&case.packet(true, 40)))
    };
    for place in 0..PLACES {
        places.push(install(&mut rig, &mut wire, &mut random, place));
    }
    let (mut retired, mut resets) = (Vec::new(), 0);
    while wire.packets < PACKETS {
        let place = random.below(PLACES);
        match random.below(400) {
            0..4 => {
                // Its last packets are on their way, and the SPI goes on with another key.
                let (handle, frame) = places[place].clone();
                burst(&mut rig, handle, &frame, 5);
                rig.machine.sent().iter().for_each(|frame| wire.see(frame));
                rig.nic.retire(handle).unwrap();
                burst(&mut rig, handle, &frame, 5);
                assert_eq!(rig.machine.sent(), Vec::<Vec<u8>>::new());
                retired.push((handle, frame));
                places[place] = install(&mut rig, &mut wire, &mut random, place);
            }
            4 if random.below(4) == 0 => {
                let all = core::mem::take(&mut places);
                rig.machine.inject(Fault::HealthFatal { syndrome: 1 });
                assert!(rig.nic.poll().is_err());
                all.iter().for_each(|(handle, frame)| burst(&mut rig, *handle, frame, 3));
                rig.nic.recover().unwrap();
                for place in 0..PLACES {
                    places.push(install(&mut rig, &mut wire, &mut random, place));
                }
                all.iter().for_each(|(handle, frame)| burst(&mut rig, *handle, frame, 3));
                retired.extend(all);
                resets += 1;
            }
            5 => {
                // A name of long ago.
                if let Some((handle, frame)) = retired.get(random.below(retired.len().max(1))).cloned() {
                    burst(&mut rig, handle, &frame, 3);
                }
            }
            6..20 => {
                rig.events();
            }
            _ => {
                let (handle, frame) = places[place].clone();
                let count = 1 + random.below(32);
                burst(&mut rig, handle, &frame, count);
            }
        }
        rig.machine.sent().iter().for_each(|frame| wire.see(frame));
        rig.nic.arm();
    }
    println!("{} packets under {} keys, {resets} resets", wire.packets, wire.keys);
    assert_eq!((wire.ivs.len(), wire.numbers.len()), (wire.packets, wire.packets));
    assert!(wire.keys > 30 && resets > 0, "{} keys, {resets} resets", wire.keys);
    let names: HashSet<Handle> = retired.iter().map(|(handle, _)| *handle).collect();
    assert_eq!(names.len(), retired.len(), "names are not used again");
    assert_eq!(rig.machine.misuse(), Vec::<String>::new());
    rig.close();
}

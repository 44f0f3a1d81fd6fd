//! Everybody rekeys at once: ten thousand SAs are replaced while packets pass under all of them, and none is lost.

use super::case::Case;
use super::rig::Rig;
use super::scale;
use mlx5_pci::ipsec::{Handle, Install, Key, Secret};

/// Pairs of SAs, one each way.
const PAIRS: u32 = 5_000;
/// Other pairs that have a packet between two that rekey.
const OTHERS: u32 = 3;

/// A pair on the card: the same SA once as who seals and once as who opens.
struct Pair {
    out: Handle,
    back: Handle,
    /// Packets that were sealed, and that were opened.
    sealed: u64,
    opened: u64,
}

impl Pair {
    /// Pair `number` of a generation, whose key no other has.
    fn install(rig: &mut Rig, generation: u32, number: u32) -> Self {
        let named = |sa: Install| {
            let mut key = [0x5a; 16];
            key[..8].copy_from_slice(&(u64::from(generation) << 32 | u64::from(number)).to_be_bytes());
            let secret = Secret { key: Key::Aes128(key), salt: Case::SALT };
            Install { spi: generation << 20 | number, secret, ..sa }
        };
        // Who opens comes first: what is sealed has to be understood.
        let (sends, receives) = (Case::PLAIN.sends(), Case::PLAIN.receives());
        let back = Install { source: sends.source, destination: sends.destination, ..receives };
        let back = rig.install(&named(back));
        let out = rig.install(&named(Case::PLAIN.sends()));
        Self { out, back, sealed: 0, opened: 0 }
    }

    fn seal(&mut self, rig: &mut Rig, frame: &[u8]) -> Vec<u8> {
        self.sealed += 1;
        rig.seal_one(self.out, frame)
    }

    fn open(&mut self, rig: &mut Rig, frame: &[u8]) {
        let (_, by) = rig.open(frame);
        assert_eq!(by, Some(self.back.bits()), "opened under its own SA");
        self.opened += 1;
    }

    fn retire(self, rig: &mut Rig) {
        assert_eq!(self.sealed, self.opened);
        for (handle, packets) in [(self.out, self.sealed), (self.back, self.opened)] {
            let last = rig.nic.retire(handle).unwrap().expect("its last counts");
            assert_eq!(last.all.packets, packets);
            assert_eq!((last.bad_icv.packets, last.bad_trailer.packets, last.replay.packets), (0, 0, 0));
        }
    }
}

#[test]
fn ten_thousand_sas_are_replaced_and_no_packet_is_lost() {
    let mut rig = scale::rig(15);
    let frame = Case::PLAIN.given(&Case::PLAIN.packet(true, 20));
    let mut pairs: Vec<Pair> = (0..PAIRS).map(|number| Pair::install(&mut rig, 1, number)).collect();
    for number in 0..PAIRS {
        let place = number as usize;
        // Is still on its way when the next generation carries packets already.
        let late = pairs[place].seal(&mut rig, &frame);
        let mut new = Pair::install(&mut rig, 2, number);
        let first = new.seal(&mut rig, &frame);
        new.open(&mut rig, &first);
        let mut old = core::mem::replace(&mut pairs[place], new);
        for ahead in 1..=OTHERS {
            let other = &mut pairs[((number + ahead * 977) % PAIRS) as usize];
            let sealed = other.seal(&mut rig, &frame);
            other.open(&mut rig, &sealed);
        }
        old.open(&mut rig, &late);
        old.retire(&mut rig);
    }
    assert_eq!(rig.nic.ipsec().unwrap().len(), 2 * PAIRS as usize);
    assert_eq!(rig.events(), []);
    pairs.into_iter().for_each(|pair| pair.retire(&mut rig));
    assert!(rig.nic.ipsec().unwrap().is_empty());
    rig.close();
}

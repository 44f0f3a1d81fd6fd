//! A rough wire: loss, duplicates, reordering, damage. What arrives is what was sent, at most once.

use std::collections::HashSet;

use net::loopback::{Faults, Side};
use ravelin_tests::lab::packet::{Header, read, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

const COUNT: u32 = 600;

fn datagram(number: u32, outwards: bool) -> Vec<u8> {
    let mut data = number.to_be_bytes().to_vec();
    data.resize(40 + (number % 200) as usize, number as u8);
    let (host, far) = ((addr("10.2.0.10"), 1), (addr("10.1.0.5"), 2));
    let (src, dst) = if outwards { (host, far) } else { (far, host) };
    udp(Header::default(), src, dst, &data)
}

fn check(received: &[Vec<u8>], outwards: bool) -> usize {
    let mut numbers = HashSet::new();
    for payload in received {
        let number = u32::from_be_bytes(payload[8..12].try_into().expect("number"));
        assert_eq!(*payload, read(&datagram(number, outwards)).payload, "unchanged");
        assert!(numbers.insert(number), "{number} arrived twice");
    }
    numbers.len()
}

#[test]
fn at_most_once_and_unchanged() {
    for seed in 1..=4 {
        let setup =
            Setup { seed, sa: "replay_window = 64", esn: seed % 2 == 0, encap: seed > 2, ..Setup::default() };
        let mut lab = Lab::new("rough", setup).warm_up();
        let faults = Faults { loss: 50, duplicate: 100, reorder: 100, displacement: 8, damage: 20 };
        lab.outside_wire.set_faults(Side::B, faults);
        for number in 0..COUNT {
            lab.peer_sends(&datagram(number, false));
            if number % 16 == 0 {
                lab.run(net::Duration::from_millis(1));
            }
        }
        lab.run_short();
        let received: Vec<_> = lab.inside_receives().into_iter().map(|seen| seen.payload).collect();
        let arrived = check(&received, false);
        assert!((COUNT as usize * 85 / 100..COUNT as usize).contains(&arrived), "{arrived} of {COUNT}");
        let drops = lab.drops();
        let count = |name: &str| drops.iter().find(|(cause, _)| cause == name).map_or(0, |(_, n)| *n);
        assert!(count("ipsec.replayed") > 0, "{drops:?}");
        assert!(count("ipsec.bad_icv") > 0, "{drops:?}");
    }
}

#[test]
fn reordering_within_the_window_loses_nothing() {
    let mut lab = Lab::new("reordering", Setup { sa: "replay_window = 64", ..Setup::default() }).warm_up();
    lab.outside_wire.set_faults(Side::B, Faults { reorder: 300, displacement: 20, ..Faults::default() });
    for number in 0..COUNT {
        lab.peer_sends(&datagram(number, false));
        if number % 16 == 0 {
            lab.run(net::Duration::from_millis(1));
        }
    }
    lab.run_short();
    let received: Vec<_> = lab.inside_receives().into_iter().map(|seen| seen.payload).collect();
    assert_eq!(check(&received, false), COUNT as usize);
}

#[test]
fn bursts_outwards_keep_their_order() {
    let mut lab = Lab::new("bursts", Setup::default()).warm_up();
    for number in 0..200 {
        lab.inside.send(lab.now, &datagram(number, true));
    }
    lab.run_short();
    let received = lab.peer_receives();
    let sequences: Vec<_> = received.iter().map(|(_, payload)| payload.sequence).collect();
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    let payloads: Vec<_> = received.iter().map(|(_, payload)| read(&payload.bytes).payload).collect();
    assert_eq!(check(&payloads, true), 200);
}

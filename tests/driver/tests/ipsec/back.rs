//! What the port sends to its own address comes back to the tables of SAs: the way of ESP that came in fragments, which no
//! entry takes, and was put together by software.

use super::case::{Case, SPI};
use super::frames::{self, OPAQUE, PEER_MAC, pattern};
use super::rig::Rig;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::{Counts, Family, Handle};
use net::{Meta, Nic};

const ETHERNET: usize = 14;

/// `frame` as the port sends it to itself.
fn to_self(rig: &Rig, frame: &[u8]) -> Vec<u8> {
    let mac = rig.nic.mac().0;
    [&mac[..], &mac, &frame[12..]].concat()
}

/// Sends `frame` to the port itself; what comes back, with the SA. Nothing of it is on the wire.
fn back(rig: &mut Rig, frame: &[u8]) -> Vec<(Vec<u8>, Option<u32>)> {
    let frame = to_self(rig, frame);
    assert_eq!(rig.send_as(Meta::default(), &[frame]), Vec::<Vec<u8>>::new(), "stays inside");
    rig.take().iter().map(|packet| (packet.bytes().to_vec(), packet.meta.sa_in)).collect()
}

fn counts(rig: &mut Rig, handle: Handle) -> [u64; 3] {
    let Counts { all, bad_icv, replay, .. } = rig.nic.read(handle).unwrap().unwrap().counts;
    [all, bad_icv, replay].map(|count| count.packets)
}

fn cases() -> [Case; 4] {
    let v6 = Case { family: Family::V6, ..Case::PLAIN };
    [Case::PLAIN, v6, Case { udp: true, ..Case::PLAIN }, Case { udp: true, wide: true, ..v6 }]
}

#[test]
fn what_was_put_together_is_opened_by_the_cards_own_key_and_window() {
    let mut rig = Rig::new();
    for case in cases() {
        let handle = rig.install(&case.receives());
        let largest = usize::from(rig.nic.comes_back());
        for (number, length) in [(1, 1), (2, 1500), (5, 9000 - 100), (6, largest - 100)] {
            let frame = case.sealed(number, length);
            let found = back(&mut rig, &frame);
            let [(opened, sa)] = found.as_slice() else {
                panic!("{case:?} {length}: {}; {:?}", found.len(), rig.machine.misuse())
            };
            assert_eq!(*sa, Some(handle.bits()), "{case:?} {length}");
            let plain = case.packet_of(false, OPAQUE, &pattern(length));
            assert_eq!(opened[ETHERNET..].len(), plain.len());
            assert!(opened.ends_with(&pattern(length)), "{case:?} {length}");
            assert_eq!(opened[6..12], rig.nic.mac().0);
        }
        // The window is one, whichever way a packet comes.
        for (number, dropped) in [(2, 1), (5, 2)] {
            assert!(back(&mut rig, &case.sealed(number, 40)).is_empty());
            assert_eq!(counts(&mut rig, handle)[2], dropped);
        }
        assert!(rig.arrive(&case.sealed(6, 40)).is_empty());
        assert_eq!(rig.open(&case.sealed(7, 40)).1, Some(handle.bits()));
        assert!(back(&mut rig, &case.sealed(7, 40)).is_empty());
        let mut forged = case.sealed(8, 2000);
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert!(back(&mut rig, &forged).is_empty());
        assert_eq!(counts(&mut rig, handle), [10, 1, 4], "{case:?}");
        rig.nic.retire(handle).unwrap();
        let found = back(&mut rig, &case.sealed(9, 300));
        assert_eq!(found.len(), 1, "of no SA: as it is");
        assert_eq!(found[0].1, None);
    }
    rig.close();
}

#[test]
fn fragments_go_on_as_they_are_and_what_is_too_large_is_lost() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    let whole = case.sealed(1, 3000);
    let mut fragment = whole[..ETHERNET + 20 + 1400].to_vec();
    fragment[16..18].copy_from_slice(&1420_u16.to_be_bytes());
    fragment[20..22].copy_from_slice(&[0x20, 0]);
    for found in [rig.open(&fragment), back(&mut rig, &fragment).remove(0)] {
        assert_eq!(found.1, None);
        assert_eq!(found.0[ETHERNET..], fragment[ETHERNET..]);
    }
    assert_eq!(counts(&mut rig, handle)[0], 0);
    let largest = usize::from(rig.nic.comes_back());
    assert!(back(&mut rig, &case.sealed(1, largest)).is_empty());
    assert_eq!(counts(&mut rig, handle)[0], 0);
    assert_eq!(back(&mut rig, &whole).len(), 1);
    rig.close();
}

#[test]
fn nothing_else_comes_back_and_nothing_before_esp_is_enabled() {
    let mut rig = Rig::plain(&[]);
    let own = to_self(&rig, &frames::from_peer(&Case::PLAIN.packet(true, 100)));
    let multicast = [&[0x33, 0x33, 0, 0, 0, 1][..], &own[6..]].concat();
    assert_eq!(rig.nic.comes_back(), 0);
    assert_eq!(rig.send_as(Meta::default(), &[own.clone(), multicast.clone()]).len(), 2, "to the wire");
    assert!(rig.take().is_empty());
    rig.enable().unwrap();
    assert!(rig.nic.comes_back() > 9000);
    let other = [&PEER_MAC[..], &own[6..]].concat();
    let sent = rig.send_as(Meta::default(), &[own, multicast, other]);
    assert_eq!((sent.len(), rig.take().len()), (2, 1));
    rig.close();
}

#[test]
fn a_card_that_cannot_takes_nothing_back() {
    let mut rig = Rig::with(&[("ethernet.self_lb_en_modifiable", 0)]);
    assert_eq!(rig.nic.comes_back(), 0);
    let handle = rig.install(&Case::PLAIN.receives());
    assert!(back_or_out(&mut rig, &Case::PLAIN.sealed(1, 100)).is_empty());
    assert_eq!(rig.open(&Case::PLAIN.sealed(1, 100)).1, Some(handle.bits()));
    rig.close();
}

/// As [`back`], wherever it goes otherwise.
fn back_or_out(rig: &mut Rig, frame: &[u8]) -> Vec<net::Packet> {
    let frame = to_self(rig, frame);
    rig.send_as(Meta::default(), &[frame]);
    rig.take()
}

#[test]
fn it_comes_back_after_a_recovery_too() {
    let mut rig = Rig::new();
    rig.install(&Case::PLAIN.receives());
    rig.nic.recover().unwrap();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    assert_eq!(back(&mut rig, &case.sealed(1, 4000)).len(), 1);
    assert_eq!(counts(&mut rig, handle), [1, 0, 0]);
    assert_ne!(handle.bits(), SPI);
    rig.close();
}

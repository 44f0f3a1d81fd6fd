//! The card against software that is not its own, for every mode, family, key size and length of payload: what the card
//! seals opens there, and is what RFC 4303 says when read by hand; what is sealed there the card opens.

use super::case::{Case, SPI, Way, open, seal};
use super::rig::Rig;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::Family;

/// Lengths of payload: all of them, or those about the ends of blocks and paddings where all take long.
fn lengths() -> impl Iterator<Item = usize> {
    let chosen = |length: &usize| !cfg!(debug_assertions) || *length < 40 || length.is_multiple_of(31);
    (0..=1500).filter(chosen)
}

fn next_header(case: &Case) -> u8 {
    match (case.way, case.inner()) {
        (Way::Transport, _) => super::frames::OPAQUE,
        (_, Family::V4) => 4,
        (_, Family::V6) => 41,
    }
}

#[test]
fn what_the_card_seals_opens_in_software_and_by_hand() {
    let mut rig = Rig::new();
    for case in Case::all() {
        let handle = rig.install(&case.sends());
        let (mut software, _) = case.peer(ipsec::Direction::In);
        let cipher = case.cipher();
        let packets: Vec<_> = lengths().map(|length| case.packet(true, length)).collect();
        let given: Vec<_> = packets.iter().map(|packet| case.given(packet)).collect();
        let sent = rig.seal(handle, &given);
        assert_eq!(sent.len(), packets.len(), "{case:?}: {:?}", rig.machine.misuse());
        for ((number, packet), frame) in (1..).zip(&packets).zip(&sent) {
            assert_eq!(frame[..12], given[0][..12], "addresses");
            case.check_outer(frame);
            let inside = cipher.open(0, case.esp(frame)).unwrap_or_else(|| panic!("{case:?} {number}"));
            assert_eq!((inside.spi, inside.number, inside.next), (SPI, number, next_header(&case)));
            let header = if case.inner() == Family::V4 { 20 } else { 40 };
            let whole = if case.way == Way::Transport { &packet[header..] } else { packet };
            assert_eq!(inside.payload, whole, "{case:?}");
            let opened =
                open(&mut software, frame).unwrap_or_else(|drop| panic!("{case:?} {number}: {drop}"));
            assert_eq!(opened, *packet, "{case:?}");
        }
        let counts = rig.nic.retire(handle).unwrap().unwrap();
        assert_eq!(counts.all.packets, packets.len() as u64);
    }
    rig.close();
}

#[test]
fn what_software_seals_the_card_opens() {
    let mut rig = Rig::new();
    for case in Case::all() {
        let handle = rig.install(&case.receives());
        let (mut software, out) = case.peer(ipsec::Direction::Out);
        for length in lengths() {
            let packet = case.packet(false, length);
            let sealed = seal(&mut software, out, &packet);
            let (frame, sa) = rig.open(&sealed);
            assert_eq!(sa, Some(handle.bits()), "{case:?}");
            case.handed_on(&packet, &frame);
        }
        let counts = rig.nic.retire(handle).unwrap().unwrap();
        assert_eq!(counts.passed(), counts.all);
        assert_eq!(counts.all.packets, lengths().count() as u64);
    }
    rig.close();
}

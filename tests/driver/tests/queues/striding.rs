//! Many packets in one buffer.

use super::frames::udp;
use super::receive::bytes;
use super::rig::{ALL, Rig, plain};
use mlx5_driver_tests::Machine;
use mlx5_pci::queues::Settings;
use net::packet::HEADROOM;

fn settings() -> Settings {
    Settings { striding: true, log_receive: 7, ..plain() }
}

#[test]
fn frames_of_all_sizes_share_slabs() {
    let mut rig = Rig::new(ALL, &Settings { log_receive: 9, ..settings() });
    for round in 0..40usize {
        let frames: Vec<_> = (0..30)
            .map(|n| udp(n, &vec![n as u8; 18 + (round * 977 + usize::from(n) * 313) % 8900]))
            .collect();
        rig.arrive(&frames);
        let received = rig.received();
        assert!(bytes(&received) == frames, "round {round}");
    }
    let stats = rig.queues.channels()[0].stats();
    assert_eq!((stats.rx_frames, stats.rx_drops, stats.strange), (1200, 0, 0));
    rig.close();
}

#[test]
fn packets_have_room_on_both_sides_and_do_not_touch() {
    let mut rig = Rig::new(ALL, &settings());
    let frames: Vec<_> = (0..100).map(|n| udp(n, &vec![n as u8; 1472])).collect();
    rig.arrive(&frames);
    let mut received = rig.received();
    for packet in &mut received {
        assert_eq!(packet.headroom(), HEADROOM);
        packet.push(HEADROOM).unwrap().fill(0xee);
        let room = packet.tailroom();
        assert!(room >= net::packet::TAILROOM);
        packet.append(room).unwrap().fill(0xee);
    }
    for (packet, frame) in received.iter().zip(&frames) {
        assert_eq!(packet.bytes()[HEADROOM..HEADROOM + frame.len()], frame[..]);
    }
    drop(received);
    rig.close();
}

#[test]
fn the_queue_runs_dry_while_packets_are_held_and_goes_on_afterwards() {
    let mut rig = Rig::new(ALL, &settings());
    let frames: Vec<_> = (0..64).map(|n| udp(n, &[n as u8; 100])).collect();
    let mut held = Vec::new();
    for _ in 0..20 {
        rig.arrive(&frames);
        held.extend(rig.received());
    }
    // Two slabs with the device, as many again to hold, 64 packets each.
    assert_eq!(held.len(), 256);
    drop(held);
    assert!(rig.received().is_empty());
    rig.arrive(&frames);
    assert_eq!(bytes(&rig.received()), frames);
    rig.close();
}

#[test]
fn merged_packets_are_one() {
    let mut rig = Rig::new(ALL, &Settings { lro: true, ..settings() });
    let mut first = super::frames::tcp(1, &[1; 1000]);
    first[47] = 0x10;
    let first = super::frames::filled(first);
    let mut second = super::frames::tcp(1, &[2; 1000]);
    second[38..42].copy_from_slice(&1001u32.to_be_bytes());
    rig.arrive(&[first, super::frames::filled(second)]);
    rig.machine.pass(core::time::Duration::from_millis(1));
    let received = rig.received();
    assert_eq!(received.iter().map(net::Packet::len).collect::<Vec<_>>(), [2054]);
    assert_eq!((received[0].bytes()[1053], received[0].bytes()[1054]), (1, 2));
    drop(received);
    rig.close();
}

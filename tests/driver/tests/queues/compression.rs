//! Compressed completions.

use super::frames::udp;
use super::receive::bytes;
use super::rig::{ALL, Rig, plain};
use core::time::Duration;
use mlx5_driver_tests::Machine;
use mlx5_pci::queues::Settings;

fn compressed(striding: bool) -> Settings {
    Settings { compression: true, striding, log_receive: 7, ..plain() }
}

/// Frames of one flow, whose completions differ only in what may differ.
fn flow(count: usize, round: u8) -> Vec<Vec<u8>> {
    (0..count).map(|n| udp(1, &vec![round; 18 + 30 * (n % 40)])).collect()
}

#[test]
fn packets_come_whole_whatever_the_blocks_are() {
    for (settings, capabilities) in [
        (compressed(false), ALL),
        (compressed(true), ALL),
        (compressed(true), &[("general.striding_rq", 1), ("general.cqe_compression", 1)]),
    ] {
        let mut rig = Rig::new(capabilities, &settings);
        // Sizes of blocks that end everywhere in the ring, for many rounds.
        for (round, count) in [1, 2, 3, 8, 9, 16, 55, 56, 57, 64, 7, 33].iter().cycle().take(100).enumerate()
        {
            let frames = flow(*count, round as u8);
            rig.arrive(&frames);
            rig.machine.pass(Duration::from_millis(1));
            assert_eq!(bytes(&rig.received()), frames, "round {round}");
        }
        assert_eq!(rig.queues.channels()[0].stats().strange, 0);
        rig.close();
    }
}

#[test]
fn what_all_packets_of_a_block_share_is_told_for_each() {
    let mut rig = Rig::new(ALL, &compressed(false));
    rig.arrive(&flow(20, 1));
    rig.machine.pass(Duration::from_millis(1));
    let received = rig.received();
    assert!(
        received.iter().all(|packet| packet.meta.checksum_ok && packet.meta.mark == received[0].meta.mark)
    );
    drop(received);
    rig.close();
}

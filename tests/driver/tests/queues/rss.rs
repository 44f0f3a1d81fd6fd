//! How packets spread over channels.

use super::frames::{arp, esp, tcp, tcp6, udp};
use super::rig::{Rig, plain};
use mlx5_pci::queues::Settings;

const CHANNELS: usize = 4;

fn rig() -> Rig {
    Rig::new(&[], &Settings { channels: CHANNELS as u16, ..plain() })
}

/// Toeplitz is linear: flows that count upwards in address and port at once can cancel out.
fn scattered(flow: u16) -> u16 {
    flow.wrapping_mul(40_503) >> 1
}

/// How many of `frames` each channel gets.
fn spread(rig: &mut Rig, frames: &[Vec<u8>]) -> Vec<usize> {
    rig.arrive(frames);
    (0..CHANNELS).map(|channel| rig.received_on(channel).len()).collect()
}

#[test]
fn flows_spread_and_each_stays_on_its_channel() {
    let mut rig = rig();
    let kinds: [fn(u16) -> Vec<u8>; 4] =
        [|n| udp(n, &[0; 40]), |n| tcp(n, &[0; 40]), |n| tcp6(n, &[0; 40]), |n| esp(0x1000 + u32::from(n))];
    for (kind, make) in kinds.into_iter().enumerate() {
        let flows: Vec<_> = (0..48).map(|n| make(scattered(n))).collect();
        let counts = spread(&mut rig, &flows);
        assert_eq!(counts.iter().sum::<usize>(), 48);
        assert!(counts.iter().all(|count| *count >= 4), "kind {kind}: {counts:?}");
        let one = spread(&mut rig, &vec![make(7); 10]);
        assert_eq!(one.iter().filter(|count| **count > 0).count(), 1, "kind {kind}: {one:?}");
    }
    rig.close();
}

#[test]
fn what_is_not_ip_goes_to_the_first() {
    let mut rig = rig();
    assert_eq!(spread(&mut rig, &vec![arp(); 5]), [5, 0, 0, 0]);
    rig.close();
}

#[test]
fn a_table_that_the_card_limits_still_spreads() {
    let mut rig = Rig::new(&[("general.log_max_rqt_size", 2)], &Settings { channels: 4, ..plain() });
    let flows: Vec<_> = (0..48).map(|n| udp(scattered(n), &[0; 40])).collect();
    assert!(spread(&mut rig, &flows).iter().all(|count| *count > 0));
    rig.close();
}

//! What comes in, in queues whose packets have a buffer each.

use super::frames::{arp, tagged, tcp, tcp6, udp};
use super::rig::{BUFFERS, PORT, Rig, plain};
use core::time::Duration;
use mlx5_driver_tests::Machine;
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::flow::{Flow, Transport};
use net::Packet;

pub(crate) fn bytes(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(|packet| packet.bytes().to_vec()).collect()
}

#[test]
fn frames_come_whole_and_in_order() {
    let mut rig = Rig::new(&[], &plain());
    let frames: Vec<_> = (0..50).map(|n| udp(n, &vec![n as u8; 18 + 180 * usize::from(n)])).collect();
    for _ in 0..10 {
        rig.arrive(&frames);
        let received = rig.received();
        assert_eq!(bytes(&received), frames);
        assert!(
            received
                .iter()
                .all(|packet| packet.meta.port == PORT && packet.headroom() == net::packet::HEADROOM)
        );
    }
    let stats = rig.queues.channels()[0].stats();
    assert_eq!((stats.rx_frames, stats.rx_drops, stats.strange), (500, 0, 0));
    rig.close();
}

#[test]
fn metadata_says_what_the_card_has_found() {
    let mut rig = Rig::new(&[], &plain());
    let mut wrong = udp(1, &[1; 30]);
    wrong[60] ^= 1;
    let mut header = tcp(1, &[1; 30]);
    header[24] ^= 1;
    rig.arrive(&[tcp(1, &[1; 30]), tcp6(1, &[1; 30]), wrong, header, arp()]);
    let seen: Vec<_> =
        rig.received().iter().map(|packet| (packet.meta.header_ok, packet.meta.checksum_ok)).collect();
    assert_eq!(seen, [(true, true), (true, true), (true, false), (false, false), (false, false)]);
    rig.close();
}

#[test]
fn marks_say_which_rule_matched_and_hashes_tell_flows_apart() {
    let mut rig = Rig::new(&[], &plain());
    let [source, destination] = [[198, 51, 0, 1], [192, 0, 2, 2]].map(Into::into);
    let flow = Flow { source, destination, transport: Transport::Udp(1001, 2000) };
    rig.receive.mark(&mut rig.device, &flow, 0xabc).unwrap();
    rig.arrive(&[udp(1, &[0; 40]), udp(1, &[1; 40]), udp(2, &[0; 40]), tcp(1, &[0; 40]), arp()]);
    let received = rig.received();
    let (marks, hashes): (Vec<_>, Vec<_>) = received.iter().map(|it| (it.meta.mark, it.meta.hash)).unzip();
    assert_eq!(marks, [0xabc, 0xabc, 0, 0, 0]);
    assert_eq!(hashes[0], hashes[1]);
    assert!(hashes[0] != hashes[2] && hashes[0] != 0);
    drop(received);
    rig.close();
}

#[test]
fn tags_stay_or_are_taken_off() {
    let frame = udp(1, &[4; 100]);
    let mut rig = Rig::new(&[], &plain());
    rig.arrive(&[tagged(&frame, 0x2005)]);
    let received = rig.received();
    assert_eq!((bytes(&received), received[0].meta.vlan), (vec![tagged(&frame, 0x2005)], None));
    drop(received);
    rig.close();
    let mut rig = Rig::new(&[], &Settings { strip_vlan: true, ..plain() });
    rig.arrive(&[tagged(&frame, 0x2005), frame.clone()]);
    let received = rig.received();
    let tags: Vec<_> = received.iter().map(|packet| packet.meta.vlan).collect();
    assert_eq!((bytes(&received), tags), (vec![frame.clone(), frame], vec![Some(0x2005), None]));
    drop(received);
    rig.close();
}

#[test]
fn a_full_queue_makes_the_card_drop_and_goes_on() {
    let mut rig = Rig::new(&[], &plain());
    let frames: Vec<_> = (0..70).map(|n| udp(n, &[n as u8; 40])).collect();
    rig.arrive(&frames);
    assert_eq!(bytes(&rig.received()), frames[..64]);
    rig.arrive(&frames[..3]);
    assert_eq!(bytes(&rig.received()), frames[..3]);
    rig.close();
}

#[test]
fn without_fresh_buffers_frames_are_dropped_and_the_queue_stays_full() {
    let mut rig = Rig::new(&[], &plain());
    let hoard: Vec<_> = core::iter::from_fn(|| rig.pool.take()).collect();
    assert_eq!(hoard.len(), BUFFERS - 64);
    let frames: Vec<_> = (0..64).map(|n| udp(n, &[n as u8; 40])).collect();
    rig.arrive(&frames);
    assert!(rig.received().is_empty());
    assert_eq!(rig.queues.channels()[0].stats().rx_drops, 64);
    drop(hoard);
    rig.arrive(&frames);
    assert_eq!(bytes(&rig.received()), frames);
    rig.close();
}

/// What the machine does, not the driver: MSI-X on, no vector masked.
fn enable_interrupts(rig: &Rig) {
    const CONTROL: usize = 0x9e;
    rig.machine.with(|device, _| device.config_write(CONTROL, &[0, 0x80]));
}

#[test]
fn a_frame_wakes_the_core_once() {
    let mut rig = Rig::new(&[], &plain());
    enable_interrupts(&rig);
    for round in 0..10 {
        let bar = rig.device.commands().bar().clone();
        assert!(rig.queues.channels()[0].arm(&bar), "{round}");
        rig.machine.interrupts();
        rig.arrive(&[udp(1, &[1; 40]), udp(2, &[2; 40])]);
        rig.machine.pass(Duration::from_millis(1));
        assert_eq!(rig.machine.interrupts(), [1], "{round}");
        assert!(!rig.queues.channels()[0].arm(&bar), "{round}");
        assert_eq!(rig.received().len(), 2);
    }
    rig.close();
}

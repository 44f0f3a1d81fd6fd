//! What leaves the card.

use super::frames::{filled, tagged, tcp, tcp6, udp, unfilled};
use super::rig::{ALL, Rig, plain};
use mlx5_driver_tests::Machine;
use mlx5_pci::queues::Settings;
use net::{Fill, Packet};

/// One frame of each size class, alone and in a burst.
fn frames_leave_as_they_are(capabilities: &[(&str, u64)]) {
    let mut rig = Rig::new(capabilities, &plain());
    for length in [18, 472, 1472, 8958] {
        let frame = udp(1, &vec![0x5a; length]);
        assert_eq!(rig.send_frames(core::slice::from_ref(&frame)), [frame]);
    }
    let burst: Vec<_> =
        (0..32).map(|flow| udp(flow, &vec![flow as u8; 20 + 50 * usize::from(flow)])).collect();
    for _ in 0..10 {
        assert_eq!(rig.send_frames(&burst), burst);
    }
    let stats = rig.queues.channels()[0].stats();
    assert_eq!((stats.tx_frames, stats.tx_drops, stats.strange), (324, 0, 0));
    rig.close();
}

#[test]
fn small_and_large_alone_and_in_bursts() {
    frames_leave_as_they_are(&[]);
    frames_leave_as_they_are(ALL);
    // Headers in the WQE.
    frames_leave_as_they_are(&[("ethernet.wqe_inline_mode", 0)]);
    // No BlueFlame.
    frames_leave_as_they_are(&[("general.log_bf_reg_size", 6)]);
}

#[test]
fn a_burst_that_does_not_fit_waits() {
    let mut rig = Rig::new(ALL, &Settings { log_send: 3, ..plain() });
    let packets: Vec<_> = (0..20).map(|flow| rig.packet(&udp(flow, &[1; 40]))).collect();
    assert_eq!(rig.send(packets), 8);
    // The model has sent them at once, so there is room again.
    let again = rig.packet(&udp(1, &[1; 40]));
    assert_eq!((rig.machine.sent().len(), rig.send([again])), (8, 1));
    rig.close();
}

fn with(mut packet: Packet, set: impl FnOnce(&mut net::Meta)) -> Packet {
    set(&mut packet.meta);
    packet
}

#[test]
fn checksums_are_filled_in() {
    for capabilities in [&[][..], ALL, &[("ethernet.wqe_inline_mode", 0)]] {
        let mut rig = Rig::new(capabilities, &plain());
        let good = [udp(1, b"hello"), tcp(2, &[7; 1000])];
        let packets: Vec<_> = good
            .iter()
            .map(|frame| with(rig.packet(&unfilled(frame)), |meta| meta.fill = Fill::ALL))
            .collect();
        rig.send(packets);
        let sent = rig.machine.sent();
        assert_eq!(sent[0][..good[0].len()], good[0]);
        assert_eq!(sent[1], good[1]);
        // Unless it is asked for, nothing is touched.
        let wrong = unfilled(&good[1]);
        assert_eq!(rig.send_frames(core::slice::from_ref(&wrong)), [wrong]);
        rig.close();
    }
}

#[test]
fn tags_are_inserted() {
    for capabilities in [&[][..], ALL, &[("ethernet.wqe_inline_mode", 0)]] {
        let mut rig = Rig::new(capabilities, &plain());
        let frames: Vec<_> = (0..4).map(|flow| udp(flow, &[3; 100])).collect();
        let packets: Vec<_> = frames
            .iter()
            .zip([None, Some(5), Some(5), Some(0xe123)])
            .map(|(frame, tci)| with(rig.packet(frame), |meta| meta.vlan = tci))
            .collect();
        rig.send(packets);
        let expected =
            [frames[0].clone(), tagged(&frames[1], 5), tagged(&frames[2], 5), tagged(&frames[3], 0xe123)];
        assert_eq!(rig.machine.sent(), expected);
        rig.close();
    }
}

/// The segments that a TCP frame with `payload` is cut into, from its whole headers.
fn segments(frame: &[u8], headers: usize, mss: usize) -> Vec<Vec<u8>> {
    let v4 = frame[12..14] == [8, 0];
    let payload = &frame[headers..];
    let count = payload.len().div_ceil(mss);
    let cut = |(index, part): (usize, &[u8])| {
        let mut segment = [&frame[..headers], part].concat();
        let length = (segment.len() - 14) as u16;
        if v4 {
            segment[16..18].copy_from_slice(&length.to_be_bytes());
            segment[18..20].copy_from_slice(&(0x1234 + index as u16).to_be_bytes());
        } else {
            segment[18..20].copy_from_slice(&(length - 40).to_be_bytes());
        }
        let tcp = headers - 20;
        let sequence = 1 + (index * mss) as u32;
        segment[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        if index + 1 < count {
            segment[tcp + 13] &= !0x08;
        }
        filled(segment)
    };
    payload.chunks(mss).enumerate().map(cut).collect()
}

#[test]
fn large_tcp_packets_are_cut() {
    for capabilities in [&[][..], ALL, &[("ethernet.wqe_inline_mode", 0)]] {
        let mut rig = Rig::new(capabilities, &plain());
        for (frame, headers) in [(tcp(1, &[9; 8000]), 54), (tcp6(1, &[8; 8000]), 74)] {
            let packet = with(rig.packet(&frame), |meta| meta.segment = Some(1448));
            rig.send([packet]);
            assert_eq!(rig.machine.sent(), segments(&frame, headers, 1448));
        }
        // Not longer than a segment: only its checksums are filled in.
        let frame = tcp(1, &[9; 1000]);
        let packet = with(rig.packet(&unfilled(&frame)), |meta| meta.segment = Some(1448));
        rig.send([packet]);
        assert_eq!(rig.machine.sent(), [frame]);
        rig.close();
    }
}

#[test]
fn sixty_four_kilobytes_with_a_tag_between_other_packets() {
    let mut rig = Rig::new(ALL, &plain());
    let large = tcp(1, &vec![1; 65_000]);
    let mut packet = Packet::from_bytes(&large);
    packet.meta.segment = Some(1400);
    packet.meta.vlan = Some(77);
    let small = udp(2, &[2; 60]);
    let around = [rig.packet(&small), rig.packet(&small)];
    let [before, after] = around;
    rig.send([before, packet, after]);
    let sent = rig.machine.sent();
    let expected: Vec<_> = segments(&large, 54, 1400).iter().map(|frame| tagged(frame, 77)).collect();
    assert_eq!((sent.first(), sent.last()), (Some(&small), Some(&small)));
    assert_eq!(sent[1..sent.len() - 1], expected);
    rig.close();
}

#[test]
fn what_must_be_protected_does_not_leave_in_the_clear() {
    let mut rig = Rig::new(ALL, &plain());
    let packet = with(rig.packet(&udp(1, &[1; 100])), |meta| meta.sa_out = Some(1));
    assert_eq!(rig.send([packet]), 1);
    assert_eq!((rig.machine.sent().len(), rig.queues.channels()[0].stats().tx_drops), (0, 1));
    rig.close();
}

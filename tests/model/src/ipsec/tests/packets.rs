//! Packets through objects, against frames that scapy made (testdata/esp-scapy.py), and against what an attacker makes
//! of them.

use super::*;
use crate::Side;
use core::time::Duration;

/// One line of the file.
struct Vector {
    name: String,
    key: Vec<u8>,
    salt: u32,
    implicit_iv: u64,
    esn: Option<u32>,
    sequence: u32,
    kind: u8,
    data: Vec<u8>,
    plain: Vec<u8>,
    wire: Vec<u8>,
}

impl Vector {
    fn all() -> Vec<Vector> {
        include_str!("../../../testdata/esp-scapy.txt").lines().map(Vector::parse).collect()
    }

    fn parse(line: &str) -> Vector {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let bytes = |at: usize| -> Vec<u8> {
            let digits = fields[at].as_bytes().chunks(2);
            digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
        };
        let number = |at: usize| u64::from_str_radix(fields[at], 16).unwrap();
        Vector {
            name: fields[0].to_owned(),
            key: bytes(1),
            salt: number(2) as u32,
            implicit_iv: number(3),
            esn: (fields[4] != "-").then(|| number(4) as u32),
            sequence: number(5) as u32,
            kind: number(7) as u8,
            data: bytes(8),
            plain: bytes(9),
            wire: bytes(10),
        }
    }

    fn object(&self, lab: &mut Lab, mode: u8) -> u32 {
        let dekn = lab.key(&self.key);
        let input = object_in(lab.pd, dekn, |object, aso| {
            object.set().salt(self.salt).implicit_iv(self.implicit_iv);
            if let Some(high) = self.esn {
                object.set().esn_en(true).esn_msb(high).esn_overlap(self.sequence >= 1 << 31);
            }
            aso.set().mode(mode).mode_parameter(self.sequence);
        });
        created(&lab.host.expect(input.as_bytes(), 16))
    }

    /// The reformat that takes this form away, and what its Ethernet header is.
    fn removal(&self) -> (u8, Vec<u8>) {
        match self.kind {
            5 | 0x0b => (8, Vec::new()),
            7 | 0x0c => (0x0a, Vec::new()),
            _ => (9, self.plain[..14].to_vec()),
        }
    }

    fn decrypt(&self, lab: &mut Lab, object: u32, frame: &[u8]) -> (Crypto, Transit) {
        let memory = lab.host.memory.clone();
        let (kind, data) = self.removal();
        let mut packet = Transit::new(frame.to_vec());
        packet.reg_c[4] = 0xdead;
        let ended = lab.host.device.decrypt(&memory, object, (kind, &data), &mut packet);
        (ended, packet)
    }
}

#[test]
fn sent_as_scapy_sends() {
    let mut lab = Lab::new();
    lab.host.device.set_tapping(true);
    let vectors = Vector::all();
    assert_eq!(vectors.len(), 50);
    for vector in vectors {
        let object = vector.object(&mut lab, MODE_INC_SN);
        let memory = lab.host.memory.clone();
        let mut packet = Transit::new(vector.plain.clone());
        let reformat = (vector.kind, &vector.data[..]);
        assert_eq!(lab.host.device.encrypt(&memory, object, reformat, &mut packet), Crypto::Done);
        assert_eq!(packet.bytes, vector.wire, "{}", vector.name);
        let taps = lab.host.device.take().taps;
        assert_eq!((taps[0].side, taps[0].outbound, &taps[0].frame), (Side::Host, true, &vector.plain));
        assert_eq!((taps[1].side, taps[1].outbound, &taps[1].frame), (Side::Wire, true, &vector.wire));
        assert_eq!(taps.len(), 2);
    }
}

#[test]
fn received_from_scapy() {
    let mut lab = Lab::new();
    lab.host.device.set_tapping(true);
    for vector in Vector::all() {
        let object = vector.object(&mut lab, MODE_REPLAY_PROTECTION);
        let (ended, packet) = vector.decrypt(&mut lab, object, &vector.wire);
        assert_eq!((ended, packet.ipsec_syndrome, packet.reg_c[4]), (Crypto::Done, 0, 0), "{}", vector.name);
        assert!(packet.decrypted);
        assert_eq!(packet.bytes, vector.plain, "{}", vector.name);
        let taps = lab.host.device.take().taps;
        assert_eq!((taps[0].side, taps[0].outbound, &taps[0].frame), (Side::Wire, false, &vector.wire));
        assert_eq!((taps[1].side, taps[1].outbound, &taps[1].frame), (Side::Host, false, &vector.plain));
        // The same once more is a replay; the register says so, and the syndrome that it is authentic.
        let (ended, packet) = vector.decrypt(&mut lab, object, &vector.wire);
        assert_eq!((ended, packet.ipsec_syndrome, packet.reg_c[4]), (Crypto::Done, 0, 1), "{}", vector.name);
        lab.host.device.take();
    }
}

#[test]
fn every_changed_byte_of_esp_is_noticed() {
    let mut lab = Lab::new();
    lab.host.device.set_tapping(true);
    let vectors = Vector::all();
    for name in ["transport4-3", "transport6-5", "udp4-2", "tunnel4in4-1"] {
        let vector = vectors.iter().find(|vector| vector.name == name).unwrap();
        let object = vector.object(&mut lab, MODE_REPLAY_PROTECTION);
        let spi = vector.data[vector.data.len() - 16..][..4].to_vec();
        let start = vector.wire.windows(4).position(|part| part == spi).unwrap();
        for at in start..vector.wire.len() {
            let mut frame = vector.wire.clone();
            frame[at] ^= 1;
            let (ended, packet) = vector.decrypt(&mut lab, object, &frame);
            assert_eq!((ended, packet.ipsec_syndrome), (Crypto::Done, 1), "{name}, byte {at}");
            assert_eq!(packet.reg_c[4], 0);
            assert_eq!(packet.bytes, frame, "as it came");
            let sides: Vec<Side> = lab.host.device.take().taps.iter().map(|tap| tap.side).collect();
            assert_eq!(sides, [Side::Wire], "there is no plaintext");
        }
        // None of that has moved the window or counted.
        let (ended, packet) = vector.decrypt(&mut lab, object, &vector.wire);
        assert_eq!((ended, packet.ipsec_syndrome, packet.reg_c[4]), (Crypto::Done, 0, 0));
        lab.host.device.take();
    }
}

#[test]
fn truncated_packets_never_pass() {
    let mut lab = Lab::new();
    for vector in Vector::all().iter().filter(|vector| vector.wire.len() < 200) {
        let object = vector.object(&mut lab, MODE_REPLAY_PROTECTION);
        for length in 0..vector.wire.len() {
            let (ended, packet) = vector.decrypt(&mut lab, object, &vector.wire[..length]);
            assert!(ended == Crypto::Dropped || packet.ipsec_syndrome != 0, "{} to {length}", vector.name);
        }
    }
}

#[test]
fn a_bad_trailer_has_its_own_syndrome() {
    use crate::esp::cipher::{Associated, Cipher};
    let mut lab = Lab::new();
    let number = lab.object(receiver(1, 1));
    let frame = lab.object(sender(1));
    let mut frame = lab.encrypt(frame).unwrap();
    let cipher = Cipher::new(&KEY, SALT.to_be_bytes(), IMPLICIT_IV.to_be_bytes()).unwrap();
    // The text is 14 bytes of UDP, 0 to 3 of padding, pad length, next header: spoil padding or its length.
    let esp = 14 + 20;
    let (text, end) = (esp + 16, frame.len() - 16);
    let length = end - text;
    for (at, value) in [(length - 2, 200), (length - 3, 9)] {
        let mut plain = [&PLAIN[34..], &[1, 2][..], &[2, 17]].concat();
        plain.resize(length, 0);
        let tail = [1, 2, 3, 4];
        let pad = length - 2 - (PLAIN.len() - 34);
        plain[PLAIN.len() - 34..length - 2].copy_from_slice(&tail[..pad]);
        (plain[length - 2], plain[length - 1]) = (pad as u8, 17);
        plain[at] = value;
        let associated = Associated { spi: SPI, sequence: 1, esn: true };
        let icv = cipher.seal(cipher.iv(1), &associated, &mut plain).unwrap();
        frame[text..end].copy_from_slice(&plain);
        frame[end..].copy_from_slice(&icv);
        let packet = lab.decrypt(number, &frame).unwrap();
        assert_eq!((packet.ipsec_syndrome, packet.reg_c[4]), (2, 0), "{at}");
        assert_eq!(packet.bytes, frame);
    }
}

#[test]
fn actions_on_the_wrong_packet_or_object_drop_it() {
    let mut lab = Lab::new();
    let memory = lab.host.memory.clone();
    let transmit = lab.object(sender(1));
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6]);
    arp.resize(60, 0);
    let data = reformat_data();
    let wrong = |lab: &mut Lab, object: u32, reformat: (u8, &[u8]), frame: &[u8]| {
        let mut packet = Transit::new(frame.to_vec());
        let ended = lab.host.device.encrypt(&memory, object, reformat, &mut packet);
        assert_eq!((ended, &packet.bytes[..]), (Crypto::Dropped, frame));
        assert_eq!(lab.host.device.log().refused().last().unwrap().what, "encrypt");
    };
    wrong(&mut lab, 77, (ADD, &data), &PLAIN);
    wrong(&mut lab, transmit, (ADD, &data), &arp);
    wrong(&mut lab, transmit, (0x0b, &data), &PLAIN);
    wrong(&mut lab, transmit, (DEL, &[]), &PLAIN);
    wrong(&mut lab, transmit, (ADD, &data[..12]), &PLAIN);
    let fragment = [&PLAIN[..20], &[0x20], &PLAIN[21..]].concat();
    wrong(&mut lab, transmit, (ADD, &data), &fragment);
    let receive = lab.object(receiver(0, 1));
    wrong(&mut lab, receive, (ADD, &data), &PLAIN);
    assert_eq!(lab.read(transmit).mode_parameter(), 1, "no number was spent");
    assert!(lab.decrypt(receive, &PLAIN).is_none(), "not ESP");
    assert!(lab.decrypt(77, &PLAIN).is_none());
}

#[test]
fn the_result_goes_to_the_register_that_the_object_names() {
    let mut lab = Lab::new();
    for register in 0..4u8 {
        let transmit = lab.object(sender(1));
        let frame = lab.encrypt(transmit).unwrap();
        let number = lab.object(|object, aso| {
            receiver(0, 1)(object, aso);
            object.set().aso_return_reg(register);
        });
        lab.decrypt(number, &frame).unwrap();
        let packet = lab.decrypt(number, &frame).unwrap();
        let mut want = [0; 8];
        want[2 * usize::from(register)] = 1;
        assert_eq!(packet.reg_c, want);
    }
}

#[test]
fn scripted_faults() {
    use crate::Fault;
    let mut lab = Lab::new();
    let (transmit, receive) = (lab.object(sender(1)), lab.object(receiver(0, 1)));
    let frame = lab.encrypt(transmit).unwrap();
    lab.host.device.inject(Fault::IcvFailure { count: 1 });
    lab.host.advance(Duration::from_millis(1));
    assert_eq!(lab.verdict(receive, &frame), Verdict::Forged);
    lab.host.device.inject(Fault::Replay { count: 1 });
    lab.host.advance(Duration::from_millis(2));
    assert_eq!(lab.verdict(receive, &frame), Verdict::Replayed);
    assert_eq!(lab.verdict(receive, &frame), Verdict::Accepted);
}

/// A capture has both sides of what no crypto touches; a frame that the port itself refuses is in none.
#[test]
fn packets_in_the_clear_are_tapped_on_both_sides() {
    let mut lab = Lab::new();
    lab.host.device.set_tapping(true);
    let mut frame = PLAIN.to_vec();
    frame[..6].fill(0xff);
    frame.resize(60, 0);
    lab.host.receive(&frame);
    let taps = lab.host.device.take().taps;
    let seen: Vec<_> = taps.iter().map(|tap| (tap.side, tap.outbound, tap.frame.as_slice())).collect();
    assert_eq!(seen, [(Side::Host, false, frame.as_slice()), (Side::Wire, false, &frame)]);
    lab.host.receive(&frame[..13]);
    assert!(lab.host.device.take().taps.is_empty());
}

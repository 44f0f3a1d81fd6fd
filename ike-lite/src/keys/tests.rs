//! strongSwan's own messages and its own keys (testdata/SOURCE.md), against our derivation and our parsers.

use alloc::string::{String, ToString};

use super::*;
use crate::aead::Aead;
use crate::auth::Signed;
use crate::config::{Identity, Psk};
use crate::proposal::{Group, IkeEncryption, Prf};
use crate::suite::{ChildExchange, choose_esp, choose_ike};
use crate::wire::auth::Auth;
use crate::wire::ke::KeyExchange;
use crate::wire::notify::NotifyType;
use crate::wire::sa::SaPayload;
use crate::wire::{Chain, Exchange, Header, PayloadType, id, sk, ts};

const CAPTURE: &str = include_str!("../../testdata/strongswan-5.9.8.txt");
const SUITE: IkeSuite =
    IkeSuite { encryption: IkeEncryption::AesGcm256, prf: Prf::HmacSha384, group: Group::Ecp256 };

fn value(name: &str) -> Vec<u8> {
    let line = CAPTURE.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    let digits = line.unwrap_or_else(|| panic!("no {name}"));
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn message(number: usize) -> (Header, Vec<u8>) {
    let way = if number % 2 == 1 { "in" } else { "out" };
    let name = alloc::format!("message.{number}.{way}");
    let bytes = value(&name);
    (Header::parse(&bytes).unwrap().0, bytes)
}

fn payload(chain: &Chain<'_>, kind: PayloadType) -> Vec<u8> {
    chain.require(kind).unwrap().to_vec()
}

/// The payload of a message in the clear.
fn clear(number: usize, kind: PayloadType) -> Vec<u8> {
    let (header, bytes) = message(number);
    payload(&Chain::check(header.next_payload, &bytes[Header::LEN..]).unwrap(), kind)
}

fn open(number: usize, key: &str) -> sk::Opened {
    let (header, bytes) = message(number);
    sk::open(&bytes, &header, &Aead::new(&value(key)).unwrap()).ok().unwrap()
}

fn assert_keys(keys: &IkeKeys, suffix: &str) {
    for (name, key) in [
        ("sk_d", &keys.sk_d),
        ("sk_ei", &keys.sk_ei),
        ("sk_er", &keys.sk_er),
        ("sk_pi", &keys.sk_pi),
        ("sk_pr", &keys.sk_pr),
    ] {
        assert_eq!(key.to_vec(), value(&alloc::format!("{name}.{suffix}")), "{name}.{suffix}");
    }
}

fn first_keys() -> IkeKeys {
    let (ni, nr) = (clear(1, PayloadType::NONCE), clear(2, PayloadType::NONCE));
    let seed = skeyseed(&SUITE, &ni, &nr, &value("shared.1"));
    assert_eq!(seed.to_vec(), value("skeyseed.1"));
    let (header, _) = message(2);
    IkeKeys::derive(&SUITE, &seed, (&ni, &nr), header.spi_i, header.spi_r)
}

#[test]
fn keys_of_an_ike_sa_are_strongswans() {
    assert_keys(&first_keys(), "1");
}

#[test]
fn keys_of_a_rekeyed_ike_sa_are_strongswans() {
    let (request, response) = (open(9, "sk_ei.1"), open(10, "sk_er.1"));
    let (request, response) = (request.chain().unwrap(), response.chain().unwrap());
    let (ni, nr) = (payload(&request, PayloadType::NONCE), payload(&response, PayloadType::NONCE));
    let seed = first_keys().rekey_seed(&SUITE, &value("shared.2"), &ni, &nr);
    assert_eq!(seed.to_vec(), value("skeyseed.2"));
    let spi = |chain: &Chain<'_>| {
        let body = payload(chain, PayloadType::SA);
        let proposal = SaPayload::parse(&body).unwrap().proposals().next().unwrap().spi.try_into().unwrap();
        u64::from_be_bytes(proposal)
    };
    let keys = IkeKeys::derive(&SUITE, &seed, (&ni, &nr), spi(&request), spi(&response));
    assert_keys(&keys, "2");
    // And they open the messages that follow.
    assert!(open(13, "sk_ei.2").chain().unwrap().find(PayloadType::DELETE).is_some());
}

#[test]
fn keys_of_children_are_strongswans() {
    let keys = first_keys();
    let (ni, nr) = (clear(1, PayloadType::NONCE), clear(2, PayloadType::NONCE));
    let algorithm = EspAlgorithm::AesGcm256;
    let (initiator, responder) = keys.child(&SUITE, &[], (&ni, &nr), algorithm);
    assert_eq!((initiator.to_vec(), responder.to_vec()), (value("child_i.1"), value("child_r.1")));
    let (request, response) = (open(5, "sk_ei.1"), open(6, "sk_er.1"));
    let ni = payload(&request.chain().unwrap(), PayloadType::NONCE);
    let nr = payload(&response.chain().unwrap(), PayloadType::NONCE);
    let (initiator, responder) = keys.child(&SUITE, &[], (&ni, &nr), algorithm);
    assert_eq!((initiator.to_vec(), responder.to_vec()), (value("child_i.2"), value("child_r.2")));
}

#[test]
fn strongswans_proof_is_verified_and_nothing_else() {
    let (request, opened) = (message(1).1, open(3, "sk_ei.1"));
    let chain = opened.chain().unwrap();
    let id = payload(&chain, PayloadType::ID_I);
    let auth = payload(&chain, PayloadType::AUTH);
    let auth = Auth::parse(&auth).unwrap();
    let (nonce, sk_pi) = (clear(2, PayloadType::NONCE), value("sk_pi.1"));
    let signed = Signed { message: &request, nonce: &nonce, id: &id, sk_p: &sk_pi };
    let psk = Psk::new(b"0123456789abcdef-shared");
    assert!(signed.verify(SUITE.prf, &psk, auth.data));
    assert!(!signed.verify(SUITE.prf, &Psk::new(b"another"), auth.data));
    assert!(!signed.verify(SUITE.prf, &psk, &auth.data[..47]));
    assert!(!signed.verify(SUITE.prf, &psk, &[]));
    let mut flipped = auth.data.to_vec();
    flipped[0] ^= 1;
    assert!(!signed.verify(SUITE.prf, &psk, &flipped));
}

#[test]
fn every_captured_message_reads_as_what_it_is() {
    let ike = ["aes256gcm16-prfsha384-ecp256".parse().unwrap()];
    let body = clear(1, PayloadType::SA);
    let ke = clear(1, PayloadType::KE);
    let ke = KeyExchange::parse(&ke).unwrap();
    assert_eq!((ke.group, ke.data.len()), (19, 64));
    let chosen = choose_ike(&ike, &SaPayload::parse(&body).unwrap(), 0, Some(19)).unwrap();
    assert_eq!(chosen.suite, SUITE);

    let opened = open(3, "sk_ei.1");
    let chain = opened.chain().unwrap();
    let kinds: String = chain.payloads().map(|payload| alloc::format!("{} ", payload.kind.0)).collect();
    assert_eq!(kinds, "35 41 36 39 33 44 45 41 41 ");
    assert!(chain.notify(NotifyType::INITIAL_CONTACT).is_some());
    assert_eq!(
        id::parse(PayloadType::ID_I, &payload(&chain, PayloadType::ID_I)),
        Ok(Identity::Fqdn("a.test".into()))
    );
    let selectors = ts::parse(PayloadType::TS_I, &payload(&chain, PayloadType::TS_I)).unwrap();
    assert_eq!(selectors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.0-10.1.0.255"]);
    let esp = ["aes256gcm16".parse().unwrap()];
    let body = payload(&chain, PayloadType::SA);
    let chosen = choose_esp(&esp, &SaPayload::parse(&body).unwrap(), ChildExchange::None).unwrap();
    assert!(!chosen.suite.esn && chosen.suite.group.is_none());

    let opened = open(5, "sk_ei.1");
    assert!(opened.chain().unwrap().notify(NotifyType::REKEY_SA).is_some());
    let exchanges: Vec<_> = (1..=14).map(|number| message(number).0.exchange).collect();
    let (init, auth, child, info) =
        (Exchange::IKE_SA_INIT, Exchange::IKE_AUTH, Exchange::CREATE_CHILD_SA, Exchange::INFORMATIONAL);
    assert_eq!(
        exchanges,
        [init, init, auth, auth, child, child, info, info, child, child, info, info, info, info]
    );
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let (header, bytes) = message(3);
    let aead = Aead::new(&value("sk_ei.1")).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let header = Header::parse(&flipped).map_or(header, |(header, _)| header);
        assert!(sk::open(&flipped, &header, &aead).is_err(), "octet {at}");
    }
}

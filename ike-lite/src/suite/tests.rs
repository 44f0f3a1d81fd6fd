use super::*;
use crate::wire::sa::emit_proposal;

const fn gcm(bits: u16) -> Transform {
    aes_gcm(bits)
}

fn t(kind: u8, id: u16) -> Transform {
    transform(TransformType(kind), id)
}

fn offer(protocol: Protocol, spi: &[u8], proposals: &[&[Transform]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, transforms) in proposals.iter().enumerate() {
        let number = index as u8 + 1;
        emit_proposal(number, protocol, spi, transforms, index + 1 == proposals.len(), &mut out);
    }
    out
}

fn ike(ours: &str, proposals: &[&[Transform]], sent: u16) -> Option<(u8, IkeSuite)> {
    let body = offer(Protocol::IKE, &[], proposals);
    let ours = crate::proposal::parse_list(ours).unwrap();
    let chosen = choose_ike(&ours, &SaPayload::parse(&body).unwrap(), 0, Some(sent))?;
    Some((chosen.proposal.number, chosen.suite))
}

#[test]
fn our_order_decides() {
    let all = [gcm(256), gcm(128), t(2, 7), t(2, 5), t(4, 19), t(4, 31)];
    let (_, suite) = ike("aes128gcm16-aes256gcm16-prfsha256-prfsha512-x25519-ecp256", &[&all], 31).unwrap();
    assert_eq!(
        (suite.encryption, suite.prf, suite.group),
        (IkeEncryption::AesGcm128, Prf::HmacSha256, Group::X25519)
    );
    let (_, suite) = ike("aes256gcm16-aes128gcm16-prfsha512-prfsha256-x25519", &[&all], 31).unwrap();
    assert_eq!((suite.encryption, suite.prf), (IkeEncryption::AesGcm256, Prf::HmacSha512));
}

#[test]
fn the_group_in_use_goes_first() {
    let all = [gcm(128), t(2, 5), t(4, 31), t(4, 20), t(4, 19)];
    let (_, suite) = ike("aes128gcm16-prfsha256-x25519-ecp256-ecp384", &[&all], 20).unwrap();
    assert_eq!(suite.group, Group::Ecp384);
    // One that isn't ours changes nothing.
    let (_, suite) = ike("aes128gcm16-prfsha256-x25519-ecp256", &[&all], 14).unwrap();
    assert_eq!(suite.group, Group::X25519);
}

#[test]
fn a_later_proposal_is_found() {
    let modp: &[Transform] = &[t(1, 12), t(2, 2), t(3, 2), t(4, 14)];
    let good: &[Transform] = &[gcm(256), t(2, 6), t(4, 19)];
    assert_eq!(ike("aes256gcm16-prfsha384-ecp256", &[modp, good], 19).unwrap().0, 2);
    assert_eq!(ike("aes256gcm16-prfsha384-ecp256", &[modp], 19), None);
}

#[test]
fn what_is_not_understood_is_not_taken() {
    let ours = "aes128gcm16-prfsha256-ecp256";
    let base = [gcm(128), t(2, 5), t(4, 19)];
    assert!(ike(ours, &[&base], 19).is_some());
    // An unknown type spoils the proposal, an unknown number only itself.
    assert!(ike(ours, &[&[&base[..], &[t(6, 1)]].concat()], 19).is_none());
    assert!(ike(ours, &[&[&base[..], &[t(2, 999)]].concat()], 19).is_some());
    // No key length, or another one, is another algorithm.
    assert!(ike(ours, &[&[t(1, 20), t(2, 5), t(4, 19)]], 19).is_none());
    assert!(ike(ours, &[&[gcm(17), t(2, 5), t(4, 19)]], 19).is_none());
    // An AEAD goes with integrity NONE or without, not with an algorithm.
    assert!(ike(ours, &[&[&base[..], &[t(3, 0)]].concat()], 19).is_some());
    assert!(ike(ours, &[&[&base[..], &[t(3, 12)]].concat()], 19).is_none());
    // What is mandatory is.
    assert!(ike(ours, &[&base[1..]], 19).is_none());
    assert!(ike(ours, &[&base[..2]], 19).is_none());
}

fn esp(ours: &str, transforms: &[Transform], exchange: ChildExchange) -> Option<(EspSuite, Vec<Transform>)> {
    let body = offer(Protocol::ESP, &[0, 0, 1, 0], &[transforms]);
    let ours = crate::proposal::parse_list(ours).unwrap();
    choose_esp(&ours, &SaPayload::parse(&body).unwrap(), exchange)
        .map(|chosen| (chosen.suite, chosen.transforms))
}

#[test]
fn esn_is_agreed_or_there_is_no_child() {
    let (yes, no) = (t(5, 1), t(5, 0));
    let none = ChildExchange::None;
    assert!(esp("aes128gcm16-esn-noesn", &[gcm(128), no, yes], none).unwrap().0.esn);
    assert!(!esp("aes128gcm16-noesn-esn", &[gcm(128), no, yes], none).unwrap().0.esn);
    assert!(!esp("aes128gcm16-esn-noesn", &[gcm(128), no], none).unwrap().0.esn);
    assert!(esp("aes128gcm16-esn", &[gcm(128), no], none).is_none());
    assert!(esp("aes128gcm16", &[gcm(128), yes], none).is_none());
    assert!(esp("aes128gcm16", &[gcm(128)], none).is_none());
}

#[test]
fn chacha_has_no_key_length() {
    let chacha = t(1, 28);
    assert!(esp("chacha20poly1305", &[chacha, t(5, 0)], ChildExchange::None).is_some());
    let with = Transform { key_length: KeyLength::Bits(256), ..chacha };
    assert!(esp("chacha20poly1305", &[with, t(5, 0)], ChildExchange::None).is_none());
}

#[test]
fn a_childs_own_exchange_is_asked_for_outside_ike_auth() {
    let plain = [gcm(128), t(5, 0)];
    let with = [gcm(128), t(5, 0), t(4, 31)];
    let sent = ChildExchange::Sent(Some(31));
    assert_eq!(esp("aes128gcm16-x25519", &with, sent).unwrap().0.group, Some(Group::X25519));
    assert!(esp("aes128gcm16-x25519", &plain, ChildExchange::Sent(None)).is_none());
    assert_eq!(esp("aes128gcm16-x25519", &plain, ChildExchange::None).unwrap().0.group, None);
    // A peer that insists on one that isn't configured is refused; one that also offers none is not.
    assert!(esp("aes128gcm16", &with, sent).is_none());
    let (suite, transforms) = esp("aes128gcm16", &[&with[..], &[t(4, 0)]].concat(), sent).unwrap();
    assert_eq!(suite.group, None);
    assert!(transforms.contains(&t(4, 0)));
}

#[test]
fn reserved_and_missing_spis_are_not_spis() {
    let ours = [crate::proposal::EspProposal::default()];
    for spi in [&[0, 0, 0, 0][..], &[0, 0, 0, 255], &[], &[1, 2, 3], &[0; 8]] {
        let body = offer(Protocol::ESP, spi, &[&[gcm(128), t(5, 0)]]);
        assert!(
            choose_esp(&ours, &SaPayload::parse(&body).unwrap(), ChildExchange::None).is_none(),
            "{spi:?}"
        );
    }
}

//! Messages that are wrong in one way each. The list is that of libreswan's fault injections and of the IPv6 Ready
//! responder tests (SGW.R ids beside the cases); the answers are RFC 7296's, and strongSwan's where that leaves a choice.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use common::initiator::{aes_gcm, clear_error, transform};
use common::{Host, Initiator, config, established};
use ike_lite::wire::auth::Auth;
use ike_lite::wire::ke::KeyExchange;
use ike_lite::wire::notify::Notify;
use ike_lite::wire::sa::{KeyLength, Protocol, Transform, TransformType, emit_proposal};
use ike_lite::wire::{Chain, ChainBuilder, Exchange, Header, PayloadType};
use ike_lite::{Cause, Event, IkeGoneReason, NotifyType};

const UNKNOWN: PayloadType = PayloadType(200);
const CRITICAL: u8 = 0x80;

type Payloads = Vec<(PayloadType, Vec<u8>)>;

fn payloads(chain: &ChainBuilder) -> Payloads {
    let parts = chain.parts();
    let chain = Chain::check(parts.first, parts.octets).unwrap();
    chain.payloads().map(|payload| (payload.kind, payload.body.to_vec())).collect()
}

fn rebuild(payloads: &Payloads) -> ChainBuilder {
    let mut chain = ChainBuilder::new();
    payloads.iter().for_each(|(kind, body)| chain.push(*kind, |out| out.extend_from_slice(body)));
    chain
}

/// The chain's octets with the critical bit of its last payload set, and of its reserved bits all.
fn mark_last(chain: &ChainBuilder, bits: u8) -> (PayloadType, Vec<u8>) {
    let parts = chain.parts();
    let mut octets = parts.octets.to_vec();
    let last = payloads(chain).pop().unwrap().1.len() + 4;
    let at = octets.len() - last + 1;
    octets[at] |= bits;
    (parts.first, octets)
}

fn in_clear(peer: &Initiator, first: PayloadType, octets: &[u8]) -> Vec<u8> {
    peer.init_header().message(ike_lite::wire::header::ChainParts { first, octets })
}

/// An initiator between its two exchanges.
fn half_open() -> (Host, Initiator) {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    (host, peer)
}

#[test]
fn what_does_no_harm_is_taken() {
    // SGW.R.1.1.4.1, 1.1.4.3, 1.1.11.1, 1.1.11.3; minor-version-bump, send-bogus-isakmp-flag, send-nonzero-reserved,
    // add-unknown-v2-payload, ke-payload:DUPLICATE, send-bogus-dcookie, jacob-two-two.
    type Change = fn(&Initiator) -> Vec<u8>;
    let changes: [(&str, Change); 7] = [
        ("minor version", |peer| {
            Header { version: 0x2f, ..peer.init_header() }.message(peer.init_chain().parts())
        }),
        ("reserved header flags", |peer| {
            let mut message = peer.init_header().message(peer.init_chain().parts());
            message[19] |= 0xd7;
            message
        }),
        ("unknown payload", |peer| {
            let mut chain = peer.init_chain();
            chain.push(UNKNOWN, |out| out.extend_from_slice(b"what"));
            peer.init_header().message(chain.parts())
        }),
        ("reserved bits of payloads", |peer| {
            let (first, octets) = mark_last(&peer.init_chain(), 0x7f);
            in_clear(peer, first, &octets)
        }),
        ("critical bit on a known payload", |peer| {
            let (first, octets) = mark_last(&peer.init_chain(), CRITICAL);
            in_clear(peer, first, &octets)
        }),
        ("second KE", |peer| {
            let mut chain = peer.init_chain();
            chain.push(PayloadType::KE, |out| KeyExchange { group: 31, data: &[1] }.emit(out));
            peer.init_header().message(chain.parts())
        }),
        ("cookie that nobody asked for", |peer| {
            let mut chain = peer.init_chain();
            chain.push_notify(Notify::new(NotifyType::COOKIE, &[7; 8]));
            peer.init_header().message(chain.parts())
        }),
    ];
    for (name, change) in changes {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        peer.msg1 = change(&peer);
        let response = host.ask(&peer.msg1.clone());
        peer.on_init_response(&response);
        let response = host.ask(&peer.auth_request());
        peer.on_auth_response(&response);
        assert_eq!(host.installed.len(), 1, "{name}");
    }
}

#[test]
fn payload_order_does_not_matter() {
    // SGW.R.1.1.4.5
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let mut list = payloads(&peer.init_chain());
    list.reverse();
    peer.msg1 = peer.init_header().message(rebuild(&list).parts());
    let response = host.ask(&peer.msg1.clone());
    peer.on_init_response(&response);
    let mut list = payloads(&peer.auth_chain());
    list.reverse();
    let response = host.ask(&peer.request(Exchange::IKE_AUTH, &rebuild(&list)));
    peer.on_auth_response(&response);
    assert_eq!(host.installed.len(), 1);
}

#[test]
fn another_major_version_is_told_ours() {
    // SGW.R.1.1.4.2; major-version-bump.
    let mut host = Host::new(config());
    let peer = Initiator::new();
    let message = Header { version: 0x30, ..peer.init_header() }.message(peer.init_chain().parts());
    let response = host.ask(&message);
    assert_eq!(clear_error(&response), Some((NotifyType::INVALID_MAJOR_VERSION, vec![2])));
    assert_eq!(response[17], 0x20);
    let (header, _) = Header::parse(&response).unwrap();
    assert!(header.response && !header.initiator && header.spi_i == peer.spi_i);
    // IKEv1, and a response, get nothing; neither does a flood.
    let message = Header { version: 0x10, ..peer.init_header() }.message(peer.init_chain().parts());
    assert_eq!(host.dropped(&message), Cause::Version);
    let header = Header { version: 0x30, response: true, ..peer.init_header() };
    assert_eq!(host.dropped(&header.message(peer.init_chain().parts())), Cause::Version);
    let flood = Header { version: 0x30, ..peer.init_header() }.message(peer.init_chain().parts());
    let answers: usize = (0..100).map(|_| host.deliver(&flood).len()).sum();
    assert!(answers < 10, "{answers} answers in no time");
}

#[test]
fn a_critical_payload_is_refused_by_name_wherever_it_is() {
    // SGW.R.1.1.4.4; unknown-v2-payload-critical.
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let mut chain = peer.init_chain();
    chain.push(UNKNOWN, |_| {});
    let (first, octets) = mark_last(&chain, CRITICAL);
    let response = host.ask(&in_clear(&peer, first, &octets));
    let expected = (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![UNKNOWN.0]);
    assert_eq!(clear_error(&response).as_ref(), Some(&expected));
    assert_eq!(host.endpoint.load(), (0, 0));

    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let mut chain = peer.auth_chain();
    chain.push(UNKNOWN, |_| {});
    let (first, octets) = mark_last(&chain, CRITICAL);
    let header = peer.header(Exchange::IKE_AUTH, false, 1);
    let message = peer.seal_raw(header, first, &octets);
    let response = host.ask(&message);
    assert_eq!(peer.open(&response).notify(expected.0), Some(expected.1.clone()));
    assert!(host.installed.is_empty(), "no SA comes of it");

    // In an established IKE SA it costs only the request.
    let (mut host, mut peer) = established();
    let mut chain = ChainBuilder::new();
    chain.push(UNKNOWN, |_| {});
    let (first, octets) = mark_last(&chain, CRITICAL);
    for exchange in [Exchange::INFORMATIONAL, Exchange::CREATE_CHILD_SA] {
        let header = peer.header(exchange, false, peer.next_id);
        peer.next_id += 1;
        let message = peer.seal_raw(header, first, &octets);
        let response = host.ask(&message);
        assert_eq!(peer.open(&response).notify(expected.0), Some(expected.1.clone()));
    }
    assert_eq!(host.live().len(), 1);
}

#[test]
fn broken_messages_in_the_clear_are_dropped() {
    // ke-payload:OMIT, 8-octet nonce, and no payload at all: INVALID_SYNTAX needs a protected message.
    let peer = Initiator::new();
    let whole = payloads(&peer.init_chain());
    for kind in [PayloadType::SA, PayloadType::KE, PayloadType::NONCE] {
        let mut list = whole.clone();
        list.retain(|(other, _)| *other != kind);
        let message = peer.init_header().message(rebuild(&list).parts());
        assert_eq!(Host::new(config()).dropped(&message), Cause::Payloads, "without {kind}");
    }
    for length in [0, 8, 15, 257] {
        let mut list = whole.clone();
        list[2].1 = vec![1; length];
        let message = peer.init_header().message(rebuild(&list).parts());
        assert_eq!(Host::new(config()).dropped(&message), Cause::Payloads, "a nonce of {length}");
    }
    let empty = peer.init_header().message(ChainBuilder::new().parts());
    assert_eq!(Host::new(config()).dropped(&empty), Cause::Payloads);
}

#[test]
fn broken_headers_are_dropped() {
    // ike-initiator-spi:0; SGW.R.1.1.8.1 for what belongs to no IKE SA; SGW.R.1.1.11.4.
    let mut host = Host::new(config());
    let peer = Initiator::new();
    let good = peer.init_header().message(peer.init_chain().parts());
    for length in 0..good.len() {
        assert_eq!(host.dropped(&good[..length]), Cause::Header, "cut to {length}");
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(host.dropped(&long), Cause::Header);
    let change = |change: fn(&mut Header)| {
        let mut header = peer.init_header();
        change(&mut header);
        header.message(peer.init_chain().parts())
    };
    assert_eq!(host.dropped(&change(|h| h.spi_i = 0)), Cause::Header);
    assert_eq!(host.dropped(&change(|h| h.spi_r = 12345)), Cause::State);
    assert_eq!(host.dropped(&change(|h| h.message_id = 1)), Cause::State);
    assert_eq!(host.dropped(&change(|h| h.response = true)), Cause::State);
    assert_eq!(host.dropped(&change(|h| h.initiator = false)), Cause::State);
    let stray = change(|h| {
        h.exchange = Exchange::INFORMATIONAL;
        h.spi_r = 12345;
    });
    let response = host.ask(&stray);
    assert_eq!(clear_error(&response).unwrap().0, NotifyType::INVALID_IKE_SPI);
    let (header, _) = Header::parse(&response).unwrap();
    assert_eq!((header.spi_i, header.spi_r, header.response), (peer.spi_i, 12345, true));
    let stray = change(|h| {
        h.exchange = Exchange::INFORMATIONAL;
        h.response = true;
    });
    assert_eq!(host.dropped(&stray), Cause::UnknownSpi);
}

#[test]
fn attributes_that_are_not_understood_refuse_the_proposal() {
    // ike-key-length-attribute:OMIT and :17, v2-proposal-dh:omit, ikev2-add-ike-transform.
    let (prf, dh) = (transform(TransformType::PRF, 5), transform(TransformType::DH, 31));
    let bare = Transform { key_length: KeyLength::None, ..aes_gcm(0) };
    let offers: [&[Transform]; 4] = [
        &[bare, prf, dh],
        &[aes_gcm(17), prf, dh],
        &[aes_gcm(128), prf],
        &[aes_gcm(128), prf, dh, transform(TransformType(5 + 80), 99)],
    ];
    for offer in offers {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        peer.ike_transforms = offer.to_vec();
        let response = host.ask(&peer.init_request());
        assert_eq!(clear_error(&response).unwrap().0, NotifyType::NO_PROPOSAL_CHOSEN, "{offer:?}");
    }
    // child-key-length-attribute:OMIT.
    let (mut host, mut peer) = half_open();
    peer.esp_transforms = vec![bare, transform(TransformType::ESN, 0)];
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(peer.open(&response).error(), Some(NotifyType::NO_PROPOSAL_CHOSEN));
}

#[test]
fn duplicated_key_lengths_are_taken_if_they_agree() {
    // child-key-length-attribute:DUPLICATE.
    for (second, taken) in [(128u16, true), (256, false)] {
        let (mut host, mut peer) = half_open();
        let mut body = Vec::new();
        emit_proposal(1, Protocol::ESP, &[0, 0, 16, 0], &peer.esp_transforms, true, &mut body);
        // The first transform is encryption with one attribute: offset 12 in the proposal, 12 octets long.
        let mut doubled = body[..24].to_vec();
        doubled[12 + 3] += 4;
        doubled.extend_from_slice(&[0x80, 14]);
        doubled.extend_from_slice(&second.to_be_bytes());
        doubled.extend_from_slice(&body[24..]);
        doubled[3] += 4;
        let mut list = payloads(&peer.auth_chain());
        list.iter_mut().find(|(kind, _)| *kind == PayloadType::SA).unwrap().1 = doubled;
        let response = host.ask(&peer.request(Exchange::IKE_AUTH, &rebuild(&list)));
        assert_eq!(peer.open(&response).error().is_none(), taken, "{second}");
    }
}

#[test]
fn other_ways_to_authenticate_fail() {
    // force-v2-auth-method:NULL; EAP, which begins without AUTH; an empty and a short code.
    let good = |peer: &Initiator| payloads(&peer.auth_chain());
    let auth = |list: &mut Payloads| list.iter().position(|(kind, _)| *kind == PayloadType::AUTH).unwrap();
    for case in 0..5 {
        let (mut host, mut peer) = half_open();
        let mut list = good(&peer);
        let at = auth(&mut list);
        match case {
            0 => list[at].1[0] = 13,
            1 => drop(list.remove(at)),
            2 => list[at].1.truncate(4),
            3 => list[at].1.truncate(35),
            _ => list[at].1.push(0),
        }
        let response = host.ask(&peer.request(Exchange::IKE_AUTH, &rebuild(&list)));
        assert_eq!(peer.open(&response).error(), Some(NotifyType::AUTHENTICATION_FAILED), "case {case}");
        assert!(host.installed.is_empty());
    }
    // A name for us that isn't ours.
    let (mut host, mut peer) = half_open();
    let mut list = good(&peer);
    list.push((PayloadType::ID_R, [&[2, 0, 0, 0][..], b"z.test"].concat()));
    let response = host.ask(&peer.request(Exchange::IKE_AUTH, &rebuild(&list)));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::AUTHENTICATION_FAILED));
}

#[test]
fn broken_contents_under_protection_are_told_and_end_the_ike_sa() {
    // SGW.R.1.1.8.2.
    for kind in [PayloadType::SA, PayloadType::TS_I, PayloadType::TS_R, PayloadType::ID_I, PayloadType::AUTH]
    {
        let (mut host, mut peer) = half_open();
        let mut list = payloads(&peer.auth_chain());
        list.iter_mut().find(|(other, _)| *other == kind).unwrap().1.truncate(3);
        let response = host.ask(&peer.request(Exchange::IKE_AUTH, &rebuild(&list)));
        let plain = peer.open(&response);
        assert_eq!(plain.error(), Some(NotifyType::INVALID_SYNTAX), "{kind}");
        assert_eq!(plain.chain().payloads().count(), 1);
        assert!(host.installed.is_empty());
        assert!(!host.events.iter().any(|event| matches!(event, Event::IkeUp { .. })));
    }
    for (exchange, first, octets) in [
        (Exchange::INFORMATIONAL, PayloadType::DELETE, &[0, 0, 0, 9, 3, 4, 0, 1, 0][..]),
        (Exchange::INFORMATIONAL, PayloadType::NOTIFY, &[41, 0, 0, 200]),
        (Exchange::INFORMATIONAL, PayloadType::NONE, &[1, 2, 3]),
        (Exchange::CREATE_CHILD_SA, PayloadType::NONE, &[]),
        (Exchange::CREATE_CHILD_SA, PayloadType::SA, &[0, 0, 0, 5, 1]),
    ] {
        let (mut host, mut peer) = established();
        let header = peer.header(exchange, false, peer.next_id);
        let message = peer.seal_raw(header, first, octets);
        let response = host.ask(&message);
        assert_eq!(peer.open(&response).error(), Some(NotifyType::INVALID_SYNTAX));
        assert!(matches!(host.events.last(), Some(Event::IkeGone { why: IkeGoneReason::Protocol, .. })));
        assert!(host.live().is_empty());
    }
}

#[test]
fn what_isnt_authentic_changes_nothing() {
    // corrupt-encrypted: dropped, and the genuine message after it is taken.
    let (mut host, mut peer) = half_open();
    let genuine = peer.auth_request();
    for at in 28..genuine.len() {
        let mut corrupt = genuine.clone();
        corrupt[at] ^= 0x40;
        let cause = host.dropped(&corrupt);
        assert!(matches!(cause, Cause::Integrity | Cause::Payloads), "octet {at}: {cause}");
    }
    let response = host.ask(&genuine);
    peer.on_auth_response(&response);
    // The wrong direction: our own response, reflected; and a claim of the wrong role.
    assert_eq!(host.dropped(&response), Cause::UnknownSpi);
    let header = Header { initiator: false, ..peer.header(Exchange::INFORMATIONAL, true, 0) };
    let reflected = peer.seal(header, &ChainBuilder::new());
    assert_eq!(host.dropped(&reflected), Cause::UnknownSpi);
    // SPIs of two different IKE SAs.
    let header = Header { spi_i: 77, ..peer.header(Exchange::INFORMATIONAL, false, 2) };
    let mixed = peer.seal(header, &ChainBuilder::new());
    assert_eq!(host.dropped(&mixed), Cause::Role);
}

#[test]
fn forbidden_transitions_have_no_effect() {
    // The table of `session`: a child before authentication, a second IKE_AUTH, an unknown exchange.
    let (mut host, mut peer) = half_open();
    for exchange in [Exchange::CREATE_CHILD_SA, Exchange::INFORMATIONAL, Exchange(44)] {
        let header = peer.header(exchange, false, 1);
        let message = peer.seal(header, &ChainBuilder::new());
        assert_eq!(host.dropped(&message), Cause::State);
    }
    let header = peer.header(Exchange::IKE_AUTH, false, 2);
    let chain = peer.auth_chain();
    let message = peer.seal(header, &chain);
    assert_eq!(host.dropped(&message), Cause::MessageId);
    let header = peer.header(Exchange::IKE_AUTH, true, 1);
    let message = peer.seal(header, &chain);
    assert_eq!(host.dropped(&message), Cause::UnexpectedResponse);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    for exchange in [Exchange::IKE_AUTH, Exchange(44)] {
        let header = peer.header(exchange, false, peer.next_id);
        let message = peer.seal(header, &chain);
        assert_eq!(host.dropped(&message), Cause::State);
    }
    let header = peer.header(Exchange::INFORMATIONAL, true, 0);
    let message = peer.seal(header, &ChainBuilder::new());
    assert_eq!(host.dropped(&message), Cause::UnexpectedResponse);
    assert_eq!(host.installed.len(), 1);
}

#[test]
fn messages_ahead_of_the_window_wait() {
    // replay-forward, drop-outgoing.
    let (mut host, mut peer) = established();
    let (first, second) = (peer.liveness_request(), peer.liveness_request());
    assert_eq!(host.dropped(&second), Cause::MessageId);
    host.ask(&first);
    host.ask(&second);
    assert_eq!(host.dropped(&first), Cause::MessageId);
}

#[test]
fn auth_payload_survives_a_trip() {
    let mut octets = Vec::new();
    Auth { method: 2, data: &[1, 2] }.emit(&mut octets);
    assert_eq!(Auth::parse(&octets), Ok(Auth { method: 2, data: &[1, 2] }));
}

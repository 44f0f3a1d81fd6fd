//! The initial exchanges: who the peer is, cookies and bounds, key exchange, NAT detection.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use common::initiator::clear_error;
use common::{Host, Initiator, LOCAL, PSK, REMOTE, config, established_with, fixed};
use ike_lite::wire::ke::KeyExchange;
use ike_lite::wire::{Chain, ChainBuilder, Header, PayloadType};
use ike_lite::{Cause, Command, Connection, IdentityMatch, Mode, NotifyType, Psk, SelectorSpec};

#[test]
fn the_wrong_key_is_told_so_and_leaves_nothing() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    peer.psk = b"wrong".to_vec();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let auth = peer.auth_request();
    let response = host.ask(&auth);
    let plain = peer.open(&response);
    assert_eq!(plain.error(), Some(NotifyType::AUTHENTICATION_FAILED));
    assert_eq!(plain.chain().payloads().count(), 1, "and nothing else");
    assert!(host.installed.is_empty());
    assert_eq!(host.ask(&auth), response, "a repetition gets it again");
    let liveness = peer.liveness_request();
    assert_eq!(host.dropped(&liveness), Cause::Closing);
    host.sleep(60);
    assert_eq!(host.endpoint.load(), (0, 0));
}

#[test]
fn the_wrong_identity_reads_like_the_wrong_key() {
    for (identity, psk) in [("c.test", PSK), ("a.test", b"wrong")] {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        peer.identity = ike_lite::Identity::Fqdn(identity.into());
        peer.psk = psk.to_vec();
        let response = host.ask(&peer.init_request());
        peer.on_init_response(&response);
        let response = host.ask(&peer.auth_request());
        assert_eq!(peer.open(&response).error(), Some(NotifyType::AUTHENTICATION_FAILED));
    }
    // Names are compared without regard to case.
    let mut peer = Initiator::new();
    peer.identity = ike_lite::Identity::Fqdn("A.Test".into());
    let mut host = Host::new(config());
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
}

#[test]
fn a_connection_for_this_peer_goes_before_one_for_anybody() {
    let mut config = config();
    let mut anybody = Connection::new("anybody", Psk::new(b"for all"));
    anybody.local_id = config.connections[0].local_id.clone();
    anybody.children = config.connections[0].children.clone();
    assert_eq!(anybody.remote_id, IdentityMatch::Any);
    config.connections.insert(0, anybody);
    let (host, _) = established_with(config.clone());
    assert_eq!(host.installed[0].connection, "gw");
    // And a peer that only the other one fits is taken by that.
    let mut host = Host::new(config);
    let mut peer = Initiator::new();
    peer.identity = ike_lite::Identity::KeyId(vec![1, 2, 3]);
    peer.psk = b"for all".to_vec();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(host.installed[0].connection, "anybody");
}

#[test]
fn the_wrong_group_is_told_the_right_one() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    peer.ke_group = 14;
    let response = host.ask(&peer.init_request());
    assert_eq!(clear_error(&response), Some((NotifyType::INVALID_KE_PAYLOAD, vec![0, 31])));
    assert_eq!(host.endpoint.load(), (0, 0), "and nothing is kept");
}

#[test]
fn public_values_that_are_none_are_refused() {
    for data in [&[0u8; 32][..], &[], &[9], &[9; 31], &[9; 33]] {
        let mut host = Host::new(config());
        let peer = Initiator::new();
        let mut chain = ChainBuilder::new();
        for payload in init_payloads(&peer) {
            let ke = payload.0 == PayloadType::KE;
            chain.push(payload.0, |out| match ke {
                true => KeyExchange { group: 31, data }.emit(out),
                false => out.extend_from_slice(&payload.1),
            });
        }
        let response = host.ask(&peer.init_header().message(chain.parts()));
        assert_eq!(
            clear_error(&response),
            Some((NotifyType::NO_PROPOSAL_CHOSEN, vec![])),
            "{} octets",
            data.len()
        );
    }
}

fn init_payloads(peer: &Initiator) -> Vec<(PayloadType, Vec<u8>)> {
    let chain = peer.init_chain();
    let parts = chain.parts();
    let chain = Chain::check(parts.first, parts.octets).unwrap();
    chain.payloads().map(|payload| (payload.kind, payload.body.to_vec())).collect()
}

#[test]
fn under_load_a_cookie_is_demanded_first() {
    let mut config = config();
    config.limits.cookie_threshold = 0;
    let mut host = Host::new(config);
    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    let (kind, cookie) = clear_error(&response).unwrap();
    assert_eq!(kind, NotifyType::COOKIE);
    assert_eq!(host.endpoint.load(), (0, 0), "nothing is kept");
    peer.cookie = Some(vec![0; 36]);
    let response = host.ask(&peer.init_request());
    assert_eq!(clear_error(&response).unwrap().0, NotifyType::COOKIE, "a wrong one doesn't count");
    peer.cookie = Some(cookie.clone());
    let request = peer.init_request();
    // From elsewhere it doesn't count either.
    let stolen = host.deliver_from("10.9.0.77:500".parse().unwrap(), &request);
    assert_eq!(clear_error(&stolen[0]).unwrap().0, NotifyType::COOKIE);
    // With a wrong group too, the cookie is still good for the second try.
    peer.ke_group = 19;
    let response = host.ask(&peer.init_request());
    assert_eq!(clear_error(&response).unwrap().0, NotifyType::INVALID_KE_PAYLOAD);
    peer.ke_group = 31;
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(host.installed.len(), 1);
}

#[test]
fn half_open_ike_sas_are_bounded_and_forgotten() {
    for (all, each, expected) in [(20, 100, 20), (100, 5, 50)] {
        let mut config = config();
        config.limits.half_open = all;
        config.limits.half_open_per_peer = each;
        config.limits.cookie_threshold = 1000;
        let mut host = Host::new(config);
        let mut answered = 0;
        for peer in 0..10u8 {
            for seed in 0..10u8 {
                let request = Initiator::seeded(peer * 16 + seed).init_request();
                answered += host.deliver_from(([10, 9, 1, peer], 500).into(), &request).len();
            }
        }
        assert_eq!((answered, host.endpoint.load()), (expected, (expected, expected)));
        host.sleep(31);
        assert_eq!(host.endpoint.load(), (0, 0));
    }
    let mut host = Host::new(config());
    let huge = {
        let peer = Initiator::new();
        let mut chain = peer.init_chain();
        chain.push(PayloadType(43), |out| out.resize(out.len() + 5000, 0));
        peer.init_header().message(chain.parts())
    };
    assert_eq!(host.dropped(&huge), Cause::TooLong);
}

#[test]
fn nats_are_found_on_either_side() {
    let here = (LOCAL, 500).into();
    let there = (REMOTE, 500).into();
    let private = "192.168.1.5:500".parse().unwrap();
    for (source, destination, encap, keepalive) in
        [(there, here, false, false), (private, here, true, false), (there, private, true, true)]
    {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        peer.nat = Some((source, destination));
        let response = host.ask(&peer.init_request());
        let (header, payloads) = Header::parse(&response).unwrap();
        let chain = Chain::check(header.next_payload, payloads).unwrap();
        let said = chain.notify(NotifyType::NAT_DETECTION_SOURCE_IP).unwrap().data;
        assert_eq!(said, common::initiator::nat_hash(header.spi_i, header.spi_r, here));
        peer.on_init_response(&response);
        host.local = (LOCAL, 4500).into();
        let remote = (REMOTE, 61234).into();
        let sent = host.deliver_from(remote, &peer.auth_request());
        assert_eq!(host.sent[0].0, remote, "the answer goes where the request came from");
        peer.on_auth_response(&sent[0]);
        let found = host.installed[0].encap;
        assert_eq!(found.is_some(), encap);
        if let Some(found) = found {
            assert_eq!((found.local, found.remote, found.keepalive), (host.local, remote, keepalive));
        }
    }
}

#[test]
fn forced_encapsulation_claims_a_nat() {
    let mut config = config();
    config.connections[0].encap = true;
    let mut host = Host::new(config);
    let mut peer = Initiator::new();
    peer.nat = Some(((REMOTE, 500).into(), (LOCAL, 500).into()));
    let response = host.ask(&peer.init_request());
    let (header, payloads) = Header::parse(&response).unwrap();
    let chain = Chain::check(header.next_payload, payloads).unwrap();
    let said = chain.notify(NotifyType::NAT_DETECTION_SOURCE_IP).unwrap().data;
    assert_ne!(said, common::initiator::nat_hash(header.spi_i, header.spi_r, host.local));
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert!(host.installed[0].encap.is_some());
}

#[test]
fn a_translated_peer_may_move_and_another_may_not() {
    for translated in [true, false] {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        let source = if translated { "192.168.1.5:500".parse().unwrap() } else { (REMOTE, 500).into() };
        peer.nat = Some((source, (LOCAL, 500).into()));
        let response = host.ask(&peer.init_request());
        peer.on_init_response(&response);
        host.local = (LOCAL, 4500).into();
        let sent = host.deliver_from((REMOTE, 4500).into(), &peer.auth_request());
        peer.on_auth_response(&sent[0]);
        let elsewhere = "10.9.0.99:7777".parse().unwrap();
        // A repetition, or a forgery, moves nothing.
        let mut forged = peer.liveness_request();
        let genuine = forged.clone();
        forged[40] ^= 1;
        host.deliver_from(elsewhere, &forged);
        assert!(host.moved.is_empty());
        host.deliver_from(elsewhere, &genuine);
        let expected = if translated { vec![(host.installed[0].spi_in, elsewhere)] } else { vec![] };
        assert_eq!(host.moved, expected);
        host.deliver_from((REMOTE, 4500).into(), &genuine);
        assert_eq!(host.moved, expected, "the repetition of an old request");
        // Our own requests go to where the peer is now.
        host.command(Command::DeleteChild { spi: host.installed[0].spi_in });
        assert_eq!(host.sent[0].0, if translated { elsewhere } else { (REMOTE, 4500).into() });
    }
}

#[test]
fn the_configuration_is_checked() {
    let mut bad = config();
    bad.connections[0].psk = Psk::new(b"");
    let mut rng = Host::new(config()).rng;
    assert!(ike_lite::Endpoint::new(bad, &mut rng).is_err());
    let mut bad = config();
    bad.connections[0].children[0].mode = Mode::Transport;
    assert!(matches!(bad.check(), Err(ike_lite::ConfigError::TransportPrefix { .. })));
    let mut bad = config();
    bad.connections[0].children[0].remote_ts = vec![fixed("fd01::/64")];
    assert!(matches!(bad.check(), Err(ike_lite::ConfigError::NoSelectors { .. })));
    bad.connections[0].children[0].remote_ts = vec![SelectorSpec::DYNAMIC];
    assert!(bad.check().is_ok());
}

#[test]
fn initial_contact_ends_the_old_before_the_new_begins() {
    let (mut host, _) = established_with(config());
    let mut peer = Initiator::seeded(9);
    peer.initial_contact = true;
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let request = peer.auth_request();
    let datagram = ike_lite::Datagram { local: host.local, remote: (REMOTE, 500).into(), bytes: &request };
    host.endpoint.handle(host.now, &mut host.rng, datagram);
    let mut order = Vec::new();
    loop {
        match host.endpoint.poll(host.now, &mut host.rng) {
            ike_lite::Output::Wake(_) => break,
            ike_lite::Output::InstallChild(_) => order.push("install"),
            ike_lite::Output::RemoveChild { .. } => order.push("remove"),
            _ => {}
        }
    }
    assert_eq!(order, ["remove", "install"]);
}

//! New keys: children and IKE SAs, started by the peer, by us, and by both at once.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use std::time::Duration;

use common::initiator::transform;
use common::{Host, Initiator, config, established, established_with};
use ike_lite::dh::Secret;
use ike_lite::wire::delete::{Delete, emit_esp};
use ike_lite::wire::ke::KeyExchange;
use ike_lite::wire::notify::Notify;
use ike_lite::wire::sa::{Protocol, SaPayload, TransformType, emit_proposal};
use ike_lite::wire::{ChainBuilder, Exchange, PayloadType, ts};
use ike_lite::{Command, Event, Group, NotifyType, Spi};

/// Lets the peer answer our child rekey with a nonce of its choice. Returns its new inbound SPI and our request's nonce.
fn answer_child_rekey(peer: &mut Initiator, request: &[u8], nonce_r: &[u8]) -> (u32, Vec<u8>, Vec<u8>) {
    let plain = peer.open(request);
    let chain = plain.chain();
    let nonce_i = chain.require(PayloadType::NONCE).unwrap().to_vec();
    let sa = SaPayload::parse(chain.require(PayloadType::SA).unwrap()).unwrap();
    let offer = sa.proposals().next().unwrap();
    let spi_out = offer.spi.to_vec();
    let spi_in = peer.spi_in + 0x40;
    let mut reply = ChainBuilder::new();
    reply.push(PayloadType::SA, |out| {
        emit_proposal(offer.number, Protocol::ESP, &spi_in.to_be_bytes(), &peer.esp_transforms, true, out);
    });
    reply.push(PayloadType::NONCE, |out| out.extend_from_slice(nonce_r));
    let tsi = plain.selectors(PayloadType::TS_I);
    let tsr = plain.selectors(PayloadType::TS_R);
    reply.push(PayloadType::TS_I, |out| ts::emit(&tsi, out));
    reply.push(PayloadType::TS_R, |out| ts::emit(&tsr, out));
    let transforms = peer.esp_transforms.clone();
    peer.take_child(&spi_out, &transforms, &[], &nonce_i, nonce_r);
    peer.spi_in = spi_in;
    (spi_in, nonce_i, peer.respond(&plain.header, &reply))
}

/// The SPI that a Delete request names.
fn deleted(peer: &Initiator, request: &[u8]) -> Vec<u32> {
    let plain = peer.open(request);
    assert_eq!(plain.header.exchange, Exchange::INFORMATIONAL);
    Delete::parse(plain.chain().require(PayloadType::DELETE).unwrap()).unwrap().spis().collect()
}

fn confirm_delete(host: &mut Host, peer: &mut Initiator, request: &[u8], half: u32) -> Vec<Vec<u8>> {
    let mut reply = ChainBuilder::new();
    reply.push(PayloadType::DELETE, |out| emit_esp(&[half], out));
    let header = peer.open(request).header;
    let response = peer.respond(&header, &reply);
    host.deliver(&response)
}

#[test]
fn the_peer_rekeys_a_child_and_no_packet_is_lost() {
    let (mut host, mut peer) = established();
    let (old_in, old_out) = (peer.spi_in, Spi(peer.spi_out));
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(Some(old_in), &nonce));
    peer.on_child_response(&response, &nonce, &[]);
    let new = host.installed[1].clone();
    assert_eq!(new.replaces, Some(old_out));
    assert_eq!((new.key_in.to_vec(), new.key_out.to_vec()), peer.child_keys);
    assert_eq!(host.activated, [old_out], "the old one is used until the peer shows that it has the new one");
    let response = host.ask(&peer.delete_child_request(&[old_in]));
    assert_eq!(peer.open(&response).chain().payloads().count(), 1);
    assert_eq!(host.activated, [old_out, new.spi_in]);
    assert!(host.is_live(old_out), "it still receives what is under way");
    host.sleep(3);
    assert!(!host.is_live(old_out) && host.is_live(new.spi_in));
}

#[test]
fn traffic_on_the_new_child_is_proof_enough() {
    let (mut host, mut peer) = established();
    let nonce = peer.nonce();
    host.ask(&peer.child_request(Some(peer.spi_in), &nonce));
    let new = host.installed[1].spi_in;
    host.command(Command::Traffic { spi: new });
    host.command(Command::Traffic { spi: new });
    assert_eq!(host.activated[1..], [new]);
}

#[test]
fn a_child_that_isnt_there_cant_be_rekeyed() {
    let (mut host, mut peer) = established();
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(Some(0xdead_beef), &nonce));
    let plain = peer.open(&response);
    let notify = plain.chain().notify(NotifyType::CHILD_SA_NOT_FOUND).map(|n| (n.protocol, n.spi.to_vec()));
    assert_eq!(notify, Some((Protocol::ESP, vec![0xde, 0xad, 0xbe, 0xef])));
    assert_eq!(host.installed.len(), 1);
}

#[test]
fn a_child_may_have_an_exchange_of_its_own() {
    let mut config = config();
    config.connections[0].children[0].esp_proposals = vec!["aes128gcm16-x25519-ecp384".parse().unwrap()];
    let (mut host, mut peer) = established_with(config);
    peer.esp_transforms.push(transform(TransformType::DH, 31));
    let nonce = peer.nonce();
    let old = peer.spi_in;
    // Without a public value, or with one of another group, the right group is named.
    for ke in [None, Some((20, &[0; 96][..]))] {
        peer.spi_in += 1;
        let chain = peer.child_chain(Some(old), &nonce, ke);
        let response = host.ask(&peer.request(Exchange::CREATE_CHILD_SA, &chain));
        assert_eq!(peer.open(&response).notify(NotifyType::INVALID_KE_PAYLOAD), Some(vec![0, 31]));
    }
    let secret = Secret::generate(Group::X25519, &mut peer.rng);
    let public = secret.public();
    let chain = peer.child_chain(Some(old), &nonce, Some((31, &public)));
    let response = host.ask(&peer.request(Exchange::CREATE_CHILD_SA, &chain));
    let plain = peer.open(&response);
    let ke = KeyExchange::parse(plain.chain().require(PayloadType::KE).unwrap()).unwrap().data.to_vec();
    peer.on_child_response(&response, &nonce, &secret.agree(&ke).unwrap());
    assert_eq!((host.installed[1].key_in.to_vec(), host.installed[1].key_out.to_vec()), peer.child_keys);
}

#[test]
fn we_rekey_a_child() {
    let (mut host, mut peer) = established();
    let old = host.installed[0].spi_in;
    let old_peer = peer.spi_in;
    let sent = host.command(Command::SoftLimit { spi: old });
    assert!(host.command(Command::SoftLimit { spi: old }).is_empty(), "once is enough");
    let plain = peer.open(&sent[0]);
    let named = plain.chain().notify(NotifyType::REKEY_SA).map(|n| (n.protocol, n.spi.to_vec()));
    assert_eq!(named, Some((Protocol::ESP, old.0.to_be_bytes().to_vec())));
    let (_, _, response) = answer_child_rekey(&mut peer, &sent[0], &[9; 32]);
    let sent = host.deliver(&response);
    let new = &host.installed[1];
    // In this exchange we are the initiator.
    assert_eq!((new.key_out.to_vec(), new.key_in.to_vec()), peer.child_keys);
    assert_eq!((new.replaces, host.activated.last()), (Some(old), Some(&new.spi_in)));
    assert_eq!(deleted(&peer, &sent[0]), [old.0]);
    let sent = confirm_delete(&mut host, &mut peer, &sent[0], old_peer);
    assert!(sent.is_empty(), "the second soft limit was of the same child");
    host.sleep(3);
    assert_eq!(host.live().len(), 1);
}

#[test]
fn the_lowest_nonce_loses_a_simultaneous_rekey() {
    for (theirs, we_win) in [([0; 32], true), ([255; 32], false)] {
        let (mut host, mut peer) = established();
        let old = host.installed[0].spi_in;
        let old_peer = peer.spi_in;
        let sent = host.command(Command::SoftLimit { spi: old });
        let ours = sent[0].clone();
        // The peer's own request for the same child is under way. Its nonce decides, as the responder's part is random.
        let response = host.ask(&peer.child_request(Some(old_peer), &theirs));
        let nonce_r = peer.open(&response).chain().require(PayloadType::NONCE).unwrap().to_vec();
        let their_child = host.installed[1].spi_in;
        let their_spi_in = peer.spi_in;
        let (_, nonce_i, answer) = answer_child_rekey(&mut peer, &ours, &[200; 32]);
        let sent = host.deliver(&answer);
        let our_child = host.installed[2].spi_in;
        let lowest_theirs = theirs.to_vec().min(nonce_r);
        let lowest_ours = nonce_i.min(vec![200; 32]);
        if we_win {
            assert!(lowest_theirs < lowest_ours);
        }
        if lowest_ours < lowest_theirs {
            assert_eq!(deleted(&peer, &sent[0]), [our_child.0], "ours is redundant");
            let header = peer.open(&sent[0]).header;
            let response = peer.respond(&header, &ChainBuilder::new());
            host.deliver(&response);
            host.ask(&peer.delete_child_request(&[old_peer]));
            host.sleep(3);
            let live: Vec<_> = host.live().iter().map(|sa| sa.spi_in).collect();
            assert_eq!((live, host.activated.last()), (vec![their_child], Some(&their_child)));
        } else {
            assert_eq!(
                deleted(&peer, &sent[0]),
                [old.0],
                "the old one goes, and the peer's new one by the peer"
            );
            confirm_delete(&mut host, &mut peer, &sent[0], old_peer);
            host.ask(&peer.delete_child_request(&[their_spi_in]));
            host.sleep(3);
            let live: Vec<_> = host.live().iter().map(|sa| sa.spi_in).collect();
            assert_eq!((live, host.activated.last()), (vec![our_child], Some(&our_child)));
        }
    }
}

#[test]
fn a_child_that_we_are_closing_is_not_rekeyed() {
    let (mut host, mut peer) = established();
    let old = host.installed[0].spi_in;
    let old_peer = peer.spi_in;
    let sent = host.command(Command::SoftLimit { spi: old });
    let (_, _, answer) = answer_child_rekey(&mut peer, &sent[0], &[9; 32]);
    host.deliver(&answer);
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(Some(old_peer), &nonce));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::TEMPORARY_FAILURE));
}

#[test]
fn crossing_deletes_after_our_rekey_name_no_half() {
    let (mut host, mut peer) = established();
    let (old, old_peer) = (host.installed[0].spi_in, peer.spi_in);
    let sent = host.command(Command::SoftLimit { spi: old });
    let (_, _, answer) = answer_child_rekey(&mut peer, &sent[0], &[9; 32]);
    let sent = host.deliver(&answer);
    assert_eq!(deleted(&peer, &sent[0]), [old.0]);
    let response = host.ask(&peer.delete_child_request(&[old_peer]));
    assert_eq!(peer.open(&response).chain().payloads().count(), 0);
    confirm_delete(&mut host, &mut peer, &sent[0], old_peer);
    host.sleep(3);
    assert_eq!(host.live().len(), 1);
}

#[test]
fn refusals_of_our_rekey() {
    for (notify, again, gone) in [
        (NotifyType::TEMPORARY_FAILURE, true, false),
        (NotifyType::CHILD_SA_NOT_FOUND, false, true),
        (NotifyType::NO_PROPOSAL_CHOSEN, false, false),
    ] {
        let (mut host, mut peer) = established();
        let old = host.installed[0].spi_in;
        let sent = host.command(Command::SoftLimit { spi: old });
        let mut chain = ChainBuilder::new();
        chain.push_notify(Notify::new(notify, &[]));
        let header = peer.open(&sent[0]).header;
        let response = peer.respond(&header, &chain);
        assert!(host.deliver(&response).is_empty());
        assert!(
            host.events
                .iter()
                .any(|event| matches!(event, Event::PeerRefused { notify: n, .. } if *n == notify))
        );
        assert_eq!(host.live().is_empty(), gone, "{notify}");
        let sent = host.sleep(4);
        assert_eq!(sent.len(), usize::from(again), "{notify}");
        if again {
            assert_eq!(peer.open(&sent[0]).header.exchange, Exchange::CREATE_CHILD_SA);
        }
    }
}

#[test]
fn nonsense_in_answer_to_our_rekey_is_undone() {
    let (mut host, mut peer) = established();
    let old = host.installed[0].spi_in;
    let sent = host.command(Command::SoftLimit { spi: old });
    let header = peer.open(&sent[0]).header;
    let response = peer.respond(&header, &ChainBuilder::new());
    let sent = host.deliver(&response);
    assert_eq!(deleted(&peer, &sent[0]).len(), 1, "in case that the peer has installed something");
    assert_eq!(host.live().len(), 1);
    assert!(host.is_live(old));
}

#[test]
fn the_peer_rekeys_the_ike_sa_and_children_move() {
    let (mut host, mut peer) = established();
    let (request, mut next) = peer.ike_rekey_request(5);
    let response = host.ask(&request);
    peer.on_ike_rekey_response(&response, &mut next);
    assert_eq!(host.ask(&request), response, "the old one still repeats");
    assert!(host.events.iter().any(|event| matches!(event, Event::IkeRekeyed { .. })));
    assert!(host.removed.is_empty());
    // The new IKE SA works at once, with message IDs from 0, and knows the child.
    let response = host.ask(&next.liveness_request());
    assert_eq!(next.open(&response).header.message_id, 0);
    let nonce = next.nonce();
    let response = host.ask(&next.child_request(Some(peer.spi_in), &nonce));
    next.on_child_response(&response, &nonce, &[]);
    assert_eq!((host.installed[1].key_in.to_vec(), host.installed[1].key_out.to_vec()), next.child_keys);
    // On the old one there is nothing left to do but end.
    let response = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::TEMPORARY_FAILURE));
    host.ask(&peer.delete_ike_request());
    assert_eq!(host.live().len(), 2, "deleting the old IKE SA ends no child");
    host.sleep(100);
    assert_eq!(host.endpoint.load(), (0, 1));
    host.ask(&next.delete_ike_request());
    assert!(host.live().is_empty());
}

#[test]
fn an_ike_rekey_needs_a_group_and_a_proposal() {
    let (mut host, mut peer) = established();
    let none = transform(TransformType::DH, 0);
    for (change, expected) in [
        (vec![peer.ike_transforms[0], peer.ike_transforms[1], none], NotifyType::NO_PROPOSAL_CHOSEN),
        (
            vec![peer.ike_transforms[0], peer.ike_transforms[1], transform(TransformType::DH, 19)],
            NotifyType::INVALID_KE_PAYLOAD,
        ),
    ] {
        let good = core::mem::replace(&mut peer.ike_transforms, change);
        let (request, _) = peer.ike_rekey_request(5);
        let response = host.ask(&request);
        assert_eq!(peer.open(&response).error(), Some(expected));
        peer.ike_transforms = good;
    }
    // The IKE SA has survived both.
    host.ask(&peer.liveness_request());
}

#[test]
fn we_rekey_the_ike_sa_when_its_time_has_come() {
    let mut config = config();
    config.connections[0].rekey_time = Some(Duration::from_secs(100));
    config.connections[0].over_time = Duration::from_secs(50);
    let (mut host, mut peer) = established_with(config);
    assert!(host.sleep(99).is_empty());
    let sent = host.sleep(2);
    let plain = peer.open(&sent[0]);
    let chain = plain.chain();
    // While ours is under way, the peer's is put off, and so are children.
    let (request, _) = peer.ike_rekey_request(6);
    let refused = host.ask(&request);
    assert_eq!(peer.open(&refused).error(), Some(NotifyType::TEMPORARY_FAILURE));
    let nonce = peer.nonce();
    let refused = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&refused).error(), Some(NotifyType::TEMPORARY_FAILURE));
    // The peer answers, and is the responder of the new one.
    let offer =
        SaPayload::parse(chain.require(PayloadType::SA).unwrap()).unwrap().proposals().next().unwrap();
    let ke = KeyExchange::parse(chain.require(PayloadType::KE).unwrap()).unwrap();
    let mut next = Initiator::seeded(5);
    next.original = false;
    next.next_id = 0;
    next.nonce_r = core::mem::take(&mut next.nonce_i);
    next.nonce_i = chain.require(PayloadType::NONCE).unwrap().to_vec();
    next.spi_r = 0x1234_5678;
    next.spi_i = u64::from_be_bytes(offer.spi.try_into().unwrap());
    let shared = next.secret.agree(ke.data).unwrap();
    next.rekeyed_from(&peer, &shared);
    let mut reply = ChainBuilder::new();
    reply.push(PayloadType::SA, |out| {
        emit_proposal(
            offer.number,
            Protocol::IKE,
            &next.spi_r.to_be_bytes(),
            &peer.ike_transforms,
            true,
            out,
        );
    });
    reply.push(PayloadType::NONCE, |out| out.extend_from_slice(&next.nonce_r));
    let public = next.secret.public();
    reply.push(PayloadType::KE, |out| KeyExchange { group: 31, data: &public }.emit(out));
    let response = peer.respond(&plain.header, &reply);
    let sent = host.deliver(&response);
    let delete = peer.open(&sent[0]);
    assert_eq!(delete.chain().require(PayloadType::DELETE).unwrap(), [1, 0, 0, 0]);
    let confirmed = peer.respond(&delete.header, &ChainBuilder::new());
    host.deliver(&confirmed);
    assert_eq!(host.endpoint.load(), (0, 1));
    // The new one works both ways.
    let response = host.ask(&next.liveness_request());
    assert!(next.open(&response).header.initiator);
    let sent = host.command(Command::DeleteChild { spi: host.installed[0].spi_in });
    assert_eq!(next.open(&sent[0]).header.message_id, 0);
    // And it has a lifetime of its own.
    let response = next.respond(&next.open(&sent[0]).header, &ChainBuilder::new());
    host.deliver(&response);
    let sent = host.sleep(101);
    assert_eq!(next.open(&sent[0]).header.exchange, Exchange::CREATE_CHILD_SA);
}

#[test]
fn an_ike_sa_that_isnt_rekeyed_expires() {
    let mut config = config();
    config.connections[0].rekey_time = Some(Duration::from_secs(100));
    config.connections[0].over_time = Duration::from_secs(50);
    let (mut host, mut peer) = established_with(config);
    let sent = host.sleep(101);
    let mut chain = ChainBuilder::new();
    chain.push_notify(Notify::new(NotifyType::NO_PROPOSAL_CHOSEN, &[]));
    let header = peer.open(&sent[0]).header;
    let response = peer.respond(&header, &chain);
    host.deliver(&response);
    let sent = host.sleep(50);
    assert_eq!(peer.open(&sent[0]).chain().require(PayloadType::DELETE).unwrap(), [1, 0, 0, 0]);
    assert!(host.live().is_empty());
}

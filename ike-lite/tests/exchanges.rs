//! What a responder answers, exchange by exchange: children, deletes, liveness. The initial exchanges
//! and who the peer is are in `initial`. Named after what an initiator does.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use std::time::Duration;

use common::initiator::{aes_gcm, clear_error, transform};
use common::{Host, Initiator, LOCAL, REMOTE, config, established, established_with, fixed, net};
use ike_lite::wire::notify::Notify;
use ike_lite::wire::sa::TransformType;
use ike_lite::wire::{ChainBuilder, Exchange, PayloadType};
use ike_lite::{Cause, Child, Command, Event, IkeGoneReason, Mode, NotifyType, Spi};

#[test]
fn both_ends_have_the_same_keys() {
    let (host, peer) = established();
    let sa = &host.installed[0];
    assert_eq!((sa.spi_in.0, sa.spi_out.0), (peer.spi_out, peer.spi_in));
    assert_eq!((sa.key_in.to_vec(), sa.key_out.to_vec()), peer.child_keys);
    assert_eq!(sa.local_ts, [net("10.2.0.0/24")]);
    assert_eq!(sa.remote_ts, [net("10.1.0.0/24")]);
    assert_eq!((sa.mode, sa.encap, sa.replaces, sa.esn), (Mode::Tunnel, None, None, false));
    assert_eq!((sa.local, sa.remote), (LOCAL, REMOTE));
    assert_eq!(host.activated, [sa.spi_in]);
}

#[test]
fn a_child_is_installed_before_the_response_leaves() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
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
            ike_lite::Output::Transmit { .. } => order.push("transmit"),
            ike_lite::Output::ActivateOutbound { .. } => order.push("activate"),
            ike_lite::Output::Event(Event::IkeUp { .. }) => order.push("up"),
            _ => {}
        }
    }
    assert_eq!(order, ["up", "install", "transmit", "activate"]);
}

#[test]
fn repeated_requests_get_the_same_answer_and_change_nothing() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let init = peer.init_request();
    let response = host.ask(&init);
    assert_eq!(host.ask(&init), response, "IKE_SA_INIT");
    assert_eq!(host.endpoint.load(), (1, 1), "one half-open IKE SA");
    peer.on_init_response(&response);
    let auth = peer.auth_request();
    let response = host.ask(&auth);
    assert_eq!(host.ask(&auth), response, "IKE_AUTH");
    assert_eq!(host.installed.len(), 1);
    let nonce = peer.nonce();
    let child = peer.child_request(None, &nonce);
    let response = host.ask(&child);
    assert_eq!(host.ask(&child), response, "CREATE_CHILD_SA");
    assert_eq!(host.installed.len(), 2);
    assert_eq!(host.dropped(&auth), Cause::MessageId, "two requests ago is outside the window");
    // A forged repetition is not answered.
    let mut forged = child;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(host.dropped(&forged), Cause::Integrity);
}

#[test]
fn unacceptable_proposals_are_refused_in_each_exchange() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    peer.ike_transforms = vec![transform(TransformType::ENCR, 12), transform(TransformType::PRF, 2)];
    let response = host.ask(&peer.init_request());
    assert_eq!(clear_error(&response), Some((NotifyType::NO_PROPOSAL_CHOSEN, vec![])));
    assert_eq!(host.endpoint.load(), (0, 0));

    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    peer.esp_transforms = vec![aes_gcm(192), transform(TransformType::ESN, 0)];
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(peer.open(&response).error(), Some(NotifyType::NO_PROPOSAL_CHOSEN));
    assert!(host.installed.is_empty());
    // The IKE SA is up without a child, and may get one.
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::NO_PROPOSAL_CHOSEN));
    peer.esp_transforms = vec![aes_gcm(256), transform(TransformType::ESN, 1)];
    let response = host.ask(&peer.child_request(None, &nonce));
    peer.on_child_response(&response, &nonce, &[]);
    assert_eq!((host.installed[0].key_in.to_vec(), host.installed[0].esn), (peer.child_keys.0, true));
}

#[test]
fn unacceptable_selectors_leave_the_ike_sa_up() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    peer.ts_r = vec![net("10.99.0.0/24")];
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(peer.open(&response).error(), Some(NotifyType::TS_UNACCEPTABLE));
    peer.ts_r = vec![net("10.2.0.0/16")];
    peer.ts_i = vec![net("10.1.0.3/32").with_ports(6, 80, 80), net("10.1.0.0/24")];
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(None, &nonce));
    let plain = peer.open(&response);
    assert_eq!(plain.selectors(PayloadType::TS_R), [net("10.2.0.0/24")], "narrowed");
    assert_eq!(plain.selectors(PayloadType::TS_I), [net("10.1.0.0/24")]);
}

#[test]
fn transport_mode_is_echoed_where_it_is_configured() {
    let mut config = config();
    config.connections[0].children.push(Child { mode: Mode::Transport, ..Child::new("host") });
    let (mut host, mut peer) = established_with(config);
    peer.transport = true;
    peer.ts_i = vec![net("10.9.0.1/32")];
    peer.ts_r = vec![net("10.9.0.2/32")];
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(None, &nonce));
    assert!(peer.open(&response).notify(NotifyType::USE_TRANSPORT_MODE).is_some());
    assert_eq!((host.installed[1].mode, host.installed[1].child.as_str()), (Mode::Transport, "host"));
    // In a tunnel, the same selectors are not what that child is for.
    peer.transport = false;
    let response = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::TS_UNACCEPTABLE));
    // Where a tunnel is configured, the wish for transport is passed over.
    peer.transport = true;
    peer.ts_i = vec![net("10.1.0.0/24")];
    peer.ts_r = vec![net("10.2.0.0/24")];
    let response = host.ask(&peer.child_request(None, &nonce));
    assert!(peer.open(&response).notify(NotifyType::USE_TRANSPORT_MODE).is_none());
    assert_eq!(host.installed[2].mode, Mode::Tunnel);
}

#[test]
fn mixed_families_go_into_one_child() {
    let mut config = config();
    config.connections[0].children[0].local_ts.push(fixed("fd02::/64"));
    config.connections[0].children[0].remote_ts.push(fixed("fd01::/64"));
    let mut host = Host::new(config);
    let mut peer = Initiator::new();
    peer.ts_i = vec![net("10.1.0.0/24"), net("fd01::/64")];
    peer.ts_r = vec![net("10.2.0.0/24"), net("fd02::/64")];
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(peer.open(&response).selectors(PayloadType::TS_I), peer.ts_i);
    assert_eq!(host.installed[0].local_ts, peer.ts_r);
}

#[test]
fn no_child_is_made_where_none_is_wanted() {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let mut chain = ChainBuilder::new();
    peer.push_auth(&mut chain);
    let response = host.ask(&peer.request(Exchange::IKE_AUTH, &chain));
    peer.on_auth_response(&response);
    assert!(peer.open(&response).error().is_none() && host.installed.is_empty());
    assert!(matches!(host.events.last(), Some(Event::IkeUp { .. })));
}

#[test]
fn the_peer_deletes_a_child() {
    let (mut host, mut peer) = established();
    let response = host.ask(&peer.delete_child_request(&[peer.spi_in, 0xdead]));
    let plain = peer.open(&response);
    let body = plain.chain().require(PayloadType::DELETE).unwrap().to_vec();
    let expected = [&[3, 4, 0, 1][..], &peer.spi_out.to_be_bytes()].concat();
    assert_eq!(body, expected, "our half, and nothing for the unknown one");
    assert_eq!(host.removed, [Spi(peer.spi_out)]);
    // Once more: there is nothing left to name.
    let response = host.ask(&peer.delete_child_request(&[peer.spi_in]));
    assert_eq!(peer.open(&response).chain().payloads().count(), 0);
}

#[test]
fn the_peer_deletes_the_ike_sa() {
    let (mut host, mut peer) = established();
    let request = peer.delete_ike_request();
    let response = host.ask(&request);
    assert_eq!(peer.open(&response).chain().payloads().count(), 0);
    assert!(host.live().is_empty());
    assert!(matches!(host.events.last(), Some(Event::IkeGone { why: IkeGoneReason::PeerDeleted, .. })));
    assert_eq!(host.ask(&request), response, "a repetition is still answered");
    let nonce = peer.nonce();
    let response = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&response).error(), Some(NotifyType::TEMPORARY_FAILURE));
    host.sleep(11);
    assert_eq!(host.endpoint.load(), (0, 0));
}

#[test]
fn we_delete_a_child_and_then_the_ike_sa() {
    let (mut host, mut peer) = established();
    let spi = host.installed[0].spi_in;
    let sent = host.command(Command::DeleteChild { spi });
    let request = peer.open(&sent[0]);
    assert_eq!((request.header.exchange, request.header.message_id), (Exchange::INFORMATIONAL, 0));
    assert_eq!(
        request.chain().require(PayloadType::DELETE).unwrap(),
        [&[3, 4, 0, 1][..], &spi.0.to_be_bytes()].concat()
    );
    assert!(host.live().is_empty(), "it stops at once");
    // The window is one: the next request waits for the response.
    let Some(Event::IkeUp { ike, .. }) =
        host.events.iter().find(|event| matches!(event, Event::IkeUp { .. }))
    else {
        panic!("no IKE SA")
    };
    let ike = *ike;
    assert!(host.command(Command::DeleteIke(ike)).is_empty());
    // While it waits, there are no new children.
    let nonce = peer.nonce();
    let refused = host.ask(&peer.child_request(None, &nonce));
    assert_eq!(peer.open(&refused).error(), Some(NotifyType::TEMPORARY_FAILURE));
    let response = peer.respond(&request.header, &ChainBuilder::new());
    let sent = host.ask(&response);
    let request = peer.open(&sent);
    assert_eq!(request.header.message_id, 1);
    assert_eq!(request.chain().require(PayloadType::DELETE).unwrap(), [1, 0, 0, 0]);
    let response = peer.respond(&request.header, &ChainBuilder::new());
    assert!(host.deliver(&response).is_empty());
    assert_eq!(host.endpoint.load(), (0, 0));
}

#[test]
fn crossing_deletes_name_no_half() {
    let (mut host, mut peer) = established();
    let sent = host.command(Command::DeleteChild { spi: host.installed[0].spi_in });
    let ours = peer.open(&sent[0]).header;
    let response = host.ask(&peer.delete_child_request(&[peer.spi_in]));
    assert_eq!(peer.open(&response).chain().payloads().count(), 0);
    let response = peer.respond(&ours, &ChainBuilder::new());
    assert!(host.deliver(&response).is_empty());
    assert_eq!(host.removed.len(), 1);
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut config = config();
    config.connections[0].dpd_delay = Some(Duration::from_secs(10));
    let (mut host, mut peer) = established_with(config);
    assert!(host.sleep(9).is_empty());
    let sent = host.sleep(2);
    let request = peer.open(&sent[0]);
    assert_eq!(request.chain().payloads().count(), 0);
    let response = peer.respond(&request.header, &ChainBuilder::new());
    host.deliver(&response);
    // Traffic is a sign of life too.
    host.sleep(8);
    host.command(Command::Traffic { spi: host.installed[0].spi_in });
    assert!(host.sleep(8).is_empty());
    let sent = host.sleep(200);
    assert_eq!(sent.len(), 6, "the request and five repetitions");
    assert!(sent.iter().all(|message| *message == sent[0]), "all alike");
    assert!(matches!(host.events.last(), Some(Event::IkeGone { why: IkeGoneReason::PeerDead, .. })));
    assert!(host.live().is_empty());
    assert_eq!(host.endpoint.load(), (0, 0));
    // The dead peer comes back: it is told that it isn't known.
    let response = host.ask(&peer.liveness_request());
    assert_eq!(clear_error(&response).unwrap().0, NotifyType::INVALID_IKE_SPI);
}

#[test]
fn initial_contact_ends_what_was_before() {
    let (mut host, old) = established();
    let mut peer = Initiator::seeded(9);
    peer.initial_contact = true;
    peer.spi_in = 0x9000;
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let response = host.ask(&peer.auth_request());
    peer.on_auth_response(&response);
    assert_eq!(host.removed, [Spi(old.spi_out)]);
    assert!(
        host.events.iter().any(|event| matches!(event, Event::IkeGone { why: IkeGoneReason::Replaced, .. }))
    );
    assert_eq!(host.endpoint.load(), (0, 1));
}

#[test]
fn children_are_bounded() {
    let mut config = config();
    config.limits.children = 3;
    let (mut host, mut peer) = established_with(config);
    let nonce = peer.nonce();
    let errors: Vec<_> = (0..4)
        .map(|_| {
            let response = host.ask(&peer.child_request(None, &nonce));
            peer.open(&response).error()
        })
        .collect();
    let full = Some(NotifyType::NO_ADDITIONAL_SAS);
    assert_eq!(errors, [None, None, full, full]);
}

#[test]
fn statuses_that_are_not_known_are_passed_over() {
    let (mut host, mut peer) = established();
    let mut chain = ChainBuilder::new();
    chain.push_notify(Notify::new(NotifyType(40_960), &[1, 2, 3]));
    chain.push_notify(Notify::new(NotifyType::ESP_TFC_PADDING_NOT_SUPPORTED, &[]));
    chain.push(PayloadType::NOTIFY, |out| out.push(0));
    let response = host.ask(&peer.request(Exchange::INFORMATIONAL, &chain));
    assert_eq!(peer.open(&response).chain().payloads().count(), 0);
}

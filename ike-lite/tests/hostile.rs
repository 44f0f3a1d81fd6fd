//! Anybody's octets, and an authenticated peer's octets: nothing panics, and what they make us hold stays bounded.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use common::{Host, Initiator, config, established};
use ike_lite::wire::{
    Chain, ChainBuilder, Exchange, Header, PayloadType, auth, delete, id, ke, notify, sa, ts,
};
use ike_lite::{Command, IkeId, Instant};
use proptest::prelude::*;

/// Small changes to a message.
#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        at().prop_map(Change::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, octets)| Change::Insert(at, octets)),
        (at(), 1..12usize).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn apply(octets: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        if octets.is_empty() {
            return;
        }
        match change {
            Change::Flip(at, bit) => *at.get_mut(octets) ^= 1 << bit,
            Change::Set(at, value) => *at.get_mut(octets) = *value,
            Change::Cut(at) => octets.truncate(at.index(octets.len())),
            Change::Insert(at, more) => {
                let at = at.index(octets.len());
                octets.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(octets.len());
                octets.drain(at..(at + count).min(octets.len()));
            }
        }
    }
}

/// Puts the length right, so that a change gets past the header.
fn mend(octets: &mut [u8]) {
    let length = u32::try_from(octets.len()).unwrap();
    if let Some(field) = octets.get_mut(24..28) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

fn half_open() -> (Host, Initiator) {
    let mut host = Host::new(config());
    let mut peer = Initiator::new();
    peer.nat = Some((([10, 9, 0, 1], 500).into(), ([10, 9, 0, 2], 500).into()));
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    (host, peer)
}

/// Hosts in each state: nothing, half open, established, with a rekey of ours under way, closing.
fn in_state(state: usize) -> (Host, Initiator) {
    match state {
        0 => (Host::new(config()), Initiator::new()),
        1 => half_open(),
        state => {
            let (mut host, mut peer) = established();
            let spi = host.installed[0].spi_in;
            match state {
                3 => drop(host.command(Command::SoftLimit { spi })),
                4 => drop(host.ask(&peer.delete_ike_request())),
                5 => drop(host.command(Command::DeleteIke(IkeId(peer.spi_r)))),
                _ => {}
            }
            (host, peer)
        }
    }
}

const STATES: core::ops::Range<usize> = 0..6;

/// The requests that an initiator could send now, as inner chains.
fn inner(peer: &mut Initiator, which: usize) -> (Exchange, ChainBuilder) {
    let (nonce, old) = (peer.nonce(), peer.spi_in);
    match which {
        0 => (Exchange::IKE_AUTH, peer.auth_chain()),
        1 => (Exchange::CREATE_CHILD_SA, peer.child_chain(None, &nonce, None)),
        2 => (Exchange::CREATE_CHILD_SA, peer.child_chain(Some(old), &nonce, Some((31, &[9; 32])))),
        3 => {
            let mut chain = ChainBuilder::new();
            chain.push(PayloadType::SA, |out| {
                sa::emit_proposal(1, sa::Protocol::IKE, &[1; 8], &peer.ike_transforms, true, out);
            });
            chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&nonce));
            chain.push(PayloadType::KE, |out| ke::KeyExchange { group: 31, data: &[9; 32] }.emit(out));
            (Exchange::CREATE_CHILD_SA, chain)
        }
        _ => {
            let mut chain = ChainBuilder::new();
            chain.push(PayloadType::DELETE, |out| delete::emit_esp(&[old, 1, 2], out));
            chain.push_notify(notify::Notify::new(ike_lite::NotifyType::INITIAL_CONTACT, &[]));
            (Exchange::INFORMATIONAL, chain)
        }
    }
}

/// Whatever came in, the host goes on: time passes, everything ends.
fn settle(mut host: Host) {
    let (half_open, all) = host.endpoint.load();
    assert!(half_open <= 2 && all <= 4, "{half_open} half open, {all} in all");
    host.sleep_until(host.now + core::time::Duration::from_secs(3600));
    assert!(host.wake == Instant::NEVER || host.wake > host.now);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_to_every_parser(octets in prop::collection::vec(any::<u8>(), 0..300), first in any::<u8>()) {
        let _ = Header::parse(&octets);
        for first in [first, 33, 44, 46] {
            if let Ok(chain) = Chain::check(PayloadType(first), &octets) {
                prop_assert!(chain.payloads().map(|payload| payload.body.len() + 4).sum::<usize>() == octets.len());
                let _ = chain.notifies().count();
            }
        }
        if let Ok(sa) = sa::SaPayload::parse(&octets) {
            prop_assert!(sa.proposals().count() > 0);
            for proposal in sa.proposals() {
                prop_assert!(proposal.transforms().count() <= 255);
            }
        }
        let _ = ke::KeyExchange::parse(&octets);
        let _ = ke::parse_nonce(&octets);
        let _ = notify::Notify::parse(&octets);
        let _ = auth::Auth::parse(&octets);
        if let Ok(delete) = delete::Delete::parse(&octets) {
            prop_assert!(delete.spis().count() * 4 <= octets.len());
        }
        for kind in [PayloadType::TS_I, PayloadType::ID_I] {
            if let Ok(list) = ts::parse(kind, &octets) {
                prop_assert!(list.len() <= 255);
            }
            let _ = id::parse(kind, &octets);
        }
    }

    #[test]
    fn what_is_emitted_is_read_back(
        proposals in prop::collection::vec((any::<u8>(), prop::collection::vec((any::<u8>(), any::<u16>(), any::<Option<u16>>()), 0..6)), 1..5),
        spi in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let transforms = |list: &[(u8, u16, Option<u16>)]| list.iter().map(|(kind, id, bits)| sa::Transform {
            kind: sa::TransformType(*kind), id: *id,
            key_length: bits.map_or(sa::KeyLength::None, sa::KeyLength::Bits),
        }).collect::<Vec<_>>();
        let mut out = Vec::new();
        for (index, (number, list)) in proposals.iter().enumerate() {
            let last = index + 1 == proposals.len();
            sa::emit_proposal(*number, sa::Protocol::ESP, &spi, &transforms(list), last, &mut out);
        }
        let sa = sa::SaPayload::parse(&out).expect("our own");
        for (proposal, (number, list)) in sa.proposals().zip(&proposals) {
            prop_assert_eq!((proposal.number, proposal.spi), (*number, &spi[..]));
            prop_assert_eq!(proposal.transforms().collect::<Vec<_>>(), transforms(list));
        }
        prop_assert_eq!(sa.proposals().count(), proposals.len());
    }

    #[test]
    fn any_octets_to_the_endpoint(state in STATES, mut octets in prop::collection::vec(any::<u8>(), 0..200), mended in any::<bool>(), exchange in 33..39u8) {
        let (mut host, peer) = in_state(state);
        if mended && octets.len() >= 28 {
            octets[..8].copy_from_slice(&peer.spi_i.to_be_bytes());
            octets[8..16].copy_from_slice(&peer.spi_r.to_be_bytes());
            octets[17] = 0x20;
            octets[18] = exchange;
            mend(&mut octets);
        }
        host.deliver(&octets);
        settle(host);
    }

    #[test]
    fn a_first_request_with_changes(changes in prop::collection::vec(change(), 1..5)) {
        let mut host = Host::new(config());
        let mut peer = Initiator::new();
        peer.nat = Some((([10, 9, 0, 1], 500).into(), ([10, 9, 0, 2], 500).into()));
        let mut message = peer.init_request();
        apply(&mut message, &changes);
        mend(&mut message);
        prop_assert!(host.deliver(&message).len() <= 1);
        settle(host);
    }

    #[test]
    fn a_protected_request_with_changes_outside(state in 1..6usize, which in 0..5usize, changes in prop::collection::vec(change(), 1..4)) {
        let (mut host, mut peer) = in_state(state);
        let (exchange, chain) = inner(&mut peer, which);
        let genuine = peer.request(exchange, &chain);
        let mut message = genuine.clone();
        apply(&mut message, &changes);
        mend(&mut message);
        prop_assume!(message != genuine);
        let before = host.installed.len();
        host.deliver(&message);
        prop_assert_eq!(host.installed.len(), before, "only what is authentic makes a child");
        settle(host);
    }

    #[test]
    fn an_authentic_request_with_changes_inside(state in 1..6usize, which in 0..5usize, changes in prop::collection::vec(change(), 1..5), first in any::<Option<u8>>()) {
        let (mut host, mut peer) = in_state(state);
        let (exchange, chain) = inner(&mut peer, which);
        let parts = chain.parts();
        let mut octets = parts.octets.to_vec();
        apply(&mut octets, &changes);
        let first = first.filter(|first| first % 4 == 0).map_or(parts.first, PayloadType);
        let header = peer.header(exchange, false, peer.next_id);
        peer.next_id += 1;
        let message = peer.seal_raw(header, first, &octets);
        let sent = host.deliver(&message);
        prop_assert!(sent.iter().all(|message| peer.try_open(message).is_some()), "whatever is answered, is protected");
        // And the host still talks, if the IKE SA is still there.
        let liveness = peer.liveness_request();
        host.deliver(&liveness);
        settle(host);
    }

    #[test]
    fn an_authentic_response_with_any_contents(which in 0..5usize, changes in prop::collection::vec(change(), 0..4), octets in prop::collection::vec(any::<u8>(), 0..60), raw in any::<bool>()) {
        let (mut host, mut peer) = in_state(3);
        let (_, chain) = inner(&mut peer, which);
        let parts = chain.parts();
        let mut contents = if raw { octets } else { parts.octets.to_vec() };
        apply(&mut contents, &changes);
        let header = peer.header(Exchange::CREATE_CHILD_SA, true, 0);
        let message = peer.seal_raw(header, parts.first, &contents);
        host.deliver(&message);
        settle(host);
    }
}

#[test]
fn a_storm_of_rekeys_is_bounded() {
    let (mut host, mut peer) = established();
    let first = peer.spi_in;
    for _ in 0..500 {
        let nonce = peer.nonce();
        let request = peer.child_request(Some(first), &nonce);
        host.deliver(&request);
    }
    assert!(host.live().len() <= config().limits.children, "{} children", host.live().len());
}

//! A whole life of an IKE SA over a wire that loses, repeats and reorders, in virtual time: [`Pair`]. Whatever the
//! wire does, each exchange happens exactly once at both ends.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod common;

use std::time::Duration;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use common::{Host, Initiator, REMOTE, config};
use ike_lite::wire::delete::{Delete, emit_esp};
use ike_lite::wire::notify::Notify;
use ike_lite::wire::{ChainBuilder, Exchange, PayloadType};
use ike_lite::{Command, Datagram, Event, IkeGoneReason, Instant, NotifyType};

/// Percent of messages that meet each fate.
#[derive(Clone, Copy, Debug)]
struct Wire {
    loss: u32,
    duplicate: u32,
    reorder: u32,
}

/// Both ends and the wire between them.
struct Pair {
    host: Host,
    peer: Initiator,
    wire: Wire,
    rng: ChaCha20Rng,
    /// Arrival, whether to the host, message.
    flying: Vec<(Instant, bool, Vec<u8>)>,
    /// Our answers to the host's requests, by request.
    answered: Vec<(Vec<u8>, Vec<u8>)>,
    lost: usize,
}

impl Pair {
    fn new(wire: Wire, seed: u8) -> Self {
        let mut config = config();
        config.retransmit.tries = 12;
        config.retransmit.base_percent = 100;
        config.connections[0].dpd_delay = Some(Duration::from_secs(60));
        let rng = ChaCha20Rng::from_seed([seed; 32]);
        let (host, peer) = (Host::new(config), Initiator::seeded(seed));
        Self { host, peer, wire, rng, flying: Vec::new(), answered: Vec::new(), lost: 0 }
    }

    fn send(&mut self, to_host: bool, message: Vec<u8>) {
        let roll = |rng: &mut ChaCha20Rng| rng.next_u32() % 100;
        if roll(&mut self.rng) < self.wire.loss {
            self.lost += 1;
            return;
        }
        let copies = if roll(&mut self.rng) < self.wire.duplicate { 2 } else { 1 };
        for _ in 0..copies {
            let late = if roll(&mut self.rng) < self.wire.reorder { 700 } else { 0 };
            let delay = Duration::from_millis(u64::from(10 + roll(&mut self.rng) + late));
            self.flying.push((self.host.now + delay, to_host, message.clone()));
        }
    }

    fn flush_host(&mut self) {
        for (_, message) in core::mem::take(&mut self.host.sent) {
            self.send(false, message);
        }
    }

    /// Lets `span` pass, or less if a response comes that `accept` takes.
    fn run(&mut self, span: Duration, mut accept: impl FnMut(&mut Initiator, &[u8]) -> bool) -> bool {
        let end = self.host.now + span;
        loop {
            let next = self.flying.iter().map(|(at, ..)| *at).min().unwrap_or(Instant::NEVER);
            let now = next.min(self.host.wake).min(end);
            self.host.now = now;
            if self.host.wake <= now {
                self.host.drain();
                self.flush_host();
                continue;
            }
            if now == end {
                return false;
            }
            let index = self.flying.iter().position(|(at, ..)| *at == next).expect("the next one");
            let (_, to_host, message) = self.flying.swap_remove(index);
            if to_host {
                let datagram =
                    Datagram { local: self.host.local, remote: (REMOTE, 500).into(), bytes: &message };
                self.host.endpoint.handle(now, &mut self.host.rng, datagram);
                self.host.drain();
                self.flush_host();
            } else if let Some(response) = self.serve(&message) {
                self.send(true, response);
            } else if accept(&mut self.peer, &message) {
                return true;
            }
        }
    }

    /// Answers a request of the host's: deletes with our half, the rest with nothing, a rekey with a refusal.
    fn serve(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if let Some((_, answer)) = self.answered.iter().find(|(request, _)| request == message) {
            return Some(answer.clone());
        }
        let plain = self.peer.try_open(message).filter(|plain| !plain.header.response)?;
        let mut reply = ChainBuilder::new();
        if plain.header.exchange == Exchange::CREATE_CHILD_SA {
            reply.push_notify(Notify::new(NotifyType::NO_PROPOSAL_CHOSEN, &[]));
        } else if let Some(body) = plain.chain().find(PayloadType::DELETE)
            && Delete::parse(body).expect("a Delete").spis().next().is_some()
        {
            reply.push(PayloadType::DELETE, |out| emit_esp(&[self.peer.spi_in], out));
        }
        let answer = self.peer.respond(&plain.header, &reply);
        self.answered.push((message.to_vec(), answer.clone()));
        Some(answer)
    }

    /// Repeats a request each second until its response is there.
    fn ask(&mut self, request: Vec<u8>) -> Vec<u8> {
        let id = u32::from_be_bytes(request[20..24].try_into().unwrap());
        let exchange = request[18];
        let mut response = None;
        for _ in 0..60 {
            self.send(true, request.clone());
            let got = self.run(Duration::from_secs(1), |_, message| {
                let fits =
                    message[18] == exchange && message[19] & 0x20 != 0 && message[20..24] == id.to_be_bytes();
                if fits {
                    response = Some(message.to_vec());
                }
                fits
            });
            if got {
                return response.expect("a response");
            }
        }
        panic!("no response in a minute; {:?}", self.host.events);
    }
}

fn life(wire: Wire, seed: u8) -> usize {
    let mut pair = Pair::new(wire, seed);
    let request = pair.peer.init_request();
    let response = pair.ask(request);
    pair.peer.on_init_response(&response);
    let request = pair.peer.auth_request();
    let response = pair.ask(request);
    pair.peer.on_auth_response(&response);
    for _ in 0..3 {
        let (old, nonce) = (pair.peer.spi_in, pair.peer.nonce());
        let request = pair.peer.child_request(Some(old), &nonce);
        let response = pair.ask(request);
        pair.peer.on_child_response(&response, &nonce, &[]);
        let request = pair.peer.delete_child_request(&[old]);
        pair.ask(request);
    }
    let newest = pair.host.installed.last().expect("a child").clone();
    assert_eq!((newest.key_in.to_vec(), newest.key_out.to_vec()), pair.peer.child_keys);
    // The host asks for life, and for a rekey that is refused.
    pair.run(Duration::from_secs(70), |_, _| false);
    pair.host.command(Command::SoftLimit { spi: newest.spi_in });
    pair.flush_host();
    pair.run(Duration::from_secs(30), |_, _| false);
    // New keys for the IKE SA; the old one is deleted, and the child lives on.
    let (request, mut next) = pair.peer.ike_rekey_request(seed.wrapping_add(100));
    let response = pair.ask(request);
    pair.peer.on_ike_rekey_response(&response, &mut next);
    let request = pair.peer.delete_ike_request();
    pair.ask(request);
    next.spi_in = pair.peer.spi_in;
    pair.peer = next;
    let live: Vec<_> = pair.host.live().iter().map(|sa| sa.spi_in).collect();
    assert_eq!(live, [newest.spi_in]);
    // The host deletes the child; the peer deletes the IKE SA.
    pair.host.command(Command::DeleteChild { spi: newest.spi_in });
    pair.flush_host();
    pair.run(Duration::from_secs(30), |_, _| false);
    let request = pair.peer.delete_ike_request();
    pair.ask(request);
    pair.run(Duration::from_secs(120), |_, _| false);

    assert_eq!(pair.host.installed.len(), 4, "each child was made once");
    assert_eq!(pair.host.removed.len(), 4, "and removed once");
    assert_eq!(pair.host.endpoint.load(), (0, 0));
    let count = |wanted: fn(&Event) -> bool| pair.host.events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::IkeUp { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::IkeRekeyed { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::IkeGone { why: IkeGoneReason::PeerDeleted, .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::PeerRefused { .. })), 1);
    pair.lost
}

#[test]
fn a_perfect_wire() {
    assert_eq!(life(Wire { loss: 0, duplicate: 0, reorder: 0 }, 1), 0);
}

#[test]
fn a_wire_that_repeats_everything() {
    life(Wire { loss: 0, duplicate: 100, reorder: 0 }, 2);
}

#[test]
fn wires_that_do_all_of_it() {
    let lost: usize = (3..15).map(|seed| life(Wire { loss: 25, duplicate: 25, reorder: 25 }, seed)).sum();
    assert!(lost > 50, "only {lost} messages were lost: the wire was too good");
}

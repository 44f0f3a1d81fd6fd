//! The gate with a card that says what a test tells it to, and remembers what it was told. What such a card would do to a
//! packet on the wire is left out: what leaves [`Ipsec::seal`] for it is what comes back to [`Ipsec::open_by_card`].

mod back;
mod events;
mod open;
mod place;
mod seal;
mod train;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

use super::*;
use crate::offload::{CardCounts, CardSa, Hardware, Reason, Wish};

/// The port with the card.
const PORT: PortId = PortId(1);

/// What the card and the test share.
#[derive(Default)]
struct Desk {
    /// Why it takes no SA.
    refuses: Option<Reason>,
    /// What goes wrong at installation, although it said that it could.
    fails: Option<Reason>,
    /// Every SA it was ever told, with its key and name.
    told: Vec<(CardSa, Vec<u8>, Name)>,
    /// Names taken off, in order.
    retired: Vec<Name>,
    /// What it has counted.
    counts: Vec<(Name, CardCounts)>,
    events: VecDeque<CardEvent>,
    /// The largest packet that it takes back.
    takes_back: u16,
}

#[derive(Clone, Default)]
struct Fake(Rc<RefCell<Desk>>);

impl Fake {
    fn name(&self, at: usize) -> Name {
        self.0.borrow().told[at].2
    }

    fn happen(&self, event: CardEvent) {
        self.0.borrow_mut().events.push_back(event);
    }

    fn installs(&self) -> usize {
        self.0.borrow().told.len()
    }
}

impl Card for Fake {
    fn check(&self, _: &CardSa) -> Result<(), Reason> {
        self.0.borrow().refuses.clone().map_or(Ok(()), Err)
    }

    fn install(&mut self, sa: &CardSa, key: Key) -> Result<Name, Reason> {
        let mut desk = self.0.borrow_mut();
        let bytes = key.consume(|key, salt| [key, &salt].concat());
        // An index and a life, as names are made of.
        let name = Name((desk.told.len() as u32 + 1) << Name::INDEX_BITS | desk.told.len() as u32);
        desk.told.push((*sa, bytes, name));
        desk.fails.clone().map_or(Ok(name), Err)
    }

    fn retire(&mut self, name: Name) -> Option<CardCounts> {
        let mut desk = self.0.borrow_mut();
        desk.retired.push(name);
        desk.counts.iter().find(|(of, _)| *of == name).map(|(_, counts)| *counts)
    }

    fn counts(&mut self, each: &mut dyn FnMut(Name, CardCounts)) {
        self.0.borrow().counts.iter().for_each(|(name, counts)| each(*name, *counts));
    }

    fn poll(&mut self, _: Instant) -> Option<CardEvent> {
        self.0.borrow_mut().events.pop_front()
    }

    fn takes_back(&self) -> u16 {
        self.0.borrow().takes_back
    }
}

const AUTO: Wish = Wish { hardware: Hardware::Auto, port: Some(PORT) };

/// A gate with one policy and a card on [`PORT`].
fn gate(tunnel: bool) -> (Ipsec, PolicyId, Fake) {
    let mut gate = Ipsec::new(64);
    let action = if tunnel { Action::TUNNEL } else { Action::TRANSPORT };
    let policy = gate.spd_mut().push(Policy { selectors: vec![any4(), any6()], action });
    let card = Fake::default();
    gate.attach(PORT, Box::new(card.clone()));
    (gate, policy, card)
}

/// An SA with the card, from `ends.0` (ours) to `ends.1` or back.
fn wanted(direction: Direction, mode: Mode, policy: PolicyId) -> SaParams {
    let mut sa = params(direction, mode, policy);
    sa.wish = AUTO;
    sa
}

fn mode(tunnel: bool, ends: (&str, &str)) -> Mode {
    let (local, remote) = (ip(ends.0), ip(ends.1));
    if tunnel { Mode::Tunnel { local, remote } } else { Mode::Transport { local, remote } }
}

/// Two gates with cards, and an SA from `a` to `b` on both.
struct Carded {
    pair: Pair,
    a: Fake,
    b: Fake,
}

/// As [`pair`], on cards.
fn carded(tunnel: bool, ends: (&str, &str), change: impl Fn(&mut SaParams)) -> Carded {
    let (mut a, policy, on_a) = gate(tunnel);
    let (mut b, _, on_b) = gate(tunnel);
    let mut sa = wanted(Direction::Out, mode(tunnel, ends), policy);
    change(&mut sa);
    let out = a.install(NOW, sa).expect("outbound");
    a.activate_outbound(policy, out);
    let mut sa = wanted(Direction::In, mode(tunnel, (ends.1, ends.0)), policy);
    change(&mut sa);
    let inbound = b.install(NOW, sa).expect("inbound");
    assert_eq!((a.placement(out), b.placement(inbound)), (Some(Placement::Card(PORT)), b.placement(inbound)));
    Carded { pair: Pair { a, b, out, inbound, policy }, a: on_a, b: on_b }
}

impl Carded {
    fn seal(&mut self, inner: &[u8]) -> Result<Packet, Cause> {
        let mut packet = Packet::from_bytes(inner);
        self.pair.a.seal(NOW, self.pair.out, &mut packet).map_err(|drop| drop.cause)?;
        Ok(packet)
    }

    /// What `b` makes of a packet that its card has opened.
    fn open(&mut self, outer: &[u8]) -> Result<Vec<u8>, Cause> {
        let mut packet = Packet::from_bytes(outer);
        let name = self.b.name(0);
        let before = self.pair.b.drops().total();
        match self.pair.b.open_by_card(NOW, (PORT, name), &mut packet) {
            Ok(opened) => {
                assert_eq!(opened.handle, self.pair.inbound);
                assert_eq!(Flow::parse(packet.bytes()), Ok(opened.parsed));
                Ok(packet.bytes().to_vec())
            }
            Err(drop) => {
                assert_eq!((drop.handle, drop.spi), (Some(self.pair.inbound), Some(SPI)));
                assert_eq!(self.pair.b.drops().total(), before + 1, "each drop is counted once");
                let drops = self.pair.b.stats(self.pair.inbound).unwrap().drops;
                assert!(drops.of(drop.cause) > 0, "and on the SA");
                Err(drop.cause)
            }
        }
    }
}

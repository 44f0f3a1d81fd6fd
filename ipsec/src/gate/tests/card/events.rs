//! What a card counts and says, and what becomes of SAs by it.

use super::*;

/// An SA in one direction on a card: the gate, the card, the SA.
fn one(direction: Direction, change: impl Fn(&mut SaParams)) -> (Ipsec, Fake, Handle) {
    let (mut gate, policy, card) = gate(true);
    let mut sa = wanted(direction, tunnel(), policy);
    change(&mut sa);
    let handle = gate.install(NOW, sa).unwrap();
    gate.activate_outbound(policy, handle);
    (gate, card, handle)
}

fn counts(packets: u64, bad_icv: u64, bad_trailer: u64, replayed: u64) -> CardCounts {
    CardCounts { packets, bad_icv, bad_trailer, replayed }
}

fn causes(drops: &Drops) -> [u64; 4] {
    [drops.of(Cause::BadIcv), drops.of(Cause::BadPadding), drops.of(Cause::Replayed), drops.total()]
}

#[test]
fn counts_are_taken_once() {
    let (mut gate, card, handle) = one(Direction::In, |_| {});
    let name = card.name(0);
    let stranger = Name(name.0 ^ 1 << Name::INDEX_BITS);
    let says = |counts: CardCounts| {
        card.0.borrow_mut().counts = vec![(stranger, CardCounts { bad_icv: 99, ..counts }), (name, counts)];
    };
    let both = |gate: &Ipsec| {
        let drops = causes(gate.drops());
        assert_eq!(causes(&gate.stats(handle).unwrap().drops), drops);
        drops
    };
    says(counts(10, 1, 2, 3));
    gate.refresh();
    assert_eq!(both(&gate), [1, 2, 3, 6]);
    gate.refresh();
    assert_eq!(both(&gate), [1, 2, 3, 6], "asking again adds nothing");
    says(counts(20, 5, 2, 4));
    gate.refresh();
    assert_eq!(both(&gate), [5, 2, 4, 11]);
    // A card that lies counts down: nothing goes wrong.
    says(counts(0, 4, 0, 0));
    gate.refresh();
    assert_eq!(both(&gate), [5, 2, 4, 11]);
    says(counts(30, 6, 1, 1));
    let last = gate.retire(handle).unwrap();
    assert_eq!(causes(&last.drops), [7, 3, 5, 15], "the last counts come with the end");
    assert_eq!(causes(gate.drops()), [7, 3, 5, 15]);
    gate.refresh();
    assert_eq!(causes(gate.drops()), [7, 3, 5, 15], "and a name that is over counts no more");
}

#[test]
fn limits_of_the_card() {
    for direction in [Direction::In, Direction::Out] {
        let (mut gate, card, handle) = one(direction, |_| {});
        let (name, spi) = (card.name(0), SPI);
        let stranger = Name(name.0 ^ 1 << Name::INDEX_BITS);
        [CardEvent::Soft(stranger), CardEvent::Hard(stranger), CardEvent::Soft(Name(99))]
            .into_iter()
            .for_each(|event| card.happen(event));
        assert_eq!(events(&mut gate, NOW), []);
        [CardEvent::Soft(name); 2].into_iter().for_each(|event| card.happen(event));
        assert_eq!(events(&mut gate, NOW), [Event::SoftLimit { handle, spi, direction }], "once");
        [CardEvent::Hard(name); 2].into_iter().for_each(|event| card.happen(event));
        assert_eq!(events(&mut gate, NOW), [Event::HardLimit { handle, spi, direction }], "once");
        let (stats, outer) = (gate.stats(handle).unwrap(), ip_packet(A4, B4, 4, 0, &inner()));
        assert!(stats.expired);
        let mut packet = Packet::from_bytes(&outer);
        let end = match direction {
            Direction::In => gate.open_by_card(NOW, (PORT, name), &mut packet).map(|_| ()),
            Direction::Out => gate.seal(NOW, handle, &mut packet),
        };
        assert_eq!(end.unwrap_err().cause, Cause::Expired);
        assert!(matches!(gate.outbound(NOW, &flow()), Outbound::NeedSa(_)));
    }
}

/// The card fails: everything on it is over, nothing of it is continued, and what software does goes on.
#[test]
fn death_and_return() {
    let (mut gate, policy, card) = gate(true);
    let mut install = |spi, direction, hardware| {
        let mut sa = wanted(direction, tunnel(), policy);
        (sa.spi, sa.wish.hardware) = (Spi(spi), hardware);
        gate.install(NOW, sa).unwrap()
    };
    let inbound = install(1001, Direction::In, Hardware::Packet);
    let soft = install(1002, Direction::Out, Hardware::No);
    let out = install(1003, Direction::Out, Hardware::Auto);
    gate.activate_outbound(policy, out);
    let (into, from) = (card.name(0), card.name(1));
    gate.seal(NOW, out, &mut Packet::from_bytes(&inner())).unwrap();
    card.happen(CardEvent::Dead);
    card.happen(CardEvent::Soft(into));
    let lost = |handle, spi, direction| Event::Lost { handle, spi: Spi(spi), direction };
    let expected = [lost(inbound, 1001, Direction::In), lost(out, 1003, Direction::Out)];
    assert_eq!(events(&mut gate, NOW), expected);
    assert_eq!(gate.outbound(NOW, &flow()), Outbound::NeedSa(policy), "no clear packet");
    let mut packet = Packet::from_bytes(&inner());
    assert_eq!(gate.seal(NOW, out, &mut packet).unwrap_err().cause, Cause::Lost);
    assert_eq!((packet.bytes(), packet.meta.sa_out), (&inner()[..], None));
    let mut outer = Packet::from_bytes(&ip_packet(A4, B4, 4, 0, &inner()));
    assert_eq!(gate.open_by_card(NOW, (PORT, into), &mut outer).unwrap_err().cause, Cause::UnknownHandle);
    let mut past = Packet::from_bytes(&forge(1, &with_trailer(&inner(), 4)));
    assert_eq!(gate.open(NOW, &mut past).unwrap_err().cause, Cause::UnknownSpi);
    gate.seal(NOW, soft, &mut Packet::from_bytes(&inner())).unwrap();
    assert_eq!(gate.next_wake(), Instant::NEVER);
    // It works again: without what was on it.
    card.happen(CardEvent::Up);
    assert_eq!(events(&mut gate, NOW), [Event::CardUp { port: PORT }]);
    assert_eq!(gate.seal(NOW, out, &mut Packet::from_bytes(&inner())).unwrap_err().cause, Cause::Lost);
    let mut outer = Packet::from_bytes(&ip_packet(A4, B4, 4, 0, &inner()));
    assert_eq!(gate.open_by_card(NOW, (PORT, into), &mut outer).unwrap_err().cause, Cause::UnknownHandle);
    card.happen(CardEvent::Hard(from));
    assert_eq!(events(&mut gate, NOW), []);
    card.0.borrow_mut().counts = vec![(into, counts(1, 1, 1, 1))];
    gate.refresh();
    let mut again = wanted(Direction::Out, tunnel(), policy);
    again.spi = Spi(1004);
    let again = gate.install(NOW, again).unwrap();
    assert_eq!(gate.placement(again), Some(Placement::Card(PORT)));
    for handle in [inbound, out] {
        let stats = gate.retire(handle).unwrap();
        assert_eq!((stats.expired, stats.drops.of(Cause::BadIcv)), (true, 0));
    }
    assert_eq!(card.0.borrow().retired, [], "the card knows nothing of them any more");
    gate.retire(again);
    assert_eq!(card.0.borrow().retired, [card.name(2)]);
}

/// One card's death is its own, and its names are no other card's.
#[test]
fn two_cards() {
    let (mut gate, policy, first) = gate(true);
    let (second, port) = (Fake::default(), PortId(4));
    gate.attach(port, Box::new(second.clone()));
    let mut install = |spi, port, direction| {
        let mut sa = wanted(direction, tunnel(), policy);
        (sa.spi, sa.wish.port) = (Spi(spi), Some(port));
        gate.install(NOW, sa).unwrap()
    };
    let on_first = [install(1001, PORT, Direction::Out), install(1002, PORT, Direction::In)];
    let on_second = [install(1003, port, Direction::Out), install(1004, port, Direction::In)];
    assert_eq!((first.name(1), first.installs(), second.installs()), (second.name(1), 2, 2));
    first.happen(CardEvent::Dead);
    second.happen(CardEvent::Soft(second.name(0)));
    let lost = |handle, spi, direction| Event::Lost { handle, spi: Spi(spi), direction };
    let [a, b] = on_first;
    let handle = on_second[0];
    let soft = Event::SoftLimit { handle, spi: Spi(1003), direction: Direction::Out };
    let expected = [lost(a, 1001, Direction::Out), lost(b, 1002, Direction::In), soft];
    assert_eq!(events(&mut gate, NOW), expected);
    let mut packet = Packet::from_bytes(&inner());
    gate.seal(NOW, handle, &mut packet).unwrap();
    assert_eq!((packet.meta.sa_out, packet.meta.port), (Some(second.name(0).0), port));
    let outer = ip_packet(B4, A4, 4, 0, &inner());
    let come = |gate: &mut Ipsec, port| {
        gate.open_by_card(NOW, (port, second.name(1)), &mut Packet::from_bytes(&outer))
            .map(|opened| opened.handle)
    };
    assert_eq!(come(&mut gate, port), Ok(on_second[1]));
    assert_eq!(come(&mut gate, PORT).unwrap_err().cause, Cause::UnknownHandle);
    gate.retire(on_second[1]);
    assert_eq!((first.0.borrow().retired.len(), second.0.borrow().retired.len()), (0, 1));
}

/// ESP of an inbound SA whose card has failed is not opened by software, although it is there to find.
#[test]
fn what_is_lost_is_not_opened() {
    let (mut gate, card, handle) = one(Direction::In, |_| {});
    card.happen(CardEvent::Dead);
    assert_eq!(events(&mut gate, NOW).len(), 1);
    let mut past = Packet::from_bytes(&forge(1, &with_trailer(&inner(), 4)));
    let drop = gate.open(NOW, &mut past).unwrap_err();
    assert_eq!((drop.cause, drop.handle), (Cause::Lost, Some(handle)));
}

/// Another address is seen; another port is not, as the card has taken it off.
#[test]
fn a_peer_with_another_address() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 1025 });
    let (mut gate, card, handle) = one(Direction::In, |sa| sa.encap = encap);
    let mut back = wanted(Direction::Out, tunnel(), gate.stats(handle).unwrap().policy);
    (back.encap, back.keepalive) = (encap, None);
    let back = gate.install(NOW, back).unwrap();
    let come = |gate: &mut Ipsec, from: &str| {
        let mut packet = Packet::from_bytes(&ip_packet(from, A4, 4, 0, &inner()));
        gate.open_by_card(NOW, (PORT, card.name(0)), &mut packet).unwrap();
    };
    come(&mut gate, B4);
    assert_eq!(events(&mut gate, NOW), []);
    come(&mut gate, "203.0.113.9");
    let (remote, remote_port, spi) = (ip("203.0.113.9"), 1025, SPI);
    assert_eq!(events(&mut gate, NOW), [Event::PeerMoved { handle, spi, remote, remote_port }]);
    come(&mut gate, "203.0.113.9");
    assert_eq!(events(&mut gate, NOW), [], "told once");
    // By the same port the tunnel follows: the outer header is ours.
    assert_eq!(gate.set_peer(handle, remote, 1025), 2);
    let mut packet = Packet::from_bytes(&inner());
    gate.seal(NOW, back, &mut packet).unwrap();
    assert_eq!(packet.bytes()[16..20], [203, 0, 113, 9]);
    come(&mut gate, "203.0.113.9");
    assert_eq!(events(&mut gate, NOW), [], "at home there");
    // By another the card can't: it is lost, and what opens stays.
    assert_eq!(gate.set_peer(handle, remote, 1026), 2);
    let direction = Direction::Out;
    assert_eq!(events(&mut gate, NOW), [Event::Lost { handle: back, spi, direction }]);
    assert_eq!(gate.seal(NOW, back, &mut Packet::from_bytes(&inner())).unwrap_err().cause, Cause::Lost);
    come(&mut gate, "203.0.113.9");
    assert_eq!(gate.set_peer(handle, remote, 1027), 2);
    assert_eq!(events(&mut gate, NOW), [], "lost once");
    // Without encapsulation nobody moves.
    let (mut gate, card, _) = one(Direction::In, |_| {});
    let mut packet = Packet::from_bytes(&ip_packet("203.0.113.9", A4, 4, 0, &inner()));
    gate.open_by_card(NOW, (PORT, card.name(0)), &mut packet).unwrap();
    assert_eq!(events(&mut gate, NOW), []);
}

#[test]
fn removing_a_policy_takes_its_sas_off_the_card() {
    let (mut gate, card, handle) = one(Direction::Out, |_| {});
    let policy = gate.stats(handle).unwrap().policy;
    assert!(gate.remove_policy(policy).is_some());
    assert_eq!(card.0.borrow().retired, [card.name(0)]);
}

//! Where an SA is put, and why; where its key goes.

use super::*;

/// Installs an inbound SA with this wish; where it is.
fn put(gate: &mut Ipsec, policy: PolicyId, wish: Wish) -> Result<Placement, InstallError> {
    let mut sa = params(Direction::In, tunnel(), policy);
    sa.spi = Spi(0x1000 + gate.sas().count() as u32);
    sa.wish = wish;
    let handle = gate.install(NOW, sa)?;
    Ok(gate.placement(handle).unwrap())
}

#[test]
fn every_reason_has_its_name() {
    let (mut gate, policy, card) = gate(true);
    let wish = |hardware, port| Wish { hardware, port };
    let words = || Reason::Card("it has no mind to".into());
    let (no_card, down) = (Reason::NoCard(PortId(0)), Reason::Down(PORT));
    // `auto` falls back and says why; `packet` refuses and says the same.
    let both = |gate: &mut Ipsec, port, reason: Reason| {
        let sas = gate.sas().count();
        assert_eq!(put(gate, policy, wish(Hardware::Auto, port)), Ok(Placement::Software(reason.clone())));
        assert_eq!(put(gate, policy, wish(Hardware::Packet, port)), Err(InstallError::Card(reason)));
        assert_eq!(gate.sas().count(), sas + 1, "a refused one leaves nothing behind");
    };
    both(&mut gate, None, Reason::NoRoute);
    both(&mut gate, Some(PortId(0)), no_card);
    both(&mut gate, Some(PortId(9)), Reason::NoCard(PortId(9)));
    card.0.borrow_mut().refuses = Some(words());
    both(&mut gate, Some(PORT), words());
    card.0.borrow_mut().refuses = None;
    assert_eq!(card.installs(), 0, "nobody was told a key");
    for hardware in [Hardware::Auto, Hardware::Packet] {
        assert_eq!(put(&mut gate, policy, wish(hardware, Some(PORT))), Ok(Placement::Card(PORT)));
    }
    for port in [None, Some(PORT)] {
        let place = put(&mut gate, policy, wish(Hardware::No, port));
        assert_eq!(place, Ok(Placement::Software(Reason::Configured)));
    }
    assert_eq!(card.installs(), 2);
    card.happen(CardEvent::Dead);
    events(&mut gate, NOW);
    both(&mut gate, Some(PORT), down);
    card.happen(CardEvent::Up);
    assert_eq!(events(&mut gate, NOW), [Event::CardUp { port: PORT }]);
    assert_eq!(put(&mut gate, policy, AUTO), Ok(Placement::Card(PORT)));
}

#[test]
fn reasons_in_words() {
    for (reason, words) in [
        (Reason::Configured, "hw_offload = no"),
        (Reason::NoRoute, "no route to the peer"),
        (Reason::NoCard(PortId(3)), "port 3 does no ESP"),
        (Reason::Down(PortId(4)), "the card of port 4 is down"),
        (Reason::Card("no ESN".into()), "no ESN"),
    ] {
        assert_eq!(alloc::format!("{reason}"), words);
    }
}

/// What cards are told, both ways.
#[test]
fn the_card_is_told_all_and_the_key_once() {
    let (mut gate, policy, card) = gate(true);
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 1025 });
    for (n, direction) in [Direction::In, Direction::Out].into_iter().enumerate() {
        let mut sa = wanted(direction, tunnel(), policy);
        (sa.algorithm, sa.key) = (Algorithm::AesGcm256, key(Algorithm::AesGcm256));
        (sa.encap, sa.esn, sa.lifetime.hard.packets) = (encap, false, Some(77));
        gate.install(NOW, sa).unwrap();
        let desk = card.0.borrow();
        let (told, material, _) = &desk.told[n];
        let expected = CardSa {
            direction,
            spi: SPI,
            local: ip(A4),
            remote: ip(B4),
            encap,
            algorithm: Algorithm::AesGcm256,
            esn: false,
            window: if direction == Direction::In { 64 } else { 0 },
            packets: Some(77),
        };
        assert_eq!(*told, expected);
        let given: Vec<u8> = (0..36).map(|i| i as u8 * 3 + 1).collect();
        assert_eq!(*material, given);
    }
    assert_eq!(card.installs(), 2);
    let window = |stats: SaStats| (stats.direction, stats.window);
    assert_eq!(gate.sas().map(window).collect::<Vec<_>>(), [(Direction::In, 64), (Direction::Out, 0)]);
}

/// An SA that the gate itself refuses never reaches the card, and one that the card fails at leaves no trace.
#[test]
fn what_fails_leaves_nothing() {
    let (mut gate, policy, card) = gate(true);
    let mut refused = |change: fn(&mut SaParams), direction| {
        let mut sa = wanted(direction, tunnel(), policy);
        change(&mut sa);
        assert!(gate.install(NOW, sa).is_err());
    };
    for direction in [Direction::In, Direction::Out] {
        refused(|sa| sa.spi = Spi(255), direction);
        refused(|sa| sa.selectors.clear(), direction);
        refused(|sa| sa.key = Key::new(&[1; 19]).unwrap(), direction);
        refused(|sa| sa.mode = Mode::Tunnel { local: ip(A4), remote: ip(B6) }, direction);
        refused(|sa| sa.policy = PolicyId(9), direction);
    }
    refused(|sa| sa.replay_window = 31, Direction::In);
    refused(|sa| sa.replay_window = 0, Direction::In);
    assert_eq!((card.installs(), gate.sas().count()), (0, 0));
    let words = Reason::Card("a command failed".into());
    for hardware in [Hardware::Auto, Hardware::Packet] {
        for direction in [Direction::In, Direction::Out] {
            card.0.borrow_mut().fails = Some(words.clone());
            let mut sa = wanted(direction, tunnel(), policy);
            sa.wish.hardware = hardware;
            // The card has seen the key: software may not have it.
            assert_eq!(gate.install(NOW, sa), Err(InstallError::Card(words.clone())), "{hardware:?}");
            assert_eq!(gate.sas().count(), 0);
        }
    }
    card.0.borrow_mut().fails = None;
    // The SPI is free, as nothing was kept.
    assert!(gate.install(NOW, wanted(Direction::In, tunnel(), policy)).is_ok());
    let twice = gate.install(NOW, wanted(Direction::In, tunnel(), policy));
    assert_eq!((twice, card.installs()), (Err(InstallError::DuplicateSpi(SPI)), 5));
}

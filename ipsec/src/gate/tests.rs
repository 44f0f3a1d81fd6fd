mod card;

use super::*;
use crate::sa::{Limits, Mode, Spi, UdpEncap};
use crate::testing::*;
use crate::{Algorithm, Key};
use alloc::vec;
use net::ip::proto;
use net::{Duration, Ports};

fn inner() -> Vec<u8> {
    ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, 0, &udp(1, 2, 12))
}

fn flow() -> Flow {
    Flow::parse(&inner()).unwrap().flow
}

fn tunnel() -> Mode {
    Mode::Tunnel { local: ip(A4), remote: ip(B4) }
}

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

fn events(ipsec: &mut Ipsec, now: Instant) -> Vec<Event> {
    core::iter::from_fn(|| ipsec.poll(now)).collect()
}

#[test]
fn an_empty_gate_passes_nothing() {
    let mut gate = Ipsec::new(4);
    assert_eq!(gate.outbound(NOW, &flow()), Outbound::Discard);
    assert_eq!(gate.check_clear(&flow()).unwrap_err().cause, Cause::NoPolicy);
    let mut packet = Packet::from_bytes(&inner());
    let none = Handle::from_bits(0);
    assert_eq!(gate.seal(NOW, none, &mut packet).unwrap_err().cause, Cause::UnknownHandle);
    assert_eq!((gate.drops().of(Cause::NoPolicy), gate.drops().of(Cause::UnknownHandle)), (2, 1));
    assert_eq!((gate.poll(NOW), gate.next_wake()), (None, Instant::NEVER));
}

#[test]
fn packets_in_the_clear() {
    let mut gate = Ipsec::new(4);
    let add = |gate: &mut Ipsec, src, dst, action| {
        gate.spd_mut().push(Policy { selectors: vec![between(src, dst)], action })
    };
    // Outbound sense: ours on the left.
    let protect = add(&mut gate, "10.2.0.0/16", "10.1.0.0/16", Action::TUNNEL);
    add(&mut gate, "10.2.0.0/16", "10.3.0.0/16", Action::Bypass);
    add(&mut gate, "10.2.0.0/16", "10.4.0.0/16", Action::Discard);
    let from = |src| Flow { src: ip(src), dst: ip("10.2.0.1"), proto: 17, ports: Ports::None };
    assert_eq!(gate.check_clear(&from("10.1.0.1")).unwrap_err().cause, Cause::ClearForProtected);
    assert_eq!(gate.check_clear(&from("10.3.0.1")), Ok(()));
    assert_eq!(gate.check_clear(&from("10.4.0.1")).unwrap_err().cause, Cause::PolicyDiscard);
    assert_eq!(gate.check_clear(&from("10.5.0.1")).unwrap_err().cause, Cause::NoPolicy);
    assert_eq!(gate.check_clear(&from("10.3.0.1").reversed()).unwrap_err().cause, Cause::NoPolicy);
    let out = |dst| from(dst).reversed();
    assert_eq!(gate.outbound(NOW, &out("10.1.0.1")), Outbound::NeedSa(protect));
    assert_eq!(gate.outbound(NOW, &out("10.3.0.1")), Outbound::Bypass);
    assert_eq!(gate.outbound(NOW, &out("10.4.0.1")), Outbound::Discard);
}

#[test]
fn fragments_are_not_guessed() {
    let mut gate = Ipsec::new(4);
    let dns = crate::Upper::Ports { src: crate::PortRange::ANY, dst: crate::PortRange::one(53) };
    let selector = crate::Selector { proto: Some(17), upper: dns, ..any4() };
    gate.spd_mut().push(Policy { selectors: vec![selector], action: Action::Bypass });
    let fragment = Flow { ports: Ports::Opaque, ..flow() };
    assert_eq!(gate.outbound(NOW, &fragment), Outbound::NeedReassembly);
    assert_eq!(gate.check_clear(&fragment.reversed()).unwrap_err().cause, Cause::FragmentUnmatched);
    assert_eq!(gate.drops().total(), 0, "nothing is decided yet");
}

#[test]
fn what_is_refused_at_installation() {
    let mut gate = Ipsec::new(2);
    let policy = gate.spd_mut().push(Policy { selectors: vec![any4()], action: Action::TUNNEL });
    let bypass = gate.spd_mut().push(Policy { selectors: vec![any4()], action: Action::Bypass });
    let mut refused = |change: fn(&mut SaParams, PolicyId), error| {
        let mut sa = params(Direction::In, tunnel(), policy);
        change(&mut sa, bypass);
        assert_eq!(gate.install(NOW, sa), Err(error));
    };
    refused(|sa, _| sa.spi = Spi(255), InstallError::ReservedSpi(Spi(255)));
    refused(|sa, _| sa.selectors.clear(), InstallError::NoSelectors);
    refused(|sa, _| sa.replay_window = 16, InstallError::ReplayWindow(16));
    refused(|sa, _| sa.replay_window = 4097, InstallError::ReplayWindow(4097));
    refused(|sa, _| sa.replay_window = 0, InstallError::EsnWithoutWindow);
    refused(|sa, bypass| sa.policy = bypass, InstallError::NoPolicy(bypass));
    refused(|sa, _| sa.policy = PolicyId(9), InstallError::NoPolicy(PolicyId(9)));
    let (algorithm, given) = (Algorithm::AesGcm256, 20);
    refused(|sa, _| sa.algorithm = Algorithm::AesGcm256, InstallError::KeyLength { algorithm, given });
    refused(|sa, _| sa.mode = Mode::Tunnel { local: ip(A4), remote: ip(B6) }, InstallError::MixedEnds);
    assert_eq!(gate.sas().count(), 0, "nothing is left behind");
    let mut install = |direction, spi| {
        let mut sa = params(direction, tunnel(), policy);
        sa.spi = Spi(spi);
        gate.install(NOW, sa)
    };
    assert!(install(Direction::In, 256).is_ok());
    assert_eq!(install(Direction::In, 256), Err(InstallError::DuplicateSpi(Spi(256))));
    assert!(install(Direction::Out, 256).is_ok(), "the other direction has SPIs of its own");
    assert_eq!(install(Direction::Out, 256), Err(InstallError::DuplicateSpi(Spi(256))));
    assert_eq!(install(Direction::In, 257), Err(InstallError::Full { limit: 2 }));
}

#[test]
fn a_retired_handle_names_nothing() {
    let mut pair = tunnel4();
    let sealed = pair.seal(&inner()).unwrap();
    assert_eq!(pair.b.retire(pair.inbound).map(|stats| stats.packets), Some(0));
    assert_eq!(pair.b.retire(pair.inbound), None);
    let mut packet = Packet::from_bytes(&sealed);
    assert_eq!(pair.b.open(NOW, &mut packet).unwrap_err().cause, Cause::UnknownSpi);
    let old = pair.out;
    assert!(pair.a.retire(old).is_some());
    assert_eq!(pair.a.outbound(NOW, &flow()), Outbound::NeedSa(pair.policy));
    let mut seen = std::collections::HashSet::from([old]);
    for n in 0..5000 {
        let new = pair.a.install(NOW, params(Direction::Out, tunnel(), pair.policy)).unwrap();
        assert_ne!(new.bits(), 0);
        seen.insert(new);
        if n < 4000 {
            // The successor has the slot; the old handle is not its name.
            let mut packet = Packet::from_bytes(&inner());
            let drop = pair.a.seal(NOW, old, &mut packet).unwrap_err();
            assert_eq!((drop.cause, drop.handle), (Cause::UnknownHandle, Some(old)));
            assert_eq!((pair.a.stats(old), pair.a.retire(old)), (None, None));
        }
        assert_eq!(pair.a.retire(new).map(|stats| stats.handle), Some(new));
    }
    assert_eq!(seen.len(), 4095, "thousands of generations before one comes again");
}

#[test]
fn directions_do_not_mix() {
    let mut pair = tunnel4();
    let mut packet = Packet::from_bytes(&inner());
    let drop = pair.b.seal(NOW, pair.inbound, &mut packet).unwrap_err();
    assert_eq!((drop.cause, packet.bytes()), (Cause::WrongDirection, &inner()[..]));
    assert_eq!(pair.b.activate_outbound(pair.policy, pair.inbound), None);
    let sealed = pair.seal(&inner()).unwrap();
    let drop = pair.a.open(NOW, &mut Packet::from_bytes(&sealed)).unwrap_err();
    assert_eq!((drop.cause, drop.spi), (Cause::UnknownSpi, Some(SPI)), "an outbound SPI opens nothing");
    let other = pair.a.spd_mut().push(Policy { selectors: vec![any4()], action: Action::TUNNEL });
    assert_eq!(pair.a.activate_outbound(other, pair.out), None);
}

/// Make before break: at no point is a packet lost.
#[test]
fn rekey_under_traffic() {
    let mut pair = tunnel4();
    let carry = |pair: &mut Pair, spi: Spi| {
        let Outbound::Protect(handle) = pair.a.outbound(NOW, &flow()) else { panic!("not protected") };
        assert_eq!(pair.a.stats(handle).unwrap().spi, spi);
        let mut packet = Packet::from_bytes(&inner());
        pair.a.seal(NOW, handle, &mut packet).unwrap();
        pair.b.open(NOW, &mut packet).unwrap();
        assert_eq!(packet.bytes(), inner());
    };
    carry(&mut pair, SPI);
    let successor = |direction, mode, policy| {
        let mut sa = params(direction, mode, policy);
        sa.spi = Spi(0x9999);
        sa.key = Key::new(&[9; 20]).unwrap();
        sa
    };
    let back = Mode::Tunnel { local: ip(B4), remote: ip(A4) };
    pair.b.install(NOW, successor(Direction::In, back, pair.policy)).unwrap();
    carry(&mut pair, SPI);
    let new = pair.a.install(NOW, successor(Direction::Out, tunnel(), pair.policy)).unwrap();
    carry(&mut pair, SPI);
    // One packet of the old SA is still on its way.
    let late = pair.seal(&inner()).unwrap();
    assert_eq!(pair.a.activate_outbound(pair.policy, new), Some(vec![pair.out]));
    carry(&mut pair, Spi(0x9999));
    assert!(pair.a.retire(pair.out).is_some());
    carry(&mut pair, Spi(0x9999));
    assert_eq!(pair.open(&late), Ok(inner()));
    assert!(pair.b.retire(pair.inbound).is_some());
    carry(&mut pair, Spi(0x9999));
    assert_eq!((pair.a.drops().total(), pair.b.drops().total()), (0, 0));
}

#[test]
fn removing_a_policy_retires_its_sas() {
    let mut pair = tunnel4();
    let sealed = pair.seal(&inner()).unwrap();
    assert!(pair.b.remove_policy(pair.policy).is_some());
    assert_eq!(pair.b.sas().count(), 0);
    let drop = pair.b.open(NOW, &mut Packet::from_bytes(&sealed)).unwrap_err();
    assert_eq!(drop.cause, Cause::UnknownSpi);
    assert!(pair.b.remove_policy(pair.policy).is_none());
}

#[test]
fn lifetimes_by_count() {
    for soft in
        [Limits { packets: Some(2), ..Limits::default() }, Limits { bytes: Some(70), ..Limits::default() }]
    {
        let mut pair = pair(true, (A4, B4), |sa| {
            sa.lifetime.soft = soft;
            sa.lifetime.hard.packets = Some(4);
        });
        let sides = [(pair.out, Direction::Out), (pair.inbound, Direction::In)];
        let [soft, hard] = [
            sides.map(|(handle, direction)| Event::SoftLimit { handle, spi: SPI, direction }),
            sides.map(|(handle, direction)| Event::HardLimit { handle, spi: SPI, direction }),
        ];
        for n in 1..=4 {
            let sealed = pair.seal(&inner()).unwrap();
            pair.open(&sealed).unwrap();
            let expected = |side: usize| match n {
                2 => vec![soft[side]],
                4 => vec![hard[side]],
                _ => vec![],
            };
            assert_eq!(pair.a.next_wake() == Instant::ZERO, n % 2 == 0, "packet {n}");
            assert_eq!(events(&mut pair.a, NOW), expected(0), "packet {n}");
            assert_eq!(events(&mut pair.b, NOW), expected(1), "packet {n}");
        }
        assert_eq!(pair.seal(&inner()), Err(Cause::Expired));
        assert_eq!(pair.open(&forge(9, &with_trailer(&inner(), 4))), Err(Cause::Expired));
        assert_eq!(pair.a.outbound(NOW, &flow()), Outbound::NeedSa(pair.policy));
        assert_eq!((events(&mut pair.a, NOW), events(&mut pair.b, NOW)), (vec![], vec![]), "told once");
    }
}

#[test]
fn lifetimes_by_time() {
    let mut pair = pair(true, (A4, B4), |sa| {
        sa.lifetime.soft.time = Some(Duration::from_secs(50));
        sa.lifetime.hard.time = Some(Duration::from_secs(60));
    });
    let (handle, spi, direction) = (pair.out, SPI, Direction::Out);
    assert_eq!((pair.a.poll(at(49)), pair.a.next_wake()), (None, at(50)));
    assert_eq!(events(&mut pair.a, at(50)), [Event::SoftLimit { handle, spi, direction }]);
    assert_eq!((events(&mut pair.a, at(59)), pair.a.next_wake()), (vec![], at(60)));
    let mut packet = Packet::from_bytes(&inner());
    assert!(pair.a.seal(at(59), handle, &mut packet).is_ok());
    // The limit holds whether or not anybody has polled.
    let drop = pair.a.seal(at(60), handle, &mut Packet::from_bytes(&inner())).unwrap_err();
    assert_eq!(drop.cause, Cause::Expired);
    assert_eq!(pair.b.open(at(61), &mut packet).unwrap_err().cause, Cause::Expired);
    assert_eq!(events(&mut pair.a, at(60)), [Event::HardLimit { handle, spi, direction }]);
    assert_eq!((events(&mut pair.a, at(99)), pair.a.next_wake()), (vec![], Instant::NEVER));
    // Without any packet, and without a soft event that would come too late.
    let (handle, direction) = (pair.inbound, Direction::In);
    assert_eq!(events(&mut pair.b, at(70)), [Event::HardLimit { handle, spi, direction }]);
}

#[test]
fn numbers_without_esn_ask_for_a_rekey_in_time() {
    let mut pair = pair(true, (A4, B4), |sa| sa.esn = false);
    // The meter counts packets; put both where they would be.
    let soft = u64::from(u32::MAX) - u64::from(u32::MAX) / 16;
    pair.a.engine.sad.sa_mut(pair.out).unwrap().meter.packets = soft - 2;
    pair.seal(&inner()).unwrap();
    assert_eq!(pair.a.poll(NOW), None);
    pair.seal(&inner()).unwrap();
    assert!(matches!(pair.a.poll(NOW), Some(Event::SoftLimit { .. })));
}

#[test]
fn keepalives() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 7777 });
    let mut pair = pair(true, (A4, B4), |sa| sa.encap = encap);
    let mut second = params(Direction::Out, tunnel(), pair.policy);
    (second.spi, second.encap) = (Spi(999), encap);
    let second = pair.a.install(NOW, second).unwrap();
    let due = |event: Option<Event>| {
        let Some(Event::Keepalive { local, local_port, remote, remote_port, .. }) = event else {
            return false;
        };
        assert_eq!((local, local_port, remote, remote_port), (ip(A4), 4500, ip(B4), 7777));
        true
    };
    assert_eq!((pair.a.poll(at(19)), pair.a.next_wake()), (None, at(20)));
    assert!(due(pair.a.poll(at(20))));
    assert_eq!((pair.a.poll(at(20)), pair.a.next_wake()), (None, at(40)), "one for both SAs");
    for handle in [pair.out, second] {
        pair.a.seal(at(30), handle, &mut Packet::from_bytes(&inner())).unwrap();
    }
    assert_eq!((pair.a.poll(at(40)), pair.a.next_wake()), (None, at(50)), "traffic keeps it alive too");
    assert!(due(pair.a.poll(at(50))));
    assert_eq!(pair.b.poll(at(500)), None, "inbound SAs need none");
}

#[test]
fn a_peer_that_moves() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 4500 });
    let mut pair = pair(true, (A4, B4), |sa| sa.encap = encap);
    let mut back = params(Direction::Out, Mode::Tunnel { local: ip(B4), remote: ip(A4) }, pair.policy);
    (back.spi, back.encap) = (Spi(0x777), encap);
    let back = pair.b.install(NOW, back).unwrap();
    let from = |outer: &[u8], source: [u8; 4], port: u16| {
        let mut moved = outer.to_vec();
        moved[12..16].copy_from_slice(&source);
        moved[20..22].copy_from_slice(&port.to_be_bytes());
        moved
    };
    let packets: Vec<_> = (0..6).map(|_| pair.seal(&inner()).unwrap()).collect();
    let other = [203, 0, 113, 9];
    // Not authentic: no event.
    let mut forged = from(&packets[0], other, 1025);
    forged[50] ^= 1;
    assert_eq!(pair.open(&forged), Err(Cause::BadIcv));
    assert_eq!(pair.b.poll(NOW), None);
    assert!(pair.open(&packets[0]).is_ok());
    assert!(pair.open(&from(&packets[2], other, 1025)).is_ok());
    let (handle, spi, remote, remote_port) = (pair.inbound, SPI, ip("203.0.113.9"), 1025);
    assert_eq!(pair.b.poll(NOW), Some(Event::PeerMoved { handle, spi, remote, remote_port }));
    // Told once; and a late packet, whatever place it is from, does not move it.
    assert!(pair.open(&from(&packets[3], other, 1025)).is_ok());
    assert!(pair.open(&from(&packets[1], [198, 51, 100, 1], 9)).is_ok());
    assert_eq!(pair.b.poll(NOW), None);
    assert_eq!(pair.b.set_peer(handle, ip("::1"), 1), 0);
    // The inbound SA alone: the outbound one runs between the same ends, and follows.
    assert_eq!(pair.b.set_peer(handle, remote, remote_port), 2);
    let mut packet = Packet::from_bytes(&inner());
    pair.b.seal(NOW, back, &mut packet).unwrap();
    assert_eq!((&packet.bytes()[16..20], &packet.bytes()[22..24]), (&other[..], &1025u16.to_be_bytes()[..]));
    assert!(pair.open(&from(&packets[4], other, 1025)).is_ok());
    assert_eq!(pair.b.poll(NOW), None, "at home there");
    assert!(pair.open(&packets[5]).is_ok());
    let (remote, remote_port) = (ip(A4), 4500);
    assert_eq!(pair.b.poll(NOW), Some(Event::PeerMoved { handle, spi, remote, remote_port }));
}

/// Many SAs with something to tell: each once, while packets go on.
#[test]
fn events_of_many_sas() {
    let mut gate = Ipsec::new(100);
    let policy = gate.spd_mut().push(Policy { selectors: vec![any4()], action: Action::TUNNEL });
    let handles: Vec<_> = (0..100)
        .map(|n| {
            let mut sa = params(Direction::Out, tunnel(), policy);
            sa.spi = Spi(1000 + n);
            sa.lifetime.soft.packets = Some(1);
            gate.install(NOW, sa).unwrap()
        })
        .collect();
    let seal = |gate: &mut Ipsec, at: usize| {
        gate.seal(NOW, handles[at], &mut Packet::from_bytes(&inner())).unwrap();
    };
    for at in 50..100 {
        seal(&mut gate, at);
    }
    let mut told = Vec::new();
    let mut next = 0;
    while let Some(Event::SoftLimit { handle, .. }) = gate.poll(NOW) {
        told.push(handle);
        assert_eq!(gate.next_wake(), Instant::ZERO, "in the middle of a sweep");
        if next < 50 {
            seal(&mut gate, next);
            next += 1;
        }
    }
    told.sort();
    let mut expected = handles.clone();
    expected.sort();
    assert_eq!(told, expected);
}

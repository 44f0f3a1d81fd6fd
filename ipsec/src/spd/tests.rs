use super::*;
use crate::selector::{AddressRange, PortRange, Upper};
use crate::testing::{any4, any6, between, ip};
use alloc::vec;
use core::net::IpAddr;
use net::Ports;
use proptest::prelude::*;

fn flow(src: &str, dst: &str, ports: Ports) -> Flow {
    Flow { src: ip(src), dst: ip(dst), proto: 6, ports }
}

fn tcp(src: &str, dst: &str) -> Flow {
    flow(src, dst, Ports::Ports { src: 1000, dst: 80 })
}

fn web(selector: Selector) -> Selector {
    Selector {
        proto: Some(6),
        upper: Upper::Ports { src: PortRange::ANY, dst: PortRange::one(80) },
        ..selector
    }
}

fn policy(selector: Selector, action: Action) -> Policy {
    Policy { selectors: vec![selector], action }
}

const H1: Handle = Handle::from_bits(1 << 20);
const H2: Handle = Handle::from_bits(1 << 20 | 1);
const H3: Handle = Handle::from_bits(1 << 20 | 2);

#[test]
fn the_first_match_decides_and_no_match_drops() {
    let mut spd = Spd::default();
    let f = tcp("10.1.0.1", "10.2.0.1");
    assert_eq!(spd.lookup(&f), Verdict::NoPolicy);
    let protect = spd.push(policy(between("10.1.0.0/16", "10.2.0.0/16"), Action::TUNNEL));
    spd.push(policy(any4(), Action::Bypass));
    assert_eq!(spd.lookup(&f), Verdict::Protect(protect, None));
    assert_eq!(spd.lookup(&f.reversed()), Verdict::Bypass);
    assert_eq!(spd.lookup(&tcp("fd00::1", "fd00::2")), Verdict::NoPolicy, "of the other family");
    let discard = spd.insert(0, policy(web(any4()), Action::Discard));
    assert_eq!(spd.lookup(&f), Verdict::Discard);
    assert_eq!(spd.lookup(&flow("10.1.0.1", "10.2.0.1", Ports::Opaque)), Verdict::Unknown);
    assert_eq!(spd.iter().map(|(id, _)| id).collect::<Vec<_>>(), [discard, protect, PolicyId(1)]);
    spd.remove(discard).unwrap();
    assert_eq!(spd.lookup(&f), Verdict::Protect(protect, None));
    spd.remove(protect).unwrap();
    assert_eq!(spd.lookup(&f), Verdict::Bypass);
    assert!(spd.remove(protect).is_none() && spd.policy(protect).is_none());
    assert_eq!(spd.push(policy(any6(), Action::Bypass)), PolicyId(3), "numbers are not used again");
    assert_eq!(spd.lookup(&tcp("fd00::1", "fd00::2")), Verdict::Bypass);
}

#[test]
fn a_fragment_skips_rules_that_it_cannot_be_under() {
    let mut spd = Spd::default();
    let udp_rule = Selector { proto: Some(17), ..web(any4()) };
    spd.push(policy(udp_rule, Action::Discard));
    let id = spd.push(policy(any4(), Action::TUNNEL));
    let fragment = flow("10.1.0.1", "10.2.0.1", Ports::Opaque);
    assert_eq!(spd.lookup(&fragment), Verdict::Protect(id, None), "it is TCP");
    spd.push(policy(any6(), Action::TRANSPORT));
    assert_eq!(spd.lookup(&flow("fd00::1", "fd00::2", Ports::Opaque)), Verdict::Unknown, "transport mode");
}

#[test]
fn newer_sas_take_over_what_they_cover() {
    let mut spd = Spd::default();
    let id = spd.push(policy(any4(), Action::TUNNEL));
    let f = tcp("10.1.0.1", "10.2.0.1");
    let net1 = between("10.1.0.0/16", "10.2.0.0/16");
    assert_eq!(spd.activate(id, H1, &[any4()]), []);
    assert_eq!(spd.lookup(&f), Verdict::Protect(id, Some(H1)));
    // A narrower one goes first for its part, and replaces nothing.
    assert_eq!(spd.activate(id, H2, &[net1]), []);
    assert_eq!(spd.lookup(&f), Verdict::Protect(id, Some(H2)));
    assert_eq!(spd.lookup(&tcp("10.9.0.1", "10.2.0.1")), Verdict::Protect(id, Some(H1)));
    // Its successor replaces it, and a wide one both.
    assert_eq!(spd.activate(id, H3, &[net1]), [H2]);
    assert_eq!(spd.activate(id, H2, &[any4()]), [H3, H1]);
    assert_eq!(spd.active(id).collect::<Vec<_>>(), [H2]);
    assert_eq!(spd.activate(id, H2, &[any4()]), [], "again");
    spd.deactivate(H2);
    assert_eq!(spd.lookup(&f), Verdict::Protect(id, None));
    assert_eq!(spd.activate(PolicyId(99), H1, &[any4()]), []);
}

#[test]
fn an_sa_carries_only_what_it_covers() {
    let mut spd = Spd::default();
    let id = spd.push(policy(any4(), Action::TUNNEL));
    spd.activate(id, H1, &[web(any4())]);
    assert_eq!(spd.lookup(&tcp("10.1.0.1", "10.2.0.1")), Verdict::Protect(id, Some(H1)));
    let other = flow("10.1.0.1", "10.2.0.1", Ports::Ports { src: 80, dst: 81 });
    assert_eq!(spd.lookup(&other), Verdict::Protect(id, None), "never under an SA for something else");
    assert_eq!(spd.lookup(&flow("10.1.0.1", "10.2.0.1", Ports::Opaque)), Verdict::Unknown);
    spd.activate(id, H2, &[Selector { upper: Upper::Opaque, ..any4() }]);
    assert_eq!(spd.lookup(&flow("10.1.0.1", "10.2.0.1", Ports::Opaque)), Verdict::Protect(id, Some(H2)));
}

proptest! {
    /// The compiled lists say what a walk over the policies says.
    #[test]
    fn lookup_equals_the_walk(
        rules in prop::collection::vec((0u8..4, 0u8..4, 22u8..=32, any::<bool>(), 0u8..3, any::<bool>()), 0..60),
        src in 0u8..4, dst in 0u8..4, v6: bool, ports in prop_oneof![
            Just(Ports::Opaque), Just(Ports::None), (79u16..82).prop_map(|dst| Ports::Ports { src: 7, dst })
        ],
    ) {
        let addr = |n: u8, v6: bool| -> IpAddr {
            if v6 { [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(n) << 8].into() } else { [10, 0, n, 0].into() }
        };
        let range = |n, len: u8, v6| {
            let len = if v6 { len + 96 } else { len };
            net::Prefix::new(addr(n, v6), len).unwrap().into()
        };
        let mut spd = Spd::default();
        for &(src, dst, len, v6, action, ports) in &rules {
            let selector = Selector::addresses(range(src, len, v6), range(dst, len, v6)).unwrap();
            let selector = if ports { web(selector) } else { selector };
            // Some ranges are no prefixes.
            let selector = match len % 5 {
                0 if !v6 => Selector { src: AddressRange::new(addr(src, v6), addr(src + 1, v6)).unwrap(), ..selector },
                _ => selector,
            };
            let action = [Action::Bypass, Action::Discard, Action::TUNNEL][usize::from(action)];
            spd.push(policy(selector, action));
        }
        let f = Flow { src: addr(src, v6), dst: addr(dst, v6), proto: 6, ports };
        let hit = spd.iter().find_map(|(id, policy)| match policy.selectors[0].matches(&f) {
            Match::No => None,
            matched => Some((id, policy.action, matched)),
        });
        let expected = match hit {
            None => Verdict::NoPolicy,
            Some((_, _, Match::Unknown)) => Verdict::Unknown,
            Some((_, Action::Bypass, _)) => Verdict::Bypass,
            Some((_, Action::Discard, _)) => Verdict::Discard,
            Some((id, Action::Protect { .. }, _)) => Verdict::Protect(id, None),
        };
        prop_assert_eq!(spd.lookup(&f), expected);
    }
}

/// Hosts behind a thousand tunnels: each flow its own policy, before and after others have gone.
#[test]
fn many_policies_are_told_apart() {
    let mut spd = Spd::default();
    let host = |number: u32| IpAddr::from(core::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
    let to = |number| Selector::addresses(AddressRange::ANY_V4, AddressRange::host(host(number))).unwrap();
    let ids: Vec<_> = (0..1000).map(|number| spd.push(policy(to(number), Action::TUNNEL))).collect();
    let handle = |number: u32| Handle::from_bits(1 << 20 | number);
    for (number, id) in (0..).zip(&ids) {
        assert_eq!(spd.activate(*id, handle(number), &[to(number)]), []);
    }
    let rest = spd.push(policy(any4(), Action::Bypass));
    let f = |number| Flow { src: ip("192.0.2.1"), dst: host(number), proto: 6, ports: Ports::None };
    for (number, id) in (0..).zip(&ids) {
        assert_eq!(spd.lookup(&f(number)), Verdict::Protect(*id, Some(handle(number))));
    }
    assert_eq!(spd.lookup(&f(1000)), Verdict::Bypass);
    // One that comes first, and ranges that are no prefixes.
    let odd = AddressRange::new(host(10), host(12)).unwrap();
    let odd = Selector::addresses(AddressRange::ANY_V4, odd).unwrap();
    let first = spd.insert(0, policy(odd, Action::Discard));
    assert_eq!(
        [9, 10, 12, 13].map(|number| spd.lookup(&f(number)) == Verdict::Discard),
        [false, true, true, false]
    );
    for id in ids.iter().step_by(2).chain([&first]) {
        assert!(spd.remove(*id).is_some());
    }
    for (number, id) in (0..).zip(&ids) {
        let kept = number % 2 == 1;
        let expected = if kept { Verdict::Protect(*id, Some(handle(number))) } else { Verdict::Bypass };
        assert_eq!(spd.lookup(&f(number)), expected);
    }
    assert!(spd.remove(rest).is_some());
    assert_eq!(spd.lookup(&f(1000)), Verdict::NoPolicy);
    assert_eq!(spd.iter().count(), 500);
}

/// Peers with an address each under one policy, as road warriors are.
#[test]
fn many_sas_of_a_policy_are_told_apart() {
    let mut spd = Spd::default();
    let id = spd.push(policy(any4(), Action::TUNNEL));
    let host = |number: u32| IpAddr::from(core::net::Ipv4Addr::from_bits(0x0a00_0000 + number));
    let to = |number| Selector::addresses(AddressRange::ANY_V4, AddressRange::host(host(number))).unwrap();
    let handle = |generation: u32, number: u32| Handle::from_bits(generation << 20 | number);
    let f = |number| Flow { src: ip("192.0.2.1"), dst: host(number), proto: 6, ports: Ports::None };
    for number in 0..500 {
        assert_eq!(spd.activate(id, handle(1, number), &[to(number)]), []);
    }
    for number in 0..500 {
        assert_eq!(spd.lookup(&f(number)), Verdict::Protect(id, Some(handle(1, number))));
        assert_eq!(spd.activate(id, handle(2, number), &[to(number)]), [handle(1, number)]);
        assert_eq!(spd.lookup(&f(number)), Verdict::Protect(id, Some(handle(2, number))));
    }
    assert_eq!(spd.lookup(&f(500)), Verdict::Protect(id, None));
    spd.deactivate(handle(2, 7));
    assert_eq!(spd.lookup(&f(7)), Verdict::Protect(id, None));
    assert_eq!(spd.active(id).next(), Some(handle(2, 499)), "newest first");
    assert_eq!(spd.activate(id, handle(3, 0), &[any4()]).len(), 499, "a wide one takes over all");
    assert_eq!(spd.lookup(&f(7)), Verdict::Protect(id, Some(handle(3, 0))));
}

#[test]
fn places_between_two_policies_do_not_run_out() {
    let mut spd = Spd::default();
    let first = spd.push(policy(any4(), Action::Bypass));
    let mut ids: Vec<_> = (0..200).map(|_| spd.insert(1, policy(any4(), Action::Discard))).collect();
    let zero = spd.insert(0, policy(any6(), Action::Discard));
    let last = spd.push(policy(any4(), Action::TUNNEL));
    ids.reverse();
    let expected: Vec<_> = [zero, first].into_iter().chain(ids).chain([last]).collect();
    assert_eq!(spd.iter().map(|(id, _)| id).collect::<Vec<_>>(), expected);
    assert_eq!(spd.lookup(&tcp("10.1.0.1", "10.2.0.1")), Verdict::Bypass);
}

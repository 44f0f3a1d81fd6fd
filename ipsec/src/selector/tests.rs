use super::*;
use crate::testing::{between, ip, range};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

fn flow(src: &str, dst: &str, proto: u8, ports: Ports) -> Flow {
    Flow { src: ip(src), dst: ip(dst), proto, ports }
}

fn ports(src: (u16, u16), dst: (u16, u16)) -> Upper {
    let range = |(first, last)| PortRange::new(first, last).unwrap();
    Upper::Ports { src: range(src), dst: range(dst) }
}

#[test]
fn prefixes_are_ranges() {
    let r = range("10.1.2.3/24");
    assert_eq!((r.first(), r.last()), (ip("10.1.2.0"), ip("10.1.2.255")));
    assert_eq!(range("0.0.0.0/0"), AddressRange::ANY_V4);
    assert_eq!(range("::/0"), AddressRange::ANY_V6);
    assert_eq!(range("fd00::7/128"), AddressRange::host(ip("fd00::7")));
    assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("10.0.0.1")), None);
    assert_eq!(AddressRange::new(ip("10.0.0.2"), ip("::1")), None);
    assert!(!AddressRange::ANY_V4.contains(ip("::1")) && !AddressRange::ANY_V6.contains(ip("1.2.3.4")));
    assert_eq!(AddressRange::ANY_V4.intersect(&AddressRange::ANY_V6), None);
}

#[test]
fn matching_table() {
    use Match::{No, Unknown, Yes};
    let base = between("10.1.0.0/16", "10.2.0.0/16");
    let tcp80 = Selector { proto: Some(6), upper: ports((0, 65535), (80, 81)), ..base };
    let echo =
        Selector { proto: Some(1), upper: Upper::Icmp(PortRange::new(0x0800, 0x08ff).unwrap()), ..base };
    let opaque = Selector { upper: Upper::Opaque, ..base };
    let p = |src, dst| Ports::Ports { src, dst };
    let icmp = |kind, code| Ports::Icmp { kind, code };
    for (selector, proto, ports, expected) in [
        (base, 6, p(1, 2), Yes),
        (base, 50, Ports::None, Yes),
        (base, 17, Ports::Opaque, Yes),
        (tcp80, 6, p(5, 80), Yes),
        (tcp80, 6, p(5, 81), Yes),
        (tcp80, 6, p(5, 79), No),
        (tcp80, 6, p(80, 82), No),
        (tcp80, 17, p(5, 80), No),
        (tcp80, 6, Ports::Opaque, Unknown),
        (tcp80, 17, Ports::Opaque, No),
        (tcp80, 6, Ports::None, No),
        (echo, 1, icmp(8, 0), Yes),
        (echo, 1, icmp(8, 255), Yes),
        (echo, 1, icmp(9, 0), No),
        (echo, 1, icmp(7, 255), No),
        (echo, 1, Ports::Opaque, Unknown),
        (opaque, 6, Ports::Opaque, Yes),
        (opaque, 6, p(1, 2), No),
        (opaque, 50, Ports::None, No),
    ] {
        let flow = flow("10.1.2.3", "10.2.3.4", proto, ports);
        assert_eq!(selector.matches(&flow), expected, "{selector} {flow:?}");
        assert_eq!(selector.matches(&flow.reversed()), No, "addresses are the other way round");
        assert_eq!(
            (selector.matches_inbound(&flow.reversed()), selector.matches_inbound(&flow)),
            (expected, No)
        );
    }
}

#[test]
fn negotiated_pairs() {
    let side = |addresses, proto, ports| Negotiated { addresses: range(addresses), proto, ports };
    let n = |lp, lports, rp, rports| {
        Selector::negotiated(side("10.1.0.0/16", lp, lports), side("10.2.0.0/16", rp, rports))
    };
    const ANY: (u16, u16) = (0, 65535);
    const OPAQUE: (u16, u16) = (65535, 0);
    let base = between("10.1.0.0/16", "10.2.0.0/16");
    assert_eq!(n(0, ANY, 0, ANY), Some(base));
    assert_eq!(n(6, ANY, 0, ANY), Some(Selector { proto: Some(6), ..base }));
    assert_eq!(n(6, ANY, 17, ANY), None);
    let web = Selector { proto: Some(6), upper: ports((0, 65535), (80, 80)), ..base };
    assert_eq!(n(6, ANY, 6, (80, 80)), Some(web));
    let echo = Upper::Icmp(PortRange::new(0x0800, 0x08ff).unwrap());
    assert_eq!(n(1, (0x0800, 0x08ff), 1, ANY), Some(Selector { proto: Some(1), upper: echo, ..base }));
    assert_eq!(n(1, (0x0800, 0x08ff), 1, (0, 5)), None);
    assert_eq!(n(1, ANY, 1, ANY), Some(Selector { proto: Some(1), ..base }));
    assert_eq!(n(6, OPAQUE, 6, OPAQUE), Some(Selector { proto: Some(6), upper: Upper::Opaque, ..base }));
    assert_eq!(n(6, OPAQUE, 6, ANY), Some(Selector { proto: Some(6), upper: Upper::Opaque, ..base }));
    assert_eq!(n(6, OPAQUE, 6, (80, 80)), None);
    assert_eq!(n(6, (9, 8), 6, ANY), None, "empty, and not OPAQUE");
    assert_eq!(Selector::negotiated(side("10.1.0.0/16", 0, ANY), side("fd00::/8", 0, ANY)), None);
}

#[test]
fn display() {
    let base = between("10.1.0.0/16", "10.2.0.1/32");
    assert_eq!(base.to_string(), "10.1.0.0/16 === 10.2.0.1");
    let odd = AddressRange::new(ip("10.0.0.1"), ip("10.0.0.3")).unwrap();
    assert_eq!(odd.to_string(), "10.0.0.1-10.0.0.3");
    let web = Selector { proto: Some(6), upper: ports((0, 65535), (80, 80)), ..base };
    assert_eq!(format!("{web}"), "10.1.0.0/16 === 10.2.0.1 [6 src 0-65535 dst 80]");
}

/// A small world in which membership can be counted out.
fn world() -> Vec<Flow> {
    let addrs = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "fd00::", "fd00::1"];
    let mut flows = Vec::new();
    for (src, dst) in addrs.iter().flat_map(|s| addrs.iter().map(move |d| (*s, *d))) {
        if ip(src).is_ipv4() != ip(dst).is_ipv4() {
            continue;
        }
        for proto in [6, 17] {
            for (s, d) in (0..3).flat_map(|s| (0..3).map(move |d| (s, d))) {
                flows.push(flow(src, dst, proto, Ports::Ports { src: s, dst: d }));
            }
            flows.push(flow(src, dst, proto, Ports::Opaque));
        }
        for kind in 0..3 {
            flows.push(flow(src, dst, 1, Ports::Icmp { kind: 0, code: kind }));
        }
        flows.push(flow(src, dst, 1, Ports::Opaque));
        flows.push(flow(src, dst, 47, Ports::None));
    }
    flows
}

fn small_range() -> impl Strategy<Value = AddressRange> {
    let v4 = (0u8..3, 0u8..3).prop_map(|(a, b)| ([10, 0, 0, a.min(b)].into(), [10, 0, 0, a.max(b)].into()));
    let v6 = (0u16..2, 0u16..2).prop_map(|(a, b)| {
        let at = |x| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, x]);
        (at(a.min(b)), at(a.max(b)))
    });
    prop_oneof![3 => v4, 1 => v6].prop_map(|(a, b)| AddressRange::new(a, b).unwrap())
}

fn small_ports() -> impl Strategy<Value = PortRange> {
    prop_oneof![
        Just(PortRange::ANY),
        (0u16..3, 0u16..3).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap()),
    ]
}

/// Selectors that some packet can be under.
fn selector() -> impl Strategy<Value = Selector> {
    let upper = prop_oneof![
        (prop_oneof![Just(None), Just(Some(6)), Just(Some(17)), Just(Some(1)), Just(Some(47))])
            .prop_map(|proto| (proto, Upper::Any)),
        (prop_oneof![Just(Some(6)), Just(Some(17))], small_ports(), small_ports())
            .prop_map(|(proto, src, dst)| (proto, Upper::Ports { src, dst })),
        small_ports().prop_map(|range| (Some(1), Upper::Icmp(range))),
        (prop_oneof![Just(None), Just(Some(6)), Just(Some(17)), Just(Some(1))])
            .prop_map(|proto| (proto, Upper::Opaque)),
    ];
    (small_range(), small_range(), upper).prop_filter_map("families", |(src, dst, (proto, upper))| {
        Selector::addresses(src, dst).map(|s| Selector { proto, upper, ..s })
    })
}

fn has(selector: &Selector, flow: &Flow) -> bool {
    selector.matches(flow) == Match::Yes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn intersection_is_membership_in_both(a in selector(), b in selector()) {
        let both = a.intersect(&b);
        prop_assert_eq!(both, b.intersect(&a));
        for flow in world() {
            let expected = has(&a, &flow) && has(&b, &flow);
            let got = both.as_ref().is_some_and(|both| has(both, &flow));
            prop_assert_eq!(got, expected, "{} and {} and {:?}", a, b, flow);
        }
    }

    #[test]
    fn subset_is_membership_of_all(a in selector(), b in selector()) {
        // ANY says more than the ports of this small world: such pairs are compared by the other test.
        let members: Vec<_> = world().into_iter().filter(|flow| has(&a, flow)).collect();
        let all = members.iter().all(|flow| has(&b, flow));
        if a.is_subset(&b) {
            prop_assert!(all, "{} is said to be in {}", a, b);
            prop_assert_eq!(a.intersect(&b).map(|both| both.is_subset(&a) && a.is_subset(&both)), Some(true));
        } else {
            // Nothing in this world is at the far end of a complete range of ports, nor of a protocol
            // that is not in it; one more flow makes up for each.
            let far = [0u16, 9].into_iter().flat_map(|s| [0u16, 9].map(|d| (s, d)));
            let mut more: Vec<Flow> = Vec::new();
            for flow in &members {
                for (src, dst) in far.clone() {
                    match flow.ports {
                        Ports::Ports { src: s, dst: d } => {
                            let pick = |far, near| if far == 9 { 9 } else { near };
                            more.push(Flow { ports: Ports::Ports { src: pick(src, s), dst: pick(dst, d) }, ..*flow });
                        }
                        Ports::Icmp { .. } => more.push(Flow { ports: Ports::Icmp { kind: 9, code: 9 }, ..*flow }),
                        Ports::None => more.push(Flow { proto: 50, ..*flow }),
                        Ports::Opaque => more.push(Flow { proto: 132, ..*flow }),
                    }
                }
            }
            more.retain(|flow| has(&a, flow));
            let all = all && more.iter().all(|flow| has(&b, flow));
            prop_assert!(members.is_empty() || !all, "{} is said not to be in {}", a, b);
        }
    }
}

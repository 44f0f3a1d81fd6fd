use alloc::vec;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> TrafficSelector {
    let (address, length) = text.split_once('/').unwrap();
    TrafficSelector::prefix(address.parse().unwrap(), length.parse().unwrap())
}

fn child(name: &str, local: &[&str], remote: &[&str]) -> Child {
    let fixed = |list: &[&str]| list.iter().map(|text| SelectorSpec::Fixed(net(text))).collect();
    Child { local_ts: fixed(local), remote_ts: fixed(remote), ..Child::new(name) }
}

fn wish(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Selectors {
    Selectors { local: local.to_vec(), remote: remote.to_vec() }
}

const ENDS: Ends = Ends {
    local: IpAddr::V4(core::net::Ipv4Addr::new(10, 9, 0, 2)),
    remote: IpAddr::V4(core::net::Ipv4Addr::new(10, 9, 0, 1)),
};

#[test]
fn the_intersection_is_taken() {
    let ours = child("net", &["10.2.0.0/24"], &["10.1.0.0/24"]);
    let all = wish(&[net("0.0.0.0/0")], &[net("0.0.0.0/0")]);
    assert_eq!(narrow(&ours, ENDS, &all), Some(wish(&[net("10.2.0.0/24")], &[net("10.1.0.0/24")])));
    let less = wish(&[net("10.2.0.128/25")], &[net("10.1.0.7/32")]);
    assert_eq!(narrow(&ours, ENDS, &less), Some(less.clone()));
    assert_eq!(narrow(&ours, ENDS, &wish(&[net("10.3.0.0/24")], &[net("10.1.0.0/24")])), None);
    assert_eq!(narrow(&ours, ENDS, &wish(&[], &[])), None);
}

#[test]
fn the_packet_that_made_the_peer_ask_decides_between_children() {
    let children = [
        child("first", &["10.2.1.0/24"], &["10.1.0.0/24"]),
        child("second", &["10.2.2.0/24"], &["10.1.0.0/24"]),
    ];
    let packet = net("10.2.2.9/32").with_ports(6, 80, 80);
    let from = net("10.1.0.5/32").with_ports(6, 1000, 1000);
    let both = wish(&[packet, net("10.2.0.0/16")], &[from, net("10.1.0.0/16")]);
    let (chosen, selectors) = choose(&children, ENDS, &both, Mode::Tunnel).unwrap();
    assert_eq!(chosen.name, "second");
    assert_eq!(selectors, wish(&[net("10.2.2.0/24")], &[net("10.1.0.0/24")]));
    // Without such a packet, the operator's order does.
    let both = wish(&[net("10.2.0.0/16")], &[net("10.1.0.0/16")]);
    assert_eq!(choose(&children, ENDS, &both, Mode::Tunnel).unwrap().0.name, "first");
}

#[test]
fn families_and_protocols_that_nothing_pairs_with_are_left_out() {
    let ours = child("net", &["10.2.0.0/24", "fd02::/64"], &["10.1.0.0/24"]);
    let both = wish(&[net("10.2.0.0/24"), net("fd02::/64")], &[net("10.1.0.0/24")]);
    assert_eq!(narrow(&ours, ENDS, &both), Some(wish(&[net("10.2.0.0/24")], &[net("10.1.0.0/24")])));
    assert_eq!(narrow(&ours, ENDS, &wish(&[net("fd02::/64")], &[net("10.1.0.0/24")])), None);
    let tcp = net("10.2.0.0/24").with_ports(6, 0, 65535);
    let udp = net("10.1.0.0/24").with_ports(17, 0, 65535);
    assert_eq!(narrow(&ours, ENDS, &wish(&[tcp], &[udp])), None);
}

#[test]
fn dynamic_is_the_ends_own_addresses() {
    let ours = Child::new("host");
    let hosts = wish(&[net("10.9.0.2/32")], &[net("10.9.0.1/32")]);
    assert_eq!(narrow(&ours, ENDS, &hosts), Some(hosts.clone()));
    let translated = wish(&[net("10.9.0.2/32")], &[net("192.168.1.5/32")]);
    assert_eq!(narrow(&ours, ENDS, &translated), None);
}

#[test]
fn transport_is_not_replaced_by_a_tunnel_nor_the_other_way_round() {
    let transport = Child { mode: Mode::Transport, ..Child::new("host") };
    let hosts = wish(&[net("10.9.0.2/32")], &[net("10.9.0.1/32")]);
    assert!(choose([&transport], ENDS, &hosts, Mode::Tunnel).is_none());
    assert!(choose([&transport], ENDS, &hosts, Mode::Transport).is_some());
    // A peer that asks for transport may be given the tunnel that is configured.
    let tunnel = Child::new("tunnel");
    assert_eq!(choose([&tunnel, &transport], ENDS, &hosts, Mode::Transport).unwrap().0.name, "host");
    assert!(choose([&tunnel], ENDS, &hosts, Mode::Transport).is_some());
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::from([10, octets[1] % 4, octets[2] % 4, octets[3]])),
        any::<u8>().prop_map(|last| IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])),
    ];
    let ports = prop_oneof![
        3 => Just((0, 65535)),
        1 => Just((65535, 0)),
        2 => (0..100u16, 0..100u16).prop_map(|(a, b)| (a.min(b), a.max(b))),
    ];
    (address, 8..=128u8, prop::sample::select(vec![0u8, 6, 17]), ports).prop_map(
        |(address, length, protocol, (first, last))| {
            TrafficSelector::prefix(address, length).with_ports(protocol, first, last)
        },
    )
}

proptest! {
    #[test]
    fn intersection_is_the_largest_common_subset(a in selector(), b in selector()) {
        prop_assert_eq!(a.intersect(&b), b.intersect(&a));
        prop_assert!(a.is_subset(&a));
        if let Some(both) = a.intersect(&b) {
            prop_assert!(both.is_subset(&a) && both.is_subset(&b));
            prop_assert_eq!(both.is_subset(&a) && a.is_subset(&both), both == a);
        } else {
            prop_assert!(!a.is_subset(&b) && !b.is_subset(&a));
        }
    }

    #[test]
    fn narrowing_never_widens(
        local in prop::collection::vec(selector(), 0..6), remote in prop::collection::vec(selector(), 0..6),
        our_local in prop::collection::vec(selector(), 1..4), our_remote in prop::collection::vec(selector(), 1..4),
    ) {
        let specs = |list: Vec<TrafficSelector>| list.into_iter().map(SelectorSpec::Fixed).collect::<Vec<_>>();
        let ours = Child { local_ts: specs(our_local.clone()), remote_ts: specs(our_remote.clone()), ..Child::new("c") };
        let wished = Selectors { local, remote };
        if let Some(got) = narrow(&ours, ENDS, &wished) {
            prop_assert!(!got.local.is_empty() && !got.remote.is_empty());
            for (list, theirs, mine) in [(&got.local, &wished.local, &our_local), (&got.remote, &wished.remote, &our_remote)] {
                for selector in list {
                    prop_assert!(theirs.iter().any(|other| selector.is_subset(other)));
                    prop_assert!(mine.iter().any(|other| selector.is_subset(other)));
                }
            }
            // Doing it again changes nothing.
            prop_assert_eq!(narrow(&ours, ENDS, &got), Some(got));
        }
    }
}

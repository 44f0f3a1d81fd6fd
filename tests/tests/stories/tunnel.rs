//! Traffic that is meant to pass: both ways, every family inside and outside, every algorithm.

use core::net::IpAddr;

use ravelin_tests::lab::esp::{ALGORITHMS, IPV4, IPV6};
use ravelin_tests::lab::packet::{Header, echo, proto, read, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

/// The inside host and a host behind the peer, of one family.
fn hosts(v6: bool) -> (IpAddr, IpAddr) {
    if v6 { (addr("fd02::10"), addr("fd01::5")) } else { (addr("10.2.0.10"), addr("10.1.0.5")) }
}

fn both_ways(name: &'static str, setup: &Setup) {
    let mut lab = Lab::new(name, setup.clone()).warm_up();
    let (gateway, peer) = setup.ends();
    for v6 in [false, true] {
        let (host, far) = hosts(v6);
        // Out: the peer finds one ESP packet with our datagram in it, one hop older and otherwise unchanged.
        let sent =
            udp(Header { tos: 0xb8, ..Header::default() }, (host, 1000), (far, 2000), b"swordfish and more");
        lab.inside.send(lab.now, &sent);
        lab.run_short();
        let received = lab.peer_receives();
        assert_eq!(received.len(), 1, "{setup:?}");
        let (outer, payload) = &received[0];
        assert_eq!((outer.src, outer.dst), (gateway, peer));
        assert_eq!(outer.proto, if setup.encap { proto::UDP } else { proto::ESP });
        assert_eq!(outer.tos, 0xb8, "DSCP is copied to the outer header");
        assert_eq!(outer.hops, 64);
        assert_eq!(payload.next, if v6 { IPV6 } else { IPV4 });
        let inner = read(&payload.bytes);
        assert_eq!(inner, {
            let mut seen = read(&sent);
            seen.hops -= 1;
            seen
        });
        assert!(!lab.outside_has(b"swordfish"), "plaintext on the outside wire");

        // In: the host gets what the peer protected, one hop older.
        let sent = udp(Header::default(), (far, 2000), (host, 1000), b"marlin and less");
        lab.peer_sends(&sent);
        lab.run_short();
        let received = lab.inside_receives();
        // The host has no service on that port and says nothing.
        assert_eq!(
            received,
            [{
                let mut seen = read(&sent);
                seen.hops -= 1;
                seen
            }],
            "{setup:?}"
        );

        // And an echo from behind the peer is answered through the tunnel.
        lab.peer_sends(&echo(far, host, 1, 56));
        lab.run_short();
        let replies = lab.peer_receives();
        assert_eq!(replies.len(), 1);
        assert_eq!(read(&replies[0].1.bytes).icmp(), Some(if v6 { (129, 0) } else { (0, 0) }));
        lab.inside.inbox.clear();
    }
    let sequences: Vec<_> = lab.gateway.ipsec().sas().map(|sa| (sa.sequence, sa.packets)).collect();
    assert_eq!(sequences, [(4, 4), (4, 4)], "both SAs have carried four packets");
    // The warm-up's pings to the outside are the only packets that were dropped.
    assert_eq!(lab.drops(), [("ipsec.no_policy".to_owned(), 2)], "{setup:?}");
}

#[test]
fn every_family_algorithm_and_encapsulation() {
    for outer_v6 in [false, true] {
        for algorithm in ALGORITHMS {
            for esn in [false, true] {
                for encap in [false, true] {
                    let setup = Setup { outer_v6, algorithm, esn, encap, ..Setup::default() };
                    both_ways("every_family_algorithm_and_encapsulation", &setup);
                }
            }
        }
    }
}

#[test]
fn the_gateway_itself_is_reached_through_the_tunnel() {
    for (far, own) in [("10.1.0.5", "10.2.0.1"), ("fd01::5", "fd02::1")] {
        let mut lab = Lab::new("the_gateway_itself", Setup::default()).warm_up();
        lab.peer_sends(&echo(addr(far), addr(own), 3, 56));
        lab.run_short();
        let replies = lab.peer_receives();
        assert_eq!(replies.len(), 1, "one reply, protected");
        let reply = read(&replies[0].1.bytes);
        assert_eq!((reply.src, reply.dst), (addr(own), addr(far)));
        assert!(matches!(reply.icmp(), Some((0 | 129, 0))));
    }
}

#[test]
fn the_gateway_answers_its_inside_without_ipsec() {
    let mut lab = Lab::new(
        "answers_its_inside",
        Setup { local_ts: "10.2.0.0/24", remote_ts: "0.0.0.0/0", ..Setup::default() },
    );
    // Although the policy covers every destination: this packet does not cross the boundary.
    lab.inside.send(lab.now, &echo(addr("10.2.0.10"), addr("10.2.0.1"), 1, 56));
    lab.run_short();
    let replies = lab.inside_receives();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].icmp(), Some((0, 0)));
    assert!(lab.peer_receives().is_empty());
}

#[test]
fn a_bypass_policy_passes_in_the_clear() {
    let first = r#"
[[policy]]
action = "bypass"
local_ts = "10.9.0.2"
protocol = "icmp"
[[policy]]
action = "bypass"
local_ts = "10.2.0.0/24"
remote_ts = "10.7.0.0/24"
"#;
    let mut lab = Lab::new("bypass", Setup { first, ..Setup::default() }).warm_up();
    lab.peer.inbox.clear();
    lab.peer.send(lab.now, &echo(addr("10.9.0.1"), addr("10.9.0.2"), 1, 56));
    lab.run_short();
    assert_eq!(lab.peer.inbox.len(), 1, "echo to the outside address");
    lab.peer.inbox.clear();

    let sent = udp(Header::default(), (addr("10.2.0.10"), 5), (addr("10.7.0.1"), 6), b"in the clear");
    lab.inside.send(lab.now, &sent);
    lab.peer.send(lab.now, &udp(Header::default(), (addr("10.7.0.1"), 6), (addr("10.2.0.10"), 5), b"back"));
    lab.run_short();
    assert!(lab.outside_has(b"in the clear"));
    assert_eq!(lab.inside_receives().len(), 1);
}

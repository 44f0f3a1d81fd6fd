//! Fail closed: nothing that a policy protects is ever on the outside wire in the clear, or comes in so.

use ravelin_tests::lab::packet::{Header, echo, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

#[test]
fn without_an_sa_nothing_leaves() {
    let mut lab = Lab::new("without_an_sa", Setup { sas: false, ..Setup::default() }).warm_up();
    for (host, far) in [("10.2.0.10", "10.1.0.5"), ("fd02::10", "fd01::5")] {
        let packet = udp(Header::default(), (addr(host), 1000), (addr(far), 2000), b"swordfish");
        let causes = lab.causes(|lab| lab.inside.send(lab.now, &packet));
        assert_eq!(causes, [("gateway.no_sa".to_owned(), 1)]);
    }
    assert!(lab.outside_frames().is_empty(), "nothing at all is on the wire");
    let status = lab.gateway.status(lab.now).join("\n");
    assert!(status.contains("vpn") && status.contains("dropped for want of an SA: 2"), "{status}");
}

#[test]
fn what_no_policy_covers_stays_in() {
    let mut lab = Lab::new("no_policy", Setup::default()).warm_up();
    let packet = udp(Header::default(), (addr("10.2.0.10"), 1000), (addr("192.0.2.1"), 53), b"swordfish");
    let causes = lab.causes(|lab| lab.inside.send(lab.now, &packet));
    assert_eq!(causes, [("ipsec.no_policy".to_owned(), 1)]);
    assert!(lab.outside_frames().is_empty());
    let told = lab.inside_receives();
    assert_eq!(told[0].icmp(), Some((3, 13)), "the sender is told: prohibited");
}

#[test]
fn a_discard_policy_drops_both_ways() {
    let first = r#"
[[policy]]
action = "discard"
protocol = "udp"
remote_port = 23
"#;
    let mut lab = Lab::new("discard", Setup { first, ..Setup::default() }).warm_up();
    let (host, far) = (addr("10.2.0.10"), addr("10.1.0.5"));
    let causes = lab.causes(|lab| {
        lab.inside.send(lab.now, &udp(Header::default(), (host, 1), (far, 23), b"x"));
    });
    assert_eq!(causes, [("ipsec.policy_discard".to_owned(), 1)]);
    let causes = lab.causes(|lab| {
        lab.peer.send(lab.now, &udp(Header::default(), (far, 23), (host, 1), b"x"));
    });
    assert_eq!(causes, [("ipsec.policy_discard".to_owned(), 1)]);
    assert!(lab.outside_frames().iter().all(|frame| frame.len() < 60), "only the peer's own datagram");
}

#[test]
fn plaintext_that_should_have_been_protected_is_dropped() {
    let mut lab = Lab::new("plaintext", Setup::default()).warm_up();
    for (far, host) in
        [("10.1.0.5", "10.2.0.10"), ("10.1.0.5", "10.2.0.1"), ("fd01::5", "fd02::10"), ("fd01::5", "fd02::1")]
    {
        let causes = lab.causes(|lab| {
            lab.peer.send(lab.now, &udp(Header::default(), (addr(far), 1), (addr(host), 2), b"forged"));
        });
        assert_eq!(causes, [("ipsec.clear_for_protected".to_owned(), 1)], "{far} to {host}");
    }
    assert!(lab.inside_receives().is_empty());
}

#[test]
fn the_outside_does_not_reach_the_gateway_in_the_clear() {
    let mut lab = Lab::new("outside_in_clear", Setup::default()).warm_up();
    for own in ["10.9.0.2", "10.2.0.1"] {
        let causes = lab.causes(|lab| lab.peer.send(lab.now, &echo(addr("10.9.0.1"), addr(own), 1, 8)));
        assert_eq!(causes, [("ipsec.no_policy".to_owned(), 1)], "{own}");
    }
    assert!(lab.peer.inbox.is_empty());
}

/// Cut off at every point of its life, the gateway sends nothing in the clear: soak over many packets of
/// every size and kind, with a marker in each that must not appear outside.
#[test]
fn no_marker_ever_leaks() {
    for (sas, mode) in [(true, "tunnel"), (false, "tunnel")] {
        let mut lab =
            Lab::new("no_marker", Setup { sas, mode, sa: "life_packets = 40", ..Setup::default() }).warm_up();
        for length in (0..1400).step_by(17) {
            let mut data = b"swordfish".to_vec();
            data.resize(9 + length, b'.');
            for (host, far) in
                [("10.2.0.10", "10.1.0.5"), ("fd02::10", "fd01::5"), ("10.2.0.10", "192.0.2.7")]
            {
                lab.inside.send(lab.now, &udp(Header::default(), (addr(host), 1), (addr(far), 2), &data));
                lab.inside.send(lab.now, &echo(addr(host), addr(far), 1, length));
            }
            lab.run_short();
        }
        assert!(!lab.outside_has(b"swordfish"));
        let plain = lab.outside_frames().into_iter().any(|frame| {
            let (ethertype, protocol) = (
                u16::from_be_bytes([frame[12], frame[13]]),
                frame[if frame[14] >> 4 == 4 { 23 } else { 20 }],
            );
            matches!(ethertype, 0x0800 | 0x86dd) && !matches!(protocol, 50 | 58)
        });
        assert!(!plain, "only ESP and neighbour discovery leave");
    }
}

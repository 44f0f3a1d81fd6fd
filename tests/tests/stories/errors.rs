//! ICMP errors that the gateway owes, and where they go: to the inside in the clear, to the far side
//! through the tunnel.

use ravelin_tests::lab::packet::{Header, read, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

const LAST_HOP: Header = Header { hops: 1, df: false, tos: 0, ident: 3 };

#[test]
fn the_last_hop_from_inside() {
    for (host, far, own, expected) in
        [("10.2.0.10", "10.1.0.5", "10.2.0.1", (11, 0)), ("fd02::10", "fd01::5", "fd02::1", (3, 0))]
    {
        let mut lab = Lab::new("last_hop_inside", Setup::default()).warm_up();
        let packet = udp(LAST_HOP, (addr(host), 1), (addr(far), 2), b"traceroute");
        let causes = lab.causes(|lab| lab.inside.send(lab.now, &packet));
        assert_eq!(causes, [("net.hop_limit".to_owned(), 1)]);
        let told = lab.inside_receives();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].src, told[0].icmp()), (addr(own), Some(expected)));
        assert!(lab.outside_frames().is_empty());
    }
}

#[test]
fn the_last_hop_from_the_far_side_is_told_through_the_tunnel() {
    for (far, host, own, expected) in
        [("10.1.0.5", "10.2.0.10", "10.2.0.1", (11, 0)), ("fd01::5", "fd02::10", "fd02::1", (3, 0))]
    {
        let mut lab = Lab::new("last_hop_far", Setup::default()).warm_up();
        lab.peer_sends(&udp(LAST_HOP, (addr(far), 1), (addr(host), 2), b"traceroute"));
        lab.run_short();
        let told = lab.peer_receives();
        assert_eq!(told.len(), 1, "protected");
        let told = read(&told[0].1.bytes);
        assert_eq!((told.src, told.dst, told.icmp()), (addr(own), addr(far), Some(expected)));
        assert!(lab.inside_receives().is_empty());
        assert!(!lab.outside_has(b"traceroute"), "the quotation is protected too");
    }
}

/// The address that routing suggests for the error is the outside port's, which no policy covers.
#[test]
fn an_error_takes_an_address_that_the_tunnel_carries() {
    let local_ts = "10.5.0.0/24,10.2.0.0/24,fd05::/64,fd02::/64";
    for (far, nowhere, own) in [("10.1.0.5", "10.5.0.7", "10.2.0.1"), ("fd01::5", "fd05::7", "fd02::1")] {
        let mut lab = Lab::new("error_source", Setup { local_ts, ..Setup::default() }).warm_up();
        lab.peer_sends(&udp(LAST_HOP, (addr(far), 1), (addr(nowhere), 2), b"traceroute"));
        lab.run_short();
        let told = lab.peer_receives();
        assert_eq!(told.len(), 1, "{:?}", lab.drops());
        let told = read(&told[0].1.bytes);
        assert_eq!((told.src, told.dst), (addr(own), addr(far)));
        assert!(told.icmp().is_some(), "with a correct checksum");
    }
}

#[test]
fn a_host_that_is_not_there() {
    let mut lab = Lab::new("not_there", Setup::default()).warm_up();
    lab.peer_sends(&udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.200"), 2), b"anybody"));
    lab.run(net::Duration::from_secs(10));
    let told = lab.peer_receives();
    assert_eq!(told.len(), 1, "{:?}", lab.drops());
    let told = read(&told[0].1.bytes);
    assert_eq!(
        (told.src, told.icmp()),
        (addr("10.2.0.1"), Some((3, 1))),
        "host unreachable, from the inside port"
    );
}

#[test]
fn too_big_for_the_inside_link() {
    // The peer's packet has DF and is larger than the inside port takes.
    let first = "";
    let mut lab = Lab::new("too_big_inside", Setup { first, ..Setup::default() }).warm_up();
    let df = Header { df: true, ..Header::default() };
    // 1600 octets come in fragments of ESP; inside, 1500 fit.
    lab.peer_sends(&udp(df, (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), &[3; 1572]));
    lab.run_short();
    assert!(lab.inside_receives().is_empty());
    let told = lab.peer_receives();
    assert_eq!(told.len(), 1);
    let told = read(&told[0].1.bytes);
    assert_eq!(told.mtu(), Some(1500));
    // Without DF it is cut.
    lab.peer_sends(&udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), &[3; 1572]));
    lab.run_short();
    assert_eq!(lab.inside_receives().len(), 1);
}

#[test]
fn services_that_are_not_there() {
    let mut lab = Lab::new("no_service", Setup::default()).warm_up();
    let causes = lab.causes(|lab| {
        lab.peer_sends(&udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.1"), 9), b"discard"));
    });
    assert_eq!(causes, [("gateway.no_udp_service".to_owned(), 1)]);
    let told = lab.peer_receives();
    assert_eq!(read(&told[0].1.bytes).icmp(), Some((3, 3)));
}

#[test]
fn errors_are_limited_in_rate() {
    let mut lab = Lab::new("rate", Setup::default()).warm_up();
    let packet = udp(LAST_HOP, (addr("10.2.0.10"), 1), (addr("10.1.0.5"), 2), b"x");
    for _ in 0..200 {
        lab.inside.send(lab.now, &packet);
    }
    lab.run_short();
    let told = lab.inside_receives().len();
    assert!((1..200).contains(&told), "{told} errors for 200 packets at once");
    assert!(lab.drops().iter().any(|(cause, _)| cause == "net.error_rate_limited"));
}

//! Transport mode: the gateway's own packets, to and from the peer itself.

use ravelin_tests::lab::packet::{Header, echo, proto, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

fn setup(outer_v6: bool, encap: bool) -> Setup {
    let (local_ts, remote_ts) = if outer_v6 { ("fd09::2", "fd09::1") } else { ("10.9.0.2", "10.9.0.1") };
    Setup { mode: "transport", outer_v6, encap, local_ts, remote_ts, ..Setup::default() }
}

#[test]
fn an_echo_is_answered_under_protection() {
    for outer_v6 in [false, true] {
        for encap in [false, true] {
            let setup = setup(outer_v6, encap);
            let (gateway, peer) = setup.ends();
            let mut lab = Lab::new("transport_echo", setup).warm_up();
            let request = echo(peer, gateway, 5, 100);
            let header = if outer_v6 { 40 } else { 20 };
            let icmp = if outer_v6 { proto::ICMPV6 } else { proto::ICMP };
            let esp = lab.peer_out.seal(icmp, &request[header..]);
            let outer = lab.outer(&esp);
            lab.peer.send(lab.now, &outer);
            lab.run_short();
            let replies = lab.peer_receives();
            assert_eq!(replies.len(), 1, "{:?}", lab.drops());
            let (outer, payload) = &replies[0];
            assert_eq!((outer.src, outer.dst), (gateway, peer));
            assert_eq!(payload.next, icmp);
            assert_eq!(payload.bytes[0], if outer_v6 { 129 } else { 0 });
            assert_eq!(payload.bytes[8..], request[header + 8..], "the same data comes back");
        }
    }
}

#[test]
fn large_packets_are_protected_whole_and_cut_outside() {
    let setup = setup(false, false);
    let (gateway, peer) = setup.ends();
    let mut lab = Lab::new("transport_large", setup).warm_up();
    let request = echo(peer, gateway, 6, 3000);
    let esp = lab.peer_out.seal(proto::ICMP, &request[20..]);
    let outer = lab.outer(&esp);
    lab.peer.send(lab.now, &outer);
    lab.run_short();
    let replies = lab.peer_receives();
    assert_eq!(replies.len(), 1, "{:?}", lab.drops());
    assert_eq!(replies[0].1.bytes.len(), 3008);
    assert!(lab.peer.arrived.len() >= 3, "in pieces on the wire");
}

#[test]
fn in_the_clear_it_is_refused_and_others_do_not_pass() {
    let setup = setup(false, false);
    let (gateway, peer) = setup.ends();
    let mut lab = Lab::new("transport_clear", setup).warm_up();
    let causes = lab.causes(|lab| lab.peer.send(lab.now, &echo(peer, gateway, 1, 8)));
    assert_eq!(causes, [("ipsec.clear_for_protected".to_owned(), 1)]);
    // A tunnelled packet under the transport SA.
    let inner = udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), b"x");
    let causes = lab.causes(|lab| lab.peer_sends(&inner));
    assert_eq!(causes, [("ipsec.wrong_mode".to_owned(), 1)]);
}

//! Packets that do not fit: told, cut before ESP, cut after ESP, put together again.

use ravelin_tests::lab::packet::{Header, icmp, ip, proto, read, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

const DF: Header = Header { hops: 64, df: true, tos: 0, ident: 9 };

/// The largest inner packet in an outer one of `mtu`, from the formats alone: outer header, perhaps UDP,
/// ESP header and IV, ICV; of the rest a multiple of four, less pad length and next header.
fn fits(mtu: usize, setup: &Setup) -> usize {
    let outer = if setup.outer_v6 { 40 } else { 20 } + if setup.encap { 8 } else { 0 };
    (mtu - outer - 16 - 16) / 4 * 4 - 2
}

#[test]
fn the_sender_is_told_and_what_it_is_told_fits() {
    for (outer_v6, encap, outside_mtu) in [
        (false, false, 1500),
        (false, true, 1500),
        (true, true, 1500),
        (true, false, 1420),
        (false, false, 1001),
    ] {
        let setup = Setup { outer_v6, encap, outside_mtu, ..Setup::default() };
        let mut lab = Lab::new("told", setup.clone()).warm_up();
        let (host, far) = (addr("10.2.0.10"), addr("10.1.0.5"));
        let packet = |length: usize| udp(DF, (host, 1), (far, 2), &vec![7; length - 28]);
        let largest = fits(outside_mtu.into(), &setup);
        let causes = lab.causes(|lab| lab.inside.send(lab.now, &packet(largest + 1)));
        assert_eq!(causes, [("gateway.too_big_for_tunnel".to_owned(), 1)], "{setup:?}");
        let told = lab.inside_receives();
        assert_eq!(told.len(), 1, "{setup:?}");
        assert_eq!(told[0].mtu(), Some(largest as u32), "{setup:?}");
        assert_eq!(told[0].src, addr("10.2.0.1"), "from the inside port's address");
        assert!(lab.peer_receives().is_empty());
        lab.inside.send(lab.now, &packet(largest));
        lab.run_short();
        let received = lab.peer_receives();
        assert_eq!(received.len(), 1, "{setup:?}");
        assert!(received[0].0.len <= usize::from(outside_mtu));
        assert!(received[0].0.len + 4 > usize::from(outside_mtu), "no octet is wasted beyond alignment");
        assert!(received[0].0.df, "DF is copied");
    }
}

#[test]
fn ipv6_senders_are_told_1280_at_least() {
    // Through these links 1280 does not fit: the outer packet is cut instead, over IPv4 against the DF that it
    // would have from an inner IPv6 packet.
    for (outer_v6, encap, outside_mtu) in [(true, false, 1280), (false, false, 1300), (false, true, 1300)] {
        let setup = Setup { outer_v6, encap, outside_mtu, ..Setup::default() };
        let mut lab = Lab::new("ipv6_1280", setup).warm_up();
        let (host, far) = (addr("fd02::10"), addr("fd01::5"));
        let packet = |length: usize| udp(Header::default(), (host, 1), (far, 2), &vec![7; length - 48]);
        lab.inside.send(lab.now, &packet(1281));
        lab.run_short();
        let told = lab.inside_receives();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].mtu(), Some(1280));
        lab.inside.send(lab.now, &packet(1280));
        lab.run_short();
        let received = lab.peer_receives();
        assert_eq!(received.len(), 1, "arrives, in pieces of the outer packet: {:?}", lab.drops());
        assert_eq!(received[0].1.bytes.len(), 1280);
        assert!(lab.peer.arrived.iter().filter(|packet| read(packet).is_fragment).count() >= 2);
    }
}

#[test]
fn without_df_packets_are_cut_before_esp() {
    let setup = Setup::default();
    let mut lab = Lab::new("cut_before", setup.clone()).warm_up();
    let data: Vec<u8> = (0..4000).map(|i| (i * 7) as u8).collect();
    let sent = udp(Header::default(), (addr("10.2.0.10"), 1), (addr("10.1.0.5"), 2), &data[..1472]);
    lab.inside.send(lab.now, &sent);
    lab.run_short();
    let received = lab.peer_receives();
    assert_eq!(received.len(), 2, "two pieces");
    for (outer, payload) in &received {
        assert!(!outer.is_fragment && outer.len <= 1500);
        assert!(read(&payload.bytes).is_fragment);
    }
    // Put together they are what was sent.
    let pieces: Vec<_> = received.iter().map(|(_, payload)| read(&payload.bytes)).collect();
    let whole: Vec<u8> = pieces.iter().flat_map(|piece| piece.payload.clone()).collect();
    assert_eq!(whole, read(&sent).payload);
    assert!(lab.drops().iter().all(|(cause, _)| cause == "ipsec.no_policy"));
}

#[test]
fn esp_in_fragments_is_put_together() {
    for encap in [false, true] {
        let mut lab = Lab::new("esp_in_fragments", Setup { encap, ..Setup::default() }).warm_up();
        // 1500 octets inside make more than 1500 outside: the peer cuts its outer packet.
        let inner = udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), &[9; 1472]);
        lab.peer_sends(&inner);
        lab.run_short();
        let received = lab.inside_receives();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].payload, read(&inner).payload);
    }
}

#[test]
fn a_fragment_of_esp_alone_is_forgotten() {
    let mut lab = Lab::new("fragment_alone", Setup::default()).warm_up();
    let inner = udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), &[9; 600]);
    let esp = lab.peer_out.seal(4, &inner);
    let mut outer = lab.outer(&esp[..400]);
    // More fragments follow; they never come.
    outer[6] |= 0x20;
    outer[10..12].fill(0);
    let sum = net::checksum::of(&outer[..20]);
    outer[10..12].copy_from_slice(&sum);
    lab.peer.send(lab.now, &outer);
    lab.run(net::Duration::from_secs(70));
    assert!(lab.inside_receives().is_empty());
    assert!(lab.drops().iter().any(|(cause, _)| cause == "net.reassembly_timeout"), "{:?}", lab.drops());
}

#[test]
fn fragments_for_a_policy_with_ports_are_put_together_first() {
    let setup =
        Setup { local_ts: "10.2.0.0/24[udp/1-99]", remote_ts: "10.1.0.0/24[udp]", ..Setup::default() };
    let mut lab = Lab::new("policy_with_ports", setup).warm_up();
    let packet = udp(Header::default(), (addr("10.2.0.10"), 7), (addr("10.1.0.5"), 9), &[5; 2400]);
    // The host cuts it for its own link; ports are in the first piece only.
    lab.inside.send(lab.now, &packet);
    lab.run_short();
    let received = lab.peer_receives();
    assert_eq!(received.len(), 1, "one ESP packet around the whole datagram, the peer compares its ports");
    assert_eq!(read(&received[0].1.bytes).payload, read(&packet).payload);
    assert!(!lab.outside_has(&[5; 100]));
    // Ports outside the policy, in fragments: nothing leaves.
    let packet = udp(Header::default(), (addr("10.2.0.10"), 100), (addr("10.1.0.5"), 9), &[6; 2400]);
    let causes = lab.causes(|lab| lab.inside.send(lab.now, &packet));
    assert_eq!(causes, [("ipsec.no_policy".to_owned(), 1)]);
    assert!(!lab.outside_has(&[6; 100]));
}

#[test]
fn a_smaller_path_is_learned_and_forgotten() {
    let setup = Setup { encap: true, ..Setup::default() };
    let mut lab = Lab::new("learned", setup.clone()).warm_up();
    let (gateway, peer) = setup.ends();
    let inner = |length: usize| udp(DF, (addr("10.2.0.10"), 1), (addr("10.1.0.5"), 2), &vec![7; length - 28]);
    lab.inside.send(lab.now, &inner(1400));
    lab.run_short();
    assert_eq!(lab.peer_receives().len(), 1);
    // A router on the way reports: quoting our outer packet as far as its UDP header.
    let quoted = ip(DF, gateway, peer, proto::UDP, &[0x11, 0x94, 0x11, 0x94, 5, 0, 0, 0]);
    lab.peer.send(lab.now, &icmp(Header::default(), addr("10.9.0.99"), gateway, (3, 4, 1300), &quoted));
    lab.run_short();
    lab.inside.send(lab.now, &inner(1400));
    lab.run_short();
    assert!(lab.peer_receives().is_empty());
    let told = lab.inside_receives();
    assert_eq!(told[0].mtu(), Some(fits(1300, &setup) as u32));
    // After ten minutes and a little the path is tried anew.
    lab.run(net::Duration::from_secs(700));
    lab.peer.inbox.clear();
    lab.inside.send(lab.now, &inner(1400));
    lab.run_short();
    assert_eq!(lab.peer_receives().len(), 1);
}

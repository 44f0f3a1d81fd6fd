//! What an attacker on the outside wire, or an authenticated but hostile peer, can send.

use ravelin_tests::lab::esp::{IPV4, IPV6, Sa};
use ravelin_tests::lab::packet::{Header, echo, icmp, ip, proto, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

fn datagram(data: &[u8]) -> Vec<u8> {
    udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), data)
}

fn one(cause: &str) -> Vec<(String, u64)> {
    vec![(cause.to_owned(), 1)]
}

/// Each way of damaging a packet is counted under its own cause, reaches nobody, and does not keep the next
/// good packet from passing.
#[test]
fn damage_has_its_cause() {
    for (encap, algorithm) in [(false, "aes128gcm16"), (true, "chacha20poly1305")] {
        let mut lab = Lab::new("damage", Setup { encap, algorithm, ..Setup::default() }).warm_up();
        let good = lab.peer_out.seal(IPV4, &datagram(b"first"));
        let causes = lab.causes(|lab| {
            let outer = lab.outer(&good);
            lab.peer.send(lab.now, &outer);
        });
        assert!(causes.is_empty(), "{causes:?}");
        assert_eq!(lab.inside_receives().len(), 1);

        // A bit flipped anywhere behind the sequence number. In the SPI it is another SA, in the sequence
        // number another packet: both fail too, under their causes.
        let sealed = lab.peer_out.seal(IPV4, &datagram(b"second"));
        for at in 8..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << (at % 8);
            let causes = lab.causes(|lab| {
                let outer = lab.outer(&bad);
                lab.peer.send(lab.now, &outer);
            });
            assert_eq!(causes, one("ipsec.bad_icv"), "octet {at}");
        }
        let mut bad = sealed.clone();
        bad[3] ^= 0x40;
        let causes = lab.causes(|lab| {
            let outer = lab.outer(&bad);
            lab.peer.send(lab.now, &outer);
        });
        assert_eq!(causes, one("ipsec.unknown_spi"));
        let mut bad = sealed.clone();
        bad[6] ^= 0x40;
        let causes = lab.causes(|lab| {
            let outer = lab.outer(&bad);
            lab.peer.send(lab.now, &outer);
        });
        assert_eq!(causes, one("ipsec.bad_icv"), "a forged sequence number does not move the window");

        for length in [sealed.len() - 4, 36] {
            let causes = lab.causes(|lab| {
                let outer = lab.outer(&sealed[..length]);
                lab.peer.send(lab.now, &outer);
            });
            assert_eq!(causes, one("ipsec.bad_icv"), "cut to {length}");
        }
        for (length, cause) in
            [(35, "ipsec.truncated"), (8, "ipsec.truncated"), (sealed.len() - 1, "ipsec.misaligned")]
        {
            let causes = lab.causes(|lab| {
                let outer = lab.outer(&sealed[..length]);
                lab.peer.send(lab.now, &outer);
            });
            assert_eq!(causes, one(cause), "cut to {length}");
        }
        assert!(lab.inside_receives().is_empty());

        // The untouched packet still passes, once.
        for expected in [vec![], one("ipsec.replayed")] {
            let causes = lab.causes(|lab| {
                let outer = lab.outer(&sealed);
                lab.peer.send(lab.now, &outer);
            });
            assert_eq!(causes, expected);
        }
        assert_eq!(lab.inside_receives().len(), 1);
    }
}

#[test]
fn the_replay_window_is_where_it_should_be() {
    for (window, esn) in [(32, false), (64, false), (1024, true), (4096, false)] {
        let sa: &'static str = match window {
            32 => "replay_window = 32",
            64 => "replay_window = 64",
            1024 => "replay_window = 1024",
            _ => "replay_window = 4096",
        };
        let mut lab = Lab::new("replay_window", Setup { sa, esn, ..Setup::default() }).warm_up();
        let top = 10_000;
        let steps: [(u64, Option<&str>); 8] = [
            (5, None),
            (top, None),
            (top, Some("ipsec.replayed")),
            (top - 1, None),
            (top - window + 1, None),
            (top - window + 1, Some("ipsec.replayed")),
            (top - window, Some(if esn { "ipsec.bad_icv" } else { "ipsec.stale" })),
            (top + 1, None),
        ];
        for (sequence, expected) in steps {
            let esp = lab.peer_out.seal_as(sequence, IPV4, &datagram(&sequence.to_be_bytes()));
            let causes = lab.causes(|lab| {
                let outer = lab.outer(&esp);
                lab.peer.send(lab.now, &outer);
            });
            assert_eq!(causes, expected.map(one).unwrap_or_default(), "window {window}, sequence {sequence}");
            assert_eq!(lab.inside_receives().len(), usize::from(expected.is_none()));
        }
    }
}

#[test]
fn a_peer_cannot_leave_its_selectors() {
    let mut lab = Lab::new("selectors", Setup::default()).warm_up();
    for (src, dst) in [
        ("10.7.0.5", "10.2.0.10"),
        ("10.1.0.5", "10.3.0.10"),
        ("10.2.0.77", "10.2.0.10"),
        ("10.1.0.5", "10.9.0.1"),
    ] {
        let inner = udp(Header::default(), (addr(src), 1), (addr(dst), 2), b"astray");
        let causes = lab.causes(|lab| lab.peer_sends(&inner));
        assert_eq!(causes, one("ipsec.selector_mismatch"), "{src} to {dst}");
    }
    assert!(lab.inside_receives().is_empty());
    assert!(!lab.outside_has(b"astray"), "not reflected either");
}

#[test]
fn what_is_inside_must_be_a_packet() {
    let mut lab = Lab::new("inside", Setup::default()).warm_up();
    let inner = datagram(b"x");
    let garbage = vec![0x45; 40];
    // Next header, content, cause.
    let cases: [(u8, &[u8], &str); 6] = [
        (IPV6, &inner, "ipsec.wrong_next_header"),
        (proto::UDP, &inner[20..], "ipsec.wrong_mode"),
        (IPV4, &garbage, "ipsec.inner_malformed"),
        (IPV4, &inner[..inner.len() - 1], "ipsec.inner_malformed"),
        (IPV4, &[], "ipsec.inner_malformed"),
        (59, &[1, 2, 3], "ipsec.dummy"),
    ];
    for (next, content, cause) in cases {
        let esp = lab.peer_out.seal(next, content);
        let causes = lab.causes(|lab| {
            let outer = lab.outer(&esp);
            lab.peer.send(lab.now, &outer);
        });
        assert_eq!(causes, one(cause), "next header {next}, {} octets", content.len());
    }
    assert!(lab.inside_receives().is_empty());
}

/// ESP in ESP in ESP …: an authenticated peer chooses how deep; the gateway looks at one layer.
#[test]
fn layers_are_not_peeled_without_end() {
    let setup = Setup {
        local_ts: "10.2.0.0/24,10.9.0.2/32",
        remote_ts: "10.1.0.0/24,10.9.0.1/32",
        ..Setup::default()
    };
    for encap in [false, true] {
        let mut lab = Lab::new("layers", Setup { encap, ..setup.clone() }).warm_up();
        let mut packet = datagram(b"core");
        for _ in 0..20 {
            let esp = lab.peer_out.seal(IPV4, &packet);
            packet = lab.outer(&esp);
        }
        let causes = lab.causes(|lab| lab.peer.send(lab.now, &packet));
        assert_eq!(causes, one("gateway.nested"));
        assert!(lab.inside_receives().is_empty());
    }
}

#[test]
fn a_decrypted_packet_must_not_claim_to_be_ours() {
    let mut lab = Lab::new(
        "own_source",
        Setup { remote_ts: "10.0.0.0/8", local_ts: "10.2.0.0/24", ..Setup::default() },
    );
    let inner = udp(Header::default(), (addr("10.2.0.1"), 1), (addr("10.2.0.10"), 2), b"x");
    let causes = lab.causes(|lab| lab.peer_sends(&inner));
    assert_eq!(causes, one("net.own_source"));
}

#[test]
fn a_forged_too_big_does_not_shrink_the_path() {
    let mut lab = Lab::new("forged_too_big", Setup::default()).warm_up();
    let (gateway, peer) = (addr("10.9.0.2"), addr("10.9.0.1"));
    let quote = |spi: u32| {
        let esp: Vec<u8> = spi.to_be_bytes().into_iter().chain([0; 4]).collect();
        ip(Header { df: true, ..Header::default() }, gateway, peer, proto::ESP, &esp)
    };
    // An SPI that we do not send with.
    let forged = icmp(Header::default(), addr("10.9.0.77"), gateway, (3, 4, 600), &quote(0x666));
    let causes = lab.causes(|lab| lab.peer.send(lab.now, &forged));
    assert_eq!(causes, one("gateway.icmp_unverified"));
    let big = udp(
        Header { df: true, ..Header::default() },
        (addr("10.2.0.10"), 1),
        (addr("10.1.0.5"), 2),
        &[7; 1300],
    );
    lab.inside.send(lab.now, &big);
    lab.run_short();
    assert_eq!(lab.peer_receives().len(), 1, "still passes");
    // The real SPI: believed.
    let real = icmp(Header::default(), addr("10.9.0.77"), gateway, (3, 4, 1000), &quote(0x0002_0002));
    assert!(lab.causes(|lab| lab.peer.send(lab.now, &real)).is_empty());
    lab.inside.send(lab.now, &big);
    lab.run_short();
    assert!(lab.peer_receives().is_empty());
    let told = lab.inside_receives();
    assert_eq!(told.len(), 1);
    // 1000 octets hold: 20 IP, 16 ESP header and IV, 16 ICV; the rest, a multiple of 4, less 2 of trailer.
    assert_eq!(told[0].mtu(), Some(1000 - 20 - 16 - 16 - 2));
}

#[test]
fn keepalives_and_runts_on_port_4500() {
    let mut lab = Lab::new("port_4500", Setup { encap: true, ..Setup::default() }).warm_up();
    let (gateway, peer) = ((addr("10.9.0.2"), 4500), (addr("10.9.0.1"), 4500));
    for (payload, cause) in [
        (&[0xff][..], "gateway.keepalive"),
        (&[0xfe], "gateway.encapsulated_short"),
        (&[], "gateway.encapsulated_short"),
        (&[0, 0, 0], "gateway.encapsulated_short"),
        // IKE, but this gateway has no connections: a datagram like any other, that no policy lets in.
        (&[0, 0, 0, 0, 1, 2, 3, 4], "ipsec.no_policy"),
        (&[1, 2, 3, 4], "ipsec.truncated"),
    ] {
        let packet = udp(Header::default(), peer, gateway, payload);
        let causes = lab.causes(|lab| lab.peer.send(lab.now, &packet));
        assert_eq!(causes, one(cause), "{payload:02x?}");
    }
}

/// Any bytes at all in an authenticated payload, and any bytes as a frame: nobody panics.
#[test]
fn noise_is_survived() {
    let mut lab = Lab::new("noise", Setup::default()).warm_up();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..3000 {
        let length = draw() as usize % 200;
        let mut noise: Vec<u8> = (0..length).map(|_| draw() as u8).collect();
        match draw() % 4 {
            0 => noise = datagram(&noise),
            1 => noise = echo(addr("10.1.0.5"), addr("10.2.0.1"), 1, length),
            _ => {}
        }
        if !noise.is_empty() && draw().is_multiple_of(2) {
            let at = draw() as usize % noise.len();
            noise[at] = draw() as u8;
        }
        let next = [IPV4, IPV6, 59, 1, 17, 50][draw() as usize % 6];
        let esp = lab.peer_out.seal(next, &noise);
        let outer = lab.outer(&esp);
        lab.peer.send(lab.now, &outer);
        lab.run(net::Duration::from_millis(1));
    }
    // It still works.
    lab.inside.inbox.clear();
    lab.peer_sends(&datagram(b"after all"));
    lab.run_short();
    assert!(lab.inside_receives().iter().any(|seen| seen.payload.ends_with(b"after all")));
}

#[test]
fn another_key_does_not_open() {
    let mut lab = Lab::new("another_key", Setup::default()).warm_up();
    lab.peer_out = Sa::new("aes128gcm16", &[9; 20], 0x0001_0001, false);
    let causes = lab.causes(|lab| lab.peer_sends(&datagram(b"x")));
    assert_eq!(causes, one("ipsec.bad_icv"));
}

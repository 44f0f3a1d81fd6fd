//! Independent decoders read our ESP off the wire and agree on every field; and what an attacker can send, each kind
//! dropped and counted under its own cause.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::charon::Charon;
use ravelin_tests::decoder::{self, ChildKeys, Job, Sa};
use ravelin_tests::error::{Result, demand};
use ravelin_tests::paths;
use ravelin_tests::ping;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::{Process, run};
use ravelin_tests::qemu::mac;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{
    GATEWAY, HOST, HOST6, NET, NET6, PEER, PEER_HOST, PEER_HOST6, PEER_NET, PEER_NET6, PeerIs, Settings,
    WIRE, World, guest,
};
use ravelin_tests::uml::Uml;
use std::collections::BTreeMap;
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Uml, Need::Captures, Need::Scapy];

/// The two SAs of the last child in charon's log: its SPIs and keys.
fn pair(log: &str, algorithm: &str, esn: bool) -> Result<Vec<Sa>> {
    let ChildKeys { initiator, responder } = decoder::child_keys(log)?;
    let (to_peer, to_gateway) = decoder::child_spis(log)?;
    Ok(vec![
        Sa { esn, ..Sa::new(to_gateway, algorithm, &initiator, (PEER, GATEWAY), false) },
        Sa { esn, ..Sa::new(to_peer, algorithm, &responder, (GATEWAY, PEER), true) },
    ])
}

/// Hands both captures to scapy, which has to agree with at least twenty packets of each SA.
fn agree(world: &World, (wire, inside): (Capture, Capture), sas: Vec<Sa>, encap: bool) -> Result<()> {
    let job = Job { wire: wire.stop(), inside: inside.stop(), encap, least: 20, sas };
    decoder::agree(&world.site, &job).map(|_| ())
}

fn captures(world: &World) -> Result<(Capture, Capture)> {
    let wire = Capture::start(&world.outside, WIRE, "not arp")?;
    Ok((wire, Capture::start(&world.inside, "gwi", "not arp")?))
}

#[test]
fn scapy_agrees_on_esp_in_udp() -> Result<()> {
    let world = World::boot("scapy-udp", NEEDS, PeerIs::TheNamespace, &Settings::default())?;
    let charon = Charon::start(&world.outside, &[])?;
    for algorithm in ["aes128gcm16", "aes256gcm16", "chacha20poly1305"] {
        let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
        let child = Child::tunnel("net", algorithm, &both.0, &both.1);
        charon.load(&[Connection::new(PEER, GATEWAY).child(child)])?;
        let captures = captures(&world)?;
        charon.initiate("net")?;
        for size in [0, 1, 2, 3, 56, 1000] {
            let interval = Duration::from_millis(50);
            ping::ping(&world.outside, PEER_HOST, HOST, 3, interval, size)?;
            ping::ping(&world.inside, HOST6, PEER_HOST6, 2, interval, size)?;
        }
        let sas = pair(&charon.log(), algorithm, false)?;
        agree(&world, captures, sas, true)?;
        charon.swanctl(&["--terminate", "--ike", "gw"])?;
    }
    Ok(())
}

#[test]
fn scapy_agrees_on_native_esp_with_extended_sequence_numbers() -> Result<()> {
    let world = World::boot("scapy-esn", NEEDS, PeerIs::AGuest, &Settings::default())?;
    world.outside.tap("uml", Some(WIRE))?;
    for algorithm in ["aes128gcm16", "aes256gcm16", "chacha20poly1305"] {
        let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
        let child = Child::tunnel("net", &format!("{algorithm}-esn"), &both.0, &both.1);
        let mut uml =
            Uml::start(&world.outside, "uml", &guest(vec![Connection::new(PEER, GATEWAY).child(child)]))?;
        let captures = captures(&world)?;
        uml.initiate("net")?;
        for size in [0, 1, 2, 3, 56, 1000] {
            uml.ping(PEER_HOST, HOST, 3, size)?;
            uml.ping(PEER_HOST6, HOST6, 2, size)?;
        }
        let sas = pair(&uml.log()?, algorithm, true)?;
        agree(&world, captures, sas, false)?;
        uml.sh("swanctl --terminate --ike gw", Duration::from_secs(10))?;
    }
    Ok(())
}

#[test]
fn tshark_agrees_on_integrity_and_content() -> Result<()> {
    let world = World::boot("tshark", NEEDS, PeerIs::TheNamespace, &Settings::default())?;
    let connection = Connection::new(PEER, GATEWAY).child(Child::tunnel("net", "aes256gcm16", PEER_NET, NET));
    let charon = Charon::start(&world.outside, &[connection])?;
    let (wire, _inside) = captures(&world)?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 10)?;
    let file = wire.stop().display().to_string();
    let keys = decoder::child_keys(&charon.log())?;
    let (to_peer, to_gateway) = decoder::child_spis(&charon.log())?;
    let mut command = Command::new("tshark");
    command.args(["-r", &file, "-o", "esp.enable_encryption_decode:TRUE"]);
    command.args(["-o", "esp.enable_authentication_check:TRUE"]);
    for (spi, key) in [(to_peer, &keys.responder), (to_gateway, &keys.initiator)] {
        let cipher = "AES-GCM with 16 octet ICV [RFC4106]";
        command.arg("-o").arg(format!(
            "uat:esp_sa:\"IPv4\",\"*\",\"*\",\"0x{spi:08x}\",\"{cipher}\",\"0x{key}\",\"NULL\",\"\""
        ));
    }
    command.args(["-Y", "esp", "-T", "fields"]);
    for field in ["esp.spi", "esp.sequence", "esp.icv_good", "ip.src", "ip.dst", "icmp.type", "icmp.seq"] {
        command.args(["-e", field]);
    }
    let said = run(&mut command)?;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (index, line) in said.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [spi, sequence, icv, src, dst, kind, _echo] = fields.as_slice() else {
            return demand(false, "seven fields of a decrypted echo", line);
        };
        // tshark lists the outer address first, then the inner.
        let (outer, inner) = (format!("0x{to_peer:08x}"), (src, dst));
        let expected = if *spi == outer {
            (format!("{GATEWAY},{HOST}"), format!("{PEER},{PEER_HOST}"), "0")
        } else {
            (format!("{PEER},{PEER_HOST}"), format!("{GATEWAY},{HOST}"), "8")
        };
        let content = (inner.0.to_string(), inner.1.to_string(), *kind) == expected;
        demand(content, format!("packet {index} to be {expected:?}"), line)?;
        demand(*icv == "1" || *icv == "True", "a good ICV", line)?;
        let last = seen.entry(spi.to_string()).or_default();
        *last += 1;
        demand(sequence.parse() == Ok(*last), format!("sequence number {last}"), line)?;
    }
    demand(seen.len() == 2 && seen.values().all(|count| *count == 10), "ten packets of two SAs", said)
}

/// Keys of the static SAs; nobody else ever uses them.
const KEY_IN: &str = "7e1c0de5ba5e0ba11ca7f00d5eed5a1700112233445566778899aabbccddeeff0a0b0c0d";
const KEY_OUT: &str = "c0ffee00deadbeef5ca1ab1e0ddba1150f1e2d3c4b5a69788796a5b4c3d2e1f001020304";

/// A gateway with two static SAs, and the peer that forges whatever it is told to.
struct Forger {
    world: World,
    peer: Process,
}

impl Forger {
    fn start(name: &str, esn: bool, window: u32) -> Result<Forger> {
        let proposal = if esn { "aes256gcm16-esn" } else { "aes256gcm16" };
        let more = format!(
            "[[policy]]\nname = \"static\"\naction = \"protect\"\nlocal_ts = \"{NET}\"\nremote_ts = \"{PEER_NET}\"\n
[[sa]]\npolicy = \"static\"\ndirection = \"in\"\nspi = 0x1001\nlocal = \"{GATEWAY}\"\nremote = \"{PEER}\"
esp_proposal = \"{proposal}\"\nkey = \"{KEY_IN}\"\nreplay_window = {window}
[[sa]]\npolicy = \"static\"\ndirection = \"out\"\nspi = 0x1002\nlocal = \"{GATEWAY}\"\nremote = \"{PEER}\"
esp_proposal = \"{proposal}\"\nkey = \"{KEY_OUT}\"\n"
        );
        let settings = Settings { children: Vec::new(), more, ..Settings::default() };
        let world = World::boot(name, NEEDS, PeerIs::AGuest, &settings)?;
        let python = prerequisites::python().display().to_string();
        let script = paths::root().join("tests/scapy/peer.py").display().to_string();
        let esn = if esn { "yes" } else { "no" };
        let peer = world.spawn_outside(
            "peer",
            &python,
            &[&script, WIRE, PEER, GATEWAY, &mac(1), "aes256gcm16", esn, "1001", KEY_IN, "1002", KEY_OUT],
        )?;
        peer.expect_line("^ready$", Duration::from_secs(20))?;
        Ok(Forger { world, peer })
    }

    /// The counters but for the one that the namespaces' own multicast chatter moves.
    fn drops(&mut self) -> Result<BTreeMap<String, u64>> {
        let mut drops = self.world.status()?.drops();
        drops.remove("not_joined");
        Ok(drops)
    }

    /// Gives the forger an order; returns what the gateway answered.
    fn order(&mut self, order: &str) -> Result<String> {
        let mark = self.peer.transcript().len();
        self.peer.write(&format!("{order}\n"))?;
        let line = self.peer.transcript().expect_from(mark, "^(reply|silence)", Duration::from_secs(5))?;
        Ok(line.text)
    }

    /// An order that the gateway must answer, without counting any drop.
    fn accepted(&mut self, order: &str) -> Result<()> {
        let before = self.drops()?;
        let answer = self.order(order)?;
        demand(answer.starts_with("reply"), format!("an answer to `{order}`"), answer)?;
        let after = self.drops()?;
        demand(before == after, format!("no drop by `{order}`"), format!("{before:?} then {after:?}"))
    }

    /// An order that the gateway must drop and count once under `cause`, and under no other.
    fn dropped(&mut self, order: &str, cause: &str) -> Result<()> {
        let before = self.drops()?;
        let answer = self.order(order)?;
        demand(answer == "silence", format!("no answer to `{order}`"), answer)?;
        let after = self.drops()?;
        let mut expected = before.clone();
        *expected.entry(cause.to_string()).or_default() += 1;
        demand(
            after == expected,
            format!("`{order}` to be counted under {cause} and nothing else"),
            format!("{before:?} then {after:?}"),
        )
    }
}

#[test]
fn every_forgery_is_dropped_under_its_own_cause() -> Result<()> {
    let mut forger = Forger::start("forger", false, 32)?;
    forger.accepted("echo seq=5")?;
    forger.dropped("again", "replayed")?;
    forger.dropped("echo seq=5", "replayed")?;
    forger.accepted("echo seq=4")?;
    forger.accepted("echo seq=100")?;
    forger.dropped("echo seq=60", "stale")?;
    forger.accepted("echo seq=70")?;
    // A flipped bit anywhere that is authenticated: in the ICV, in the ciphertext, in the IV.
    forger.dropped("echo seq=101 flip=-1", "bad_icv")?;
    forger.dropped("echo seq=101 flip=40", "bad_icv")?;
    forger.dropped("echo seq=101 flip=8", "bad_icv")?;
    // A forged number far ahead must not move the window: 80 would be outside of 5000's.
    forger.dropped("echo seq=5000 flip=-1", "bad_icv")?;
    forger.accepted("echo seq=80")?;
    forger.accepted("echo seq=101")?;
    forger.dropped("echo seq=102 cut=110", "truncated")?;
    forger.dropped("echo seq=102 cut=4", "bad_icv")?;
    forger.accepted("echo seq=102")?;
    forger.dropped("echo seq=103 spi=7777", "unknown_spi")?;
    forger.dropped("echo seq=103 src=10.1.77.1", "selector_mismatch")?;
    forger.dropped("clear", "clear_for_protected")?;
    forger.accepted("echo seq=104")
}

#[test]
fn forgeries_against_extended_sequence_numbers_are_dropped_too() -> Result<()> {
    let mut forger = Forger::start("forger-esn", true, 128)?;
    forger.accepted("echo seq=1")?;
    forger.dropped("again", "replayed")?;
    // The right packet with the wrong upper half under the seal.
    forger.dropped("echo seq=2 high=1", "bad_icv")?;
    forger.accepted("echo seq=2")?;
    forger.dropped("echo seq=3 flip=-5", "bad_icv")?;
    forger.accepted("echo seq=3")
}

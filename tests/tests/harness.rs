//! The harness on its own: two peers that we did not write talk to each other through its namespaces, and a site
//! leaves nothing behind. When this suite fails, the others say nothing about the image.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::charon::Charon;
use ravelin_tests::decoder;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::paths;
use ravelin_tests::ping;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::{Process, run};
use ravelin_tests::qemu::{Machine, Port};
use ravelin_tests::site::Site;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::traffic::{End, transfer};
use ravelin_tests::uml::{Guest, Uml};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const NEEDS: &[Need] = &[Need::Root, Need::Network, Need::StrongSwan, Need::Uml, Need::Captures];

/// strongSwan in a namespace is the initiator, User-Mode Linux the gateway: tunnel in UDP.
#[test]
fn strongswan_and_linux_agree_over_our_wires() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("harness")?;
    let outside = site.namespace("o")?;
    outside.bridge("wire")?;
    outside.address("wire", "192.0.2.2/24")?;
    outside.ip("addr add 10.2.0.1/24 dev lo")?;
    outside.tap("uml", Some("wire"))?;
    let connection = Connection { encap: true, ..Connection::new("192.0.2.2", "192.0.2.1") }
        .child(Child::tunnel("net", "aes256gcm16", "10.2.0.0/24", "10.1.0.0/24"));
    let guest = Guest {
        addresses: vec!["192.0.2.1/24".into()],
        behind: vec!["10.1.0.1/24".into()],
        routes: vec!["10.2.0.0/24 via 192.0.2.2".into()],
        connections: vec![connection.mirrored()],
        ..Guest::default()
    };
    let mut uml = Uml::start(&outside, "uml", &guest)?;
    let charon = Charon::start(&outside, &[connection])?;
    let capture = Capture::start(&outside, "wire", "udp port 4500 or udp port 500")?;
    let said = charon.initiate("net")?;
    demand(said.contains("established"), "the child to be established", &said)?;
    ping::all(&outside, "10.2.0.1", "10.1.0.1", 10)?;
    let file = capture.stop();
    let frames = run(Command::new("tshark").args(["-r", &file.display().to_string(), "-Y", "esp"]))?;
    demand(frames.lines().count() >= 20, "twenty ESP frames in the capture", frames)?;
    let (here, there) = (decoder::child_keys(&charon.log())?, decoder::child_keys(&uml.log()?)?);
    demand(here == there, "both ends to log the same keys", format!("{here:?} and {there:?}"))?;
    demand(here.initiator.len() == 72, "36 octets of key and salt", &here.initiator)
}

/// The decoder script agrees with a gateway that is known to be right (Linux), and disagrees when a key is wrong.
#[test]
fn the_decoder_agrees_on_the_esp_of_a_linux_gateway() -> Result<()> {
    prerequisites::check(&[NEEDS, &[Need::Scapy]].concat())?;
    let site = Site::new("decoder")?;
    let (inside, outside) = (site.namespace("i")?, site.namespace("o")?);
    outside.bridge("wire")?;
    outside.address("wire", "10.9.0.1/24")?;
    outside.address("lo", "10.1.0.1/24")?;
    outside.tap("uml", Some("wire"))?;
    outside.tap("umli", None)?;
    outside.join("ii", &inside, "gwi")?;
    outside.bridge("between")?;
    for port in ["ii", "umli"] {
        outside.ip(&format!("link set {port} master between"))?;
    }
    inside.address("gwi", "10.2.0.10/24")?;
    inside.route("default via 10.2.0.1")?;
    let connection = Connection { encap: true, ..Connection::new("10.9.0.1", "10.9.0.2") }
        .child(Child::tunnel("net", "aes128gcm16", "10.1.0.0/24", "10.2.0.0/24"));
    let guest = Guest {
        addresses: vec!["10.9.0.2/24".into()],
        inside: Some(("umli".into(), "10.2.0.1/24".into())),
        routes: vec!["10.1.0.0/24 via 10.9.0.1".into()],
        connections: vec![connection.mirrored()],
        ..Guest::default()
    };
    let mut uml = Uml::start(&outside, "uml", &guest)?;
    let charon = Charon::start(&outside, &[connection])?;
    let (wire, within) = (Capture::start(&outside, "wire", "")?, Capture::start(&inside, "gwi", "")?);
    charon.initiate("net")?;
    ping::all(&outside, "10.1.0.1", "10.2.0.10", 10)?;
    let log = charon.log();
    let (keys, (to_peer, to_gateway)) = (decoder::child_keys(&log)?, decoder::child_spis(&log)?);
    let mut job = decoder::Job {
        wire: wire.stop(),
        inside: within.stop(),
        encap: true,
        least: 10,
        sas: vec![
            decoder::Sa::new(to_peer, "aes128gcm16", &keys.responder, ("10.9.0.2", "10.9.0.1"), true),
            decoder::Sa::new(to_gateway, "aes128gcm16", &keys.initiator, ("10.9.0.1", "10.9.0.2"), false),
        ],
    };
    decoder::agree(&site, &job)?;
    for sa in &mut job.sas {
        let other = if sa.key.starts_with('0') { "1" } else { "0" };
        sa.key.replace_range(..1, other);
    }
    match decoder::agree(&site, &job) {
        Err(Error::Command { said, .. }) => {
            demand(said.contains("Integrity"), "scapy to name integrity", said)?
        }
        other => demand(false, "no agreement under a wrong key", format!("{other:?}"))?,
    }
    uml.sh("true", Duration::from_secs(5)).map(|_| ())
}

/// The transfer tool sees what it sends, and a site's end removes its namespaces.
#[test]
fn a_transfer_is_checked_and_nothing_stays_behind() -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Network])?;
    let site = Site::new("transfer")?;
    let (left, right) = (site.namespace("l")?, site.namespace("r")?);
    left.join("v0", &right, "v0")?;
    for (namespace, last) in [(&left, 1), (&right, 2)] {
        namespace.address("v0", &format!("10.7.0.{last}/24"))?;
        namespace.address("v0", &format!("fd07::{last}/64"))?;
    }
    for (from, to) in [("10.7.0.1", "10.7.0.2"), ("fd07::1", "fd07::2")] {
        let (from, to) = (End { namespace: &left, address: from }, End { namespace: &right, address: to });
        let report = transfer(from, to, 20_000_000, Duration::from_secs(20))?;
        demand(report.megabits_per_second() > 1.0, "a speed", report.megabits_per_second())?;
    }
    let name = left.name().to_string();
    drop((left, right));
    let dir = site.dir().to_path_buf();
    drop(site);
    let spaces = run(Command::new("ip").args(["netns", "list"]))?;
    demand(!spaces.contains(&name), format!("the namespace {name} to be gone"), spaces)?;
    demand(!dir.exists(), "the scratch directory to be gone", dir.display())
}

/// QEMU's taps are in their namespaces, with their addresses, when the machine has started, and gone when it ends.
#[test]
fn taps_are_where_they_belong_while_the_machine_runs() -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Network, Need::Qemu])?;
    let site = Site::new("taps")?;
    let (inside, outside) = (site.namespace("i")?, site.namespace("o")?);
    outside.bridge("wire")?;
    let machine = Machine { kernel: None, config: None, ..Machine::ravelin(Path::new(""), Path::new("")) }
        .port(Port::tap(1, &inside, "gw", &["10.1.0.2/24", "fd01::2/64"]))
        .port(Port::bridged(2, &outside, "gw", "wire"));
    let mut qemu = machine.start(&site, "machine")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while outside.ip("link show gw").is_err() {
        demand(Instant::now() < deadline, "the tap in ten seconds", qemu.console().tail())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let addresses = inside.ip("addr show gw")?;
    demand(
        addresses.contains("10.1.0.2/24") && addresses.contains("fd01::2/64"),
        "both addresses",
        addresses,
    )?;
    let bridged = outside.ip("link show gw master wire")?;
    demand(bridged.contains("gw"), "the tap to be a port of the bridge", bridged)?;
    demand(qemu.usage().resident > 1 << 20, "resident memory", qemu.usage().resident)?;
    qemu.stop();
    demand(inside.ip("link show gw").is_err(), "no tap after the end", "one")
}

/// A run that is killed outright leaves nothing either: the janitor sees its end.
#[test]
fn a_killed_run_leaves_nothing_behind() -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Network])?;
    let site = Site::new("killed")?;
    let program = paths::xtask().display().to_string();
    let mut command = Command::new(program);
    command.arg("site-for-a-test");
    let mut process = Process::spawn(&site, "victim", command)?;
    let line = process.expect_line("^namespace ", Duration::from_secs(10))?;
    let words: Vec<&str> = line.text.split(' ').collect();
    let ["namespace", name, "sleeper", sleeper] = words.as_slice() else {
        return demand(false, "namespace NAME sleeper PID", line.text);
    };
    demand(Path::new("/run/netns").join(name).exists(), "the namespace to be there", name)?;
    process.signal(Signal::KILL);
    process.wait(Duration::from_secs(5))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    let left = || Path::new("/run/netns").join(name).exists() || Path::new("/proc").join(sleeper).exists();
    while left() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    demand(!left(), "namespace and process to be gone", &line.text)
}

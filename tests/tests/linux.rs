//! Linux's own ESP with strongSwan, in User-Mode Linux, against the image: native ESP (protocol 50), tunnel and
//! transport mode, both families inside and outside, every algorithm, with and without extended sequence numbers.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::ping;
use ravelin_tests::prerequisites::Need;
use ravelin_tests::process::run;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{
    ALL_ESP, GATEWAY, GATEWAY6, HOST, HOST6, NET, NET6, PEER, PEER_HOST, PEER_HOST6, PEER_NET, PEER_NET6,
    PEER6, PeerIs, Settings, WIRE, World, guest,
};
use ravelin_tests::traffic;
use ravelin_tests::uml::Uml;
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Uml, Need::Captures];
const ALGORITHMS: &[(&str, &str)] = &[
    ("aes128gcm16", "aead rfc4106(gcm(aes)) 0x"),
    ("aes256gcm16", "aead rfc4106(gcm(aes)) 0x"),
    ("chacha20poly1305", "aead rfc7539esp(chacha20,poly1305) 0x"),
];
/// Hex digits of key and salt, in the order of [`ALGORITHMS`].
const KEY_DIGITS: &[usize] = &[40, 72, 72];

fn boot(name: &str, settings: &Settings, connections: Vec<Connection>) -> Result<(World, Uml)> {
    let world = World::boot(name, NEEDS, PeerIs::AGuest, settings)?;
    world.outside.tap("uml", Some(WIRE))?;
    let uml = Uml::start(&world.outside, "uml", &guest(connections))?;
    Ok((world, uml))
}

/// One child per algorithm, each with and without ESN: `aes128gcm16`, `aes128gcm16-esn`, …
fn children(connection: Connection, of: impl Fn(&str, &str) -> Child) -> Connection {
    let names = ALGORITHMS.iter().flat_map(|(name, _)| [name.to_string(), format!("{name}-esn")]);
    names.fold(connection, |connection, name| {
        let proposal = if name.ends_with("-esn") { name.clone() } else { format!("{name}-noesn") };
        let child = of(&name, &proposal);
        connection.child(child)
    })
}

/// Brings each child up in turn, holds the kernel's states against what was asked for, calls `probe`, takes it down.
fn each(
    uml: &mut Uml,
    connection: &str,
    mode: &str,
    mut probe: impl FnMut(&mut Uml) -> Result<()>,
) -> Result<()> {
    for ((algorithm, kernel), digits) in ALGORITHMS.iter().zip(KEY_DIGITS) {
        for esn in [false, true] {
            let child = if esn { format!("{algorithm}-esn") } else { algorithm.to_string() };
            let line = format!("swanctl --initiate --ike {connection} --child {child} --timeout 20");
            uml.sh(&line, Duration::from_secs(30))?;
            let states = uml.sh("ip xfrm state", Duration::from_secs(5))?;
            let of_two =
                |text: &str| demand(states.matches(text).count() == 2, format!("two of {text}"), &states);
            of_two(&format!("mode {mode}"))?;
            of_two(kernel)?;
            demand(
                states.matches("esn context").count() == if esn { 2 } else { 0 },
                "ESN as asked",
                &states,
            )?;
            demand(!states.contains("encap type"), "native ESP", &states)?;
            let key = states.split(kernel).nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            demand(key.len() == *digits, format!("{digits} digits of key"), key.len())?;
            probe(uml)?;
            uml.sh(&format!("swanctl --terminate --ike {connection}"), Duration::from_secs(10))?;
        }
    }
    Ok(())
}

/// Tunnels over `outer` addresses that carry both families inside.
fn tunnels(name: &str, outer: (&str, &str), family: &str) -> Result<()> {
    let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
    let connection = children(Connection::new(outer.0, outer.1), |name, proposal| {
        Child::tunnel(name, proposal, &both.0, &both.1)
    });
    let (world, mut uml) = boot(name, &Settings::default(), vec![connection])?;
    let wire = Capture::start(&world.outside, WIRE, &format!("{family} proto 50 or icmp"))?;
    each(&mut uml, "gw", "tunnel", |uml| {
        uml.ping_all(PEER_HOST, HOST, 3)?;
        uml.ping_all(PEER_HOST6, HOST6, 3)?;
        ping::all(&world.inside, HOST, PEER_HOST, 2)
    })?;
    let file = wire.stop().display().to_string();
    let esp = run(Command::new("tshark").args(["-r", &file, "-Y", "esp"]))?;
    // Six children, eight echoes, two ways.
    demand(esp.lines().count() >= 96, "96 frames of native ESP", esp.lines().count())?;
    let clear = run(Command::new("tshark").args(["-r", &file, "-Y", "icmp && !esp"]))?;
    demand(clear.is_empty(), "no echo in the clear", clear)
}

#[test]
fn tunnels_over_ipv4_carry_both_families() -> Result<()> {
    tunnels("tunnel4", (PEER, GATEWAY), "ip")
}

#[test]
fn tunnels_over_ipv6_carry_both_families() -> Result<()> {
    tunnels("tunnel6", (PEER6, GATEWAY6), "ip6")
}

/// Passes neighbour discovery by. Linux would hold it against the policy between the two hosts: it would protect its
/// unicast advertisements and drop those that arrive in the clear, and sooner or later the two would lose each other.
fn neighbour_discovery() -> Connection {
    let mut connection = Connection { name: "nd".into(), ..Connection::new("::1", "::1") };
    for (name, kind) in [("solicitation", 135), ("advertisement", 136)] {
        let selector = format!("::/0[ipv6-icmp/{kind}]");
        let child = Child { mode: "pass", ..Child::tunnel(name, "default", &selector, &selector) };
        connection = connection.child(child.setting("start_action = trap"));
    }
    connection
}

#[test]
fn transport_mode_protects_the_gateway_itself() -> Result<()> {
    let settings =
        Settings::default().child("host", &format!("mode = \"transport\"\nesp_proposals = {ALL_ESP}"));
    let mut four = children(Connection::new(PEER, GATEWAY), Child::transport);
    let mut six = children(Connection::new(PEER6, GATEWAY6), Child::transport);
    (four.name, six.name) = ("four".into(), "six".into());
    let (_world, mut uml) = boot("transport", &settings, vec![four, six, neighbour_discovery()])?;
    for (name, peer, gateway) in [("four", PEER, GATEWAY), ("six", PEER6, GATEWAY6)] {
        let silent = uml.ping(peer, gateway, 2, 56)?;
        demand(silent.received == 0, "no answer to an echo in the clear", silent.received)?;
        each(&mut uml, name, "transport", |uml| {
            uml.ping_all(peer, gateway, 3)?;
            let large = uml.ping(peer, gateway, 2, 4000)?;
            demand(large.received == 2, "fragmented echoes", large.received)
        })?;
    }
    Ok(())
}

#[test]
fn large_packets_and_a_transfer_cross_a_native_tunnel() -> Result<()> {
    let connection =
        Connection::new(PEER, GATEWAY).child(Child::tunnel("net", "aes256gcm16-esn", PEER_NET, NET));
    let (world, mut uml) = boot("transfer", &Settings::default(), vec![connection])?;
    uml.initiate("net")?;
    for size in [0, 1, 1400, 1472, 3000, 20_000] {
        let echoes = uml.ping(PEER_HOST, HOST, 2, size)?;
        demand(echoes.received == 2, format!("echoes of {size} octets"), echoes.received)?;
    }
    let program = ravelin_tests::paths::xtask().display().to_string();
    let target = format!("{HOST}:5001");
    let receiver = world.inside.spawn("receive", &program, &["traffic", "receive", &target])?;
    receiver.expect_line("^listening$", Duration::from_secs(5))?;
    let line = format!("{program} traffic send {PEER_HOST} {target} 20000000 7");
    let sent = traffic::parse(&uml.sh(&line, Duration::from_secs(60))?)?;
    let got = traffic::parse(&receiver.expect_line("^octets", Duration::from_secs(5))?.text)?;
    demand(got.octets == 20_000_000 && got.digest == sent.digest, "20 MB unharmed", got.octets)?;
    println!("in: 20 MB at {:.0} Mbit/s", got.megabits_per_second());
    let target = format!("{PEER_HOST}:5002");
    let background = format!("{program} traffic receive {target} >/run/received 2>&1 & sleep 0.5");
    uml.sh(&background, Duration::from_secs(5))?;
    let sender =
        world.inside.spawn("send", &program, &["traffic", "send", HOST, &target, "20000000", "9"])?;
    let sent = traffic::parse(&sender.expect_line("^octets", Duration::from_secs(60))?.text)?;
    let got = traffic::parse(&uml.sh("sleep 0.3; cat /run/received", Duration::from_secs(5))?)?;
    demand(got.octets == 20_000_000 && got.digest == sent.digest, "20 MB unharmed", got.octets)?;
    println!("out: 20 MB at {:.0} Mbit/s", got.megabits_per_second());
    Ok(())
}

#[test]
fn rekeys_of_both_kinds_lose_no_ping() -> Result<()> {
    let connection =
        Connection::new(PEER, GATEWAY).child(Child::tunnel("net", "aes128gcm16-esn", PEER_NET, NET));
    let (world, mut uml) = boot("rekey", &Settings::default(), vec![connection])?;
    uml.initiate("net")?;
    let pings = ping::Background::start(&world.inside, HOST, PEER_HOST, Duration::from_millis(5))?;
    for command in ["--child net", "--ike gw", "--child net"] {
        uml.sh(&format!("swanctl --rekey {command}"), Duration::from_secs(10))?;
        std::thread::sleep(Duration::from_millis(1500));
    }
    let (echoes, lost) = pings.stop()?;
    demand(lost.is_empty() && echoes.received > 400, "no lost ping", format!("{lost:?} of {echoes:?}"))?;
    let log = uml.log()?;
    let count = |noun: &str, verb: &str| {
        log.lines().filter(|line| line.contains(noun) && line.contains(verb)).count()
    };
    let children = count("outbound CHILD_SA net{", "established");
    demand(children == 2, "two rekeyed children", children)?;
    let rekeyed = count("IKE_SA gw[", "rekeyed between");
    demand(rekeyed == 1, "one rekeyed IKE SA", rekeyed)
}

//! Linux's own ESP with strongSwan, in User-Mode Linux, against the image whose outside card does ESP: native ESP, tunnel and
//! transport mode, both families, both key lengths.

use crate::stage::{Sa, all_on_card, boot, judge, number, on_card, settings};
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
use ravelin_tests::uml::Uml;
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Uml, Need::Captures];
const ALGORITHMS: [&str; 2] = ["aes128gcm16-esn", "aes256gcm16-esn"];
const SHELL: Duration = Duration::from_secs(30);

pub(crate) fn start(name: &str, settings: &Settings, connections: Vec<Connection>) -> Result<(World, Uml)> {
    let world = boot(name, NEEDS, PeerIs::AGuest, settings)?;
    world.outside.tap("uml", Some(WIRE))?;
    let uml = Uml::start(&world.outside, "uml", &guest(connections))?;
    Ok((world, uml))
}

/// One child for each algorithm, called like it.
fn children(connection: Connection, of: impl Fn(&str) -> Child) -> Connection {
    ALGORITHMS.iter().fold(connection, |connection, name| connection.child(of(name)))
}

/// What the kernel has counted for its SAs, in bytes and packets, in the order of its list: out, in.
fn counted(uml: &mut Uml) -> Result<Vec<(u64, u64)>> {
    let said = uml.sh("ip -s xfrm state", SHELL)?;
    let current = said.split("lifetime current:").skip(1);
    let pair = |text: &str| {
        let line = text.lines().nth(1).unwrap_or_default();
        let number = |end: &str| {
            line.split(end).next()?.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        Some((number("(bytes)")?, number("(packets)")?))
    };
    Ok(current.filter_map(pair).collect())
}

/// Brings each child up in turn, calls `probe`, holds the counters of both ends against each other, takes it down.
fn each(
    (world, uml): (&mut World, &mut Uml),
    connection: &str,
    mut probe: impl FnMut(&World, &mut Uml) -> Result<()>,
) -> Result<()> {
    for child in ALGORITHMS {
        uml.sh(&format!("swanctl --initiate --ike {connection} --child {child} --timeout 20"), SHELL)?;
        probe(world, uml)?;
        let ours = all_on_card(world, 2)?;
        let way = |way: &str| -> Result<u64> {
            let of = |sa: &&Sa| sa.get("way").is_some_and(|value| value == way);
            ours.iter().find(of).map_or(Ok(0), |sa| number(sa, "packets"))
        };
        let (opened, sealed) = (way("in")?, way("out")?);
        let mut theirs: Vec<u64> = counted(uml)?.into_iter().map(|(_, packets)| packets).collect();
        let mut mine = vec![opened, sealed];
        theirs.sort_unstable();
        mine.sort_unstable();
        demand(
            opened > 0 && theirs == mine,
            format!("the kernel's {theirs:?} packets"),
            format!("{mine:?}"),
        )?;
        uml.sh(&format!("swanctl --terminate --ike {connection}"), SHELL)?;
    }
    judge(world)
}

/// Tunnels over `outer` addresses that carry both families inside.
fn tunnels(name: &str, outer: (&str, &str), family: &str) -> Result<()> {
    let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
    let connection =
        children(Connection::new(outer.0, outer.1), |name| Child::tunnel(name, name, &both.0, &both.1));
    let (mut world, mut uml) = start(name, &settings(), vec![connection])?;
    let wire = Capture::start(&world.outside, WIRE, &format!("{family} proto 50 or icmp"))?;
    each((&mut world, &mut uml), "gw", |world, uml| {
        uml.ping_all(PEER_HOST, HOST, 3)?;
        uml.ping_all(PEER_HOST6, HOST6, 3)?;
        ping::all(&world.inside, HOST, PEER_HOST, 2)?;
        // Requests that do not fit come in fragments of ESP, which meet no SA on the card before they are whole again.
        for size in [0, 1, 1000, 1300, 1472, 3000, 9000] {
            let echoes = uml.ping(PEER_HOST, HOST, 2, size)?;
            demand(echoes.received == 2, format!("echoes of {size} octets"), echoes.received)?;
        }
        Ok(())
    })?;
    let given_back = world.status()?.given_back();
    demand(given_back >= 12, "twelve large requests given back to the card", given_back)?;
    let file = wire.stop().display().to_string();
    let esp = run(Command::new("tshark").args(["-r", &file, "-Y", "esp"]))?;
    demand(esp.lines().count() >= 32, "32 frames of native ESP", esp.lines().count())?;
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

/// Passes neighbour discovery by, which Linux would hold against the policy between the two hosts.
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
    let child = on_card(&format!("mode = \"transport\"\nesp_proposals = {ALL_ESP}"));
    let settings = Settings::default().child("host", &child);
    let mut four = children(Connection::new(PEER, GATEWAY), |name| Child::transport(name, name));
    let mut six = children(Connection::new(PEER6, GATEWAY6), |name| Child::transport(name, name));
    (four.name, six.name) = ("four".into(), "six".into());
    let (mut world, mut uml) = start("transport", &settings, vec![four, six, neighbour_discovery()])?;
    for (name, peer, gateway) in [("four", PEER, GATEWAY), ("six", PEER6, GATEWAY6)] {
        let silent = uml.ping(peer, gateway, 2, 56)?;
        demand(silent.received == 0, "no answer to an echo in the clear", silent.received)?;
        each((&mut world, &mut uml), name, |_, uml| {
            uml.ping_all(peer, gateway, 3)?;
            let large = uml.ping(peer, gateway, 2, 1300)?;
            demand(large.received == 2, "large echoes", large.received)
        })?;
    }
    Ok(())
}

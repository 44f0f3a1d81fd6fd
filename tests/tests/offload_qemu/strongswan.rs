//! strongSwan negotiates, the outside card does ESP in UDP: the peer's ESP is strongSwan's own.

use crate::stage::{PATIENCE, all_on_card, boot, judge, number, settings_without_esn};
use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::charon::Charon;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::ping::{self, Background};
use ravelin_tests::prerequisites::Need;
use ravelin_tests::process::run;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{
    GATEWAY, GATEWAY6, HOST, HOST6, NET, NET6, PEER, PEER_HOST, PEER_HOST6, PEER_NET, PEER_NET6, PEER6,
    PeerIs, WIRE, World, connection,
};
use ravelin_tests::traffic::{End, transfer};
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Captures];
const ESP: &str = "aes128gcm16";

fn up(name: &str, connection: Connection) -> Result<(World, Charon)> {
    let world = boot(name, NEEDS, PeerIs::TheNamespace, &settings_without_esn())?;
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    Ok((world, charon))
}

#[test]
fn tunnels_in_udp_by_the_card_for_both_key_lengths() -> Result<()> {
    let mut world = boot("udp", NEEDS, PeerIs::TheNamespace, &settings_without_esn())?;
    let charon = Charon::start(&world.outside, &[])?;
    let wire = Capture::start(&world.outside, WIRE, "not arp")?;
    for esp in ["aes128gcm16", "aes256gcm16"] {
        let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
        let connection = Connection::new(PEER, GATEWAY).child(Child::tunnel("net", esp, &both.0, &both.1));
        charon.load(&[connection])?;
        charon.initiate("net")?;
        ping::all(&world.outside, PEER_HOST, HOST, 3)?;
        ping::all(&world.outside, PEER_HOST6, HOST6, 3)?;
        ping::all(&world.inside, HOST, PEER_HOST, 3)?;
        for sa in all_on_card(&mut world, 2)? {
            demand(number(&sa, "packets")? == 9, "nine packets each way", format!("{sa:?}"))?;
        }
        charon.swanctl(&["--terminate", "--ike", "gw"])?;
        world.until("no SA", PATIENCE, |status| status.children() == 0)?;
    }
    let file = wire.stop().display().to_string();
    let frames = |filter: &str| run(Command::new("tshark").args(["-r", &file, "-Y", filter]));
    let esp = frames("udp.port == 4500 && esp")?;
    demand(esp.lines().count() >= 36, "36 frames of ESP in UDP", esp.lines().count())?;
    let clear = frames("(icmp || icmpv6.type == 128 || icmpv6.type == 129) && !esp")?;
    demand(clear.is_empty(), "no echo in the clear", clear)?;
    judge(&world)
}

/// Over IPv6 the card would leave the UDP checksum empty, so software seals and the card opens.
#[test]
fn in_udp_over_ipv6_software_seals_and_says_why() -> Result<()> {
    let mut settings = settings_without_esn();
    for (_, lines) in &mut settings.children {
        *lines = lines.replace("\"packet\"", "\"auto\"");
    }
    let mut world = boot("udp6", NEEDS, PeerIs::TheNamespace, &settings)?;
    let connection = Connection::new(PEER6, GATEWAY6).child(Child::tunnel("net", ESP, PEER_NET, NET));
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)?;
    let status = world.status()?;
    for words in ["engine=card port=outside", "engine=software why=\"the card leaves the UDP checksum 0"] {
        demand(status.text.contains(words), words, &status.text)?;
    }
    judge(&world)
}

#[test]
fn a_transfer_crosses_each_way() -> Result<()> {
    let (mut world, _charon) = up("transfer", connection(ESP))?;
    let outside = || End { namespace: &world.outside, address: PEER_HOST };
    let inside = || End { namespace: &world.inside, address: HOST };
    let minute = Duration::from_secs(60);
    let into = transfer(outside(), inside(), 20_000_000, minute)?;
    let out = transfer(inside(), outside(), 20_000_000, minute)?;
    println!("in {:.0}, out {:.0} Mbit/s", into.megabits_per_second(), out.megabits_per_second());
    all_on_card(&mut world, 2)?;
    let status = world.status()?;
    let trains =
        status.text.split("trains=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    demand(trains.is_some_and(|trains: u64| trains > 100), "segments that pass as trains", &status.text)?;
    let drops = status.drops();
    demand(!drops.keys().any(|cause| cause.contains("replay")), "no replays", format!("{drops:?}"))?;
    judge(&world)
}

#[test]
fn rekeys_under_load_lose_no_packet() -> Result<()> {
    let (mut world, charon) = up("rekey", connection(ESP))?;
    let from_peer = Background::start(&world.outside, PEER_HOST, HOST, Duration::from_millis(4))?;
    let from_host = Background::start(&world.inside, HOST, PEER_HOST, Duration::from_millis(4))?;
    let commands: [&[&str]; 4] =
        [&["--rekey", "--child", "net"], &["--rekey", "--ike", "gw"], &["--rekey", "--child", "net"], &[]];
    for command in commands {
        match command {
            // The last one is ours.
            [] => world.gateway.type_line("r gw.net")?,
            command => drop(charon.swanctl(command)?),
        }
        std::thread::sleep(Duration::from_millis(1500));
    }
    for pings in [from_peer, from_host] {
        let (echoes, lost) = pings.stop()?;
        demand(lost.is_empty(), "no lost ping", format!("{lost:?}"))?;
        demand(echoes.received > 500, "pings all the time", echoes.received)?;
    }
    world.until("one child", PATIENCE, |status| status.children() == 1)?;
    all_on_card(&mut world, 2)?;
    judge(&world)
}

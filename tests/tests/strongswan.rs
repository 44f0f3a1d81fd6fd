//! strongSwan initiates from a network namespace, the image answers in QEMU: pre-shared key, tunnel mode, ESP in UDP.
//! One test for each thing that the peer can see.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::charon::Charon;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::ping::{self, Background};
use ravelin_tests::prerequisites::Need;
use ravelin_tests::process::run;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{
    ALL_ESP, GATEWAY, GATEWAY6, HOST, HOST6, NET, NET6, PEER, PEER_HOST, PEER_HOST6, PEER_NET, PEER_NET6,
    PEER6, PeerIs, Settings, WIRE, World, connection,
};
use ravelin_tests::traffic::{End, transfer};
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Captures];
const ESP: &str = "aes128gcm16";

fn boot(name: &str, settings: &Settings) -> Result<World> {
    World::boot(name, NEEDS, PeerIs::TheNamespace, settings)
}

/// Boots with the default settings and brings the child `net` up.
fn up(name: &str, connection: Connection) -> Result<(World, Charon)> {
    let world = boot(name, &Settings::default())?;
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    Ok((world, charon))
}

/// What tshark says of the frames that `filter` selects.
fn frames(file: &std::path::Path, filter: &str) -> Result<String> {
    run(Command::new("tshark").args(["-r", &file.display().to_string(), "-Y", filter]))
}

/// Initiates, expects a refusal, and demands that charon's log names the notify that the gateway sent.
fn refused(charon: &Charon, child: &str, notify: &str) -> Result<()> {
    match charon.initiate(child) {
        Err(Error::Command { said, .. }) => {
            demand(said.contains("failed"), "the daemon to say that it failed", said)?
        }
        Err(other) => return Err(other),
        Ok(said) => return demand(false, format!("a refusal with {notify}"), said),
    }
    charon.expect_log(notify, 1, Duration::from_secs(5))
}

#[test]
fn the_tunnel_comes_up_in_udp_and_carries_pings() -> Result<()> {
    let world = boot("up", &Settings::default())?;
    let charon = Charon::start(&world.outside, &[connection(ESP)])?;
    ping::none(&world.outside, PEER_HOST, HOST, 2)?;
    let wire = Capture::start(&world.outside, WIRE, "not arp and not icmp6")?;
    let said = charon.initiate("net")?;
    demand(said.contains("established"), "the child to be established", &said)?;
    ping::all(&world.outside, PEER_HOST, HOST, 10)?;
    ping::all(&world.inside, HOST, PEER_HOST, 10)?;
    let sas = charon.list_sas()?;
    demand(sas.contains("TUNNEL-in-UDP"), "a tunnel in UDP", &sas)?;
    let file = wire.stop();
    let esp = frames(&file, "udp.port == 4500 && esp")?;
    demand(esp.lines().count() >= 40, "forty ESP frames in UDP", &esp)?;
    let clear = frames(&file, "icmp && !esp")?;
    demand(clear.is_empty(), "no echo in the clear", clear)
}

#[test]
fn every_algorithm_carries_both_families_inside_and_outside() -> Result<()> {
    let world = boot("algorithms", &Settings::default())?;
    let charon = Charon::start(&world.outside, &[])?;
    for (outer, gateway) in [(PEER, GATEWAY), (PEER6, GATEWAY6)] {
        for esp in ["aes128gcm16", "aes256gcm16", "chacha20poly1305"] {
            let both = (format!("{PEER_NET},{PEER_NET6}"), format!("{NET},{NET6}"));
            let connection =
                Connection::new(outer, gateway).child(Child::tunnel("net", esp, &both.0, &both.1));
            charon.load(&[connection])?;
            charon.initiate("net")?;
            ping::all(&world.outside, PEER_HOST, HOST, 3)?;
            ping::all(&world.outside, PEER_HOST6, HOST6, 3)?;
            charon.swanctl(&["--terminate", "--ike", "gw"])?;
        }
    }
    Ok(())
}

#[test]
fn twenty_megabytes_cross_unharmed_in_both_directions() -> Result<()> {
    let (world, _charon) = up("transfer", connection(ESP))?;
    let host = End { namespace: &world.inside, address: HOST };
    let peer = End { namespace: &world.outside, address: PEER_HOST };
    for (name, from, to) in [("in", peer, host), ("out", host, peer)] {
        let report = transfer(from, to, 20_000_000, Duration::from_secs(60))?;
        println!("{name}: 20 MB at {:.0} Mbit/s", report.megabits_per_second());
    }
    Ok(())
}

#[test]
fn a_child_rekey_under_traffic_loses_no_ping() -> Result<()> {
    rekeyed("child-rekey", &["--rekey", "--child", "net"], ("outbound CHILD_SA net{", "established"))
}

#[test]
fn an_ike_rekey_under_traffic_loses_no_ping() -> Result<()> {
    rekeyed("ike-rekey", &["--rekey", "--ike", "gw"], ("IKE_SA gw[", "rekeyed"))
}

/// Pings all the time while charon rekeys three times with `command`; noun and verb are the log's account of success.
fn rekeyed(name: &str, command: &[&str], (noun, verb): (&str, &str)) -> Result<()> {
    let (world, charon) = up(name, connection(ESP))?;
    let from_peer = Background::start(&world.outside, PEER_HOST, HOST, Duration::from_millis(4))?;
    let from_host = Background::start(&world.inside, HOST, PEER_HOST, Duration::from_millis(4))?;
    let established = || -> usize {
        let log = charon.log();
        log.lines().filter(|line| line.contains(noun) && line.contains(verb)).count()
    };
    let before = established();
    for round in 1..=3 {
        charon.swanctl(command)?;
        std::thread::sleep(Duration::from_millis(1500));
        demand(established() >= before + round, format!("rekey number {round}"), established() - before)?;
    }
    for pings in [from_peer, from_host] {
        let (echoes, lost) = pings.stop()?;
        demand(lost.is_empty(), "no lost ping", format!("{lost:?}"))?;
        demand(echoes.received > 500, "pings all the time", echoes.received)?;
    }
    let sas = charon.list_sas()?;
    demand(sas.matches("INSTALLED").count() == 1, "one child that is left", sas)
}

#[test]
fn a_new_child_joins_the_same_ike_sa() -> Result<()> {
    let mut settings = Settings::default();
    let lines = format!("local_ts = \"{NET6}\"\nremote_ts = \"{PEER_NET6}\"\nesp_proposals = {ALL_ESP}");
    settings = settings.child("four", &lines.replace(NET6, NET).replace(PEER_NET6, PEER_NET));
    settings.children.push(("six".into(), lines));
    let world = boot("new-child", &settings)?;
    let connection = connection(ESP).child(Child::tunnel("six", "aes256gcm16", PEER_NET6, NET6));
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    charon.initiate("six")?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)?;
    ping::all(&world.outside, PEER_HOST6, HOST6, 3)?;
    let sas = charon.list_sas()?;
    demand(sas.matches("ESTABLISHED").count() == 1, "one IKE SA", &sas)?;
    demand(sas.matches("INSTALLED").count() == 2, "two children", &sas)
}

#[test]
fn liveness_is_asked_and_answered_by_both_sides() -> Result<()> {
    let settings = Settings::default();
    let settings =
        Settings { connection: format!("{}\ndpd_delay = \"1s\"", settings.connection), ..settings };
    let world = boot("liveness", &settings)?;
    let mut asks = connection(ESP);
    asks.settings.push("dpd_delay = 2s".into());
    let charon = Charon::start(&world.outside, &[asks])?;
    charon.initiate("net")?;
    // The gateway asks sooner than charon, whose turn comes when the gateway has been silent for two seconds.
    charon.expect_log("parsed INFORMATIONAL request", 2, Duration::from_secs(10))?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)?;

    drop((charon, world));
    let world = boot("liveness-peer", &Settings::default())?;
    let mut asks = connection(ESP);
    asks.settings.push("dpd_delay = 1s".into());
    let charon = Charon::start(&world.outside, &[asks])?;
    charon.initiate("net")?;
    charon.expect_log("sending DPD request", 2, Duration::from_secs(10))?;
    charon.expect_log("parsed INFORMATIONAL response", 2, Duration::from_secs(10))?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)
}

#[test]
fn the_peer_deletes_the_child_and_then_the_ike_sa() -> Result<()> {
    let (mut world, charon) = up("peer-deletes", connection(ESP))?;
    world.until("one child", Duration::from_secs(5), |status| status.children() == 1)?;
    charon.swanctl(&["--terminate", "--child", "net"])?;
    world.until("no child", Duration::from_secs(5), |status| status.children() == 0 && status.ikes() == 1)?;
    ping::none(&world.inside, HOST, PEER_HOST, 2)?;
    charon.initiate("net")?;
    ping::all(&world.inside, HOST, PEER_HOST, 3)?;
    charon.swanctl(&["--terminate", "--ike", "gw"])?;
    world.until("nothing", Duration::from_secs(5), |status| status.children() == 0 && status.ikes() == 0)?;
    ping::none(&world.inside, HOST, PEER_HOST, 2)?;
    let wire = Capture::start(&world.outside, WIRE, "icmp")?;
    ping::none(&world.inside, HOST, PEER_HOST, 2)?;
    let clear = frames(&wire.stop(), "icmp")?;
    demand(clear.is_empty(), "nothing in the clear after the delete", clear)
}

#[test]
fn the_gateway_deletes() -> Result<()> {
    let (mut world, charon) = up("gateway-deletes", connection(ESP))?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)?;
    world.gateway.type_line("d gw")?;
    charon.expect_log("received DELETE for", 1, Duration::from_secs(5))?;
    world.until("nothing", Duration::from_secs(5), |status| status.children() == 0 && status.ikes() == 0)?;
    let sas = charon.list_sas()?;
    demand(!sas.contains("INSTALLED"), "no child at the peer", sas)?;
    ping::none(&world.outside, PEER_HOST, HOST, 2)?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)
}

#[test]
fn a_wrong_secret_gets_authentication_failed() -> Result<()> {
    let world = boot("wrong-secret", &Settings::default())?;
    let wrong = Connection { secret: "not-the-secret-at-all".into(), ..connection(ESP) };
    let charon = Charon::start(&world.outside, &[wrong])?;
    refused(&charon, "net", "received AUTHENTICATION_FAILED notify")?;
    charon.load(&[connection(ESP)])?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)
}

#[test]
fn an_unknown_identity_gets_authentication_failed() -> Result<()> {
    let world = boot("wrong-id", &Settings::default())?;
    let wrong = Connection { local_id: "stranger.test".into(), ..connection(ESP) };
    let charon = Charon::start(&world.outside, &[wrong])?;
    refused(&charon, "net", "received AUTHENTICATION_FAILED notify")
}

#[test]
fn wrong_proposals_get_no_proposal_chosen() -> Result<()> {
    let world = boot("wrong-proposal", &Settings::default())?;
    let ike = Connection { proposals: "aes128-sha256-modp2048".into(), ..connection(ESP) };
    let charon = Charon::start(&world.outside, &[ike])?;
    refused(&charon, "net", "received NO_PROPOSAL_CHOSEN notify")?;
    drop(charon);
    let charon = Charon::start(&world.outside, &[connection("aes128-sha256")])?;
    refused(&charon, "net", "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built")
}

#[test]
fn unacceptable_selectors_get_ts_unacceptable() -> Result<()> {
    let world = boot("wrong-selectors", &Settings::default())?;
    let connection =
        Connection::new(PEER, GATEWAY).child(Child::tunnel("net", ESP, "10.77.0.0/24", "10.88.0.0/24"));
    let charon = Charon::start(&world.outside, &[connection])?;
    refused(&charon, "net", "received TS_UNACCEPTABLE notify, no CHILD_SA built")
}

#[test]
fn wide_selectors_are_narrowed() -> Result<()> {
    let world = boot("narrowed", &Settings::default())?;
    let wide = Connection::new(PEER, GATEWAY).child(Child::tunnel("net", ESP, PEER_NET, "10.0.0.0/8"));
    let charon = Charon::start(&world.outside, &[wide])?;
    charon.initiate("net")?;
    let sas = charon.list_sas()?;
    let remote = sas.lines().find(|line| line.trim_start().starts_with("remote ") && line.contains("/"));
    demand(remote.is_some_and(|line| line.contains(NET)), format!("remote selectors {NET}"), &sas)?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)
}

#[test]
fn another_group_is_asked_for_with_invalid_ke_payload() -> Result<()> {
    let world = boot("wrong-group", &Settings::default())?;
    let connection =
        Connection { proposals: "aes256gcm16-prfsha384-x25519-ecp256".into(), ..connection(ESP) };
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    charon.expect_log("peer didn't accept key exchange method", 1, Duration::from_secs(2)).or_else(|_| {
        charon.expect_log("peer didn't accept DH group CURVE_25519", 1, Duration::from_secs(2))
    })?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)
}

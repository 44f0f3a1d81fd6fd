//! Faults of the outside card while it does ESP for traffic: nothing in the clear ever leaves, the SAs of before the fault are
//! never used again, IKE makes new ones, and they are on the card again.

use crate::stage::{all_on_card, boot, settings_without_esn};
use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::charon::Charon;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::ping::{self, Background};
use ravelin_tests::prerequisites::Need;
use ravelin_tests::process::run;
use ravelin_tests::topology::{HOST, PEER_HOST, PeerIs, WIRE, World, connection};
use std::collections::BTreeSet;
use std::process::Command;

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Captures];
/// Until the port works again, or the SAs are there.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two echoes.
const INTERVAL: Duration = Duration::from_millis(5);

/// The SPIs of the image's SAs.
fn spis(world: &mut World) -> Result<BTreeSet<String>> {
    let sas = all_on_card(world, 2)?;
    Ok(sas.iter().filter_map(|sa| sa.get("spi").cloned()).collect())
}

/// Does `faults` to the outside card under protected traffic. `wake` is told to the model when the port has been found dead.
fn survives(name: &str, faults: &[&str], wake: Option<&str>) -> Result<()> {
    let mut world = boot(name, NEEDS, PeerIs::TheNamespace, &settings_without_esn())?;
    let charon = Charon::start(&world.outside, &[connection("aes128gcm16")])?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 3)?;
    let before = spis(&mut world)?;
    let wire = Capture::start(&world.outside, WIRE, "not arp")?;
    let traffic = Background::start(&world.inside, HOST, PEER_HOST, INTERVAL)?;
    std::thread::sleep(Duration::from_millis(500));
    let mark = world.gateway.console().len();
    let tell = |world: &World, line: &str| world.model.as_ref().map_or(Ok(()), |model| model.tell(line));
    for fault in faults {
        tell(&world, &format!("fault 0 {fault}"))?;
    }
    if let Some(line) = wake {
        world.gateway.console().expect_from(mark, "port 0: still down", PATIENCE)?;
        tell(&world, line)?;
    }
    let up = world.gateway.console().expect_from(mark, "port 0: works again after", PATIENCE)?;
    // New keys are agreed upon under IKE's own protection, which has lost nothing.
    let status = world.until("other SAs", PATIENCE, |status| {
        let text = &status.text;
        status.children() == 1
            && !before.iter().any(|spi| text.contains(spi))
            && !text.contains("expired=true")
    })?;
    demand(status.ikes() == 1, "the IKE SA of before", &status.text)?;
    let after = spis(&mut world)?;
    demand(before.is_disjoint(&after), "other SPIs", format!("{before:?} and {after:?}"))?;
    std::thread::sleep(Duration::from_millis(500));
    let (echoes, lost) = traffic.stop()?;
    ping::all(&world.inside, HOST, PEER_HOST, 10)?;
    ping::all(&world.outside, PEER_HOST, HOST, 10)?;
    println!("{}; {} of {} echoes lost", up.text, lost.len(), echoes.sent);
    judge(&wire.stop().display().to_string(), &before, &after)
}

/// What was on the wire: ESP alone; no number of an SA twice; nothing under an SA of before once one of after was used.
fn judge(file: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    let frames = |filter: &str, fields: &[&str]| {
        let mut command = Command::new("tshark");
        command.args(["-r", file, "-Y", filter]);
        if !fields.is_empty() {
            command.args(["-T", "fields"]).args(fields.iter().flat_map(|field| ["-e", field]));
        }
        run(&mut command)
    };
    let clear = frames("icmp && !esp", &[])?;
    demand(clear.is_empty(), "no echo in the clear", clear)?;
    let said = frames("esp && ip.src == 10.9.0.2", &["esp.spi", "esp.sequence"])?;
    let mut seen = BTreeSet::new();
    let mut renewed = false;
    for line in said.lines() {
        let (spi, number) = line.split_once('\t').ok_or_else(|| Error::Observed {
            expected: "SPI and sequence number".into(),
            found: line.into(),
        })?;
        let spi = spi.trim_start_matches("0x").to_owned();
        demand(seen.insert((spi.clone(), number.to_owned())), "each number once", line)?;
        renewed |= after.contains(&spi);
        demand(!(renewed && before.contains(&spi)), "no packet under a lost SA", line)?;
    }
    demand(renewed, "packets under the new SA", said.lines().count())
}

#[test]
fn firmware_that_reports_a_fatal_error() -> Result<()> {
    survives("esp-fatal", &["health-fatal syndrome=0x8"], None)
}

#[test]
fn a_command_that_is_never_answered() -> Result<()> {
    survives("esp-timeout", &["command-timeout", "link-flap down=0.1"], None)
}

#[test]
fn a_card_that_is_gone_until_power_comes_back() -> Result<()> {
    survives("esp-death", &["death"], Some("power 0"))
}

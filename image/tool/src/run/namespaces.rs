//! The show as root: an inside host and a strongSwan peer in network namespaces, the gateway between them.

use super::{Error, Options, boot, plan, print_status, until_the_end};
use core::sync::atomic::AtomicBool;
use core::time::Duration;
use gateway::config::Side;
use ravelin_tests::charon::Charon;
use ravelin_tests::ping::{self, Background};
use ravelin_tests::qemu::Port;
use ravelin_tests::site::Site;
use ravelin_tests::traffic::{End, transfer};

/// Octets of each TCP transfer.
const TRANSFER: u64 = 20_000_000;

pub(super) fn show(
    site: &Site,
    options: &Options,
    plan: &plan::Plan,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let (inside, outside) = (site.namespace("i")?, site.namespace("o")?);
    println!("  inside host {} in {}, peer {} in {}", plan.host, inside.name(), plan.peer, outside.name());
    for address in &plan.peer_addresses {
        outside.address("lo", &address.to_string())?;
    }
    let mut gateway = boot(site, plan, &plan.text, |number, port| match port.side {
        Side::Inside => Port::tap(number, &inside, "gateway", &[&plan.host.to_string()]),
        Side::Outside => Port::tap(number, &outside, "gateway", &[&plan.peer.to_string()]),
    })?;
    inside.route(&format!("default via {}", plan.inside.ip))?;

    println!("starting strongSwan and bringing the tunnel up");
    let mut charon = Charon::start(&outside, core::slice::from_ref(&plan.connection))?;
    charon.initiate("net")?;
    for line in charon.list_sas()?.lines() {
        println!("  {line}");
    }
    let (host, peer) = (plan.host.ip.to_string(), plan.peer_host.to_string());
    println!("pinging {host} from {peer} through the tunnel");
    let echoes = ping::ping(&outside, &peer, &host, 5, Duration::from_millis(200), 56)?;
    println!("  {} of {} came back", echoes.received, echoes.sent);
    if echoes.received == 0 {
        return Err(Error::Failed("no ping crossed the tunnel".into()));
    }
    let (near, far) =
        (End { namespace: &inside, address: &host }, End { namespace: &outside, address: &peer });
    for (way, from, to) in [("in", far, near), ("out", near, far)] {
        let report = transfer(from, to, TRANSFER, Duration::from_secs(120))?;
        println!(
            "TCP {way}: {} octets at {:.0} Mbit/s, SHA-256 {}… as sent",
            report.octets,
            report.megabits_per_second(),
            report.digest.get(..16).unwrap_or_default()
        );
    }
    let pings = Background::start(&outside, &peer, &host, Duration::from_millis(200))?;
    until_the_end(options, stop, || {
        std::thread::sleep(Duration::from_secs(2).min(options.time.unwrap_or(Duration::MAX)));
        print_status(&mut gateway)
    })?;
    let (echoes, lost) = pings.stop()?;
    println!("pings meanwhile: {} sent, {} lost", echoes.sent, lost.len());
    charon.stop();
    power_off(&mut gateway)
}

/// Asks the gateway to end; QEMU ends with it.
pub(super) fn power_off(gateway: &mut ravelin_tests::qemu::Qemu) -> Result<(), Error> {
    gateway.type_line("q")?;
    let code = gateway.wait(Duration::from_secs(5))?;
    println!(
        "the gateway powered off (QEMU's exit code {})",
        code.map_or("none".into(), |code| code.to_string())
    );
    Ok(())
}

//! ESP that comes in fragments, as Linux sends large packets: put together by the gateway, opened by the card. An attacker
//! on the wire who has seen the fragments.

use crate::linux::start;
use crate::stage::{Sa, all_on_card, frames, inject, judge, number, settings};
use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{GATEWAY, HOST, NET, PEER, PEER_HOST, PEER_NET, WIRE, World};
use ravelin_tests::uml::Uml;

/// Somewhere in the ciphertext of a fragment.
const CIPHERTEXT: usize = 200;
/// The outside card.
const CARD: usize = 0;

fn give(world: &World, frames: &[Vec<u8>]) -> Result<()> {
    world.model.as_ref().map_or(Ok(()), |model| inject(model, CARD, frames))
}

/// Packets of the inbound SA: opened, and dropped.
fn inbound(world: &mut World) -> Result<(u64, u64)> {
    let sas = all_on_card(world, 2)?;
    let way = |sa: &&Sa| sa.get("way").is_some_and(|way| way == "in");
    sas.iter().find(way).map_or(Ok((0, 0)), |sa| Ok((number(sa, "packets")?, number(sa, "dropped")?)))
}

fn drops(world: &mut World, cause: &str) -> Result<u64> {
    Ok(world.status()?.drops().get(cause).copied().unwrap_or(0))
}

/// A tunnel with two echoes in whole packets behind it.
fn up(name: &str, encap: bool) -> Result<(World, Uml)> {
    let child = Child::tunnel("net", "aes256gcm16-esn", PEER_NET, NET);
    let connection = Connection { encap, ..Connection::new(PEER, GATEWAY) }.child(child);
    let (mut world, mut uml) = start(name, &settings(), vec![connection])?;
    uml.sh("swanctl --initiate --ike gw --child net --timeout 20", Duration::from_secs(30))?;
    let whole = uml.ping(PEER_HOST, HOST, 2, 1000)?;
    demand(whole.received == 2, "echoes in whole packets", whole.received)?;
    demand(world.status()?.given_back() == 0, "nothing given back that came whole", world.status()?.text)?;
    Ok((world, uml))
}

#[test]
fn fragments_of_esp_in_udp_are_opened_by_the_card() -> Result<()> {
    let (mut world, mut uml) = up("fragments-udp", true)?;
    let wire = Capture::start(&world.outside, WIRE, &format!("src {PEER} and udp dst port 4500"))?;
    for size in [1472, 3000, 9000] {
        let echoes = uml.ping(PEER_HOST, HOST, 3, size)?;
        demand(echoes.received == 3, format!("echoes of {size} octets"), echoes.received)?;
    }
    let encapsulated = frames(&wire.stop())?;
    demand(encapsulated.len() >= 9, "nine datagrams that begin with UDP", encapsulated.len())?;
    demand(world.status()?.given_back() == 9, "nine packets given back", world.status()?.text)?;
    demand(inbound(&mut world)? == (11, 0), "eleven packets opened", world.status()?.text)?;
    judge(&world)
}

#[test]
fn fragments_of_esp_are_opened_by_the_card_once() -> Result<()> {
    let (mut world, mut uml) = up("fragments", false)?;
    let wire = Capture::start(&world.outside, WIRE, &format!("src {PEER} and ip[6:2] & 0x3fff != 0"))?;
    for (size, pieces) in [(1472, 2), (3000, 3), (9000, 7)] {
        let echoes = uml.ping(PEER_HOST, HOST, 3, size)?;
        demand(echoes.received == 3, format!("echoes of {size} octets in {pieces} pieces"), echoes.received)?;
    }
    let seen = frames(&wire.stop())?;
    demand(seen.len() >= 3 * (2 + 3 + 7), "36 fragments", seen.len())?;
    let status = world.status()?;
    demand(status.given_back() == 9, "nine packets given back", &status.text)?;
    let (opened, dropped) = inbound(&mut world)?;
    demand((opened, dropped) == (11, 0), "eleven packets opened", format!("{opened}, dropped {dropped}"))?;

    // The same fragments once more: whole again, and known to the card's window.
    give(&world, &seen)?;
    demand(world.status()?.given_back() == 18, "nine more given back", world.status()?.text)?;
    demand(drops(&mut world, "replayed")? == 9, "nine replays", world.status()?.text)?;
    // Changed ones: the card finds that out before it asks for the number.
    let mut changed = seen.clone();
    for fragment in &mut changed {
        if let Some(byte) = fragment.get_mut(CIPHERTEXT) {
            *byte ^= 1;
        }
    }
    give(&world, &changed)?;
    demand(drops(&mut world, "bad_icv")? == 9, "nine bad ICVs", world.status()?.text)?;
    demand(inbound(&mut world)? == (11, 18), "none of them opened", world.status()?.text)?;
    // First fragments twice, the second time with other octets: overlap.
    let first = |frame: &&Vec<u8>| frame.get(20..22).is_some_and(|field| field == [0x20, 0]);
    let firsts: Vec<_> = seen.iter().filter(first).take(1).cloned().collect();
    give(&world, &firsts)?;
    give(&world, &changed.iter().filter(first).take(1).cloned().collect::<Vec<_>>())?;
    demand(drops(&mut world, "fragment_overlap")? == 1, "an overlap", world.status()?.text)?;

    // What no frame of the card holds.
    let huge = uml.ping(PEER_HOST, HOST, 2, 20_000)?;
    demand(huge.received == 0, "no echo of 20,000 octets", huge.received)?;
    let refused = drops(&mut world, "fragments_too_big_for_card")?;
    demand(refused == 2, "two too large packets", world.status()?.text)?;
    let after = uml.ping(PEER_HOST, HOST, 2, 3000)?;
    demand(after.received == 2, "echoes afterwards", after.received)?;
    demand(drops(&mut world, "link_source")? == 0, "nothing comes back unopened", world.status()?.text)?;
    judge(&world)
}

//! An attacker on the wire: packets sent again and packets changed. The card drops them, Linux counts them under their
//! causes, and the traffic goes on.

use crate::sa::Plan;
use crate::wire::{Wire, hex};
use crate::with;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::Pair;

/// A counter of `/proc/net/xfrm_stat` in guest 1.
fn xfrm_stat(pair: &Pair, name: &str) -> Result<u64> {
    // Listing the states is what brings the card's counters into Linux's.
    let said = pair.guests[1].sh("ip -s xfrm state > /dev/null; cat /proc/net/xfrm_stat")?;
    let value = said.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.map_or_else(|| demand(false, format!("the counter {name}"), &said).map(|()| 0), Ok)
}

/// Echo requests that guest 1 has received.
fn echoes_received(pair: &Pair) -> Result<u64> {
    let said = pair.guests[1].sh("grep '^Icmp:' /proc/net/snmp")?;
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let place = rows.first().and_then(|names| names.iter().position(|name| *name == "InEchos"));
    let value = place.and_then(|place| rows.get(1)?.get(place)?.parse().ok());
    value.map_or_else(|| demand(false, "InEchos", &said).map(|()| 0), Ok)
}

/// Sends `frames` to guest 1's card and waits until `cause` of Linux has grown by as many. The driver lets the card drop
/// them by rules of the SA; `ipsec_rx_drop_pkts` has only what came out of the decryption for another reason.
fn demand_dropped(pair: &Pair, frames: &[Vec<u8>], cause: &str, state_word: &str) -> Result<()> {
    let count = frames.len() as u64;
    let echoes = echoes_received(pair)?;
    let (causes, drops) = (xfrm_stat(pair, cause)?, pair.counter(1, "ipsec_rx_drop_pkts")?);
    for frame in frames {
        pair.model.tell(&format!("inject 1 {}", hex(frame)))?;
    }
    // The driver asks the card for its counters once a second.
    let deadline = std::time::Instant::now() + core::time::Duration::from_secs(15);
    while xfrm_stat(pair, cause)? < causes + count && std::time::Instant::now() < deadline {
        std::thread::sleep(core::time::Duration::from_millis(200));
    }
    let grown = xfrm_stat(pair, cause)? - causes;
    demand(grown == count, format!("{cause} to grow by {count}"), grown)?;
    let dropped = pair.counter(1, "ipsec_rx_drop_pkts")? - drops;
    demand(dropped == 0, "no drop without a cause", dropped)?;
    let states = pair.guests[1].sh("ip -s xfrm state")?;
    demand(states.contains(state_word), format!("`{state_word}` in the state"), &states)?;
    demand(echoes_received(pair)? == echoes, "no echo to reach the host", echoes_received(pair)? - echoes)
}

/// Ten echoes under `plan`, and the frames that carried the requests.
fn some_echoes(pair: &Pair, plan: &Plan) -> Result<Vec<Vec<u8>>> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    pair.ping(0, &plan.inner(1), 10, 56)?;
    let frames = wire.frames_of(plan.spi(0))?;
    demand(frames.len() == 10, "ten frames", frames.len())?;
    Ok(frames)
}

#[test]
fn replayed_packets_are_dropped_and_counted() -> Result<()> {
    with(|pair| {
        let plan = Plan { esn: Some(64), ..Plan::new(128) };
        let frames = some_echoes(pair, &plan)?;
        demand_dropped(pair, &frames[..4], "XfrmInStateSeqError", "replay 4")?;
        pair.ping(0, &plan.inner(1), 3, 56)
    })
}

#[test]
fn changed_packets_are_dropped_and_counted() -> Result<()> {
    with(|pair| {
        let plan = Plan { esn: Some(64), ..Plan::new(256) };
        let mut frames = some_echoes(pair, &plan)?;
        frames.truncate(3);
        for (number, frame) in frames.iter_mut().enumerate() {
            // A sequence number that was not seen yet, so that it is the ICV that decides; and a bit of the ICV, of the
            // ciphertext, of the IV.
            let sequence = 0x40 + number as u8;
            let end = frame.len() - 1;
            let place = [end, 60, 44].get(number).copied().unwrap_or(end);
            if let Some(octet) = frame.get_mut(41) {
                *octet = sequence;
            }
            if let Some(octet) = frame.get_mut(place) {
                *octet ^= 0x10;
            }
        }
        demand_dropped(pair, &frames, "XfrmInStateProtoError", "failed 3")?;
        pair.ping(0, &plan.inner(1), 3, 56)
    })
}

//! Transport mode: both key lengths, both families, the card on both ends or Linux's software on one; TCP in large
//! sends through the SA.

use crate::sa::Plan;
use crate::wire::Wire;
use crate::with;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::Pair;

/// Echoes of several sizes each way under `plan`, read by scapy; the cards' counters have counted them.
fn echoes(pair: &Pair, plan: &Plan) -> Result<()> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    let count = |guest: usize, name: &str| pair.counter(guest, name);
    let before = [0, 1].map(|guest| (count(guest, "ipsec_tx_pkts"), count(guest, "ipsec_rx_pkts")));
    for size in [0, 1, 2, 3, 56, 1000, 1400] {
        pair.ping(0, &plan.inner(1), 2, size)?;
        pair.ping(1, &plan.inner(0), 2, size)?;
    }
    wire.demand_esp(pair, plan, 28)?;
    for (guest, (sent, received)) in before.into_iter().enumerate() {
        let sent = count(guest, "ipsec_tx_pkts")? - sent?;
        let received = count(guest, "ipsec_rx_pkts")? - received?;
        let wanted = if plan.on_card[guest] { 28 } else { 0 };
        demand(
            sent == wanted && received == wanted,
            format!("{wanted} packets on card {guest}"),
            format!("{sent} sent, {received} received"),
        )?;
    }
    Ok(())
}

#[test]
fn aes_gcm_128_on_both_cards() -> Result<()> {
    with(|pair| echoes(pair, &Plan::new(128)))
}

#[test]
fn aes_gcm_256_on_both_cards() -> Result<()> {
    with(|pair| echoes(pair, &Plan::new(256)))
}

#[test]
fn ipv6_on_both_cards() -> Result<()> {
    with(|pair| echoes(pair, &Plan { six: true, ..Plan::new(256) }))
}

#[test]
fn the_card_against_software() -> Result<()> {
    with(|pair| echoes(pair, &Plan { on_card: [true, false], ..Plan::new(128) }))
}

#[test]
fn software_against_the_card() -> Result<()> {
    with(|pair| echoes(pair, &Plan { on_card: [false, true], ..Plan::new(256) }))
}

#[test]
fn ipv6_against_software() -> Result<()> {
    with(|pair| echoes(pair, &Plan { six: true, on_card: [true, false], ..Plan::new(128) }))
}

/// The card cuts large sends and protects each piece.
#[test]
fn tcp_with_large_sends_crosses_the_sa() -> Result<()> {
    with(|pair| {
        let plan = Plan::new(128);
        plan.install(pair)?;
        let wire = Wire::from_now(pair, &plan)?;
        for from in [0, 1] {
            let before = pair.counter(from, "tx_tso_packets")?;
            let took = pair.transfer(from, &plan.inner(1 - from), 30)?;
            println!("30 MB under the SA from guest {from} in {:.1} s", took.as_secs_f64());
            let large = pair.counter(from, "tx_tso_packets")? - before;
            demand(large > 100, "large sends", large)?;
        }
        wire.demand_esp(pair, &plan, 300).map(|_| ())
    })
}

/// The same with Linux's software at the other end, which takes nothing that is not right.
#[test]
fn tcp_with_large_sends_reaches_software() -> Result<()> {
    with(|pair| {
        let plan = Plan { on_card: [true, false], ..Plan::new(256) };
        plan.install(pair)?;
        for from in [0, 1] {
            pair.transfer(from, &plan.inner(1 - from), 15)?;
        }
        Ok(())
    })
}

//! Tunnel mode: the card puts on and takes off the outer header.

use crate::sa::{Mode, Plan};
use crate::wire::Wire;
use crate::with;
use ravelin_tests::error::Result;
use ravelin_tests::oracle::pair::Pair;

fn tunnel(pair: &Pair, plan: &Plan) -> Result<()> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    for size in [0, 3, 56, 1300] {
        pair.ping(0, &plan.inner(1), 2, size)?;
        pair.ping(1, &plan.inner(0), 2, size)?;
    }
    wire.demand_esp(pair, plan, 16)?;
    for from in [0, 1] {
        pair.transfer(from, &plan.inner(1 - from), 8)?;
    }
    Ok(())
}

#[test]
fn a_tunnel_on_both_cards() -> Result<()> {
    with(|pair| tunnel(pair, &Plan { mode: Mode::Tunnel, ..Plan::new(256) }))
}

#[test]
fn a_tunnel_against_software() -> Result<()> {
    with(|pair| tunnel(pair, &Plan { mode: Mode::Tunnel, on_card: [true, false], ..Plan::new(128) }))
}

#[test]
fn a_tunnel_over_ipv6_against_software() -> Result<()> {
    with(|pair| {
        tunnel(pair, &Plan { mode: Mode::Tunnel, six: true, on_card: [false, true], ..Plan::new(128) })
    })
}

#[test]
fn a_tunnel_over_ipv6_on_both_cards() -> Result<()> {
    with(|pair| tunnel(pair, &Plan { mode: Mode::Tunnel, six: true, ..Plan::new(256) }))
}

//! Extended sequence numbers: the upper half is authenticated and not sent, and it grows when the lower one wraps.

use crate::sa::Plan;
use crate::wire::Wire;
use crate::with;
use ravelin_tests::error::Result;
use ravelin_tests::oracle::pair::Pair;

/// Forty sequence numbers before the wrap.
const NEAR_THE_WRAP: u32 = u32::MAX - 39;

fn echoes(pair: &Pair, plan: &Plan) -> Result<()> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    pair.ping(0, &plan.inner(1), 15, 56)?;
    pair.ping(1, &plan.inner(0), 15, 56)?;
    wire.demand_esp(pair, plan, 30).map(|_| ())
}

/// Echoes one after the other over the wrap.
fn across_the_wrap(pair: &Pair, plan: &Plan) -> Result<()> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    for _ in 0..4 {
        let quick =
            format!("for n in $(seq 25); do ping -c 1 -W 5 {} > /dev/null || exit 1; done", plan.inner(1));
        pair.guests[0].sh_for(&quick, core::time::Duration::from_secs(60))?;
    }
    wire.demand_esp(pair, plan, 100).map(|_| ())
}

#[test]
fn esn_on_both_cards() -> Result<()> {
    with(|pair| echoes(pair, &Plan { esn: Some(64), ..Plan::new(256) }))
}

#[test]
fn esn_against_software() -> Result<()> {
    with(|pair| echoes(pair, &Plan { esn: Some(128), on_card: [true, false], ..Plan::new(128) }))
}

#[test]
fn the_sequence_number_wraps_on_both_cards() -> Result<()> {
    with(|pair| across_the_wrap(pair, &Plan { esn: Some(32), first: NEAR_THE_WRAP, ..Plan::new(128) }))
}

#[test]
fn the_sequence_number_wraps_against_software() -> Result<()> {
    with(|pair| {
        let plan = Plan { esn: Some(32), first: NEAR_THE_WRAP, on_card: [true, false], ..Plan::new(256) };
        across_the_wrap(pair, &plan)
    })
}

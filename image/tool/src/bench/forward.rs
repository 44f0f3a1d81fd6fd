//! What crosses the tunnel in a second: datagrams of 64 and 1372 bytes of payload (1372 makes the largest packet that
//! the initiator's tunnel device takes whole) and one TCP stream, both ways, ours beside the appliance.
//!
//! A datagram rate is searched: doubled until more than 1 % is lost twice, then halved in towards the bound. The row is the
//! highest rate that arrived with at most 1 % lost; where there is none, the highest rate that arrived at all. Every
//! run starts each gateway anew, one after the other, so that a slow minute of the machine hits all of them.

use super::bed::{Bed, Gateway, Size};
use super::error::Result;
use super::iperf::{Datagrams, Direction, Iperf};
use super::report::{Goal, Row};
use super::{Options, boot};
use std::collections::BTreeMap;

const PAYLOADS: [u32; 2] = [64, 1372];
/// Highest loss in percent at which a rate counts as carried.
const BEARABLE_LOSS: f64 = 1.0;
/// The search's first rate and its end, in packets per second. The end is beyond what an iperf3 can send.
const FIRST_RATE: u32 = 2_000;
const LAST_RATE: u32 = 128_000;
/// Steps of the search after the first loss: the answer is then known to about 6 %.
const HALVINGS: u32 = 4;
const DATAGRAM_SECONDS: u32 = 2;
const STREAM_SECONDS: u32 = 5;

/// Samples by row.
type Samples = BTreeMap<(Gateway, String), Vec<f64>>;

/// Runs the bench.
///
/// # Errors
/// When a bed cannot be set up or a transfer fails.
pub(crate) fn run(options: &mut Options) -> Result<Vec<Row>> {
    let ours = Gateway::Image(boot::BOARDS[0]);
    let mut gateways = vec![(ours, Size::memory(boot::IMAGE_MEMORY))];
    if !options.quick {
        // The appliance needs memory for its backlog; 256 MiB is what it was tuned with.
        gateways.push((Gateway::Appliance { offloads: true }, Size::memory(256)));
        gateways.push((Gateway::Appliance { offloads: false }, Size::memory(256)));
    }
    let mut samples = Samples::new();
    for number in 1..=options.runs(3) {
        for &(gateway, size) in &gateways {
            options.settle();
            options.note(&format!("forward {number}: {}", gateway.name()));
            measure(gateway, size, options.quick, &mut samples)?;
        }
    }
    Ok(rows(&samples, &gateways.iter().map(|&(gateway, _)| gateway).collect::<Vec<_>>()))
}

fn measure(gateway: Gateway, size: Size, quick: bool, samples: &mut Samples) -> Result<()> {
    let bed = Bed::start(gateway, size)?;
    let iperf = Iperf::serve(&bed)?;
    let stream_seconds = if quick { 1 } else { STREAM_SECONDS };
    for direction in Direction::ALL {
        let rate = iperf.stream(direction, stream_seconds)?;
        samples.entry((gateway, stream_name(direction))).or_default().push(rate);
        for payload in PAYLOADS {
            let try_rate = |rate| iperf.datagrams(direction, payload, rate, DATAGRAM_SECONDS);
            let carried = if quick { try_rate(FIRST_RATE)?.received_per_second } else { carried(try_rate)? };
            samples.entry((gateway, datagram_name(payload, direction))).or_default().push(carried / 1e3);
        }
    }
    Ok(())
}

fn stream_name(direction: Direction) -> String {
    format!("TCP {}", direction.name())
}

fn datagram_name(payload: u32, direction: Direction) -> String {
    format!("UDP {payload} B {}", direction.name())
}

/// Searches the highest rate that is carried; `try_rate` takes and gives packets per second.
fn carried(mut try_rate: impl FnMut(u32) -> Result<Datagrams>) -> Result<f64> {
    let (mut best_bearable, mut best_any) = (0.0f64, 0.0f64);
    let mut bearable = |rate| -> Result<bool> {
        let came = try_rate(rate)?;
        best_any = best_any.max(came.received_per_second);
        let bearable = came.lost_percent <= BEARABLE_LOSS;
        if bearable {
            best_bearable = best_bearable.max(came.received_per_second);
        }
        Ok(bearable)
    };
    let mut high = FIRST_RATE;
    // One hiccup of the machine is no limit of the gateway: a first loss gets a second look.
    while high < LAST_RATE && (bearable(high)? || bearable(high)?) {
        high *= 2;
    }
    let mut low = high / 2;
    for _ in 0..HALVINGS {
        let middle = low.midpoint(high);
        if bearable(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(if best_bearable > 0.0 { best_bearable } else { best_any })
}

/// Our rows first, held against the appliance with its offloads on; then the appliance's own.
fn rows(samples: &Samples, gateways: &[Gateway]) -> Vec<Row> {
    let mut names: Vec<(String, &str)> = Direction::ALL.map(|way| (stream_name(way), "Mbit/s")).to_vec();
    for payload in PAYLOADS {
        names.extend(Direction::ALL.map(|way| (datagram_name(payload, way), "kpps")));
    }
    let mut rows = Vec::new();
    for &gateway in gateways {
        for (name, unit) in &names {
            let Some(of_row) = samples.get(&(gateway, name.clone())) else { continue };
            let ours = matches!(gateway, Gateway::Image(_));
            let label = if ours { name.clone() } else { format!("{}: {name}", gateway.name()) };
            let Some(mut row) = Row::sampled(&label, of_row, unit) else { continue };
            if ours {
                let theirs = samples.get(&(Gateway::Appliance { offloads: true }, name.clone()));
                let theirs = theirs.and_then(|theirs| Row::sampled("", theirs, unit)).map(|row| row.value);
                row = row.beside(theirs).goal(Goal::ratio_at_least(1.0));
            }
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway that carries `capacity` packets per second and drops the rest.
    fn gateway(capacity: f64) -> impl FnMut(u32) -> Result<Datagrams> {
        move |rate| {
            let rate = f64::from(rate);
            let received = rate.min(capacity);
            Ok(Datagrams { received_per_second: received, lost_percent: 100.0 * (rate - received) / rate })
        }
    }

    #[test]
    fn the_search_finds_the_capacity() {
        for capacity in [2_500.0, 9_300.0, 14_000.0, 33_000.0, 61_000.0] {
            let found = carried(gateway(capacity)).expect("no transfer fails");
            assert!(found <= capacity && found > 0.93 * capacity, "{capacity}: {found}");
        }
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let (mut tries, mut gateway) = (0, gateway(30_000.0));
        let found = carried(|rate| {
            tries += 1;
            if tries == 2 { Ok(Datagrams { lost_percent: 5.0, ..gateway(rate)? }) } else { gateway(rate) }
        });
        assert!(found.expect("no transfer fails") > 27_000.0);
    }

    #[test]
    fn a_gateway_that_always_loses_counts_with_what_arrived() {
        let found = carried(|rate| {
            Ok(Datagrams { received_per_second: 0.9 * f64::from(rate.min(5_000)), lost_percent: 10.0 })
        });
        assert!(found.expect("no transfer fails") > 1_500.0);
        assert_eq!(carried(gateway(0.0)).expect("no transfer fails"), 0.0);
    }

    #[test]
    fn ours_is_held_against_the_appliance_with_offloads() {
        let ours = Gateway::Image(boot::BOARDS[0]);
        let theirs = [true, false].map(|offloads| Gateway::Appliance { offloads });
        let mut samples = Samples::new();
        for (gateway, value) in [(ours, 90.0), (theirs[0], 100.0), (theirs[1], 60.0)] {
            samples.insert((gateway, stream_name(Direction::In)), vec![value]);
        }
        let rows = rows(&samples, &[ours, theirs[0], theirs[1]]);
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[0].name.as_str(), rows[0].ratio), ("TCP in", Some(0.9)));
        assert_eq!(rows[2].name, "appliance, offloads off: TCP in");
    }
}

//! How long a gateway takes from the start of QEMU until it answers IKE, and until the first protected ping is back.
//! The image runs on both boards that it supports; the faster one, by the ping, is the headline and bears the goals.

use super::Options;
use super::appliance::Appliance;
use super::bed::{Bed, Board, Gateway, Size, Times};
use super::error::Result;
use super::report::{Goal, Row, Spread};

/// The boards of the image, the usual headline first.
pub(crate) const BOARDS: [Board; 2] = [Board::Microvm, Board::Q35];
/// Guest memory of the image, in MiB.
pub(crate) const IMAGE_MEMORY: u32 = 32;
/// Guest memory of the appliance, in MiB: the fastest it boots, and little above the least it boots with.
pub(crate) const APPLIANCE_MEMORY: u32 = 128;

/// IKE ready in at most this share of the appliance's time.
const READY_SHARE: f64 = 1.0 / 20.0;
/// First protected ping in at most this share of the appliance's time.
const PING_SHARE: f64 = 1.0 / 12.0;

/// Runs the bench.
///
/// # Errors
/// When a gateway does not come up.
pub(crate) fn run(options: &mut Options) -> Result<Vec<Row>> {
    let appliance = Gateway::Appliance { offloads: true };
    let (our_runs, their_runs) = (options.runs(5), if options.quick { 0 } else { options.runs(3) });
    let mut ours = BOARDS.map(|board| (board, Vec::new()));
    let mut theirs = Vec::new();
    for number in 0..our_runs.max(their_runs) {
        for (board, times) in &mut ours {
            if number < our_runs {
                times.push(once(options, Gateway::Image(*board), IMAGE_MEMORY)?);
            }
        }
        if number < their_runs {
            theirs.push(once(options, appliance, APPLIANCE_MEMORY)?);
        }
    }
    Ok(rows(ours, &theirs))
}

/// Builds the appliance, starts it once, and says how that went.
///
/// # Errors
/// When it cannot be built or no protected ping comes back.
pub(crate) fn appliance() -> Result<()> {
    let bytes = Appliance::ready()?.shipped_bytes()?;
    println!("kernel and compressed initial file system: {bytes} bytes");
    once(&mut Options::default(), Gateway::Appliance { offloads: true }, APPLIANCE_MEMORY).map(|_| ())
}

fn once(options: &mut Options, gateway: Gateway, memory: u32) -> Result<Times> {
    options.settle();
    let times = Bed::start(gateway, Size::memory(memory))?.times;
    options.note(&format!(
        "boot {}: ready {:.3} s, first ping {:.3} s, processor {:.2} s",
        gateway.name(),
        times.ready.as_secs_f64(),
        times.first_ping.as_secs_f64(),
        times.processor.as_secs_f64()
    ));
    Ok(times)
}

/// One figure of a start.
type Figure = (&'static str, fn(&Times) -> f64, Option<f64>);

const FIGURES: [Figure; 3] = [
    ("QEMU start to IKE ready", |times| times.ready.as_secs_f64(), Some(READY_SHARE)),
    ("QEMU start to first protected ping", |times| times.first_ping.as_secs_f64(), Some(PING_SHARE)),
    ("processor time to first protected ping", |times| times.processor.as_secs_f64(), None),
];

fn median(times: &[Times], figure: fn(&Times) -> f64) -> Option<f64> {
    Spread::of(&times.iter().map(figure).collect::<Vec<_>>()).map(|spread| spread.median)
}

fn rows<const N: usize>(mut ours: [(Board, Vec<Times>); N], theirs: &[Times]) -> Vec<Row> {
    let ping = |times: &[Times]| median(times, FIGURES[1].1).unwrap_or(f64::INFINITY);
    ours.sort_by(|(_, a), (_, b)| ping(a).total_cmp(&ping(b)));
    let mut rows = Vec::new();
    for (rank, (board, times)) in ours.iter().enumerate() {
        for (name, figure, share) in FIGURES {
            let samples: Vec<f64> = times.iter().map(figure).collect();
            let Some(row) = Row::sampled(&format!("{name}, {}", board.name()), &samples, "s") else {
                continue;
            };
            let row = row.beside(median(theirs, figure));
            rows.push(match share {
                Some(share) if rank == 0 => row.goal(Goal::ratio_at_most(share)),
                _ => row,
            });
        }
    }
    for (name, figure, _) in FIGURES {
        let samples: Vec<f64> = theirs.iter().map(figure).collect();
        rows.extend(Row::sampled(&format!("appliance: {name}"), &samples, "s"));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::report::Standing;
    use super::*;
    use core::time::Duration;

    fn times(ready: u64, first_ping: u64) -> Times {
        let milliseconds = Duration::from_millis;
        Times { ready: milliseconds(ready), first_ping: milliseconds(first_ping), processor: Duration::ZERO }
    }

    #[test]
    fn the_faster_board_bears_the_goals() {
        let ours = [(Board::Microvm, vec![times(300, 500)]), (Board::Q35, vec![times(200, 300)])];
        let rows = rows(ours, &[times(4000, 4800), times(5000, 6000), times(4100, 4900)]);
        assert_eq!(rows.len(), 9);
        assert!(rows[0].name.ends_with("q35") && rows[0].ratio.is_some_and(|ratio| ratio < 0.05));
        assert_eq!(rows[0].standing(), Standing::Met);
        assert_eq!(rows[1].standing(), Standing::Met);
        assert!(rows[3].name.ends_with("microvm"));
        assert_eq!(rows[3].standing(), Standing::NoGoal);
        assert_eq!(rows[6].value, 4.1);
    }

    #[test]
    fn without_the_appliance_the_goals_are_open() {
        let ours = [(Board::Microvm, vec![times(300, 500)])];
        let rows = rows(ours, &[]);
        assert_eq!((rows.len(), rows[0].standing()), (3, Standing::Unmeasured));
    }
}

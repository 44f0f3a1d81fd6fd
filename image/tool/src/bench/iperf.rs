//! iperf3 as an instrument: one server in the inside namespace, and from the outside one transfer at a time, either
//! way. Its JSON report is read for the receiver's figures only; what a sender believes to have sent is no throughput.

use super::bed::{Bed, FAR_HOST, NEAR_HOST};
use super::error::{Error, Result};
use core::time::Duration;
use ravelin_tests::process::{Process, run};
use serde_json::Value;

/// Tries of one transfer before the bench gives up.
const ATTEMPTS: u32 = 3;
/// Time between them, for the server to be done with the last one.
const PAUSE: Duration = Duration::from_secs(2);

/// Which way the packets go that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the initiator through the tunnel to the inside host: the gateway decrypts.
    In,
    /// From the inside host: the gateway encrypts.
    Out,
}

impl Direction {
    /// Both.
    pub(crate) const ALL: [Direction; 2] = [Direction::In, Direction::Out];

    /// As rows are named.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// What came through of a stream of datagrams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Datagrams {
    /// Received in a second.
    pub(crate) received_per_second: f64,
    /// Share that did not arrive, in percent.
    pub(crate) lost_percent: f64,
}

/// A running server, and the bed it runs on.
pub(crate) struct Iperf<'a> {
    bed: &'a Bed,
    _server: Process,
}

impl<'a> Iperf<'a> {
    /// Starts the server.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn serve(bed: &'a Bed) -> Result<Self> {
        let arguments = ["--server", "--bind", NEAR_HOST, "--forceflush"];
        let server = bed.inside.spawn("iperf3", "iperf3", &arguments)?;
        server.expect_line("listening on", Duration::from_secs(5))?;
        Ok(Self { bed, _server: server })
    }

    /// One TCP stream for `seconds`; Mbit/s received.
    ///
    /// # Errors
    /// When the transfer fails.
    pub(crate) fn stream(&self, direction: Direction, seconds: u32) -> Result<f64> {
        let said = self.client(direction, seconds, &[])?;
        parse_stream(&said)
    }

    /// Datagrams of `payload` bytes at `rate` in a second for `seconds`.
    ///
    /// # Errors
    /// When the transfer fails.
    pub(crate) fn datagrams(
        &self,
        direction: Direction,
        payload: u32,
        rate: u32,
        seconds: u32,
    ) -> Result<Datagrams> {
        let bits = (u64::from(rate) * u64::from(payload) * 8).to_string();
        let said = self.client(
            direction,
            seconds,
            &["--udp", "--bitrate", &bits, "--length", &payload.to_string()],
        )?;
        parse_datagrams(&said)
    }

    fn client(&self, direction: Direction, seconds: u32, more: &[&str]) -> Result<String> {
        // A gateway that stalls can cost iperf3 its control connection. That is no figure, so it is asked again.
        for _ in 1..ATTEMPTS {
            if let Ok(said) = self.attempt(direction, seconds, more) {
                return Ok(said);
            }
            std::thread::sleep(PAUSE);
        }
        self.attempt(direction, seconds, more)
    }

    fn attempt(&self, direction: Direction, seconds: u32, more: &[&str]) -> Result<String> {
        let mut command = self.bed.outside.command("timeout");
        command.args([&(seconds + 15).to_string(), "iperf3", "--json", "--connect-timeout", "5000"]);
        command.args(["--client", NEAR_HOST, "--bind", FAR_HOST, "--time", &seconds.to_string()]).args(more);
        if direction == Direction::Out {
            command.arg("--reverse");
        }
        Ok(run(&mut command)?)
    }
}

fn figure(report: &Value, pointer: &str, figure: &'static str, said: &str) -> Result<f64> {
    let number = report.pointer(pointer).and_then(Value::as_f64);
    number.ok_or_else(|| Error::NoFigure { tool: "iperf3", figure, said: said.to_owned() })
}

fn parse(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or(Value::Null)
}

fn parse_stream(said: &str) -> Result<f64> {
    Ok(figure(&parse(said), "/end/sum_received/bits_per_second", "received bits per second", said)? / 1e6)
}

fn parse_datagrams(said: &str) -> Result<Datagrams> {
    let report = parse(said);
    let packets = figure(&report, "/end/sum/packets", "packets", said)?;
    let lost = figure(&report, "/end/sum/lost_packets", "lost packets", said)?;
    let seconds = figure(&report, "/end/sum/seconds", "seconds", said)?;
    if packets <= 0.0 || seconds <= 0.0 {
        return Ok(Datagrams { received_per_second: 0.0, lost_percent: 100.0 });
    }
    Ok(Datagrams { received_per_second: (packets - lost) / seconds, lost_percent: 100.0 * lost / packets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_figures_are_read() {
        let said = r#"{"end":{"sum":{"seconds":2.0,"packets":10000,"lost_packets":500,"lost_percent":5}}}"#;
        let datagrams = parse_datagrams(said).expect("complete");
        assert_eq!(datagrams, Datagrams { received_per_second: 4750.0, lost_percent: 5.0 });
        let said = r#"{"end":{"sum_sent":{"bits_per_second":9e7},"sum_received":{"bits_per_second":8e7}}}"#;
        assert!((parse_stream(said).expect("complete") - 80.0).abs() < 1e-9);
    }

    #[test]
    fn a_failed_run_is_an_error_and_no_zero() {
        let said = r#"{"error":"unable to connect to server"}"#;
        assert!(matches!(parse_stream(said), Err(Error::NoFigure { .. })));
        assert!(matches!(parse_datagrams("not JSON"), Err(Error::NoFigure { .. })));
    }
}

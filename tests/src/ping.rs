//! `ping` as an instrument: how many echoes were sent, how many came back, and when the first did.

use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::process::{Process, run};
use core::time::Duration;
use regex_lite::Regex;

/// What a series of echoes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echoes {
    /// Requests sent.
    pub sent: u32,
    /// Replies received.
    pub received: u32,
}

/// Reads the summary line of iputils' `ping`.
///
/// # Errors
/// When there is none.
pub fn parse(said: &str) -> Result<Echoes> {
    let missing = || Error::Observed { expected: "ping's summary".into(), found: said.to_string() };
    let regex = Regex::new(r"(\d+) packets transmitted, (\d+) received").map_err(|_| missing())?;
    let found = regex.captures(said).ok_or_else(missing)?;
    let number = |index| found.get(index).and_then(|group| group.as_str().parse().ok()).ok_or_else(missing);
    Ok(Echoes { sent: number(1)?, received: number(2)? })
}

/// Sends `count` echoes of `size` octets from `source` to `target`, one every `interval`.
///
/// # Errors
/// When ping cannot run. Lost echoes are no error; look at the result.
pub fn ping(
    namespace: &Namespace,
    source: &str,
    target: &str,
    count: u32,
    interval: Duration,
    size: u32,
) -> Result<Echoes> {
    let mut command = namespace.command("ping");
    command.args(arguments(source, target, count, interval, size));
    match run(&mut command) {
        Ok(said) => parse(&said),
        Err(Error::Command { said, .. }) => parse(&said),
        Err(other) => Err(other),
    }
}

/// Demands that `count` echoes all come back.
///
/// # Errors
/// When one does not.
pub fn all(namespace: &Namespace, source: &str, target: &str, count: u32) -> Result<()> {
    let echoes = ping(namespace, source, target, count, Duration::from_millis(100), 56)?;
    crate::error::demand(
        echoes.sent == count && echoes.received == count,
        format!("all of {count} echoes from {source} to {target}"),
        format!("{} of {}", echoes.received, echoes.sent),
    )
}

/// Demands that no echo comes back.
///
/// # Errors
/// When one does.
pub fn none(namespace: &Namespace, source: &str, target: &str, count: u32) -> Result<()> {
    let echoes = ping(namespace, source, target, count, Duration::from_millis(200), 56)?;
    crate::error::demand(
        echoes.sent >= 1 && echoes.received == 0,
        format!("no echo from {source} to {target}"),
        format!("{} of {}", echoes.received, echoes.sent),
    )
}

fn arguments(source: &str, target: &str, count: u32, interval: Duration, size: u32) -> Vec<String> {
    let interval = format!("{:.3}", interval.as_secs_f64());
    let (count, size) = (count.to_string(), size.to_string());
    ["-n", "-W", "1", "-I", source, "-c", &count, "-i", &interval, "-s", &size, target]
        .iter()
        .map(|&argument| argument.to_string())
        .collect()
}

/// A ping that runs beside the test until it is stopped.
pub struct Background(Process);

impl Background {
    /// Starts echoing every `interval`.
    ///
    /// # Errors
    /// When ping cannot be started.
    pub fn start(
        namespace: &Namespace,
        source: &str,
        target: &str,
        interval: Duration,
    ) -> Result<Background> {
        let arguments = arguments(source, target, 1_000_000, interval, 56);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(Background(namespace.spawn("ping", "ping", &arguments)?))
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.0
    }

    /// Ends it in order and returns the counts. An echo that is under way when ping ends counts as sent only, so the
    /// sequence numbers that came back are the better witness: see [`Background::stop`]'s second value, which names
    /// the numbers that are missing below the highest one received.
    ///
    /// # Errors
    /// When ping says no summary.
    pub fn stop(mut self) -> Result<(Echoes, Vec<u32>)> {
        self.0.signal(rustix::process::Signal::INT);
        self.0.wait(Duration::from_secs(5))?;
        std::thread::sleep(Duration::from_millis(50));
        let text = self.0.transcript().text();
        let regex = Regex::new(r"icmp_seq=(\d+) ")
            .map_err(|error| Error::Observed { expected: "a pattern".into(), found: error.to_string() })?;
        let replies = text.lines().filter(|line| line.contains("bytes from"));
        let seen: Vec<u32> =
            replies.filter_map(|line| regex.captures(line)?.get(1)?.as_str().parse().ok()).collect();
        let highest = seen.iter().copied().max().unwrap_or(0);
        let lost = (1..=highest).filter(|number| !seen.contains(number)).collect();
        Ok((parse(&text)?, lost))
    }
}

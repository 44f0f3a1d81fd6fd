//! A TCP transfer whose content is checked: `send` and `receive` run inside namespaces and print the SHA-256 of what
//! went through their hands.
//!
//! They are hidden subcommands of the host tool (`xtask traffic …`), so a namespace needs nothing but that program.

use crate::datagrams;
use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::paths;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use regex_lite::Regex;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Instant;

/// What one end reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Octets sent or received.
    pub octets: u64,
    /// SHA-256 of them, in hex.
    pub digest: String,
    /// From the first octet to the last.
    pub time: Duration,
}

impl Report {
    /// Mbit/s over the reported time.
    pub fn megabits_per_second(&self) -> f64 {
        self.octets as f64 * 8.0 / 1e6 / self.time.as_secs_f64().max(1e-9)
    }
}

/// The subcommand's whole job: an end of a transfer, or of a load of datagrams.
///
/// # Errors
/// When the arguments are wrong or the connection fails.
pub fn main(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["receive", address] => receive(parsed(address)?),
        ["send", local, address, octets, seed] => {
            send(parsed(local)?, parsed(address)?, parsed(octets)?, parsed(seed)?)
        }
        ["sink", address] => datagrams::sink(parsed(address)?),
        ["burst", local, target, octets, count, pause] => datagrams::burst(
            parsed(local)?,
            parsed(target)?,
            parsed(octets)?,
            parsed(count)?,
            Duration::from_micros(parsed(pause)?),
        ),
        _ => Err(Error::Observed {
            expected: "receive ADDRESS:PORT | send LOCAL-IP ADDRESS:PORT OCTETS SEED | sink ADDRESS:PORT | \
                       burst LOCAL:PORT ADDRESS:PORT OCTETS COUNT MICROSECONDS"
                .into(),
            found: arguments.join(" "),
        }),
    }
}

fn parsed<T: core::str::FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| Error::Observed {
        expected: format!("a {}", core::any::type_name::<T>()),
        found: word.into(),
    })
}

fn receive(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).map_err(Error::io(format!("listening on {address}")))?;
    println!("listening");
    let (mut stream, _) = listener.accept().map_err(Error::io("accepting"))?;
    let (mut hash, mut octets, mut buffer) = (Sha256::new(), 0, vec![0; 65536]);
    let started = Instant::now();
    loop {
        let count = stream.read(&mut buffer).map_err(Error::io("receiving"))?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        octets += count as u64;
        hash.update(bytes);
    }
    print_report(octets, hash, started);
    Ok(())
}

fn send(local: IpAddr, address: SocketAddr, octets: u64, seed: u64) -> Result<()> {
    let doing = format!("connecting {local} to {address}");
    let socket = rustix::net::socket(
        if address.is_ipv4() { rustix::net::AddressFamily::INET } else { rustix::net::AddressFamily::INET6 },
        rustix::net::SocketType::STREAM,
        None,
    );
    let stream = socket.and_then(|socket| {
        rustix::net::bind(&socket, &SocketAddr::new(local, 0))?;
        rustix::net::connect(&socket, &address)?;
        Ok(TcpStream::from(socket))
    });
    let mut stream = stream.map_err(|errno| Error::io(doing)(errno.into()))?;
    let (mut hash, mut left, mut state) = (Sha256::new(), octets, seed | 1);
    let started = Instant::now();
    let mut buffer = vec![0; 65536];
    while left > 0 {
        for chunk in buffer.chunks_mut(8) {
            // xorshift64: content that neither repeats nor compresses, and that a seed reproduces.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let bytes = buffer.get(..count).unwrap_or_default();
        stream.write_all(bytes).map_err(Error::io("sending"))?;
        hash.update(bytes);
        left -= count as u64;
    }
    stream.shutdown(Shutdown::Write).map_err(Error::io("closing"))?;
    // The peer closes when it has read everything; only then is the time honest.
    let _ = stream.read(&mut [0; 1]);
    print_report(octets, hash, started);
    Ok(())
}

fn print_report(octets: u64, hash: Sha256, started: Instant) {
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("octets {octets} sha256 {digest} microseconds {}", started.elapsed().as_micros());
}

/// Reads the line that an end prints.
///
/// # Errors
/// When there is none.
pub fn parse(said: &str) -> Result<Report> {
    let missing = || Error::Observed { expected: "a traffic report".into(), found: said.to_string() };
    let regex =
        Regex::new(r"octets (\d+) sha256 ([0-9a-f]{64}) microseconds (\d+)").map_err(|_| missing())?;
    let found = regex.captures(said).ok_or_else(missing)?;
    let text = |index| found.get(index).map(|group| group.as_str()).ok_or_else(missing);
    let micros = text(3)?.parse().map_err(|_| missing())?;
    Ok(Report {
        octets: text(1)?.parse().map_err(|_| missing())?,
        digest: text(2)?.to_string(),
        time: Duration::from_micros(micros),
    })
}

/// One end of a transfer.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// Where it runs.
    pub namespace: &'a Namespace,
    /// Its address.
    pub address: &'a str,
}

/// Sends `octets` from `from` to `to` and demands that the same content arrives; returns the receiver's report.
///
/// # Errors
/// When the transfer fails, ends early, or the hashes differ.
pub fn transfer(from: End<'_>, to: End<'_>, octets: u64, timeout: Duration) -> Result<Report> {
    let program = paths::xtask().display().to_string();
    let bracketed = if to.address.contains(':') { format!("[{}]", to.address) } else { to.address.into() };
    let target = format!("{bracketed}:5001");
    let mut receiver = to.namespace.spawn("receive", &program, &["traffic", "receive", &target])?;
    receiver.expect_line("^listening$", Duration::from_secs(5))?;
    let octets_text = octets.to_string();
    let arguments = ["traffic", "send", from.address, &target, &octets_text, "20261122"];
    let mut sender = from.namespace.spawn("send", &program, &arguments)?;
    let sent = sender.expect_line("^octets ", timeout)?;
    let got = receiver.expect_line("^octets ", Duration::from_secs(10))?;
    sender.wait(Duration::from_secs(5))?;
    receiver.wait(Duration::from_secs(5))?;
    let (sent, got) = (parse(&sent.text)?, parse(&got.text)?);
    demand(got.octets == octets, format!("{octets} octets to arrive"), got.octets)?;
    demand(got.digest == sent.digest, format!("the content's hash {}", sent.digest), &got.digest)?;
    Ok(got)
}

//! Datagrams in bursts, as a load whose packets can be counted: `burst` and `sink` run inside namespaces, as the ends of
//! [`crate::traffic`] do.

use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::paths;
use core::net::SocketAddr;
use core::time::Duration;
use std::net::UdpSocket;
use std::time::Instant;

/// Port of the sink.
const PORT: u16 = 5003;
/// Datagrams of a burst.
const BURST: u64 = 32;
/// Silence after which the sink says what has come.
const SILENCE: Duration = Duration::from_millis(500);
/// The longest that a sink waits for its first datagram.
const PATIENCE: Duration = Duration::from_secs(20);

/// `sink ADDRESS:PORT`: counts datagrams until it is silent.
pub(crate) fn sink(address: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind(address).map_err(Error::io(format!("listening on {address}")))?;
    socket.set_read_timeout(Some(SILENCE)).map_err(Error::io("setting a timeout"))?;
    println!("listening");
    let (mut count, mut octets, started) = (0u64, 0u64, Instant::now());
    let mut buffer = vec![0; 65536];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                count += 1;
                octets += length as u64;
            }
            Err(_) if count > 0 || started.elapsed() > PATIENCE => break,
            Err(_) => {}
        }
    }
    println!("datagrams {count} octets {octets}");
    Ok(())
}

/// `burst LOCAL:PORT TARGET:PORT OCTETS COUNT MICROSECONDS`: bursts with pauses between them.
pub(crate) fn burst(
    local: SocketAddr,
    target: SocketAddr,
    octets: usize,
    count: u64,
    pause: Duration,
) -> Result<()> {
    let socket = UdpSocket::bind(local).map_err(Error::io(format!("binding {local}")))?;
    let payload = vec![0x5a; octets];
    for number in 1..=count {
        // A full queue of the interface loses nothing for good: the next one waits.
        while socket.send_to(&payload, target).is_err() {
            std::thread::sleep(Duration::from_micros(100));
        }
        if number % BURST == 0 {
            std::thread::sleep(pause);
        }
    }
    println!("sent {count}");
    Ok(())
}

/// Sends `count` datagrams with `octets` of payload from one host to another, with `pause` between bursts of 32; how many
/// came.
///
/// # Errors
/// When an end fails.
pub fn transfer(
    (from, source): (&Namespace, &str),
    (to, target): (&Namespace, &str),
    octets: usize,
    count: u64,
    pause: Duration,
) -> Result<u64> {
    let program = paths::xtask().display().to_string();
    let bracketed = |address: &str, port: u16| {
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    };
    let target = bracketed(target, PORT);
    let sink = to.spawn("sink", &program, &["traffic", "sink", &target])?;
    sink.expect_line("^listening$", Duration::from_secs(5))?;
    let numbers = [octets.to_string(), count.to_string(), pause.as_micros().to_string()];
    let [octets, count_text, pause] = numbers.each_ref().map(String::as_str);
    let source = bracketed(source, 0);
    let arguments = ["traffic", "burst", &source, &target, octets, count_text, pause];
    let sender = from.spawn("burst", &program, &arguments)?;
    sender.expect_line("^sent ", Duration::from_secs(120))?;
    let said = sink.expect_line("^datagrams ", Duration::from_secs(30))?.text;
    let came: Option<u64> = said.split(' ').nth(1).and_then(|word| word.parse().ok());
    demand(came.is_some(), "a count of datagrams", &said)?;
    Ok(came.unwrap_or_default())
}

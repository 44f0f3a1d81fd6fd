//! An IKE responder on real UDP sockets, for tests against real peers: it negotiates, prints what the data path would
//! have to do, and carries no ESP. Lines on standard input are commands: `delete-ike`, `delete-child`, `soft`, `traffic`
//! (about the newest child or IKE SA), `quit`.
//!
//! Usage: `responder ADDRESS [--ike PROPOSALS] [--esp PROPOSALS] [--psk SECRET] [--local-ts CIDR,..] [--remote-ts CIDR,..]
//! [--transport] [--encap] [--dpd SECONDS] [--rekey SECONDS] [--cookie N] [--local-id ID] [--remote-id ID] [--delay MILLISECONDS]
//! [--dump FILE]`. `--delay` holds back what is sent, so that requests of both ends cross.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core, missing_docs)]

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use ike_lite::proposal::parse_list;
use ike_lite::{
    Child, Command, Config, Connection, Datagram, Endpoint, Event, Identity, IdentityMatch, Instant, KeyLog,
    Mode, Output, Psk, SelectorSpec, TrafficSelector,
};

const MARKER: [u8; 4] = [0; 4];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn selectors(list: &str) -> Vec<SelectorSpec> {
    let one = |text: &str| {
        let (address, length) = text.split_once('/').expect("CIDR");
        let address = address.parse().expect("address");
        SelectorSpec::Fixed(TrafficSelector::prefix(address, length.parse().expect("length")))
    };
    list.split(',').map(one).collect()
}

struct Options {
    address: IpAddr,
    config: Config,
    dump: Option<File>,
    delay: Duration,
}

/// What is held back, each with its time: local port, peer, message.
type Held = Vec<(std::time::Instant, u16, SocketAddr, Vec<u8>)>;

fn options() -> Options {
    let mut args = std::env::args().skip(1);
    let address: IpAddr = args.next().expect("address").parse().expect("address");
    let mut child = Child::new("net");
    let mut connection = Connection::new("gw", Psk::new(b"0123456789abcdef-shared"));
    connection.local_id = Some(Identity::Fqdn("b.test".into()));
    let mut dump = None;
    let mut delay = Duration::ZERO;
    let mut config = Config { keylog: true, ..Config::default() };
    while let Some(option) = args.next() {
        let mut value = || args.next().expect("a value");
        match option.as_str() {
            "--ike" => connection.proposals = parse_list(&value()).expect("proposals"),
            "--esp" => child.esp_proposals = parse_list(&value()).expect("proposals"),
            "--psk" => connection.psk = Psk::new(value().as_bytes()),
            "--local-ts" => child.local_ts = selectors(&value()),
            "--remote-ts" => child.remote_ts = selectors(&value()),
            "--transport" => child.mode = Mode::Transport,
            "--encap" => connection.encap = true,
            "--dpd" => connection.dpd_delay = Some(Duration::from_secs(value().parse().expect("seconds"))),
            "--rekey" => connection.rekey_time = Some(Duration::from_secs(value().parse().expect("seconds"))),
            "--cookie" => config.limits.cookie_threshold = value().parse().expect("number"),
            "--local-id" => connection.local_id = Some(Identity::Fqdn(value())),
            "--remote-id" => connection.remote_id = IdentityMatch::Is(Identity::Fqdn(value())),
            "--delay" => delay = Duration::from_millis(value().parse().expect("milliseconds")),
            "--dump" => dump = Some(File::create(value()).expect("dump file")),
            other => panic!("unknown option {other}"),
        }
    }
    connection.children.push(child);
    config.connections.push(connection);
    Options { address, config, dump, delay }
}

fn main() {
    let Options { address, config, mut dump, delay } = options();
    let mut held = Held::new();
    let mut seed = [0; 32];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut seed)).expect("random octets");
    let mut rng = ChaCha20Rng::from_seed(seed);
    let mut endpoint = Endpoint::new(config, &mut rng).expect("configuration");
    let sockets = [500, 4500].map(|port| {
        let socket = UdpSocket::bind((address, port)).expect("bind");
        socket.set_nonblocking(true).expect("non-blocking");
        socket
    });
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    let start = std::time::Instant::now();
    let (mut ike, mut child) = (None, None);
    println!("ready");
    loop {
        let now = Instant(u64::try_from(start.elapsed().as_micros()).expect("time"));
        let mut buffer = [0; 65536];
        for socket in &sockets {
            let local = socket.local_addr().expect("address");
            while let Ok((length, remote)) = socket.recv_from(&mut buffer) {
                let bytes = &buffer[..length];
                let bytes = if local.port() == 4500 { bytes.strip_prefix(&MARKER) } else { Some(bytes) };
                let Some(bytes) = bytes else { continue };
                log(&mut dump, "in", remote, bytes);
                endpoint.handle(now, &mut rng, Datagram { local, remote, bytes });
                drain(&mut endpoint, now, &mut rng, delay, &mut held, &mut dump, &mut ike, &mut child);
            }
        }
        while let Ok(line) = lines.try_recv() {
            let command = match (line.as_str(), ike, child) {
                ("quit", _, _) => return,
                ("delete-ike", Some(ike), _) => Command::DeleteIke(ike),
                ("delete-child", _, Some(spi)) => Command::DeleteChild { spi },
                ("soft", _, Some(spi)) => Command::SoftLimit { spi },
                ("traffic", _, Some(spi)) => Command::Traffic { spi },
                _ => continue,
            };
            endpoint.command(now, &mut rng, command);
            drain(&mut endpoint, now, &mut rng, delay, &mut held, &mut dump, &mut ike, &mut child);
        }
        drain(&mut endpoint, now, &mut rng, delay, &mut held, &mut dump, &mut ike, &mut child);
        for (_, port, remote, bytes) in held.extract_if(.., |(due, ..)| *due <= std::time::Instant::now()) {
            let (socket, bytes) = if port == 4500 {
                (&sockets[1], [&MARKER[..], &bytes].concat())
            } else {
                (&sockets[0], bytes)
            };
            if let Err(error) = socket.send_to(&bytes, remote) {
                println!("send to {remote}: {error}");
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn log(dump: &mut Option<File>, way: &str, peer: SocketAddr, bytes: &[u8]) {
    if let Some(file) = dump {
        writeln!(file, "{way} {peer} {}", hex(bytes)).expect("dump");
    }
}

#[allow(clippy::too_many_arguments)]
fn drain(
    endpoint: &mut Endpoint,
    now: Instant,
    rng: &mut ChaCha20Rng,
    delay: Duration,
    held: &mut Held,
    dump: &mut Option<File>,
    ike: &mut Option<ike_lite::IkeId>,
    child: &mut Option<ike_lite::Spi>,
) {
    loop {
        match endpoint.poll(now, rng) {
            Output::Wake(_) => return,
            Output::Transmit { local, remote, bytes } => {
                log(dump, "out", remote, &bytes);
                held.push((std::time::Instant::now() + delay, local.port(), remote, bytes));
            }
            Output::InstallChild(sa) => {
                *child = Some(sa.spi_in);
                let list = |list: &[TrafficSelector]| {
                    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                };
                println!(
                    "install {:08x}/{:08x} {:?} esn={} {:?} encap={} replaces={:x?} {} === {}",
                    sa.spi_in.0,
                    sa.spi_out.0,
                    sa.algorithm,
                    sa.esn,
                    sa.mode,
                    sa.encap.is_some(),
                    sa.replaces.map(|s| s.0),
                    list(&sa.local_ts),
                    list(&sa.remote_ts),
                );
            }
            Output::ActivateOutbound { spi_in, .. } => println!("activate {:08x}", spi_in.0),
            Output::RemoveChild { spi_in, why, .. } => println!("remove {:08x} {why:?}", spi_in.0),
            Output::MoveChild { spi_in, encap, .. } => println!("move {:08x} {encap:?}", spi_in.0),
            Output::KeyLog(KeyLog::Ike { spi_i, spi_r, sk_ei, sk_er }) => {
                log_keys(dump, &format!("ike {spi_i:016x} {spi_r:016x} {} {}", hex(&sk_ei), hex(&sk_er)));
            }
            Output::KeyLog(KeyLog::Child { spi_in, spi_out, key_in, key_out }) => {
                log_keys(
                    dump,
                    &format!("child {:08x} {:08x} {} {}", spi_in.0, spi_out.0, hex(&key_in), hex(&key_out)),
                );
            }
            Output::Event(event) => {
                if let Event::IkeUp { ike: id, .. } = &event {
                    *ike = Some(*id);
                }
                println!("event {event:?}");
            }
        }
        std::io::stdout().flush().expect("stdout");
    }
}

fn log_keys(dump: &mut Option<File>, line: &str) {
    if let Some(file) = dump {
        writeln!(file, "key {line}").expect("dump");
    }
}

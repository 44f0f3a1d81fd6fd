//! What a packet costs here, in nanoseconds: policy look-up, sealing, and opening, per algorithm and size,
//! in tunnel mode with ESN.
//!
//! `cargo run --release -p ipsec --example throughput [SECONDS]`; under `qemu-x86_64 -cpu max` it shows what
//! emulation makes of the ciphers.

use core::time::Duration;
use std::time::Instant;

use ipsec::{
    Action, Algorithm, Direction, Handle, Ipsec, Key, Mode, Outbound, Policy, PolicyId, SaParams, Selector,
    Spi,
};
use net::{Flow, Packet, Pool};

const NOW: net::Instant = net::Instant::from_secs(1);
const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";

fn gate(direction: Direction, ends: (&str, &str), algorithm: Algorithm) -> (Ipsec, Handle, PolicyId) {
    let prefix = |text: &str| text.parse::<net::Prefix>().expect("prefix").into();
    let (inside, outside) = match direction {
        Direction::Out => ("10.1.0.0/16", "10.2.0.0/16"),
        Direction::In => ("10.2.0.0/16", "10.1.0.0/16"),
    };
    let mut gate = Ipsec::new(16);
    for n in 0..4 {
        let other = Selector::addresses(prefix(&format!("172.16.{n}.0/24")), prefix("0.0.0.0/0"));
        gate.spd_mut().push(Policy { selectors: other.into_iter().collect(), action: Action::Bypass });
    }
    let selectors: Vec<_> = Selector::addresses(prefix(inside), prefix(outside)).into_iter().collect();
    let policy = gate.spd_mut().push(Policy { selectors: selectors.clone(), action: Action::TUNNEL });
    let mode = Mode::Tunnel { local: ends.0.parse().unwrap(), remote: ends.1.parse().unwrap() };
    let key = Key::new(&vec![7; algorithm.key_len()]).expect("key");
    let sa = SaParams::new(direction, Spi(4096), mode, (algorithm, key), (policy, selectors));
    let handle = gate.install(NOW, sa).expect("SA");
    gate.activate_outbound(policy, handle);
    (gate, handle, policy)
}

fn inner(length: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; length];
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    bytes[8] = 64;
    bytes[9] = 17;
    bytes[12..20].copy_from_slice(&[10, 1, 0, 1, 10, 2, 0, 1]);
    let sum = net::checksum::of(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum);
    bytes
}

fn fill(packet: &mut Packet, bytes: &[u8]) {
    packet.reset(net::packet::HEADROOM);
    packet.append(bytes.len()).expect("room").copy_from_slice(bytes);
}

/// Nanoseconds of one call: the best of the batches that fit into `span`, so that other work on the machine
/// does not count.
fn time(span: Duration, mut call: impl FnMut()) -> f64 {
    const BATCH: u32 = 16;
    let start = Instant::now();
    let mut best = Duration::MAX;
    while start.elapsed() < span {
        let before = Instant::now();
        for _ in 0..BATCH {
            call();
        }
        best = best.min(before.elapsed());
    }
    best.as_nanos() as f64 / f64::from(BATCH)
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.3);
    let span = Duration::from_secs_f64(seconds);
    let pool = Pool::new(4);
    let mut packet = pool.take().expect("packet");
    println!("{:<18} {:>6} {:>9} {:>9} {:>9}", "algorithm", "bytes", "look-up", "seal", "open");
    for algorithm in [Algorithm::AesGcm128, Algorithm::AesGcm256, Algorithm::ChaCha20Poly1305] {
        for length in [64, 576, 1400] {
            let bytes = inner(length);
            let copy = time(span, || fill(&mut packet, &bytes));
            let (mut a, _, _) = gate(Direction::Out, (A, B), algorithm);
            let look = |a: &mut Ipsec| match Flow::parse(&bytes).map(|parsed| a.outbound(NOW, &parsed.flow)) {
                Ok(Outbound::Protect(handle)) => handle,
                other => panic!("{other:?}"),
            };
            let lookup = time(span, || {
                core::hint::black_box(look(&mut a));
            });
            let handle = look(&mut a);
            let seal = time(span, || {
                fill(&mut packet, &bytes);
                a.seal(NOW, handle, &mut packet).expect("sealed");
            }) - copy;
            // A new pair for each batch: the same packets open once.
            let mut sealed = Vec::new();
            let (mut a, _, _) = gate(Direction::Out, (A, B), algorithm);
            let handle = look(&mut a);
            for _ in 0..4096 {
                fill(&mut packet, &bytes);
                a.seal(NOW, handle, &mut packet).expect("sealed");
                sealed.push(packet.bytes().to_vec());
            }
            let (mut b, mut next) = (gate(Direction::In, (B, A), algorithm).0, 0);
            let open = time(span, || {
                if next == sealed.len() {
                    (b, next) = (gate(Direction::In, (B, A), algorithm).0, 0);
                }
                fill(&mut packet, &sealed[next]);
                next += 1;
                b.open(NOW, &mut packet).expect("opened");
            }) - copy;
            println!("{:<18} {length:>6} {lookup:>9.0} {seal:>9.0} {open:>9.0}", algorithm.name());
        }
    }
}

//! Forwarding as the image does it per packet: a turn of its main loop (`image/src/glue/drive.rs`) over two ports of the
//! ConnectX driver. Frames come in by the inside, are looked up in policies, which let them pass in the clear, and in
//! routes and neighbours, and leave by the outside.
//!
//! A device writes a frame's bytes; here they are written between what is measured: after the burst has been received,
//! before the gateway sees it. Left out: ESP, console and sleep; the clock stands still.

use crate::case::Measure;
use crate::machine::Machine;
use crate::measured;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use gateway::{Gateway, PortDevice};
use mlx5_pci::nic::Mlx5;
use net::software::Complete;
use net::{Burst, Instant, Nic, Packet, Pool, PortId};

/// The configuration: its first port is the outside.
const CONFIG: &str = r#"
[[port]]
name = "outside"
side = "outside"
addresses = ["10.9.0.2/24"]
[[port]]
name = "inside"
side = "inside"
addresses = ["10.2.0.1/24"]
[[policy]]
action = "bypass"
"#;
pub(crate) const OUTSIDE: PortId = PortId(0);
pub(crate) const INSIDE: PortId = PortId(1);
/// Buffers of packets that the gateway makes itself.
pub(crate) const OWN: usize = 64;
pub(crate) const NOW: Instant = Instant::from_secs(1);
/// Ethernet, IPv4 and UDP.
pub(crate) const HEADERS: usize = 42;
pub(crate) const ETHERNET: usize = 14;
/// A host on the inside and one on the outside, which has an address of its own on the wire.
pub(crate) const HOST: [u8; 4] = [10, 2, 0, 10];
pub(crate) const PEER: [u8; 4] = [10, 9, 0, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OWN_OUTSIDE: [u8; 4] = [10, 9, 0, 2];

/// The gateway between the ports of the driver, in the order of its configuration.
pub(crate) struct Through {
    pub(crate) gateway: Gateway,
    pub(crate) lanes: Vec<Lane<Mlx5<Machine>>>,
    headers: [u8; HEADERS],
}

/// A port in the loop: its driver as the image has it, and frames that its ring had no room for.
pub(crate) struct Lane<N> {
    pub(crate) id: PortId,
    pub(crate) nic: Complete<N>,
    pub(crate) waiting: Burst,
}

impl Through {
    /// A gateway for frames of `length` bytes on drivers whose devices are given back, outside first.
    ///
    /// # Panics
    /// When it cannot be set up.
    pub(crate) fn new(outside: Mlx5<Machine>, inside: Mlx5<Machine>, length: usize) -> Self {
        let pool = Pool::new(OWN);
        let config = gateway::config::parse("bench", CONFIG, &|_| None);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let lane = |id, driver| Lane { id, nic: Complete::new(driver, pool.clone()), waiting: Burst::new() };
        let lanes = vec![lane(OUTSIDE, outside), lane(INSIDE, inside)];
        let devices: Vec<_> =
            lanes.iter().map(|lane| PortDevice { mac: lane.nic.mac(), mtu: 1500 }).collect();
        let rng = Box::new(ChaCha20Rng::seed_from_u64(1));
        let gateway = Gateway::new(config, &devices, pool.clone(), rng, NOW);
        let gateway = gateway.unwrap_or_else(|error| panic!("{error}"));
        let headers = headers(devices[1].mac.0, length);
        Self { gateway, lanes, headers }
    }

    /// The peer answers the question for its address that a first frame has raised; frames that have been waiting are sent.
    pub(crate) fn introduce(&mut self) {
        let mut frame = Packet::with_capacity(2048);
        let length = usize::from(u16::from_be_bytes([self.headers[16], self.headers[17]])) + ETHERNET;
        frame.append(length).expect("room")[..HEADERS].copy_from_slice(&self.headers);
        self.gateway.handle_frame(NOW, INSIDE, frame);
        let outside = self.lanes[0].nic.mac().0;
        let mut answer = Vec::new();
        answer.extend([outside, PEER_MAC].as_flattened());
        // ARP for IPv4 over Ethernet: a reply.
        answer.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        answer.extend([&PEER_MAC[..], &PEER, &outside, &OWN_OUTSIDE].concat());
        self.gateway.handle_frame(NOW, OUTSIDE, Packet::from_bytes(&answer));
        measured::gateway_on(&mut self.gateway, &mut self.lanes, NOW, INSIDE, &mut Burst::new());
    }

    /// One turn of the loop; how many packets the inside had.
    pub(crate) fn turn(&mut self, burst: &mut Burst, measure: &mut impl Measure) -> usize {
        let Self { gateway, lanes, headers } = self;
        let mut count = 0;
        measure.of(|| count = measured::gateway_in(lanes, burst));
        for packet in &mut *burst {
            packet.bytes_mut()[..HEADERS].copy_from_slice(headers);
        }
        measure.of(|| measured::gateway_on(gateway, lanes, NOW, INSIDE, burst));
        count
    }
}

/// Headers of a datagram from the inside host to the outside one.
pub(crate) fn headers(to: [u8; 6], length: usize) -> [u8; HEADERS] {
    let mut bytes = [0; HEADERS];
    bytes[..6].copy_from_slice(&to);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 10]);
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..34].copy_from_slice(&ipv4(17, length - ETHERNET, HOST, PEER));
    bytes[34..38].copy_from_slice(&[0x30, 0x39, 0x00, 0x07]);
    bytes[38..40].copy_from_slice(&((length - ETHERNET - 20) as u16).to_be_bytes());
    bytes
}

/// An IPv4 header.
pub(crate) fn ipv4(protocol: u8, length: usize, source: [u8; 4], destination: [u8; 4]) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[0] = 0x45;
    bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    bytes[8..10].copy_from_slice(&[64, protocol]);
    bytes[12..16].copy_from_slice(&source);
    bytes[16..20].copy_from_slice(&destination);
    sum(&mut bytes);
    bytes
}

/// Sets the checksum of an IPv4 header.
pub(crate) fn sum(header: &mut [u8]) {
    header[10..12].fill(0);
    let words = header.as_chunks::<2>().0;
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
}

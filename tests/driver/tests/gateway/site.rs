//! Two gateways back to back in one process, each between two ports of the ConnectX driver on the model, and a host behind
//! each. Whether ESP is done by the cards or in software is a matter of their configuration.
//!
//! ```text
//!   10.7.0.10 ── inside ─ gateway 0 ─ outside ════ outside ─ gateway 1 ─ inside ── 10.8.0.10
//!   fd07::10              10.9.0.1 fd09::1         10.9.0.2 fd09::2                fd08::10
//! ```

use crate::packets::Sent;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use gateway::card::Shared;
use gateway::{Gateway, PortDevice};
use ipsec::offload::Card;
use mlx5_driver_tests::{InProcess, Machine, open};
use mlx5_model::caps::Profile;
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::receive::Filter;
use net::software::Complete;
use net::{Burst, Instant, Nic, Pool, PortId};
use std::collections::BTreeMap;

/// The largest packet at the hosts; the wire has room for ESP around it.
pub(crate) const MTU: u16 = 1500;
const WIRE_MTU: u16 = 1600;
const OUTSIDE: PortId = PortId(0);
const INSIDE: PortId = PortId(1);
const BUFFERS: usize = 1024;
const NOW: Instant = Instant::from_secs(1);
const MOMENT: Duration = Duration::from_micros(100);
pub(crate) const ETHERNET: usize = 14;

/// Every engine at either end.
pub(crate) const ENGINES: [[bool; 2]; 4] = [[false, false], [true, true], [true, false], [false, true]];

/// How both gateways protect what passes between the hosts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) outer_v6: bool,
    pub(crate) wide_key: bool,
    pub(crate) esn: bool,
    pub(crate) udp: bool,
    /// Whether each gateway's card does its ESP.
    pub(crate) card: [bool; 2],
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = |card| if card { "card" } else { "software" };
        let [left, right] = self.card.map(engine);
        let (outer, bits) =
            (if self.outer_v6 { "IPv6" } else { "IPv4" }, if self.wide_key { 256 } else { 128 });
        let (esn, udp) = (if self.esn { ", ESN" } else { "" }, if self.udp { ", UDP" } else { "" });
        write!(f, "{left} to {right}, {outer} outside, AES-{bits}{esn}{udp}")
    }
}

/// IPv4 address of the host behind a gateway.
pub(crate) fn host4(side: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 7 + side as u8, 0, 10)
}

/// IPv6 address of the host behind a gateway.
pub(crate) fn host6(side: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd07 + side as u16, 0, 0, 0, 0, 0, 0, 0x10)
}

/// Hardware address of the host behind a gateway.
pub(crate) fn host_mac(side: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0x77, side as u8]
}

fn config(side: usize, plan: &Plan, wire_mtu: u16) -> String {
    let other = 1 - side;
    let (own, far) = (7 + side, 7 + other);
    let outer = |side: usize| {
        if plan.outer_v6 { format!("fd09::{}", side + 1) } else { format!("10.9.0.{}", side + 1) }
    };
    let mut text = format!(
        "[[port]]\nname = \"outside\"\nside = \"outside\"\nmtu = {wire_mtu}
addresses = [\"10.9.0.{0}/24\", \"fd09::{0}/64\"]
[[port]]\nname = \"inside\"\nside = \"inside\"\naddresses = [\"10.{own}.0.1/24\", \"fd0{own}::1/64\"]
[[route]]\nto = \"10.{far}.0.0/24\"\nvia = \"10.9.0.{1}\"
[[route]]\nto = \"fd0{far}::/64\"\nvia = \"fd09::{1}\"
[[policy]]\nname = \"net\"\naction = \"protect\"
local_ts = [\"10.{own}.0.0/24\", \"fd0{own}::/64\"]\nremote_ts = [\"10.{far}.0.0/24\", \"fd0{far}::/64\"]\n",
        side + 1,
        other + 1,
    );
    for (direction, from) in [("out", side), ("in", other)] {
        let octets = if plan.wide_key { 36 } else { 20 };
        let key: String = (0..octets).map(|octet| format!("{:02x}", 64 * from + octet + 1)).collect();
        text.push_str(&format!(
            "[[sa]]\npolicy = \"net\"\ndirection = \"{direction}\"\nspi = 0x{:x}\nlocal = \"{}\"\nremote = \"{}\"
esp_proposal = \"aes{}gcm16{}\"\nkey = \"{key}\"\nreplay_window = {}\nhw_offload = \"{}\"\n",
            0x1001 + from,
            outer(side),
            outer(other),
            if plan.wide_key { 256 } else { 128 },
            if plan.esn { "-esn" } else { "" },
            if plan.esn { 64 } else { 0 },
            if plan.card[side] { "packet" } else { "no" },
        ));
        if plan.udp {
            text.push_str("local_port = 4500\nremote_port = 4500\n");
        }
    }
    text
}

/// A port: its card, and its driver as the image has it.
struct Lane {
    id: PortId,
    machine: InProcess,
    nic: Complete<Shared<InProcess>>,
    waiting: Burst,
}

/// A gateway and its ports, outside first.
struct Side {
    gateway: Gateway,
    lanes: Vec<Lane>,
}

impl Side {
    /// Cards lack some capabilities.
    fn new(side: usize, plan: &Plan, lacks: &[&str], wire_mtu: u16) -> Self {
        let pool = Pool::for_frames(BUFFERS, usize::from(WIRE_MTU) + 18);
        let parsed = gateway::config::parse("test", &config(side, plan, wire_mtu), &|_| None);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        let (mut lanes, mut cards, mut devices) = (Vec::new(), Vec::new(), Vec::new());
        for (id, mtu) in [(OUTSIDE, wire_mtu), (INSIDE, MTU)] {
            let mac = [2, 0, 0, 0, side as u8, id.0];
            let mut profile = Profile::named("cx7").unwrap();
            profile.set_mac(mac);
            lacks.iter().for_each(|capability| profile.set(capability, 0).unwrap());
            let machine = InProcess::with_profile(profile);
            let queues = Settings { log_send: 7, log_receive: 6, ..Settings::default() };
            let filter = Filter { unicast: vec![mac], all_multicast: true, ..Filter::default() };
            let settings = PortSettings { queues, mtu, filter };
            let nic = Mlx5::new(open(&machine), settings, pool.clone(), id).unwrap();
            let card = Shared::new(nic, id);
            devices.push(PortDevice { mac: card.mac(), mtu });
            let engine: Box<dyn Card> = Box::new(card.clone());
            cards.push((id, engine));
            lanes.push(Lane { id, machine, nic: Complete::new(card, pool.clone()), waiting: Burst::new() });
        }
        let rng = Box::new(ChaCha20Rng::seed_from_u64(side as u64));
        let gateway = Gateway::with_cards(parsed, &devices, cards, pool, rng, NOW);
        Self { gateway: gateway.unwrap_or_else(|error| panic!("{error}")), lanes }
    }

    /// One turn of the loop; whether there was anything to do.
    fn turn(&mut self) -> bool {
        let Self { gateway, lanes } = self;
        let (mut burst, mut busy) = (Burst::new(), false);
        for lane in lanes.iter_mut() {
            // Cards keep completions back for a while, to compress them.
            lane.machine.pass(MOMENT);
            while lane.nic.rx(&mut burst) > 0 {
                busy = true;
                gateway.handle_burst(NOW, lane.id, &mut burst);
            }
        }
        gateway.poll(NOW);
        for lane in lanes {
            gateway.take_tx(NOW, lane.id, &mut lane.waiting);
            while !lane.waiting.is_empty() && lane.nic.tx(&mut lane.waiting) > 0 {
                gateway.take_tx(NOW, lane.id, &mut lane.waiting);
            }
            lane.nic.arm();
        }
        busy
    }
}

/// Both gateways.
pub(crate) struct Site {
    sides: [Side; 2],
    /// Frames of the wire between the gateways since the last look.
    pub(crate) wire: Vec<Vec<u8>>,
}

impl Site {
    /// Gateways that know the hosts behind them and each other.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self::with(plan, &[], WIRE_MTU)
    }

    /// As [`Site::new`], on cards that lack some capabilities.
    pub(crate) fn lacking(plan: &Plan, lacks: &[&str]) -> Self {
        Self::with(plan, lacks, WIRE_MTU)
    }

    /// As [`Site::new`], with no room on the wire for what ESP adds to the largest packets.
    pub(crate) fn narrow(plan: &Plan) -> Self {
        Self::with(plan, &[], MTU)
    }

    fn with(plan: &Plan, lacks: &[&str], wire_mtu: u16) -> Self {
        let sides = [0, 1].map(|side| Side::new(side, plan, lacks, wire_mtu));
        let mut site = Self { sides, wire: Vec::new() };
        for side in 0..2 {
            for question in [arp(side), solicitation(side)] {
                site.sides[side].lanes[1].machine.receive(&question);
            }
        }
        let heard = site.settle();
        assert!(heard.iter().all(|frames| frames.len() == 2), "each host has two answers");
        // Gateways learn of each other when they have something to send.
        for side in 0..2 {
            let mac = site.gateway_mac(side);
            let heard = site.send(&[(side, Sent::plain(false, 8).frame(side, mac))]);
            assert_eq!(heard[1 - side].len(), 1, "{plan}");
        }
        site.wire.clear();
        site
    }

    /// The hardware address that a host sends to.
    pub(crate) fn gateway_mac(&self, side: usize) -> [u8; 6] {
        self.sides[side].lanes[1].nic.mac().0
    }

    /// Hosts send: pairs of side and frame; what each host hears until all is quiet.
    pub(crate) fn send(&mut self, frames: &[(usize, Vec<u8>)]) -> [Vec<Vec<u8>>; 2] {
        for (side, frame) in frames {
            self.sides[*side].lanes[1].machine.receive(frame);
        }
        self.settle()
    }

    /// A frame arrives at a gateway from the wire.
    pub(crate) fn inject(&mut self, side: usize, frame: &[u8]) -> [Vec<Vec<u8>>; 2] {
        self.sides[side].lanes[0].machine.receive(frame);
        self.settle()
    }

    fn settle(&mut self) -> [Vec<Vec<u8>>; 2] {
        let mut heard = [Vec::new(), Vec::new()];
        loop {
            let mut busy = false;
            for (side, heard) in heard.iter_mut().enumerate() {
                busy |= self.sides[side].turn();
                for frame in self.sides[side].lanes[0].machine.sent() {
                    self.sides[1 - side].lanes[0].machine.receive(&frame);
                    self.wire.push(frame);
                    busy = true;
                }
                heard.extend(self.sides[side].lanes[1].machine.sent());
            }
            if !busy {
                return heard;
            }
        }
    }

    /// What a gateway has dropped, by cause.
    pub(crate) fn drops(&mut self, side: usize) -> BTreeMap<String, u64> {
        let status = self.sides[side].gateway.status(NOW);
        let lines = status.iter().filter_map(|line| line.strip_prefix("  drops "));
        let words: Vec<&str> =
            lines.flat_map(|line| line.split([' ', ','])).filter(|word| !word.is_empty()).collect();
        let (pairs, []) = words.as_chunks::<2>() else { panic!("{words:?}") };
        pairs.iter().map(|[cause, count]| ((*cause).to_owned(), count.parse().unwrap())).collect()
    }

    /// What a gateway says of itself.
    pub(crate) fn status(&mut self, side: usize) -> String {
        self.sides[side].gateway.status(NOW).join("\n")
    }

    /// No card has found fault with its driver.
    pub(crate) fn judge(&self) {
        for lane in self.sides.iter().flat_map(|side| &side.lanes) {
            assert_eq!(lane.machine.misuse(), Vec::<String>::new());
        }
    }
}

/// The host asks for the gateway, which so learns of the host.
fn arp(side: usize) -> Vec<u8> {
    let mac = host_mac(side);
    let mut frame = [&[0xff; 6][..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    frame.extend([&mac[..], &host4(side).octets(), &[0; 6], &[10, 7 + side as u8, 0, 1]].concat());
    frame
}

/// The same for IPv6.
fn solicitation(side: usize) -> Vec<u8> {
    let (mac, source) = (host_mac(side), host6(side));
    let target = Ipv6Addr::new(0xfd07 + side as u16, 0, 0, 0, 0, 0, 0, 1);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend([&[1, 1][..], &mac].concat());
    let sum = net::checksum::Sum::new()
        .with_pseudo(source.into(), group.into(), 58, message.len() as u32)
        .with(&message)
        .finish();
    message[2..4].copy_from_slice(&sum);
    let mut frame = [&[0x33, 0x33, 0xff, 0, 0, 1][..], &mac, &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([58, 255]);
    frame.extend([source.octets(), group.octets()].concat());
    frame.extend(message);
    frame
}

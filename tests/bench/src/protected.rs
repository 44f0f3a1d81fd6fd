//! The same turn of the loop as in [`crate::through`], with ESP by the cards: every packet under another one of many SAs,
//! which the gateway has put on the outside's card through the driver, on the strict model, before that is switched off.
//!
//! The device seals and opens nothing here. Outbound the gateway looks the policy and the SA up, and the WQE names the SA;
//! inbound the CQE names the SA, and the gateway takes off the outer header and holds the packet against its selectors.

use crate::card::Card;
use crate::case::Measure;
use crate::machine::Machine;
use crate::measured;
use crate::port::Port;
use crate::through::{self, ETHERNET, HOST, INSIDE, Lane, NOW, OUTSIDE, OWN, PEER, PEER_MAC};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr};
use gateway::card::Shared;
use gateway::config::{Config, Direction};
use gateway::{Gateway, PortDevice};
use ike_lite::TrafficSelector;
use ipsec::Key;
use ipsec::offload::{Card as Esp, CardCounts, CardEvent, CardSa, Name, Reason};
use net::software::Complete;
use net::{Burst, Instant, Nic, Packet, Pool};
use std::rc::Rc;

/// One policy with an SA each way; the others are made from it.
const CONFIG: &str = r#"
[gateway]
sas = 1048576
[[port]]
name = "outside"
side = "outside"
addresses = ["10.9.0.2/24"]
[[port]]
name = "inside"
side = "inside"
addresses = ["10.2.0.1/24"]
[[route]]
to = "11.0.0.0/8"
via = "10.9.0.1"
[[policy]]
name = "net"
action = "protect"
local_ts = "10.2.0.0/24"
remote_ts = "11.0.0.0/32"
[[sa]]
policy = "net"
direction = "out"
spi = 0x100
local = "10.9.0.2"
remote = "10.9.0.1"
esp_proposal = "aes128gcm16-esn"
key = "000102030405060708090a0b0c0d0e0f10111213"
hw_offload = "packet"
[[sa]]
policy = "net"
direction = "in"
spi = 0x100
local = "10.9.0.2"
remote = "10.9.0.1"
esp_proposal = "aes128gcm16-esn"
key = "202122232425262728292a2b2c2d2e2f30313233"
replay_window = 64
hw_offload = "packet"
"#;
/// The first SPI.
const SPI: u32 = 0x100;
/// Bytes of a header.
const IPV4: usize = 20;
/// Protocols.
const IP_IN_IP: u8 = 4;
const UDP: u8 = 17;
/// Packets go from SA to SA in such steps, so that neighbours in time are none in memory.
const STEP: usize = 7919;
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 10];
const OUR_OUTER: [u8; 4] = [10, 9, 0, 2];

/// Gateway and ports.
pub(crate) struct Protected {
    gateway: Gateway,
    lanes: Vec<Lane<Shared<Machine>>>,
    /// The devices of both ports, outside first.
    cards: [Card; 2],
    /// The inbound SAs' names.
    names: Vec<Name>,
    headers: Vec<u8>,
    outbound: bool,
    length: usize,
    /// Packets so far.
    count: usize,
}

/// A card, and the names that it has given to inbound SAs.
struct Witness {
    card: Shared<Machine>,
    names: Rc<RefCell<Vec<Name>>>,
}

impl Esp for Witness {
    fn check(&self, sa: &CardSa) -> Result<(), Reason> {
        self.card.check(sa)
    }

    fn install(&mut self, sa: &CardSa, key: Key) -> Result<Name, Reason> {
        let name = self.card.install(sa, key)?;
        if sa.direction == ipsec::Direction::In {
            self.names.borrow_mut().push(name);
        }
        Ok(name)
    }

    fn retire(&mut self, name: Name) -> Option<CardCounts> {
        self.card.retire(name)
    }

    fn counts(&mut self, each: &mut dyn FnMut(Name, CardCounts)) {
        self.card.counts(each);
    }

    fn poll(&mut self, now: Instant) -> Option<CardEvent> {
        self.card.poll(now)
    }
}

/// The address behind pair `number`.
fn behind(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0b00_0000 + number as u32)
}

/// `pairs` policies, with an SA each way.
fn config(pairs: usize) -> Config {
    let config = gateway::config::parse("bench", CONFIG, &|_| None);
    let mut config = config.unwrap_or_else(|error| panic!("{error}"));
    let (policies, sas) = (core::mem::take(&mut config.policies), core::mem::take(&mut config.sas));
    let policy = policies.first().expect("a policy");
    for number in 0..pairs {
        let address = IpAddr::V4(behind(number));
        let mut policy = policy.clone();
        policy.name = format!("net{number}");
        policy.remote = TrafficSelector::range(address, address).into_iter().collect();
        config.policies.push(policy);
        for sa in &sas {
            let mut sa = sa.clone();
            (sa.policy, sa.spi) = (number, SPI + number as u32);
            debug_assert!(matches!(sa.direction, Direction::In | Direction::Out));
            config.sas.push(sa);
        }
    }
    config
}

impl Protected {
    /// A gateway with `sas` SAs, half of them each way, for frames of `length` bytes at the inside.
    ///
    /// # Panics
    /// When it cannot be set up.
    pub(crate) fn new(outbound: bool, length: usize, sas: usize) -> Self {
        let pool = Pool::new(OWN);
        let ports = [Port::listening(length + IPV4, OUTSIDE), Port::listening(length + IPV4, INSIDE)];
        let machines = ports.each_ref().map(|(_, machine)| machine.clone());
        let names = Rc::new(RefCell::new(Vec::new()));
        let (mut lanes, mut cards, mut engines) = (Vec::new(), Vec::new(), Vec::new());
        for ((port, _), id) in ports.into_iter().zip([OUTSIDE, INSIDE]) {
            let card = Shared::new(port.driver, id);
            assert!(card.lacks().is_none(), "{:?}", card.lacks());
            let witness: Box<dyn Esp> = Box::new(Witness { card: card.clone(), names: names.clone() });
            engines.push((id, witness));
            lanes.push(Lane { id, nic: Complete::new(card, pool.clone()), waiting: Burst::new() });
            cards.push(port.card);
        }
        let devices: Vec<_> =
            lanes.iter().map(|lane| PortDevice { mac: lane.nic.mac(), mtu: 1600 }).collect();
        let rng = Box::new(ChaCha20Rng::seed_from_u64(1));
        let pairs = (sas / 2).max(1);
        let gateway = Gateway::with_cards(config(pairs), &devices, engines, pool, rng, NOW);
        let gateway = gateway.unwrap_or_else(|error| panic!("{error}"));
        for machine in machines {
            assert_eq!(machine.misuse(), Vec::<String>::new());
            machine.switch_off();
        }
        let [outside, inside] = [0, 1].map(|at| devices[at].mac.0);
        let mut headers = Vec::new();
        if outbound {
            headers.extend(through::headers(inside, length));
        } else {
            headers.extend([outside, PEER_MAC].as_flattened());
            headers.extend([8, 0]);
            headers.extend(through::ipv4(IP_IN_IP, length - ETHERNET + IPV4, PEER, OUR_OUTER));
            headers.extend(through::ipv4(UDP, length - ETHERNET, behind(0).octets(), HOST));
            headers.extend(&through::headers([0; 6], length)[ETHERNET + IPV4..]);
        }
        let cards = <[Card; 2]>::try_from(cards).ok().expect("two ports");
        let names = names.take();
        assert_eq!(names.len(), pairs);
        Self { gateway, lanes, cards, names, headers, outbound, length, count: 0 }
    }

    /// Both hosts answer the question for their addresses that a first packet has raised.
    pub(crate) fn introduce(&mut self) {
        for at in 0..2 {
            let id = self.lanes[at].id;
            let own = self.lanes[at].nic.mac().0;
            let (ours, mac, theirs) =
                if at == 0 { (OUR_OUTER, PEER_MAC, PEER) } else { ([10, 2, 0, 1], HOST_MAC, HOST) };
            let mut question = Vec::new();
            question.extend([own, mac].as_flattened());
            // ARP for IPv4 over Ethernet: who asks is known by it.
            question.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
            question.extend([&mac[..], &theirs, &[0; 6], &ours].concat());
            self.gateway.handle_frame(NOW, id, Packet::from_bytes(&question));
        }
        let mut burst = Burst::new();
        measured::gateway_on(&mut self.gateway, &mut self.lanes, NOW, INSIDE, &mut burst);
        for card in &mut self.cards {
            card.send();
        }
    }

    /// One burst of `count` packets; how many were moved.
    ///
    /// # Panics
    /// When not all have left as they should.
    pub(crate) fn turn(&mut self, count: usize, burst: &mut Burst, measure: &mut impl Measure) -> usize {
        let Self { gateway, lanes, cards, names, headers, .. } = self;
        let pairs = names.len();
        let first = self.count;
        let pair = |packet: usize| (first + packet).wrapping_mul(STEP) % pairs;
        self.count += count;
        let [outside, inside] = cards;
        let (from, to, id) =
            if self.outbound { (inside, outside, INSIDE) } else { (outside, inside, OUTSIDE) };
        let extra = IPV4 * usize::from(!self.outbound);
        let told = |packet: usize| if self.outbound { 0 } else { names[pair(packet)].0 };
        from.receive_marked(count, self.length + extra, &told);
        let mut moved = 0;
        measure.of(|| moved = measured::gateway_in(lanes, burst));
        for (number, packet) in burst.iter_mut().enumerate() {
            let bytes = &mut packet.bytes_mut()[..headers.len()];
            bytes.copy_from_slice(headers);
            // What is behind a pair is the inner destination outbound, the inner source inbound.
            let place = if self.outbound { ETHERNET + 16 } else { ETHERNET + IPV4 + 12 };
            let address = behind(pair(number)).octets();
            bytes[place..place + 4].copy_from_slice(&address);
            let inner = if self.outbound { ETHERNET } else { ETHERNET + IPV4 };
            through::sum(&mut bytes[inner..inner + IPV4]);
        }
        measure.of(|| measured::gateway_on(gateway, lanes, NOW, id, burst));
        let sent = to.send();
        let bytes = self.length + IPV4 * usize::from(self.outbound);
        assert_eq!((sent.packets as usize, sent.bytes), (count, (count * bytes) as u64), "all have left");
        moved
    }
}

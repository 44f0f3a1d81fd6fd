//! Two hosts and the gateway in one process, in virtual time:
//!
//! ```text
//!   inside host 10.2.0.10 ── wire ── gateway ── wire ── peer 10.9.0.1, with 10.1.0.0/24 behind it
//! ```
//!
//! The gateway is the real one, driven through its public calls. The peer does ESP by [`esp`], which shares
//! nothing with the gateway's. Every frame is recorded; when a story fails, its captures are written to
//! `target/stories/NAME-{inside,outside}.pcap`.

pub mod esp;
pub mod host;
pub mod packet;
mod setup;

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use gateway::{Gateway, PortDevice};
use net::loopback::{Port, Side, Wire};
use net::pcap::{LinkType, Writer};
use net::wire::EthernetAddress;
use net::{Burst, Duration, Instant, Nic, Pool, PortId};
use rand_core::SeedableRng;

use esp::Sa;
use host::Host;
use packet::{Header, Seen, proto};
pub use setup::Setup;

/// The outside port, in the order of the configuration.
pub const OUTSIDE: PortId = PortId(0);
/// The inside port.
pub const INSIDE: PortId = PortId(1);

/// An address in a story.
pub fn addr(text: &str) -> IpAddr {
    text.parse().expect("address")
}

/// Frames of one wire, as seen by its tap.
struct Record {
    frames: Vec<Vec<u8>>,
    capture: Writer<Vec<u8>>,
}

/// The stage of a story.
pub struct Lab {
    name: &'static str,
    /// Virtual time.
    pub now: Instant,
    clock: Rc<Cell<Instant>>,
    /// The gateway.
    pub gateway: Gateway,
    ports: [Port; 2],
    /// The host on the protected side.
    pub inside: Host,
    /// The peer, and its way to the gateway.
    pub peer: Host,
    /// The SA by which the peer sends.
    pub peer_out: Sa,
    /// The SA by which the peer receives.
    pub peer_in: Sa,
    setup: Setup,
    /// The wire between gateway and peer; the gateway is side A.
    pub outside_wire: Wire,
    records: [Rc<RefCell<Record>>; 2],
    peer_read: usize,
}

impl Lab {
    /// Sets the stage. `name` names the captures.
    pub fn new(name: &'static str, setup: Setup) -> Self {
        let text = setup.config();
        let config =
            gateway::config::parse(name, &text, &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let now = Instant::from_secs(1);
        let clock = Rc::new(Cell::new(now));
        let pool = Pool::new(8192);
        let mac = |last| EthernetAddress([2, 0, 0, 0, 0, last]);
        let (outside_wire, gateway_outside, peer) =
            Wire::new(setup.seed, pool.clone(), [mac(1), mac(2)], setup.outside_mtu);
        let (inside_wire, gateway_inside, host) =
            Wire::new(setup.seed + 1, pool.clone(), [mac(3), mac(4)], 1500);
        let records = [&outside_wire, &inside_wire].map(|wire| {
            let capture =
                Writer::new(Vec::new(), LinkType::Ethernet, Duration::ZERO, 65_535).expect("capture");
            let record = Rc::new(RefCell::new(Record { frames: Vec::new(), capture }));
            let (seen, clock) = (record.clone(), clock.clone());
            wire.set_tap(Box::new(move |_: Side, frame: &[u8]| {
                let mut record = seen.borrow_mut();
                record.frames.push(frame.to_vec());
                record.capture.record(clock.get(), frame).expect("capture");
            }));
            record
        });
        let devices = [&gateway_outside, &gateway_inside]
            .map(|port| PortDevice { mac: port.mac(), mtu: port.link().mtu });
        let rng = Box::new(chacha20::ChaCha20Rng::seed_from_u64(setup.seed));
        let gateway =
            Gateway::new(config, &devices, pool, rng, now).unwrap_or_else(|error| panic!("{error}"));
        let (peer_out, peer_in) = setup.peer_sas();
        Self {
            name,
            now,
            clock,
            gateway,
            ports: [gateway_outside, gateway_inside],
            inside: Host::new(host, &["10.2.0.10/24", "fd02::10/64"], &["10.2.0.1", "fd02::1"]),
            peer: Host::new(peer, &["10.9.0.1/24", "fd09::1/64"], &["10.9.0.2", "fd09::2"]),
            peer_out,
            peer_in,
            setup,
            outside_wire,
            records,
            peer_read: 0,
        }
    }

    /// Lets everybody act until nobody has anything to do.
    fn settle(&mut self) -> Instant {
        loop {
            let mut busy = self.inside.step(self.now) | self.peer.step(self.now);
            for (id, port) in self.ports.iter_mut().enumerate() {
                let id = PortId(id as u8);
                let mut burst = Burst::new();
                busy |= port.rx(&mut burst) > 0;
                self.gateway.handle_burst(self.now, id, &mut burst);
            }
            let wake = self.gateway.poll(self.now);
            for (id, port) in self.ports.iter_mut().enumerate() {
                let mut burst = Burst::new();
                self.gateway.take_tx(self.now, PortId(id as u8), &mut burst);
                busy |= !burst.is_empty();
                port.tx(&mut burst);
            }
            if !busy {
                return wake.min(self.inside.poll(self.now)).min(self.peer.poll(self.now));
            }
        }
    }

    /// Lets `span` pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let wake = self.settle();
            if self.now >= end {
                return;
            }
            // A node that wants to be called at once, although nothing has happened, gets its way a little later.
            self.now = wake.max(self.now + Duration::from_micros(10)).min(end);
            self.clock.set(self.now);
        }
    }

    /// Lets 50 ms pass: enough for everything that needs no timeout.
    pub fn run_short(&mut self) {
        self.run(Duration::from_millis(50));
    }

    /// Resolves all neighbours, so that a story starts without ARP in its way.
    pub fn warm_up(mut self) -> Self {
        for (host, dst) in [("10.2.0.10", "10.2.0.1"), ("fd02::10", "fd02::1")] {
            self.inside.send(self.now, &packet::echo(addr(host), addr(dst), 0, 8));
        }
        for (host, dst) in [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")] {
            self.peer.send(self.now, &packet::echo(addr(host), addr(dst), 0, 8));
        }
        self.run_short();
        assert_eq!(self.inside.inbox.len(), 2, "the gateway answers an echo on its inside");
        self.inside.inbox.clear();
        self.inside.arrived.clear();
        self.peer.inbox.clear();
        self.peer.arrived.clear();
        self.outside_frames();
        self
    }

    /// The outer packet around an ESP packet of the peer.
    pub fn outer(&self, esp: &[u8]) -> Vec<u8> {
        let (gateway, peer) = self.setup.ends();
        if self.setup.encap {
            // Like most implementations over IPv4: no UDP checksum (RFC 3948, section 2.1). Over IPv6 it is needed.
            let mut packet = packet::udp(Header::default(), (peer, 4500), (gateway, 4500), esp);
            if peer.is_ipv4() {
                packet[26..28].fill(0);
            }
            return packet;
        }
        packet::ip(Header::default(), peer, gateway, proto::ESP, esp)
    }

    /// The peer protects `inner` and sends it to the gateway.
    pub fn peer_sends(&mut self, inner: &[u8]) {
        let next = if inner[0] >> 4 == 4 { esp::IPV4 } else { esp::IPV6 };
        let esp = self.peer_out.seal(next, inner);
        let outer = self.outer(&esp);
        self.peer.send(self.now, &outer);
    }

    /// Takes the ESP packets that the peer has received: the outer header, and what was inside.
    pub fn peer_receives(&mut self) -> Vec<(Seen, esp::Payload)> {
        let mut opened = Vec::new();
        for packet in self.peer.inbox.drain(..) {
            let seen = packet::read(&packet);
            let esp = match seen.proto {
                proto::ESP => &seen.payload[..],
                proto::UDP if seen.payload[..4] == [0x11, 0x94, 0x11, 0x94] => &seen.payload[8..],
                _ => continue,
            };
            let payload = self.peer_in.open(esp, 0).unwrap_or_else(|error| panic!("{error}: {seen:?}"));
            opened.push((seen, payload));
        }
        opened
    }

    /// Frames on the outside wire since the last call.
    pub fn outside_frames(&mut self) -> Vec<Vec<u8>> {
        let frames = &self.records[0].borrow().frames;
        let new = frames[self.peer_read..].to_vec();
        self.peer_read = frames.len();
        new
    }

    /// Whether `needle` has ever been on the outside wire.
    pub fn outside_has(&self, needle: &[u8]) -> bool {
        let frames = &self.records[0].borrow().frames;
        frames.iter().any(|frame| frame.windows(needle.len()).any(|window| window == needle))
    }

    /// What the inside host has received.
    pub fn inside_receives(&mut self) -> Vec<Seen> {
        self.inside.inbox.drain(..).map(|packet| packet::read(&packet)).collect()
    }

    /// Every drop cause that has occurred, with its count, in all three layers.
    pub fn drops(&self) -> Vec<(String, u64)> {
        let net =
            self.gateway.stack().counters().iter().map(|(cause, n)| (format!("net.{}", cause.name()), n));
        let ipsec =
            self.gateway.ipsec().drops().iter().map(|(cause, n)| (format!("ipsec.{}", cause.name()), n));
        let own = self.gateway.counters().iter().map(|(cause, n)| (format!("gateway.{}", cause.name()), n));
        net.chain(ipsec).chain(own).filter(|(_, n)| *n > 0).collect()
    }

    /// Runs `act`, lets time pass, and says which causes were counted.
    pub fn causes(&mut self, act: impl FnOnce(&mut Self)) -> Vec<(String, u64)> {
        let before = self.drops();
        act(self);
        self.run_short();
        let mut new = Vec::new();
        for (cause, n) in self.drops() {
            let old = before.iter().find(|(name, _)| *name == cause).map_or(0, |(_, n)| *n);
            if n > old {
                new.push((cause, n - old));
            }
        }
        new
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
        let folder = target.join("stories");
        let _ = std::fs::create_dir_all(&folder);
        for (record, side) in self.records.iter().zip(["outside", "inside"]) {
            let path = folder.join(format!("{}-{side}.pcap", self.name));
            if std::fs::write(&path, record.borrow().capture.sink()).is_ok() {
                eprintln!("capture: {}", path.display());
            }
        }
        for line in self.gateway.status(self.now) {
            eprintln!("{line}");
        }
    }
}

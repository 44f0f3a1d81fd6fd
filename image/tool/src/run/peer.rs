//! A peer of our own for machines without strongSwan or root: the gateway's library as the far gateway, with static
//! keys, and a host on either side. Frames come and go over QEMU's datagram sockets; nothing here needs a privilege.

use super::plan::{Address, Plan};
use core::net::IpAddr;
use core::time::Duration;
use gateway::config;
use gateway::{Gateway, PortDevice};
use net::wire::EthernetAddress;
use net::{
    Burst, Instant, Local, Packet, Pool, PortConfig, PortId, Ports, Prefix, Received, Stack, StackConfig,
};
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

const OUTSIDE: PortId = PortId(0);
const INSIDE: PortId = PortId(1);
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ICMP: u8 = 1;

/// SPIs towards the gateway under view, and towards the peer.
const SPIS: (u32, u32) = (0x7261_0001, 0x7261_0002);

/// Two fresh keys with their salts, in hex: no run ever uses another run's.
pub(crate) struct Keys {
    to_gateway: String,
    to_peer: String,
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl Keys {
    /// Draws both from the system.
    pub(crate) fn draw() -> io::Result<Keys> {
        let hex = |bytes: [u8; 36]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Keys { to_gateway: hex(random()?), to_peer: hex(random()?) })
    }
}

/// The configuration with static SAs for the tunnel's networks, under a policy before all others.
pub(crate) fn with_static_sas(plan: &Plan, keys: &Keys) -> String {
    let (policy, sas) = static_sas(plan, keys, true);
    match plan.text.split_once("\n[[policy]]") {
        Some((before, after)) => format!("{before}\n{policy}[[policy]]{after}\n{sas}"),
        None => format!("{}\n{policy}{sas}", plan.text),
    }
}

/// The tables that give a side its static SAs: policy, SAs. `near` is the side of the gateway under view.
fn static_sas(plan: &Plan, keys: &Keys, near: bool) -> (String, String) {
    let swap = |pair: (String, String)| if near { pair } else { (pair.1, pair.0) };
    let (local, remote) = swap((plan.gateway.ip.to_string(), plan.peer.ip.to_string()));
    let (local_ts, remote_ts) = swap(plan.nets.clone());
    let (to_gateway, to_peer) = if near { ("in", "out") } else { ("out", "in") };
    let sa = |direction: &str, spi: u32, key: &str| {
        format!(
            "[[sa]]\npolicy = \"xtask-run\"\ndirection = \"{direction}\"\nspi = {spi}\nlocal = \"{local}\"\n\
             remote = \"{remote}\"\nesp_proposal = \"aes256gcm16-esn\"\nkey = \"{key}\"\n"
        )
    };
    let policy = format!(
        "[[policy]]\nname = \"xtask-run\"\naction = \"protect\"\nlocal_ts = \"{local_ts}\"\n\
         remote_ts = \"{remote_ts}\"\n"
    );
    let to_gateway = sa(to_gateway, SPIS.0, &keys.to_gateway);
    (policy, to_gateway + &sa(to_peer, SPIS.1, &keys.to_peer))
}

/// The far gateway's whole configuration.
fn far_config(plan: &Plan, keys: &Keys) -> String {
    let length = if plan.peer_host.is_ipv4() { 24 } else { 64 };
    let mut text = format!(
        "[gateway]\nname = \"peer\"\nstatus_interval = 0\n\
         [[port]]\nname = \"outside\"\nside = \"outside\"\naddresses = \"{}\"\n\
         [[port]]\nname = \"inside\"\nside = \"inside\"\naddresses = \"{}/{length}\"\n\
         [[route]]\nto = \"{}/{}\"\nvia = \"{}\"\n",
        plan.peer,
        far_inside(plan),
        link(plan.host).map_or(plan.host.ip, |prefix| prefix.first()),
        plan.host.len,
        plan.gateway.ip
    );
    let (policy, sas) = static_sas(plan, keys, false);
    text.push_str(&policy);
    text.push_str(&sas);
    text
}

/// The far gateway's own inside address: the far host's neighbour.
fn far_inside(plan: &Plan) -> IpAddr {
    match plan.peer_host {
        IpAddr::V4(v4) => core::net::Ipv4Addr::from_bits(v4.to_bits() ^ 2).into(),
        IpAddr::V6(v6) => core::net::Ipv6Addr::from_bits(v6.to_bits() ^ 2).into(),
    }
}

/// A socket that stands for one end of a cable.
struct Cable(UnixDatagram);

impl Cable {
    fn plug(own: &Path, other: &Path) -> io::Result<Cable> {
        let socket = UnixDatagram::bind(own)?;
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while let Err(error) = socket.connect(other) {
            if std::time::Instant::now() > deadline {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        socket.set_nonblocking(true)?;
        Ok(Cable(socket))
    }

    fn receive(&self) -> Option<Packet> {
        let mut frame = [0; 2048];
        let length = self.0.recv(&mut frame).ok()?;
        Some(Packet::from_bytes(frame.get(..length)?))
    }

    fn send(&self, frame: &Packet) {
        // The other end's queue holds a few frames only. One that stays full loses the frame, as a wire does.
        for _ in 0..50 {
            match self.0.send(frame.bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(100));
                }
                _ => return,
            }
        }
    }
}

fn link(address: Address) -> Option<Prefix> {
    address.to_string().parse().ok()
}

/// A host with one address, whose default route goes to `via`.
fn host(address: Address, via: IpAddr, last: u8) -> Stack {
    let port = PortConfig {
        mac: EthernetAddress([0x52, 0x54, 0, 0x72, 0x77, last]),
        addresses: link(address).into_iter().collect(),
        mtu: 1500,
    };
    let every = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    let route = every.parse().map(|prefix| net::Route { prefix, via: Some(via), port: OUTSIDE, metric: 0 });
    let config =
        StackConfig { ports: vec![port], routes: route.into_iter().collect(), ..StackConfig::default() };
    Stack::new(config, Pool::new(512))
}

/// What the echoes of one series came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) returned: u64,
    pub(crate) octets: u64,
}

/// Both hosts and the far gateway.
pub(crate) struct World {
    started: std::time::Instant,
    near_host: Stack,
    near: Cable,
    far: Gateway,
    outer: Cable,
    far_host: Stack,
    source: IpAddr,
    target: IpAddr,
    awaited: BTreeSet<u16>,
    sequence: u16,
    /// All echoes so far.
    pub(crate) tally: Tally,
}

/// Why the world cannot be made.
#[derive(Debug)]
pub(crate) enum Error {
    Io(io::Error),
    /// The far gateway's configuration is refused: a defect of this program, or a selector without room.
    Config(config::Error),
    Setup(gateway::SetupError),
    /// The peer of our own speaks IPv4 inside.
    Family,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Io(error) => write!(f, "sockets: {error}"),
            Error::Config(error) => write!(f, "the peer's configuration: {error}"),
            Error::Setup(error) => write!(f, "the peer: {error}"),
            Error::Family => write!(f, "the peer of our own only knows tunnels that carry IPv4"),
        }
    }
}

impl World {
    /// Plugs both cables into the sockets that QEMU has bound: `SIDE.qemu` in `dir`.
    pub(crate) fn new(plan: &Plan, keys: &Keys, dir: &Path) -> Result<World, Error> {
        if !(plan.host.ip.is_ipv4() && plan.peer_host.is_ipv4()) {
            return Err(Error::Family);
        }
        let text = far_config(plan, keys);
        let config = config::parse("peer.toml", &text, &|_| None).map_err(Error::Config)?;
        let device = |last| PortDevice { mac: EthernetAddress([0x52, 0x54, 0, 0x72, 0x78, last]), mtu: 1500 };
        let rng = chacha20::ChaCha20Rng::from_seed(random().map_err(Error::Io)?);
        let devices = [device(1), device(2)];
        let far = Gateway::new(config, &devices, Pool::new(512), Box::new(rng), Instant(0));
        let far_address = Address { ip: plan.peer_host, len: 24 };
        let cable = |side: &str| {
            Cable::plug(&dir.join(format!("{side}.peer")), &dir.join(format!("{side}.qemu")))
                .map_err(Error::Io)
        };
        Ok(World {
            started: std::time::Instant::now(),
            near_host: host(plan.host, plan.inside.ip, 1),
            near: cable("inside")?,
            far: far.map_err(Error::Setup)?,
            outer: cable("outside")?,
            far_host: host(far_address, far_inside(plan), 2),
            source: plan.peer_host,
            target: plan.host.ip,
            awaited: BTreeSet::new(),
            sequence: 0,
            tally: Tally::default(),
        })
    }

    /// Sends one echo request with `size` octets of data from the far host to the near one.
    pub(crate) fn echo(&mut self, size: usize) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = echo_request(self.source, self.target, self.sequence, size);
        packet.meta.port = OUTSIDE;
        self.awaited.insert(self.sequence);
        self.tally.sent += 1;
        let now = self.now();
        // A packet that waits for its neighbour is under way too.
        let _ = self.far_host.send(now, packet);
    }

    /// Sends `count` echo requests, at most `window` of them unanswered at a time; returns the time it took.
    pub(crate) fn echoes(&mut self, count: u64, size: usize, window: usize) -> Duration {
        let started = std::time::Instant::now();
        let (mut left, mut progress) = (count, started);
        while left > 0 || !self.awaited.is_empty() {
            while left > 0 && self.awaited.len() < window {
                self.echo(size);
                left -= 1;
            }
            let before = self.awaited.len();
            self.run(Duration::from_micros(500));
            if self.awaited.len() < before {
                progress = std::time::Instant::now();
            } else if progress.elapsed() > Duration::from_secs(1) {
                // Lost: a wire may lose frames, and the tally says so.
                self.awaited.clear();
                progress = std::time::Instant::now();
            }
        }
        started.elapsed()
    }

    /// Lets frames flow for at least this long.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = std::time::Instant::now() + time;
        loop {
            let busy = self.turn();
            if std::time::Instant::now() >= end {
                return;
            }
            if !busy {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Moves what is there once around; whether there was anything.
    fn turn(&mut self) -> bool {
        let now = self.now();
        let (mut busy, mut burst) = (false, Burst::new());
        while let Some(frame) = self.near.receive() {
            answer(&mut self.near_host, now, frame);
            busy = true;
        }
        self.near_host.poll(now);
        self.near_host.take_tx(OUTSIDE, &mut burst);
        burst.iter().for_each(|frame| self.near.send(frame));
        burst.clear();
        while let Some(frame) = self.outer.receive() {
            self.far.handle_frame(now, OUTSIDE, frame);
            busy = true;
        }
        self.far_host.poll(now);
        self.far_host.take_tx(OUTSIDE, &mut burst);
        self.far.handle_burst(now, INSIDE, &mut burst);
        self.far.poll(now);
        self.far.take_tx(now, OUTSIDE, &mut burst);
        burst.iter().for_each(|frame| self.outer.send(frame));
        burst.clear();
        self.far.take_tx(now, INSIDE, &mut burst);
        for frame in core::mem::take(&mut burst) {
            if let Some(reply) = answer(&mut self.far_host, now, frame) {
                self.count(reply.bytes());
            }
        }
        busy
    }

    /// Counts an echo reply whose content is what was sent.
    fn count(&mut self, packet: &[u8]) {
        let Some(sequence) = packet.get(26..28).and_then(|bytes| bytes.try_into().ok()) else { return };
        let sequence = u16::from_be_bytes(sequence);
        let size = packet.len().saturating_sub(28);
        let sent = echo_request(self.source, self.target, sequence, size);
        let intact = packet.get(20) == Some(&ECHO_REPLY) && packet.get(28..) == sent.bytes().get(28..);
        if intact && self.awaited.remove(&sequence) {
            self.tally.returned += 1;
            self.tally.octets += size as u64;
        }
    }

    /// ESP packets that the far gateway has dropped, by whatever cause.
    pub(crate) fn far_status(&mut self) -> Vec<String> {
        self.far.status(self.now())
    }
}

/// What a host does with a frame: answers what is for it. Hands back an echo reply.
fn answer(host: &mut Stack, now: Instant, mut frame: Packet) -> Option<Packet> {
    frame.meta.port = OUTSIDE;
    let Received::Ip(packet, parsed) = host.receive(now, frame) else { return None };
    if !host.is_local(parsed.flow.dst) || parsed.fragment.is_some() {
        return None;
    }
    // What a host asked for itself comes back as an echo reply; the stack answers only what others ask.
    if matches!(parsed.flow.ports, Ports::Icmp { kind: ECHO_REPLY, .. }) {
        return Some(packet);
    }
    if let Local::Reply(reply) = host.local(now, packet, &parsed) {
        let _ = host.send(now, reply);
    }
    None
}

/// An ICMP echo request as an IPv4 packet (RFC 791 and 792). Its data depends on its number.
fn echo_request(source: IpAddr, target: IpAddr, sequence: u16, size: usize) -> Packet {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (source, target) else {
        return Packet::from_bytes(&[]);
    };
    let mut icmp = vec![ECHO_REQUEST, 0, 0, 0, 0x72, 0x76];
    icmp.extend(sequence.to_be_bytes());
    icmp.extend((0..size).map(|at| (at as u16).wrapping_mul(31).wrapping_add(sequence) as u8));
    let sum = net::checksum::of(&icmp);
    icmp.splice(2..4, sum);
    let total = u16::try_from(20 + icmp.len()).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0];
    ip.extend(total.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, ICMP, 0, 0]);
    ip.extend(source.octets());
    ip.extend(target.octets());
    let sum = net::checksum::of(&ip);
    ip.splice(10..12, sum);
    ip.extend(icmp);
    Packet::from_bytes(&ip)
}

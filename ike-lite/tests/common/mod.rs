//! What the tests share: a responder with a clock ([`Host`]), and an initiator of the tests' own ([`Initiator`]),
//! which derives its keys by itself and does only what it is told.
#![allow(dead_code, unreachable_pub, clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

pub mod initiator;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use ike_lite::wire::PayloadType;
use ike_lite::{
    Cause, Child, ChildSa, Command, Config, Connection, Datagram, Endpoint, Event, Identity, IdentityMatch,
    Instant, NotifyType, Output, Psk, SelectorSpec, Spi, TrafficSelector,
};

pub use initiator::Initiator;

pub const PSK: &[u8] = b"0123456789abcdef-shared";
pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
pub const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));

pub fn net(text: &str) -> TrafficSelector {
    let (address, length) = text.split_once('/').expect("a prefix");
    TrafficSelector::prefix(address.parse().expect("an address"), length.parse().expect("a length"))
}

pub fn fixed(text: &str) -> SelectorSpec {
    SelectorSpec::Fixed(net(text))
}

/// One connection with one child between 10.2.0.0/24 (ours) and 10.1.0.0/24.
pub fn config() -> Config {
    let mut child = Child::new("net");
    child.local_ts = vec![fixed("10.2.0.0/24")];
    child.remote_ts = vec![fixed("10.1.0.0/24")];
    let mut connection = Connection::new("gw", Psk::new(PSK));
    connection.local_id = Some(Identity::Fqdn("b.test".into()));
    connection.remote_id = IdentityMatch::Is(Identity::Fqdn("a.test".into()));
    connection.children.push(child);
    Config { connections: vec![connection], ..Config::default() }
}

/// A responder and everything that it has put out.
pub struct Host {
    pub endpoint: Endpoint,
    pub rng: ChaCha20Rng,
    pub now: Instant,
    pub wake: Instant,
    pub local: SocketAddr,
    pub sent: Vec<(SocketAddr, Vec<u8>)>,
    pub installed: Vec<ChildSa>,
    pub activated: Vec<Spi>,
    pub removed: Vec<Spi>,
    pub moved: Vec<(Spi, SocketAddr)>,
    pub events: Vec<Event>,
    /// Every sealed message by its SPIs and IV: an IV that comes twice under a key betrays both texts.
    sealed: HashMap<Vec<u8>, Vec<u8>>,
}

impl Host {
    pub fn new(config: Config) -> Self {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        Self {
            endpoint: Endpoint::new(config, &mut rng).expect("a configuration that works"),
            rng,
            now: Instant::from_secs(1000),
            wake: Instant::NEVER,
            local: (LOCAL, 500).into(),
            sent: Vec::new(),
            installed: Vec::new(),
            activated: Vec::new(),
            removed: Vec::new(),
            moved: Vec::new(),
            events: Vec::new(),
            sealed: HashMap::new(),
        }
    }

    pub fn drain(&mut self) {
        loop {
            match self.endpoint.poll(self.now, &mut self.rng) {
                Output::Wake(at) => {
                    self.wake = at;
                    return;
                }
                Output::Transmit { remote, bytes, .. } => {
                    if bytes[16] == PayloadType::SK.0 {
                        // SPIs, and the IV after the header and SK's own.
                        let key = [&bytes[..16], &bytes[32..40]].concat();
                        let first = self.sealed.entry(key).or_insert_with(|| bytes.clone());
                        assert_eq!(*first, bytes, "an IV is used for one message");
                    }
                    self.sent.push((remote, bytes));
                }
                Output::InstallChild(sa) => {
                    assert!(!self.is_live(sa.spi_in), "an SPI is used once");
                    self.installed.push(*sa);
                }
                Output::ActivateOutbound { spi_in, .. } => self.activated.push(spi_in),
                Output::RemoveChild { spi_in, .. } => {
                    assert!(self.is_live(spi_in), "removed once, and only if installed");
                    self.removed.push(spi_in);
                }
                Output::MoveChild { spi_in, encap, .. } => self.moved.push((spi_in, encap.remote)),
                Output::Event(event) => self.events.push(event),
                Output::KeyLog(_) => {}
            }
        }
    }

    pub fn is_live(&self, spi: Spi) -> bool {
        self.installed.iter().any(|sa| sa.spi_in == spi) && !self.removed.contains(&spi)
    }

    pub fn live(&self) -> Vec<&ChildSa> {
        self.installed.iter().filter(|sa| self.is_live(sa.spi_in)).collect()
    }

    /// Gives it one message and returns what it sends.
    pub fn deliver_from(&mut self, remote: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.sent.clear();
        self.endpoint.handle(self.now, &mut self.rng, Datagram { local: self.local, remote, bytes });
        self.drain();
        self.sent.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    pub fn deliver(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.deliver_from((REMOTE, self.local.port()).into(), bytes)
    }

    /// The one response to a request.
    pub fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut sent = self.deliver(bytes);
        assert_eq!(sent.len(), 1, "one response; events: {:?}", self.events);
        sent.remove(0)
    }

    /// A message that has to be dropped, for this cause.
    pub fn dropped(&mut self, bytes: &[u8]) -> Cause {
        self.events.clear();
        assert_eq!(self.deliver(bytes), Vec::<Vec<u8>>::new(), "nothing is sent");
        match self.events.as_slice() {
            [Event::Dropped { cause, .. }] => *cause,
            other => panic!("not just a drop: {other:?}"),
        }
    }

    pub fn command(&mut self, command: Command) -> Vec<Vec<u8>> {
        self.sent.clear();
        self.endpoint.command(self.now, &mut self.rng, command);
        self.drain();
        self.sent.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Lets time pass, stopping wherever the endpoint wants to be woken.
    pub fn sleep_until(&mut self, until: Instant) -> Vec<Vec<u8>> {
        self.sent.clear();
        while self.wake <= until {
            assert!(self.wake >= self.now, "it wants to wake in the past");
            self.now = self.wake;
            self.drain();
        }
        self.now = until;
        self.drain();
        self.sent.iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    pub fn sleep(&mut self, seconds: u64) -> Vec<Vec<u8>> {
        self.sleep_until(self.now + std::time::Duration::from_secs(seconds))
    }

    pub fn refused(&self) -> Vec<NotifyType> {
        let refused = |event: &Event| match event {
            Event::Refused { notify, .. } => Some(*notify),
            _ => None,
        };
        self.events.iter().filter_map(refused).collect()
    }
}

/// A responder with an established IKE SA and one child, and its peer.
pub fn established_with(config: Config) -> (Host, Initiator) {
    let mut host = Host::new(config);
    let mut peer = Initiator::new();
    let response = host.ask(&peer.init_request());
    peer.on_init_response(&response);
    let request = peer.auth_request();
    let response = host.ask(&request);
    peer.on_auth_response(&response);
    (host, peer)
}

pub fn established() -> (Host, Initiator) {
    established_with(config())
}

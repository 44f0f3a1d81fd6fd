//! A station on a wire: `net`'s stack for ARP, ND, fragments and echo, and an inbox.

use core::net::IpAddr;

use net::loopback::Port;
use net::{
    Burst, Flow, Instant, Local, Nic, Packet, Pool, PortConfig, PortId, Prefix, Reassembled, Received, Route,
    Stack, StackConfig,
};

/// A host with one port.
pub struct Host {
    stack: Stack,
    nic: Port,
    /// Whether echo requests are answered.
    pub answers: bool,
    /// Every IP packet as it arrived, fragments included.
    pub arrived: Vec<Vec<u8>>,
    /// Every whole IP packet to this host.
    pub inbox: Vec<Vec<u8>>,
}

impl Host {
    /// A host with `addresses`, that sends everything beyond its links to `router`.
    pub fn new(nic: Port, addresses: &[&str], routers: &[&str]) -> Self {
        let addresses = addresses.iter().map(|text| text.parse().expect("address")).collect();
        let route = |router: &&str| {
            let via: IpAddr = router.parse().expect("router");
            let all = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            Route {
                prefix: all.parse::<Prefix>().expect("prefix"),
                via: Some(via),
                port: PortId(0),
                metric: 0,
            }
        };
        let config = StackConfig {
            ports: vec![PortConfig { mac: nic.mac(), addresses, mtu: nic.link().mtu }],
            routes: routers.iter().map(route).collect(),
            seed: 1,
            ..StackConfig::default()
        };
        let stack = Stack::new(config, Pool::new(256));
        Self { stack, nic, answers: true, arrived: Vec::new(), inbox: Vec::new() }
    }

    /// Sends an IP packet, in fragments if it has to be.
    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        self.stack.send(now, Packet::from_bytes(packet)).expect("host sends");
    }

    /// Works off what has arrived and what is to be sent. Whether there was anything.
    pub fn step(&mut self, now: Instant) -> bool {
        let mut burst = Burst::new();
        let mut busy = self.nic.rx(&mut burst) > 0;
        for mut frame in core::mem::take(&mut burst) {
            frame.meta.port = PortId(0);
            if let Received::Ip(packet, parsed) = self.stack.receive(now, frame) {
                self.arrived.push(packet.bytes().to_vec());
                let whole = match parsed.fragment {
                    None => Some(packet),
                    Some(_) => match self.stack.reassemble(now, packet, &parsed) {
                        Reassembled::Whole(packet) => Some(packet),
                        Reassembled::Waiting => None,
                        Reassembled::Dropped(cause) => panic!("host reassembly: {}", cause.name()),
                    },
                };
                if let Some(packet) = whole {
                    self.inbox.push(packet.bytes().to_vec());
                    self.answer(now, packet);
                }
            }
        }
        self.stack.poll(now);
        self.stack.take_tx(PortId(0), &mut burst);
        busy |= !burst.is_empty();
        self.nic.tx(&mut burst);
        busy
    }

    fn answer(&mut self, now: Instant, packet: Packet) {
        let parsed = Flow::parse(packet.bytes()).expect("whole packet");
        if self.answers
            && self.stack.is_local(parsed.flow.dst)
            && let Local::Reply(reply) = self.stack.local(now, packet, &parsed)
        {
            self.stack.send(now, reply).expect("host answers");
        }
    }

    /// When its timers want to run.
    pub fn poll(&mut self, now: Instant) -> Instant {
        self.stack.poll(now)
    }
}

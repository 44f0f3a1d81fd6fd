//! Two stacks on a wire that loses, doubles, swaps and damages frames: what arrives is right, and every
//! buffer comes home.

use super::*;
use crate::loopback::{Faults, Port, Side, Wire};
use crate::nic::Nic;
use crate::time::Duration;

struct Node {
    stack: Stack,
    port: Port,
    /// Payloads of UDP datagrams that arrived.
    arrived: Vec<Vec<u8>>,
    replies: usize,
}

impl Node {
    fn turn(&mut self, now: Instant) {
        let mut burst = Burst::new();
        self.port.rx(&mut burst);
        for frame in burst {
            self.input(now, frame);
        }
        self.stack.poll(now);
        while let Some(error) = self.stack.take_generated() {
            let _ = self.stack.send(now, error);
        }
        let mut burst = Burst::new();
        self.stack.take_tx(PortId(0), &mut burst);
        self.port.tx(&mut burst);
    }

    fn input(&mut self, now: Instant, frame: Packet) {
        let Received::Ip(mut packet, mut parsed) = self.stack.receive(now, frame) else { return };
        if parsed.fragment.is_some() {
            match self.stack.reassemble(now, packet, &parsed) {
                Reassembled::Whole(whole) => packet = whole,
                _ => return,
            }
            parsed = Flow::parse(packet.bytes()).unwrap();
        }
        assert!(self.stack.is_local(parsed.flow.dst));
        match self.stack.local(now, packet, &parsed) {
            Local::Udp(packet, udp) => self.arrived.push(packet.bytes()[udp.payload].to_vec()),
            Local::Reply(reply) => {
                self.replies += 1;
                self.stack.send(now, reply).unwrap();
            }
            _ => {}
        }
    }
}

fn node(last: u8, port: Port, pool: &Pool) -> Node {
    let addresses = [alloc::format!("10.1.0.{last}/24"), alloc::format!("2001:db8:a::{last}/64")]
        .map(|a| a.parse().unwrap());
    let config = PortConfig { mac: port.mac(), addresses: addresses.to_vec(), mtu: 1500 };
    let config = StackConfig { ports: vec![config], seed: u64::from(last), ..StackConfig::default() };
    Node { stack: Stack::new(config, pool.clone()), port, arrived: Vec::new(), replies: 0 }
}

/// Sends `rounds` numbered datagrams of each family and size from A to B.
fn story(seed: u64, faults: Faults, rounds: u16) -> (Node, Node) {
    const BUFFERS: usize = 600;
    let pool = Pool::new(BUFFERS);
    let (wire, a, b) = Wire::new(seed, pool.clone(), [HOST, ROUTER], 1500);
    wire.set_faults(Side::A, faults);
    wire.set_faults(Side::B, faults);
    let (mut a, mut b) = (node(1, a, &pool), node(2, b, &pool));
    let mut now = NOW;
    for round in 0..rounds {
        for (src, dst) in [("10.1.0.1", "10.1.0.2"), ("2001:db8:a::1", "2001:db8:a::2")] {
            for length in [2, 1000, 4000] {
                let mut payload = vec![round as u8; length];
                payload[..2].copy_from_slice(&round.to_be_bytes());
                let mut packet = fixture::udp(src, dst, [7, 8], &payload);
                if dst.contains('.') {
                    packet[4..6].copy_from_slice(&(round * 3 + length as u16).to_be_bytes());
                    fix_checksum(&mut packet);
                }
                let _ = a.stack.send(now, Packet::from_bytes(&packet));
            }
        }
        for _ in 0..4 {
            a.turn(now);
            b.turn(now);
            now = now + Duration::from_millis(250);
        }
    }
    for _ in 0..60 {
        a.turn(now);
        b.turn(now);
        now = now + Duration::from_secs(1);
    }
    assert_eq!((wire.in_flight(), pool.available()), (0, BUFFERS), "every buffer came home");
    (a, b)
}

#[test]
fn everything_arrives_over_a_good_wire() {
    let (_, b) = story(1, Faults::default(), 50);
    assert_eq!(b.arrived.len(), 300);
    assert_eq!(b.stack.counters().total(), 0);
}

#[test]
fn what_arrives_over_a_bad_wire_is_right_and_repeats_by_seed() {
    let faults = Faults { loss: 50, duplicate: 50, reorder: 100, displacement: 5, damage: 20 };
    let (_, b) = story(7, faults, 100);
    assert!((350..750).contains(&b.arrived.len()), "{}", b.arrived.len());
    for payload in &b.arrived {
        let round = u16::from_be_bytes([payload[0], payload[1]]);
        assert!([2, 1000, 4000].contains(&payload.len()) && round < 100);
        assert!(payload[2..].iter().all(|byte| *byte == round as u8));
    }
    let drops = |node: &Node, cause| node.stack.counters().of(cause);
    assert!(drops(&b, Cause::UdpChecksum) > 0 && drops(&b, Cause::ReassemblyTimeout) > 0);
    let (_, again) = story(7, faults, 100);
    assert_eq!(b.arrived, again.arrived);
    assert_eq!(b.stack.counters(), again.stack.counters());
}

//! Frames at the port: from the wire to steering, from steering to the wire, and back again inside of the device.
//!
//! The order of the checks is that of the hardware: the medium, the MAC, the embedded switch's forwarding to the vport.
//! The switch is the legacy one of a card with a single function: unicast to the vport's own addresses stays inside,
//! groups go both ways, and everything else is the wire's.
//! Left out: pause that really holds back frames; frames with wrong FCS, since frames come without.

use super::Oper;
use super::counters::{Cast, control_opcode, destination};
use crate::transit::Transit;
use crate::{Device, Memory};

/// Least length of a frame without FCS.
const SHORTEST: usize = 60;
/// Bytes of destination, source and EtherType.
const HEADER: usize = 14;
/// Bytes that a port MTU counts besides the frame itself: the FCS.
const FCS: usize = 4;

impl Device {
    /// A frame reaches the port from the wire: counted; `None` when link, MTU or the vport's filter stop it.
    ///
    /// A frame that is shorter than Ethernet allows is taken as if its sender had padded it.
    pub(crate) fn arrive(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        if self.port.oper() != Oper::Up {
            return None;
        }
        let wire = &mut self.port.counters.rx;
        if frame.len() < HEADER {
            wire.undersize += 1;
            return None;
        }
        if frame.len() + FCS > usize::from(self.port.mtu) {
            wire.too_long += 1;
            return None;
        }
        let mut bytes = frame.to_vec();
        bytes.resize(bytes.len().max(SHORTEST), 0);
        wire.count(&bytes);
        // The MAC keeps flow control for itself.
        if control_opcode(&bytes).is_some() {
            return None;
        }
        if !self.port.vport.accepts(destination(&bytes)) {
            return None;
        }
        self.port.enter(&bytes).then_some(bytes)
    }

    /// A frame leaves steering: counted, looped back or put on the wire, or dropped while the link is down.
    pub(crate) fn depart(&mut self, memory: &dyn Memory, packet: Transit) {
        let mut bytes = packet.bytes;
        if self.profile.general().pad_tx_eth_packet() {
            bytes.resize(bytes.len().max(SHORTEST), 0);
        }
        if !self.port.vport_up() {
            self.port.environment.transmit_down += 1;
            return;
        }
        let target = destination(&bytes);
        let cast = Cast::of(target);
        self.port.vport_counters.tx.add(cast, bytes.len() as u64);
        let (inside, outside) = match cast {
            Cast::Unicast => {
                let own = self.port.vport.owns(target) && !self.port.vport.disable_unicast_loopback;
                (own, !own)
            }
            _ => (!self.port.vport.disable_multicast_loopback && self.port.vport.accepts(target), true),
        };
        if inside {
            self.port.vport_counters.loopback.add(bytes.len() as u64);
            let copy = Transit {
                bytes: bytes.clone(),
                source_sqn: packet.source_sqn,
                transport_domain: packet.transport_domain,
                loopback: true,
                ..Transit::default()
            };
            if self.port.enter(&copy.bytes) {
                self.steer_in(memory, copy);
            }
        }
        if outside {
            self.transmit(bytes, packet.encrypted);
        }
    }

    /// Puts a frame on the wire. Encryption has tapped its own.
    fn transmit(&mut self, bytes: Vec<u8>, encrypted: bool) {
        let wire = &mut self.port.counters.tx;
        if bytes.len() + FCS > usize::from(self.port.mtu) {
            wire.too_long += 1;
            return;
        }
        wire.count(&bytes);
        if !encrypted {
            self.out.tap_both(true, &bytes);
        }
        self.out.frames.push(bytes);
    }
}

impl super::Port {
    /// A frame is for the vport: counted; false when it is down or the frame is longer than its MTU.
    fn enter(&mut self, frame: &[u8]) -> bool {
        if !self.vport_up() {
            self.environment.receive_down += 1;
            return false;
        }
        if frame.len() + FCS > usize::from(self.vport.mtu) {
            self.counters.rx.discards += 1;
            return false;
        }
        self.vport_counters.rx.add(Cast::of(destination(frame)), frame.len() as u64);
        true
    }
}

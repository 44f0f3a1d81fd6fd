//! What a port does not do by itself, done before it: checksums, TCP segmentation, VLAN tags. Callers see one behaviour
//! whatever the port, and a port that does all of it is not slowed down.
//!
//! 1. A packet that is to be cut, and that the port does not cut, becomes segments: each with the headers of the whole, its
//!    own lengths, identification and sequence number; FIN and PSH on the last one only, CWR on the first one only
//!    (RFC 9293 3.1, RFC 3168 6.1.2).
//! 2. A train ([`crate::train`]) that the port does not cut comes apart.
//! 3. The tag goes behind the addresses, which move into the headroom.
//! 4. Checksums are filled in last.
//!
//! Left out: UDP segmentation, and cutting what lies inside of another packet, unless it is a train.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::Sum;
use crate::ethernet;
use crate::ip::{array, be16, ipv4, ipv6, proto, put, udp};
use crate::nic::{Burst, Link, Nic, NicStats};
use crate::offload::{Headers, Offloads, TAG, VLAN, ethernet_len};
use crate::packet::{Fill, Packet, Pool};
use crate::train::Apart;
use crate::wire::EthernetAddress;

/// Fields of TCP, in bytes from its header (RFC 9293 3.1).
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
/// TCP's flags.
const FIN_PSH: u8 = 0x01 | 0x08;
const CWR: u8 = 0x80;

/// A port that does all that metadata may ask for.
pub struct Complete<N> {
    nic: N,
    pool: Pool,
    /// Frames that are finished and did not fit yet.
    waiting: Burst,
    /// The packet that is being cut, or the train that comes apart.
    cut: Option<Cut>,
    train: Option<Apart>,
    drops: u64,
}

/// A packet that is being cut.
struct Cut {
    whole: Packet,
    headers: Headers,
    mss: usize,
    /// Payload bytes that have left.
    sent: usize,
    /// Segments that have left.
    index: u16,
}

impl<N: Nic> Complete<N> {
    /// Completes `nic`; segments are made of buffers from `pool`.
    pub fn new(nic: N, pool: Pool) -> Self {
        Self { nic, pool, waiting: Burst::new(), cut: None, train: None, drops: 0 }
    }

    /// The port itself.
    pub fn inner(&mut self) -> &mut N {
        &mut self.nic
    }

    /// Takes one packet: it becomes a frame that waits, or is about to be cut.
    fn take(&mut self, mut packet: Packet, can: Offloads) {
        if packet.meta.sa_out.is_some() && !can.esp {
            // Software has no key of it, and in clear it must not leave.
            self.drops += packet.count();
            return;
        }
        if packet.is_train() {
            if cuts(&packet, can) {
                self.finish(packet, can);
            } else {
                let count = packet.count();
                self.train = Apart::frame(packet);
                self.drops += if self.train.is_none() { count } else { 0 };
            }
            return;
        }
        if let Some(mss) = packet.meta.segment {
            let Some(headers) = Headers::parse(packet.bytes()).filter(|headers| headers.proto == proto::TCP)
            else {
                // A packet inside of one that is sealed is for the device to cut.
                let inner = packet.meta.sa_out.and_then(|_| Headers::parse_inner(packet.bytes()));
                if inner.is_some() && packet.len() <= can.inner_segment {
                    self.finish(packet, can);
                } else {
                    self.drops += 1;
                }
                return;
            };
            let payload = packet.len() - headers.payload;
            if payload > mss.into() && payload <= can.segment {
                self.finish(packet, can);
                return;
            }
            packet.meta.segment = None;
            packet.meta.fill = Fill { header: headers.v4, transport: true };
            if payload > mss.into() {
                if mss == 0 {
                    self.drops += 1;
                } else {
                    self.cut = Some(Cut { whole: packet, headers, mss: mss.into(), sent: 0, index: 0 });
                }
                return;
            }
        }
        self.finish(packet, can);
    }

    /// Does what is left to do with a frame, and lets it wait.
    fn finish(&mut self, mut packet: Packet, can: Offloads) {
        if packet.meta.segment.is_none() {
            let fill_in = Fill {
                header: packet.meta.fill.header && !can.header,
                transport: packet.meta.fill.transport && !can.transport,
            };
            fill(packet.bytes_mut(), fill_in);
            packet.meta.fill.header &= can.header;
            packet.meta.fill.transport &= can.transport;
        }
        if let Some(tci) = packet.meta.vlan.filter(|_| !can.vlan) {
            packet.meta.vlan = None;
            if !insert_tag(&mut packet, tci) {
                self.drops += 1;
                return;
            }
        }
        // Not full: a place is looked for before a packet is taken.
        let _ = self.waiting.push(packet);
    }

    /// Whether a packet is on its way to become several.
    fn is_cutting(&self) -> bool {
        self.cut.is_some() || self.train.is_some()
    }

    /// The next segment of the packet that is being cut, or of the train.
    fn next_segment(&mut self, can: Offloads) {
        if let Some(train) = &mut self.train {
            let next = train.next();
            if next.is_none() {
                self.drops += train.lost();
                self.train = None;
            }
            if let Some(segment) = next {
                self.finish(segment, can);
            }
            return;
        }
        let Some(mut cut) = self.cut.take() else { return };
        match self.pool.take().and_then(|empty| cut.segment(empty)) {
            Some(segment) => {
                if !cut.is_done() {
                    self.cut = Some(cut);
                }
                self.finish(segment, can);
            }
            // Without buffers the rest is lost, as on any congested path.
            None => self.drops += 1,
        }
    }
}

impl Cut {
    fn is_done(&self) -> bool {
        self.headers.payload + self.sent >= self.whole.len()
    }

    /// Makes `segment` of what is next; `None` if it is too small.
    fn segment(&mut self, mut segment: Packet) -> Option<Packet> {
        let Headers { network, transport, payload, v4, .. } = self.headers;
        let bytes = self.whole.bytes();
        let rest = bytes.get(payload + self.sent..)?;
        let (part, after) = rest.split_at(rest.len().min(self.mss));
        segment.append(payload)?.copy_from_slice(bytes.get(..payload)?);
        segment.append(part.len())?.copy_from_slice(part);
        segment.meta = self.whole.meta;
        let length = segment.len() - network;
        let frame = segment.bytes_mut();
        if v4 {
            put(frame, network + ipv4::TOTAL_LENGTH, u16::try_from(length).ok()?.to_be_bytes());
            let ident = be16(bytes, network + ipv4::IDENT)?.wrapping_add(self.index);
            put(frame, network + ipv4::IDENT, ident.to_be_bytes());
        } else {
            let length = u16::try_from(length - ipv6::HEADER).ok()?;
            put(frame, network + ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
        }
        let sequence = u32::from_be_bytes(array(bytes, transport + TCP_SEQUENCE)?);
        put(frame, transport + TCP_SEQUENCE, sequence.wrapping_add(self.sent as u32).to_be_bytes());
        let flags = frame.get_mut(transport + TCP_FLAGS)?;
        if !after.is_empty() {
            *flags &= !FIN_PSH;
        }
        if self.index != 0 {
            *flags &= !CWR;
        }
        self.sent += part.len();
        self.index = self.index.wrapping_add(1);
        Some(segment)
    }
}

impl<N: Nic> Nic for Complete<N> {
    fn mac(&self) -> EthernetAddress {
        self.nic.mac()
    }

    fn link(&self) -> Link {
        self.nic.link()
    }

    fn rx(&mut self, out: &mut Burst) -> usize {
        self.nic.rx(out)
    }

    fn tx(&mut self, from: &mut Burst) -> usize {
        let can = self.nic.offloads();
        let idle = self.waiting.is_empty() && !self.is_cutting();
        if idle && from.iter().all(|packet| is_plain(packet, can)) {
            return self.nic.tx(from);
        }
        let before = from.len();
        loop {
            while !self.waiting.is_full() && (self.is_cutting() || !from.is_empty()) {
                if self.is_cutting() {
                    self.next_segment(can);
                } else {
                    let packet = from.remove(0);
                    self.take(packet, can);
                }
            }
            if self.waiting.is_empty() {
                break;
            }
            self.nic.tx(&mut self.waiting);
            if !self.waiting.is_empty() {
                break;
            }
        }
        before - from.len()
    }

    fn arm(&mut self) -> bool {
        // What waits has to be sent without anything coming in.
        self.waiting.is_empty() && !self.is_cutting() && self.nic.arm()
    }

    fn stats(&self) -> NicStats {
        let stats = self.nic.stats();
        NicStats { tx_drops: stats.tx_drops + self.drops, ..stats }
    }

    fn offloads(&self) -> Offloads {
        let esp = self.nic.offloads().esp;
        Offloads {
            header: true,
            transport: true,
            segment: usize::MAX,
            inner_segment: usize::MAX,
            vlan: true,
            esp,
        }
    }
}

/// Whether the port does by itself what the packet's metadata asks for.
#[inline]
fn is_plain(packet: &Packet, can: Offloads) -> bool {
    let meta = &packet.meta;
    (meta.fill == Fill::NONE || (can.header && can.transport))
        && meta.vlan.is_none_or(|_| can.vlan)
        && meta.sa_out.is_none_or(|_| can.esp)
        && meta.segment.is_none_or(|_| cuts(packet, can))
}

/// Whether the port cuts the packet, or sends the train, by itself.
fn cuts(packet: &Packet, can: Offloads) -> bool {
    let inner = packet.meta.sa_out.is_some() && Headers::parse(packet.bytes()).is_none();
    packet.total() <= if inner { can.inner_segment } else { can.segment }
}

/// Puts a tag behind the addresses; false if there is no room in front of them.
fn insert_tag(packet: &mut Packet, tci: u16) -> bool {
    if packet.len() < ethernet::HEADER || packet.push(TAG).is_none() {
        return false;
    }
    let frame = packet.bytes_mut();
    frame.copy_within(TAG..TAG + ethernet::TYPE, 0);
    put(frame, ethernet::TYPE, VLAN.to_be_bytes()) && put(frame, ethernet::TYPE + 2, tci.to_be_bytes())
}

/// Fills in checksums of `frame`. What has none, a fragment's transport for one, stays as it is.
pub fn fill(frame: &mut [u8], which: Fill) {
    if which.transport {
        let _ = fill_transport(frame);
    }
    if which.header {
        let _ = fill_header(frame);
    }
}

fn fill_header(frame: &mut [u8]) -> Option<()> {
    let network = ethernet_len(frame);
    if be16(frame, network.checked_sub(2)?)? != ethernet::IPV4 {
        return None;
    }
    let length = usize::from(frame.get(network)? & 0x0f) * 4;
    let header = frame.get_mut(network..network + length)?;
    if !put(header, ipv4::CHECKSUM, [0, 0]) {
        return None;
    }
    let sum = Sum::new().with(header).finish();
    put(header, ipv4::CHECKSUM, sum).then_some(())
}

fn fill_transport(frame: &mut [u8]) -> Option<()> {
    let Headers { network, transport, v4, proto: protocol, .. } = Headers::parse(frame)?;
    let (at, end, src, dst): (_, _, IpAddr, IpAddr) = if v4 {
        let address = |at| array::<4>(frame, network + at).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
        let end = network + usize::from(be16(frame, network + ipv4::TOTAL_LENGTH)?);
        (transport, end, address(ipv4::SRC)?, address(ipv4::DST)?)
    } else {
        let address = |at| array::<16>(frame, network + at).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
        let end = network + ipv6::HEADER + usize::from(be16(frame, network + ipv6::PAYLOAD_LENGTH)?);
        (transport, end, address(ipv6::SRC)?, address(ipv6::DST)?)
    };
    let segment = frame.get_mut(at..end)?;
    let checksum = if protocol == proto::TCP { TCP_CHECKSUM } else { udp::CHECKSUM };
    if !put(segment, checksum, [0, 0]) {
        return None;
    }
    let length = u32::try_from(segment.len()).ok()?;
    let mut sum = Sum::new().with_pseudo(src, dst, protocol, length).with(segment).finish();
    // In UDP, zero says that there is none (RFC 768).
    if protocol == proto::UDP && sum == [0, 0] {
        sum = [0xff, 0xff];
    }
    put(segment, checksum, sum).then_some(())
}

#[cfg(test)]
mod tests;

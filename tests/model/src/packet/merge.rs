//! Large receive (LRO): consecutive segments of one TCP flow become one frame.
//!
//! What the completion says about such a frame is read off `mlx5e_lro_update_hdr` in Linux's `en_rx.c`, which writes TTL,
//! lengths, PSH, acknowledgement, window and checksums into the headers itself, the checksum from a sum over the payload.
//! Which packets a ConnectX merges is not documented. Chosen: plain TCP over IPv4 without options or IPv6 without
//! extension headers, right checksums, no flags but ACK and PSH, no options but one timestamp; PSH ends the frame.
//! Left out: tunnels, and the timer, which is the queues'.

use super::bytes::{chunk, cut, put};
use super::checksum::{Sum, Verdict, verify};
use super::headers::{Headers, Ip, L4, Tcp};

/// NOP, NOP, timestamp of ten bytes.
const TIMESTAMP: [u8; 4] = [1, 1, 8, 10];
const TIMESTAMP_LENGTH: usize = 12;
/// The completion counts segments in 8 bits.
const MOST_SEGMENTS: u8 = 255;

/// A frame that is being put together.
#[derive(Clone, Debug)]
pub struct Merge {
    frame: Vec<u8>,
    ip: Ip,
    tcp: Tcp,
    segments: u8,
    min_ttl: u8,
    push: bool,
}

/// A frame that was put together, and what its completion says. The headers are those of the first segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Headers of the first segment, payload of all.
    pub frame: Vec<u8>,
    /// `lro_num_seg`.
    pub segments: u8,
    /// The PSH bit of `tcppsh_abort_dupack`.
    pub push: bool,
    /// `lro.min_ttl`.
    pub min_ttl: u8,
    /// `lro.ack_seq_num` of the last segment.
    pub acknowledgement: u32,
    /// `lro.tcp_win` of the last segment.
    pub window: u16,
    /// `check_sum`: the ones' complement sum over the payload, in host order.
    pub check_sum: u16,
}

/// The payload of a frame that may be merged.
fn payload<'a>(frame: &'a [u8], headers: &Headers) -> Option<(&'a [u8], Ip, Tcp)> {
    let outer = &headers.outer;
    let (Some(ip), L4::Tcp(tcp)) = (&outer.ip, &outer.l4) else { return None };
    let minimal = if ip.source.is_ipv4() { 20 } else { 40 };
    let bare = ip.payload - ip.offset == minimal;
    let calm = tcp.flags & !(Tcp::ACK | Tcp::PSH) == 0 && tcp.has(Tcp::ACK);
    let options = cut(frame, tcp.offset + 20, tcp.offset + tcp.header_length);
    let known = options.is_empty() || options.len() == TIMESTAMP_LENGTH && options.starts_with(&TIMESTAMP);
    let good = verify(outer, frame) == Verdict { l3: Some(true), l4: Some(true) };
    let payload = cut(frame, tcp.offset + tcp.header_length, ip.end);
    (bare && calm && known && good && !payload.is_empty()).then(|| (payload, ip.clone(), *tcp))
}

impl Merge {
    /// Begins with a frame, if it may be merged.
    pub fn start(frame: &[u8], headers: &Headers) -> Option<Merge> {
        let (_, ip, tcp) = payload(frame, headers)?;
        let frame = cut(frame, 0, ip.end).to_vec();
        Some(Merge { frame, min_ttl: ip.ttl, push: tcp.has(Tcp::PSH), ip, tcp, segments: 1 })
    }

    /// Whether a packet is of the same flow and direction: if it can't be merged, this frame has to go first.
    pub fn is_flow_of(&self, headers: &Headers) -> bool {
        let (Some(ip), L4::Tcp(tcp)) = (&headers.outer.ip, &headers.outer.l4) else { return false };
        let addresses = (ip.source, ip.destination) == (self.ip.source, self.ip.destination);
        addresses && (tcp.source, tcp.destination) == (self.tcp.source, self.tcp.destination)
    }

    /// Appends the next segment; false if it is not that, or if the IP payload would grow beyond `limit` bytes.
    pub fn push(&mut self, frame: &[u8], headers: &Headers, limit: usize) -> bool {
        let Some((payload, ip, tcp)) = payload(frame, headers) else { return false };
        let next = self.frame.len() - (self.tcp.offset + self.tcp.header_length);
        let fits = self.is_flow_of(headers)
            && cut(frame, 0, ip.offset) == cut(&self.frame, 0, self.ip.offset)
            && ip.traffic_class == self.ip.traffic_class
            && tcp.header_length == self.tcp.header_length
            && tcp.sequence == self.tcp.sequence.wrapping_add(next as u32)
            && self.frame.len() + payload.len() - self.ip.payload <= limit.min(usize::from(u16::MAX) - 40);
        if !fits || self.push || self.segments == MOST_SEGMENTS {
            return false;
        }
        self.frame.extend_from_slice(payload);
        if let Some(timestamps) = chunk::<8>(cut(frame, 0, tcp.offset + tcp.header_length), tcp.offset + 24) {
            // The newest, as a receiver of single segments would have seen last.
            put(&mut self.frame, self.tcp.offset + 24, &timestamps);
        }
        self.segments += 1;
        self.min_ttl = self.min_ttl.min(ip.ttl);
        self.push = tcp.has(Tcp::PSH);
        (self.tcp.acknowledgement, self.tcp.window) = (tcp.acknowledgement, tcp.window);
        true
    }

    /// Whether nothing more may be appended.
    pub fn is_complete(&self) -> bool {
        self.push || self.segments == MOST_SEGMENTS
    }

    /// How many segments it has.
    pub fn segments(&self) -> u8 {
        self.segments
    }

    /// The frame as it goes to memory.
    pub fn finish(self) -> Merged {
        let start = self.tcp.offset + self.tcp.header_length;
        let check_sum = Sum::default().with(cut(&self.frame, start, self.frame.len())).fold();
        Merged {
            segments: self.segments,
            push: self.push,
            min_ttl: self.min_ttl,
            acknowledgement: self.tcp.acknowledgement,
            window: self.tcp.window,
            check_sum,
            frame: self.frame,
        }
    }
}

/// What comes out of [`Merges`], in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A frame as it came.
    Single(Vec<u8>),
    /// More than one segment.
    Merged(Merged),
}

/// The flows of one receive queue that are being merged.
#[derive(Clone, Debug, Default)]
pub struct Merges {
    open: Vec<Merge>,
}

impl Merges {
    /// How many flows are merged at once; the oldest has to go for another.
    const FLOWS: usize = 32;

    /// Takes a frame in. `limit` is `lro_max_ip_payload_size` in bytes.
    pub fn offer(&mut self, frame: Vec<u8>, headers: &Headers, limit: usize) -> Vec<Delivery> {
        let mut out = Vec::new();
        if let Some(at) = self.open.iter().position(|merge| merge.is_flow_of(headers)) {
            let taken = self.open.get_mut(at).is_some_and(|merge| merge.push(&frame, headers, limit));
            if !taken || self.open.get(at).is_some_and(Merge::is_complete) {
                out.push(self.open.remove(at).deliver());
            }
            if taken {
                return out;
            }
        }
        match Merge::start(&frame, headers) {
            Some(merge) if !merge.is_complete() => {
                if self.open.len() == Self::FLOWS {
                    out.push(self.open.remove(0).deliver());
                }
                self.open.push(merge);
            }
            _ => out.push(Delivery::Single(frame)),
        }
        out
    }

    /// Everything that is open, oldest first: the timer has run out.
    pub fn flush(&mut self) -> Vec<Delivery> {
        self.open.drain(..).map(Merge::deliver).collect()
    }

    /// Whether there is nothing to flush.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Merge {
    fn deliver(self) -> Delivery {
        match self.segments {
            1 => Delivery::Single(self.frame),
            _ => Delivery::Merged(self.finish()),
        }
    }
}

#[cfg(test)]
mod tests;

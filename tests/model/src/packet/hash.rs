//! Receive-side scaling: the hash over selected fields, as TIRs ask for it (`rx_hash_fn`, `rx_hash_symmetric`,
//! `rx_hash_field_select`) and as completions report it (`rss_hash_result`, `rss_hash_type`).
//!
//! Toeplitz is Microsoft's. Two things are not documented and inferred: a symmetric hash sorts each pair of fields, as
//! DPDK's `SYMMETRIC_TOEPLITZ_SORT` that the mlx5 driver maps to the same bit; inverted XOR8 is the complement of the
//! bytes' exclusive or, in the lowest eight bits. A packet without a selected transport header is hashed by addresses.

use super::headers::{L3, L4, Layers};
use core::net::IpAddr;

/// `rx_hash_fn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// 0: everything goes to the first queue.
    None,
    /// 1.
    InvertedXor8,
    /// 2.
    Toeplitz,
}

impl Function {
    /// From the field's value.
    pub fn new(value: u8) -> Option<Function> {
        match value {
            0 => Some(Function::None),
            1 => Some(Function::InvertedXor8),
            2 => Some(Function::Toeplitz),
            _ => None,
        }
    }
}

/// `rx_hash_field_select`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `l3_prot_type`: IPv6 and not IPv4.
    pub v6: bool,
    /// `l4_prot_type`: UDP and not TCP.
    pub udp: bool,
    /// `selected_fields`.
    pub fields: u32,
}

impl Selection {
    /// Source address.
    pub const SOURCE_IP: u32 = 1 << 0;
    /// Destination address.
    pub const DESTINATION_IP: u32 = 1 << 1;
    /// Source port.
    pub const SOURCE_PORT: u32 = 1 << 2;
    /// Destination port.
    pub const DESTINATION_PORT: u32 = 1 << 3;
    /// SPI.
    pub const SPI: u32 = 1 << 4;

    fn has(&self, field: u32) -> bool {
        self.fields & field != 0
    }
}

/// What a TIR says about hashing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// The function.
    pub function: Function,
    /// Whether both directions of a flow have the same hash.
    pub symmetric: bool,
    /// Key of Toeplitz.
    pub key: [u8; 40],
    /// The fields.
    pub selection: Selection,
}

/// The result for one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hash {
    /// `rss_hash_result`.
    pub value: u32,
    /// `rss_hash_type`: bits 3:2 say 1 IPv4, 2 IPv6; bits 7:6 say 1 TCP, 2 UDP, 3 ESP; 0 where nothing was hashed.
    pub kind: u8,
}

impl Scaling {
    /// Hashes a packet by its outer or inner layers.
    pub fn hash(&self, layers: &Layers) -> Hash {
        let (input, kind) = self.input(layers);
        let value = match self.function {
            Function::None => return Hash::default(),
            _ if kind == 0 => return Hash::default(),
            Function::InvertedXor8 => u32::from(!input.iter().fold(0, |sum, byte| sum ^ byte)),
            Function::Toeplitz => toeplitz(&self.key, &input),
        };
        Hash { value, kind }
    }

    /// The bytes that are hashed, and the kind for the completion.
    fn input(&self, layers: &Layers) -> (Vec<u8>, u8) {
        let select = &self.selection;
        let wanted = if select.v6 { L3::V6 } else { L3::V4 };
        let (Some(ip), true) = (&layers.ip, layers.l3() == wanted) else { return (Vec::new(), 0) };
        let mut kind = if select.v6 { 2 << 2 } else { 1 << 2 };
        let (mut first, mut second) = (octets(ip.source), octets(ip.destination));
        let both = select.has(Selection::SOURCE_IP) && select.has(Selection::DESTINATION_IP);
        if self.symmetric && both && first > second {
            core::mem::swap(&mut first, &mut second);
        }
        let mut input = Vec::with_capacity(40);
        for (field, bytes) in [(Selection::SOURCE_IP, first), (Selection::DESTINATION_IP, second)] {
            if select.has(field) {
                input.extend(bytes);
            }
        }
        let ports = match (&layers.l4, select.udp) {
            (L4::Tcp(tcp), false) => Some((1, tcp.source, tcp.destination)),
            (L4::Udp(udp), true) => Some((2, udp.source, udp.destination)),
            _ => None,
        };
        let (source, destination) =
            (select.has(Selection::SOURCE_PORT), select.has(Selection::DESTINATION_PORT));
        if let (Some((protocol, mut first, mut second)), true) = (ports, source || destination) {
            if self.symmetric && source && destination && first > second {
                core::mem::swap(&mut first, &mut second);
            }
            for (_, port) in [(source, first), (destination, second)].into_iter().filter(|(on, _)| *on) {
                input.extend(port.to_be_bytes());
            }
            kind |= protocol << 6;
        }
        if let (true, Some(esp)) = (select.has(Selection::SPI), layers.esp()) {
            input.extend(esp.spi.to_be_bytes());
            kind |= 3 << 6;
        }
        (input, kind)
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The Toeplitz hash: for every set bit of the input, the 32 bits of the key that start at its position.
pub fn toeplitz(key: &[u8; 40], input: &[u8]) -> u32 {
    let bit = |index: usize| key.get(index / 8).map_or(0, |byte| u32::from(byte >> (7 - index % 8) & 1));
    let mut window = u32::from_be_bytes([key[0], key[1], key[2], key[3]]);
    let mut hash = 0;
    for (index, byte) in input.iter().enumerate() {
        for position in 0..8 {
            if byte >> (7 - position) & 1 != 0 {
                hash ^= window;
            }
            window = window << 1 | bit(32 + index * 8 + position);
        }
    }
    hash
}

#[cfg(test)]
mod tests;

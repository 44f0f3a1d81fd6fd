//! The packet reformats that go with crypto actions: what their type and data mean.
//!
//! Data as Linux (`en_accel/ipsec_fs.c`) fills it: a UDP header where there is one, the SPI, then zeros for sequence
//! number and IV; for the tunnel the whole outer Ethernet and IP header before that; for removal of a tunnel the
//! Ethernet header that the inner packet gets.

use crate::packet::{Headers, L3};

const ADD_TRANSPORT_V4: u8 = 0x05;
const ADD_TUNNEL: u8 = 0x06;
const ADD_TRANSPORT_UDP_V4: u8 = 0x07;
const DEL_TRANSPORT: u8 = 0x08;
const DEL_TUNNEL: u8 = 0x09;
const DEL_TRANSPORT_UDP: u8 = 0x0a;
const ADD_TRANSPORT_V6: u8 = 0x0b;
const ADD_TRANSPORT_UDP_V6: u8 = 0x0c;

/// SPI, sequence number and IV in the data.
const ESP: usize = 16;
const UDP: usize = 8;
const ETHERNET: usize = 14;
const PROTOCOL_ESP: u8 = 50;

/// Why type and data don't go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// Not the type of an ESP reformat of this direction.
    Type,
    /// Data of another length than this type has.
    Length,
    /// Data that is no header as it should be.
    Data,
}

/// How an ESP packet is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// ESP between the IP header and its payload.
    Transport {
        /// SPI.
        spi: u32,
        /// For IPv6 and not for IPv4.
        v6: bool,
    },
    /// The same with a UDP header before ESP.
    Udp {
        /// SPI.
        spi: u32,
        /// For IPv6 and not for IPv4.
        v6: bool,
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// The IP packet in ESP, behind Ethernet and IP headers of its own.
    Tunnel {
        /// SPI.
        spi: u32,
        /// The outer headers are IPv6.
        v6: bool,
        /// Ethernet and IP header; lengths and checksum are filled in per packet.
        headers: Vec<u8>,
    },
}

impl Form {
    /// From a reformat context.
    pub fn new(kind: u8, data: &[u8]) -> Result<Form, FormError> {
        let v6 = matches!(kind, ADD_TRANSPORT_V6 | ADD_TRANSPORT_UDP_V6);
        match kind {
            ADD_TRANSPORT_V4 | ADD_TRANSPORT_V6 => Ok(Form::Transport { spi: spi(data)?, v6 }),
            ADD_TRANSPORT_UDP_V4 | ADD_TRANSPORT_UDP_V6 => {
                let ([s0, s1, d0, d1, ..], esp) = data.split_first_chunk::<UDP>().ok_or(FormError::Length)?;
                let (source, destination) = (u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1]));
                Ok(Form::Udp { spi: spi(esp)?, v6, source, destination })
            }
            ADD_TUNNEL => {
                let length = data.len().checked_sub(ESP).ok_or(FormError::Length)?;
                let (headers, esp) = data.split_at(length);
                let v6 = match length.checked_sub(ETHERNET) {
                    Some(20) => false,
                    Some(40) => true,
                    _ => return Err(FormError::Length),
                };
                let protocol = if v6 { headers[ETHERNET + 6] } else { headers[ETHERNET + 9] };
                let first = headers[ETHERNET];
                let fits = if v6 { first >> 4 == 6 } else { first == 0x45 };
                match fits && protocol == PROTOCOL_ESP {
                    true => Ok(Form::Tunnel { spi: spi(esp)?, v6, headers: headers.to_vec() }),
                    false => Err(FormError::Data),
                }
            }
            _ => Err(FormError::Type),
        }
    }

    /// SPI.
    pub fn spi(&self) -> u32 {
        match self {
            Form::Transport { spi, .. } | Form::Udp { spi, .. } | Form::Tunnel { spi, .. } => *spi,
        }
    }

    /// How many bytes a packet with `payload` bytes inside of ESP grows by.
    pub fn overhead(&self, payload: usize) -> usize {
        let padding = (payload + 2).next_multiple_of(4) - payload;
        let front = match self {
            Form::Transport { .. } => 0,
            Form::Udp { .. } => UDP,
            Form::Tunnel { headers, .. } => headers.len() - ETHERNET,
        };
        front + ESP + padding + super::cipher::ICV
    }

    /// Whether the packet is of a kind that this form can take.
    pub(super) fn takes(&self, headers: &Headers) -> bool {
        match (self, headers.outer.l3()) {
            (_, L3::None) => false,
            (Form::Tunnel { .. }, _) => true,
            (Form::Transport { v6, .. } | Form::Udp { v6, .. }, l3) => *v6 == (l3 == L3::V6),
        }
    }
}

/// The SPI in front of zeros.
fn spi(data: &[u8]) -> Result<u32, FormError> {
    match data.split_first_chunk::<4>() {
        Some((spi, rest)) if data.len() == ESP => match rest.iter().all(|byte| *byte == 0) {
            true => Ok(u32::from_be_bytes(*spi)),
            false => Err(FormError::Data),
        },
        _ => Err(FormError::Length),
    }
}

/// How an ESP packet is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// ESP goes, its payload moves behind the IP header.
    Transport,
    /// UDP and ESP go.
    Udp,
    /// Everything before the inner IP packet goes; it gets this Ethernet header.
    Tunnel {
        /// The header.
        ethernet: [u8; 14],
    },
}

impl Removal {
    /// From a reformat context.
    pub fn new(kind: u8, data: &[u8]) -> Result<Removal, FormError> {
        match (kind, data) {
            (DEL_TRANSPORT, []) => Ok(Removal::Transport),
            (DEL_TRANSPORT_UDP, []) => Ok(Removal::Udp),
            (DEL_TUNNEL, data) => {
                let ethernet = data.try_into().map_err(|_| FormError::Length)?;
                Ok(Removal::Tunnel { ethernet })
            }
            (DEL_TRANSPORT | DEL_TRANSPORT_UDP, _) => Err(FormError::Length),
            _ => Err(FormError::Type),
        }
    }
}

//! The layouts that ESP adds to those of [`net::ip`]: the ESP packet (RFC 4303 section 2) and its UDP
//! encapsulation (RFC 3948 section 2), and the two ECN bits.

/// An ESP packet with an 8-byte IV.
pub mod esp {
    /// Security parameters index.
    pub const SPI: usize = 0;
    /// Lower half of the sequence number.
    pub const SEQUENCE: usize = 4;
    /// Initialisation vector.
    pub const IV: usize = 8;
    /// Length of the header with its IV, in bytes: payload starts here.
    pub const HEADER: usize = 16;
    /// Bytes of the trailer besides the padding: pad length and next header.
    pub const TRAILER: usize = 2;
    /// Bytes of the integrity check value.
    pub const ICV: usize = 16;
    /// Payload and trailer together end on a multiple of this (RFC 4303 section 2.4).
    pub const ALIGN: usize = 4;
    /// Shortest packet: no payload, aligned trailer.
    pub const MIN: usize = HEADER + ALIGN + ICV;

    /// Bytes of padding that a payload of this length takes.
    pub const fn padding(payload: usize) -> usize {
        (payload + TRAILER).next_multiple_of(ALIGN) - payload - TRAILER
    }

    /// The padding's bytes, as many of them as are needed (RFC 4303 section 2.4).
    pub const PADDING: [u8; 255] = {
        let mut bytes = [0; 255];
        let mut i = 0;
        while i < bytes.len() {
            bytes[i] = i as u8 + 1;
            i += 1;
        }
        bytes
    };
}

/// What a UDP datagram between two IKE peers carries behind its header (RFC 3948 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encapsulated {
    /// One byte ff.
    Keepalive,
    /// IKE, behind [`NON_ESP_MARKER`].
    Ike,
    /// ESP.
    Esp,
    /// Fewer bytes than a marker or an SPI.
    Short,
}

/// Stands where ESP has its SPI (RFC 3948 section 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// The payload of a NAT keepalive (RFC 3948 section 2.3).
pub const KEEPALIVE: u8 = 0xff;

impl Encapsulated {
    /// Tells by its first bytes what a UDP payload is.
    pub fn of(payload: &[u8]) -> Self {
        match payload {
            //= rfc3948#2.3
            [KEEPALIVE] => Self::Keepalive,
            //= rfc3948#2.2
            [0, 0, 0, 0, ..] => Self::Ike,
            [_, _, _, _, ..] => Self::Esp,
            _ => Self::Short,
        }
    }
}

/// The ECN field, the lower two bits of TOS or Traffic Class (RFC 3168 section 5).
pub mod ecn {
    /// Where the field is.
    pub const MASK: u8 = 0b11;
    /// The transport does not do ECN.
    pub const NOT_ECT: u8 = 0b00;
    /// ECN-capable transport, codepoint 1.
    pub const ECT_1: u8 = 0b01;
    /// ECN-capable transport, codepoint 0.
    pub const ECT_0: u8 = 0b10;
    /// Congestion experienced.
    pub const CE: u8 = 0b11;
}

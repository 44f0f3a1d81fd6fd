//! What travels beside a packet's bytes: what the receiving device found out, and what the sending device has to do.
//!
//! All of it holds whatever the device can do itself: what a port lacks is done by `software::Complete`.

use crate::nic::PortId;

/// Facts about a packet that travel beside its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meta {
    /// The port it came in by.
    pub port: PortId,
    /// The receiving device has verified the transport checksum.
    pub checksum_ok: bool,
    /// The same of a packet inside of this one, for which what software puts around it, or takes off, is the outer IP
    /// header.
    pub inner_ok: bool,
    /// The receiving device has verified the checksum of the IPv4 header.
    pub header_ok: bool,
    /// Checksums that the sending device must fill in.
    pub fill: Fill,
    /// TCP segment size that the sending device must cut this packet into. It fills in all checksums of the segments.
    pub segment: Option<u16>,
    /// The segments in tow, if this is the first of several that have been cut already (`packet::train`).
    pub train: Train,
    /// Tag control information of the 802.1Q tag that the receiving device took off, or that the sending device must put
    /// behind the addresses.
    pub vlan: Option<u16>,
    /// What a rule in the receiving device has marked the packet with; 0: nothing.
    pub mark: u32,
    /// The receiving device's hash of the flow; 0 where there is none.
    pub hash: u32,
    /// The inbound SA that a device has authenticated, decrypted and decapsulated this packet under.
    pub sa_in: Option<u32>,
    /// The outbound SA that the sending device must protect this packet with.
    pub sa_out: Option<u32>,
    /// Set on a packet that was reassembled here: the length in bytes of its largest fragment. Such a
    /// packet may be fragmented again, to pieces no larger than that, even where DF or IPv6 forbid it
    /// for others.
    pub fragment_size: Option<u16>,
}

/// What a packet has in tow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Train {
    /// How many segments.
    pub followers: u8,
    /// TCP flags that the last of them has besides the leader's: FIN, PSH.
    pub last: u8,
}

/// Checksums of a packet that are still to be filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// That of the IPv4 header.
    pub header: bool,
    /// That of TCP or UDP behind it.
    pub transport: bool,
}

impl Fill {
    /// None is missing.
    pub const NONE: Self = Self { header: false, transport: false };
    /// All are missing.
    pub const ALL: Self = Self { header: true, transport: true };
}

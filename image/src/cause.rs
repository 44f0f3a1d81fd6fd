//! Why the gateway itself dropped a packet: what neither `net` nor `ipsec` decides. Those two count their
//! own causes; every drop is counted exactly once in one of the three lists.

macro_rules! causes {
    ($($(#[$doc:meta])+ $cause:ident = $name:literal,)+) => {
        /// A cause of this layer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Cause { $($(#[$doc])+ $cause,)+ }

        impl Cause {
            /// Every cause, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$cause,)+];

            /// The name for display.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => $name,)+ }
            }
        }
    };
}

causes! {
    /// A PROTECT policy covers the packet and has no SA for it.
    NoSa = "no_sa",
    /// A whole datagram whose ports cannot be read meets a rule with ports.
    PortsUnreadable = "ports_unreadable",
    /// ESP or IKE inside a tunnel that ends here.
    Nested = "nested",
    /// An ICMP error that does not quote a packet of one of our SAs.
    IcmpUnverified = "icmp_unverified",
    /// To a UDP port of ours that nothing listens on.
    NoUdpService = "no_udp_service",
    /// To one of our addresses, of a protocol that nothing serves.
    NoProtocolService = "no_protocol_service",
    /// On port 4500, too short to tell what it is.
    EncapsulatedShort = "encapsulated_short",
    /// A NAT keepalive (RFC 3948, section 2.3). Not a fault.
    Keepalive = "keepalive",
    /// Larger than fits through the tunnel; the sender was told where the rules allow it.
    TooBigForTunnel = "too_big_for_tunnel",
    /// The packet was changed so that it is no IP packet any more. A defect of this program.
    Unparsable = "unparsable",
}

/// How often each cause occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters([u64; Cause::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Cause::ALL.len()])
    }
}

impl Counters {
    /// How often `cause` occurred.
    pub fn of(&self, cause: Cause) -> u64 {
        self.0.get(cause as usize).copied().unwrap_or(0)
    }

    pub(crate) fn count(&mut self, cause: Cause) {
        if let Some(count) = self.0.get_mut(cause as usize) {
            *count += 1;
        }
    }

    /// Every cause with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        Cause::ALL.iter().map(|&cause| (cause, self.of(cause)))
    }
}

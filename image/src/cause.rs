//! Why the gateway itself dropped a packet: what neither `net` nor `ipsec` decides. Those two count their
//! own causes; every drop is counted exactly once in one of the three lists.

net::causes! {
    /// A cause of this layer.
    Cause,
    /// How often each cause occurred.
    Counters:
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
    /// Larger than fits, and of an SA that a card does, which makes ESP of whole packets only.
    TooBigForCard = "too_big_for_card",
    /// ESP of an SA that a card does came in fragments, and is larger than what the card takes back.
    FragmentsTooBigForCard = "fragments_too_big_for_card",
    /// The route to the peer leads by another port than that of the card that does the SA.
    OtherPort = "other_port",
    /// The packet was changed so that it is no IP packet any more. A defect of this program.
    Unparsable = "unparsable",
}

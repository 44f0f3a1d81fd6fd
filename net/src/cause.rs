//! Why a packet went no further, and how often. One list: a cause, its stable name, its meaning.

crate::causes! {
    /// Why this layer dropped a packet, or stayed silent where it could have answered.
    Cause,
    /// How often each cause occurred.
    Counters:
    /// Frame shorter than an Ethernet header.
    FrameShort = "frame_short",
    /// Unicast frame for another station.
    NotOurMac = "not_our_mac",
    /// Frame from a group address, or from the port's own.
    LinkSource = "link_source",
    /// Neither ARP, IPv4 nor IPv6.
    Ethertype = "ethertype",
    /// Came in by a port that does not exist.
    NoSuchPort = "no_such_port",
    /// IP packet to one station inside a frame to many (RFC 1122 3.3.6).
    LinkBroadcast = "link_broadcast",
    /// Shorter than an IP header.
    IpShort = "ip_short",
    /// Neither version 4 nor 6, or not the one its Ethernet type says.
    IpVersion = "ip_version",
    /// IPv4 header length below 20 bytes or beyond the packet.
    IpHeaderLength = "ip_header_length",
    /// The length field is smaller than the header or larger than the packet.
    IpTotalLength = "ip_total_length",
    /// Wrong IPv4 header checksum.
    IpChecksum = "ip_checksum",
    /// IPv4 options do not add up.
    IpOptions = "ip_options",
    /// Loose or strict source route, or IPv6 routing header type 0 (RFC 5095).
    SourceRoute = "source_route",
    /// IPv6 extension headers truncated, misplaced or too many.
    ExtensionHeaders = "extension_headers",
    /// Destination option or routing header that we must refuse as a destination.
    ExtensionRefused = "extension_refused",
    /// Source address that no packet may have.
    MartianSource = "martian_source",
    /// Destination address that must not appear on a wire.
    MartianDestination = "martian_destination",
    /// Claims to come from one of our own addresses.
    OwnSource = "own_source",
    /// From or to a link-local address, and not for us: must not cross a router.
    LinkScope = "link_scope",
    /// To a group that we are no member of.
    NotJoined = "not_joined",
    /// Nothing that we answer when it comes by broadcast or multicast.
    GroupUnwanted = "group_unwanted",
    /// Fragment without payload, or not the last and its payload no multiple of eight bytes.
    FragmentLength = "fragment_length",
    /// Fragment that ends beyond 65,535 bytes.
    FragmentBeyond = "fragment_beyond",
    /// First fragment without its whole transport header (RFC 1858, 7112).
    FragmentTiny = "fragment_tiny",
    /// Fragments overlap; the whole datagram is dropped (RFC 5722).
    FragmentOverlap = "fragment_overlap",
    /// Congestion mark on a fragment of a datagram that is in part not ECN-capable (RFC 3168 5.3).
    FragmentEcn = "fragment_ecn",
    /// Datagram in more pieces than allowed.
    FragmentPieces = "fragment_pieces",
    /// No memory left for incomplete datagrams.
    ReassemblyFull = "reassembly_full",
    /// Fragments of a datagram that stayed incomplete.
    ReassemblyTimeout = "reassembly_timeout",
    /// Damaged ARP packet.
    ArpMalformed = "arp_malformed",
    /// ARP request or neighbour solicitation for somebody else.
    NotTarget = "not_target",
    /// ARP or neighbour discovery from an address that is our own or not on that link.
    NeighbourRefused = "neighbour_refused",
    /// Damaged neighbour discovery message, or one that was forwarded (RFC 4861 7.1).
    NdMalformed = "nd_malformed",
    /// Damaged ICMP message.
    IcmpMalformed = "icmp_malformed",
    /// Wrong ICMP checksum.
    IcmpChecksum = "icmp_checksum",
    /// ICMP message that we have no use for.
    IcmpUnhandled = "icmp_unhandled",
    /// Damaged UDP header.
    UdpMalformed = "udp_malformed",
    /// Wrong UDP checksum.
    UdpChecksum = "udp_checksum",
    /// Hop limit used up.
    HopLimit = "hop_limit",
    /// No route to the destination.
    NoRoute = "no_route",
    /// Group or broadcast address as the destination of a packet to forward.
    GroupForward = "group_forward",
    /// Larger than the path allows, and must not be fragmented.
    TooBig = "too_big",
    /// Next hop does not answer.
    Unresolved = "unresolved",
    /// Too many packets wait for this next hop, or too many next hops are being asked for.
    PendingFull = "pending_full",
    /// The port's transmit queue is full.
    TxQueueFull = "tx_queue_full",
    /// No packet buffer.
    NoBuffer = "no_buffer",
    /// No room in front of the packet for the link header.
    NoHeadroom = "no_headroom",
    /// An ICMP error was due, but the rate limit was reached.
    ErrorRateLimited = "error_rate_limited",
    /// An ICMP error was asked for about a packet that must not be answered (RFC 1812 4.3.2.7).
    ErrorSuppressed = "error_suppressed",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_snake_case_and_indexed_in_order() {
        for (index, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, index);
            assert!(cause.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", cause.name());
            assert!(Cause::ALL[..index].iter().all(|other| other.name() != cause.name()));
        }
    }

    #[test]
    fn counts_by_cause() {
        let mut counters = Counters::default();
        assert_eq!(counters.count(Cause::NoRoute), Cause::NoRoute);
        counters.count(Cause::NoRoute);
        assert_eq!((counters.of(Cause::NoRoute), counters.of(Cause::TooBig), counters.total()), (2, 0, 2));
        assert_eq!(counters.iter().count(), 1);
    }
}

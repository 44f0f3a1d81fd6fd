//! Kinds of addresses: which may be a source, which a destination, which groups a node joins
//! (RFC 1812 5.3.7, RFC 6890, RFC 4291 2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::EthernetAddress;

/// All IPv6 nodes of a link.
pub(crate) const ALL_NODES_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All IPv6 routers of a link.
pub(crate) const ALL_ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All IPv4 systems of a link.
pub(crate) const ALL_SYSTEMS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// The link-local address of a port: modified EUI-64 (RFC 4291 2.5.6, appendix A).
pub fn link_local(mac: EthernetAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// The group that all owners of addresses with these last three bytes join (RFC 4291 2.7.1).
pub fn solicited_node(addr: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = addr.octets();
    Ipv6Addr::from([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// Whether a packet may come from `addr`: one station's address, on any wire. IPv6 `::` is not.
pub(crate) fn is_source(addr: IpAddr) -> bool {
    match addr {
        //= rfc1812#5.3.7
        IpAddr::V4(addr) => {
            let first = addr.octets()[0];
            first != 0 && first != 127 && first < 224
        }
        IpAddr::V6(addr) => !(addr.is_multicast() || is_never_on_wire(addr)),
    }
}

/// Whether a packet to `addr` may be on a wire at all.
pub(crate) fn is_destination(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => {
            let first = addr.octets()[0];
            first != 0 && first != 127 && (first < 240 || addr.is_broadcast())
        }
        //= rfc4291#2.7
        // Scopes 0 (reserved) and 1 (interface-local) never leave a node.
        IpAddr::V6(addr) if addr.is_multicast() => addr.octets()[1] & 0x0f > 1,
        IpAddr::V6(addr) => !is_never_on_wire(addr),
    }
}

/// `::`, `::1` and IPv4-mapped addresses.
fn is_never_on_wire(addr: Ipv6Addr) -> bool {
    // The upper 80 bits are zero in all three: one comparison clears nearly every packet.
    addr.to_bits() >> 48 == 0
        && (addr.is_unspecified() || addr.is_loopback() || addr.to_ipv4_mapped().is_some())
}

/// fe80::/10.
pub(crate) fn is_link_local_v6(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(addr) if addr.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sources_are_single_stations() {
        for good in ["10.0.0.1", "192.0.2.255", "223.255.255.255", "2001:db8::1", "fe80::1", "::2"] {
            assert!(is_source(addr(good)), "{good}");
        }
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_source(addr(bad)), "{bad}");
        }
    }

    #[test]
    fn destinations_may_be_groups() {
        for good in ["10.0.0.1", "224.0.0.1", "255.255.255.255", "2001:db8::1", "ff02::1", "ff0e::1"] {
            assert!(is_destination(addr(good)), "{good}");
        }
        for bad in ["0.0.0.0", "127.9.9.9", "240.0.0.1", "::", "::1", "ff01::1", "ff00::1", "::ffff:10.0.0.1"]
        {
            assert!(!is_destination(addr(bad)), "{bad}");
        }
    }

    #[test]
    fn derived_addresses() {
        // RFC 2464 4: 34-56-78-9A-BC-DE gives interface identifier 36-56-78-FF-FE-9A-BC-DE.
        let mac = EthernetAddress([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(link_local(mac), "fe80::3656:78ff:fe9a:bcde".parse::<Ipv6Addr>().unwrap());
        // RFC 4291 2.7.1: 4037::01:800:200E:8C6C gives FF02::1:FF0E:8C6C.
        let unicast: Ipv6Addr = "4037::01:800:200e:8c6c".parse().unwrap();
        assert_eq!(solicited_node(unicast), "ff02::1:ff0e:8c6c".parse::<Ipv6Addr>().unwrap());
    }
}

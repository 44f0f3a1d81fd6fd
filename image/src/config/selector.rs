//! Traffic selectors as swanctl writes them: `10.1.0.0/24`, `10.1.0.1-10.1.0.9`, `dynamic`, each with an
//! optional `[protocol/port]`, such as `dynamic[tcp/443]`, `10.1.0.0/24[udp/1024-65535]`, `fd01::/64[17]`,
//! `0.0.0.0/0[icmp/8]`, `10.1.0.0/24[tcp/opaque]`.

use core::net::IpAddr;

use ike_lite::{SelectorSpec, TrafficSelector};

use super::document::Item;
use super::error::{Error, Mistake};
use super::units;

/// How a selector may be written.
pub(super) const SELECTOR: &str = "\"dynamic\", a network, an address or a range \"first-last\", then optionally \
     [protocol] or [protocol/port], such as \"10.1.0.0/24[tcp/443]\"";
/// How a protocol may be written.
pub(super) const PROTOCOL: &str =
    "\"any\", \"icmp\", \"icmpv6\", \"tcp\", \"udp\", \"sctp\", \"gre\", \"esp\", or 1 to 255";
/// How ports may be written.
pub(super) const PORTS: &str = "\"any\", \"opaque\", a port, or a range such as \"1024-65535\"; for icmp a type, \"type(code)\" or \"type-type\"";

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// Protocol and ports of a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upper {
    pub(super) protocol: u8,
    pub(super) first_port: u16,
    pub(super) last_port: u16,
}

impl Upper {
    pub(super) const ANY: Self = Self { protocol: 0, first_port: 0, last_port: u16::MAX };
}

pub(super) fn protocol(text: &str) -> Option<u8> {
    Some(match text {
        "any" | "" => 0,
        "icmp" => ICMP,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "icmpv6" | "ipv6-icmp" => ICMPV6,
        "sctp" => 132,
        number => number.parse().ok().filter(|&n: &u8| n != 0)?,
    })
}

/// Ports of a protocol that has them, or types and codes: type in the upper octet, code in the lower.
pub(super) fn ports(protocol: u8, text: &str) -> Option<(u16, u16)> {
    match text {
        "any" | "" => return Some((0, u16::MAX)),
        "opaque" => return Some((u16::MAX, 0)),
        _ => {}
    }
    match protocol {
        ICMP | ICMPV6 => icmp(text),
        // Any protocol, and protocols without ports, cannot be limited by port.
        6 | 17 | 33 | 132 | 136 => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some((first, last))
        }
        _ => None,
    }
}

fn icmp(text: &str) -> Option<(u16, u16)> {
    let join = |kind: u8, code: u8| u16::from_be_bytes([kind, code]);
    if let Some((kind, rest)) = text.split_once('(') {
        let (kind, code) = (kind.trim().parse().ok()?, rest.strip_suffix(')')?.trim().parse().ok()?);
        return Some((join(kind, code), join(kind, code)));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((join(first, 0), join(last, u8::MAX)))
}

fn upper(text: &str) -> Option<Upper> {
    let (name, port) = text.split_once('/').unwrap_or((text, ""));
    let protocol = protocol(name.trim())?;
    let (first_port, last_port) = ports(protocol, port.trim())?;
    Some(Upper { protocol, first_port, last_port })
}

/// Addresses: a network, one address, or a range.
fn addresses(text: &str) -> Option<Result<TrafficSelector, &'static str>> {
    if let Some(prefix) = units::prefix(text) {
        let clean = !units::has_host_bits(&prefix);
        return Some(if clean {
            Ok(TrafficSelector::prefix(prefix.addr(), prefix.prefix_len()))
        } else {
            Err("bits behind the prefix length are set")
        });
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some(TrafficSelector::range(first, last).ok_or("the range ends before it begins, or mixes families"))
}

/// One selector out of a list; `item` is the place that mistakes are reported at.
pub(super) fn selector(text: &str, item: &Item<'_>) -> Result<SelectorSpec, Error> {
    let wrong = || item.mistake(Mistake::Value(alloc::format!("\"{text}\"")), SELECTOR);
    let (range, rest) = match text.split_once('[') {
        Some((range, rest)) => (range.trim(), rest.strip_suffix(']').ok_or_else(wrong)?),
        None => (text, ""),
    };
    let upper = upper(rest).ok_or_else(wrong)?;
    if range == "dynamic" {
        let Upper { protocol, first_port, last_port } = upper;
        return Ok(SelectorSpec::Dynamic { protocol, first_port, last_port });
    }
    let selector = addresses(range).ok_or_else(wrong)?.map_err(|why| {
        item.mistake(Mistake::Conflict { found: alloc::format!("\"{text}\""), why }, SELECTOR)
    })?;
    Ok(SelectorSpec::Fixed(selector.with_ports(upper.protocol, upper.first_port, upper.last_port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_layers() {
        let up = |protocol, first_port, last_port| Some(Upper { protocol, first_port, last_port });
        for (text, expected) in [
            ("", Some(Upper::ANY)),
            ("any", Some(Upper::ANY)),
            ("tcp", up(6, 0, 65535)),
            ("tcp/443", up(6, 443, 443)),
            ("udp/1024-65535", up(17, 1024, 65535)),
            ("17/opaque", up(17, 65535, 0)),
            ("icmp/8", up(1, 0x0800, 0x08ff)),
            ("icmp/3(4)", up(1, 0x0304, 0x0304)),
            ("icmpv6/128-129", up(58, 0x8000, 0x81ff)),
            ("tcp/5-4", None),
            ("tcp/65536", None),
            ("icmp/256", None),
            ("gre/5", None),
            ("any/5", None),
            ("foo", None),
            ("0", None),
            ("256", None),
        ] {
            assert_eq!(upper(text), expected, "{text}");
        }
    }
}

use super::super::fixture::{sample, samples};
use super::*;

const ALL: Fill = Fill { l3: true, l4: true, inner_l3: true, inner_l4: true };

/// Scapy's checksums are right, and a bit that changes spoils what covers it.
#[test]
fn verdicts_on_scapys_frames() {
    for sample in samples() {
        let headers = sample.headers();
        let verdict = verify(&headers.outer, &sample.frame);
        assert_eq!(verdict.l3, headers.outer.ip.is_some().then_some(true), "{}", sample.name);
        let checked = headers.outer.tcp().is_some() || headers.outer.udp().is_some();
        assert_eq!(verdict.l4, checked.then_some(true), "{}", sample.name);
        if let Some(inner) = &headers.inner {
            let good = Verdict { l3: Some(true), l4: Some(true) };
            assert_eq!(verify(inner, &sample.frame), good, "{}", sample.name);
        }
    }
}

#[test]
fn spoilt_frames() {
    let spoil = |name: &str, at: usize| {
        let mut frame = sample(name).frame;
        frame[at] ^= 0x10;
        verify(&Headers::parse(&frame).outer, &frame)
    };
    // TTL; payload; a byte of the pseudo-header.
    assert_eq!(spoil("tcp4", 22), Verdict { l3: Some(false), l4: Some(true) });
    assert_eq!(spoil("tcp4", 80), Verdict { l3: Some(true), l4: Some(false) });
    assert_eq!(spoil("tcp4", 30), Verdict { l3: Some(false), l4: Some(false) });
    assert_eq!(spoil("tcp6", 30), Verdict { l3: Some(true), l4: Some(false) });
    assert_eq!(spoil("udp4", 60), Verdict { l3: Some(true), l4: Some(false) });
    // A UDP length that does not fit.
    assert_eq!(spoil("udp4", 38), Verdict { l3: Some(true), l4: Some(false) });
    assert_eq!(spoil("udp4-zero", 60), Verdict { l3: Some(true), l4: Some(true) });
    // Ethernet padding is nobody's business.
    assert_eq!(spoil("padded", 58), Verdict { l3: Some(true), l4: Some(true) });
}

#[test]
fn udp_without_checksum_over_ipv6() {
    let mut frame = sample("udp6").frame;
    put(&mut frame, 60, &[0, 0]);
    assert_eq!(verify(&Headers::parse(&frame).outer, &frame).l4, Some(false));
}

#[test]
fn truncated_packets_are_bad() {
    let mut frame = sample("tcp4").frame;
    frame.pop();
    assert_eq!(verify(&Headers::parse(&frame).outer, &frame), Verdict { l3: Some(false), l4: Some(false) });
}

/// A checksum that is right for what is there, under a length that says more.
#[test]
fn truncated_packets_are_bad_whatever_they_sum_to() {
    let mut frame = sample("tcp4").frame;
    frame[17] += 4;
    fill(&mut frame, ALL);
    assert_eq!(verify(&Headers::parse(&frame).outer, &frame), Verdict { l3: Some(false), l4: Some(false) });
}

#[test]
fn udp_lengths_that_do_not_fit() {
    let good = sample("udp4-zero").frame;
    for (length, expected) in [(41, true), (40, true), (8, true), (7, false), (0, false), (42, false)] {
        let mut frame = good.clone();
        frame[39] = length;
        assert_eq!(verify(&Headers::parse(&frame).outer, &frame).l4, Some(expected), "{length}");
    }
}

#[test]
fn sums_of_completions() {
    for sample in samples() {
        if let Some(sum) = sample.sum {
            assert_eq!(complete(&sample.headers(), &sample.frame, false), sum, "{}", sample.name);
        }
    }
}

/// What Linux does with the sum: it adds tags and padding, takes the IP header off, and adds the pseudo-header.
#[test]
fn linux_finds_the_sum_right() {
    for name in ["tcp4", "tcp6", "udp6", "vlan-tcp4", "padded"] {
        let sample = sample(name);
        let headers = sample.headers();
        let ip = headers.outer.ip.as_ref().unwrap();
        let sum = complete(&headers, &sample.frame, false);
        let padding = &sample.frame[ip.end..];
        let whole = Sum(u64::from(sum)).with(&sample.frame[14..ip.offset]).with(padding);
        assert_eq!(whole.fold(), complete(&headers, &sample.frame, true), "{name}");
        let header = Sum::default().with(&sample.frame[ip.offset..ip.payload]).fold();
        let l4 = Sum(u64::from(sum) + u64::from(!header));
        let length = ip.end - ip.payload;
        assert_eq!(l4.with_pseudo_header(ip, ip.protocol, length).fold(), 0xffff, "{name}");
    }
}

/// Whatever stood in the fields, the result is what scapy wrote.
#[test]
fn filled_as_scapy_fills() {
    for sample in samples() {
        let headers = sample.headers();
        let mut frame = sample.frame.clone();
        let mut fields = Vec::new();
        for layers in [Some(&headers.outer), headers.inner.as_ref()].into_iter().flatten() {
            if let Some(ip) = layers.ip.as_ref().filter(|ip| ip.source.is_ipv4()) {
                fields.push(ip.offset + 10);
            }
            match &layers.l4 {
                L4::Tcp(tcp) => fields.push(tcp.offset + 16),
                L4::Udp(udp) => fields.push(udp.offset + 6),
                _ => {}
            }
        }
        for field in &fields {
            put(&mut frame, *field, &[0x12, 0x34]);
        }
        let zero_udp = headers.outer.udp().is_some_and(|udp| be16(&sample.frame, udp.offset + 6) == Some(0));
        if zero_udp {
            continue;
        }
        let spoilt = frame.clone();
        fill(&mut frame, Fill::default());
        assert_eq!(frame, spoilt, "{}: nothing asked for", sample.name);
        fill(&mut frame, ALL);
        assert_eq!(frame, sample.frame, "{}", sample.name);
    }
}

#[test]
fn only_what_was_asked_for() {
    let good = sample("vxlan").frame;
    let at = [24, 40, 64 + 40 + 16];
    for (flags, field) in [(0x40, at[0]), (0x80, at[1]), (0x20, at[2])] {
        let mut frame = good.clone();
        put(&mut frame, field, &[0, 0]);
        // An outer checksum over a spoilt inner one comes out differently; only look at the field itself then.
        fill(&mut frame, Fill::from_flags(!flags));
        assert_eq!(be16(&frame, field), Some(0), "{flags:#x}");
        fill(&mut frame, Fill::from_flags(flags));
        assert_eq!(be16(&frame, field), be16(&good, field), "{flags:#x}");
    }
}

#[test]
fn udp_checksum_that_is_zero_is_sent_as_ones() {
    let mut frame = sample("udp4").frame;
    let checksum = be16(&frame, 40).unwrap();
    // Adding the checksum to a payload word makes the sum all ones.
    let word = be16(&frame, 42).unwrap();
    let sum = Sum(u64::from(word) + u64::from(checksum)).fold();
    put(&mut frame, 42, &sum.to_be_bytes());
    fill(&mut frame, ALL);
    assert_eq!(be16(&frame, 40), Some(0xffff));
}

#[test]
fn software_parser() {
    // IPv4, GRE with key, IPv4, UDP: all offsets are even.
    let good = sample("gre").frame;
    let mut frame = good.clone();
    for field in [24, 42 + 10, 62 + 6] {
        put(&mut frame, field, &[0xaa, 0xaa]);
    }
    let swp = SoftwareParser { outer_l3: 7, outer_l4: 0, inner_l3: 21, inner_l4: 31, flags: 0x02 };
    swp.fill(&mut frame, Fill::from_flags(0x40 | 0x10 | 0x20));
    assert_eq!(frame, good);
    // The same headers, named as outer ones, of IPv6 and TCP.
    let good = sample("tcp6").frame;
    let mut frame = good.clone();
    put(&mut frame, 54 + 16, &[0, 0]);
    let swp = SoftwareParser { outer_l3: 7, outer_l4: 27, flags: 0x10, ..SoftwareParser::default() };
    assert!(swp.is_used());
    swp.fill(&mut frame, Fill::from_flags(0xc0));
    assert_eq!(frame, good);
    // An inner transport header alone goes with the outer IP header.
    put(&mut frame, 54 + 16, &[0, 0]);
    let swp = SoftwareParser { outer_l3: 7, inner_l4: 27, flags: 0x10, ..SoftwareParser::default() };
    swp.fill(&mut frame, Fill::from_flags(0x20));
    assert_eq!(frame, good);
    // Offsets beyond the frame do nothing.
    let wild = SoftwareParser { outer_l3: 255, outer_l4: 255, inner_l3: 255, inner_l4: 7, flags: 0xff };
    wild.fill(&mut frame, ALL);
    assert_eq!(frame, good);
}

#[test]
fn rfc_1071_example() {
    let sum = Sum::default().with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!((sum.fold(), sum.checksum()), (0xddf2, 0x220d));
}

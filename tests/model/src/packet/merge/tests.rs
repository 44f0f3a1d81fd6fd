use super::super::checksum::{Fill, fill};
use super::super::fixture::sample;
use super::super::segment::{cut_frame, header_length};
use super::*;

const LIMIT: usize = 16384;

/// Segments of one large send, without the PSH of the sample.
fn segments(name: &str, length: usize, mss: u16) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut frame = sample(name).frame;
    let headers = header_length(&frame).unwrap();
    frame.truncate(headers);
    frame.extend((0..length).map(|at| (at / 3) as u8));
    let tcp = *Headers::parse(&sample(name).frame).outer.tcp().unwrap();
    frame[tcp.offset + 13] = Tcp::ACK as u8;
    let mut segments = cut_frame(&frame, headers, mss).unwrap();
    segments.iter_mut().for_each(|segment| fill(segment, Fill { l3: true, l4: true, ..Fill::default() }));
    (frame, segments)
}

fn change(frame: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    put(&mut frame, at, value);
    fill(&mut frame, Fill { l3: true, l4: true, ..Fill::default() });
    frame
}

fn offer(merges: &mut Merges, frame: &[u8]) -> Vec<Delivery> {
    merges.offer(frame.to_vec(), &Headers::parse(frame), LIMIT)
}

/// The headers as Linux makes them from the completion, `mlx5e_lro_update_hdr`.
fn update(merged: &Merged) -> Vec<u8> {
    let mut frame = merged.frame.clone();
    let headers = super::super::Parser { lengths: false, ..Default::default() }.parse(&frame);
    let (ip, tcp) = (headers.outer.ip.as_ref().unwrap(), *headers.outer.tcp().unwrap());
    let length = frame.len() - ip.offset;
    if ip.source.is_ipv4() {
        put(&mut frame, ip.offset + 8, &[merged.min_ttl]);
        put(&mut frame, ip.offset + 2, &(length as u16).to_be_bytes());
        super::super::checksum::fill_l3(ip, &mut frame);
    } else {
        put(&mut frame, ip.offset + 7, &[merged.min_ttl]);
        put(&mut frame, ip.offset + 4, &(length as u16 - 40).to_be_bytes());
    }
    let push = if merged.push { Tcp::PSH as u8 } else { 0 };
    put(&mut frame, tcp.offset + 13, &[Tcp::ACK as u8 | push]);
    put(&mut frame, tcp.offset + 8, &merged.acknowledgement.to_be_bytes());
    put(&mut frame, tcp.offset + 14, &merged.window.to_be_bytes());
    put(&mut frame, tcp.offset + 16, &[0, 0]);
    let header = cut(&frame, tcp.offset, tcp.offset + tcp.header_length);
    let sum = Sum::default().with(&merged.check_sum.to_be_bytes()).with(header);
    let sum = sum.with_pseudo_header(ip, 6, frame.len() - tcp.offset);
    put(&mut frame, tcp.offset + 16, &sum.checksum().to_be_bytes());
    frame
}

#[test]
fn segments_become_what_linux_believes() {
    for name in ["tcp4", "tcp6", "vlan-tcp4"] {
        let (whole, mut parts) = segments(name, 3001, 1001);
        let last = parts.last_mut().unwrap();
        let tcp = *Headers::parse(last).outer.tcp().unwrap();
        *last = change(last, tcp.offset + 8, &[9, 9, 9, 9, 0x50, 0x18, 0x12, 0x34]);
        let ttl = Headers::parse(last)
            .outer
            .ip
            .as_ref()
            .map(|ip| ip.offset + if ip.source.is_ipv4() { 8 } else { 7 });
        *last = change(last, ttl.unwrap(), &[3]);
        let mut merges = Merges::default();
        assert!(offer(&mut merges, &parts[0]).is_empty());
        assert!(offer(&mut merges, &parts[1]).is_empty());
        let out = offer(&mut merges, &parts[2]);
        assert!(merges.is_empty());
        let [Delivery::Merged(merged)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((merged.segments, merged.push, merged.min_ttl), (3, true, 3), "{name}");
        assert_eq!((merged.acknowledgement, merged.window), (0x0909_0909, 0x1234), "{name}");
        let updated = update(merged);
        let headers = Headers::parse(&updated);
        assert_eq!(verify(&headers.outer, &updated), Verdict { l3: Some(true), l4: Some(true) }, "{name}");
        assert_eq!(
            updated[headers.outer.payload().unwrap()],
            whole[header_length(&whole).unwrap()..],
            "{name}"
        );
    }
}

#[test]
fn a_flush_ends_it() {
    let (_, parts) = segments("tcp4", 2000, 1000);
    let mut merges = Merges::default();
    offer(&mut merges, &parts[0]);
    assert_eq!(merges.flush(), [Delivery::Single(parts[0].clone())]);
    offer(&mut merges, &parts[0]);
    offer(&mut merges, &parts[1]);
    assert!(matches!(&merges.flush()[..], [Delivery::Merged(Merged { segments: 2, push: false, .. })]));
    assert!(merges.flush().is_empty());
}

#[test]
fn what_does_not_fit_comes_after_what_was_there() {
    let (_, parts) = segments("tcp4", 3000, 1000);
    let tcp = Headers::parse(&parts[0]).outer.tcp().unwrap().offset;
    // A gap; another flag; a wrong checksum; a mark of congestion; another station.
    let gap = parts[2].clone();
    let fin = change(&parts[1], tcp + 13, &[0x11]);
    let mut wrong = parts[1].clone();
    wrong[70] ^= 1;
    let congestion = change(&parts[1], 15, &[3]);
    let mac = change(&parts[1], 5, &[9]);
    for other in [gap, fin, wrong, congestion, mac] {
        let mut merges = Merges::default();
        offer(&mut merges, &parts[0]);
        let mut out = offer(&mut merges, &other);
        out.extend(merges.flush());
        assert_eq!(out, [Delivery::Single(parts[0].clone()), Delivery::Single(other)]);
    }
}

#[test]
fn the_limit_is_kept() {
    let (_, parts) = segments("tcp4", 3000, 1000);
    let mut merges = Merges::default();
    for (index, part) in parts.iter().enumerate() {
        let out = merges.offer(part.clone(), &Headers::parse(part), 2020);
        assert_eq!(out.len(), usize::from(index == 2));
    }
}

#[test]
fn flows_do_not_mix() {
    let (_, parts) = segments("tcp4", 2000, 1000);
    let tcp = Headers::parse(&parts[0]).outer.tcp().unwrap().offset;
    let mut merges = Merges::default();
    for part in &parts {
        assert!(offer(&mut merges, part).is_empty());
        assert!(offer(&mut merges, &change(part, tcp, &[0, 99])).is_empty());
    }
    assert_eq!(merges.flush().len(), 2);
    // Of many flows the oldest goes.
    for port in 0..40u16 {
        let out = offer(&mut merges, &change(&parts[0], tcp, &port.to_be_bytes()));
        assert_eq!(out.len(), usize::from(port >= 32));
    }
}

#[test]
fn what_is_never_merged() {
    for name in ["udp4", "esp4", "frag4-first", "vxlan", "arp", "extensions6", "padded"] {
        let sample = sample(name);
        let mut merges = Merges::default();
        assert_eq!(offer(&mut merges, &sample.frame), [Delivery::Single(sample.frame)], "{name}");
    }
}

#[test]
fn flags_and_headers_that_never_merge() {
    let start = |frame: &[u8]| Merge::start(frame, &Headers::parse(frame)).is_some();
    let (_, parts) = segments("tcp4", 100, 1000);
    assert!(start(&parts[0]));
    let tcp = Headers::parse(&parts[0]).outer.tcp().unwrap().offset;
    for flags in [0x00, 0x08, 0x11, 0x12, 0x14, 0x30, 0x50, 0x90] {
        assert!(!start(&change(&parts[0], tcp + 13, &[flags])), "{flags:#x}");
    }
    for name in ["tcp4-options", "extensions6", "atomic6"] {
        let (_, parts) = segments(name, 100, 1000);
        assert!(!start(&parts[0]), "{name}");
    }
}

#[test]
fn nothing_follows_a_push() {
    let (_, parts) = segments("tcp4", 2000, 1000);
    let tcp = Headers::parse(&parts[0]).outer.tcp().unwrap().offset;
    let first = change(&parts[0], tcp + 13, &[0x18]);
    let mut merge = Merge::start(&first, &Headers::parse(&first)).unwrap();
    assert!(merge.is_complete());
    assert!(!merge.push(&parts[1], &Headers::parse(&parts[1]), LIMIT));
    assert_eq!(merge.segments(), 1);
    assert_eq!(offer(&mut Merges::default(), &first), [Delivery::Single(first)]);
}

#[test]
fn timestamps_are_the_newest() {
    let (whole, parts) = segments("tcp4", 2000, 1000);
    let head = header_length(&whole).unwrap();
    let stamped = |part: &[u8], value: u8| {
        let mut frame = part[..head].to_vec();
        frame.extend([1, 1, 8, 10, 0, 0, 0, value, 0, 0, 0, value]);
        frame.extend(&part[head..]);
        let length = (frame.len() - 14) as u16;
        put(&mut frame, 16, &length.to_be_bytes());
        change(&frame, 46, &[0x80])
    };
    let mut merges = Merges::default();
    offer(&mut merges, &stamped(&parts[0], 4));
    offer(&mut merges, &stamped(&parts[1], 7));
    let out = merges.flush();
    // With and without do not go together.
    offer(&mut merges, &stamped(&parts[0], 4));
    assert_eq!(offer(&mut merges, &parts[1]), [Delivery::Single(stamped(&parts[0], 4))]);
    let [Delivery::Merged(merged)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(merged.frame[54..66], [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 7]);
    assert_eq!(merged.frame.len(), 66 + 2000);
}

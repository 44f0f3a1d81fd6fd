use super::super::checksum::{Fill, Verdict, fill, verify};
use super::super::fixture::{sample, samples};
use super::*;
use proptest::prelude::*;

const ALL: Fill = Fill { l3: true, l4: true, inner_l3: true, inner_l4: true };

/// A sample's headers with `length` bytes of payload.
fn large(name: &str, length: usize) -> (Vec<u8>, usize) {
    let mut frame = sample(name).frame;
    let headers = header_length(&frame).unwrap();
    frame.truncate(headers);
    frame.extend((0..length).map(|at| (at / 3) as u8));
    (frame, headers)
}

/// Cut and filled in, as a card sends it.
fn send(frame: &[u8], headers: usize, mss: u16) -> Vec<Vec<u8>> {
    let mut segments = cut_frame(frame, headers, mss).unwrap();
    segments.iter_mut().for_each(|segment| fill(segment, ALL));
    segments
}

#[test]
fn tcp_over_ipv4() {
    let (mut frame, headers) = large("tcp4", 2500);
    put(&mut frame, 54 - 8, &[0x50, 0x80 | 0x19]);
    // A length of zero, as Linux has it for more than 64 KiB.
    put(&mut frame, 16, &[0, 0]);
    let segments = send(&frame, headers, 1000);
    assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [1054, 1054, 554]);
    let mut payload = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let parsed = Headers::parse(segment);
        assert_eq!(verify(&parsed.outer, segment), Verdict { l3: Some(true), l4: Some(true) });
        let tcp = parsed.outer.tcp().unwrap();
        assert_eq!(tcp.sequence, 0x0102_0304 + 1000 * index as u32);
        assert_eq!(be16(segment, 18), Some(1 + index as u16), "identification");
        assert_eq!(tcp.acknowledgement, 0x0a0b_0c0d);
        let flags = [Tcp::CWR | Tcp::ACK, Tcp::ACK, Tcp::ACK | Tcp::PSH | Tcp::FIN][index];
        assert_eq!(tcp.flags, flags);
        payload.extend_from_slice(&segment[parsed.outer.payload().unwrap()]);
    }
    assert_eq!(payload, frame[headers..]);
}

#[test]
fn other_headers() {
    for (name, mss) in
        [("tcp6", 999), ("vlan-tcp4", 1), ("tcp4-options", 48), ("extensions6", 500), ("qinq-udp6", 512)]
    {
        let (frame, headers) = large(name, 1024);
        let segments = send(&frame, headers, mss);
        assert_eq!(segments.len(), 1024_usize.div_ceil(usize::from(mss)), "{name}");
        let mut payload = Vec::new();
        for segment in &segments {
            let parsed = Headers::parse(segment);
            assert_eq!(parsed.outer.ip.as_ref().unwrap().end, segment.len(), "{name}");
            assert_eq!(verify(&parsed.outer, segment), Verdict { l3: Some(true), l4: Some(true) }, "{name}");
            payload.extend_from_slice(&segment[parsed.outer.payload().unwrap()]);
        }
        assert_eq!(payload, frame[headers..], "{name}");
    }
}

#[test]
fn inside_of_tunnels() {
    for name in ["vxlan", "gre", "ipip", "ip6ip", "gre-bridged"] {
        let (frame, headers) = large(name, 3000);
        let segments = send(&frame, headers, 1400);
        assert_eq!(segments.len(), 3, "{name}");
        for (index, segment) in segments.iter().enumerate() {
            let parsed = Headers::parse(segment);
            assert_eq!(parsed.outer.ip.as_ref().unwrap().end, segment.len(), "{name}");
            let inner = parsed.inner.as_ref().unwrap();
            assert_eq!(verify(inner, segment), Verdict { l3: Some(true), l4: Some(true) }, "{name}");
            assert_eq!(verify(&parsed.outer, segment).l3, Some(true), "{name}");
            assert_ne!(verify(&parsed.outer, segment).l4, Some(false), "{name}");
            let expected = if index == 2 { 200 } else { 1400 };
            assert_eq!(inner.payload().unwrap().len(), expected, "{name}");
        }
    }
}

#[test]
fn numbers_wrap() {
    let (mut frame, headers) = large("tcp4", 30);
    put(&mut frame, 18, &[0xff, 0xff]);
    put(&mut frame, 38, &[0xff, 0xff, 0xff, 0xfa]);
    let segments = send(&frame, headers, 10);
    assert_eq!(be16(&segments[1], 18), Some(0));
    assert_eq!(Headers::parse(&segments[1]).outer.tcp().unwrap().sequence, 4);
}

#[test]
fn one_segment_is_the_frame_itself() {
    let sample = sample("tcp4");
    let headers = header_length(&sample.frame).unwrap();
    assert_eq!(send(&sample.frame, headers, 1000), core::slice::from_ref(&sample.frame));
    assert_eq!(send(&sample.frame[..headers], headers, 1000).len(), 1, "no payload at all");
}

#[test]
fn refusals() {
    let frame = sample("tcp4").frame;
    assert_eq!(cut_frame(&frame, 54, 0), Err(CutError::Mss));
    assert_eq!(cut_frame(&frame, 53, 100), Err(CutError::HeaderLength { expected: 54 }));
    assert_eq!(cut_frame(&sample("esp4").frame, 54, 100), Err(CutError::NotTransport));
    assert_eq!(cut_frame(&[], 0, 100), Err(CutError::NotTransport));
    let (frame, headers) = large("tcp4", 70_000);
    assert_eq!(cut_frame(&frame, headers, 65_535), Err(CutError::TooLong));
}

proptest! {
    #[test]
    fn never_panics(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
        mss: u16,
    ) {
        let samples = samples();
        let mut frame = which.get(&samples).frame.clone();
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(length.index(frame.len() + 1));
        let headers = header_length(&frame).unwrap_or(0);
        if let Ok(segments) = cut_frame(&frame, headers, mss) {
            let total: usize = segments.iter().map(|segment| segment.len() - headers).sum();
            prop_assert_eq!(total, frame.len() - headers);
        }
    }
}

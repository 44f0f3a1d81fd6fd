//! Finding ESP in frames of the wire, to replay and to corrupt it: RFC 4303 (IP protocol 50) and RFC 3948 (UDP port
//! 4500), behind any number of VLAN tags. Leaves out IPv6 extension headers before ESP, which no sender here writes.

use core::ops::Range;

/// Where the ESP packet lies in `frame`, from the SPI to the end of the ICV, without Ethernet padding.
pub fn find(frame: &[u8]) -> Option<Range<usize>> {
    let mut at = 12;
    let mut kind = be16(frame, at)?;
    while matches!(kind, 0x8100 | 0x88a8) {
        at += 4;
        kind = be16(frame, at)?;
    }
    at += 2;
    let (protocol, body, end) = match kind {
        0x0800 => {
            let header = usize::from(frame.get(at)? & 0xf) * 4;
            // A fragment's bytes are no ESP packet.
            if be16(frame, at + 6)? & 0x3fff != 0 {
                return None;
            }
            (*frame.get(at + 9)?, at + header, at + usize::from(be16(frame, at + 2)?))
        }
        0x86dd => (*frame.get(at + 6)?, at + 40, at + 40 + usize::from(be16(frame, at + 4)?)),
        _ => return None,
    };
    let esp = match protocol {
        50 => body..end,
        17 if be16(frame, body)? == 4500 || be16(frame, body + 2)? == 4500 => body + 8..end,
        _ => return None,
    };
    // In UDP, four zeros instead of an SPI are IKE, and a single octet keeps the NAT's mapping alive.
    let spi = frame.get(esp.clone())?.first_chunk::<4>()?;
    (*spi != [0; 4]).then_some(esp)
}

/// Flips a bit of the ICV of the ESP packet in `frame`. `false` when there is none.
pub fn corrupt(frame: &mut [u8]) -> bool {
    match find(frame).and_then(|esp| frame.get_mut(esp.end - 1)) {
        Some(last) => {
            *last ^= 0x10;
            true
        }
        None => false,
    }
}

fn be16(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame around an IPv4 packet with this protocol and payload, padded to 60 bytes.
    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend((20 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(payload);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    #[test]
    fn esp_in_ip_in_udp_and_behind_a_vlan_tag() {
        let esp = [0, 0, 0x10, 1, 0, 0, 0, 7, 0xaa, 0xbb];
        assert_eq!(find(&ipv4(50, &esp)), Some(34..44));
        let udp: Vec<u8> = [&[0x11, 0x94, 0x11, 0x94, 0, 18, 0, 0], esp.as_slice()].concat();
        assert_eq!(find(&ipv4(17, &udp)), Some(42..52));
        let mut tagged = ipv4(50, &esp);
        tagged.splice(12..12, [0x81, 0, 0, 5]);
        assert_eq!(find(&tagged), Some(38..48));
        let mut v6 = vec![2; 12];
        v6.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 10, 50, 64]);
        v6.extend([0xfd; 32]);
        v6.extend(esp);
        assert_eq!(find(&v6), Some(54..64));
    }

    #[test]
    fn other_packets_are_left_alone() {
        let ike = [0x11, 0x94, 0x11, 0x94, 0, 18, 0, 0, 0, 0, 0, 0, 1, 2];
        let alive = [0x11, 0x94, 0x11, 0x94, 0, 9, 0, 0, 0xff];
        for frame in [ipv4(17, &ike), ipv4(17, &alive), ipv4(6, &[1; 40]), vec![0; 13], Vec::new()] {
            assert_eq!(find(&frame), None);
            assert!(!corrupt(&mut frame.clone()));
        }
        let mut fragment = ipv4(50, &[1; 20]);
        fragment[20] = 0x20;
        assert_eq!(find(&fragment), None);
    }

    #[test]
    fn corruption_hits_the_last_octet_before_the_padding() {
        let frame = ipv4(50, &[1; 20]);
        let mut flipped = frame.clone();
        assert!(corrupt(&mut flipped));
        let differing: Vec<usize> = (0..frame.len()).filter(|at| frame[*at] != flipped[*at]).collect();
        assert_eq!(differing, [53]);
    }

    #[test]
    fn no_frame_of_any_length_makes_it_panic() {
        let whole = ipv4(50, &[0xff; 30]);
        for length in 0..whole.len() {
            let _ = find(&whole[..length]);
        }
        for fill in [0x45, 0xff, 0x86] {
            let mut frame = whole.clone();
            frame[14..].fill(fill);
            let _ = find(&frame);
        }
    }
}

//! Path MTU, fragmentation and reassembly through the stack.

use super::*;
use proptest::prelude::*;

/// `fragment(IP(src='10.1.0.2',dst='10.1.0.1',id=0x4242)/UDP(sport=9,dport=10)/bytes(range(64)), fragsize=32)`
const WHOLE: &str = "4500005c424200004011244b0a0100020a0100010009000a00480743000102030405060708090a0b0c0d0e0f1011121314\
     15161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
const PIECES: [&str; 3] = [
    "4500003442422000401104730a0100020a0100010009000a00480743000102030405060708090a0b0c0d0e0f1011121314151617",
    "45000034424220044011046f0a0100020a01000118191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
    "4500001c42420008401124830a0100020a01000138393a3b3c3d3e3f",
];

fn cut(stack: &mut Stack, packet: Packet, mtu: u16) -> Result<Vec<Vec<u8>>, Cause> {
    let mut pieces = Vec::new();
    stack.fragment(packet, mtu, &mut |piece| pieces.push(piece.bytes().to_vec()))?;
    Ok(pieces)
}

#[test]
fn cuts_as_scapy_does_and_puts_together_again() {
    let mut stack = stack();
    let pieces = cut(&mut stack, Packet::from_bytes(&hex(WHOLE)), 59).unwrap();
    assert_eq!(pieces, PIECES.map(hex));
    for (index, text) in PIECES.iter().enumerate() {
        let (packet, parsed) = accepted(&mut stack, from_host(&hex(text)));
        match stack.reassemble(NOW, packet, &parsed) {
            Reassembled::Waiting => assert!(index < 2),
            Reassembled::Whole(packet) => {
                assert_eq!((index, packet.bytes()), (2, &hex(WHOLE)[..]));
                assert_eq!(packet.meta.fragment_size, Some(52));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_piece_is_cut_into_pieces_of_the_same_datagram() {
    let mut stack = stack();
    for (text, more_at_end) in [(PIECES[1], true), (PIECES[2], false)] {
        let whole = Flow::parse(&hex(text)).unwrap().fragment.unwrap();
        let pieces = cut(&mut stack, Packet::from_bytes(&hex(text)), 28).unwrap();
        let mut offset = whole.offset;
        for (index, piece) in pieces.iter().enumerate() {
            let fragment = Flow::parse(piece).unwrap().fragment.unwrap();
            let more = index + 1 < pieces.len() || more_at_end;
            assert_eq!((fragment.ident, fragment.offset, fragment.more), (whole.ident, offset, more));
            offset += piece.len() as u16 - 20;
        }
        assert_eq!(offset - whole.offset, hex(text).len() as u16 - 20);
    }
    // An IPv6 fragment is the source's affair.
    let mut fragment = Packet::from_bytes(&hex(fixture::FRAGMENT6));
    fragment.meta.fragment_size = Some(56);
    assert_eq!(stack.fragment(fragment, 1280, &mut |_| {}), Err(Cause::ExtensionHeaders));
}

#[test]
fn who_may_be_fragmented() {
    let mut stack = stack();
    let mut df = hex(WHOLE);
    df[6] = 0x40;
    fix_checksum(&mut df);
    assert_eq!(cut(&mut stack, Packet::from_bytes(&df), 59), Err(Cause::TooBig));
    assert_eq!(cut(&mut stack, Packet::from_bytes(&df), 92).unwrap(), [df.clone()]);
    // Reassembled here: may be cut again, keeps its flag, and grows no larger than it came.
    let mut again = Packet::from_bytes(&df);
    again.meta.fragment_size = Some(52);
    let pieces = cut(&mut stack, again, 1500).unwrap();
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [52, 52, 28]);
    assert!(pieces.iter().all(|piece| Flow::parse(piece).unwrap().dont_fragment));
    // IPv6: only as the source.
    let transit = fixture::udp("2001:db8:a::2", "2001:db8:9::9", [7, 8], &[1; 1400]);
    assert_eq!(cut(&mut stack, Packet::from_bytes(&transit), 1280), Err(Cause::TooBig));
    let own = fixture::udp("2001:db8:b::1", "2001:db8:9::9", [7, 8], &[1; 1400]);
    let pieces = cut(&mut stack, Packet::from_bytes(&own), 1280).unwrap();
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [1280, 48 + 1408 - 1232]);
    assert_eq!(stack.counters().of(Cause::TooBig), 2);
}

#[test]
fn a_short_pool_fails_before_the_first_piece() {
    let mut stack = Stack::new(config(), Pool::new(2));
    let packet = Packet::from_bytes(&hex(WHOLE));
    assert_eq!(cut(&mut stack, packet, 59), Err(Cause::NoBuffer));
    assert_eq!(stack.pool.available(), 2);
}

#[test]
fn options_are_repeated_only_if_they_say_so() {
    let mut stack = stack();
    // Record route (7, not copied), no-operation, router alert (0x94, copied).
    let mut packet = fixture::udp("10.1.0.2", "10.9.0.9", [7, 8], &[5; 100]);
    packet.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0]);
    packet[0] = 0x48;
    packet[3] += 12;
    fix_checksum(&mut packet);
    let pieces = cut(&mut stack, Packet::from_bytes(&packet), 80).unwrap();
    assert_eq!(pieces[0][20..32], packet[20..32]);
    assert_eq!((pieces[1][0], &pieces[1][20..24]), (0x46, &[0x94, 4, 0, 0][..]));
    assert!(pieces.iter().all(|piece| Flow::parse(piece).is_ok()));
}

#[test]
fn send_fragments_what_does_not_fit() {
    let mut stack = stack();
    let packet = fixture::udp("10.1.0.2", "198.51.100.7", [7, 8], &[1; 2000]);
    stack.send(NOW, Packet::from_bytes(&packet)).unwrap();
    let frames = sent(&mut stack, 1);
    assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [14 + 1500, 14 + 20 + 2008 - 1480]);
    let mut df = packet;
    df[6] = 0x40;
    fix_checksum(&mut df);
    assert_eq!(stack.send(NOW, Packet::from_bytes(&df)), Err(Cause::TooBig));
}

#[test]
fn a_learned_path_mtu_binds_our_own_packets_until_it_is_too_old() {
    let mut stack = stack();
    let dst = addr("198.51.100.7");
    assert_eq!(stack.path_mtu(dst), 1500);
    assert_eq!(stack.learn_path_mtu(dst, 1600, NOW), 1500);
    assert_eq!(stack.learn_path_mtu(dst, 1300, NOW), 1300);
    assert_eq!(stack.learn_path_mtu(dst, 1400, NOW), 1300);
    assert_eq!(stack.path_mtu(addr("198.51.100.8")), 1500);
    assert_eq!(stack.path_mtu(addr("10.1.0.1")), 0);
    let transit = fixture::udp("10.1.0.2", "198.51.100.7", [7, 8], &[1; 1400]);
    stack.send(NOW, Packet::from_bytes(&transit)).unwrap();
    assert_eq!(sent(&mut stack, 1).len(), 1);
    let own = fixture::udp("203.0.113.1", "198.51.100.7", [7, 8], &[1; 1400]);
    stack.send(NOW, Packet::from_bytes(&own)).unwrap();
    assert_eq!(sent(&mut stack, 1).len(), 2);
    let wake = stack.poll(NOW);
    assert_eq!(wake, Instant::from_secs(700));
    stack.poll(wake);
    assert_eq!(stack.path_mtu(dst), 1500);
}

#[test]
fn an_incomplete_datagram_is_reported_if_its_beginning_came() {
    let mut stack = stack();
    for text in [PIECES[0], PIECES[2]] {
        let (packet, parsed) = accepted(&mut stack, from_host(&hex(text)));
        assert!(matches!(stack.reassemble(NOW, packet, &parsed), Reassembled::Waiting));
    }
    let mut other = hex(PIECES[1]);
    other[4] = 9;
    fix_checksum(&mut other);
    let (packet, parsed) = accepted(&mut stack, from_host(&other));
    assert!(matches!(stack.reassemble(NOW, packet, &parsed), Reassembled::Waiting));
    let wake = stack.poll(NOW);
    assert_eq!(wake, Instant::from_secs(130));
    assert!(stack.take_generated().is_none());
    assert_eq!(stack.poll(wake), Instant::NEVER);
    assert_eq!(stack.counters().of(Cause::ReassemblyTimeout), 2);
    let error = stack.take_generated().unwrap();
    assert_eq!(error.bytes()[20..22], [11, 1]);
    // The quote shows the first fragment as the beginning of an unfragmented packet.
    assert_eq!(error.bytes()[48..], hex(PIECES[0])[20..]);
    assert!(stack.take_generated().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Fragmentation and reassembly, in any order and with duplicates, give the packet back.
    #[test]
    fn cutting_and_putting_together_is_identity(
        v6: bool,
        length in 1usize..4000,
        mtu in 68u16..1500,
        order in prop::collection::vec(any::<u16>(), 80),
        seed: u8,
    ) {
        let mut config = config();
        config.limits.reassembly_pieces = 1000;
        let mut stack = Stack::new(config, Pool::new(256));
        let payload: Vec<u8> = (0..length).map(|i| (i * 7) as u8 ^ seed).collect();
        let (src, dst) = if v6 { ("2001:db8:b::1", "2001:db8:9::9") } else { ("10.1.0.2", "10.1.0.1") };
        let packet = fixture::udp(src, dst, [7, 8], &payload);
        let mut pieces = cut(&mut stack, Packet::from_bytes(&packet), mtu).unwrap();
        prop_assert!(pieces.iter().all(|piece| piece.len() <= usize::from(mtu)));
        if let [only] = &pieces[..] {
            prop_assert_eq!(only, &packet);
            return Ok(());
        }
        // Some come twice; then all are shuffled; the whole must come exactly when the last is in.
        let doubles: Vec<_> = pieces.iter().step_by(3).cloned().collect();
        pieces.extend(doubles);
        for (index, with) in order.iter().enumerate().take(pieces.len()) {
            let with = usize::from(*with) % pieces.len();
            pieces.swap(index, with);
        }
        let mut wholes = 0;
        for piece in &pieces {
            let parsed = Flow::parse(piece).unwrap();
            match stack.reassemble(NOW, Packet::from_bytes(piece), &parsed) {
                Reassembled::Whole(whole) => {
                    prop_assert_eq!(whole.bytes(), &packet[..]);
                    wholes += 1;
                }
                Reassembled::Waiting => {}
                Reassembled::Dropped(cause) => prop_assert!(false, "{:?}", cause),
            }
        }
        prop_assert!(wholes >= 1);
    }
}

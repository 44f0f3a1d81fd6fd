//! What this crate's tests share: hex, data files, IP packets, pairs of SAs, hand-made ESP packets.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use net::{Instant, Packet};

use crate::aead::Aead;
use crate::state::{Half, Opener, Sealer};
use crate::*;

pub(crate) const NOW: Instant = Instant::from_secs(1000);

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2) && text.is_ascii(), "not hex: {text}");
    let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("not hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

pub(crate) fn algorithm(name: &str) -> Algorithm {
    let all = [Algorithm::AesGcm128, Algorithm::AesGcm256, Algorithm::ChaCha20Poly1305];
    all.into_iter().find(|a| a.name() == name).expect("unknown algorithm")
}

/// The lines of a data file that are not comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The `name=value` fields of a line.
pub(crate) fn fields(line: &str) -> BTreeMap<&str, &str> {
    line.split(' ').map(|field| field.split_once('=').expect("name=value")).collect()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

pub(crate) fn range(text: &str) -> AddressRange {
    text.parse::<net::Prefix>().expect("prefix").into()
}

/// Everything between two prefixes.
pub(crate) fn between(src: &str, dst: &str) -> Selector {
    Selector::addresses(range(src), range(dst)).expect("one family")
}

pub(crate) fn any4() -> Selector {
    between("0.0.0.0/0", "0.0.0.0/0")
}

pub(crate) fn any6() -> Selector {
    between("::/0", "::/0")
}

/// An IP packet of either family with this next header, TOS byte and payload.
pub(crate) fn ip_packet(src: &str, dst: &str, proto: u8, tos: u8, payload: &[u8]) -> Vec<u8> {
    match (ip(src), ip(dst)) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let length = (20 + payload.len() as u16).to_be_bytes();
            let mut bytes = alloc::vec![0x45, tos, length[0], length[1], 0, 7, 0, 0, 63, proto, 0, 0];
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            let sum = net::checksum::of(&bytes);
            bytes[10..12].copy_from_slice(&sum);
            bytes.extend(payload);
            bytes
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let length = (payload.len() as u16).to_be_bytes();
            let mut bytes = alloc::vec![0x60 | tos >> 4, tos << 4, 0, 0, length[0], length[1], proto, 63];
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            bytes.extend(payload);
            bytes
        }
        _ => panic!("families differ"),
    }
}

/// A UDP datagram without checksum and with `n` bytes behind its header.
pub(crate) fn udp(src: u16, dst: u16, n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(src.to_be_bytes());
    bytes.extend(dst.to_be_bytes());
    bytes.extend((8 + n as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend((0..n).map(|i| i as u8));
    bytes
}

/// Sets the flags and fragment offset of an IPv4 packet.
pub(crate) fn set_flags(packet: &mut [u8], flags: u16) {
    packet[6..8].copy_from_slice(&flags.to_be_bytes());
    packet[10..12].copy_from_slice(&[0; 2]);
    let sum = net::checksum::of(&packet[..20]);
    packet[10..12].copy_from_slice(&sum);
}

pub(crate) const SPI: Spi = Spi(0x1234_5678);

pub(crate) fn key(algorithm: Algorithm) -> Key {
    let material: Vec<u8> = (0..algorithm.key_len()).map(|i| i as u8 * 3 + 1).collect();
    Key::new(&material).expect("not too long")
}

/// Two gateways with one SA from `a` to `b`.
pub(crate) struct Pair {
    pub(crate) a: Ipsec,
    pub(crate) b: Ipsec,
    pub(crate) out: Handle,
    pub(crate) inbound: Handle,
    pub(crate) policy: PolicyId,
}

pub(crate) const A4: &str = "192.0.2.1";
pub(crate) const B4: &str = "192.0.2.2";
pub(crate) const A6: &str = "2001:db8::1";
pub(crate) const B6: &str = "2001:db8::2";

/// Parameters of an SA that covers everything, with ESN and a window of 64.
pub(crate) fn params(direction: Direction, mode: Mode, policy: PolicyId) -> SaParams {
    let algorithm = Algorithm::AesGcm128;
    let mut sa =
        SaParams::new(direction, SPI, mode, (algorithm, key(algorithm)), (policy, [any4(), any6()].into()));
    sa.replay_window = 64;
    sa
}

/// A pair in tunnel mode (or transport) over the family of `ends`; `change` sees the parameters of both.
pub(crate) fn pair(tunnel: bool, ends: (&str, &str), change: impl Fn(&mut SaParams)) -> Pair {
    let mode = |local, remote| {
        let (local, remote) = (ip(local), ip(remote));
        if tunnel { Mode::Tunnel { local, remote } } else { Mode::Transport { local, remote } }
    };
    let [mut a, mut b] = [Ipsec::new(8), Ipsec::new(8)];
    let everything = Policy {
        selectors: [any4(), any6()].into(),
        action: if tunnel { Action::TUNNEL } else { Action::TRANSPORT },
    };
    let policy = a.spd_mut().push(everything.clone());
    b.spd_mut().push(everything);
    let mut sa = params(Direction::Out, mode(ends.0, ends.1), policy);
    change(&mut sa);
    let out = a.install(NOW, sa).expect("outbound");
    assert_eq!(a.activate_outbound(policy, out), Some(Vec::new()));
    let mut sa = params(Direction::In, mode(ends.1, ends.0), policy);
    change(&mut sa);
    let inbound = b.install(NOW, sa).expect("inbound");
    Pair { a, b, out, inbound, policy }
}

pub(crate) fn tunnel4() -> Pair {
    pair(true, (A4, B4), |_| {})
}

impl Pair {
    /// Puts both SAs where the next sequence number is `sequence`.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        if let Some(Half::Out(out)) = self.a.engine.sad.sa_mut(self.out).map(|sa| &mut sa.half) {
            let Sealer::Software(key) = &mut out.sealer else { panic!("not in software") };
            key.skip_to(sequence - 1);
        }
        if let Some(Half::In(inbound)) = self.b.engine.sad.sa_mut(self.inbound).map(|sa| &mut sa.half) {
            let Opener::Software(_, window) = &mut inbound.opener else { panic!("not in software") };
            window.commit(sequence - 1);
        }
    }

    /// What `a` makes of an IP packet.
    pub(crate) fn seal(&mut self, inner: &[u8]) -> Result<Vec<u8>, Cause> {
        let mut packet = Packet::from_bytes(inner);
        self.a.seal(NOW, self.out, &mut packet).map_err(|drop| drop.cause)?;
        Ok(packet.bytes().to_vec())
    }

    /// What `b` makes of an outer packet.
    pub(crate) fn open(&mut self, outer: &[u8]) -> Result<Vec<u8>, Cause> {
        let mut packet = Packet::from_bytes(outer);
        let before = self.b.drops().total();
        match self.b.open(NOW, &mut packet) {
            Ok(opened) => {
                assert_eq!(opened.handle, self.inbound);
                assert_eq!(net::Flow::parse(packet.bytes()), Ok(opened.parsed));
                assert_eq!(opened.parsed.total_len, packet.len());
                Ok(packet.bytes().to_vec())
            }
            Err(drop) => {
                assert_eq!(self.b.drops().total(), before + 1, "each drop is counted once");
                Err(drop.cause)
            }
        }
    }
}

/// A packet from A4 to B4 under the SA of [`params`] whose plaintext, trailer included, is `text`.
pub(crate) fn forge(sequence: u64, text: &[u8]) -> Vec<u8> {
    forge_between((A4, B4), sequence, text)
}

/// The same between any two ends.
pub(crate) fn forge_between(ends: (&str, &str), sequence: u64, text: &[u8]) -> Vec<u8> {
    let aead = Aead::new(Algorithm::AesGcm128, &key(Algorithm::AesGcm128)).unwrap();
    let mut esp = SPI.0.to_be_bytes().to_vec();
    esp.extend((sequence as u32).to_be_bytes());
    let mut aad = SPI.0.to_be_bytes().to_vec();
    aad.extend(sequence.to_be_bytes());
    esp.extend(sequence.to_be_bytes());
    let mut text = text.to_vec();
    let icv = aead.seal(sequence, &aad, &mut text).unwrap();
    esp.extend(text);
    esp.extend(icv);
    ip_packet(ends.0, ends.1, net::ip::proto::ESP, 0, &esp)
}

/// `payload` with padding and trailer as they must be.
pub(crate) fn with_trailer(payload: &[u8], next: u8) -> Vec<u8> {
    let pad = wire::esp::padding(payload.len());
    let mut text = payload.to_vec();
    text.extend(1..=pad as u8);
    text.extend([pad as u8, next]);
    text
}

//! Fragmentation: IPv4 (RFC 791 3.2) and, where we are the source, IPv6 (RFC 8200 4.5). Pure: packet in,
//! pieces out, each in a buffer of its own.
//!
//! Recipe: (1) split the packet into the headers that every piece repeats and the payload; (2) cut the payload
//! into steps of a multiple of eight; (3) per piece: headers, for IPv6 the fragment header, payload;
//! set length, offset, more-flag and IPv4 checksum.

use crate::cause::Cause;
use crate::checksum;
use crate::extension;
use crate::ip::{be16, ipv4, ipv6, proto, put};
use crate::packet::{Packet, Pool};

/// Tailroom that a piece keeps for an ESP trailer and ICV.
const TAILROOM: usize = 64;

/// Cuts `packet` into pieces of at most `mtu` bytes. `ident` is the identification of IPv6 pieces; IPv4
/// packets have their own. Whether the packet may be fragmented is the caller's decision.
pub(crate) fn fragment(
    packet: &Packet,
    mtu: usize,
    ident: u32,
    pool: &Pool,
    out: &mut impl FnMut(Packet),
) -> Result<(), Cause> {
    match packet.bytes().first().map(|byte| byte >> 4) {
        Some(4) => fragment_v4(packet, mtu, pool, out),
        Some(6) => fragment_v6(packet, mtu, ident, pool, out),
        _ => Err(Cause::IpVersion),
    }
}

fn fragment_v4(packet: &Packet, mtu: usize, pool: &Pool, out: &mut impl FnMut(Packet)) -> Result<(), Cause> {
    let bytes = packet.bytes();
    let header_len = usize::from(bytes[0] & 0x0f) * 4;
    let (header, payload) = bytes.split_at_checked(header_len).ok_or(Cause::IpHeaderLength)?;
    let flags = be16(header, ipv4::FLAGS).ok_or(Cause::IpShort)?;
    let step = mtu.saturating_sub(header_len) & !7;
    if step == 0 {
        return Err(Cause::TooBig);
    }
    stock(pool, payload.len().div_ceil(step), header_len + step)?;
    let mut repeated = [0; ipv4::HEADER_MAX];
    let repeated_len = repeat_options(header, &mut repeated);
    // A piece of a piece: offsets continue, and its last one is only the last if the piece was.
    let base = flags & ipv4::OFFSET_MASK;
    let more_after = flags & ipv4::MF;
    let mut offset = 0;
    while let Some(rest) = payload.get(offset..).filter(|rest| !rest.is_empty()) {
        let header = if offset == 0 { header } else { &repeated[..repeated_len] };
        let last = rest.len() <= step;
        let chunk = if last { rest } else { &rest[..step] };
        let mut piece = take(pool, packet, header.len() + chunk.len())?;
        let head = piece.append(header.len()).ok_or(Cause::NoBuffer)?;
        head.copy_from_slice(header);
        let units = base + u16::try_from(offset / 8).map_err(|_| Cause::IpTotalLength)?;
        if units > ipv4::OFFSET_MASK {
            return Err(Cause::FragmentBeyond);
        }
        let more = if last { more_after } else { ipv4::MF };
        let length = u16::try_from(header.len() + chunk.len()).map_err(|_| Cause::IpTotalLength)?;
        put(head, ipv4::TOTAL_LENGTH, length.to_be_bytes());
        put(head, ipv4::FLAGS, (flags & ipv4::DF | more | units).to_be_bytes());
        put(head, ipv4::CHECKSUM, [0, 0]);
        let sum = checksum::of(head);
        put(head, ipv4::CHECKSUM, sum);
        piece.append(chunk.len()).ok_or(Cause::NoBuffer)?.copy_from_slice(chunk);
        out(piece);
        offset += step;
    }
    Ok(())
}

/// The header of later pieces: the fixed part, and of the options those with the copied flag (RFC 791 3.1).
/// Returns its length.
fn repeat_options(header: &[u8], out: &mut [u8; ipv4::HEADER_MAX]) -> usize {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    let (fixed, mut options) = header.split_at(ipv4::HEADER.min(header.len()));
    out[..fixed.len()].copy_from_slice(fixed);
    let mut length = fixed.len();
    while let Some(&kind) = options.first() {
        let size = match (kind, options.get(1)) {
            (END, _) => break,
            (NO_OPERATION, _) => 1,
            (_, Some(&size)) => usize::from(size),
            (_, None) => break,
        };
        let Some((option, rest)) = options.split_at_checked(size).filter(|(option, _)| !option.is_empty())
        else {
            break;
        };
        if kind & COPIED != 0
            && let Some(room) = out.get_mut(length..length + size)
        {
            room.copy_from_slice(option);
            length += size;
        }
        options = rest;
    }
    // Zero is both the end of options and the padding to a whole word.
    let padded = length.next_multiple_of(4);
    out[ipv4::VERSION_IHL] = 0x40 | (padded / 4) as u8;
    padded
}

fn fragment_v6(
    packet: &Packet,
    mtu: usize,
    ident: u32,
    pool: &Pool,
    out: &mut impl FnMut(Packet),
) -> Result<(), Cause> {
    let bytes = packet.bytes();
    let (announced_at, split) = per_fragment_headers(bytes).ok_or(Cause::ExtensionHeaders)?;
    let (header, payload) = bytes.split_at_checked(split).ok_or(Cause::ExtensionHeaders)?;
    let next = *header.get(announced_at).ok_or(Cause::ExtensionHeaders)?;
    let repeated = header.len() + ipv6::FRAGMENT_HEADER;
    let step = mtu.saturating_sub(repeated) & !7;
    if step == 0 {
        return Err(Cause::TooBig);
    }
    stock(pool, payload.len().div_ceil(step), repeated + step)?;
    let mut offset = 0;
    while let Some(rest) = payload.get(offset..).filter(|rest| !rest.is_empty()) {
        let last = rest.len() <= step;
        let chunk = if last { rest } else { &rest[..step] };
        let mut piece = take(pool, packet, repeated + chunk.len())?;
        let head = piece.append(header.len()).ok_or(Cause::NoBuffer)?;
        head.copy_from_slice(header);
        head[announced_at] = proto::FRAGMENT;
        let length =
            u16::try_from(repeated - ipv6::HEADER + chunk.len()).map_err(|_| Cause::IpTotalLength)?;
        put(head, ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
        let place = u16::try_from(offset).map_err(|_| Cause::IpTotalLength)? | u16::from(!last);
        let [place_hi, place_lo] = place.to_be_bytes();
        let [a, b, c, d] = ident.to_be_bytes();
        let fragment_header = piece.append(ipv6::FRAGMENT_HEADER).ok_or(Cause::NoBuffer)?;
        fragment_header.copy_from_slice(&[next, 0, place_hi, place_lo, a, b, c, d]);
        piece.append(chunk.len()).ok_or(Cause::NoBuffer)?.copy_from_slice(chunk);
        out(piece);
        offset += step;
    }
    Ok(())
}

/// Where the fragment header goes: the byte that announces it, and its place behind the headers that every
/// router reads. `None` if the packet is a fragment already or its chain is damaged.
fn per_fragment_headers(packet: &[u8]) -> Option<(usize, usize)> {
    //= rfc8200#4.5
    let chain = extension::walk(packet, *packet.get(ipv6::NEXT_HEADER)?).ok()?;
    chain.fragment.is_none().then_some(chain.per_fragment)
}

/// Fails before the first piece rather than after some.
fn stock(pool: &Pool, pieces: usize, size: usize) -> Result<(), Cause> {
    let fits = size + TAILROOM <= crate::packet::BUFFER - crate::packet::HEADROOM;
    if fits && pool.available() < pieces { Err(Cause::NoBuffer) } else { Ok(()) }
}

/// An empty packet for `size` bytes, with the facts of the one that is cut up.
fn take(pool: &Pool, whole: &Packet, size: usize) -> Result<Packet, Cause> {
    let mut piece = if size + TAILROOM <= crate::packet::BUFFER - crate::packet::HEADROOM {
        pool.take().ok_or(Cause::NoBuffer)?
    } else {
        Packet::with_capacity(size + TAILROOM)
    };
    piece.meta = whole.meta;
    piece.meta.fragment_size = None;
    Ok(piece)
}

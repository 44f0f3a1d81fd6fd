//! Reformats without crypto: headers put in front of a frame and taken off.
//!
//! The card fills in the lengths and the IPv4 checksum of what it puts on; a UDP checksum stays as the data has it.

use super::reformat::{L2_TO_L3_TUNNEL, L3_TUNNEL_TO_L2};
use crate::packet::checksum::{Fill, fill_parsed};
use crate::packet::{L4, Parser};
use core::net::IpAddr;

/// Applies a reformat; false when the packet has not the headers that it needs.
pub(super) fn apply(kind: u8, data: &[u8], frame: &mut Vec<u8>) -> bool {
    let headers = Parser::default().parse(frame);
    let rest = match kind {
        L3_TUNNEL_TO_L2 => headers
            .inner
            .as_ref()
            .and_then(|inner| inner.ip.as_ref())
            .and_then(|ip| frame.get(ip.offset..ip.end)),
        L2_TO_L3_TUNNEL => headers.l2_end().and_then(|end| frame.get(end..)),
        _ => frame.get(..),
    };
    let Some(rest) = rest else { return false };
    let mut new = data.to_vec();
    new.extend_from_slice(rest);
    if kind != L3_TUNNEL_TO_L2 {
        lengths(&mut new);
    }
    *frame = new;
    true
}

/// DECAP: the frame inside of an L2 tunnel; false when there is none.
pub(super) fn decap(frame: &mut Vec<u8>) -> bool {
    let headers = Parser::default().parse(frame);
    match headers.inner.and_then(|inner| inner.ethernet) {
        Some(ethernet) => {
            frame.drain(..ethernet.offset);
            true
        }
        None => false,
    }
}

/// Fills in what depends on the length, in the outer headers.
fn lengths(frame: &mut [u8]) {
    let parser = Parser { lengths: false, ..Parser::default() };
    let headers = parser.parse(frame);
    let Some(ip) = &headers.outer.ip else { return };
    let total = frame.len() - ip.offset;
    let (at, length) = match ip.source {
        IpAddr::V4(_) => (ip.offset + 2, total),
        IpAddr::V6(_) => (ip.offset + 4, total - ip.header_length),
    };
    put(frame, at, length);
    if let L4::Udp(udp) = &headers.outer.l4 {
        put(frame, udp.offset + 4, frame.len() - udp.offset);
    }
    fill_parsed(&headers, frame, Fill { l3: true, ..Fill::default() });
}

fn put(frame: &mut [u8], at: usize, value: usize) {
    if let Some(room) = frame.get_mut(at..at + 2) {
        room.copy_from_slice(&(value as u16).to_be_bytes());
    }
}

//! An attacker on the wire between two images whose cards do the ESP: whatever is changed, repeated, forged or cut, nothing
//! of it reaches the host behind, and each frame is counted under its own cause, in the card or after it.

use crate::stage::{frames, inject, number, sas};
use core::time::Duration;
use ravelin_tests::capture::Capture;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::ping;
use ravelin_tests::tunnel::{INTERFACE, Protection, Setup, Tunnel, host};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::collections::BTreeMap;

/// The card that is attacked, image 1's outside one.
const CARD: usize = 1;
/// What image 0 seals under: its key and salt are the octets from 1 on.
const SPI: u32 = 0x1001;
/// Where in a frame: outer header, ESP, its sequence number and IV, ciphertext.
const IP: usize = 14;
const ESP: usize = IP + 20;
const NUMBER: usize = ESP + 4;
const IV: usize = ESP + 8;
const CIPHERTEXT: usize = ESP + 16;
/// Outer protocols.
const PROTOCOL_ESP: u8 = 50;
const PROTOCOL_ICMP: u8 = 1;
const NEXT_IPV4: u8 = 4;
/// For the model's frames to go through the gateway.
const SETTLE: Duration = Duration::from_millis(300);

/// Sets an IPv4 header's length and checksum to what is behind it.
fn finish(packet: &mut [u8]) {
    let length = (packet.len() as u16).to_be_bytes();
    packet[2..4].copy_from_slice(&length);
    packet[10..12].fill(0);
    let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
}

/// An IPv4 packet with an echo request, as the host behind would answer.
fn echo(source: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, PROTOCOL_ICMP, 0, 0];
    packet.extend(source);
    packet.extend(target);
    // Type 8, its checksum, identifier and number.
    packet.extend([8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
    finish(&mut packet);
    packet
}

/// `frame` with other octets.
fn changed(frame: &[u8], at: usize, change: impl Fn(&mut u8)) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.get_mut(at).into_iter().for_each(change);
    frame
}

/// `frame`'s headers with what a traitor who has the key seals: `inner` and a trailer under sequence number `number`.
fn sealed(frame: &[u8], number: u32, inner: &[u8], trailer: &[u8]) -> Result<Vec<u8>> {
    let secret: Vec<u8> = (1..=20).collect();
    let (key, salt) = secret.split_at(16);
    let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| Error::Observed {
        expected: "a key of 16 octets".into(),
        found: key.len().to_string(),
    })?;
    let iv = [0xf0, 0, 0, 0, 0, 0, 0, number as u8];
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(salt);
    nonce[4..].copy_from_slice(&iv);
    // The upper half of the number is not in the packet.
    let aad = [SPI.to_be_bytes(), [0; 4], number.to_be_bytes()].concat();
    let mut text = [inner, trailer].concat();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .map_err(|_| Error::Observed { expected: "ring to seal".into(), found: "an error".into() })?;
    let mut whole = frame[..ESP].to_vec();
    for part in [&SPI.to_be_bytes()[..], &number.to_be_bytes(), &iv, &text] {
        whole.extend_from_slice(part);
    }
    finish(&mut whole[IP..]);
    Ok(whole)
}

/// A fragment of `frame`: octets `from..to` of the outer packet's payload.
fn fragment(frame: &[u8], from: usize, to: usize, more: bool) -> Vec<u8> {
    let mut piece = frame[..ESP].to_vec();
    piece.extend_from_slice(&frame[ESP + from..ESP + to]);
    let offset = (from / 8) as u16 | u16::from(more) << 13;
    piece[IP + 4..IP + 6].copy_from_slice(&[0x77, 0x77]);
    piece[IP + 6..IP + 8].copy_from_slice(&offset.to_be_bytes());
    finish(&mut piece[IP..]);
    piece
}

/// Gives `attack` to the card and demands that the only drops are `count` ones for `cause`.
fn counted(tunnel: &mut Tunnel, attack: &[Vec<u8>], cause: &str, count: u64) -> Result<()> {
    let before = tunnel.status(1)?.drops();
    inject(&tunnel.model, CARD, attack)?;
    std::thread::sleep(SETTLE);
    let status = tunnel.status(1)?;
    let more: BTreeMap<_, _> = status
        .drops()
        .into_iter()
        .map(|(cause, now)| (cause.clone(), now - before.get(&cause).copied().unwrap_or(0)))
        // What the host behind says to multicast groups is not the attacker's.
        .filter(|(cause, more)| *more != 0 && cause != "not_joined")
        .collect();
    let expected = if count == 0 { BTreeMap::new() } else { BTreeMap::from([(cause.to_owned(), count)]) };
    demand(more == expected, format!("drops {expected:?}"), format!("{more:?}\n{}", status.text))
}

#[test]
fn nothing_that_an_attacker_sends_passes() -> Result<()> {
    let mut tunnel = Tunnel::start("wire", &Setup::new(Protection::Card))?;
    ping::all(&tunnel.hosts[0], &host(0), &host(1), 2)?;
    tunnel.model.capture()?;
    ping::all(&tunnel.hosts[0], &host(0), &host(1), 4)?;
    tunnel.model.tell("capture off")?;
    let all = frames(&tunnel.model.pcap().join("wire0.pcap"))?;
    let ours = |frame: &&Vec<u8>| {
        frame.get(IP + 9) == Some(&PROTOCOL_ESP) && frame.get(ESP..NUMBER) == Some(&SPI.to_be_bytes())
    };
    let genuine: Vec<Vec<u8>> = all.iter().filter(ours).cloned().collect();
    let [.., frame] = genuine.as_slice() else { return demand(false, "ESP on the wire", all.len()) };
    demand(genuine.len() == 4, "four packets under the SA", genuine.len())?;
    let last = frame.len() - 1;
    let behind = Capture::start(&tunnel.hosts[1], INTERFACE, "ip")?;

    counted(&mut tunnel, &genuine, "replayed", 4)?;
    let flip = |octet: &mut u8| *octet ^= 0x10;
    let tampered: Vec<_> = [IV, CIPHERTEXT, last].iter().map(|at| changed(frame, *at, flip)).collect();
    counted(&mut tunnel, &tampered, "bad_icv", 3)?;
    // Another number, which the window has not seen.
    counted(&mut tunnel, &[changed(frame, NUMBER + 3, |octet| *octet += 50)], "bad_icv", 1)?;
    counted(&mut tunnel, &[changed(frame, ESP + 3, flip)], "unknown_spi", 1)?;

    // From a peer that has the key but not the right: another network's address inside.
    let trailer = [1, 2, 2, NEXT_IPV4];
    let foreign = sealed(frame, 40, &echo([10, 66, 0, 1], [10, 8, 0, 10]), &trailer)?;
    counted(&mut tunnel, &[foreign], "selector_mismatch", 1)?;
    let own = echo([10, 7, 0, 10], [10, 8, 0, 10]);
    counted(&mut tunnel, &[sealed(frame, 41, &own, &[7, 7, 2, NEXT_IPV4])?], "bad_padding", 1)?;
    counted(&mut tunnel, &[sealed(frame, 42, &[0x45; 20], &trailer)?], "inner_malformed", 1)?;
    // Without ESP what is protected does not come in, from whatever address.
    let clear = |packet: Vec<u8>| [&frame[..IP], &packet].concat();
    counted(&mut tunnel, &[clear(own.clone()), clear(own)], "clear_for_protected", 2)?;

    let cut = |length: usize| {
        let mut frame = frame[..length].to_vec();
        finish(&mut frame[IP..]);
        frame
    };
    // To the card they are packets whose ICV is wrong.
    counted(&mut tunnel, &[cut(IV), cut(CIPHERTEXT), cut(CIPHERTEXT + 8)], "bad_icv", 3)?;
    // A beginning without its rest is held and never opened; one that overlaps another ends both.
    counted(&mut tunnel, &[fragment(frame, 0, 64, true)], "", 0)?;
    counted(&mut tunnel, &[fragment(frame, 32, 96, true)], "fragment_overlap", 1)?;

    std::thread::sleep(SETTLE);
    let file = behind.stop();
    let seen = frames(&file).map_or(0, |frames| frames.len());
    demand(seen == 0, "nothing at the host behind", seen)?;
    // The right peer has lost nothing by it.
    ping::all(&tunnel.hosts[0], &host(0), &host(1), 4)?;
    let status = tunnel.status(1)?;
    for sa in sas(&status).iter().filter(|sa| sa.get("way").is_some_and(|way| way == "in")) {
        demand(sa.get("engine").is_some_and(|engine| engine == "card"), "an SA on the card", &status.text)?;
        demand(number(sa, "packets")? >= 10, "the ten echoes opened", &status.text)?;
    }
    tunnel.judge()
}

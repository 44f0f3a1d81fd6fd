use super::*;
use crate::packet::fixture::{hex, records, sample, samples};
use crate::packet::{Headers, Parser};
use proptest::prelude::*;
use std::collections::BTreeMap;

const ETHERNET4: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
const ETHERNET6: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let header = if packet[0] >> 4 == 4 { ETHERNET4 } else { ETHERNET6 };
    [&header[..], packet].concat()
}

/// An ESP packet that scapy built: `ipsec/testdata/scapy_esp.py`, only AES-GCM. The IV there is the sequence number.
struct Case {
    name: String,
    cipher: Cipher,
    esn: bool,
    sequence: u64,
    form: Form,
    removal: Removal,
    inner: Vec<u8>,
    outer: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let records = records(include_str!("../../../../ipsec/testdata/scapy-esp.txt"));
    records.filter(|record| record["algorithm"].starts_with("aes")).map(|record| case(&record)).collect()
}

fn case(record: &BTreeMap<&str, &str>) -> Case {
    let (material, mut outer) = (hex(record["key"]), hex(record["outer"]));
    let inner = hex(record["inner"]);
    let (key, salt) = material.split_at(material.len() - 4);
    let spi = u32::from_str_radix(record["spi"], 16).unwrap();
    let v6 = outer[0] >> 4 == 6;
    let (tunnel, udp) = (record["tunnel"] == "1", record["udp"] == "1");
    if udp && v6 {
        // Scapy was asked for a UDP checksum there; the card leaves it zero.
        outer[46..48].copy_from_slice(&[0, 0]);
    }
    let esp = [&spi.to_be_bytes()[..], &[0; 12]].concat();
    let (form, removal) = match (tunnel, udp) {
        (true, false) => {
            // What the card has to fill in is zero in the template.
            let mut header = outer[..if v6 { 40 } else { 20 }].to_vec();
            let fields = if v6 { [4..6, 4..6] } else { [2..4, 10..12] };
            for field in fields {
                header[field].fill(0);
            }
            let family = if inner[0] >> 4 == 4 { ETHERNET4 } else { ETHERNET6 };
            let data = [&if v6 { ETHERNET6 } else { ETHERNET4 }[..], &header, &esp].concat();
            (Form::new(6, &data).unwrap(), Removal::new(9, &family).unwrap())
        }
        (_, true) => {
            let ports = [0x11, 0x94, 0x11, 0x94, 0, 0, 0, 0];
            let form = Form::new(if v6 { 0xc } else { 7 }, &[&ports[..], &esp].concat()).unwrap();
            (form, Removal::new(0xa, &[]).unwrap())
        }
        (false, false) => (Form::new(if v6 { 0xb } else { 5 }, &esp).unwrap(), Removal::new(8, &[]).unwrap()),
    };
    Case {
        name: record["case"].to_string(),
        cipher: Cipher::new(key, salt.try_into().unwrap(), [0; 8]).unwrap(),
        esn: record["esn"] == "1",
        sequence: u64::from_str_radix(record["sequence"], 16).unwrap(),
        form,
        removal,
        inner: ethernet(&inner),
        outer: ethernet(&outer),
    }
}

/// Tunnel mode over UDP does not exist on the card: such cases are transport mode around an IP-in-IP packet.
fn is_tunnel_in_udp(case: &Case) -> bool {
    matches!(case.form, Form::Udp { .. })
        && case.name != "transport4-udp"
        && case.name != "transport4-udp-tcp"
}

#[test]
fn scapys_packets_are_made() {
    let mut count = 0;
    for case in cases().iter().filter(|case| !is_tunnel_in_udp(case)) {
        let made = seal(&case.cipher, case.esn, &case.form, case.sequence, &case.inner);
        assert_eq!(made.as_ref(), Ok(&case.outer), "{} {:x}", case.name, case.sequence);
        assert_eq!(case.outer.len() - case.inner.len(), case.form.overhead(payload(case)), "{}", case.name);
        count += 1;
    }
    assert_eq!(count, 60);
}

/// Bytes inside of ESP.
fn payload(case: &Case) -> usize {
    let headers = Headers::parse(&case.inner);
    let ip = headers.outer.ip.unwrap();
    match case.form {
        Form::Tunnel { .. } => ip.end - ip.offset,
        _ => ip.end - ip.esp.offset,
    }
}

#[test]
fn scapys_packets_are_opened() {
    let mut count = 0;
    for case in cases() {
        let opened = open(&case.cipher, case.esn, &case.removal, case.sequence, &case.outer);
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        if is_tunnel_in_udp(&case) {
            // The inner packet is the payload of what comes out.
            let inner = &case.inner[14..];
            assert_eq!(&opened[opened.len() - inner.len()..], inner, "{}", case.name);
            let headers = Headers::parse(&opened);
            assert!(headers.inner.is_some_and(|inner| inner.ip.is_some()), "{}", case.name);
        } else {
            assert_eq!(opened, case.inner, "{}", case.name);
        }
        count += 1;
    }
    assert_eq!(count, 72);
}

#[test]
fn any_changed_bit_is_noticed() {
    for case in cases().iter().step_by(5) {
        let headers = Headers::parse(&case.outer);
        let start = headers.outer.esp().unwrap().offset;
        for at in (start..case.outer.len()).step_by(3) {
            let mut spoilt = case.outer.clone();
            spoilt[at] ^= 1 << (at % 8);
            let opened = open(&case.cipher, case.esn, &case.removal, case.sequence, &spoilt);
            // The sequence number on the wire is not what is authenticated: the caller says which one it is.
            let expected = if (start + 4..start + 8).contains(&at) { Ok(()) } else { Err(OpenError::Icv) };
            assert_eq!(opened.map(|_| ()), expected, "{} at {at}", case.name);
        }
        let wrong = open(&case.cipher, case.esn, &case.removal, case.sequence ^ 1, &case.outer);
        assert_eq!(wrong, Err(OpenError::Icv));
        let wrong = open(&case.cipher, !case.esn, &case.removal, case.sequence, &case.outer);
        assert_eq!(wrong, Err(OpenError::Icv));
        if case.esn {
            let wrong = open(&case.cipher, true, &case.removal, case.sequence + (1 << 32), &case.outer);
            assert_eq!(wrong, Err(OpenError::Icv));
        }
    }
}

/// draft-mcgrew-gcm-test-01, section 4.
#[test]
fn vectors_of_the_draft() {
    let mut count = 0;
    for line in
        include_str!("../../../../ipsec/testdata/esp-aead.txt").lines().filter(|line| line.starts_with("aes"))
    {
        let fields: Vec<Vec<u8>> =
            line.split(' ').skip(1).map(|field| if field == "-" { Vec::new() } else { hex(field) }).collect();
        let [key, nonce, aad, text, cipher_text, tag] = fields.try_into().unwrap();
        let (salt, iv) = nonce.split_at(4);
        let iv: [u8; 8] = iv.try_into().unwrap();
        let (spi, sequence) = aad.split_at(4);
        let esn = sequence.len() == 8;
        let sequence = sequence.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let associated =
            cipher::Associated { spi: u32::from_be_bytes(spi.try_into().unwrap()), sequence, esn };
        // The IV that a packet would carry is the implicit one, changed by the sequence number.
        let implicit = (u64::from_be_bytes(iv) ^ sequence).to_be_bytes();
        let cipher = Cipher::new(&key, salt.try_into().unwrap(), implicit).unwrap();
        assert_eq!(cipher.iv(sequence), iv);
        let mut buffer = text.clone();
        assert_eq!(cipher.seal(iv, &associated, &mut buffer).unwrap(), tag[..]);
        assert_eq!(buffer, cipher_text);
        buffer.extend(tag);
        assert_eq!(cipher.open(iv, &associated, &mut buffer), Some(text.len()));
        assert_eq!(buffer[..text.len()], text);
        count += 1;
    }
    assert_eq!(count, 13);
    assert!(Cipher::new(&[0; 24], [0; 4], [0; 8]).is_none());
}

fn cipher() -> Cipher {
    Cipher::new(&[7; 16], [1, 2, 3, 4], [0xff; 8]).unwrap()
}

fn transport(v6: bool) -> Form {
    Form::Transport { spi: 0x1234, v6 }
}

/// Checksums, lengths and the way back for everything that scapy makes, in every form that takes it.
#[test]
fn there_and_back() {
    let tunnel4 = Form::new(
        6,
        &[&ETHERNET4[..], &[0x45], &[0; 7], &[64, 50], &[0; 10], &[0, 0, 0, 9], &[0; 12]].concat(),
    );
    let tunnel6 = Form::new(
        6,
        &[&ETHERNET6[..], &[0x60], &[0; 5], &[50, 64], &[0; 32], &[0, 0, 0, 9], &[0; 12]].concat(),
    );
    let udp = |v6| Form::Udp { spi: 9, v6, source: 4500, destination: 4501 };
    let forms =
        [transport(false), transport(true), udp(false), udp(true), tunnel4.unwrap(), tunnel6.unwrap()];
    let mut done = 0;
    for sample in samples() {
        for form in &forms {
            let headers = sample.headers();
            let Some(ip) = headers.outer.ip.as_ref() else { continue };
            let ethernet4 = if ip.source.is_ipv4() { ETHERNET4 } else { ETHERNET6 };
            let (removal, plain) = match form {
                Form::Transport { .. } => (Removal::Transport, sample.frame[..ip.end].to_vec()),
                Form::Udp { .. } => (Removal::Udp, sample.frame[..ip.end].to_vec()),
                Form::Tunnel { .. } => (
                    Removal::Tunnel { ethernet: ethernet4 },
                    [&ethernet4[..], &sample.frame[ip.offset..ip.end]].concat(),
                ),
            };
            let Ok(sealed) = seal(&cipher(), true, form, 0x2_0000_0007, &sample.frame) else { continue };
            let made = Headers::parse(&sealed);
            assert_eq!(made.outer.ip.as_ref().unwrap().end, sealed.len(), "{} {form:?}", sample.name);
            let verdict = crate::packet::checksum::verify(&made.outer, &sealed);
            assert_eq!(verdict.l3, Some(true), "{} {form:?}", sample.name);
            assert_eq!(sequence(&removal, &made), Some((form.spi(), 7)), "{} {form:?}", sample.name);
            let opened = open(&cipher(), true, &removal, 0x2_0000_0007, &sealed);
            assert_eq!(opened, Ok(plain), "{} {form:?}", sample.name);
            done += 1;
        }
    }
    assert!(done > 80, "{done}");
}

#[test]
fn place_of_esp_among_extension_headers() {
    let frame = sample("extensions6").frame;
    let sealed = seal(&cipher(), false, &transport(true), 1, &frame).unwrap();
    let headers = Headers::parse(&sealed);
    let esp = headers.outer.esp().unwrap();
    // Ethernet, IPv6, hop-by-hop, destination options, routing; then ESP around the last destination options.
    assert_eq!(esp.offset, 14 + 40 + 24);
    assert_eq!((sealed[20], sealed[14 + 40 + 16]), (0, 50));
}

#[test]
fn what_can_not_be_made() {
    let seal = |name: &str, form: &Form| seal(&cipher(), false, form, 1, &sample(name).frame).map(|_| ());
    assert_eq!(seal("arp", &transport(false)), Err(SealError::NotIp));
    assert_eq!(seal("tcp4", &transport(true)), Err(SealError::NotIp));
    assert_eq!(seal("frag4-first", &transport(false)), Err(SealError::Fragment));
    assert_eq!(seal("frag6", &transport(true)), Err(SealError::Fragment));
    // An IP packet of the longest kind has no room for more.
    let mut long = sample("udp4").frame;
    long.resize(14 + 65535, 0);
    long[16..18].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(super::seal(&cipher(), false, &transport(false), 1, &long), Err(SealError::TooLong));
    let mut truncated = sample("tcp4").frame;
    truncated.pop();
    assert_eq!(super::seal(&cipher(), false, &transport(false), 1, &truncated), Err(SealError::NotIp));
}

/// Ciphertext of our choice behind the headers of a sample.
fn forged(text: &[u8]) -> Vec<u8> {
    let mut frame = sample("esp4").frame;
    frame.truncate(34 + 8);
    let iv = cipher().iv(7);
    let associated = cipher::Associated { spi: 0xc0ff_ee01, sequence: 7, esn: false };
    let mut text = text.to_vec();
    let icv = cipher().seal(iv, &associated, &mut text).unwrap();
    frame.extend(iv);
    frame.extend(text);
    frame.extend(icv);
    let length = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&length.to_be_bytes());
    frame
}

#[test]
fn trailers() {
    let open = |text: &[u8], removal| super::open(&cipher(), false, &removal, 7, &forged(text));
    let length = |text: &[u8]| open(text, Removal::Transport).map(|frame| frame.len());
    assert_eq!(length(&[9, 9, 0, 17]), Ok(36));
    assert_eq!(length(&[1, 2, 2, 17]), Ok(34));
    assert_eq!(length(&[1, 3, 2, 17]), Err(OpenError::Trailer), "padding that does not count up");
    assert_eq!(length(&[2, 1, 2, 17]), Err(OpenError::Trailer));
    assert_eq!(length(&[1, 2, 3, 17]), Err(OpenError::Trailer), "more padding than text");
    assert_eq!(length(&[255, 17]), Err(OpenError::Trailer));
    assert_eq!(length(&[17]), Err(OpenError::Trailer), "no room for a trailer");
    assert_eq!(length(&[]), Err(OpenError::Trailer));
    let padding: Vec<u8> = (1..=255).collect();
    assert_eq!(length(&[&[9, 9, 9][..], &padding, &[255, 6]].concat()), Ok(37));
    let tunnel = Removal::Tunnel { ethernet: ETHERNET4 };
    assert_eq!(open(&[9, 9, 0, 4], tunnel).map(|frame| frame.len()), Ok(16));
    assert_eq!(open(&[9, 9, 0, 17], tunnel), Err(OpenError::Trailer), "a tunnel carries IP");
}

/// Padding is looked for in the text only, even where the bytes before it would fit.
#[test]
fn padding_does_not_reach_into_the_headers() {
    let mut frame = forged(&[2, 2, 17]);
    frame[33] = 1;
    assert_eq!(open(&cipher(), false, &Removal::Transport, 7, &frame), Err(OpenError::Trailer));
}

/// The UDP length says where ESP ends, not the IP length.
#[test]
fn bytes_behind_udp_are_not_esp() {
    let form = Form::Udp { spi: 9, v6: false, source: 4500, destination: 4500 };
    let plain = sample("tcp4").frame;
    let mut sealed = seal(&cipher(), false, &form, 1, &plain).unwrap();
    sealed.extend([0xaa; 4]);
    let length = (sealed.len() - 14) as u16;
    sealed[16..18].copy_from_slice(&length.to_be_bytes());
    assert_eq!(open(&cipher(), false, &Removal::Udp, 1, &sealed), Ok(plain));
}

#[test]
fn what_is_no_esp() {
    let open = |name: &str, removal| super::open(&cipher(), false, &removal, 7, &sample(name).frame);
    assert_eq!(open("tcp4", Removal::Transport), Err(OpenError::NotEsp));
    assert_eq!(open("natt", Removal::Transport), Err(OpenError::NotEsp));
    assert_eq!(open("esp4", Removal::Udp), Err(OpenError::NotEsp));
    assert_eq!(open("natt-ike", Removal::Udp), Err(OpenError::NotEsp));
    assert_eq!(open("esp4", Removal::Transport), Err(OpenError::Icv));
}

#[test]
fn forms() {
    let esp = [[0, 0, 0, 9], [0; 4], [0; 4], [0; 4]].concat();
    assert_eq!(Form::new(5, &esp), Ok(Form::Transport { spi: 9, v6: false }));
    assert_eq!(Form::new(0xb, &esp), Ok(Form::Transport { spi: 9, v6: true }));
    assert_eq!(Form::new(5, &esp[..15]), Err(FormError::Length));
    assert_eq!(Form::new(7, &esp), Err(FormError::Length));
    assert_eq!(Form::new(8, &[]), Err(FormError::Type));
    let mut dirty = esp.clone();
    dirty[9] = 1;
    assert_eq!(Form::new(5, &dirty), Err(FormError::Data));
    let mut tunnel = [&ETHERNET4[..], &[0x45], &[0; 7], &[64, 50], &[0; 10], &esp].concat();
    assert!(matches!(Form::new(6, &tunnel), Ok(Form::Tunnel { spi: 9, v6: false, .. })));
    tunnel[14] = 0x46;
    assert_eq!(Form::new(6, &tunnel), Err(FormError::Data));
    assert_eq!(Form::new(6, &tunnel[..tunnel.len() - 1]), Err(FormError::Length));
    assert_eq!(Form::new(6, &[]), Err(FormError::Length));
    assert_eq!(Removal::new(8, &[]), Ok(Removal::Transport));
    assert_eq!(Removal::new(8, &[0]), Err(FormError::Length));
    assert_eq!(Removal::new(9, &ETHERNET4), Ok(Removal::Tunnel { ethernet: ETHERNET4 }));
    assert_eq!(Removal::new(9, &[]), Err(FormError::Length));
    assert_eq!(Removal::new(5, &esp), Err(FormError::Type));
}

proptest! {
    #[test]
    fn any_frame(frame in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..16, sequence: u64) {
        round(&frame, kind, sequence);
    }

    #[test]
    fn spoilt_frames(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
        kind in 0u8..16,
    ) {
        let samples = samples();
        let mut frame = which.get(&samples).frame.clone();
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(length.index(frame.len() + 1));
        round(&frame, kind, 1);
    }

    #[test]
    fn any_reformat(kind: u8, data in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Form::new(kind, &data);
        let _ = Removal::new(kind, &data);
    }

    /// Authentic nonsense.
    #[test]
    fn any_text(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        for removal in [Removal::Transport, Removal::Tunnel { ethernet: ETHERNET4 }] {
            let _ = open(&cipher(), false, &removal, 7, &forged(&text));
        }
    }
}

/// Whatever can be sealed can be opened; nothing panics.
fn round(frame: &[u8], kind: u8, sequence: u64) {
    let v6 = kind & 1 != 0;
    let (form, removal) = if kind & 2 != 0 {
        (Form::Udp { spi: 77, v6, source: 1, destination: 4500 }, Removal::Udp)
    } else {
        (transport(v6), Removal::Transport)
    };
    let _ = open(&cipher(), true, &removal, sequence, frame);
    let Ok(sealed) = seal(&cipher(), true, &form, sequence, frame) else { return };
    let opened = open(&cipher(), true, &removal, sequence, &sealed).unwrap();
    let headers = Parser::default().parse(frame);
    assert_eq!(opened.len(), headers.outer.ip.unwrap().end);
}

//! Payloads whose parts have the wrong size. What any octets do is a property test of the crate's `tests/hostile`.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::selector::TrafficSelector;

const V4: [u8; 16] = [7, 0, 0, 16, 0, 0, 255, 255, 10, 0, 0, 0, 10, 0, 0, 255];

fn selectors(parts: &[&[u8]]) -> Result<Vec<TrafficSelector>, Error> {
    let mut body = vec![parts.len() as u8, 0, 0, 0];
    parts.iter().for_each(|part| body.extend_from_slice(part));
    ts::parse(PayloadType::TS_I, &body)
}

fn changed(at: usize, value: u8) -> Vec<u8> {
    let mut octets = V4.to_vec();
    octets[at] = value;
    octets
}

#[test]
fn a_selector_has_the_length_of_its_type() {
    assert_eq!(selectors(&[&V4]).unwrap().len(), 1);
    let long = [&changed(3, 20)[..], &[0; 4]].concat();
    assert_eq!(selectors(&[&long]), Err(Error::Field { payload: PayloadType::TS_I, value: 20 }));
    assert_eq!(
        selectors(&[&changed(3, 12)[..12]]),
        Err(Error::Field { payload: PayloadType::TS_I, value: 12 })
    );
    assert_eq!(selectors(&[&changed(3, 17)]), Err(Error::Short { payload: PayloadType::TS_I }));
    assert_eq!(selectors(&[&changed(3, 7)]), Err(Error::Short { payload: PayloadType::TS_I }));
}

#[test]
fn selectors_that_match_nothing_are_left_out() {
    // An unknown type, addresses and ports in the wrong order; but not OPAQUE.
    let unknown = changed(0, 99);
    let addresses = changed(8, 11);
    let mut ports = changed(4, 2);
    (ports[6], ports[7]) = (1, 0);
    assert_eq!(selectors(&[&unknown, &addresses, &ports, &V4]).unwrap().len(), 1);
    let mut opaque = V4;
    opaque[4..8].copy_from_slice(&[255, 255, 0, 0]);
    assert!(selectors(&[&opaque]).unwrap()[0].is_opaque());
}

#[test]
fn a_chain_fills_its_message() {
    let mut chain = ChainBuilder::new();
    chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&[1; 16]));
    chain.push(PayloadType::NOTIFY, |out| out.extend_from_slice(&[0, 0, 64, 0]));
    let parts = chain.parts();
    assert_eq!(Chain::check(parts.first, parts.octets).unwrap().payloads().count(), 2);
    for length in 0..parts.octets.len() {
        assert!(Chain::check(parts.first, &parts.octets[..length]).is_err(), "cut to {length}");
    }
    let mut long = parts.octets.to_vec();
    long.push(0);
    assert_eq!(
        Chain::check(parts.first, &long).err(),
        Some(Error::Field { payload: PayloadType::NONE, value: 1 })
    );
}

#[test]
fn a_delete_names_spis_of_its_protocol() {
    let mut body = Vec::new();
    delete::emit_esp(&[1, 2], &mut body);
    assert_eq!(delete::Delete::parse(&body).unwrap().spis().collect::<Vec<_>>(), [1, 2]);
    for (at, value) in [(1, 8), (1, 0), (3, 1), (3, 3)] {
        let mut wrong = body.clone();
        wrong[at] = value;
        assert!(delete::Delete::parse(&wrong).is_err(), "octet {at} = {value}");
    }
    assert_eq!(delete::Delete::parse(&[1, 0, 0, 0]).unwrap().spis().count(), 0);
}

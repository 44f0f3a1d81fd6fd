//! Tables, entries, their hits and the SPIs of IPSEC objects as views see them.

use super::bench::*;
use super::ipsec::{SPI, on_the_wire, receiving, sending, variants};
use crate::snapshot::{Association, Table};
use crate::transit::Transit;
use mlx5_pci::prm::FteMatchParam;

#[test]
fn entries_say_what_they_do_and_how_often() {
    let mut bench = Bench::new();
    let (first, second) = (bench.table(NIC_RX, 0, 2), bench.table(NIC_RX, 1, 0));
    bench.root(NIC_RX, first);
    let udp_only = param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 17 });
    let criteria = param!(outer_headers: FteMatchSetLyr24 { ip_protocol: 0xff });
    let counter = bench.counter();
    let group = bench.group(NIC_RX, first, (0, 1), &criteria);
    entry(NIC_RX, first, group, 1).value(&udp_only).count(counter).forward(second).set(&mut bench).unwrap();
    let group = bench.group(NIC_RX, first, (3, 3), &FteMatchParam::default());
    entry(NIC_RX, first, group, 3).action(2).set(&mut bench).unwrap();
    for _ in 0..3 {
        bench.receive(&udp(ENDS, b""));
    }
    bench.receive(&tcp(ENDS, b""));
    let tables = bench.device.snapshot().tables;
    let [one, two] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!(
        (one.number, one.kind.as_str(), one.level, one.root, one.groups),
        (first, "NicRx", 0, true, 2)
    );
    assert_eq!((two.number, two.level, two.root, two.groups, two.entries.len()), (second, 1, false, 0, 0));
    let seen: Vec<_> =
        one.entries.iter().map(|entry| (entry.index, entry.does.clone(), entry.hits)).collect();
    assert_eq!(seen, [(1, format!("count, table {second:#x}"), 3), (3, "drop".into(), 1)]);

    // A change of what it does keeps the hits; a new entry begins at none.
    let change = entry(NIC_RX, first, group, 3).action(2).count(counter).modify(1 | 1 << 3);
    change.set(&mut bench).unwrap();
    assert_eq!(bench.device.snapshot().tables[0].entries[1].hits, 1);
    bench.run(delete_entry(NIC_RX, first, 3).as_bytes()).unwrap();
    entry(NIC_RX, first, group, 3).action(2).set(&mut bench).unwrap();
    assert_eq!(bench.device.snapshot().tables[0].entries[1].hits, 0);
}

/// The entry with this index of the table on this side that de- or encrypts.
fn does<'a>(tables: &'a [Table], word: &str) -> &'a str {
    let mut entries = tables.iter().flat_map(|table| &table.entries);
    &entries.find(|entry| entry.does.contains(word)).unwrap().does
}

#[test]
fn associations_have_their_spi_from_match_or_reformat() {
    for variant in variants() {
        let mut bench = Bench::new();
        bench.device.set_tapping(true);
        sending(&mut bench, &variant);
        receiving(&mut bench, &variant);
        let wire = on_the_wire(&mut bench, Transit::new(udp(ENDS, b"x")));
        for _ in 0..2 {
            bench.receive(&wire);
        }
        let seen = bench.device.snapshot();
        let [out, inn] = &seen.associations[..] else { panic!("{:?}", seen.associations) };
        let expected = Association {
            object: out.object,
            spi: Some(SPI),
            mode: "send",
            esn: true,
            sequence: 2,
            window: 0,
            seen: 0,
            left: None,
            removed: false,
        };
        assert_eq!(*out, expected);
        // One number was accepted, the same number again was not.
        let expected =
            Association { object: inn.object, mode: "receive", sequence: 0, window: 32, seen: 1, ..expected };
        assert_eq!(*inn, expected);
        let (encrypt, decrypt) =
            (does(&seen.tables, &format!("encrypt {:#x}", out.object)), does(&seen.tables, "decrypt"));
        assert!(encrypt.starts_with("count, encrypt") && encrypt.contains("reformat"), "{encrypt}");
        assert!(decrypt.starts_with(&format!("count, decrypt {:#x}", inn.object)), "{decrypt}");
    }
}

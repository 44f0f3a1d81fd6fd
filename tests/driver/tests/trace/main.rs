//! Our driver's bring-up beside Linux's on the same model: each difference is a row of [`reasons`], with its reason.
//!
//! Linux's side is the trace that suite `oracle` keeps in `tests/data`: `mlx5_core` 6.12 from `insmod` to a link that is up.
//! Ours is a port with two channels that is opened. Three things are laid side by side: which commands there are, in
//! which order each comes for the first time, and every field of one of each.

#![forbid(unsafe_code)]

mod reasons;

use mlx5_driver_tests::{InProcess, Machine, open};
use mlx5_model::record;
use mlx5_model::trace::Exchange;
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::prm::{CmdLayout, FieldInfo, Opcode, Shape, layout};
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::receive::Filter;
use net::{Pool, PortId};
use reasons::{COMPARED, FIELDS, MOVED, ONLY_LINUX, ONLY_OURS, UNCOMPARED};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A command's opcode and `op_mod`.
type Kind = (Opcode, u16);

/// Two commands of a kind that do the same, and the layout of what is handed over.
struct Pair {
    opcode: Opcode,
    op_mod: u16,
    /// Which of its kind, from 0.
    linux: usize,
    ours: usize,
    /// Where the layout begins.
    offset: usize,
    fields: &'static [FieldInfo],
}

/// What `mlx5_core` has asked for.
fn linux() -> Vec<Exchange> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/linux-6.12-bring-up.trace.gz");
    let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip");
    assert!(unpacked.status.success(), "{}", path.display());
    record::read(&String::from_utf8(unpacked.stdout).unwrap()).unwrap()
}

/// What our driver asks for, on the profile that the trace was made on.
fn ours() -> Vec<Exchange> {
    let machine = InProcess::new("cx6dx");
    let queues = Settings { channels: 2, ..Settings::default() };
    let settings = PortSettings { queues, mtu: 1500, filter: Filter::default() };
    machine.with(|device, _| device.log_mut().set_tracing(true));
    let nic = Mlx5::new(open(&machine), settings, Pool::new(4096), PortId(0)).unwrap();
    let exchanges = machine.with(|device, _| device.log().exchanges().to_vec());
    nic.close().unwrap();
    exchanges
}

fn kind(exchange: &Exchange) -> Kind {
    (Opcode(exchange.opcode), u16::from_be_bytes([exchange.entry[0x16], exchange.entry[0x17]]))
}

/// The whole input: the entry's part of it and the mailboxes' data.
fn input(exchange: &Exchange) -> Vec<u8> {
    let mut bytes = exchange.entry[0x10..0x20].to_vec();
    bytes.extend(exchange.input.iter().flat_map(|block| block[..512].to_vec()));
    bytes.truncate(CmdLayout::copy_from(&exchange.entry).inlen() as usize);
    bytes
}

/// Each kind once, where it comes for the first time.
fn kinds(exchanges: &[Exchange]) -> Vec<Kind> {
    let mut seen = BTreeSet::new();
    exchanges.iter().map(kind).filter(|kind| seen.insert((kind.0.0, kind.1))).collect()
}

/// Names of fields that differ, with what stands there.
fn differences(
    path: &str,
    fields: &[FieldInfo],
    linux: &[u8],
    ours: &[u8],
    into: &mut Vec<(String, String)>,
) {
    for field in fields {
        let name = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let at = field.offset;
        match field.shape {
            Shape::Bits { hi, lo } => {
                let (one, other) = (layout::get(linux, at, hi, lo), layout::get(ours, at, hi, lo));
                if one != other {
                    into.push((name, format!("Linux {one:#x}, ours {other:#x}")));
                }
            }
            Shape::Bytes(length) => {
                let (one, other) = (&linux[at..at + length], &ours[at..at + length]);
                if one != other {
                    into.push((name, format!("Linux {one:02x?}, ours {other:02x?}")));
                }
            }
            Shape::Structure(inner) => differences(&name, inner, &linux[at..], &ours[at..], into),
        }
    }
}

/// Demands that `found` and what `listed` has are the same.
fn same(what: &str, found: &BTreeSet<String>, listed: &BTreeSet<String>) {
    let unlisted: Vec<_> = found.difference(listed).collect();
    let gone: Vec<_> = listed.difference(found).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{what}: without a reason {unlisted:#?}; no more {gone:#?}"
    );
}

fn name((opcode, op_mod): &Kind) -> String {
    format!("{opcode} {op_mod:#x}")
}

#[test]
fn each_kind_of_command_that_only_one_gives_has_a_reason() {
    let (linux, ours) = (kinds(&linux()), kinds(&ours()));
    let only = |one: &[Kind], other: &[Kind]| -> BTreeSet<String> {
        one.iter().filter(|kind| !other.contains(kind)).map(name).collect()
    };
    let listed = |rows: &[(Kind, &str)]| rows.iter().map(|(kind, _)| name(kind)).collect();
    same("only Linux", &only(&linux, &ours), &listed(ONLY_LINUX));
    same("only we", &only(&ours, &linux), &listed(ONLY_OURS));
}

#[test]
fn what_both_give_comes_in_linux_s_order_but_for_what_has_a_reason() {
    let (linux, ours) = (kinds(&linux()), kinds(&ours()));
    let order = |one: &[Kind], other: &[Kind], but: &[&Kind]| -> Vec<String> {
        one.iter().filter(|kind| other.contains(kind) && !but.contains(kind)).map(name).collect()
    };
    let moved: Vec<&Kind> = MOVED.iter().map(|(kind, _)| kind).collect();
    assert_eq!(order(&ours, &linux, &moved), order(&linux, &ours, &moved));
    for back in &moved {
        let others: Vec<&Kind> = moved.iter().copied().filter(|kind| kind != back).collect();
        assert_ne!(
            order(&ours, &linux, &others),
            order(&linux, &ours, &others),
            "{} is in place",
            name(back)
        );
    }
}

#[test]
fn each_field_that_differs_has_a_reason() {
    let (linux, ours) = (linux(), ours());
    let mut found = BTreeSet::new();
    for pair in COMPARED {
        let wanted = (pair.opcode, pair.op_mod);
        let nth = |exchanges: &[Exchange], nth: usize| {
            let of_kind = exchanges.iter().filter(|exchange| kind(exchange) == wanted).nth(nth);
            input(of_kind.unwrap_or_else(|| panic!("{} {nth}", name(&wanted))))
        };
        let (linux, ours) = (nth(&linux, pair.linux), nth(&ours, pair.ours));
        let mut differ = Vec::new();
        differences("", pair.fields, &linux[pair.offset..], &ours[pair.offset..], &mut differ);
        for (field, values) in differ {
            println!("{} {field}: {values}", name(&wanted));
            found.insert(format!("{} {field}", name(&wanted)));
        }
    }
    let listed = FIELDS.iter().map(|(kind, field, _)| format!("{} {field}", name(kind))).collect();
    same("fields", &found, &listed);
}

#[test]
fn every_kind_that_both_give_is_compared() {
    let (linux, ours) = (kinds(&linux()), kinds(&ours()));
    let both = linux.iter().filter(|kind| ours.contains(kind)).map(name).collect();
    let compared = COMPARED.iter().map(|pair| name(&(pair.opcode, pair.op_mod)));
    let listed = compared.chain(UNCOMPARED.iter().map(|(kind, _)| name(kind))).collect();
    same("kinds compared", &both, &listed);
}

#[test]
fn every_reason_says_something() {
    let fields = FIELDS.iter().map(|(_, _, reason)| reason);
    let kinds = [ONLY_LINUX, ONLY_OURS, MOVED, UNCOMPARED].concat();
    for reason in fields.chain(kinds.iter().map(|(_, reason)| reason)) {
        assert!(reason.split(' ').count() > 1, "{reason}");
    }
}

//! The reference file, and a table of mistakes with the exact place and key that each is reported at.

extern crate std;

use alloc::{borrow::ToOwned, string::String, string::ToString, vec::Vec};

use super::*;

mod mistakes;

const REFERENCE: &str = include_str!("../../ravelin.toml");

fn files(name: &str) -> Option<Vec<u8>> {
    match name {
        "psk-c" => Some(b"c's secret\n".to_vec()),
        "key-in" => Some(b"202122232425262728292a2b2c2d2e2f30313233\n".to_vec()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Config, Error> {
    parse("t.toml", text, &files)
}

/// The reference with everything in force that it has commented out.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    REFERENCE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_works_as_it_stands() {
    let config = read(REFERENCE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.ports.len(), 2);
    assert_eq!(config.ports[0].side, Side::Outside);
    assert_eq!(config.routes[1].port, 0, "via tells the port");
    let connection = &config.connections[0];
    assert_eq!(connection.ike.name, "gw");
    assert_eq!(connection.ike.children[0].remote_ts.len(), 2);
    assert_eq!(connection.children[0].replay_window, 256);
    let names: Vec<_> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["ping", "no-telnet", "gw.net", "static"]);
    assert_eq!(config.policies[1].remote[0].first_port, 23);
    assert!(config.sas.is_empty());
}

#[test]
fn the_smallest_gateway_of_the_readme_works() {
    let readme = include_str!("../../../README.md");
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let config = read(example.expect("an example")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.policies.len(), 1, "the child, and nothing in the clear");
}

#[test]
fn the_reference_works_with_everything_in_force() {
    let config = read(&uncommented()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.sas.len(), 2);
    assert_eq!(config.sas[1].key.0[0], 0x20, "key files end in a newline that is not part of the key");
    assert_eq!(config.sas[0].encap, Some((4500, 4500)));
}

/// What the reference says about defaults is what leaving the key out does.
#[test]
fn the_reference_shows_the_defaults() {
    let full = read(&uncommented()).unwrap();
    let short = read(REFERENCE).unwrap();
    assert_eq!(full.gateway, short.gateway);
    assert_eq!(full.connections[0].children, short.connections[0].children);
    assert_eq!(full.connections[0].ike.over_time, short.connections[0].ike.over_time);
    assert_eq!(full.connections[0].ike.children[0].lifetimes, short.connections[0].ike.children[0].lifetimes);
    assert_eq!(full.sas[0].protection, full.sas[1].protection);
    assert_eq!(full.sas[0].lifetimes, full.sas[1].lifetimes);
}

/// Every key of every table is in the reference, in a section of that table, below a line that explains it.
#[test]
fn the_reference_has_every_key() {
    let text = uncommented();
    let mut missing = Vec::new();
    for (table, keys) in TABLES {
        for key in *keys {
            let mut section = String::new();
            let found = text.lines().any(|line| {
                if let Some(header) = line.strip_prefix('[') {
                    section = header.trim_matches(['[', ']']).to_owned();
                }
                let pattern: Vec<_> = table.split('.').collect();
                let parts: Vec<_> = section.split('.').collect();
                let same = |(a, b): (&&str, &&str)| *a == "NAME" || a == b;
                let here = pattern.len() == parts.len() && pattern.iter().zip(&parts).all(same);
                here && line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" ="))
            });
            let header = text.lines().any(|line| {
                let name = line.trim_matches(['[', ']']);
                let path = if table.is_empty() { (*key).to_owned() } else { std::format!("{table}.{key}") };
                let same = |(a, b): (&str, &str)| a == "NAME" || a == b;
                line.starts_with('[')
                    && path.split('.').zip(name.split('.')).all(same)
                    && name.split('.').count() >= path.split('.').count()
            });
            if !found && !header {
                missing.push(std::format!("{table}: {key}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in ravelin.toml: {missing:?}");
}

#[test]
fn secrets_do_not_show() {
    let config = read(&uncommented()).unwrap();
    let shown = std::format!("{config:?}");
    for secret in ["0123456789abcdef-shared", "c's secret", "0, 1, 2, 3, 4", "48, 49, 50"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn any_text_is_read_or_refused() {
    use proptest::prelude::*;
    let lines: Vec<&str> = REFERENCE.lines().collect();
    proptest!(|(cut in 0..REFERENCE.len(), noise in "\\PC{0,8}", at in 0..lines.len(), value in "[0-9a-z\"'\\[\\]./,:% -]{0,12}")| {
        let cut = (0..=cut).rev().find(|i| REFERENCE.is_char_boundary(*i)).unwrap_or(0);
        let (head, tail) = REFERENCE.split_at(cut);
        let _ = read(&std::format!("{head}{noise}{tail}"));
        // One value replaced by something else.
        let mut changed: Vec<String> = lines.iter().map(ToString::to_string).collect();
        if let Some((key, _)) = lines[at].split_once('=') {
            changed[at] = std::format!("{key}= {value}");
        }
        let _ = read(&changed.join("\n"));
    });
}

//! Laws that a compiler does not hold: who may depend on whom, where `unsafe` may stand, how long a file may be, and
//! that every RFC citation names a document and a section that exist in form.

#![forbid(unsafe_code)]

use ravelin_tests::paths;
use regex_lite::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Workspace crates that each crate may know (design, section 1).
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("net", &[]),
    ("ipsec", &["net"]),
    ("ike-lite", &[]),
    ("mlx5-pci", &["net"]),
    ("image", &["kernel", "net", "ipsec", "ike-lite", "mlx5-pci"]),
];
/// Crates that would bring an operating system into the image.
const NOT_IN_THE_IMAGE: &[&str] = &["libc", "getrandom", "rustix", "windows-sys", "ring"];
/// Where `unsafe` may stand: the kernel, the DMA and MMIO part of a driver, memory that a device and packets share, and the
/// glue between kernel and drivers.
const UNSAFE_MAY_STAND_IN: &[&str] =
    &["kernel/", "net/src/virtio", "net/src/packet/slab.rs", "image/src/glue", "image/src/main.rs"];
/// Crates that forbid it in their first file.
const FORBIDS_UNSAFE: &[&str] = &[
    "ipsec/src/lib.rs",
    "ike-lite/src/lib.rs",
    "mlx5-pci/src/lib.rs",
    "tests/driver/src/lib.rs",
    "image/src/lib.rs",
    "tests/src/lib.rs",
    "image/tool/src/main.rs",
];
const LONGEST_FILE: usize = 500;

fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for crate_dir in ["kernel", "net", "ipsec", "ike-lite", "mlx5-pci", "image", "tests"] {
        collect(&paths::root().join(crate_dir), &mut files);
    }
    assert!(files.len() > 20, "only {} source files found", files.len());
    files
}

fn collect(dir: &Path, files: &mut Vec<(String, String)>) {
    let entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in entries {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(paths::root()).unwrap().display().to_string();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The packages that the build of `package` links, by name.
fn linked(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "-p", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(paths::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_string).collect()
}

#[test]
fn dependencies_run_one_way() {
    let ours: Vec<&str> = MAY_KNOW.iter().map(|(name, _)| *name).collect();
    for (name, may_know) in MAY_KNOW {
        let linked = linked(name);
        assert!(linked.contains(*name));
        for other in ours.iter().filter(|other| *other != name && linked.contains(**other)) {
            assert!(may_know.contains(other), "{name} must not know {other}");
        }
    }
}

#[test]
fn the_image_links_no_operating_system() {
    let linked = linked("image");
    for name in NOT_IN_THE_IMAGE {
        assert!(!linked.contains(*name), "the image links {name}");
    }
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let word = Regex::new(r"\bunsafe\s*(\{|fn\b|impl\b|extern\b|trait\b)|\bunsafe\(").unwrap();
    for (name, text) in sources() {
        if UNSAFE_MAY_STAND_IN.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            assert!(!word.is_match(code), "{name}:{}: {line}", index + 1);
        }
    }
    for name in FORBIDS_UNSAFE {
        let text = fs::read_to_string(paths::root().join(name)).unwrap();
        assert!(text.contains("forbid(unsafe_code)"), "{name} does not forbid unsafe code");
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    let mut faults = Vec::new();
    for (name, text) in sources() {
        let length = text.lines().count();
        if length > LONGEST_FILE {
            faults.push(format!("{name} has {length} lines, more than {LONGEST_FILE}"));
        }
        // Tests of a file explain themselves by standing beside it.
        let tests = name.ends_with("tests.rs") || name.contains("/tests/");
        if !tests && !text.starts_with("//!") {
            faults.push(format!("{name} does not begin by saying what it is"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Documents that the sources cite: `tests/rfc-index.txt`, one `number title` a line.
fn index() -> BTreeSet<String> {
    let text = fs::read_to_string(paths::root().join("tests/rfc-index.txt")).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_string).collect()
}

/// What is wrong with one citation, if anything.
fn fault(citation: &str, index: &BTreeSet<String>) -> Option<&'static str> {
    let form = Regex::new(r"^rfc(\d{3,4})#([1-9]\d*|[A-Z])(\.\d+)*$").unwrap();
    let Some(found) = form.captures(citation) else { return Some("is not of the form rfcNNNN#1.2.3") };
    if index.contains(&found[1]) { None } else { Some("names a document that is not in tests/rfc-index.txt") }
}

#[test]
fn every_citation_resolves() {
    let (index, mut count) = (index(), 0);
    let mut faults = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let Some(citation) = line.trim_start().strip_prefix("//= ") else { continue };
            count += 1;
            if let Some(fault) = fault(citation.trim_end(), &index) {
                faults.push(format!("{name}:{}: {citation} {fault}", number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 0, "no citation found");
}

#[test]
fn a_bad_citation_is_found() {
    let index = index();
    assert_eq!(fault("rfc4303#3.4.3", &index), None);
    assert_eq!(fault("rfc4301#B.1", &index), None);
    for bad in ["rfc4303", "rfc4303#", "RFC4303#3", "rfc4303#3.", "rfc4303 3.4", "rfc9999#1", "rfc4303#0"] {
        assert!(fault(bad, &index).is_some(), "{bad}");
    }
}

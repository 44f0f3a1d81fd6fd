//! `cargo xtask run` as a user meets it: with root and without, to its end, interrupted, and killed. Whatever way it
//! ends, nothing stays behind.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::paths;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::{Process, run};
use ravelin_tests::site::Site;
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const NEEDS: &[Need] = &[Need::Root, Need::Network, Need::Qemu, Need::StrongSwan];

fn start(site: &Site, arguments: &[&str]) -> Result<Process> {
    let mut command = Command::new(paths::xtask());
    command.arg("run").args(arguments).env("RAVELIN_IMAGE", paths::image());
    Process::spawn(site, "run", command)
}

/// What a run with this process number has left: namespaces, processes that work in its directory, the directory.
fn left_by(pid: u32) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let spaces = run(Command::new("ip").args(["netns", "list"]))?;
    left.extend(spaces.lines().filter(|line| line.starts_with(&format!("rv{pid}-"))).map(str::to_string));
    let mark = format!("ravelin-run-{pid}-");
    for entry in fs::read_dir("/proc").map_err(Error::io("reading /proc"))?.flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(&mark) {
            left.push(words);
        }
    }
    for entry in fs::read_dir(std::env::temp_dir()).map_err(Error::io("reading /tmp"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&mark) || name.starts_with(&format!("rv{pid}-")) {
            left.push(name);
        }
    }
    Ok(left)
}

fn nothing_left_by(pid: u32, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let left = left_by(pid)?;
        if left.is_empty() || Instant::now() > deadline {
            return demand(left.is_empty(), "nothing left behind", left.join("; "));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn says(process: &Process, words: &[&str]) -> Result<()> {
    let text = process.transcript().text();
    for word in words {
        demand(text.contains(word), format!("the run to say `{word}`"), &text)?;
    }
    Ok(())
}

#[test]
fn with_root_a_real_peer_crosses_the_tunnel() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("run-root")?;
    let mut process = start(&site, &["--for", "3"])?;
    let status = process.wait(Duration::from_secs(90))?;
    demand(status.success(), "success", process.transcript().tail())?;
    says(
        &process,
        &[
            "as root: network namespaces, and a real strongSwan peer",
            "5 of 5 came back",
            "TCP in: 20000000 octets",
            "TCP out: 20000000 octets",
            "sa: way=in",
            " 0 lost",
            "QEMU's exit code 0",
            "ended; namespaces, taps and processes are gone",
        ],
    )?;
    nothing_left_by(process.id(), Duration::ZERO)
}

#[test]
fn an_interrupt_ends_it_and_everything_it_made() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("run-interrupt")?;
    let mut process = start(&site, &[])?;
    process.expect_line("^counters until Ctrl-C", Duration::from_secs(90))?;
    demand(!left_by(process.id())?.is_empty(), "namespaces and processes while it runs", "none")?;
    process.signal(Signal::INT);
    let status = process.wait(Duration::from_secs(10))?;
    demand(status.code().is_some(), "an exit code, not a signal", status)?;
    nothing_left_by(process.id(), Duration::ZERO)
}

#[test]
fn an_interrupt_in_the_middle_of_things_ends_everything_too() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("run-early")?;
    let mut process = start(&site, &[])?;
    process.expect_line("^starting the gateway", Duration::from_secs(30))?;
    process.signal(Signal::INT);
    process.wait(Duration::from_secs(10))?;
    nothing_left_by(process.id(), Duration::ZERO)
}

#[test]
fn a_kill_leaves_nothing_either() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("run-kill")?;
    let mut process = start(&site, &["--unprivileged"])?;
    process.expect_line("^counters until Ctrl-C", Duration::from_secs(60))?;
    demand(!left_by(process.id())?.is_empty(), "processes while it runs", "none")?;
    process.signal(Signal::KILL);
    process.wait(Duration::from_secs(5))?;
    nothing_left_by(process.id(), Duration::from_secs(5))
}

#[test]
fn without_root_a_peer_of_our_own_crosses_the_tunnel() -> Result<()> {
    prerequisites::check(&[Need::Qemu])?;
    let site = Site::new("run-nobody")?;
    // A place that nobody can read, with everything that the command needs.
    let dir = std::env::temp_dir().join(format!("ravelin-nobody-{}", std::process::id()));
    let copied = copy_for_nobody(&dir).and_then(|()| {
        let mut command = Command::new("setpriv");
        if prerequisites::is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(dir.join("xtask")).args(["run", "--for", "2", "--config"]).arg(dir.join("ravelin.toml"));
        command.env("RAVELIN_IMAGE", dir.join("ravelin.elf")).current_dir("/");
        Process::spawn(&site, "run", command)
    });
    let outcome = copied.and_then(|mut process| {
        let status = process.wait(Duration::from_secs(60))?;
        demand(status.success(), "success", process.transcript().tail())?;
        says(
            &process,
            &[
                "not root: unprivileged sockets, and a peer of our own",
                "5 of 5 came back",
                "echoes of 1300 octets came back unharmed",
                "sa: way=out",
                "QEMU's exit code 0",
            ],
        )?;
        nothing_left_by(process.id(), Duration::ZERO)
    });
    let _ = fs::remove_dir_all(&dir);
    outcome
}

fn copy_for_nobody(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io(format!("creating {}", dir.display())))?;
    let files = [
        (paths::xtask(), "xtask"),
        (paths::image(), "ravelin.elf"),
        (paths::root().join("image/ravelin.toml"), "ravelin.toml"),
    ];
    for (from, to) in files {
        fs::copy(&from, dir.join(to)).map_err(Error::io(format!("copying {}", from.display())))?;
    }
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(dir)).map(|_| ())
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_place() -> Result<()> {
    let site = Site::new("run-mistake")?;
    let text = fs::read_to_string(paths::root().join("image/ravelin.toml"))
        .map_err(Error::io("reading the reference configuration"))?;
    let path = site.write("bad.toml", &text.replace("mode = \"tunnel\"", "mode = \"tunel\""))?;
    let line = 1 + text.lines().position(|line| line == "mode = \"tunnel\"").unwrap_or_default();
    let mut process = start(&site, &["--config", &path.display().to_string()])?;
    let status = process.wait(Duration::from_secs(20))?;
    demand(status.code() == Some(1), "exit code 1", status)?;
    says(&process, &[&format!("bad.toml:{line}:"), "mode", "tunel", "\"transport\""])
}

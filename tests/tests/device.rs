//! `cargo xtask device` as a person meets it: sockets, the command that attaches a guest, the view, the control socket,
//! a guest that is attached by hand, the end by Ctrl-C. Nothing but captures stays behind.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::paths;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::{Process, run};
use ravelin_tests::site::Site;
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Longest wait for the server, which may have to be built.
const START: Duration = Duration::from_secs(300);
/// Longest wait for a guest's console to say that it is up.
const BOOT: Duration = Duration::from_secs(120);

struct Server {
    process: Process,
    pcap: PathBuf,
}

impl Server {
    fn start(site: &Site, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Server> {
        let pcap = site.path("pcap");
        let mut command = Command::new(paths::xtask());
        command.arg("device").args(arguments).arg("--pcap").arg(&pcap).envs(environment.iter().copied());
        Ok(Server { process: Process::spawn(site, "device", command)?, pcap })
    }

    /// Its directory for sockets.
    fn sockets(&self) -> PathBuf {
        std::env::temp_dir().join(format!("rv{}-0", self.process.id()))
    }

    /// Gives a command to it as a person does.
    fn tell(&self, line: &str) -> Result<String> {
        let mut command = Command::new(paths::xtask());
        command.args(["device", "tell"]).args(line.split(' ')).env("RAVELIN_DEVICE", self.sockets());
        run(&mut command)
    }

    /// Ends it by Ctrl-C, and sees that nothing is left.
    fn interrupt(mut self) -> Result<()> {
        self.process.signal(Signal::INT);
        let status = self.process.wait(Duration::from_secs(10))?;
        demand(status.success(), "success", status)?;
        demand_lines(&self.process.transcript().text(), &["ended; sockets and processes are gone"])?;
        nothing_left_by(self.process.id(), Duration::ZERO)?;
        demand(self.pcap.join("A-host.pcap").exists(), "captures that stay", self.pcap.display())
    }
}

fn demand_lines(text: &str, words: &[&str]) -> Result<()> {
    words.iter().try_for_each(|word| demand(text.contains(word), format!("`{word}`"), text))
}

/// What a run with this process number has left: processes that know its directories, and these.
fn left_by(pid: u32) -> Result<Vec<String>> {
    let marks = [format!("ravelin-device-{pid}-"), format!("rv{pid}-")];
    let marked = |text: &str| marks.iter().any(|mark| text.contains(mark));
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").map_err(Error::io("reading /proc"))?.flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        left.extend(Some(String::from_utf8_lossy(&words).replace('\0', " ")).filter(|words| marked(words)));
    }
    for entry in fs::read_dir(std::env::temp_dir()).map_err(Error::io("reading /tmp"))?.flatten() {
        left.extend(Some(entry.file_name().to_string_lossy().into_owned()).filter(|name| marked(name)));
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

#[test]
fn a_guest_is_attached_by_the_printed_command() -> Result<()> {
    prerequisites::check(&[Need::Oracle])?;
    let site = Site::new("device-attach")?;
    let server = Server::start(&site, &["--profile", "cx6dx"], &[])?;
    let line = server.process.expect_line("^  to attach a Linux of Debian's .*: sh ", START)?;
    server.process.expect_line("^ready$", START)?;
    for card in ["A", "B"] {
        let socket = server.sockets().join(format!("device.{card}"));
        demand(socket.exists(), format!("a socket for card {card}"), socket.display())?;
        server.process.expect_line(&format!("^{card}  reset  link up  no driver"), START)?;
    }
    demand_lines(&server.tell("show 0")?, &["A  reset", "wire_rx_frames 0"])?;

    // The line below the script's name is the same command, for those who want to change it.
    let script = line.text.rsplit("sh ").next().unwrap_or_default();
    let text = fs::read_to_string(script).map_err(Error::io(format!("reading {script}")))?;
    let printed = server.process.expect_line("^  QEMU_MODULE_DIR=.*qemu-system-x86_64 .*device.A", START)?;
    demand(text.trim() == format!("exec env {}", printed.text.trim()), printed.text, &text)?;

    let mut shell = Command::new("sh");
    shell.arg(script);
    let mut guest = Process::spawn(&site, "guest", shell)?;
    guest.expect_line("^Linux 6\\.12.* on card A, eth0 with 10.0.0.1 and fd00::1", BOOT)?;
    server.process.expect_line("^A  initialized  link up  Linux,mlx5_core,6\\.12", START)?;
    let shown = server.tell("show A")?;
    demand_lines(&shown, &[" 0 refusals", "INIT_HCA 1", "  SQ ", "NicRx level", "TIR 0x"])?;
    guest.write("ethtool -i eth0\n")?;
    guest.expect_line("^driver: mlx5_core", Duration::from_secs(20))?;
    guest.write("exit\n")?;
    guest.wait(Duration::from_secs(30))?;
    // It is gone, and the device as after power-on.
    let view = server.process.transcript();
    view.expect_from(view.len(), "^A  reset  link up  no driver", Duration::from_secs(20))?;
    server.interrupt()
}

#[test]
fn an_interrupt_ends_guests_that_it_has_started() -> Result<()> {
    prerequisites::check(&[Need::Oracle])?;
    let site = Site::new("device-boot")?;
    let server = Server::start(&site, &["--boot", "6.1", "--cards", "1"], &[])?;
    server.process.expect_line("^guest A: cargo xtask device console A", START)?;
    let mut command = Command::new(paths::xtask());
    command.args(["device", "console", "A"]).env("RAVELIN_DEVICE", server.sockets());
    let mut console = Process::spawn(&site, "console", command)?;
    console.expect_line("^Linux 6\\.1\\..* on card A", BOOT)?;
    console.write("echo $((6 * 7))\n")?;
    console.expect_line("^42$", Duration::from_secs(20))?;
    demand(left_by(server.process.id())?.len() > 2, "processes while it runs", "none")?;
    server.interrupt()?;
    console.wait(Duration::from_secs(5)).map(|_| ())
}

#[test]
fn faults_are_given_by_tell_and_mistakes_are_told() -> Result<()> {
    let site = Site::new("device-tell")?;
    let server = Server::start(&site, &["--cards", "3"], &[])?;
    server.process.expect_line("^ready$", START)?;
    server.tell("fault 0 link-flap down=600")?;
    server.process.expect_line("^A  reset  link down", Duration::from_secs(20))?;
    demand_lines(&server.tell("show C")?, &["C  reset  link up"])?;
    let refused = server.tell("fault 0 frobnicate");
    demand(refused.is_err(), "a refusal", "none")?;
    server.interrupt()
}

#[test]
fn what_is_missing_is_named_with_its_command() -> Result<()> {
    let site = Site::new("device-missing")?;
    let nothing = site.path("no-cache").display().to_string();
    let mut server = Server::start(&site, &["--boot", "6.12"], &[("RAVELIN_CACHE", &nothing)])?;
    demand(server.process.wait(START)?.code() == Some(1), "exit code 1", "another")?;
    demand_lines(&server.process.transcript().text(), &["vfio-user-pci", "cargo xtask install"])?;

    // Without a guest of ours to attach the server is of use all the same.
    let server = Server::start(&site, &["--cards", "1"], &[("RAVELIN_CACHE", &nothing)])?;
    server.process.expect_line("^ready$", START)?;
    demand_lines(&server.process.transcript().text(), &["no guest can be attached", "cargo xtask install"])?;
    server.interrupt()
}

#[test]
fn a_kill_leaves_nothing_either() -> Result<()> {
    let site = Site::new("device-kill")?;
    let mut server = Server::start(&site, &[], &[])?;
    server.process.expect_line("^ready$", START)?;
    demand(!left_by(server.process.id())?.is_empty(), "a process while it runs", "none")?;
    let pid = server.process.id();
    server.process.signal(Signal::KILL);
    server.process.wait(Duration::from_secs(5))?;
    nothing_left_by(pid, Duration::from_secs(5))
}

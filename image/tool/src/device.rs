//! `cargo xtask device`: the model of the card as a server that QEMU can be attached to, with a live view and captures
//! of both sides of the crypto.
//!
//! It says with which command a guest is attached to each card, or starts the guests itself (`--boot`). `device tell`
//! and `device console` talk to a server that runs. Everything but the captures goes away when it ends.

mod options;
mod talk;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use options::Options;
use ravelin_tests::oracle::model;
use ravelin_tests::oracle::visit::{Linux, Visit, shell_words};
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::Process;
use ravelin_tests::site::Site;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

/// The control socket in the directory for sockets.
const CONTROL: &str = "device.control";
/// Longest wait for the server's control socket.
const START: Duration = Duration::from_secs(20);

/// Why there is nothing (more) to see.
#[derive(Debug)]
enum Error {
    Options(options::Mistake),
    Harness(ravelin_tests::error::Error),
    /// The server has ended by itself.
    Ended(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Options(mistake) => write!(f, "{mistake}"),
            Error::Harness(error) => write!(f, "{error}"),
            Error::Ended(how) => write!(f, "the model's server has ended: {how}"),
        }
    }
}

impl From<ravelin_tests::error::Error> for Error {
    fn from(error: ravelin_tests::error::Error) -> Error {
        Error::Harness(error)
    }
}

/// The whole command.
pub(crate) fn command(arguments: &[String]) -> ExitCode {
    match arguments.split_first() {
        Some((word, rest)) if word == "tell" => return talk::tell(rest),
        Some((word, rest)) if word == "console" => return talk::console(rest),
        _ => {}
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without the flag the janitor still cleans up.
        let _ = signal_hook::flag::register(signal, stop.clone());
    }
    let outcome = Options::parse(arguments).map_err(Error::Options).and_then(|options| show(&options, &stop));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever it interrupted, such as the compiler, has failed for no other reason.
        Err(_) if stop.load(Ordering::Relaxed) => ExitCode::from(130),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One card of the server.
struct Card {
    name: String,
    socket: PathBuf,
}

fn show(options: &Options, stop: &AtomicBool) -> Result<(), Error> {
    // Without a guest to boot the server is of use even if the cache has none to attach.
    let guests =
        prerequisites::check(&[if options.linux.rebuilt { Need::OracleIpsec } else { Need::Oracle }]);
    let missing = match guests {
        Err(error) if options.boot => return Err(error.into()),
        guests => guests.err(),
    };
    println!("building the model's server");
    let server = model::binary()?;
    let site = Site::new_anywhere("device")?;
    let outcome = serve(&site, options, &server, missing, stop);
    site.end();
    println!("ended; sockets and processes are gone, captures are in {}", options.pcap.display());
    outcome
}

fn serve(
    site: &Site,
    options: &Options,
    server: &Path,
    missing: Option<ravelin_tests::error::Error>,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let dir = site.sockets()?;
    let cards: Vec<Card> = (0..options.cards)
        .map(|number| {
            let name = options::name(number);
            Card { socket: dir.join(format!("device.{name}")), name }
        })
        .collect();
    let mut notes = Vec::new();
    let mut visits = Vec::new();
    if let Some(error) = missing {
        println!("no guest can be attached: {error}");
        notes.push("no guest can be attached: see above, or run `cargo xtask install`".to_string());
    } else {
        let initrd = site.path("initrd");
        for card in &cards {
            visits.push(Visit::new(options.linux, &card.name, &card.socket, &initrd)?);
        }
    }
    for (card, visit) in cards.iter().zip(&visits) {
        let Card { name, socket } = card;
        println!("card {name} at {}", socket.display());
        if options.boot {
            notes.push(format!("guest {name}: cargo xtask device console {name}"));
        } else {
            let by_hand = shell_words(&visit.by_hand()?)?;
            let script = site.write(&format!("attach-{name}"), &format!("exec env {by_hand}\n"))?;
            println!(
                "  to attach a Linux of Debian's (Ctrl-A X ends it): sh {}\n  {by_hand}",
                script.display()
            );
            notes.push(format!("card {name}: attach a guest by  sh {}", script.display()));
        }
    }
    let pcap = options.pcap.display();
    println!(
        "captures in {pcap}: wire0.pcap has all of the first wire; of what card A encrypts and decrypts,"
    );
    println!("  A-host.pcap has the guest's side (plaintext) and A-wire.pcap the wire's side (ESP)");
    notes.push(format!(
        "captures in {pcap}: wire0.pcap all, A-host.pcap plaintext, A-wire.pcap ESP of the same"
    ));
    notes.push(
        "more, and faults: cargo xtask device tell show A, tell help          Ctrl-C ends it all".into(),
    );

    let control = dir.join(CONTROL);
    let mut process =
        Process::spawn_in_sight(site, "device", server_command(options, server, &cards, &notes, &control))?;
    let outcome = (|| {
        wait_for(&control, &mut process, stop)?;
        let mut guests = Vec::new();
        if options.boot {
            for (card, visit) in cards.iter().zip(&visits) {
                let Card { name, .. } = card;
                let console = dir.join(console_of(name));
                guests.push(visit.start(site, &format!("guest-{name}"), &console)?);
                if !std::io::stdout().is_terminal() {
                    println!("guest {name}: cargo xtask device console {name}");
                }
            }
        }
        let until = options.time.map(|time| Instant::now() + time);
        while !stop.load(Ordering::Relaxed) && until.is_none_or(|until| Instant::now() < until) {
            if let Some(status) = process.poll() {
                return Err(Error::Ended(status.to_string()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    })();
    // In order, so that the server gives the terminal back.
    process.stop(Duration::from_secs(3));
    outcome
}

/// The guest's console in the directory for sockets.
fn console_of(card: &str) -> String {
    format!("device.console.{card}")
}

fn server_command(
    options: &Options,
    server: &Path,
    cards: &[Card],
    notes: &[String],
    control: &Path,
) -> Command {
    let mut command = Command::new(server);
    for card in cards {
        command.args(["--profile", &options.profile, "--socket"]).arg(&card.socket);
    }
    for wire in options.wires() {
        command.args(["--wire", &wire]);
    }
    command.arg("--control").arg(control).arg("--pcap-dir").arg(&options.pcap).arg("--view");
    for note in notes {
        command.args(["--note", note]);
    }
    command
}

/// Waits until the server answers.
fn wait_for(control: &Path, process: &mut Process, stop: &AtomicBool) -> Result<(), Error> {
    let deadline = Instant::now() + START;
    while UnixStream::connect(control).is_err() {
        if let Some(status) = process.poll() {
            return Err(Error::Ended(status.to_string()));
        }
        if Instant::now() > deadline {
            return Err(Error::Ended("no control socket".into()));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

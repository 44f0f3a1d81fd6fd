//! `cargo xtask run`: the gateway at work, with everything around it set up and taken down again.
//!
//! As root and with strongSwan: namespaces, taps, a real peer, pings and a TCP transfer through the tunnel. Otherwise:
//! unprivileged sockets and a peer of our own. It says which of the two it does. Whatever it makes goes away when it
//! ends, by itself, by Ctrl-C, or by force.

mod namespaces;
mod peer;
mod plan;
mod sockets;

use crate::image_file;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use plan::{Plan, plan};
use ravelin_tests::paths;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::qemu::{Machine, Port, Qemu};
use ravelin_tests::site::Site;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// The console line after which the gateway answers.
pub(crate) use ravelin_tests::topology::READY;

/// Why there is nothing (more) to see.
#[derive(Debug)]
enum Error {
    Usage(String),
    Image(image_file::Error),
    Plan(plan::Error),
    Harness(ravelin_tests::error::Error),
    Peer(peer::Error),
    Keys(std::io::Error),
    /// It ran, but what should work did not.
    Failed(String),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Usage(word) => write!(
                f,
                "`{word}` is not understood; cargo xtask run [--config FILE] [--for SECONDS] [--unprivileged]"
            ),
            Error::Image(error) => write!(f, "{error}"),
            Error::Plan(error) => write!(f, "{error}"),
            Error::Harness(error) => write!(f, "{error}"),
            Error::Peer(error) => write!(f, "{error}"),
            Error::Keys(error) => write!(f, "drawing keys: {error}"),
            Error::Failed(what) => write!(f, "{what}"),
        }
    }
}

impl From<ravelin_tests::error::Error> for Error {
    fn from(error: ravelin_tests::error::Error) -> Error {
        Error::Harness(error)
    }
}

/// What was asked for.
struct Options {
    config: PathBuf,
    /// Time to watch after everything was shown; without it until Ctrl-C.
    time: Option<Duration>,
    /// Keeps to the way without root even as root.
    unprivileged: bool,
}

fn options(arguments: &[String]) -> Result<Options, Error> {
    let config = paths::root().join("image/ravelin.toml");
    let mut options = Options { config, time: None, unprivileged: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Error::Usage(word.clone()));
        match word.as_str() {
            "--config" => options.config = PathBuf::from(value()?),
            "--for" => {
                let seconds = value()?;
                let seconds = seconds.parse().map_err(|_| Error::Usage(seconds.clone()))?;
                options.time = Some(Duration::from_secs(seconds));
            }
            "--unprivileged" => options.unprivileged = true,
            _ => return Err(Error::Usage(word.clone())),
        }
    }
    Ok(options)
}

/// The whole command.
pub(crate) fn command(arguments: &[String]) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without the flag the janitor still cleans up, only later than we end.
        let _ = signal_hook::flag::register(signal, stop.clone());
    }
    match prepare(arguments) {
        Ok((options, plan)) => watch(options, plan, &stop),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that can fail before something is started.
fn prepare(arguments: &[String]) -> Result<(Options, Plan), Error> {
    let options = options(arguments)?;
    let plan = plan(&options.config).map_err(Error::Plan)?;
    if std::env::var_os("RAVELIN_IMAGE").is_none() {
        println!("building the image");
        let (path, _) = image_file::build().map_err(Error::Image)?;
        println!("  {}", path.display());
    }
    Ok((options, plan))
}

/// Runs the show on a thread of its own, so that Ctrl-C ends it wherever it is.
fn watch(options: Options, plan: Plan, stop: &Arc<AtomicBool>) -> ExitCode {
    let site = match Site::new_anywhere("run") {
        Ok(site) => site,
        Err(error) => {
            eprintln!("xtask: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (its_site, its_stop) = (site.clone(), stop.clone());
    let show = std::thread::spawn(move || show(&its_site, &options, &plan, &its_stop));
    let mut since = None;
    while !show.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        if stop.load(Ordering::Relaxed) {
            // Time to end in order, which deletes the peer's associations; then by force.
            let since = since.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_secs(3) {
                break;
            }
        }
    }
    let result = if show.is_finished() { show.join().ok() } else { None };
    site.end();
    match result {
        Some(Ok(())) => {
            println!("ended; namespaces, taps and processes are gone");
            ExitCode::SUCCESS
        }
        Some(Err(error)) if !stop.load(Ordering::Relaxed) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
        _ => {
            println!("interrupted; namespaces, taps and processes are gone");
            ExitCode::from(130)
        }
    }
}

fn show(site: &Site, options: &Options, plan: &Plan, stop: &AtomicBool) -> Result<(), Error> {
    const REAL: &[Need] = &[Need::Root, Need::Qemu, Need::Network, Need::StrongSwan];
    install_or_say(&[Need::Qemu])?;
    if options.unprivileged {
        println!("as asked: unprivileged sockets, and a peer of our own with static keys");
        return sockets::show(site, options, plan, stop);
    }
    if !prerequisites::is_root() {
        println!("not root: unprivileged sockets, and a peer of our own with static keys");
        println!(
            "  as root this shows a real strongSwan peer instead: sudo -E env PATH=\"$PATH\" cargo xtask run"
        );
        return sockets::show(site, options, plan, stop);
    }
    if let Err(error) = prerequisites::install(REAL).and_then(|()| prerequisites::check(REAL)) {
        println!("{error}");
        println!("so: unprivileged sockets, and a peer of our own with static keys");
        return sockets::show(site, options, plan, stop);
    }
    println!("as root: network namespaces, and a real strongSwan peer");
    namespaces::show(site, options, plan, stop)
}

/// Installs as root, else says what to install.
fn install_or_say(needs: &[Need]) -> Result<(), Error> {
    if prerequisites::is_root() {
        prerequisites::install(needs)?;
    }
    Ok(prerequisites::check(needs)?)
}

/// The machine with the plan's files; `port` makes the port of the given number.
fn boot(site: &Site, plan: &Plan, text: &str, port: impl Fn(u8, &plan::Port) -> Port) -> Result<Qemu, Error> {
    let config = site.write("ravelin.toml", text)?;
    let mut machine = Machine::ravelin(&paths::image(), &config);
    for (name, path) in &plan.files {
        machine
            .arguments
            .extend(["-fw_cfg".into(), format!("name=opt/ravelin/{name},file={}", path.display())]);
    }
    for (number, planned) in (1..).zip(&plan.ports) {
        let mut made = port(number, planned);
        if let Some(mac) = &planned.mac {
            made.mac.clone_from(mac);
        }
        made.options.clone_from(&planned.options);
        machine = machine.port(made);
    }
    println!("starting the gateway in QEMU with {} MiB", machine.memory);
    let gateway = machine.start(site, "gateway")?;
    let ready = gateway.expect_line(READY, Duration::from_secs(30))?;
    println!("  ready after {:.2} s: {}", ready.at.as_secs_f64(), ready.text.trim());
    Ok(gateway)
}

/// Prints the gateway's own account of itself.
fn print_status(gateway: &mut Qemu) -> Result<(), Error> {
    let status = ravelin_tests::topology::ask_status(gateway)?;
    for line in status.text.lines() {
        println!("  {}", line.trim_end());
    }
    Ok(())
}

/// Calls `step` about every two seconds until the time is over or somebody wants the end.
fn until_the_end(
    options: &Options,
    stop: &AtomicBool,
    mut step: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    match options.time {
        Some(time) => println!("counters for {} s", time.as_secs()),
        None => println!("counters until Ctrl-C"),
    }
    let started = Instant::now();
    while !stop.load(Ordering::Relaxed) && options.time.is_none_or(|time| started.elapsed() < time) {
        step()?;
    }
    Ok(())
}

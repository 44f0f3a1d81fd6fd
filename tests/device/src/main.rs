//! `mlx5-device`: models of ConnectX functions for QEMU's `vfio-user-pci`, on wires. See `arguments.rs` for the words.

#![forbid(unsafe_code)]

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use mlx5_device::arguments::{Arguments, DeviceArguments, Mistake, USAGE, name};
use mlx5_device::card::Card;
use mlx5_device::control::{self, Desk};
use mlx5_device::server::{self, CardServer};
use mlx5_device::view::{self, screen::Screen};
use mlx5_device::wire::Wire;
use mlx5_model::Device;
use mlx5_model::caps::{Profile, ProfileError};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};

/// Why it does not run, or no longer.
#[derive(Debug)]
enum Error {
    Arguments(Mistake),
    Profile(String),
    Server(server::Error),
    Wire(usize, io::Error),
    Thread(io::Error),
    Directory(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Arguments(mistake) => write!(f, "{mistake}"),
            Error::Profile(error) => write!(f, "{error}"),
            Error::Server(error) => write!(f, "{error}"),
            Error::Wire(number, error) => write!(f, "wire {number}: {error}"),
            Error::Thread(error) => write!(f, "starting a thread: {error}"),
            Error::Directory(error) => write!(f, "{error}"),
        }
    }
}

/// The last lines of the log, while the view has the terminal.
static LAST: Mutex<Option<Vec<String>>> = Mutex::new(None);
/// How many.
const KEPT: usize = 5;

/// A line of the log: below the view, or on standard error.
fn said(line: String) {
    match LAST.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(last) => {
            last.truncate(KEPT - 1);
            last.insert(0, line);
        }
        None => eprintln!("{line}"),
    }
}

/// The view, if it was asked for.
struct View {
    screen: Screen,
    notes: String,
}

impl View {
    fn open(arguments: &Arguments) -> Option<View> {
        let screen = arguments.view.then(Screen::open)?;
        if screen.is_terminal() {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
        }
        // Elsewhere whoever started it has said so before.
        let notes = arguments.notes.iter().filter(|_| screen.is_terminal());
        let notes = notes.fold(String::new(), |notes, note| notes + note + "\n");
        Some(View { screen, notes })
    }

    fn refresh(&mut self, cards: &[Arc<Card>]) {
        let last: Vec<String> = {
            let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            last.iter().flatten().rev().cloned().collect()
        };
        let notes = &self.notes;
        let text = |columns, rows: usize| {
            let space = if notes.is_empty() { "" } else { "\n" };
            let rows = rows.saturating_sub(notes.lines().count() + space.len());
            format!("{notes}{space}{}", view::brief(cards, columns, rows))
        };
        self.screen.refresh(text, &last);
    }
}

/// Lines of the log.
struct Lines;

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            said(format!("mlx5-device: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ Error::Arguments(_)) => {
            eprintln!("mlx5-device: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("mlx5-device: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments = Arguments::parse(std::env::args().skip(1)).map_err(Error::Arguments)?;
    if arguments.help {
        println!("{USAGE}");
        return Ok(());
    }
    let _ = log::set_logger(&Lines);
    log::set_max_level(if arguments.verbose { log::LevelFilter::Info } else { log::LevelFilter::Warn });
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Error::Thread)?;
    }

    let cards = make_cards(&arguments)?;
    let mut wires = Vec::new();
    for (number, (near, far)) in arguments.wires.iter().enumerate() {
        wires.push(Wire::join(&cards[*near], far, &cards).map_err(|error| Error::Wire(number, error))?);
    }
    let desk = Arc::new(Desk::new(cards.clone(), wires, arguments.pcap_dir.clone()));
    if arguments.pcap_dir.is_some() {
        desk.capture(true).map_err(Error::Directory)?;
    }
    let mut servers = Vec::new();
    for (card, device) in cards.iter().zip(&arguments.devices) {
        let server = CardServer::new(card.clone(), &device.socket).map_err(Error::Server)?;
        servers.push(Arc::new(server));
    }
    for (card, server) in cards.iter().zip(&servers) {
        start(card, server.clone(), &desk)?;
    }
    let control = arguments.control.as_deref();
    if let Some(path) = control {
        let listener = server::listen(path).map_err(Error::Server)?;
        control::serve(desk.clone(), listener).map_err(Error::Thread)?;
    }
    println!("ready");

    let mut view = View::open(&arguments);
    while !stop.load(Ordering::Relaxed) && !desk.quitting() {
        if let Some(view) = &mut view {
            view.refresh(&cards);
        }
        thread::sleep(Duration::from_millis(20));
    }
    drop(view);
    // Threads that wait for a guest or for the host end with the process; what must stay is on disk, and what must go
    // are the sockets.
    if let Some(dir) = &arguments.trace_dir {
        for card in &cards {
            let written = control::write_trace(card, &dir.join(format!("{}.trace", card.name())));
            written.map_err(Error::Directory)?;
        }
    }
    for path in arguments.devices.iter().map(|device| device.socket.as_path()).chain(control) {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn make_cards(arguments: &Arguments) -> Result<Vec<Arc<Card>>, Error> {
    if let Some(dir) = &arguments.trace_dir {
        fs::create_dir_all(dir).map_err(|error| Error::Directory(format!("{}: {error}", dir.display())))?;
    }
    let mut cards = Vec::new();
    for (number, words) in arguments.devices.iter().enumerate() {
        let mut device = Device::new(profile(number, words)?);
        device.log_mut().set_tracing(arguments.trace_dir.is_some());
        cards.push(Card::new(&name(number), device));
    }
    Ok(cards)
}

/// What the device is and offers; without `--mac`, 02:00:00:00:00:01 and on.
fn profile(number: usize, words: &DeviceArguments) -> Result<Profile, Error> {
    let wrong = |error: ProfileError| Error::Profile(error.to_string());
    let mut profile = if words.profile.ends_with(".toml") {
        let text = fs::read_to_string(&words.profile)
            .map_err(|error| Error::Profile(format!("{}: {error}", words.profile)))?;
        Profile::from_toml(&words.profile, &text).map_err(wrong)?
    } else {
        Profile::named(&words.profile).map_err(wrong)?
    };
    profile.set_mac(words.mac.unwrap_or([2, 0, 0, 0, 0, number as u8 + 1]));
    Ok(profile)
}

/// The threads of a card: its clock and its guest.
fn start(card: &Arc<Card>, server: Arc<CardServer>, desk: &Arc<Desk>) -> Result<(), Error> {
    let (clock, desk) = (card.clone(), desk.clone());
    let spawn = |what: &str, act: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name(format!("{what} {}", card.name()));
        thread.spawn(act).map_err(Error::Thread)
    };
    spawn("clock", Box::new(move || clock.keep_time()))?;
    spawn(
        "guest",
        Box::new(move || {
            if let Err(error) = server.run() {
                log::error!("{error}");
                desk.quit();
            }
        }),
    )?;
    Ok(())
}

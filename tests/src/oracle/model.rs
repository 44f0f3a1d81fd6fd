//! The model's server as a test drives it: `mlx5-device` with one or more cards, each behind a vfio-user socket, joined
//! by a wire; its control socket takes one command a line and ends each answer with an empty line.

use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::paths;
use crate::process::{Process, run};
use crate::site::Site;
use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Longest wait for the server's sockets.
const START: Duration = Duration::from_secs(20);
/// Longest wait for an answer of the control socket.
const ANSWER: Duration = Duration::from_secs(20);

/// A running model.
pub struct Model {
    process: Process,
    control: PathBuf,
    sockets: Vec<PathBuf>,
    pcap: PathBuf,
}

impl Model {
    /// Starts a server with one card per profile (`cx7`, `cx6dx`), the first two wired to each other. Further
    /// arguments go to the server as they are.
    ///
    /// # Errors
    /// When the server does not build, start or listen.
    pub fn start(site: &Site, name: &str, profiles: &[&str], arguments: &[&str]) -> Result<Model> {
        let wires: &[&str] = if profiles.len() > 1 { &["0:1"] } else { &[] };
        Model::start_with(site, name, profiles, wires, arguments, None)
    }

    /// Starts a server with these wires, as `--wire` takes them. Taps are made in the namespace `home`.
    ///
    /// # Errors
    /// As for [`Model::start`].
    pub fn start_with(
        site: &Site,
        name: &str,
        profiles: &[&str],
        wires: &[&str],
        arguments: &[&str],
        home: Option<&Namespace>,
    ) -> Result<Model> {
        let dir = site.sockets()?;
        let control = dir.join(format!("{name}.control"));
        let pcap = site.path(&format!("{name}-pcap"));
        let program = binary()?;
        let mut command = match home {
            Some(namespace) => namespace.command(&program.display().to_string()),
            None => Command::new(program),
        };
        let mut sockets = Vec::new();
        for (number, profile) in profiles.iter().enumerate() {
            let socket = dir.join(format!("{name}.{number}"));
            command.args(["--profile", profile, "--socket"]).arg(&socket);
            sockets.push(socket);
        }
        wires.iter().for_each(|wire| {
            command.args(["--wire", wire]);
        });
        command.arg("--pcap-dir").arg(&pcap).arg("--control").arg(&control);
        command.args(arguments);
        let process = Process::spawn(site, name, command)?;
        process.expect_line("^ready", START)?;
        let model = Model { process, control, sockets, pcap };
        model.tell("capture off")?;
        for card in 0..profiles.len() {
            model.tell(&format!("trace {card} on"))?;
        }
        Ok(model)
    }

    /// The vfio-user sockets of its cards.
    pub fn sockets(&self) -> &[PathBuf] {
        &self.sockets
    }

    /// The directory of its captures.
    pub fn pcap(&self) -> &PathBuf {
        &self.pcap
    }

    /// The server process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Sends one command to the control socket and returns the answer without the empty line that ends it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn ask(&self, line: &str) -> Result<String> {
        let doing = || Error::io(format!("asking the model `{line}`"));
        let mut stream = UnixStream::connect(&self.control).map_err(doing())?;
        stream.set_read_timeout(Some(ANSWER)).map_err(doing())?;
        writeln!(stream, "{line}").map_err(doing())?;
        let mut answer = String::new();
        for next in BufReader::new(stream).lines() {
            let next = next.map_err(doing())?;
            if next.is_empty() {
                break;
            }
            answer.push_str(&next);
            answer.push('\n');
        }
        Ok(answer.trim_end().to_owned())
    }

    /// Begins captures anew; they are off until then.
    ///
    /// # Errors
    /// When the server cannot write them.
    pub fn capture(&self) -> Result<()> {
        self.tell("capture off")?;
        self.tell("capture on")
    }

    /// Gives a command that has no answer.
    ///
    /// # Errors
    /// When the server has one, or none at all.
    pub fn tell(&self, line: &str) -> Result<()> {
        let said = self.ask(line)?;
        demand(said.is_empty(), format!("the model to take `{line}`"), said)
    }

    /// Demands that card `card` has refused nothing that its driver asked for since `clear` was said.
    ///
    /// # Errors
    /// With the refusals.
    pub fn demand_no_refusals(&self, card: usize) -> Result<()> {
        let said = self.ask(&format!("refusals {card}"))?;
        demand(said.is_empty(), format!("no refusal by card {card}"), said)
    }

    /// Demands that card `card` holds no page of its guest's.
    ///
    /// # Errors
    /// When it does.
    pub fn demand_no_pages(&self, card: usize) -> Result<()> {
        let said = self.ask(&format!("pages {card}"))?;
        demand(said == "0", format!("no page held by card {card}"), said)
    }

    /// Writes what each card has refused, noted and been commanded into the site's directory, for whoever looks into a
    /// failure.
    pub fn write_account(&self, site: &Site) {
        for card in 0..self.sockets.len() {
            for what in ["refusals", "notes", "commands", "objects", "counters"] {
                if let Ok(text) = self.ask(&format!("{what} {card}")) {
                    let _ = site.write(&format!("card{card}.{what}"), &format!("{text}\n"));
                }
            }
            let trace = site.path(&format!("card{card}.trace"));
            let _ = self.ask(&format!("trace {card} {}", trace.display()));
        }
    }
}

/// The server, built once per test run; `RAVELIN_MLX5_DEVICE` names one that is built already.
///
/// # Errors
/// When it does not build.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<core::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os("RAVELIN_MLX5_DEVICE") {
            return Ok(path.into());
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "-p", "mlx5-device"]).current_dir(paths::root());
        run(&mut build).map_err(|error| error.to_string())?;
        Ok(paths::target().join("release/mlx5-device"))
    });
    built.clone().map_err(|found| Error::Observed { expected: "the model's server to build".into(), found })
}

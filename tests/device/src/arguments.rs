//! The command line of `mlx5-device`.

use core::fmt;
use std::path::PathBuf;

/// How it is called.
pub const USAGE: &str = "mlx5-device DEVICE… [--wire WIRE]… [options]

a device, named A, B, … in the order of the command line:
  --profile cx7|cx6dx|vf|FILE.toml   begins a device with these capabilities
  --socket PATH                      where QEMU's vfio-user-pci connects to it
  --mac XX:XX:XX:XX:XX:XX            its hardware address; without one 02:00:00:00:00:01 and on
a wire:
  --wire 0:1                         between two devices, by number or name (0 is A)
  --wire 0:tap=NAME                  to a tap of this host, which is made when there is none
  --wire 0:socket=PATH               to a unix socket, QEMU's `-netdev stream` at its other end
options:
  --control PATH                     a socket that takes commands, one a line; `help` says which
  --pcap-dir DIR                     captures from the start: A-host.pcap, A-wire.pcap, wire0.pcap …
  --trace-dir DIR                    every firmware command, written to A.trace … at the end
  --view                             a live view of every device on standard output
  --note TEXT                        a line above the view on a terminal; may be given again
  --verbose                          says who connects and leaves";

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceArguments {
    /// A profile's name, or a file.
    pub profile: String,
    /// Where QEMU connects.
    pub socket: PathBuf,
    /// Its hardware address, if one was asked for.
    pub mac: Option<[u8; 6]>,
}

/// The far end of a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FarEnd {
    /// Another device, or the same.
    Device(usize),
    /// A tap of the host.
    Tap(String),
    /// A unix socket.
    Socket(PathBuf),
}

/// The command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Arguments {
    pub devices: Vec<DeviceArguments>,
    /// Each by its device and its far end.
    pub wires: Vec<(usize, FarEnd)>,
    pub control: Option<PathBuf>,
    pub pcap_dir: Option<PathBuf>,
    pub trace_dir: Option<PathBuf>,
    pub view: bool,
    /// Lines above the view.
    pub notes: Vec<String>,
    pub verbose: bool,
    pub help: bool,
}

/// A command line that is not understood: what was found, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What was found.
    pub found: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl Mistake {
    pub(crate) fn new(found: impl Into<String>, accepted: &'static str) -> Mistake {
        Mistake { found: found.into(), accepted }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; accepted: {}", self.found, self.accepted)
    }
}

impl core::error::Error for Mistake {}

/// A device that is being described.
struct Begun {
    profile: String,
    socket: Option<PathBuf>,
    mac: Option<[u8; 6]>,
}

impl Arguments {
    /// Understands a command line, without the program's name.
    ///
    /// # Errors
    /// A [`Mistake`].
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Arguments, Mistake> {
        let mut arguments = Arguments::default();
        let mut begun: Vec<Begun> = Vec::new();
        let mut wires = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = |accepted| {
                words.next().ok_or_else(|| Mistake::new(format!("{word} at the end of the line"), accepted))
            };
            match word.as_str() {
                "--profile" => {
                    begun.push(Begun {
                        profile: value("cx7, cx6dx, vf, FILE.toml")?,
                        socket: None,
                        mac: None,
                    });
                }
                "--socket" => {
                    let path = PathBuf::from(value("the path of a unix socket")?);
                    match begun.last_mut() {
                        Some(device) if device.socket.is_none() => device.socket = Some(path),
                        Some(_) => {
                            let found = format!("a second --socket {} for one device", path.display());
                            return Err(Mistake::new(found, "one --socket after each --profile"));
                        }
                        None => {
                            let found = format!("--socket {} before any --profile", path.display());
                            return Err(Mistake::new(
                                found,
                                "--profile cx7|cx6dx|vf|FILE.toml --socket PATH",
                            ));
                        }
                    }
                }
                "--mac" => {
                    let mac = mac(&value(MAC)?)?;
                    let device = begun.last_mut();
                    device
                        .ok_or(Mistake::new("--mac before any --profile", "--mac after its --profile"))?
                        .mac = Some(mac);
                }
                "--wire" => wires.push(value(WIRE)?),
                "--control" => arguments.control = Some(PathBuf::from(value("the path of a unix socket")?)),
                "--pcap-dir" => arguments.pcap_dir = Some(PathBuf::from(value("a directory")?)),
                "--trace-dir" => arguments.trace_dir = Some(PathBuf::from(value("a directory")?)),
                "--view" => arguments.view = true,
                "--note" => arguments.notes.push(value("a line of text")?),
                "--verbose" => arguments.verbose = true,
                "--help" | "-h" => arguments.help = true,
                _ => {
                    let found = format!("`{word}`");
                    return Err(Mistake::new(
                        found,
                        "--profile, --socket, --mac, --wire, --control, --pcap-dir, --trace-dir, --view, \
                         --note, --verbose, --help",
                    ));
                }
            }
        }
        for (number, device) in begun.into_iter().enumerate() {
            let Begun { profile, socket, mac } = device;
            let without = || format!("device {} ({profile}) without --socket", name(number));
            let socket =
                socket.ok_or_else(|| Mistake::new(without(), "--socket PATH after its --profile"))?;
            arguments.devices.push(DeviceArguments { profile, socket, mac });
        }
        for wire in &wires {
            arguments.wires.push(parse_wire(wire, arguments.devices.len())?);
        }
        arguments.check_wires()?;
        if arguments.devices.is_empty() && !arguments.help {
            return Err(Mistake::new("no device", "--profile cx7|cx6dx|vf|FILE.toml --socket PATH"));
        }
        Ok(arguments)
    }

    /// Every device has one port: it can be on one wire only.
    fn check_wires(&self) -> Result<(), Mistake> {
        let mut ends: Vec<usize> = Vec::new();
        for (near, far) in &self.wires {
            ends.push(*near);
            if let FarEnd::Device(far) = far
                && far != near
            {
                ends.push(*far);
            }
        }
        ends.sort_unstable();
        match ends.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let found = format!("device {} is on two wires", name(pair[0]));
                Err(Mistake::new(found, "one wire for each device"))
            }
            None => Ok(()),
        }
    }
}

/// The name of the device with this number: A, B, …
pub fn name(number: usize) -> String {
    match u8::try_from(number) {
        Ok(number @ 0..26) => char::from(b'A' + number).to_string(),
        _ => format!("D{number}"),
    }
}

/// The number of the device that `word` names, by number or by name.
pub(crate) fn device(word: &str, count: usize) -> Result<usize, Mistake> {
    let number =
        (0..count).find(|number| word == number.to_string() || word.eq_ignore_ascii_case(&name(*number)));
    number.ok_or_else(|| {
        Mistake::new(format!("no device is called `{word}`"), "the device's number or name: 0, A …")
    })
}

const MAC: &str = "six hexadecimal octets with colons, of a station: 02:00:00:00:00:01";

fn mac(word: &str) -> Result<[u8; 6], Mistake> {
    let wrong = || Mistake::new(format!("hardware address `{word}`"), MAC);
    let octets: Option<Vec<u8>> = word
        .split(':')
        .map(|octet| (octet.len() == 2).then(|| u8::from_str_radix(octet, 16).ok()).flatten())
        .collect();
    let mac: [u8; 6] = octets.and_then(|octets| octets.try_into().ok()).ok_or_else(wrong)?;
    if mac[0] & 1 == 1 || mac == [0; 6] { Err(wrong()) } else { Ok(mac) }
}

const WIRE: &str = "DEVICE:DEVICE, DEVICE:tap=NAME, DEVICE:socket=PATH";

fn parse_wire(word: &str, count: usize) -> Result<(usize, FarEnd), Mistake> {
    let (near, far) = word.split_once(':').ok_or_else(|| Mistake::new(format!("wire `{word}`"), WIRE))?;
    let near = device(near, count)?;
    let far = match far.split_once('=') {
        None => FarEnd::Device(device(far, count)?),
        Some(("tap", name)) if !name.is_empty() => FarEnd::Tap(name.into()),
        Some(("socket", path)) if !path.is_empty() => FarEnd::Socket(path.into()),
        Some(_) => return Err(Mistake::new(format!("wire `{word}`"), WIRE)),
    };
    Ok((near, far))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Mistake> {
        Arguments::parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn two_devices_and_a_wire() {
        let line = "--profile cx7 --socket a.sock --profile my.toml --mac 02:00:00:00:0a:0B --socket b.sock \
                    --wire 0:B --pcap-dir p --control c --trace-dir t --view --note n";
        let arguments = parse(line).unwrap();
        let device = |profile: &str, socket: &str, mac| DeviceArguments {
            profile: profile.into(),
            socket: socket.into(),
            mac,
        };
        assert_eq!(arguments.devices[0], device("cx7", "a.sock", None));
        assert_eq!(arguments.devices[1], device("my.toml", "b.sock", Some([2, 0, 0, 0, 10, 11])));
        assert_eq!(arguments.wires, [(0, FarEnd::Device(1))]);
        assert!(arguments.view && !arguments.verbose);
        assert_eq!(arguments.notes, ["n"]);
        assert_eq!(arguments.control, Some("c".into()));
    }

    #[test]
    fn wires_to_the_host() {
        let arguments = parse("--profile cx7 --socket a --wire a:tap=tap0").unwrap();
        assert_eq!(arguments.wires, [(0, FarEnd::Tap("tap0".into()))]);
        let arguments = parse("--profile cx7 --socket a --wire 0:socket=/run/x=y").unwrap();
        assert_eq!(arguments.wires, [(0, FarEnd::Socket("/run/x=y".into()))]);
    }

    #[test]
    fn mistakes_say_what_was_found_and_what_is_accepted() {
        for (line, found, accepted) in [
            ("", "no device", "--profile"),
            ("--bogus", "--bogus", "--wire"),
            ("--profile", "--profile", "cx6dx"),
            ("--profile cx7", "device A (cx7) without --socket", "--socket PATH"),
            ("--socket a", "before any --profile", "--profile"),
            ("--profile cx7 --socket a --socket b", "second --socket b", "one --socket"),
            ("--mac 02:00:00:00:00:01", "before any", "after its"),
            ("--profile cx7 --mac 02:00:00:00:00 --socket a", "02:00:00:00:00", "six"),
            ("--profile cx7 --mac 03:00:00:00:00:01 --socket a", "03:00", "station"),
            ("--profile cx7 --mac 2:0:0:0:0:1 --socket a", "2:0:0", "octets"),
            ("--profile cx7 --socket a --wire 0", "`0`", "tap=NAME"),
            ("--profile cx7 --socket a --wire 0:1", "`1`", "number or name"),
            ("--profile cx7 --socket a --wire 0:vde=1", "0:vde=1", "socket=PATH"),
            ("--profile cx7 --socket a --wire 0:tap=", "0:tap=", "tap=NAME"),
            (
                "--profile cx7 --socket a --profile cx7 --socket b --wire 0:1 --wire 1:tap=t",
                "B is on two",
                "one",
            ),
        ] {
            let mistake = parse(line).unwrap_err();
            assert!(mistake.found.contains(found), "{line}: {mistake}");
            assert!(mistake.accepted.contains(accepted), "{line}: {mistake}");
        }
    }
}

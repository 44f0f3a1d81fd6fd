//! The commands of the control socket and their words.

use crate::arguments::{self, Mistake};
use crate::wire::{self, Impairment};
use mlx5_model::Script;
use std::path::PathBuf;

/// What `help` answers. `N` is a device by number or name, `W` a wire by number.
pub const HELP: &str = "\
counters N            what port, virtual port and wire have counted
commands N            how often each firmware command was given
objects N             how many objects there are of each kind
show N                all that the view shows: commands, queues, tables, SAs, counters
pages N               pages that the driver has given and not got back
refusals N            what was refused, oldest first
notes N               what else was worth a line
clear N               forgets refusals, notes and kept commands
trace N on|off        keeps every firmware command from now on, or no longer
trace N FILE          writes the kept commands in mlx5_core's hexdump form
link N up|down        the cable's other end appears or goes
inject N HEX          a frame arrives from the wire
send N HEX            a frame is put on the wire as if the device had sent it
replay N COUNT        the last COUNT frames with ESP arrive again
corrupt N [COUNT]     the next ESP packets arrive with a bit flipped
fault N FAULT         arms a fault: [at SECONDS | after COMMANDS] NAME [key=value…]
power N               power goes off and on
impair W WORDS        loss=RATIO duplicate=RATIO corrupt=RATIO delay=MILLISECONDS, or none
capture on|off        pcap files in --pcap-dir
help                  this
quit                  ends the program";

/// One command.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Request {
    Help,
    Counters(usize),
    Commands(usize),
    Objects(usize),
    Show(usize),
    Pages(usize),
    Refusals(usize),
    Notes(usize),
    Clear(usize),
    Trace(usize, bool),
    WriteTrace(usize, PathBuf),
    Link(usize, bool),
    Inject(usize, Vec<u8>),
    Send(usize, Vec<u8>),
    Replay(usize, usize),
    Corrupt(usize, u64),
    Fault(usize, Script),
    Power(usize),
    Impair(usize, Impairment),
    Capture(bool),
    Quit,
}

const NAMES: &str = "counters, commands, objects, show, pages, refusals, notes, clear, trace, link, inject, send, replay, \
    corrupt, fault, power, impair, capture, help, quit";

impl Request {
    /// Understands a line where there are so many devices and wires.
    ///
    /// # Errors
    /// A [`Mistake`].
    pub fn parse(line: &str, devices: usize, wires: usize) -> Result<Request, Mistake> {
        let (name, rest) = split(line);
        let switch = |word: &str, on: &str, off: &str, accepted| match word {
            _ if word == on => Ok(true),
            _ if word == off => Ok(false),
            _ => Err(Mistake::new(format!("`{word}`"), accepted)),
        };
        let request = match name {
            "help" => nothing_more(rest, Request::Help)?,
            "quit" => nothing_more(rest, Request::Quit)?,
            "capture" => Request::Capture(switch(rest, "on", "off", "capture on, capture off")?),
            "impair" => {
                let (wire, words) = split(rest);
                let number = wire.parse().ok().filter(|number| *number < wires);
                let number = number.ok_or_else(|| {
                    Mistake::new(
                        format!("`{wire}` of {wires} wires"),
                        "a wire's number, from 0 in the command line's order",
                    )
                })?;
                let impairment = Impairment::parse(words.split_whitespace()).filter(|_| !words.is_empty());
                Request::Impair(
                    number,
                    impairment.ok_or_else(|| Mistake::new(format!("`{words}`"), wire::WORDS))?,
                )
            }
            "counters" | "commands" | "objects" | "show" | "pages" | "refusals" | "notes" | "clear"
            | "power" | "trace" | "link" | "inject" | "send" | "replay" | "corrupt" | "fault" => {
                let (word, rest) = split(rest);
                let device = arguments::device(word, devices)?;
                match name {
                    "counters" => nothing_more(rest, Request::Counters(device))?,
                    "commands" => nothing_more(rest, Request::Commands(device))?,
                    "objects" => nothing_more(rest, Request::Objects(device))?,
                    "show" => nothing_more(rest, Request::Show(device))?,
                    "pages" => nothing_more(rest, Request::Pages(device))?,
                    "refusals" => nothing_more(rest, Request::Refusals(device))?,
                    "notes" => nothing_more(rest, Request::Notes(device))?,
                    "clear" => nothing_more(rest, Request::Clear(device))?,
                    "power" => nothing_more(rest, Request::Power(device))?,
                    "trace" => match rest {
                        "" => return Err(Mistake::new("trace without a word", "on, off, or a file's path")),
                        "on" | "off" => Request::Trace(device, rest == "on"),
                        path => Request::WriteTrace(device, path.into()),
                    },
                    "link" => Request::Link(device, switch(rest, "up", "down", "link N up, link N down")?),
                    "inject" => Request::Inject(device, frame(rest)?),
                    "send" => Request::Send(device, frame(rest)?),
                    "replay" => Request::Replay(device, number(rest)?),
                    "corrupt" => {
                        Request::Corrupt(device, if rest.is_empty() { 1 } else { number(rest)? as u64 })
                    }
                    _ => Request::Fault(device, fault(rest)?),
                }
            }
            _ => return Err(Mistake::new(format!("`{name}`"), NAMES)),
        };
        Ok(request)
    }
}

/// The first word and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn nothing_more(rest: &str, request: Request) -> Result<Request, Mistake> {
    if rest.is_empty() {
        Ok(request)
    } else {
        Err(Mistake::new(format!("`{rest}`"), "nothing more on this line"))
    }
}

fn number(word: &str) -> Result<usize, Mistake> {
    let number = word.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Mistake::new(format!("`{word}`"), "a count from 1"))
}

/// A frame in hexadecimal; blanks and colons between octets do no harm.
fn frame(text: &str) -> Result<Vec<u8>, Mistake> {
    let wrong = |found: String| {
        Mistake::new(found, "an Ethernet frame without FCS as hexadecimal octets, 14 to 65535")
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let octet = |pair: &[u8; 2]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
    };
    let octets: Option<Vec<u8>> = pairs.iter().map(octet).collect();
    match octets {
        Some(octets) if rest.is_empty() && (14..=65_535).contains(&octets.len()) => Ok(octets),
        Some(octets) => Err(wrong(format!("{} octets and {} digits", octets.len(), rest.len()))),
        None => Err(wrong("what is no hexadecimal digit".into())),
    }
}

fn fault(text: &str) -> Result<Script, Mistake> {
    const FAULTS: &str = "[at SECONDS | after COMMANDS] NAME [key=value…], one fault";
    match text.parse::<Script>() {
        Ok(script) if script.len() == 1 => Ok(script),
        Ok(_) => Err(Mistake::new("no fault", FAULTS)),
        Err(error) => Err(Mistake::new(error.reason, FAULTS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, Mistake> {
        Request::parse(line, 2, 1)
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        let given = |line: &str| {
            match line.split_whitespace().next().unwrap() {
                "link" => "link 0 up",
                "inject" => "inject A 02000000000102000000000208004500",
                "send" => "send b 02:00:00:00:00:01 02:00:00:00:00:02 08:00 45",
                "replay" => "replay 1 5",
                "trace" if line.contains("FILE") => "trace 0 /tmp/a b.trace",
                "trace" => "trace 0 off",
                "fault" => "fault 0 at 2 link-flap down=0.5",
                "impair" => "impair 0 loss=0.1",
                "capture" => "capture on",
                "help" => "help",
                "quit" => " quit\n",
                name => return format!("{name} 1"),
            }
            .to_string()
        };
        for line in HELP.lines() {
            let line = given(line);
            assert!(parse(&line).is_ok(), "{line}: {:?}", parse(&line));
            let name = line.split_whitespace().next().unwrap();
            assert!(NAMES.contains(name), "{name} is not named");
        }
        assert_eq!(parse("corrupt a"), Ok(Request::Corrupt(0, 1)));
        assert_eq!(parse("trace 0 /tmp/a b.trace"), Ok(Request::WriteTrace(0, "/tmp/a b.trace".into())));
        assert_eq!(parse("inject B 0200 0000000102000000000208:00").unwrap(), {
            Request::Inject(1, [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0].into())
        });
    }

    #[test]
    fn the_readmes_commands_are_understood() {
        let readme = include_str!("../../../../README.md");
        let lines = readme.lines().filter_map(|line| line.strip_prefix("cargo xtask device tell "));
        let lines: Vec<&str> = lines.map(|line| line.split('#').next().unwrap_or_default()).collect();
        assert!(lines.len() >= 5, "{lines:?}");
        for line in lines {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn mistakes_say_what_was_found_and_what_is_accepted() {
        for (line, found, accepted) in [
            ("frobnicate 0", "`frobnicate`", "counters"),
            ("counters", "``", "number or name"),
            ("counters 2", "`2`", "0, A"),
            ("counters 0 1", "`1`", "nothing more"),
            ("link 0 sideways", "`sideways`", "up"),
            ("inject 0 02zz", "digit", "hexadecimal"),
            ("inject 0 0203", "2 octets", "14"),
            ("inject 0 020000000001020000000002080", "13 octets and 1", "14"),
            ("replay 0 0", "`0`", "count"),
            ("trace 0", "without", "file"),
            ("impair 1 none", "`1` of 1", "number"),
            ("impair 0", "``", "loss"),
            ("impair 0 loss=3", "loss=3", "RATIO"),
            ("capture", "``", "capture on"),
            ("fault 0", "no fault", "NAME"),
            ("fault 0 frob", "frob", "NAME"),
        ] {
            let mistake = parse(line).unwrap_err();
            assert!(mistake.found.contains(found), "{line}: {mistake}");
            assert!(mistake.accepted.contains(accepted), "{line}: {mistake}");
        }
    }
}

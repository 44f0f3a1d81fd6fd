//! The command line of `cargo xtask device`.

use super::Linux;
use core::fmt;
use core::time::Duration;
use ravelin_tests::paths;
use std::path::PathBuf;

const USAGE: &str = "cargo xtask device [options]
  --profile NAME     cx7 (default), cx6dx, vf, or a file (tests/model/profiles has them)
  --cards N          how many cards, A, B, …; 2 without it, on a wire between them
  --wire WIRE        other wires: 0:1, 0:tap=NAME, 0:socket=PATH; may be given again
  --boot LINUX       starts a guest on each card: 6.1, 6.12, 6.12-ipsec
  --pcap DIR         where captures go; target/device without it
  --for SECONDS      ends by itself
cargo xtask device tell COMMAND…    gives a command to the server that runs; `tell help` lists them
cargo xtask device console CARD     the console of a guest that --boot has started; Ctrl-] leaves it";

/// Most cards: each guest takes a processor and 768 MiB.
const MOST_CARDS: usize = 8;

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) profile: String,
    pub(super) cards: usize,
    wires: Vec<String>,
    /// The Linux to boot, or to attach by hand.
    pub(super) linux: Linux,
    pub(super) boot: bool,
    pub(super) pcap: PathBuf,
    /// Time to run; without it until Ctrl-C.
    pub(super) time: Option<Duration>,
}

/// A command line that is not understood.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake(String);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not understood\n{USAGE}", self.0)
    }
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Options, Mistake> {
        let linux = Linux { kernel: ravelin_tests::oracle::Kernel::V6_12, rebuilt: false };
        let mut options = Options {
            profile: "cx7".into(),
            cards: 2,
            wires: Vec::new(),
            linux,
            boot: false,
            pcap: paths::target().join("device"),
            time: None,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Mistake(format!("{word} at the end")));
            let wrong = |value: &String| Mistake(format!("{word} {value}"));
            match word.as_str() {
                "--profile" => options.profile.clone_from(value()?),
                "--cards" => {
                    let count = value()?;
                    let cards = count.parse().ok().filter(|cards| (1..=MOST_CARDS).contains(cards));
                    options.cards = cards.ok_or_else(|| wrong(count))?;
                }
                "--wire" => options.wires.push(value()?.clone()),
                "--boot" => {
                    let name = value()?;
                    options.linux = Linux::named(name).ok_or_else(|| wrong(name))?;
                    options.boot = true;
                }
                "--pcap" => options.pcap = PathBuf::from(value()?),
                "--for" => {
                    let seconds = value()?;
                    let time = seconds.parse().map_err(|_| wrong(seconds))?;
                    options.time = Some(Duration::from_secs(time));
                }
                _ => return Err(Mistake(word.clone())),
            }
        }
        Ok(options)
    }

    /// The wires that were asked for, or one between the cards of each pair.
    pub(super) fn wires(&self) -> Vec<String> {
        if self.wires.is_empty() {
            (1..self.cards).step_by(2).map(|far| format!("{}:{far}", far - 1)).collect()
        } else {
            self.wires.clone()
        }
    }
}

/// A card's name, as the server gives it.
pub(super) fn name(number: usize) -> String {
    char::from(b'A' + (number % 26) as u8).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Mistake> {
        Options::parse(&line.split_whitespace().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_understood() {
        let plain = parse("").unwrap();
        assert_eq!((plain.profile.as_str(), plain.cards, plain.boot), ("cx7", 2, false));
        let all = parse("--profile vf --cards 3 --wire 0:tap=t --boot 6.12-ipsec --pcap p --for 4").unwrap();
        assert_eq!(
            (all.cards, all.boot, all.linux.rebuilt, all.pcap.as_path()),
            (3, true, true, "p".as_ref())
        );
        assert_eq!((all.wires(), all.time), (vec!["0:tap=t".to_string()], Some(Duration::from_secs(4))));
    }

    #[test]
    fn cards_are_wired_in_pairs() {
        for (cards, wires) in [(1, vec![]), (2, vec!["0:1"]), (3, vec!["0:1"]), (4, vec!["0:1", "2:3"])] {
            assert_eq!(parse(&format!("--cards {cards}")).unwrap().wires(), wires);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, found) in [
            ("--bogus", "--bogus"),
            ("--cards 0", "--cards 0"),
            ("--cards 9", "--cards 9"),
            ("--boot 5.10", "--boot 5.10"),
            ("--for ever", "--for ever"),
            ("--pcap", "--pcap at the end"),
        ] {
            assert_eq!(parse(line), Err(Mistake(found.into())));
        }
    }
}

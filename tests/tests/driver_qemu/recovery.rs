//! Each fault that the model can be told to have, under traffic: the port is made anew or its queue repaired, traffic goes
//! on, and no memory is lost.

use core::time::Duration;
use ravelin_tests::cards::{End, Host, Setup, Stage, address, address6};
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::namespace::Namespace;
use ravelin_tests::ping::Background;

/// Until the port works again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two echoes of the traffic that runs meanwhile.
const INTERVAL: Duration = Duration::from_millis(5);
/// What a heap may differ by: slabs of 128 KiB that packets of the moment are in, names, tables that have grown. The queues
/// of a port, should they be left behind, are some megabytes.
const SLACK: u64 = 576 << 10;

/// A number out of the first line of the status.
fn number(status: &[String], name: &str) -> Result<u64> {
    let key = format!("{name}=");
    let found = status
        .iter()
        .find(|line| line.starts_with("status: "))
        .and_then(|line| line.split_whitespace().find_map(|word| word.strip_prefix(&key)?.parse().ok()));
    found
        .ok_or_else(|| Error::Observed { expected: format!("{key} in the status"), found: status.join("\n") })
}

/// Does `faults` to the left one of two cards while echoes cross, and demands that `story` holds from there on; then all
/// traffic crosses as before, with the memory that was used before. The most echoes in a row that may be lost: `lost`.
fn survives(
    name: &str,
    faults: &[&str],
    lost: usize,
    story: impl FnOnce(&mut Stage, usize) -> Result<()>,
) -> Result<()> {
    let mut stage = Stage::start(name, &Setup::new([End::Card("cx7"), End::Card("cx6dx")]))?;
    let outcome = under_traffic(&mut stage, faults, lost, story);
    if outcome.is_err() {
        stage.site.keep();
        eprintln!("logs: {}", stage.site.dir().display());
    }
    outcome
}

fn under_traffic(
    stage: &mut Stage,
    faults: &[&str],
    most: usize,
    story: impl FnOnce(&mut Stage, usize) -> Result<()>,
) -> Result<()> {
    crosses(stage)?;
    let before = stage.status()?;
    let traffic = Background::start(left(stage)?, &address(0), &address(1), INTERVAL)?;
    std::thread::sleep(Duration::from_millis(500));
    let mark = stage.gateway.console().len();
    for fault in faults {
        stage.model.tell(&format!("fault 0 {fault}"))?;
    }
    story(stage, mark)?;
    // Traffic goes on: no echo is lost that was sent from now on.
    std::thread::sleep(Duration::from_millis(500));
    let (echoes, lost) = traffic.stop()?;
    println!("{} of {} echoes lost", lost.len(), echoes.sent);
    demand(
        lost.len() <= most,
        format!("at most {most} lost echoes"),
        format!("{lost:?} of {}", echoes.sent),
    )?;
    crosses(stage)?;
    let after = stage.status()?;
    for name in ["memory", "buffers_free"] {
        let (before, after) = (number(&before, name)?, number(&after, name)?);
        demand(after.abs_diff(before) < SLACK, format!("{name} {before} as before"), after)?;
    }
    stage.judge()
}

fn left(stage: &Stage) -> Result<&Namespace> {
    match &stage.hosts[0] {
        Host::Namespace(space) => Ok(space),
        Host::Guest(_) => Err(Error::Observed { expected: "a namespace".into(), found: "a guest".into() }),
    }
}

fn crosses(stage: &Stage) -> Result<()> {
    stage.ping(0, &address(1), 10, 1400)?;
    stage.ping(1, &address6(0), 10, 56)
}

/// The port is reset for a reason like this, and says that it works again.
fn reset(reason: &'static str) -> impl FnOnce(&mut Stage, usize) -> Result<()> {
    move |stage, mark| {
        let console = stage.gateway.console();
        console.expect_from(mark, &format!("port 0: .*{reason}.*; reset"), PATIENCE)?;
        let line = console.expect_from(mark, "port 0: works again after", PATIENCE)?;
        println!("{}", line.text);
        Ok(())
    }
}

#[test]
fn a_command_that_is_never_answered() -> Result<()> {
    survives("timeout", &["command-timeout", "link-flap down=0.1"], 2000, reset("(no answer|timed out)"))
}

#[test]
fn a_command_that_fails() -> Result<()> {
    let faults = ["command-status status=0x1 syndrome=0x1234", "link-flap down=0.1"];
    survives("status", &faults, 2000, |stage, mark| {
        reset("syndrome 0x00001234")(stage, mark)?;
        // The model has written down the failure that it was told to have.
        stage.model.tell("clear 0").map(drop)
    })
}

#[test]
fn firmware_that_stands_still() -> Result<()> {
    survives("stuck", &["health-stuck"], 4000, reset("stands still"))
}

#[test]
fn firmware_that_reports_a_fatal_error() -> Result<()> {
    survives("fatal", &["health-fatal syndrome=0x8"], 2000, reset("syndrome"))
}

#[test]
fn a_link_that_goes_down_and_up() -> Result<()> {
    survives("flap", &["link-flap down=1"], 600, |stage, mark| {
        let console = stage.gateway.console();
        console.expect_from(mark, "port 0: down", PATIENCE)?;
        console.expect_from(mark, "port 0: up", PATIENCE).map(drop)
    })
}

#[test]
fn requests_for_pages() -> Result<()> {
    survives("pages", &["page-request pages=256 times=8", "page-request pages=-256 times=8"], 0, |_, _| {
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    })
}

#[test]
fn lost_completions() -> Result<()> {
    survives("lost", &["completion-lost count=3"], 2000, |_, _| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    })
}

#[test]
fn completions_that_come_twice() -> Result<()> {
    survives("twice", &["completion-twice count=3"], 2000, |_, _| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    })
}

#[test]
fn completions_in_error() -> Result<()> {
    survives("error", &["completion-error count=1 syndrome=0x5"], 400, |_, _| {
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    })
}

#[test]
fn a_card_that_is_gone_until_power_comes_back() -> Result<()> {
    survives("death", &["death"], 4000, |stage, mark| {
        let console = stage.gateway.console();
        console.expect_from(mark, "port 0: .*gone from the bus.*; reset", PATIENCE)?;
        console.expect_from(mark, "port 0: still down", PATIENCE)?;
        stage.model.tell("power 0")?;
        let line = stage.gateway.console().expect_from(mark, "port 0: works again after", PATIENCE)?;
        println!("{}", line.text);
        Ok(())
    })
}

//! From power-on to a gateway that waits, and what keeps it from getting there: each reason with its words and its
//! exit code. Needs no root and no network.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::paths;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::qemu::{Machine, Port, Qemu, mac};
use ravelin_tests::site::Site;
use ravelin_tests::topology::Settings;

const PATIENCE: Duration = Duration::from_secs(20);

// QEMU's exit status, which is `2 * code + 1` of `kernel::Exit` (0 after a power-off).
const SUCCESS: Option<i32> = Some(0);
const FAILURE: Option<i32> = Some(3);
const CONFIGURATION: Option<i32> = Some(5);
const NO_ENTROPY: Option<i32> = Some(7);

/// A machine with two ports that nobody listens to, and `text` as its configuration.
fn machine(site: &Site, text: &str) -> Result<Machine> {
    prerequisites::check(&[Need::Qemu])?;
    let image = paths::image();
    demand(image.is_file(), "an image (cargo xtask image)", image.display())?;
    let mut machine = Machine::ravelin(&image, &site.write("config.toml", text)?);
    for number in [1, 2] {
        let end = |end: &str| site.path(&format!("{end}{number}"));
        machine = machine.port(Port::datagram(number, &end("l"), &end("r")));
    }
    Ok(machine)
}

fn config() -> String {
    Settings::default().render()
}

/// Starts a machine that must say `words` and end with `status`, without ever being ready.
fn refuses(machine: &Machine, site: &Site, words: &str, status: Option<i32>) -> Result<()> {
    let mut gateway = machine.start(site, "gateway")?;
    let ended = gateway.wait(PATIENCE)?;
    let said = gateway.console().text();
    demand(said.contains(words), words, &said)?;
    demand(!said.contains("ready: "), "no gateway", &said)?;
    demand(ended == status, &format!("{status:?}"), format!("{ended:?}"))
}

fn ready(machine: &Machine, site: &Site) -> Result<Qemu> {
    let gateway = machine.start(site, "gateway")?;
    gateway.expect_line("ready: IKE ready", PATIENCE)?;
    Ok(gateway)
}

#[test]
fn no_configuration() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let machine = Machine { config: None, ..machine(&site, "")? };
    refuses(&machine, &site, "no configuration", CONFIGURATION)
}

#[test]
fn a_mistake_in_the_configuration() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let text = config().replace("side = \"outside\"", "side = \"outsight\"");
    let line = 1 + text.lines().position(|line| line.contains("outsight")).unwrap_or_default();
    let words = format!("configuration: fw_cfg:{line}:8: port.side: found \"outsight\"; accepted: ");
    refuses(&machine(&site, &text)?, &site, &words, CONFIGURATION)
}

#[test]
fn fewer_buffers_than_the_rings_take() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let text = config().replace("[gateway]", "[gateway]\nbuffers = 64");
    refuses(&machine(&site, &text)?, &site, "gateway.buffers: found 64; ", CONFIGURATION)
}

#[test]
fn a_port_without_a_device() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let mut machine = machine(&site, &config())?;
    machine.ports.pop();
    refuses(&machine, &site, "port \"inside\": none of the 1 network devices is left", FAILURE)
}

#[test]
fn no_entropy() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let machine = Machine { cpu: "max,-rdrand,-rdseed".into(), ravelin: false, ..machine(&site, &config())? };
    let arguments = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"].map(String::from).into();
    refuses(&Machine { arguments, ..machine }, &site, "no entropy", NO_ENTROPY)
}

#[test]
fn virtio_rng_is_entropy_enough() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let machine = Machine { cpu: "max,-rdrand,-rdseed".into(), ..machine(&site, &config())? };
    ready(&machine, &site).map(drop)
}

#[test]
fn a_boot_module_is_a_configuration_and_ports_go_by_hardware_address() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let bound = format!("name = \"outside\"\nmac = \"{}\"", mac(2));
    let text = config().replacen("name = \"outside\"", &bound, 1);
    let machine = machine(&site, &text)?;
    let machine = Machine { initrd: machine.config.clone(), config: None, ..machine };
    let gateway = ready(&machine, &site)?;
    let address = |number| mac(number).replace(':', "-");
    gateway.expect_line(&format!("port outside: .* {} ", address(2)), PATIENCE)?;
    gateway.expect_line(&format!("port inside: .* {} ", address(1)), PATIENCE)?;
    Ok(())
}

#[test]
fn the_console_answers_and_ends_the_run() -> Result<()> {
    let site = Site::new_anywhere("start")?;
    let mut gateway = ready(&machine(&site, &config())?, &site)?;
    gateway.ask("s", "^status: name=under-test .*ike_sas=0 child_sas=0 ", PATIENCE)?;
    gateway.ask("s", "^end of status$", PATIENCE)?;
    gateway.ask("d nobody", "^done: 0$", PATIENCE)?;
    gateway.ask("what", "^requests: ", PATIENCE)?;
    gateway.ask(&"x".repeat(500), "^line too long$", PATIENCE)?;
    gateway.ask("l debug", "^done: DEBUG$", PATIENCE)?;
    gateway.type_line("q")?;
    let status = gateway.wait(PATIENCE)?;
    demand(status == SUCCESS, "a power-off", format!("{status:?}"))
}

/// The budget is 3 % of a core under TCG.
#[test]
fn an_idle_gateway_sleeps() -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(5);
    let site = Site::new_anywhere("start")?;
    let mut gateway = ready(&machine(&site, &config())?, &site)?;
    // Addresses are claimed and announced first.
    std::thread::sleep(Duration::from_secs(2));
    let before = gateway.usage().cpu;
    std::thread::sleep(WATCHED);
    let used = gateway.usage().cpu - before;
    demand(used < WATCHED * 3 / 100, "less than 3 % of a core", format!("{used:?} in {WATCHED:?}"))?;
    // It sleeps, but it is there.
    gateway.ask("s", "^end of status$", PATIENCE).map(drop)
}

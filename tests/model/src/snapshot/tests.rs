use super::Commands;
use crate::caps::Profile;
use crate::in_process::Host;
use crate::objects::Kind;
use mlx5_pci::prm::{CmdStatus, Opcode};

fn host() -> Host {
    Host::new(Profile::named("cx7").unwrap())
}

/// A command of 16 bytes with a number at 8.
fn short(opcode: Opcode, number: u32) -> [u8; 16] {
    let mut input = [0; 16];
    input[..2].copy_from_slice(&opcode.0.to_be_bytes());
    input[8..12].copy_from_slice(&number.to_be_bytes());
    input
}

#[test]
fn bring_up_shows() {
    let mut host = host();
    let before = host.device.snapshot();
    assert_eq!((before.stage, before.pages, before.refusals), ("reset", 0, 0));
    assert!(before.commands.is_empty() && before.objects.is_empty() && before.queues.is_empty());
    host.expect(&short(Opcode::ENABLE_HCA, 0), 16);
    assert_eq!(host.device.snapshot().stage, "enabled");
    let mut host = self::host();
    host.bring_up();
    let mut version = vec![0; 0x50];
    version[..2].copy_from_slice(&Opcode::SET_DRIVER_VERSION.0.to_be_bytes());
    version[0x10..0x1a].copy_from_slice(b"Ravelin,m,");
    host.expect(&version, 16);
    let after = host.device.snapshot();
    assert_eq!((after.stage, after.driver.as_str()), ("initialized", "Ravelin,m,"));
    assert_eq!(after.pages, host.device.pages_held());
    assert!(after.pages > 0);
    let init = after.commands.iter().find(|line| line.opcode == Opcode::INIT_HCA.0);
    assert_eq!(init, Some(&Commands { opcode: Opcode::INIT_HCA.0, given: 1, refused: vec![] }));
}

#[test]
fn objects_are_counted_by_kind() {
    let mut host = host();
    host.bring_up();
    for _ in 0..3 {
        host.expect(&short(Opcode::ALLOC_PD, 0), 16);
    }
    let uar = host.expect(&short(Opcode::ALLOC_UAR, 0), 16).word(8);
    assert_eq!(host.device.snapshot().objects, [(Kind::Uar, 1), (Kind::Pd, 3)]);
    host.expect(&short(Opcode::DEALLOC_UAR, uar), 16);
    assert_eq!(host.device.snapshot().objects, [(Kind::Pd, 3)]);
}

#[test]
fn refused_commands_show_with_their_statuses() {
    let mut host = host();
    host.bring_up();
    let pd = host.expect(&short(Opcode::ALLOC_PD, 0), 16).word(8);
    for _ in 0..2 {
        host.exec(&short(Opcode::DEALLOC_PD, pd + 1), 16);
    }
    host.exec(&short(Opcode::DEALLOC_PD, pd), 15);
    host.expect(&short(Opcode::DEALLOC_PD, pd), 16);
    let seen = host.device.snapshot();
    let line = seen.commands.iter().find(|line| line.opcode == Opcode::DEALLOC_PD.0).unwrap();
    assert_eq!(line.given, 4);
    assert_eq!(line.refused, [(CmdStatus::BAD_RES, 2), (CmdStatus::BAD_OUTP_LEN, 1)]);
    assert_eq!(seen.refusals, 3);
}

#[test]
fn a_refusal_that_a_script_asked_for_shows_too() {
    let mut host = host();
    let script: crate::Script = "after 1 command-status opcode=0x10a status=0xf".parse().unwrap();
    script.arm(&mut host.device);
    host.expect(&short(Opcode::ENABLE_HCA, 0), 16);
    assert_eq!(host.exec(&short(Opcode::QUERY_ISSI, 0), 0x70).status, CmdStatus::NO_RES);
    let seen = host.device.snapshot();
    let line = seen.commands.iter().find(|line| line.opcode == Opcode::QUERY_ISSI.0).unwrap();
    assert_eq!((line.given, line.refused.as_slice()), (1, [(CmdStatus::NO_RES, 1)].as_slice()));
}

#[test]
fn counters_have_what_the_port_counted() {
    let mut host = host();
    host.bring_up();
    let counter = |host: &Host, name: &str| {
        let counters = host.device.snapshot().counters;
        counters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    };
    host.receive(&[0x02; 60]);
    assert_eq!(counter(&host, "wire_rx_frames"), Some(1), "link: {}", host.device.link());
    assert_eq!(counter(&host, "nothing"), None);
}

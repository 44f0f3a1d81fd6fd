//! Profiles are read with errors that help, and SET_HCA_CAP takes what it may take.

use super::{Mistake, Profile};
use crate::Check;
use crate::in_process::Host;
use mlx5_pci::prm::CmdStatus;

fn mistake(text: &str) -> (usize, String, Mistake, String) {
    let error = Profile::from_toml("test", text).unwrap_err();
    (error.line, error.key, error.mistake, error.accepted)
}

#[test]
fn reads_the_profiles_that_come_with_it() {
    let plain = Profile::named("cx6dx").unwrap();
    let crypto = Profile::named("cx7").unwrap();
    let function = Profile::named("vf").unwrap();
    assert_eq!(
        [&plain, &crypto, &function].map(|profile| profile.identity().device),
        [0x101d, 0x1021, 0x101e]
    );
    assert_eq!(
        [&plain, &crypto, &function].map(|profile| profile.general().ipsec_offload()),
        [false, true, false]
    );
    assert!(crypto.flow_table().flow_table_properties_nic_transmit().ipsec_encrypt());
    assert!(crypto.flow_table().flow_table_properties_nic_receive().ipsec_decrypt());
    assert!(!plain.flow_table().flow_table_properties_nic_receive().ipsec_decrypt());
    assert!(plain.is_physical() && !function.is_physical());
}

#[test]
fn says_what_is_wrong_where_and_what_would_do() {
    let (line, key, found, accepted) = mistake("[general]\nlog_max_cq = 5\nlog_max_qc = 5");
    assert_eq!((line, key.as_str(), found), (3, "general.log_max_qc", Mistake::Unknown));
    assert!(accepted.contains("log_max_cq"));
    let (line, _, found, accepted) = mistake("[general]\nlog_max_cq = 32");
    assert_eq!((line, found, accepted.as_str()), (2, Mistake::Value("32".into()), "0 to 31"));
    let (_, _, found, accepted) = mistake("[identity]\nmac = \"1:2\"");
    assert_eq!(found, Mistake::Value("1:2".into()));
    assert!(accepted.contains("six bytes"));
    assert_eq!(mistake("[generic]\nx = 1").2, Mistake::Unknown);
    assert_eq!(mistake("[general]\nlog_max_cq = \"5\"").2, Mistake::Type("text"));
    assert!(matches!(mistake("[general").2, Mistake::Syntax(_)));
    assert!(Profile::named("cx5").unwrap_err().accepted.contains("cx7"));
}

#[test]
fn a_single_capability_can_be_switched() {
    let mut profile = Profile::named("cx7").unwrap();
    profile.set("flow_table.nic_receive.ft_field_support.outer_esp_spi", 0).unwrap();
    let support = profile.flow_table().flow_table_properties_nic_receive().ft_field_support();
    assert!(!support.outer_esp_spi());
    let other = profile.flow_table().flow_table_properties_nic_transmit().ft_field_support();
    assert!(other.outer_esp_spi());
    assert!(profile.set("general.nothing", 0).is_err());
}

fn query(host: &mut Host, op_mod: u8) -> Vec<u8> {
    host.expect(&[1, 0, 0, 0, 0, 0, 0, op_mod, 0, 0, 0, 0, 0, 0, 0, 0], 4112).output.split_off(16)
}

fn set(host: &mut Host, op_mod: u8, capability: &[u8]) -> (CmdStatus, u16) {
    let input = [&[1, 9, 0, 0, 0, 0, 0, op_mod, 0, 0, 0, 0, 0, 0, 0, 0], capability].concat();
    let answer = host.exec(&input, 16);
    (answer.status, answer.check())
}

#[test]
fn sets_what_may_be_set_and_nothing_above_the_maximum() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.expect(&[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    let (current, most) = (query(&mut host, 1), query(&mut host, 0));
    assert_ne!(current, most);
    assert_eq!(set(&mut host, 0, &current), (CmdStatus::OK, 0));
    // log_max_qp: 0x10 [4:0].
    let mut wanted = current.clone();
    wanted[0x13] = most[0x13];
    assert_eq!(set(&mut host, 0, &wanted), (CmdStatus::OK, 0));
    assert_eq!(query(&mut host, 1)[0x13], most[0x13]);
    wanted[0x13] += 1;
    assert_eq!(set(&mut host, 0, &wanted), (CmdStatus::BAD_PARAM, Check::Limit as u16));
    // log_max_cq: 0x18 [4:0] is not the driver's.
    let mut wanted = current.clone();
    wanted[0x1b] -= 1;
    assert_eq!(set(&mut host, 0, &wanted), (CmdStatus::BAD_PARAM, Check::Value as u16));
    assert_eq!(set(&mut host, 0, &current[..100]), (CmdStatus::BAD_INP_LEN, Check::InputLength as u16));
    let mut input = [0; 16];
    input[..2].copy_from_slice(&0x100u16.to_be_bytes());
    input[7] = 0x7e << 1;
    assert_eq!(host.exec(&input, 4112).status, CmdStatus::BAD_PARAM);
}

#[test]
fn capabilities_are_settled_after_init() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.bring_up();
    let current = query(&mut host, 1);
    assert_eq!(set(&mut host, 0, &current), (CmdStatus::BAD_SYS_STATE, Check::Stage as u16));
}

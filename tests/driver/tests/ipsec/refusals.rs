//! What a card can't do is said beforehand, each combination by a name of its own; nothing changes by it.

use super::case::{Case, Way};
use super::rig::Rig;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::{Direction, Family, Install, InstallError, Limits, Missing, Mode, Refusal, Selector};

#[test]
fn what_a_card_can_not_do_without_is_named() {
    let fields = [
        ("flow_table.nic_transmit.ft_field_support.outer_ip_version", "IP version"),
        ("flow_table.nic_transmit.ft_field_support.outer_frag", "fragments"),
        ("flow_table.nic_receive.ft_field_support.outer_first_vid", "VLAN"),
        ("flow_table.nic_receive.ft_field_support.outer_esp_spi", "SPI"),
        ("flow_table.nic_receive.ft_field_support.metadata_reg_c_2", "register C_2"),
        ("flow_table.nic_receive.ft_field_support.metadata_reg_c_4", "register C_4"),
    ];
    let others = [
        ("general.ipsec_offload", 0, Missing::Ipsec),
        ("general.log_max_dek", 0, Missing::Keys),
        ("general.general_obj_types", 1 << 0x13, Missing::Keys),
        ("general.general_obj_types", 1 << 0x0c, Missing::Objects),
        ("ipsec.ipsec_full_offload", 0, Missing::PacketOffload),
        ("flow_table.nic_transmit.ipsec_encrypt", 0, Missing::Encryption),
        ("flow_table.nic_receive.ipsec_decrypt", 0, Missing::Decryption),
        ("flow_table.nic_receive.decap", 0, Missing::Decryption),
        ("flow_table.nic_receive.max_modify_header_actions", 1, Missing::Rewriting),
        ("flow_table.nic_transmit.flow_counter", 0, Missing::Counters),
        ("flow_table.nic_receive.flow_modify_en", 0, Missing::Changes),
        ("ipsec.log_max_ipsec_offload", 3, Missing::Room),
    ];
    let fields = fields.into_iter().map(|(field, name)| (field, 0, Missing::Field(name)));
    for (capability, value, missing) in others.into_iter().chain(fields) {
        let mut rig = Rig::plain(&[(capability, value)]);
        let refusal = Refusal::Lacks(missing);
        assert_eq!(rig.enable(), Err(InstallError::Refused(refusal)), "{capability}");
        assert!(refusal.to_string().starts_with("the card lacks "), "{refusal}");
        assert_eq!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Down));
        // The port goes on, in clear only.
        let frame = Case::PLAIN.given(&Case::PLAIN.packet(true, 40));
        assert_eq!(
            rig.send_as(net::Meta::default(), core::slice::from_ref(&frame)),
            core::slice::from_ref(&frame)
        );
        let named = net::Meta { sa_out: Some(1), ..net::Meta::default() };
        assert_eq!(rig.send_as(named, &[frame]), Vec::<Vec<u8>>::new());
        rig.close();
    }
}

#[test]
fn a_card_without_tunnels_has_the_rest() {
    let mut rig = Rig::with(&[
        ("flow_table.nic_receive.reformat", 0),
        ("flow_table.nic_receive.reformat_l3_esp_tunnel_to_l2", 0),
        ("flow_table.nic_transmit.reformat", 0),
        ("flow_table.nic_transmit.reformat_l2_to_l3_esp_tunnel", 0),
    ]);
    for case in Case::all() {
        if matches!(case.way, Way::Card(_)) {
            assert_eq!(
                [rig.nic.install(&case.sends()), rig.nic.install(&case.receives())],
                [false, true].map(|receive| Err(InstallError::Refused(Refusal::Tunnel { receive })))
            );
            continue;
        }
        let (out, back) = (rig.install(&case.sends()), rig.install(&case.receives()));
        assert_eq!(rig.seal(out, &[case.given(&case.packet(true, 40))]).len(), 1);
        let next = if case.way == Way::Transport { 253 } else { 59 };
        let sealed = case.wire(&case.cipher().seal(super::case::SPI, 1, next, &[1; 40]));
        assert_eq!(rig.open(&sealed).1, Some(back.bits()));
        rig.nic.retire(out).unwrap();
        rig.nic.retire(back).unwrap();
    }
    rig.close();
}

type Change = fn(&mut Install);

/// What is refused by a card with these capabilities.
fn refused(capabilities: &[(&str, u64)], stories: &[(Install, Refusal)]) {
    let mut rig = Rig::with(capabilities);
    let mut words = std::collections::BTreeSet::new();
    for (sa, refusal) in stories {
        assert_eq!(rig.nic.install(sa), Err(InstallError::Refused(*refusal)), "{sa:?}");
        assert!(words.insert(refusal.to_string()), "{refusal} says what another one says");
    }
    assert!(rig.nic.ipsec().unwrap().is_empty());
    rig.close();
}

fn changed(sa: &Install, change: Change) -> Install {
    let mut sa = sa.clone();
    change(&mut sa);
    sa
}

#[test]
fn what_no_card_does_is_named() {
    let plain = Case::PLAIN;
    let (out, back) = (plain.sends(), plain.receives());
    let tunnel = Case { way: Way::Card(Family::V4), ..plain };
    let selector = |protocol, port| Selector { protocol, source: port, destination: None };
    let mut picky = back.clone();
    picky.selector = Some(selector(253, Some(1)));
    let mut sends = out.clone();
    sends.selector = Some(selector(6, None));
    refused(
        &[],
        &[
            (
                changed(&out, |sa| sa.source = Case::ours(Family::V6)),
                Refusal::Families(Family::V6, Family::V4),
            ),
            (changed(&out, |sa| sa.spi = 255), Refusal::Spi(255)),
            (changed(&out, |sa| sa.vlan = Some(4095)), Refusal::Vlan(4095)),
            (
                changed(&tunnel.sends(), |sa| sa.udp = Case { udp: true, ..Case::PLAIN }.sends().udp),
                Refusal::UdpTunnel,
            ),
            (changed(&tunnel.receives(), |sa| sa.vlan = Some(5)), Refusal::VlanTunnel),
            (changed(&back, |sa| sa.esn = false), Refusal::WindowWithoutEsn),
            (changed(&back, |sa| sa.direction = Direction::Receive { window: 0 }), Refusal::EsnWithoutWindow),
            (
                changed(&back, |sa| sa.direction = Direction::Receive { window: 512 }),
                Refusal::Window { wanted: 512, least: 32, most: 256 },
            ),
            (
                changed(&back, |sa| sa.direction = Direction::Receive { window: 48 }),
                Refusal::Window { wanted: 48, least: 32, most: 256 },
            ),
            (changed(&out, |sa| sa.sequence = 0), Refusal::Sequence(0)),
            (changed(&out, |sa| (sa.esn, sa.sequence) = (false, 1 << 32)), Refusal::Sequence(1 << 32)),
            (
                changed(&out, |sa| sa.packets = Limits { soft: Some(5), hard: Some(5) }),
                Refusal::Limits { soft: Some(5), hard: Some(5) },
            ),
            (
                changed(&out, |sa| sa.octets = Limits { soft: None, hard: Some(0) }),
                Refusal::Limits { soft: None, hard: Some(0) },
            ),
            (sends, Refusal::SelectorOnSend),
            (picky, Refusal::SelectorPorts(253)),
        ],
    );
}

#[test]
fn what_this_card_does_not_do_is_named() {
    let plain = Case::PLAIN;
    let (out, back) = (plain.sends(), plain.receives());
    let wide = Case { wide: true, ..plain };
    let udp = Case { udp: true, ..plain };
    let tunnel = Case { way: Way::Card(Family::V6), ..plain };
    for (capability, sa, refusal) in [
        (
            "ipsec.ipsec_crypto_esp_aes_gcm_128_encrypt",
            out.clone(),
            Refusal::KeySize { bits: 128, receive: false },
        ),
        (
            "ipsec.ipsec_crypto_esp_aes_gcm_128_decrypt",
            back.clone(),
            Refusal::KeySize { bits: 128, receive: true },
        ),
        (
            "ipsec.ipsec_crypto_esp_aes_gcm_256_encrypt",
            wide.sends(),
            Refusal::KeySize { bits: 256, receive: false },
        ),
        (
            "ipsec.ipsec_crypto_esp_aes_gcm_256_decrypt",
            wide.receives(),
            Refusal::KeySize { bits: 256, receive: true },
        ),
        (
            "flow_table.nic_transmit.reformat_add_esp_trasport",
            out.clone(),
            Refusal::Transport { receive: false },
        ),
        (
            "flow_table.nic_receive.reformat_del_esp_trasport",
            back.clone(),
            Refusal::Transport { receive: true },
        ),
        (
            "flow_table.nic_transmit.reformat_add_esp_transport_over_udp",
            udp.sends(),
            Refusal::UdpTransport { receive: false },
        ),
        (
            "flow_table.nic_receive.reformat_del_esp_transport_over_udp",
            udp.receives(),
            Refusal::UdpTransport { receive: true },
        ),
        (
            "flow_table.nic_transmit.reformat_l2_to_l3_esp_tunnel",
            tunnel.sends(),
            Refusal::Tunnel { receive: false },
        ),
        (
            "flow_table.nic_receive.reformat_l3_esp_tunnel_to_l2",
            tunnel.receives(),
            Refusal::Tunnel { receive: true },
        ),
        ("ipsec.ipsec_esn", out.clone(), Refusal::Esn),
    ] {
        refused(&[(capability, 0)], &[(sa, refusal)]);
    }
    let mut small =
        [("ipsec.min_log_ipsec_full_replay_window", 5), ("ipsec.max_log_ipsec_full_replay_window", 5)];
    refused(&small, &[(back.clone(), Refusal::Window { wanted: 64, least: 32, most: 32 })]);
    small[0].1 = 7;
    small[1].1 = 8;
    refused(&small, &[(back.clone(), Refusal::Window { wanted: 64, least: 128, most: 256 })]);
    let long = Case { family: Family::V6, ..tunnel };
    refused(
        &[("flow_table.max_encap_header_size", 64)],
        &[(long.sends(), Refusal::HeaderSize { bytes: 70, most: 64 })],
    );
    let mut picky = back;
    picky.selector = Some(Selector { protocol: 6, source: None, destination: None });
    let rig = Rig::new();
    let mut abilities = *rig.nic.ipsec().unwrap().abilities();
    assert_eq!(abilities.check(&picky), Ok(()));
    abilities.no_selector = Some("UDP ports");
    assert_eq!(abilities.check(&picky), Err(Refusal::SelectorField("UDP ports")));
    rig.close();
    // What is not refused works.
    let mut rig = Rig::with(&[("flow_table.max_encap_header_size", 64)]);
    assert!(matches!(tunnel.sends().mode, Mode::Tunnel { .. }));
    rig.install(&tunnel.sends());
    assert!(rig.machine.misuse().is_empty());
    rig.close();
}

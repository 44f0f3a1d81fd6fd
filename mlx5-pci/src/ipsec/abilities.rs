//! What the card can do for an SA, read once from its capabilities (facts B.1, C.2, E.5).
//!
//! Beside what Linux and FreeBSD ask: keys of 256 bits have capabilities of their own, and so has every field that is
//! matched on.

use super::refusal::{Missing, Refusal};
use super::sa::{Direction, Family, Install, Limits, Mode};
use crate::caps::Caps;
use crate::prm::{CmdHcaCap, FlowTableFieldsSupported, FlowTablePropLayout, ObjectType};
use core::net::IpAddr;

/// The least log2 of SAs that is worth tables.
const LOG_LEAST: u8 = 4;
/// Handles have so many bits for the place of an SA.
const LOG_MOST: u8 = super::names::SLOT_BITS;
/// Reserved SPIs are below.
const FIRST_SPI: u32 = 256;
const LAST_VLAN: u16 = 4094;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What one direction can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Keys of 128 bits.
    pub aes_128: bool,
    /// Keys of 256 bits.
    pub aes_256: bool,
    /// Transport mode.
    pub transport: bool,
    /// Transport mode with UDP encapsulation.
    pub udp: bool,
    /// Tunnel mode by the card.
    pub tunnel: bool,
}

/// What the card can do for SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// On receive.
    pub receive: Way,
    /// On send.
    pub send: Way,
    /// 64-bit sequence numbers.
    pub esn: bool,
    /// log2 of the smallest and of the largest replay window.
    pub log_windows: (u8, u8),
    /// log2 of the SAs that fit, both directions together.
    pub log_sas: u8,
    /// Bytes of headers that the card puts on.
    pub header: u16,
    /// What selectors can't match on.
    pub no_selector: Option<&'static str>,
}

impl Abilities {
    /// By capabilities, for the tables of at most `2^log_most` SAs.
    ///
    /// # Errors
    /// What the card can't do without.
    pub fn of(caps: &Caps, log_most: u8) -> Result<Self, Missing> {
        let (general, ipsec, tables) = (&caps.general, &caps.ipsec, &caps.flow_table);
        let rx = tables.flow_table_properties_nic_receive();
        let tx = tables.flow_table_properties_nic_transmit();
        let needed = [
            (general.ipsec_offload(), Missing::Ipsec),
            (general.log_max_dek() != 0 && has(general, ObjectType::ENCRYPTION_KEY), Missing::Keys),
            (has(general, ObjectType::IPSEC), Missing::Objects),
            (ipsec.ipsec_full_offload(), Missing::PacketOffload),
            (tx.ft_support() && tx.ipsec_encrypt(), Missing::Encryption),
            (rx.ft_support() && rx.ipsec_decrypt() && rx.decap(), Missing::Decryption),
            // Registers B and C_2 are set.
            (rx.max_modify_header_actions() >= 2, Missing::Rewriting),
            (rx.flow_counter() && tx.flow_counter(), Missing::Counters),
            (rx.flow_modify_en() && tx.flow_modify_en(), Missing::Changes),
        ];
        if let Some((_, missing)) = needed.into_iter().find(|(there, _)| !there) {
            return Err(missing);
        }
        fields(&rx.ft_field_support(), &tx.ft_field_support()).map_err(Missing::Field)?;
        let log_sas = room(caps, &rx, &tx).min(log_most).min(LOG_MOST);
        if log_sas < LOG_LEAST {
            return Err(Missing::Room);
        }
        Ok(Self {
            receive: Way {
                aes_128: ipsec.ipsec_crypto_esp_aes_gcm_128_decrypt(),
                aes_256: ipsec.ipsec_crypto_esp_aes_gcm_256_decrypt(),
                transport: rx.reformat_del_esp_trasport(),
                udp: rx.reformat_del_esp_transport_over_udp(),
                tunnel: rx.reformat_l3_esp_tunnel_to_l2() && rx.reformat(),
            },
            send: Way {
                aes_128: ipsec.ipsec_crypto_esp_aes_gcm_128_encrypt(),
                aes_256: ipsec.ipsec_crypto_esp_aes_gcm_256_encrypt(),
                transport: tx.reformat_add_esp_trasport(),
                udp: tx.reformat_add_esp_transport_over_udp(),
                tunnel: tx.reformat_l2_to_l3_esp_tunnel() && tx.reformat(),
            },
            esn: ipsec.ipsec_esn(),
            log_windows: (
                ipsec.min_log_ipsec_full_replay_window().max(5),
                ipsec.max_log_ipsec_full_replay_window().min(8),
            ),
            log_sas,
            header: tables.max_encap_header_size(),
            no_selector: selectors(&rx.ft_field_support()),
        })
    }

    /// Whether the card can do `sa`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, sa: &Install) -> Result<(), Refusal> {
        let receive = sa.direction.receives();
        let way = if receive { &self.receive } else { &self.send };
        let (source, destination) = (Family::of(sa.source), Family::of(sa.destination));
        if source != destination {
            return Err(Refusal::Families(source, destination));
        }
        if sa.spi < FIRST_SPI {
            return Err(Refusal::Spi(sa.spi));
        }
        if let Some(vid) = sa.vlan.filter(|vid| !(1..=LAST_VLAN).contains(vid)) {
            return Err(Refusal::Vlan(vid));
        }
        let bits = sa.secret.key.bits();
        if !(if bits == 128 { way.aes_128 } else { way.aes_256 }) {
            return Err(Refusal::KeySize { bits, receive });
        }
        match (sa.mode, sa.udp) {
            (Mode::Transport, None) if !way.transport => return Err(Refusal::Transport { receive }),
            (Mode::Transport, Some(_)) if !way.udp => return Err(Refusal::UdpTransport { receive }),
            (Mode::Tunnel { .. }, Some(_)) => return Err(Refusal::UdpTunnel),
            (Mode::Tunnel { .. }, None) if !way.tunnel => return Err(Refusal::Tunnel { receive }),
            (Mode::Tunnel { .. }, None) if sa.vlan.is_some() => return Err(Refusal::VlanTunnel),
            _ => {}
        }
        let bytes = super::reformat::length(sa);
        if bytes > self.header {
            return Err(Refusal::HeaderSize { bytes, most: self.header });
        }
        self.check_numbers(sa)?;
        for Limits { soft, hard } in [sa.packets, sa.octets] {
            if soft == Some(0) || hard == Some(0) || soft.zip(hard).is_some_and(|(soft, hard)| soft >= hard) {
                return Err(Refusal::Limits { soft, hard });
            }
        }
        self.check_selector(sa)
    }

    fn check_numbers(&self, sa: &Install) -> Result<(), Refusal> {
        if sa.esn && !self.esn {
            return Err(Refusal::Esn);
        }
        if sa.sequence == 0 || (!sa.esn && sa.sequence > u32::MAX.into()) {
            return Err(Refusal::Sequence(sa.sequence));
        }
        let Direction::Receive { window } = sa.direction else { return Ok(()) };
        match (window, sa.esn) {
            (0, false) => Ok(()),
            (0, true) => Err(Refusal::EsnWithoutWindow),
            (_, false) => Err(Refusal::WindowWithoutEsn),
            (wanted, true) => {
                let (least, most) = (1 << self.log_windows.0, 1 << self.log_windows.1);
                let fits = wanted.is_power_of_two() && (least..=most).contains(&wanted);
                if fits { Ok(()) } else { Err(Refusal::Window { wanted, least, most }) }
            }
        }
    }

    fn check_selector(&self, sa: &Install) -> Result<(), Refusal> {
        let Some(selector) = sa.selector else { return Ok(()) };
        if !sa.direction.receives() {
            return Err(Refusal::SelectorOnSend);
        }
        if (selector.source.is_some() || selector.destination.is_some())
            && !matches!(selector.protocol, TCP | UDP)
        {
            return Err(Refusal::SelectorPorts(selector.protocol));
        }
        self.no_selector.map_or(Ok(()), |field| Err(Refusal::SelectorField(field)))
    }

    /// The replay windows that the card has, in packets.
    pub fn windows(&self) -> impl Iterator<Item = u16> + use<> {
        (self.log_windows.0..=self.log_windows.1).map(|log| 1 << log)
    }
}

fn has(general: &CmdHcaCap, kind: ObjectType) -> bool {
    general.general_obj_types() >> kind.0 & 1 == 1
}

/// The first field that can't be matched on though it has to be.
fn fields(rx: &FlowTableFieldsSupported, tx: &FlowTableFieldsSupported) -> Result<(), &'static str> {
    let needed = [
        (rx.outer_sip() && rx.outer_dip(), "IP addresses"),
        (rx.outer_ip_version() && tx.outer_ip_version(), "IP version"),
        (rx.outer_ip_protocol(), "IP protocol"),
        (rx.outer_frag() && tx.outer_frag(), "fragments"),
        (rx.outer_first_vid(), "VLAN"),
        (rx.outer_esp_spi(), "SPI"),
        (rx.metadata_reg_c_2(), "register C_2"),
        (rx.metadata_reg_c_4(), "register C_4"),
    ];
    needed.into_iter().find(|(there, _)| !there).map_or(Ok(()), |(_, name)| Err(name))
}

/// What selectors need and is not there.
fn selectors(rx: &FlowTableFieldsSupported) -> Option<&'static str> {
    let needed = [
        (rx.outer_tcp_sport() && rx.outer_tcp_dport(), "TCP ports"),
        (rx.outer_udp_sport() && rx.outer_udp_dport(), "UDP ports"),
    ];
    needed.into_iter().find(|(there, _)| !there).map(|(_, name)| name)
}

/// log2 of the SAs for which there are objects, keys, contexts and entries, whatever their directions.
fn room(caps: &Caps, rx: &FlowTablePropLayout, tx: &FlowTablePropLayout) -> u8 {
    // A receive table has four entries for each SA, and a few more.
    let tables = [rx, tx].map(|of| of.log_max_ft_size().saturating_sub(3));
    let objects = [
        caps.ipsec.log_max_ipsec_offload(),
        caps.general.log_max_dek(),
        rx.log_max_modify_header_context(),
        caps.flow_table.log_max_packet_reformat_context(),
    ];
    tables.into_iter().chain(objects).min().unwrap_or(0)
}

/// An address as it is matched on.
pub(super) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            if let Some(last) = octets.last_chunk_mut() {
                *last = address.octets();
            }
            octets
        }
        IpAddr::V6(address) => address.octets(),
    }
}

//! Packet reformats of ESP (facts B.6, C.5, E.10): the headers that the card puts on or takes off.
//!
//! | kind | data |
//! |---|---|
//! | transport | SPI, 12 zeroes |
//! | transport over UDP | ports, 4 zeroes, SPI, 12 zeroes |
//! | tunnel | Ethernet and IP header without lengths and checksum, SPI, 12 zeroes |
//! | removal | nothing; of a tunnel the Ethernet header that the inner packet gets |

use super::abilities::octets;
use super::sa::{Family, Install, Mode, Ports};
use crate::cmd::{CmdError, Command, Commands};
use crate::hal::Function;
use crate::prm::{
    AllocPacketReformatContextIn, AllocPacketReformatContextOut, DeallocPacketReformatContextIn, Layout,
    Opcode, PacketReformatContextIn, ReformatType,
};
use alloc::vec::Vec;

/// Where the data begins: in the middle of the last dword of the command's layout.
const HEAD: usize = AllocPacketReformatContextIn::SIZE - 2;
/// ICV of 16 bytes, in dwords.
const ICV: u8 = 4;
/// SPI, and what the card fills in behind it.
const ESP: usize = 16;
const UDP: usize = 8;
const ETHERNET: usize = 14;
const PROTOCOL_ESP: u8 = 50;

/// A reformat to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reformat {
    kind: u8,
    icv: u8,
    data: Vec<u8>,
}

/// The command without its data, of which the length of its layout counts the first two bytes.
#[derive(Clone)]
struct Head([u8; HEAD]);

impl Default for Head {
    fn default() -> Self {
        Self([0; HEAD])
    }
}

impl Layout for Head {
    const SIZE: usize = HEAD;

    fn copy_from(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        head.0.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        head
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Command for Head {
    const OPCODE: Opcode = Opcode::ALLOC_PACKET_REFORMAT_CONTEXT;
    type Output = AllocPacketReformatContextOut;
}

/// Bytes of headers that `sa` needs.
pub(super) fn length(sa: &Install) -> u16 {
    Reformat::of(sa).data.len() as u16
}

impl Reformat {
    /// What `sa` needs.
    pub(super) fn of(sa: &Install) -> Self {
        let family = Family::of(sa.destination);
        if sa.direction.receives() { Self::removal(sa, family) } else { Self::addition(sa, family) }
    }

    fn removal(sa: &Install, family: Family) -> Self {
        let _ = family;
        let (kind, data) = match (sa.mode, sa.udp) {
            (Mode::Transport, None) => (ReformatType::DEL_ESP_TRANSPORT, Vec::new()),
            (Mode::Transport, Some(_)) => (ReformatType::DEL_ESP_TRANSPORT_OVER_UDP, Vec::new()),
            (Mode::Tunnel { inner, source, destination, .. }, _) => {
                (ReformatType::L3_ESP_TUNNEL_TO_L2, ethernet(destination, source, inner))
            }
        };
        Self { kind: kind.0, icv: 0, data }
    }

    fn addition(sa: &Install, family: Family) -> Self {
        let (kind, mut data) = match (sa.mode, sa.udp, family) {
            (Mode::Transport, None, Family::V4) => (ReformatType::ADD_ESP_TRANSPORT_OVER_IPV4, Vec::new()),
            (Mode::Transport, None, Family::V6) => (ReformatType::ADD_ESP_TRANSPORT_OVER_IPV6, Vec::new()),
            (Mode::Transport, Some(ports), Family::V4) => {
                (ReformatType::ADD_ESP_TRANSPORT_OVER_UDPV4, udp(ports))
            }
            (Mode::Transport, Some(ports), Family::V6) => {
                (ReformatType::ADD_ESP_TRANSPORT_OVER_UDPV6, udp(ports))
            }
            (Mode::Tunnel { source, destination, hop_limit, traffic_class, .. }, _, family) => {
                let mut data = ethernet(destination, source, family);
                outer(&mut data, sa, family, hop_limit, traffic_class);
                (ReformatType::L2_TO_L3_ESP_TUNNEL, data)
            }
        };
        data.extend_from_slice(&sa.spi.to_be_bytes());
        data.extend_from_slice(&[0; ESP - 4]);
        Self { kind: kind.0, icv: ICV, data }
    }

    /// Makes it; its number.
    pub(super) fn create<F: Function>(&self, commands: &mut Commands<F>) -> Result<u32, CmdError> {
        let context = PacketReformatContextIn::build()
            .reformat_type(self.kind)
            .reformat_param_0(self.icv)
            .reformat_data_size(self.data.len() as u16)
            .done();
        let whole = AllocPacketReformatContextIn::build().packet_reformat_context(&context).done();
        let head = Head::copy_from(whole.as_bytes());
        Ok(commands.exec_with(&head, &self.data)?.packet_reformat_id())
    }
}

/// Destroys a reformat that no entry names.
pub(super) fn destroy<F: Function>(commands: &mut Commands<F>, number: u32) -> Result<(), CmdError> {
    let input = DeallocPacketReformatContextIn::build().packet_reformat_id(number).done();
    commands.exec(&input).map(|_| ())
}

fn udp(ports: Ports) -> Vec<u8> {
    let mut header = Vec::with_capacity(UDP + ESP);
    header.extend_from_slice(&ports.source.to_be_bytes());
    header.extend_from_slice(&ports.destination.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    header
}

fn ethernet(destination: [u8; 6], source: [u8; 6], family: Family) -> Vec<u8> {
    let mut header = Vec::with_capacity(ETHERNET);
    header.extend_from_slice(&destination);
    header.extend_from_slice(&source);
    header.extend_from_slice(&family.ethertype().to_be_bytes());
    header
}

/// Appends the outer IP header. Length, identification and checksum are the card's.
fn outer(data: &mut Vec<u8>, sa: &Install, family: Family, hop_limit: u8, traffic_class: u8) {
    let (source, destination) = (octets(sa.source), octets(sa.destination));
    match family {
        Family::V4 => {
            data.extend_from_slice(&[0x45, traffic_class, 0, 0, 0, 0, 0, 0, hop_limit, PROTOCOL_ESP, 0, 0]);
            data.extend_from_slice(&source[12..]);
            data.extend_from_slice(&destination[12..]);
        }
        Family::V6 => {
            let first = 0x6000_0000 | u32::from(traffic_class) << 20;
            data.extend_from_slice(&first.to_be_bytes());
            data.extend_from_slice(&[0, 0, PROTOCOL_ESP, hop_limit]);
            data.extend_from_slice(&source);
            data.extend_from_slice(&destination);
        }
    }
}

//! Packet reformat contexts: ALLOC, DEALLOC and QUERY_PACKET_REFORMAT_CONTEXT.
//!
//! Facts E.10 (the table of types, sizes and data), B.6, C.5; `fs_cmd.c` and `en_accel/ipsec_fs.c` of Linux. The command
//! is 0x22 bytes and the data, whatever its length. A context is of no table type; the entry that uses it is.
//! INSERT_HDR, REMOVE_HDR and MACsec are not offered.

use super::action::{CRYPTO_DECRYPT, CRYPTO_ENCRYPT};
use super::limits::{offered, wrong};
use crate::command::{Command, Length, NO_OP_MOD, Stage};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    AllocPacketReformatContextIn, AllocPacketReformatContextOut, CmdStatus, DeallocPacketReformatContextIn,
    FlowTablePropLayout, Opcode, PacketReformatContextIn, QueryPacketReformatContextIn,
    QueryPacketReformatContextOut,
};
use std::sync::Arc;

pub(super) const L2_TO_VXLAN: u8 = 0x0;
pub(super) const L2_TO_NVGRE: u8 = 0x1;
pub(super) const L2_TO_L2_TUNNEL: u8 = 0x2;
pub(super) const L3_TUNNEL_TO_L2: u8 = 0x3;
pub(super) const L2_TO_L3_TUNNEL: u8 = 0x4;
pub(super) const ADD_ESP_TRANSPORT_OVER_IPV4: u8 = 0x5;
pub(super) const L2_TO_L3_ESP_TUNNEL: u8 = 0x6;
pub(super) const ADD_ESP_TRANSPORT_OVER_UDPV4: u8 = 0x7;
pub(super) const DEL_ESP_TRANSPORT: u8 = 0x8;
pub(super) const L3_ESP_TUNNEL_TO_L2: u8 = 0x9;
pub(super) const DEL_ESP_TRANSPORT_OVER_UDP: u8 = 0xa;
pub(super) const ADD_ESP_TRANSPORT_OVER_IPV6: u8 = 0xb;
pub(super) const ADD_ESP_TRANSPORT_OVER_UDPV6: u8 = 0xc;

/// Where the context stands in ALLOC; its data begins in the middle of a dword.
const CONTEXT: usize = 0x1c;
/// Where the data begins in the context.
const DATA: usize = 6;
/// Where the data begins in ALLOC: what the shortest command has.
const HEAD: usize = CONTEXT + DATA;
/// `reformat_param_0` of what adds ESP: the ICV's length in dwords.
const ICV_DWORDS: u8 = 4;

const ETHERNET: usize = 14;
/// SPI, sequence number and IV.
const ESP: usize = 16;

/// A context.
#[derive(Debug)]
pub(super) struct Reformat {
    /// `reformat_type`.
    pub(super) kind: u8,
    param_0: u8,
    /// Headers to put on.
    pub(super) data: Arc<[u8]>,
}

impl Reformat {
    /// Whether a table type offers it.
    pub(super) fn offered_by(&self, caps: &FlowTablePropLayout) -> bool {
        match self.kind {
            L2_TO_VXLAN | L2_TO_NVGRE | L2_TO_L2_TUNNEL => caps.reformat(),
            L3_TUNNEL_TO_L2 => caps.reformat_l3_tunnel_to_l2(),
            L2_TO_L3_TUNNEL => caps.reformat_l2_to_l3_tunnel(),
            ADD_ESP_TRANSPORT_OVER_IPV4 | ADD_ESP_TRANSPORT_OVER_IPV6 => caps.reformat_add_esp_trasport(),
            L2_TO_L3_ESP_TUNNEL => caps.reformat_l2_to_l3_esp_tunnel(),
            ADD_ESP_TRANSPORT_OVER_UDPV4 | ADD_ESP_TRANSPORT_OVER_UDPV6 => {
                caps.reformat_add_esp_transport_over_udp()
            }
            DEL_ESP_TRANSPORT => caps.reformat_del_esp_trasport(),
            L3_ESP_TUNNEL_TO_L2 => caps.reformat_l3_esp_tunnel_to_l2(),
            DEL_ESP_TRANSPORT_OVER_UDP => caps.reformat_del_esp_transport_over_udp(),
            _ => false,
        }
    }

    /// The crypto action that has to stand beside it, or 0.
    pub(super) fn crypto_action(&self) -> u16 {
        match self.kind {
            ADD_ESP_TRANSPORT_OVER_IPV4
            | ADD_ESP_TRANSPORT_OVER_IPV6
            | ADD_ESP_TRANSPORT_OVER_UDPV4
            | ADD_ESP_TRANSPORT_OVER_UDPV6
            | L2_TO_L3_ESP_TUNNEL => CRYPTO_ENCRYPT,
            DEL_ESP_TRANSPORT | DEL_ESP_TRANSPORT_OVER_UDP | L3_ESP_TUNNEL_TO_L2 => CRYPTO_DECRYPT,
            _ => 0,
        }
    }

    /// The SPI of the ESP header that it puts on.
    pub(super) fn spi(&self) -> Option<u32> {
        let esp = self.data.last_chunk::<ESP>().filter(|_| self.crypto_action() == CRYPTO_ENCRYPT)?;
        esp.first_chunk().map(|spi| u32::from_be_bytes(*spi))
    }

    /// Whether tables need `reformat_en` for it: everything but ESP in transport mode.
    pub(super) fn changes_layers(&self) -> bool {
        self.crypto_action() == 0 || matches!(self.kind, L2_TO_L3_ESP_TUNNEL | L3_ESP_TUNNEL_TO_L2)
    }

    /// Parameter and data are as the type wants them.
    fn check(&self) -> Result<(), Refusal> {
        let adds_esp = self.crypto_action() == CRYPTO_ENCRYPT;
        if self.param_0 != if adds_esp { ICV_DWORDS } else { 0 } {
            return Err(Refusal::value("reformat_param_0", 0x1d));
        }
        let length = self.data.len();
        let ip = match self.data.get(12..ETHERNET) {
            Some([0x08, 0x00]) => 20,
            Some([0x86, 0xdd]) => 40,
            _ => 0,
        };
        let right = match self.kind {
            ADD_ESP_TRANSPORT_OVER_IPV4 | ADD_ESP_TRANSPORT_OVER_IPV6 => length == ESP,
            ADD_ESP_TRANSPORT_OVER_UDPV4 | ADD_ESP_TRANSPORT_OVER_UDPV6 => length == 8 + ESP,
            DEL_ESP_TRANSPORT | DEL_ESP_TRANSPORT_OVER_UDP => length == 0,
            L2_TO_L3_ESP_TUNNEL => ip != 0 && length == ETHERNET + ip + ESP,
            L3_ESP_TUNNEL_TO_L2 => length == ETHERNET,
            // With or without a VLAN tag.
            L3_TUNNEL_TO_L2 => matches!(length, 14 | 18),
            _ => length >= ETHERNET,
        };
        if !right {
            return Err(Refusal::value("reformat_data_size", 0x1e));
        }
        if !adds_esp {
            return Ok(());
        }
        // What the card fills in is zero: UDP length and checksum, sequence number and IV.
        let (head, esp) = self.data.split_at(length - ESP);
        let udp = if self.kind == L2_TO_L3_ESP_TUNNEL || head.is_empty() { &[] } else { &head[4..] };
        if udp.iter().chain(&esp[4..]).any(|byte| *byte != 0) {
            return Err(wrong(Check::Reserved, "reformat_data", HEAD as u16));
        }
        if esp[..4] == [0; 4] {
            return Err(Refusal::value("reformat_data", HEAD as u16));
        }
        self.check_tunnel(ip)
    }

    /// The outer IP header of a tunnel says that ESP follows.
    fn check_tunnel(&self, ip: usize) -> Result<(), Refusal> {
        if self.kind != L2_TO_L3_ESP_TUNNEL {
            return Ok(());
        }
        let header = &self.data[ETHERNET..ETHERNET + ip];
        let right = match ip {
            20 => header[0] == 0x45 && header[9] == 50,
            _ => header[0] >> 4 == 6 && header[6] == 50,
        };
        if right { Ok(()) } else { Err(Refusal::value("reformat_data", HEAD as u16)) }
    }
}

/// ALLOC_PACKET_REFORMAT_CONTEXT: its data may have any number of bytes, also none.
pub(super) const ALLOC: Command = Command {
    opcode: Opcode::ALLOC_PACKET_REFORMAT_CONTEXT.0,
    input: Length::List { head: HEAD, unit: 1 },
    output: AllocPacketReformatContextOut::SIZE,
    claims: &AllocPacketReformatContextIn::CLAIMS,
    op_mods: NO_OP_MOD,
    stage: Stage::Initialized,
    run: alloc,
};

fn alloc(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let context = PacketReformatContextIn::copy_from(&input[CONTEXT..HEAD]);
    let limits = &device.steering.limits;
    let (size, data) = (usize::from(context.reformat_data_size()), &input[HEAD..]);
    if data.len() != size {
        return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "reformat_data_size", 0x1e));
    }
    if context.reformat_param_1() != 0 || input[0x21] != 0 {
        return Err(wrong(Check::Reserved, "reformat_param_1", 0x20));
    }
    let reformat =
        Reformat { kind: context.reformat_type(), param_0: context.reformat_param_0(), data: data.into() };
    offered(limits.tables().any(|table| reformat.offered_by(&table.caps)), "reformat_type", 0x1c)?;
    if size > usize::from(limits.max_encap_header_size) {
        return Err(wrong(Check::Limit, "reformat_data_size", 0x1e));
    }
    reformat.check()?;
    let number = device.steering.reformats.insert(reformat)?;
    let answer = AllocPacketReformatContextOut::build().packet_reformat_id(number).done();
    output[..AllocPacketReformatContextOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

/// DEALLOC_PACKET_REFORMAT_CONTEXT: not while an entry uses it.
pub(super) fn dealloc(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let number = DeallocPacketReformatContextIn::copy_from(input).packet_reformat_id();
    device.steering.reformats.named(number, "packet_reformat_id", 8)?;
    device.links.end((Kind::Reformat, number), "packet_reformat_id", 8)?;
    device.steering.reformats.remove(number);
    Ok(())
}

/// QUERY_PACKET_REFORMAT_CONTEXT.
pub(super) fn query(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let number = QueryPacketReformatContextIn::copy_from(input).packet_reformat_id();
    let reformat = device.steering.reformats.named(number, "packet_reformat_id", 8)?;
    let context = PacketReformatContextIn::build()
        .reformat_type(reformat.kind)
        .reformat_param_0(reformat.param_0)
        .reformat_data_size(reformat.data.len() as u16)
        .done();
    let mut answer = context.as_bytes()[..DATA].to_vec();
    answer.extend_from_slice(&reformat.data);
    let at = QueryPacketReformatContextOut::SIZE;
    let room = output.get_mut(at..at + answer.len());
    let short = Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen", 0);
    room.ok_or(short)?.copy_from_slice(&answer);
    Ok(())
}

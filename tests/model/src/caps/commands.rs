//! QUERY_HCA_CAP and SET_HCA_CAP.
//!
//! SET_HCA_CAP takes the general capabilities only, before INIT_HCA, and nothing above the maximum.

use super::{CAPABILITY, CHAPTERS};
use crate::command::{Command, Stage, command};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::layout::get;
use mlx5_pci::prm::{CmdHcaCap, CmdStatus, QueryHcaCapIn, SetHcaCapIn, Shape};

/// Where the capability lies in both commands.
const PAYLOAD: usize = 0x10;
/// `op_mod` bit 0: the current capabilities, else the maximal ones.
const CURRENT: u16 = 1;

/// General capabilities that a driver sets; all others have to be as they are.
const SETTABLE: &[&str] = &[
    "cmdif_checksum",
    "log_max_qp",
    "log_uar_page_sz",
    "uar_4k",
    "pkey_table_size",
    "drain_sigerr",
    "cache_line_128byte",
    "dct",
    "pci_sync_for_fw_update_event",
    "pci_sync_for_fw_update_with_driver_unload",
    "pcie_reset_using_hotreset_method",
    "num_vhca_ports",
    "release_all_pages",
    "mkey_by_name",
    "roce_rw_supported",
    "max_num_eqs",
];

/// Capability types that exist: those of the profile, and empty ones that drivers ask for without looking.
const EMPTY: &[u16] = &[0x2, 0x3, 0x4, 0xd, 0xf, 0x11, 0x13, 0x14, 0x1a, 0x1d, 0x1f, 0x25, 0x26];

pub(crate) const COMMANDS: &[&[Command]] = &[&[
    Command { op_mods: &[], ..command!(QUERY_HCA_CAP, QueryHcaCapIn, QueryHcaCapOut, Enabled, query) },
    Command {
        op_mods: &[],
        // The capability itself has no reserved bits that are not checked against the maximum.
        claims: SetHcaCapIn::CLAIMS.first_chunk::<4>().unwrap(),
        ..command!(SET_HCA_CAP, SetHcaCapIn, SetHcaCapOut, Enabled, set)
    },
]];

fn own_function(other: bool, function: u16) -> Result<(), Refusal> {
    if other || function != 0 {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "other_function", 0x8));
    }
    Ok(())
}

fn query(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let command = QueryHcaCapIn::copy_from(input);
    own_function(command.other_function(), command.function_id())?;
    let kind = command.op_mod() >> 1;
    let side = usize::from(command.op_mod() & CURRENT == 0);
    let found = CHAPTERS.iter().position(|chapter| chapter.kind.map(u16::from) == Some(kind));
    match found {
        Some(index) => {
            output[PAYLOAD..PAYLOAD + CAPABILITY].copy_from_slice(&device.profile.chapters[index][side]);
            Ok(())
        }
        None if EMPTY.contains(&kind) => Ok(()),
        None => Err(Refusal::new(CmdStatus::BAD_PARAM, Check::OpMod, "op_mod", 0x6)),
    }
}

fn set(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = SetHcaCapIn::copy_from(input);
    own_function(command.other_function(), command.function_id())?;
    if device.hca.stage() != Stage::Enabled {
        return Err(Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Stage, "opcode", 0));
    }
    match command.op_mod() >> 1 {
        0 => {}
        kind if EMPTY.contains(&kind)
            || CHAPTERS.iter().any(|chapter| chapter.kind.map(u16::from) == Some(kind)) =>
        {
            return set_nothing(device, kind, &input[PAYLOAD..]);
        }
        _ => return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::OpMod, "op_mod", 0x6)),
    }
    let wanted = &input[PAYLOAD..];
    if let Some(offset) = mlx5_pci::prm::reserved_bit(wanted, &CmdHcaCap::CLAIMS) {
        let at = (PAYLOAD + offset) as u16;
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "capability", at));
    }
    let [current, most] = &device.profile.chapters[0];
    for field in CmdHcaCap::FIELDS {
        let at = (PAYLOAD + field.offset) as u16;
        let (hi, lo) = match field.shape {
            Shape::Bits { hi, lo } => (hi, lo),
            Shape::Bytes(length) => {
                let range = field.offset..field.offset + length;
                if wanted[range.clone()] != current[range] {
                    return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Value, field.name, at));
                }
                continue;
            }
            Shape::Structure(_) => continue,
        };
        let value = |of: &[u8]| get(of, field.offset, hi, lo);
        if value(wanted) == value(current) {
            continue;
        }
        if !SETTABLE.contains(&field.name) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Value, field.name, at));
        }
        if value(wanted) > value(most) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Limit, field.name, at));
        }
    }
    device.profile.chapters[0][0].copy_from_slice(wanted);
    device.profile.general = CmdHcaCap::copy_from(wanted);
    Ok(())
}

/// A capability type of which nothing can be set: it has to be as it is.
fn set_nothing(device: &Device, kind: u16, wanted: &[u8]) -> Result<(), Refusal> {
    let found = CHAPTERS.iter().position(|chapter| chapter.kind.map(u16::from) == Some(kind));
    let same = match found {
        Some(index) => device.profile.chapters[index][0] == wanted,
        None => wanted.iter().all(|byte| *byte == 0),
    };
    if same {
        Ok(())
    } else {
        Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Value, "capability", PAYLOAD as u16))
    }
}

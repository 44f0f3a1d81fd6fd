//! The recorded card as a profile: what QUERY_HCA_CAP and QUERY_PAGES answered, by the names of our layouts.

use crate::record::Recorded;
use core::fmt::Write;
use mlx5_model::caps::Profile;
use mlx5_pci::prm::layout::get;
use mlx5_pci::prm::{
    CmdHcaCap, FieldInfo, FlowTableNicCap, Opcode, PerProtocolNetworkingOffloadCaps, QosCap, Shape,
};

/// Capability types of the record that a profile has chapters for.
const CHAPTERS: &[(u16, &str, &[FieldInfo])] = &[
    (0x0, "general", CmdHcaCap::FIELDS),
    (0x1, "ethernet", PerProtocolNetworkingOffloadCaps::FIELDS),
    (0x7, "flow_table", FlowTableNicCap::FIELDS),
    (0xc, "qos", QosCap::FIELDS),
];

/// A profile with everything that the firmware said of itself.
pub(crate) fn of(record: &[Recorded]) -> Profile {
    let mut text = String::from(
        "[identity]\nkind = \"pf\"\nvendor = 0x15b3\ndevice = 0x1013\nfirmware = \"14.12.1220\"\nvectors = 64\n",
    );
    for command in record.iter().filter(|command| command.opcode == Opcode::QUERY_PAGES) {
        let key = if command.op_mod() == 1 { "boot_pages" } else { "init_pages" };
        writeln!(text, "{key} = {}", command.word(0xc)).unwrap();
    }
    // The first answer counts: later ones are those after SET_HCA_CAP.
    let mut seen = Vec::new();
    for command in record.iter().filter(|command| command.opcode == Opcode::QUERY_HCA_CAP) {
        let (kind, current) = (command.op_mod() >> 1, command.op_mod() & 1 == 1);
        let Some((_, name, fields)) = CHAPTERS.iter().find(|chapter| chapter.0 == kind) else { continue };
        if seen.contains(&command.op_mod()) {
            continue;
        }
        seen.push(command.op_mod());
        let prefix = if current { String::new() } else { "max.".into() };
        sections(&mut text, &format!("{prefix}{name}"), fields, &command.output[0x10..]);
    }
    Profile::from_toml("record", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes the section of a structure, and of those that are embedded in it.
fn sections(text: &mut String, name: &str, fields: &[FieldInfo], bytes: &[u8]) {
    writeln!(text, "[{name}]").unwrap();
    for field in fields {
        if let Shape::Bits { hi, lo } = field.shape {
            let value = get(bytes, field.offset, hi, lo);
            writeln!(text, "{} = {value}", field.name).unwrap();
        }
    }
    for field in fields {
        if let Shape::Structure(inner) = field.shape {
            sections(text, &format!("{name}.{}", field.name), inner, &bytes[field.offset..]);
        }
    }
}

/// Why a dword of a capability may differ.
pub(crate) fn explained(op_mod: u16, offset: usize) -> Option<&'static str> {
    let claims: &[u32] = match op_mod >> 1 {
        0x0 => &CmdHcaCap::CLAIMS,
        0x1 => &PerProtocolNetworkingOffloadCaps::CLAIMS,
        0x7 => &FlowTableNicCap::CLAIMS,
        0xc => &QosCap::CLAIMS,
        _ => return Some("a chapter of RDMA or of the embedded switch: the model offers nothing there"),
    };
    let claimed = claims.get(offset / 4).copied().unwrap_or(0);
    (claimed != u32::MAX).then_some("bits that firmware sets and no open driver has a name for")
}

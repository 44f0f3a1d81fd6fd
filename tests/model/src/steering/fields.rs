//! Match fields: their bits in `fte_match_param`, by the names of the layout, and which capability offers each.
//!
//! Facts E.10. Where no capability bit exists the source is what drivers match on without asking: `source_sqn` and
//! register A on transmit, the IPsec syndrome where decryption is offered, TCP numbers and flow labels everywhere.
//! Never offered: MPLS, Geneve, VXLAN-GPE, GTP, ICMP (`flex_parser_protocols` is zero), programmable samples, MACsec.

use super::table_type::TableType;
use crate::packet::MatchParam;
use mlx5_pci::prm::{
    FieldInfo, FlowTableFieldsSupported, FlowTableFieldsSupported2, FlowTablePropLayout, FteMatchParam, Shape,
};

/// Dwords of `fte_match_param`.
pub(super) const DWORDS: usize = FteMatchParam::SIZE / 4;

/// `fte_match_param` in host order.
pub(super) type Param = MatchParam;

/// To the bytes of a command.
pub(super) fn bytes(param: &Param) -> FteMatchParam {
    let mut bytes = FteMatchParam::default();
    for (dword, bytes) in param.iter().zip(bytes.as_bytes_mut().as_chunks_mut::<4>().0) {
        *bytes = dword.to_be_bytes();
    }
    bytes
}

/// What offers a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// This bit of `ft_field_support`, and of `ft_field_bitmask_support` for masks that are not all ones.
    Field(&'static str),
    /// This bit of `ft_field_support_2`.
    Field2(&'static str),
    /// It is there on transmit.
    Transmit,
    /// It is there where decryption is.
    Decrypt,
    /// It is always there.
    Always,
    /// It is never there.
    Never,
}

/// A match field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Its name in the layout.
    pub(super) name: &'static str,
    /// Its first dword.
    pub(super) dword: usize,
    /// How many dwords it has.
    dwords: usize,
    /// Its bits in each.
    mask: u32,
    /// The bit of `match_criteria_enable` that its section has.
    pub(super) section: u8,
    need: Need,
}

impl Field {
    /// Its bits in `dword`.
    fn bits(&self, dword: usize) -> u32 {
        if (self.dword..self.dword + self.dwords).contains(&dword) { self.mask } else { 0 }
    }

    /// Whether `param` has any of its bits, and whether it has all of them.
    pub(super) fn of(&self, param: &Param) -> (bool, bool) {
        let range = self.dword..self.dword + self.dwords;
        let (mut any, mut all) = (false, true);
        for (dword, value) in range.clone().zip(&param[range]) {
            let bits = self.bits(dword);
            any |= value & bits != 0;
            all &= value & bits == bits;
        }
        (any, all)
    }
}

/// All match fields.
pub(super) fn all() -> Vec<Field> {
    let mut fields = Vec::new();
    for (bit, section) in SECTIONS {
        let info = FteMatchParam::FIELDS.iter().find(|info| info.name == *section);
        if let Some(FieldInfo { offset, shape: Shape::Structure(inner), .. }) = info {
            for info in *inner {
                let at = (offset + info.offset) / 4;
                let (dwords, mask) = match info.shape {
                    Shape::Bits { hi, lo } if hi < 32 => (1, u32::MAX >> (31 - hi) & u32::MAX << lo),
                    Shape::Bits { .. } => (2, u32::MAX),
                    Shape::Bytes(length) => (length.div_ceil(4), u32::MAX),
                    Shape::Structure(_) => (1, u32::MAX),
                };
                let need = need(section, info.name);
                fields.push(Field { name: info.name, dword: at, dwords, mask, section: *bit, need });
            }
        }
    }
    fields
}

/// The bits of `match_criteria_enable` and their sections.
const SECTIONS: &[(u8, &str)] = &[
    (0x01, "outer_headers"),
    (0x02, "misc_parameters"),
    (0x04, "inner_headers"),
    (0x08, "misc_parameters_2"),
    (0x10, "misc_parameters_3"),
    (0x20, "misc_parameters_4"),
    (0x40, "misc_parameters_5"),
];

/// Every bit of `match_criteria_enable`.
pub(super) const ENABLE: u8 = 0x7f;

fn need(section: &str, field: &str) -> Need {
    match (section, field) {
        ("outer_headers", field) => layer("outer_", field),
        ("inner_headers", field) => layer("inner_", field),
        ("misc_parameters", field) => misc(field),
        ("misc_parameters_2", "metadata_reg_a") => Need::Transmit,
        ("misc_parameters_2", "ipsec_syndrome") => Need::Decrypt,
        ("misc_parameters_2", field) if field.starts_with("metadata_reg_c_") => {
            supported(|known| known == field)
        }
        ("misc_parameters_3", field) if field.contains("_tcp_") => Need::Always,
        _ => Need::Never,
    }
}

/// Fields of a layer and the capabilities that offer them, without `outer_` or `inner_`.
const LAYER: &[(&[&str], &str)] = &[
    (&["smac_47_16", "smac_15_0"], "smac"),
    (&["dmac_47_16", "dmac_15_0"], "dmac"),
    (&["ethertype"], "ether_type"),
    (&["first_prio"], "first_prio"),
    (&["first_cfi"], "first_cfi"),
    (&["first_vid", "cvlan_tag", "svlan_tag"], "first_vid"),
    (&["ip_protocol"], "ip_protocol"),
    (&["ip_dscp"], "ip_dscp"),
    (&["ip_ecn"], "ip_ecn"),
    (&["frag"], "frag"),
    (&["ip_version"], "ip_version"),
    (&["tcp_flags"], "tcp_flags"),
    (&["tcp_sport"], "tcp_sport"),
    (&["tcp_dport"], "tcp_dport"),
    (&["ttl_hoplimit"], "ipv4_ttl"),
    (&["udp_sport"], "udp_sport"),
    (&["udp_dport"], "udp_dport"),
    (&["src_ipv4_src_ipv6"], "sip"),
    (&["dst_ipv4_dst_ipv6"], "dip"),
    (&["l4_type"], "l4_type"),
];

fn layer(prefix: &str, field: &str) -> Need {
    let capability = LAYER.iter().find(|(fields, _)| fields.contains(&field));
    capability.map_or(Need::Never, |(_, name)| supported(|known| known.strip_prefix(prefix) == Some(name)))
}

fn misc(field: &str) -> Need {
    let name = match field {
        "source_sqn" => return Need::Transmit,
        "outer_ipv6_flow_label" | "inner_ipv6_flow_label" => return Need::Always,
        "source_port" | "source_eswitch_owner_vhca_id" => "source_eswitch_port",
        "outer_second_cvlan_tag" | "outer_second_svlan_tag" => "outer_second_vid",
        "inner_second_cvlan_tag" | "inner_second_svlan_tag" => "inner_second_vid",
        "gre_c_present" | "gre_k_present" | "gre_s_present" | "gre_protocol" => "outer_gre_protocol",
        "gre_key" => "outer_gre_key",
        "vxlan_vni" => "outer_vxlan_vni",
        // UDP-encapsulated ESP is matched on as the inner one; there is one capability for both.
        "inner_esp_spi" => "outer_esp_spi",
        "bth_dst_qp" | "bth_opcode" => return Need::Never,
        other => other,
    };
    supported(|known| known == name)
}

/// The capability whose name fits, in whichever of the two words it stands.
fn supported(fits: impl Fn(&str) -> bool) -> Need {
    let find = |fields: &'static [FieldInfo]| fields.iter().map(|info| info.name).find(|name| fits(name));
    find(FlowTableFieldsSupported::FIELDS)
        .map(Need::Field)
        .or_else(|| find(FlowTableFieldsSupported2::FIELDS).map(Need::Field2))
        .unwrap_or(Need::Never)
}

/// What tables of one type may match on.
#[derive(Clone, Debug)]
pub(super) struct Supported {
    fields: Vec<(Field, Support)>,
}

/// How far a field is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// Not at all.
    No,
    /// Only as a whole.
    Whole,
    /// With any mask.
    Masked,
}

impl Supported {
    /// By the capabilities of a table type.
    pub(super) fn new(
        kind: TableType,
        caps: &FlowTablePropLayout,
        more: &FlowTableFieldsSupported2,
    ) -> Supported {
        let support = |field: &Field| match field.need {
            Need::Never => Support::No,
            Need::Always => Support::Masked,
            Need::Transmit if kind.receives() => Support::No,
            Need::Transmit => Support::Masked,
            Need::Decrypt if caps.ipsec_decrypt() => Support::Masked,
            Need::Decrypt => Support::No,
            Need::Field2(name) if flag(more.as_bytes(), FlowTableFieldsSupported2::FIELDS, name) => {
                Support::Masked
            }
            Need::Field2(_) => Support::No,
            Need::Field(name) => {
                let whole = caps.ft_field_support();
                let masked = caps.ft_field_bitmask_support();
                if !flag(whole.as_bytes(), FlowTableFieldsSupported::FIELDS, name) {
                    Support::No
                } else if !flag(masked.as_bytes(), FlowTableFieldsSupported::FIELDS, name) {
                    Support::Whole
                } else {
                    Support::Masked
                }
            }
        };
        Supported { fields: all().into_iter().map(|field| (field, support(&field))).collect() }
    }

    /// The fields and how far they are offered.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&Field, Support)> {
        self.fields.iter().map(|(field, support)| (field, *support))
    }
}

/// Whether the capability of this name is not zero.
fn flag(bytes: &[u8], fields: &[FieldInfo], name: &str) -> bool {
    fields.iter().any(|info| match info.shape {
        Shape::Bits { hi, lo } => {
            info.name == name && mlx5_pci::prm::layout::get(bytes, info.offset, hi, lo) != 0
        }
        _ => false,
    })
}

//! What flow table entries match on.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// All that an entry can match on.
    pub struct FteMatchParam [0x200] {
        0x000 [..] outer_headers: FteMatchSetLyr24,
        0x040 [..] misc_parameters: FteMatchSetMisc,
        0x080 [..] inner_headers: FteMatchSetLyr24,
        0x0c0 [..] misc_parameters_2: FteMatchSetMisc2,
        0x100 [..] misc_parameters_3: FteMatchSetMisc3,
        0x140 [..] misc_parameters_4: FteMatchSetMisc4,
        0x180 [..] misc_parameters_5: FteMatchSetMisc5,
    }

    /// Layers 2 to 4, outer or inner.
    pub struct FteMatchSetLyr24 [0x40] {
        0x000 [31:0] smac_47_16: u32,
        0x004 [31:16] smac_15_0: u16,
        0x004 [15:0] ethertype: u16,
        0x008 [31:0] dmac_47_16: u32,
        0x00c [31:16] dmac_15_0: u16,
        0x00c [15:13] first_prio: u8,
        0x00c [12:12] first_cfi: bool,
        0x00c [11:0] first_vid: u16,
        0x010 [31:24] ip_protocol: u8,
        0x010 [23:18] ip_dscp: u8,
        0x010 [17:16] ip_ecn: u8,
        0x010 [15:15] cvlan_tag: bool,
        0x010 [14:14] svlan_tag: bool,
        0x010 [13:13] frag: bool,
        0x010 [12:9] ip_version: u8,
        0x010 [8:0] tcp_flags: u16,
        0x014 [31:16] tcp_sport: u16,
        0x014 [15:0] tcp_dport: u16,
        0x018 [31:30] l4_type: u8,
        0x018 [15:12] ipv4_ihl: u8,
        0x018 [7:0] ttl_hoplimit: u8,
        0x01c [31:16] udp_sport: u16,
        0x01c [15:0] udp_dport: u16,
        0x020 [..] src_ipv4_src_ipv6: [u8; 16],
        0x030 [..] dst_ipv4_dst_ipv6: [u8; 16],
    }

    /// Miscellaneous: source port, second VLAN tags, tunnel keys, outer ESP SPI.
    pub struct FteMatchSetMisc [0x40] {
        0x000 [31:31] gre_c_present: bool,
        0x000 [29:29] gre_k_present: bool,
        0x000 [28:28] gre_s_present: bool,
        0x000 [27:24] source_vhca_port: u8,
        0x000 [23:0] source_sqn: u32,
        0x004 [31:16] source_eswitch_owner_vhca_id: u16,
        0x004 [15:0] source_port: u16,
        0x008 [31:29] outer_second_prio: u8,
        0x008 [28:28] outer_second_cfi: bool,
        0x008 [27:16] outer_second_vid: u16,
        0x008 [15:13] inner_second_prio: u8,
        0x008 [12:12] inner_second_cfi: bool,
        0x008 [11:0] inner_second_vid: u16,
        0x00c [31:31] outer_second_cvlan_tag: bool,
        0x00c [30:30] inner_second_cvlan_tag: bool,
        0x00c [29:29] outer_second_svlan_tag: bool,
        0x00c [28:28] inner_second_svlan_tag: bool,
        0x00c [15:0] gre_protocol: u16,
        0x010 [..] gre_key: [u8; 4],
        0x014 [31:8] vxlan_vni: u32,
        0x014 [7:0] bth_opcode: u8,
        0x018 [31:8] geneve_vni: u32,
        0x018 [1:1] geneve_tlv_option_0_exist: bool,
        0x018 [0:0] geneve_oam: bool,
        0x01c [19:0] outer_ipv6_flow_label: u32,
        0x020 [19:0] inner_ipv6_flow_label: u32,
        0x024 [21:16] geneve_opt_len: u8,
        0x024 [15:0] geneve_protocol_type: u16,
        0x028 [23:0] bth_dst_qp: u32,
        0x02c [31:0] inner_esp_spi: u32,
        0x030 [31:0] outer_esp_spi: u32,
    }

    /// Miscellaneous 2: MPLS, metadata registers, IPsec and MACsec syndromes.
    pub struct FteMatchSetMisc2 [0x40] {
        0x000 [..] outer_first_mpls: FteMatchMpls,
        0x004 [..] inner_first_mpls: FteMatchMpls,
        0x008 [..] outer_first_mpls_over_gre: FteMatchMpls,
        0x00c [..] outer_first_mpls_over_udp: FteMatchMpls,
        0x010 [31:0] metadata_reg_c_7: u32,
        0x014 [31:0] metadata_reg_c_6: u32,
        0x018 [31:0] metadata_reg_c_5: u32,
        0x01c [31:0] metadata_reg_c_4: u32,
        0x020 [31:0] metadata_reg_c_3: u32,
        0x024 [31:0] metadata_reg_c_2: u32,
        0x028 [31:0] metadata_reg_c_1: u32,
        0x02c [31:0] metadata_reg_c_0: u32,
        0x030 [31:0] metadata_reg_a: u32,
        0x034 [23:16] macsec_syndrome: u8,
        0x034 [15:8] ipsec_syndrome: u8,
    }

    /// Miscellaneous 3: TCP numbers, VXLAN-GPE, ICMP, GENEVE options, GTP-U.
    pub struct FteMatchSetMisc3 [0x40] {
        0x000 [31:0] inner_tcp_seq_num: u32,
        0x004 [31:0] outer_tcp_seq_num: u32,
        0x008 [31:0] inner_tcp_ack_num: u32,
        0x00c [31:0] outer_tcp_ack_num: u32,
        0x010 [23:0] outer_vxlan_gpe_vni: u32,
        0x014 [31:24] outer_vxlan_gpe_next_protocol: u8,
        0x014 [23:16] outer_vxlan_gpe_flags: u8,
        0x018 [31:0] icmp_header_data: u32,
        0x01c [31:0] icmpv6_header_data: u32,
        0x020 [31:24] icmp_type: u8,
        0x020 [23:16] icmp_code: u8,
        0x020 [15:8] icmpv6_type: u8,
        0x020 [7:0] icmpv6_code: u8,
        0x024 [31:0] geneve_tlv_option_0_data: u32,
        0x028 [31:0] gtpu_teid: u32,
        0x02c [31:24] gtpu_msg_type: u8,
        0x02c [23:16] gtpu_msg_flags: u8,
        0x030 [31:0] gtpu_dw_2: u32,
        0x034 [31:0] gtpu_first_ext_dw_0: u32,
        0x038 [31:0] gtpu_dw_0: u32,
    }

    /// Miscellaneous 4: programmable sample fields.
    pub struct FteMatchSetMisc4 [0x40] {
        0x000 [31:0] prog_sample_field_value_0: u32,
        0x004 [31:0] prog_sample_field_id_0: u32,
        0x008 [31:0] prog_sample_field_value_1: u32,
        0x00c [31:0] prog_sample_field_id_1: u32,
        0x010 [31:0] prog_sample_field_value_2: u32,
        0x014 [31:0] prog_sample_field_id_2: u32,
        0x018 [31:0] prog_sample_field_value_3: u32,
        0x01c [31:0] prog_sample_field_id_3: u32,
    }

    /// Miscellaneous 5: MACsec tags and tunnel headers.
    pub struct FteMatchSetMisc5 [0x40] {
        0x000 [31:0] macsec_tag_0: u32,
        0x004 [31:0] macsec_tag_1: u32,
        0x008 [31:0] macsec_tag_2: u32,
        0x00c [31:0] macsec_tag_3: u32,
        0x010 [31:0] tunnel_header_0: u32,
        0x014 [31:0] tunnel_header_1: u32,
        0x018 [31:0] tunnel_header_2: u32,
        0x01c [31:0] tunnel_header_3: u32,
    }

    /// An MPLS label.
    pub struct FteMatchMpls [0x4] {
        0x000 [31:12] mpls_label: u32,
        0x000 [11:9] mpls_exp: u8,
        0x000 [8:8] mpls_s_bos: bool,
        0x000 [7:0] mpls_ttl: u8,
    }

    /// The key of NVGRE.
    pub struct NvgreKey [0x4] {
        0x000 [31:8] hi: u32,
        0x000 [7:0] lo: u8,
    }
}

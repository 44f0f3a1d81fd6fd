//! Numbers that stand in fields: which capability, register, object, table, destination, header field.
//!
//! Values and names are those of Linux 6.12's `mlx5_ifc.h`, `driver.h`, `device.h` and `fs_core.h`. Opcodes, statuses and
//! what entries carry are declared beside their layouts.

use crate::codes;

codes! {
    /// Capabilities, bits 15:1 of the operation modifier of QUERY_HCA_CAP; bit 0 asks for the current ones.
    pub enum CapType: u8 {
        GENERAL = 0x00,
        ETHERNET_OFFLOADS = 0x01,
        ODP = 0x02,
        ATOMIC = 0x03,
        ROCE = 0x04,
        IPOIB_OFFLOADS = 0x05,
        IPOIB_ENHANCED_OFFLOADS = 0x06,
        FLOW_TABLE = 0x07,
        ESWITCH_FLOW_TABLE = 0x08,
        ESWITCH = 0x09,
        QOS = 0x0c,
        DEBUG = 0x0d,
        DEV_MEM = 0x0f,
        TLS = 0x11,
        VDPA_EMULATION = 0x13,
        DEV_EVENT = 0x14,
        IPSEC = 0x15,
        CRYPTO = 0x1a,
        MACSEC = 0x1f,
        GENERAL_2 = 0x20,
        PORT_SELECTION = 0x25,
        ADV_VIRTUALIZATION = 0x26,
    }
}

codes! {
    /// Registers of ACCESS_REG.
    pub enum RegisterId: u16 {
        QPTS = 0x4002,
        QETCR = 0x4005,
        QTCT = 0x400a,
        QPDPM = 0x4013,
        QCAM = 0x4019,
        DCBX_PARAM = 0x4020,
        DCBX_APP = 0x4021,
        FPGA_CAP = 0x4022,
        FPGA_CTRL = 0x4023,
        FPGA_ACCESS_REG = 0x4024,
        CORE_DUMP = 0x402e,
        PCAP = 0x5001,
        PMLP = 0x5002,
        PMTU = 0x5003,
        PTYS = 0x5004,
        PAOS = 0x5006,
        PFCC = 0x5007,
        PPCNT = 0x5008,
        PUDE = 0x5009,
        PPTB = 0x500b,
        PBMC = 0x500c,
        PELC = 0x500e,
        PVLC = 0x500f,
        PMPE = 0x5010,
        PMAOS = 0x5012,
        PPLM = 0x5023,
        PDDR = 0x5031,
        PCMR = 0x5041,
        PCAM = 0x507f,
        NODE_DESC = 0x6001,
        HOST_ENDIANNESS = 0x7004,
        MTCAP = 0x9009,
        MTMP = 0x900a,
        MCIA = 0x9014,
        MFRL = 0x9028,
        MLCR = 0x902b,
        MRTC = 0x902d,
        MTRC_CAP = 0x9040,
        MTRC_CONF = 0x9041,
        MTRC_STDB = 0x9042,
        MTRC_CTRL = 0x9043,
        MPEIN = 0x9050,
        MPCNT = 0x9051,
        MTPPS = 0x9053,
        MTPPSE = 0x9054,
        MTUTC = 0x9055,
        MPEGC = 0x9056,
        MPIR = 0x9059,
        MCQS = 0x9060,
        MCQI = 0x9061,
        MCC = 0x9062,
        MCDA = 0x9063,
        MCAM = 0x907f,
        MSECQ = 0x9155,
        MSEES = 0x9156,
        MIRC = 0x9162,
        MTPTM = 0x9180,
        MTCTR = 0x9181,
        SBPR = 0xb001,
        SBCM = 0xb002,
        SBCAM = 0xb01f,
        RESOURCE_DUMP = 0xc000,
        DTOR = 0xc00e,
    }
}

codes! {
    /// Types of general objects.
    pub enum ObjectType: u16 {
        ENCRYPTION_KEY = 0x000c,
        IPSEC = 0x0013,
        SAMPLER = 0x0020,
        FLOW_METER_ASO = 0x0024,
        MACSEC = 0x0027,
        INT_KEK = 0x0047,
        FLOW_TABLE_ALIAS = 0xff15,
    }
}

codes! {
    /// Types of flow tables.
    pub enum FlowTableType: u8 {
        NIC_RX = 0x00,
        NIC_TX = 0x01,
        ESW_EGRESS_ACL = 0x02,
        ESW_INGRESS_ACL = 0x03,
        FDB = 0x04,
        SNIFFER_RX = 0x05,
        SNIFFER_TX = 0x06,
        RDMA_RX = 0x07,
        RDMA_TX = 0x08,
        PORT_SEL = 0x09,
        FDB_RX = 0x0a,
        FDB_TX = 0x0b,
    }
}

codes! {
    /// What the destination of an entry is.
    pub enum DestinationType: u8 {
        VPORT = 0x00,
        FLOW_TABLE = 0x01,
        TIR = 0x02,
        FLOW_SAMPLER = 0x06,
        UPLINK = 0x08,
        TABLE_TYPE = 0x0a,
    }
}

codes! {
    /// Kinds of packet reformats.
    pub enum ReformatType: u8 {
        L2_TO_VXLAN = 0x00,
        L2_TO_NVGRE = 0x01,
        L2_TO_L2_TUNNEL = 0x02,
        L3_TUNNEL_TO_L2 = 0x03,
        L2_TO_L3_TUNNEL = 0x04,
        ADD_ESP_TRANSPORT_OVER_IPV4 = 0x05,
        L2_TO_L3_ESP_TUNNEL = 0x06,
        ADD_ESP_TRANSPORT_OVER_UDPV4 = 0x07,
        DEL_ESP_TRANSPORT = 0x08,
        L3_ESP_TUNNEL_TO_L2 = 0x09,
        DEL_ESP_TRANSPORT_OVER_UDP = 0x0a,
        ADD_ESP_TRANSPORT_OVER_IPV6 = 0x0b,
        ADD_ESP_TRANSPORT_OVER_UDPV6 = 0x0c,
        INSERT_HDR = 0x0f,
        REMOVE_HDR = 0x10,
        ADD_MACSEC = 0x11,
        DEL_MACSEC = 0x12,
    }
}

codes! {
    /// Kinds of header rewriting.
    pub enum ModifyAction: u8 {
        SET = 0x01,
        ADD = 0x02,
        COPY = 0x03,
    }
}

codes! {
    /// Fields that header rewriting reaches.
    pub enum ModifyField: u16 {
        OUT_SMAC_47_16 = 0x0001,
        OUT_SMAC_15_0 = 0x0002,
        OUT_ETHERTYPE = 0x0003,
        OUT_DMAC_47_16 = 0x0004,
        OUT_DMAC_15_0 = 0x0005,
        OUT_IP_DSCP = 0x0006,
        OUT_TCP_FLAGS = 0x0007,
        OUT_TCP_SPORT = 0x0008,
        OUT_TCP_DPORT = 0x0009,
        OUT_IP_TTL = 0x000a,
        OUT_UDP_SPORT = 0x000b,
        OUT_UDP_DPORT = 0x000c,
        OUT_SIPV6_127_96 = 0x000d,
        OUT_SIPV6_95_64 = 0x000e,
        OUT_SIPV6_63_32 = 0x000f,
        OUT_SIPV6_31_0 = 0x0010,
        OUT_DIPV6_127_96 = 0x0011,
        OUT_DIPV6_95_64 = 0x0012,
        OUT_DIPV6_63_32 = 0x0013,
        OUT_DIPV6_31_0 = 0x0014,
        OUT_SIPV4 = 0x0015,
        OUT_DIPV4 = 0x0016,
        OUT_FIRST_VID = 0x0017,
        OUT_IPV6_HOPLIMIT = 0x0047,
        METADATA_REG_A = 0x0049,
        METADATA_REG_B = 0x0050,
        METADATA_REG_C_0 = 0x0051,
        METADATA_REG_C_1 = 0x0052,
        METADATA_REG_C_2 = 0x0053,
        METADATA_REG_C_3 = 0x0054,
        METADATA_REG_C_4 = 0x0055,
        METADATA_REG_C_5 = 0x0056,
        METADATA_REG_C_6 = 0x0057,
        METADATA_REG_C_7 = 0x0058,
        OUT_TCP_SEQ_NUM = 0x0059,
        OUT_TCP_ACK_NUM = 0x005b,
        IPSEC_SYNDROME = 0x005d,
        OUT_EMD_47_32 = 0x006f,
        OUT_EMD_31_0 = 0x0070,
    }
}

codes! {
    /// Groups of counters of PPCNT.
    pub enum CounterGroup: u8 {
        IEEE_802_3 = 0x00,
        RFC_2863 = 0x01,
        RFC_2819 = 0x02,
        RFC_3635 = 0x03,
        ETHERNET_EXTENDED = 0x05,
        PER_PRIORITY = 0x10,
        PER_TRAFFIC_CLASS = 0x11,
        PHYSICAL_LAYER = 0x12,
        PER_TRAFFIC_CLASS_CONGESTION = 0x13,
        PHYSICAL_LAYER_STATISTICAL = 0x16,
    }
}

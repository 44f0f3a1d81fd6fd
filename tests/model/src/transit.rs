//! A packet on its way through the device, with the registers that steering reads and writes.

/// A frame and its metadata.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transit {
    /// The frame from the destination MAC on, without FCS.
    pub(crate) bytes: Vec<u8>,
    /// Metadata register A: on transmit, `flow_table_metadata` of the Ethernet segment.
    pub(crate) reg_a: u32,
    /// Metadata register B: on receive, `ft_metadata` of the completion.
    pub(crate) reg_b: u32,
    /// Metadata registers C_0 … C_7.
    pub(crate) reg_c: [u32; 8],
    /// What decryption said: 0 fine, 1 ICV failure, 2 bad trailer.
    pub(crate) ipsec_syndrome: u8,
    /// Whether a decrypt action has run.
    pub(crate) decrypted: bool,
    /// Whether an encrypt action has run.
    pub(crate) encrypted: bool,
    /// The flow tag of the last entry that set one.
    pub(crate) flow_tag: u32,
    /// The SQ that sent it; 0 when it came from the wire.
    pub(crate) source_sqn: u32,
    /// The transport domain of the SQ that sent it, for self-loopback rules; `None` from the wire.
    pub(crate) transport_domain: Option<u32>,
    /// Whether it was looped back inside of the device.
    pub(crate) loopback: bool,
}

impl Transit {
    /// A frame from the wire.
    pub(crate) fn new(bytes: Vec<u8>) -> Transit {
        Transit { bytes, ..Transit::default() }
    }
}

//! The functions that this driver is for, by PCI ids: what has the command interface of ConnectX-4 and does Ethernet.
//!
//! The ids are those of the PCI ID database. Left out: Connect-IB, which has no Ethernet.

/// PCI vendor id of Mellanox.
pub const VENDOR: u16 = 0x15b3;

/// A kind of function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// PCI device id.
    pub device: u16,
    /// What the card is called.
    pub name: &'static str,
    /// Whether it is a virtual function: it has no part in what belongs to the card.
    pub is_virtual: bool,
}

const fn physical(device: u16, name: &'static str) -> Kind {
    Kind { device, name, is_virtual: false }
}

const fn virtual_(device: u16, name: &'static str) -> Kind {
    Kind { device, name, is_virtual: true }
}

/// All of them.
pub const KINDS: &[Kind] = &[
    physical(0x1013, "ConnectX-4"),
    virtual_(0x1014, "ConnectX-4 VF"),
    physical(0x1015, "ConnectX-4 Lx"),
    virtual_(0x1016, "ConnectX-4 Lx VF"),
    physical(0x1017, "ConnectX-5"),
    virtual_(0x1018, "ConnectX-5 VF"),
    physical(0x1019, "ConnectX-5 Ex"),
    virtual_(0x101a, "ConnectX-5 Ex VF"),
    physical(0x101b, "ConnectX-6"),
    virtual_(0x101c, "ConnectX-6 VF"),
    physical(0x101d, "ConnectX-6 Dx"),
    virtual_(0x101e, "ConnectX VF"),
    physical(0x101f, "ConnectX-6 Lx"),
    physical(0x1021, "ConnectX-7"),
    physical(0x1023, "ConnectX-8"),
    physical(0xa2d2, "BlueField"),
    virtual_(0xa2d3, "BlueField VF"),
    physical(0xa2d6, "BlueField-2"),
    physical(0xa2dc, "BlueField-3"),
];

/// What a function with these ids is, if this driver is for it.
pub fn find(vendor: u16, device: u16) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| vendor == VENDOR && kind.device == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_vendor_and_only_known_devices() {
        assert_eq!(find(VENDOR, 0x101d).map(|kind| kind.name), Some("ConnectX-6 Dx"));
        assert_eq!(find(VENDOR, 0x101e).map(|kind| kind.is_virtual), Some(true));
        assert_eq!(find(0x1af4, 0x101d), None);
        assert_eq!(find(VENDOR, 0x1011), None);
    }
}

//! What a device is: PCI identity, firmware, board, port.

use super::{Mistake, Value};

/// What a device is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// What it is called in a catalogue.
    pub description: String,
    /// Whether it is a physical function.
    pub physical: bool,
    /// PCI vendor.
    pub vendor: u16,
    /// PCI device.
    pub device: u16,
    /// PCI revision.
    pub revision: u8,
    /// PCI subsystem vendor.
    pub subsystem_vendor: u16,
    /// PCI subsystem.
    pub subsystem: u16,
    /// Firmware version: major, minor, subminor.
    pub firmware: [u16; 3],
    /// Hardware id in the health buffer.
    pub hardware: u32,
    /// Board id (PSID).
    pub board: String,
    /// Part number.
    pub part: String,
    /// Permanent MAC address.
    pub mac: [u8; 6],
    /// MSI-X vectors.
    pub vectors: u16,
    /// PCI Express: GT/s.
    pub link_speed: u8,
    /// PCI Express: lanes.
    pub link_width: u8,
    /// Pages wanted for boot.
    pub boot_pages: usize,
    /// Pages wanted for INIT_HCA.
    pub init_pages: usize,
    /// Bits of PTYS `ext_eth_proto` that the port can do.
    pub ext_eth_proto: u32,
    /// Bits of PTYS `eth_proto` that the port can do.
    pub eth_proto: u32,
    /// Lanes of the port.
    pub lanes: u8,
    /// The largest frame, with FCS.
    pub max_mtu: u16,
}

/// The keys of both sections.
const KEYS: &str = "identity: description, kind (pf, vf), vendor, device, revision, subsystem_vendor, \
    subsystem_device, firmware, psid, part, mac, vectors, bar_megabytes (32), link_speed, link_width, boot_pages, \
    init_pages, regular_pages (0); port: ext_eth_proto, eth_proto, lanes, max_mtu";

impl Identity {
    /// Sets one key of `[identity]` or `[port]`.
    pub(super) fn set(&mut self, section: &str, key: &str, value: &Value) -> Result<(), (Mistake, String)> {
        match (section, key) {
            ("identity", "description") => self.description = text(value)?.into(),
            ("identity", "kind") => {
                self.physical = match text(value)? {
                    "pf" => true,
                    "vf" => false,
                    other => return Err((Mistake::Value(other.into()), "pf, vf".into())),
                }
            }
            ("identity", "vendor") => self.vendor = number(value)?,
            ("identity", "device") => self.device = number(value)?,
            ("identity", "revision") => self.revision = number(value)?,
            ("identity", "subsystem_vendor") => self.subsystem_vendor = number(value)?,
            ("identity", "subsystem_device") => self.subsystem = number(value)?,
            ("identity", "firmware") => self.firmware = version(text(value)?)?,
            ("identity", "psid") => self.board = text(value)?.into(),
            ("identity", "part") => self.part = text(value)?.into(),
            ("identity", "mac") => self.mac = mac(text(value)?)?,
            ("identity", "vectors") => {
                self.vectors = number(value)?;
                // The table has to fit the room that BAR 0 has for it.
                if !(1..=256).contains(&self.vectors) {
                    return Err((Mistake::Value(self.vectors.to_string()), "1 to 256".into()));
                }
            }
            ("identity", "link_speed") => self.link_speed = number(value)?,
            ("identity", "link_width") => self.link_width = number(value)?,
            ("identity", "boot_pages") => self.boot_pages = number(value)?,
            ("identity", "init_pages") => self.init_pages = number(value)?,
            ("identity", "bar_megabytes") => only(value, 32)?,
            ("identity", "regular_pages") => only(value, 0)?,
            ("port", "ext_eth_proto") => self.ext_eth_proto = bits(value)?,
            ("port", "eth_proto") => self.eth_proto = bits(value)?,
            ("port", "lanes") => self.lanes = number(value)?,
            ("port", "max_mtu") => self.max_mtu = number(value)?,
            _ => return Err((Mistake::Unknown, KEYS.into())),
        }
        self.hardware = 0x200 | u32::from(self.device & 0xff);
        Ok(())
    }
}

fn text(value: &Value) -> Result<&str, (Mistake, String)> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err((Mistake::Type(value.kind()), "a text".into())),
    }
}

fn number<T: TryFrom<u64>>(value: &Value) -> Result<T, (Mistake, String)> {
    match value {
        Value::Number(number) => T::try_from(*number)
            .map_err(|_| (Mistake::Value(number.to_string()), format!("{} bytes", size_of::<T>()))),
        _ => Err((Mistake::Type(value.kind()), "a whole number".into())),
    }
}

fn only(value: &Value, expected: u64) -> Result<(), (Mistake, String)> {
    let found: u64 = number(value)?;
    if found == expected { Ok(()) } else { Err((Mistake::Value(found.to_string()), expected.to_string())) }
}

fn bits(value: &Value) -> Result<u32, (Mistake, String)> {
    let Value::Numbers(list) = value else {
        return Err((Mistake::Type(value.kind()), "a list of bit numbers".into()));
    };
    let mut mask = 0;
    for bit in list {
        if *bit > 31 {
            return Err((Mistake::Value(bit.to_string()), "0 to 31".into()));
        }
        mask |= 1 << bit;
    }
    Ok(mask)
}

fn version(text: &str) -> Result<[u16; 3], (Mistake, String)> {
    let parts: Vec<u16> = text.split('.').filter_map(|part| part.parse().ok()).collect();
    parts.try_into().map_err(|_| (Mistake::Value(text.into()), "major.minor.subminor".into()))
}

/// Six bytes in hexadecimal with colons between them.
fn mac(text: &str) -> Result<[u8; 6], (Mistake, String)> {
    let parts: Vec<u8> = text.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    parts.try_into().map_err(|_| (Mistake::Value(text.into()), "six bytes, 00:11:22:33:44:55".into()))
}

//! What a device is and offers: capability profiles, read from data files and changed by SET_HCA_CAP.

mod commands;
mod document;
mod fields;
mod identity;
#[cfg(test)]
mod tests;

pub(crate) use commands::COMMANDS;
pub use document::{Mistake, ProfileError};
pub use identity::Identity;

use document::{Line, Value};
use mlx5_pci::prm::{
    CmdHcaCap, CmdHcaCap2, FieldInfo, FlowTableNicCap, IpsecCap, McamReg, PcamReg,
    PerProtocolNetworkingOffloadCaps, QcamReg, QosCap,
};

/// Bytes of a capability of any type.
pub(crate) const CAPABILITY: usize = 4096;

/// The profiles that come with the model, by short name.
const BUILT_IN: &[(&str, &str, &str)] = &[
    ("cx6dx", "connectx-6-dx", include_str!("../../profiles/connectx-6-dx.toml")),
    ("cx7", "connectx-7", include_str!("../../profiles/connectx-7.toml")),
    ("vf", "vf", include_str!("../../profiles/vf.toml")),
];

/// A chapter of capabilities.
struct Chapter {
    /// Its name in profiles.
    name: &'static str,
    /// Its type in QUERY_HCA_CAP; `None` for what registers answer.
    kind: Option<u8>,
    fields: &'static [FieldInfo],
}

/// Every chapter of a profile.
const CHAPTERS: &[Chapter] = &[
    Chapter { name: "general", kind: Some(0x0), fields: CmdHcaCap::FIELDS },
    Chapter { name: "ethernet", kind: Some(0x1), fields: PerProtocolNetworkingOffloadCaps::FIELDS },
    Chapter { name: "flow_table", kind: Some(0x7), fields: FlowTableNicCap::FIELDS },
    Chapter { name: "qos", kind: Some(0xc), fields: QosCap::FIELDS },
    Chapter { name: "ipsec", kind: Some(0x15), fields: IpsecCap::FIELDS },
    Chapter { name: "general_2", kind: Some(0x20), fields: CmdHcaCap2::FIELDS },
    Chapter { name: "pcam", kind: None, fields: PcamReg::FIELDS },
    Chapter { name: "mcam", kind: None, fields: McamReg::FIELDS },
    Chapter { name: "qcam", kind: None, fields: QcamReg::FIELDS },
];

/// A device as its data file describes it.
#[derive(Clone, Debug)]
pub struct Profile {
    identity: Identity,
    /// Current and maximal capabilities of each chapter, in the order of [`CHAPTERS`].
    chapters: Vec<[Vec<u8>; 2]>,
    general: CmdHcaCap,
}

impl Profile {
    /// A profile that comes with the model: `cx6dx`, `cx7` or `vf`.
    ///
    /// # Errors
    /// When there is none of this name; the error says which there are.
    pub fn named(name: &str) -> Result<Profile, ProfileError> {
        match BUILT_IN.iter().find(|(short, long, _)| *short == name || *long == name) {
            Some((_, file, text)) => Profile::from_toml(file, text),
            None => Err(ProfileError {
                file: name.into(),
                line: 0,
                key: String::new(),
                mistake: Mistake::Unknown,
                accepted: BUILT_IN.iter().map(|(short, ..)| *short).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// A profile from its text; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ProfileError`] with line, key and what is accepted.
    pub fn from_toml(file: &str, text: &str) -> Result<Profile, ProfileError> {
        let lines = document::read(file, text)?;
        let mut profile = match lines.iter().find(|line| line.key == "like") {
            Some(Line { value: Value::Text(base), .. }) => Profile::named(base)?,
            _ => Profile {
                identity: Identity::default(),
                chapters: CHAPTERS.iter().map(|_| [vec![0; CAPABILITY], vec![0; CAPABILITY]]).collect(),
                general: CmdHcaCap::default(),
            },
        };
        // What a maximum is not told otherwise is what is current, so maxima come last.
        let (maxima, others): (Vec<&Line>, Vec<&Line>) =
            lines.iter().filter(|line| line.key != "like").partition(|line| line.key.starts_with("max."));
        for line in others.into_iter().chain(maxima) {
            profile.apply(line).map_err(|(mistake, accepted)| ProfileError {
                file: file.into(),
                line: line.line,
                key: line.key.clone(),
                mistake,
                accepted,
            })?;
        }
        Ok(profile)
    }

    fn apply(&mut self, line: &Line) -> Result<(), (Mistake, String)> {
        let (section, key) = line.key.split_once('.').unwrap_or(("", &line.key));
        if matches!(section, "identity" | "port") {
            return self.identity.set(section, key, &line.value);
        }
        let Value::Number(value) = line.value else {
            return Err((Mistake::Type(line.value.kind()), "a whole number".into()));
        };
        match line.key.strip_prefix("max.") {
            Some(path) => self.put(path, value, &[1]),
            None => self.put(&line.key, value, &[0, 1]),
        }
    }

    /// Switches a single capability, current and maximal: `profile.set("general.ipsec_offload", 0)`.
    ///
    /// # Errors
    /// When there is no such capability or the value does not fit; the error says what there is.
    pub fn set(&mut self, path: &str, value: u64) -> Result<(), ProfileError> {
        self.put(path, value, &[0, 1]).map_err(|(mistake, accepted)| ProfileError {
            file: "set".into(),
            line: 0,
            key: path.into(),
            mistake,
            accepted,
        })
    }

    fn put(&mut self, path: &str, value: u64, which: &[usize]) -> Result<(), (Mistake, String)> {
        let (name, key) = path.split_once('.').unwrap_or((path, ""));
        let Some(index) = CHAPTERS.iter().position(|chapter| chapter.name == name) else {
            let names: Vec<&str> = CHAPTERS.iter().map(|chapter| chapter.name).collect();
            return Err((Mistake::Unknown, format!("identity, port, max.…, {}", names.join(", "))));
        };
        let place = fields::find(CHAPTERS[index].fields, key)?;
        for side in which {
            place.store(&mut self.chapters[index][*side], value)?;
        }
        self.general = CmdHcaCap::copy_from(&self.chapters[0][0]);
        Ok(())
    }

    fn chapter(&self, name: &str) -> &[u8] {
        let index = CHAPTERS.iter().position(|chapter| chapter.name == name).unwrap_or(0);
        &self.chapters[index][0]
    }

    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Gives the function another permanent address.
    pub fn set_mac(&mut self, mac: [u8; 6]) {
        self.identity.mac = mac;
    }

    /// Whether it is a physical function, which may change the port's registers.
    pub fn is_physical(&self) -> bool {
        self.identity.physical
    }

    /// Current general capabilities.
    pub fn general(&self) -> &CmdHcaCap {
        &self.general
    }

    /// Second page of general capabilities.
    pub fn general_2(&self) -> CmdHcaCap2 {
        CmdHcaCap2::copy_from(self.chapter("general_2"))
    }

    /// Ethernet offloads.
    pub fn ethernet(&self) -> PerProtocolNetworkingOffloadCaps {
        PerProtocolNetworkingOffloadCaps::copy_from(self.chapter("ethernet"))
    }

    /// Flow steering.
    pub fn flow_table(&self) -> FlowTableNicCap {
        FlowTableNicCap::copy_from(self.chapter("flow_table"))
    }

    /// IPsec.
    pub fn ipsec(&self) -> IpsecCap {
        IpsecCap::copy_from(self.chapter("ipsec"))
    }

    /// Quality of service.
    pub fn qos(&self) -> QosCap {
        QosCap::copy_from(self.chapter("qos"))
    }

    /// Features of the port, as PCAM answers them.
    pub fn pcam(&self) -> PcamReg {
        PcamReg::copy_from(self.chapter("pcam"))
    }

    /// Features of management, as MCAM answers them.
    pub fn mcam(&self) -> McamReg {
        McamReg::copy_from(self.chapter("mcam"))
    }

    /// Features of quality of service, as QCAM answers them.
    pub fn qcam(&self) -> QcamReg {
        QcamReg::copy_from(self.chapter("qcam"))
    }
}

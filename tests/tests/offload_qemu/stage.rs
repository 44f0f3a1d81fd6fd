//! What the tests of this suite have in common: the world on cards, and what its status says of SAs.

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::model::Model;
use ravelin_tests::prerequisites::Need;
use ravelin_tests::topology::{ALL_ESP, PeerIs, Ports, Settings, Status, World};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Both of the image's cards do ESP.
pub(crate) const CARDS: Ports = Ports::Cards(&["cx7", "cx6dx"]);
/// Until the status says what is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of a pcap file's header, and of a record's.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Boots the image on two cards.
pub(crate) fn boot(name: &str, needs: &[Need], peer: PeerIs, settings: &Settings) -> Result<World> {
    World::boot_on(CARDS, name, needs, peer, settings)
}

/// A child that a card has to do, or it is refused.
pub(crate) fn on_card(lines: &str) -> String {
    format!("{lines}\nhw_offload = \"packet\"\nreplay_window = 64")
}

/// The same without extended sequence numbers, which strongSwan's own ESP has not; the card has no replay window then.
pub(crate) fn settings_without_esn() -> Settings {
    const ESP: &str = r#"["aes128gcm16", "aes256gcm16"]"#;
    let mut settings = Settings::default();
    for (_, lines) in &mut settings.children {
        *lines = format!("{}\nhw_offload = \"packet\"\nreplay_window = 0", lines.replace(ALL_ESP, ESP));
    }
    settings
}

/// The default settings with the child `net` on a card.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    for (_, lines) in &mut settings.children {
        *lines = on_card(lines);
    }
    settings
}

/// The frames in a pcap file of this machine's byte order.
pub(crate) fn frames(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut bytes = fs::read(path).unwrap_or_default().split_off(FILE_HEADER);
    let mut frames = Vec::new();
    while bytes.len() >= RECORD_HEADER {
        let length = bytes.get(8..12).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes);
        let rest = bytes.split_off(RECORD_HEADER + length as usize);
        frames.push(bytes.split_off(RECORD_HEADER));
        bytes = rest;
    }
    demand(!frames.is_empty(), "frames on the wire", path.display())?;
    Ok(frames)
}

/// Lets these frames arrive at a card from its wire.
pub(crate) fn inject(model: &Model, card: usize, frames: &[Vec<u8>]) -> Result<()> {
    frames.iter().try_for_each(|frame| {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        model.tell(&format!("inject {card} {hex}"))
    })
}

/// One SA as the status has it: its `key=value` pairs.
pub(crate) type Sa = BTreeMap<String, String>;

/// All SAs.
pub(crate) fn sas(status: &Status) -> Vec<Sa> {
    let lines = status.text.lines().filter_map(|line| line.split("sa: ").nth(1));
    let pairs = |line: &str| {
        line.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    lines.map(pairs).collect()
}

/// A number of an SA.
pub(crate) fn number(sa: &Sa, key: &str) -> Result<u64> {
    sa.get(key).and_then(|value| value.parse().ok()).ok_or_else(|| Error::Observed {
        expected: format!("{key}=number of an SA"),
        found: format!("{sa:?}"),
    })
}

/// Demands that there are `count` SAs and that the outside card does all of them.
pub(crate) fn all_on_card(world: &mut World, count: usize) -> Result<Vec<Sa>> {
    let status = world.status()?;
    let sas = sas(&status);
    let on_card = |sa: &Sa| {
        sa.get("engine").is_some_and(|engine| engine == "card")
            && sa.get("port").is_some_and(|port| port == "outside")
    };
    demand(
        sas.len() == count && sas.iter().all(on_card),
        format!("{count} SAs, all on the outside card"),
        &status.text,
    )?;
    Ok(sas)
}

/// Demands that no card has refused anything.
pub(crate) fn judge(world: &World) -> Result<()> {
    let model = world.model.as_ref();
    (0..2).try_for_each(|card| model.map_or(Ok(()), |model| model.demand_no_refusals(card)))
}

//! What the tests of this suite have in common: the world on cards, and what its status says of SAs.

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::prerequisites::Need;
use ravelin_tests::topology::{ALL_ESP, PeerIs, Ports, Settings, Status, World};
use std::collections::BTreeMap;

/// Both of the image's cards do ESP.
pub(crate) const CARDS: Ports = Ports::Cards(["cx7", "cx6dx"]);
/// Until the status says what is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

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

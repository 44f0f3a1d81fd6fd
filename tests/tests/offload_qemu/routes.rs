//! Two wires to the peer, a card on each: SAs go where the route goes. strongSwan is the peer.
//!
//! ```text
//!   image  outside 10.9.0.2  ── 10.9.0.1   peer
//!          backup  10.19.0.2 ── 10.19.0.1
//!          10.98.0.2                       10.98.0.1     where IKE and ESP begin and end
//! ```

use crate::stage::{PATIENCE, judge, sas, settings_without_esn};
use core::time::Duration;
use ravelin_tests::charon::Charon;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::ping::{self, Background};
use ravelin_tests::prerequisites::Need;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::topology::{
    BACKUP_PEER, GATEWAY, HOST, NET, PEER, PEER_HOST, PEER_NET, PeerIs, Ports, Settings, Status, World,
};

const OWN: &str = "10.98.0.2";
const PEER_OWN: &str = "10.98.0.1";
const BACKUP: &str = "10.19.0.2";
/// How long the outside has no link, in seconds.
const DOWN: u64 = 8;

fn settings() -> Settings {
    let mut settings = settings_without_esn();
    settings.more = format!(
        "[[port]]\nname = \"backup\"\nside = \"outside\"\naddresses = [\"{BACKUP}/24\", \"{OWN}/32\"]
[[route]]\nto = \"{PEER_OWN}/32\"\nvia = \"{PEER}\"
[[route]]\nto = \"{PEER_OWN}/32\"\nvia = \"{BACKUP_PEER}\"\nmetric = 10\n"
    );
    settings
}

/// Whether there is one child, both of whose SAs are done by the card of `port`.
fn is_on(status: &Status, port: &str) -> bool {
    let sas = sas(status);
    let on = |key: &str, value: &str| sas.iter().all(|sa| sa.get(key).is_some_and(|found| found == value));
    sas.len() == 2 && status.children() == 1 && on("engine", "card") && on("port", port)
}

#[test]
fn sas_follow_the_route_from_card_to_card_and_back() -> Result<()> {
    let ports = Ports::Cards(&["cx7", "cx7", "cx7"]);
    let needs = [Need::StrongSwan, Need::Captures];
    let mut world = World::boot_on(ports, "routes", &needs, PeerIs::TheNamespace, &settings())?;
    world.outside.address("lo", &format!("{PEER_OWN}/32"))?;
    world.outside.route(&format!("{OWN} via {GATEWAY}"))?;
    // What comes by another way than packets would leave by is taken.
    world.outside.sh("sysctl -qw net.ipv4.conf.all.rp_filter=0; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done")?;
    let connection = Connection::new(PEER_OWN, OWN).child(Child::tunnel("net", "aes128gcm16", PEER_NET, NET));
    let charon = Charon::start(&world.outside, &[connection])?;
    charon.initiate("net")?;
    ping::all(&world.inside, HOST, PEER_HOST, 3)?;
    demand(is_on(&world.status()?, "outside"), "SAs on the outside's card", &world.status()?.text)?;

    // The wire breaks. The peer's router notices, as ours does.
    let model = |world: &World, line: &str| world.model.as_ref().map_or(Ok(()), |model| model.tell(line));
    model(&world, &format!("fault 0 link-flap down={DOWN}"))?;
    world.outside.route(&format!("{OWN} via {BACKUP}"))?;
    world.until("SAs on the other card", PATIENCE, |status| is_on(status, "backup"))?;
    ping::all(&world.inside, HOST, PEER_HOST, 3)?;

    // It is whole again: the gateway goes back, the peer stays where it is. What comes by the other port is for the card that
    // has the key.
    let pings = [
        Background::start(&world.outside, PEER_HOST, HOST, Duration::from_millis(5))?,
        Background::start(&world.inside, HOST, PEER_HOST, Duration::from_millis(5))?,
    ];
    world.until("SAs back", Duration::from_secs(DOWN) + PATIENCE, |status| is_on(status, "outside"))?;
    std::thread::sleep(Duration::from_secs(1));
    for pings in pings {
        let (echoes, lost) = pings.stop()?;
        demand(lost.is_empty(), "no lost ping on the way back", format!("{lost:?}"))?;
        demand(echoes.received > 100, "pings all the time", echoes.received)?;
    }
    let status = world.status()?;
    demand(status.given_back() > 100, "ESP by the other port given to the card", &status.text)?;
    demand(!status.drops().contains_key("gateway.other_port"), "none by the wrong port", &status.text)?;
    judge(&world)
}

//! A tunnel by IKE with strongSwan through two cards, ESP in software: protected packets take the same ports.

use ravelin_tests::charon::Charon;
use ravelin_tests::error::Result;
use ravelin_tests::ping;
use ravelin_tests::prerequisites::Need;
use ravelin_tests::topology::{HOST, PEER_HOST, PeerIs, Ports, Settings, World, connection};

const NEEDS: &[Need] = &[Need::StrongSwan, Need::Captures];
const CARDS: Ports = Ports::Cards(&["cx7", "cx6dx"]);

#[test]
fn a_tunnel_in_udp_through_two_cards() -> Result<()> {
    let world = World::boot_on(CARDS, "udp", NEEDS, PeerIs::TheNamespace, &Settings::default())?;
    let charon = Charon::start(&world.outside, &[connection("aes128gcm16")])?;
    charon.initiate("net")?;
    ping::all(&world.outside, PEER_HOST, HOST, 10)?;
    ping::all(&world.inside, HOST, PEER_HOST, 10)?;
    let model = world.model.as_ref();
    (0..2).try_for_each(|card| model.map_or(Ok(()), |model| model.demand_no_refusals(card)))
}

//! What `ethtool` reads and switches: counters, features, one at a time, with traffic after each.

use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::{INTERFACE, Pair, counter_of};

/// The driver's own counters, the card's port counters and the model's agree on what crossed.
pub(crate) fn counters_agree(pair: &Pair) -> Result<()> {
    let read = || pair.guests[0].sh(&format!("ethtool -S {INTERFACE}"));
    let before = read()?;
    pair.ping(0, "10.0.0.2", 10, 1000)?;
    let after = read()?;
    for name in ["tx_packets", "rx_packets", "tx_packets_phy", "rx_packets_phy", "rx_vport_unicast_packets"] {
        let grown = counter_of(&after, name)? - counter_of(&before, name)?;
        demand((10..40).contains(&grown), format!("{name} to grow by ten echoes and a little more"), grown)?;
    }
    for name in ["tx_bytes", "rx_bytes", "tx_bytes_phy", "rx_bytes_phy"] {
        let grown = counter_of(&after, name)? - counter_of(&before, name)?;
        demand((10_420..20_000).contains(&grown), format!("{name} to grow by ten frames of 1042"), grown)?;
    }
    for name in ["rx_discards_phy", "rx_crc_errors_phy", "tx_errors_phy", "rx_out_of_buffer"] {
        demand(counter_of(&after, name)? == 0, format!("{name} to be nought"), counter_of(&after, name)?)?;
    }
    Ok(())
}

/// Each feature off and on again, with a transfer in either state.
pub(crate) fn features_can_be_switched(pair: &Pair) -> Result<()> {
    for feature in ["tso", "tx", "rx", "gro", "rxhash"] {
        for state in ["off", "on"] {
            for guest in &pair.guests {
                guest.sh(&format!("ethtool -K {INTERFACE} {feature} {state}"))?;
            }
            pair.wait_for_carrier()?;
            let before = pair.counter(0, "tx_tso_packets")?;
            pair.transfer(0, "10.0.0.2", 4)?;
            if feature == "tso" {
                let large = pair.counter(0, "tx_tso_packets")? > before;
                demand(large == (state == "on"), format!("large sends with tso {state}"), large)?;
            }
        }
        // Without checksums Linux switches large sends off too, and does not bring them back by itself.
        for guest in &pair.guests {
            guest.sh(&format!("ethtool -K {INTERFACE} tso on"))?;
        }
    }
    Ok(())
}

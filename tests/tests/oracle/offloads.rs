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
        let grown = counter_of(&after, name)? - counter_of(&before, name)?;
        demand(grown == 0, format!("{name} to stay"), grown)?;
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

/// What the driver keeps as private flags: compressed completions, striding receive queues, several packets in one send
/// WQE; each in either state, with a transfer both ways, and the driver's own counter as the witness where it has one.
pub(crate) fn private_flags_can_be_switched(pair: &Pair) -> Result<()> {
    for (flag, witness) in [
        ("rx_cqe_compress", Some((1, "rx_cqe_compress_blks"))),
        ("skb_tx_mpwqe", Some((0, "tx_mpwqe_blks"))),
        ("rx_striding_rq", None),
    ] {
        let was = pair.guests[0].sh(&format!("ethtool --show-priv-flags {INTERFACE}"))?;
        let was = was.lines().find_map(|line| line.trim().strip_prefix(flag)?.trim().strip_prefix(": "));
        let was = was.map(str::trim).unwrap_or_default().to_owned();
        demand(was == "on" || was == "off", format!("the private flag {flag}"), &was)?;
        let other = if was == "on" { "off" } else { "on" };
        for state in [other, was.as_str()] {
            for guest in &pair.guests {
                guest.sh(&format!("ethtool --set-priv-flags {INTERFACE} {flag} {state}"))?;
                // The driver switches it off with compression, and leaves it so.
                guest.sh(&format!("[ {flag} = rx_cqe_compress ] || ethtool -K {INTERFACE} rxhash on"))?;
            }
            pair.wait_for_carrier()?;
            let before = witness.map(|(guest, name)| pair.counter(guest, name));
            pair.transfer(0, "10.0.0.2", 8)?;
            pair.transfer(1, "10.0.0.1", 4)?;
            if let (Some((guest, name)), Some(before)) = (witness, before) {
                let grown = pair.counter(guest, name)? - before?;
                demand((grown > 0) == (state == "on"), format!("{name} with {flag} {state}"), grown)?;
            }
        }
    }
    Ok(())
}

/// Large receive offload: segments arrive merged, and their hash is right.
pub(crate) fn received_segments_are_merged(pair: &Pair) -> Result<()> {
    let guest = &pair.guests[1];
    guest.sh(&format!("ethtool -K {INTERFACE} lro on"))?;
    pair.wait_for_carrier()?;
    let before = pair.counter(1, "rx_lro_packets")?;
    pair.transfer(0, "10.0.0.2", 20)?;
    let merged = pair.counter(1, "rx_lro_packets")? - before;
    demand(merged > 100, "packets merged from several", merged)?;
    guest.sh(&format!("ethtool -K {INTERFACE} lro off"))?;
    pair.wait_for_carrier()
}

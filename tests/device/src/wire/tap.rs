//! A wire to a tap of this host: frames are the host's as if it had a network card on the wire.
//!
//! Attaching to a tap takes an ioctl; the crate `tappers` has the safe wrapper. A tap that exists (`ip tuntap add NAME
//! mode tap`) is used, with the bridge and addresses that it has; otherwise the kernel makes one that lives as long as
//! the process.

use super::Wire;
use crate::card::Card;
use std::sync::Arc;
use std::{io, thread};
use tappers::{Interface, Tap};

/// Longest frame of a tap: an IP packet of 64 KiB with its Ethernet header and a tag.
const LONGEST: usize = 65_535 + 18;

impl Wire {
    pub(super) fn join_tap(self: &Arc<Wire>, card: &Arc<Card>, name: &str) -> io::Result<()> {
        let mut tap = Tap::new_named(Interface::new(name)?)?;
        tap.set_up()?;
        let (tap, out) = (Arc::new(tap), self.back(card)?);
        let host = tap.clone();
        self.lead(
            card.outgoing(),
            Box::new(move |frames| {
                for frame in frames {
                    // A tap that is down takes nothing, as an unplugged cable.
                    let _ = host.send(&frame);
                }
            }),
        )?;
        thread::Builder::new().name(format!("tap of {}", card.name())).spawn(move || {
            let mut frame = vec![0; LONGEST];
            loop {
                match tap.recv(&mut frame) {
                    Ok(length) => {
                        out.push([frame[..length].to_vec()]);
                        out.settle();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return log::error!("the tap is gone: {error}"),
                }
            }
        })?;
        Ok(())
    }
}

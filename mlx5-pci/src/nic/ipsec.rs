//! SAs on a port (see [`crate::ipsec`]): where their tables stand between those of the port, and what a port that fails
//! means for them.
//!
//! ```text
//!   wire ─► addresses ─► SAs ─► kinds of traffic ─► queues      a packet out of an SA carries its handle in `sa_in`
//!   queues ─► SAs ─► wire                                       a packet that names one in `sa_out` is sealed or dropped
//! ```
//!
//! Fragments of ESP meet no SA. Reassembled, they are the card's to open all the same, which has the key and the window: so
//! a port that does ESP gives back what it sends to its own address, see [`Mlx5::comes_back`].
//!
//! A port that is down has no SAs: they end with it, [`Event::Dead`] says so, and after [`Mlx5::recover`] there are none.
//! A compressed CQE has its metadata from the title of its block: only packets of which all that agrees share one.

use super::Mlx5;
use crate::cmd::{Cause, CmdError, Commands};
use crate::error::Error;
use crate::hal::Function;
use crate::ipsec::{Counts, Event, Handle, Install, InstallError, Offload, Settings, State};
use crate::queues::Queues;
use alloc::boxed::Box;

/// Bytes of an Ethernet header with a VLAN tag.
const HEADER: usize = 18;

/// What was handed to the device up to some time, see [`Mlx5::is_drained`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// How often the port was started before.
    life: u64,
    packets: u64,
}

impl<F: Function> Mlx5<F> {
    /// Lets the card do ESP from now on, also after each recovery. Nothing changes if it does so already.
    ///
    /// # Errors
    /// That the card can't, and why; the port goes on as before. When a command fails, the port is down until
    /// [`Mlx5::recover`].
    pub fn enable_ipsec(&mut self, settings: Settings) -> Result<(), InstallError> {
        let receive = self.receive.as_ref().ok_or(InstallError::Down)?;
        if self.ipsec.is_some() {
            return Ok(());
        }
        let outcome = match Offload::create(&mut self.device, settings, receive.kinds()) {
            Ok(offload) => {
                self.ipsec = Some(Box::new(offload));
                self.pass_ipsec().map_err(InstallError::Device)
            }
            Err(error) => Err(error),
        };
        if matches!(outcome, Err(InstallError::Device(_) | InstallError::Down)) {
            self.fall();
        }
        outcome
    }

    /// Makes the tables of SAs anew, after a reset, if there were any.
    pub(super) fn renew_ipsec(&mut self) -> Result<(), Error> {
        let (Some(offload), Some(receive)) = (&mut self.ipsec, &self.receive) else { return Ok(()) };
        offload.renew(&mut self.device, receive.kinds()).map_err(|error| match error {
            InstallError::Device(error) => error,
            _ => Error::Lacks("the IPsec that it had"),
        })?;
        self.pass_ipsec()
    }

    /// Leads all packets through the tables of SAs.
    fn pass_ipsec(&mut self) -> Result<(), Error> {
        let (Some(offload), Some(receive), Some(queues)) = (&self.ipsec, &mut self.receive, &mut self.queues)
        else {
            return Err(Error::Down);
        };
        receive.via(&mut self.device, Some(offload.entry()))?;
        queues.channels().iter_mut().for_each(crate::channel::Channel::protect);
        self.comes_back = match self.hear_itself() {
            // Then fragments of ESP are lost, and nothing else.
            Err(Error::Cmd(CmdError { cause: Cause::Refused { .. }, .. })) => 0,
            outcome => outcome?,
        };
        Ok(())
    }

    /// Lets the port receive what it sends to its own address: up to what vport and receive buffers can take, whatever the
    /// wire's MTU. Returns that.
    fn hear_itself(&mut self) -> Result<u16, Error> {
        let caps = self.device.caps();
        let Some(queues) = self.queues.as_ref().filter(|_| caps.ethernet.self_lb_en_modifiable()) else {
            return Ok(0);
        };
        let frame = Queues::<F>::largest_frame(caps, &self.settings.queues, &self.pool);
        let packet = u16::try_from(frame.saturating_sub(HEADER)).unwrap_or(u16::MAX);
        let largest = self.device.max_mtu()?.min(packet).max(self.settings.mtu);
        self.device.set_vport_mtu(largest)?;
        queues.hear_itself(self.device.commands())?;
        self.device.set_loopback(true)?;
        Ok(largest)
    }

    /// The largest IP packet that comes back to the port's receive tables when it is sent to its own address; 0: none does.
    /// It comes back whole or, if an SA opens it, opened; its source address is the one it was sent with.
    pub fn comes_back(&self) -> u16 {
        if self.receive.is_some() { self.comes_back } else { 0 }
    }

    /// Looks after SAs. On an error the port has to be recovered.
    pub(super) fn mend_ipsec(&mut self) -> Result<(), Error> {
        let Some(offload) = &mut self.ipsec else { return Ok(()) };
        offload.poll(self.device.commands())?;
        if offload.is_broken() { Err(Error::Down) } else { Ok(()) }
    }

    /// What does ESP, if [`Mlx5::enable_ipsec`] has succeeded.
    pub fn ipsec(&self) -> Option<&Offload<F>> {
        self.ipsec.as_deref()
    }

    /// What does ESP and what it gives its commands to; nothing while the port is down.
    pub fn ipsec_mut(&mut self) -> Option<(&mut Offload<F>, &mut Commands<F>)> {
        self.receive.as_ref()?;
        Some((self.ipsec.as_deref_mut()?, self.device.commands()))
    }

    /// Installs an SA: see [`Offload::install`].
    ///
    /// # Errors
    /// Why it is not on the card. When the card's state is not known any more, the port is down.
    pub fn install(&mut self, sa: &Install) -> Result<Handle, InstallError> {
        let (offload, commands) = self.ipsec_mut().ok_or(InstallError::Down)?;
        let outcome = offload.install(commands, sa);
        self.fall_if_broken();
        outcome
    }

    /// Takes an SA off the card: see [`Offload::retire`].
    ///
    /// # Errors
    /// When a command fails: then the port is down, and the SA does nothing any more.
    pub fn retire(&mut self, handle: Handle) -> Result<Option<Counts>, Error> {
        let Some((offload, commands)) = self.ipsec_mut() else { return Ok(None) };
        let outcome = offload.retire(commands, handle);
        self.fall_if_broken();
        outcome
    }

    /// Reads the live state of an SA: see [`Offload::read`].
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn read(&mut self, handle: Handle) -> Result<Option<State>, Error> {
        let Some((offload, commands)) = self.ipsec_mut() else { return Ok(None) };
        offload.read(commands, handle)
    }

    /// Whether it fills in the checksums of a packet inside of one that names an SA: see
    /// [`Queues::fills_inside`](crate::queues::Queues::fills_inside).
    pub fn fills_inside(&self) -> bool {
        self.queues.as_ref().is_some_and(crate::queues::Queues::fills_inside)
    }

    /// What has happened to SAs, until nothing; found out by [`Mlx5::poll`].
    pub fn ipsec_event(&mut self) -> Option<Event> {
        self.ipsec.as_mut()?.event()
    }

    fn fall_if_broken(&mut self) {
        if self.ipsec.as_ref().is_some_and(|offload| offload.is_broken()) {
            self.fall();
        }
    }

    /// All packets that were handed to the device so far. When no more of them name an SA, and they are drained, it can be
    /// retired without the loss of a packet.
    pub fn posted(&self) -> Posted {
        Posted { life: self.lives, packets: self.posted_packets() }
    }

    fn posted_packets(&self) -> u64 {
        let channels = self.queues.as_ref().map(crate::queues::Queues::channels_ref).unwrap_or_default();
        channels.first().map_or(0, crate::channel::Channel::posted)
    }

    /// Whether the device is done with all of `posted`.
    pub fn is_drained(&mut self, posted: Posted) -> bool {
        let Some(queues) = self.queues.as_mut().filter(|_| posted.life == self.lives) else { return true };
        // Only the first channel sends.
        queues.channels().first_mut().is_none_or(|channel| {
            channel.reap();
            channel.posted().saturating_sub(channel.outstanding().into()) >= posted.packets
        })
    }
}

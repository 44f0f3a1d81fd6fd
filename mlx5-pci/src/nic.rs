//! A function as a port of the gateway: [`net::Nic`] over all of its channels, by one core.
//!
//! [`Mlx5::poll`] is for what is not a packet: link, queues in error, health. It is called every few hundred milliseconds,
//! and never from the data path. While the device is ill nothing is sent or received until [`Mlx5::recover`] has made all
//! of it anew.
//!
//! ESP by the card is in [`ipsec`]. Left out: channels on cores of their own, as packets of `net` stay on one core.

mod ipsec;

use crate::channel::ChannelStats;
use crate::device::Device;
use crate::error::Error;
use crate::hal::Function;
use crate::ipsec::Offload;
use crate::port::Mac;
use crate::prm::EventType;
use crate::queues::{Queues, Settings};
use crate::steering::receive::{Filter, Receive};
use alloc::boxed::Box;
pub use ipsec::Posted;
use net::wire::EthernetAddress;
use net::{Burst, Link, Nic, NicStats, Offloads, Pool, PortId};

/// The most events that are looked at in one go, whatever a device writes.
const EVENTS: usize = 256;

/// What a port is made with.
#[derive(Clone, Debug)]
pub struct PortSettings {
    /// Its queues.
    pub queues: Settings,
    /// The largest IP packet; buffers of the pool have to hold it.
    pub mtu: u16,
    /// What it receives besides broadcast.
    pub filter: Filter,
}

/// A started port.
pub struct Mlx5<F: Function> {
    device: Device<F>,
    /// What leads packets to the queues; nothing while the port is down.
    receive: Option<Receive>,
    /// Stay until the device has let go of them: after a reset, or when it was told to forget them.
    queues: Option<Queues<F>>,
    /// SAs, if the card does ESP.
    ipsec: Option<Box<Offload<F>>>,
    /// Largest packet that comes back when the port sends it to itself.
    comes_back: u16,
    settings: PortSettings,
    pool: Pool,
    port: PortId,
    mac: Mac,
    link: Link,
    /// The channel that is polled first, so that none starves the others.
    turn: usize,
    /// What queues of before a recovery have counted.
    before: NicStats,
    /// How often it was started.
    lives: u64,
}

impl<F: Function> Mlx5<F> {
    /// Starts the port on `device`. Frames carry `port`; receive buffers come from `pool`, unless they are slabs.
    ///
    /// # Errors
    /// The first step that fails; the device is reset then, and reaches no memory.
    pub fn new(device: Device<F>, settings: PortSettings, pool: Pool, port: PortId) -> Result<Self, Error> {
        let link = Link { up: false, mtu: settings.mtu };
        let mut nic = Self {
            device,
            receive: None,
            queues: None,
            ipsec: None,
            comes_back: 0,
            settings,
            pool,
            port,
            mac: [0; 6],
            link,
            turn: 0,
            before: NicStats::default(),
            lives: 0,
        };
        match nic.start() {
            Ok(()) => Ok(nic),
            Err(error) => {
                // Whatever exists already must not reach memory that is about to go.
                nic.device.recover()?;
                nic.queues = None;
                Err(error)
            }
        }
    }

    fn start(&mut self) -> Result<(), Error> {
        let (domain, caps) = (self.device.domain()?, self.device.caps().clone());
        self.mac = self.device.mac()?;
        self.device.set_mtu(self.settings.mtu)?;
        self.device.set_loopback(false)?;
        self.lives += 1;
        let commands = self.device.commands();
        let made = Queues::create(commands, &domain, &caps, &self.settings.queues, &self.pool)?;
        let queues = self.queues.insert(made);
        let mut receive = Receive::create(&mut self.device, queues.tirs())?;
        receive.set_filter(&mut self.device, &self.settings.filter)?;
        self.receive = Some(receive);
        self.renew_ipsec()?;
        self.look()
    }

    /// Asks for the state of the link.
    fn look(&mut self) -> Result<(), Error> {
        self.link.up = self.device.link()?.up;
        Ok(())
    }

    /// Looks after all that is not a packet. On an error the port is down until [`Mlx5::recover`].
    ///
    /// # Errors
    /// When the device is ill, or a command fails.
    pub fn poll(&mut self) -> Result<Link, Error> {
        let outcome = self.mend().and_then(|()| self.mend_ipsec());
        if outcome.is_err() {
            // Nothing leaves by a device that is not trusted any more.
            self.fall();
        }
        outcome.map(|()| self.link)
    }

    fn mend(&mut self) -> Result<(), Error> {
        if self.receive.is_none() {
            return Err(Error::Down);
        }
        self.device.check().map_err(Error::Ill)?;
        for _ in 0..EVENTS {
            let Some(event) = self.device.commands().event()? else { break };
            if event.kind == EventType::PORT_CHANGE {
                self.look()?;
            }
            if let Some(queues) = &mut self.queues {
                queues.note(&event);
            }
        }
        self.device.commands().arm_events();
        match &mut self.queues {
            Some(queues) => queues.repair(self.device.commands()),
            None => Ok(()),
        }
    }

    fn fall(&mut self) {
        self.receive = None;
        self.link.up = false;
        if let Some(offload) = &mut self.ipsec {
            offload.bury();
        }
    }

    /// Resets the device and makes everything anew. Packets that it held are lost.
    ///
    /// # Errors
    /// The first step that fails; it may be tried again.
    pub fn recover(&mut self) -> Result<(), Error> {
        self.fall();
        self.device.recover()?;
        // The device has forgotten them.
        self.before = self.stats();
        self.queues = None;
        let outcome = self.start();
        if outcome.is_err() {
            self.fall();
        }
        outcome
    }

    /// Takes the port down: every page and every packet is back.
    ///
    /// # Errors
    /// The first step that fails; the device is reset then.
    pub fn close(mut self) -> Result<(), Error> {
        let Some(mut receive) = self.receive.take() else {
            self.device.recover()?;
            self.queues = None;
            return self.device.close();
        };
        if let Some(offload) = &mut self.ipsec {
            receive.via(&mut self.device, None)?;
            offload.close(self.device.commands())?;
        }
        receive.destroy(&mut self.device)?;
        if let Some(queues) = &mut self.queues {
            queues.destroy(self.device.commands())?;
        }
        if let Some(offload) = &mut self.ipsec {
            offload.destroy(self.device.commands())?;
        }
        self.device.close()
    }

    /// The device.
    pub fn device(&mut self) -> &mut Device<F> {
        &mut self.device
    }

    fn sum(&self) -> ChannelStats {
        let channels = self.queues.as_ref().map(Queues::channels_ref).unwrap_or_default();
        channels.iter().map(super::channel::Channel::stats).fold(ChannelStats::default(), |sum, one| {
            ChannelStats {
                rx_frames: sum.rx_frames + one.rx_frames,
                rx_bytes: sum.rx_bytes + one.rx_bytes,
                rx_drops: sum.rx_drops + one.rx_drops,
                tx_frames: sum.tx_frames + one.tx_frames,
                tx_bytes: sum.tx_bytes + one.tx_bytes,
                tx_drops: sum.tx_drops + one.tx_drops,
                strange: sum.strange + one.strange,
                repairs: sum.repairs + one.repairs,
            }
        })
    }
}

impl<F: Function> Nic for Mlx5<F> {
    fn mac(&self) -> EthernetAddress {
        EthernetAddress(self.mac)
    }

    fn link(&self) -> Link {
        self.link
    }

    fn rx(&mut self, out: &mut Burst) -> usize {
        let (Some(_), Some(queues)) = (&self.receive, &mut self.queues) else { return 0 };
        let function = self.device.commands().function();
        let channels = queues.channels();
        let count = channels.len();
        let before = out.len();
        for ahead in 0..count {
            let Some(channel) = channels.get_mut((self.turn + ahead) % count) else { break };
            channel.rx(function, self.port, out);
        }
        self.turn = (self.turn + 1) % count.max(1);
        out.len() - before
    }

    fn tx(&mut self, from: &mut Burst) -> usize {
        let (Some(_), Some(queues)) = (&self.receive, &mut self.queues) else {
            // Nothing leaves by a dead port, and nothing waits for it.
            let taken = from.len();
            self.before.tx_drops += taken as u64;
            from.clear();
            return taken;
        };
        let commands = self.device.commands();
        let (function, bar) = (commands.function(), commands.bar());
        queues.channels().first_mut().map_or(0, |channel| channel.tx(function, bar, from))
    }

    fn arm(&mut self) -> bool {
        let (Some(_), Some(queues)) = (&self.receive, &mut self.queues) else { return true };
        let bar = self.device.commands().bar();
        queues.channels().iter_mut().all(|channel| channel.arm(bar))
    }

    fn stats(&self) -> NicStats {
        let (sum, before) = (self.sum(), self.before);
        NicStats {
            rx_frames: before.rx_frames + sum.rx_frames,
            rx_bytes: before.rx_bytes + sum.rx_bytes,
            // Completions that cannot be may have been packets.
            rx_drops: before.rx_drops + sum.rx_drops + sum.strange,
            tx_frames: before.tx_frames + sum.tx_frames,
            tx_bytes: before.tx_bytes + sum.tx_bytes,
            tx_drops: before.tx_drops + sum.tx_drops,
        }
    }

    fn offloads(&self) -> Offloads {
        let esp = self.ipsec.is_some();
        self.queues.as_ref().map_or(Offloads::NONE, |queues| Offloads { esp, ..queues.offloads() })
    }
}

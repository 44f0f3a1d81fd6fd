//! A ConnectX that does ESP, as the SAD asks for it ([`ipsec::offload::Card`]) and as a port of the loop ([`net::Nic`]): one
//! driver, shared by the two.
//!
//! The card does transport mode. What tunnel mode puts around a packet is put there by software ([`ipsec::offload`] says
//! why), so what the driver offers beyond that, [`mlx5_pci::ipsec::Mode::Tunnel`], is not used here.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use core::cell::{Ref, RefCell, RefMut};

use ipsec::offload::{Card, CardCounts, CardEvent, CardSa, Name, Reason};
use ipsec::{Algorithm, Direction, Key};
use mlx5_pci::error::Error;
use mlx5_pci::hal::Function;
use mlx5_pci::ipsec::{self as esp, Counts, Handle, Install, InstallError, Limits, Mode, Secret, Settings};
use mlx5_pci::nic::Mlx5;
use net::wire::EthernetAddress;
use net::{Burst, Instant, Link, Nic, NicStats, Offloads, PortId};

/// How often the device is asked whether it has sent what it was given, before an SA is taken from it.
const DRAINING: usize = 10_000;
/// Bytes of AES keys.
const AES_128: usize = 16;
const AES_256: usize = 32;

struct Inner<F: Function> {
    nic: Mlx5<F>,
    port: PortId,
    events: VecDeque<CardEvent>,
    /// Why it does no ESP, if it does none.
    lacks: Option<Reason>,
}

/// A port of a ConnectX, whoever holds it.
pub struct Shared<F: Function>(Rc<RefCell<Inner<F>>>);

impl<F: Function> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<F: Function> Shared<F> {
    /// Shares `nic`, whose frames carry `port`, and lets it do ESP if it can.
    pub fn new(mut nic: Mlx5<F>, port: PortId) -> Self {
        let lacks = nic.enable_ipsec(Settings::default()).err().map(|error| reason(port, error));
        Self(Rc::new(RefCell::new(Inner { nic, port, events: VecDeque::new(), lacks })))
    }

    /// Why the card does no ESP, if it does none.
    pub fn lacks(&self) -> Option<Reason> {
        self.0.borrow().lacks.clone()
    }

    /// The driver. It is not to be kept.
    pub fn nic(&self) -> RefMut<'_, Mlx5<F>> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.nic)
    }

    fn look(&self) -> Ref<'_, Mlx5<F>> {
        Ref::map(self.0.borrow(), |inner| &inner.nic)
    }

    /// Looks after all that is not a packet: see [`Mlx5::poll`].
    ///
    /// # Errors
    /// What ails the device; then the port is down until [`Shared::recover`].
    pub fn look_after(&self) -> Result<Link, Error> {
        self.nic().poll()
    }

    /// Makes the device anew: see [`Mlx5::recover`].
    ///
    /// # Errors
    /// The first step that failed.
    pub fn recover(&self) -> Result<(), Error> {
        let mut inner = self.0.borrow_mut();
        inner.nic.recover()?;
        inner.gather();
        if inner.lacks.is_none() {
            inner.events.push_back(CardEvent::Up);
        }
        Ok(())
    }
}

impl<F: Function> Inner<F> {
    /// Takes what has happened from the driver.
    fn gather(&mut self) {
        while let Some(event) = self.nic.ipsec_event() {
            self.events.push_back(match event {
                esp::Event::Soft(handle, _) => CardEvent::Soft(Name(handle.bits())),
                esp::Event::Hard(handle, _) => CardEvent::Hard(Name(handle.bits())),
                esp::Event::Dead => CardEvent::Dead,
                esp::Event::Crossed(..) => continue,
            });
        }
    }
}

fn reason(port: PortId, error: InstallError) -> Reason {
    match error {
        InstallError::Down => Reason::Down(port),
        error => Reason::Card(format!("{error}").into()),
    }
}

fn counts(counts: &Counts) -> CardCounts {
    CardCounts {
        packets: counts.all.packets,
        bad_icv: counts.bad_icv.packets,
        bad_trailer: counts.bad_trailer.packets,
        replayed: counts.replay.packets,
    }
}

/// An SA in the driver's words, with `secret`.
fn install(sa: &CardSa, secret: Secret) -> Install {
    let CardSa { local, remote, encap, .. } = *sa;
    let opens = sa.direction == Direction::In;
    let (source, destination) = if opens { (remote, local) } else { (local, remote) };
    let udp = encap.map(|encap| {
        let (local, remote) = (encap.local_port, encap.remote_port);
        let (source, destination) = if opens { (remote, local) } else { (local, remote) };
        esp::Ports { source, destination }
    });
    Install {
        // More than the card has, it refuses.
        direction: if opens {
            esp::Direction::Receive { window: u16::try_from(sa.window).unwrap_or(u16::MAX) }
        } else {
            esp::Direction::Send
        },
        spi: sa.spi.0,
        source,
        destination,
        mode: Mode::Transport,
        udp,
        vlan: None,
        secret,
        // IVs are sequence numbers then, as those of software are.
        iv: [0; 8],
        esn: sa.esn,
        sequence: 1,
        packets: Limits { soft: None, hard: sa.packets },
        octets: Limits::default(),
        selector: None,
    }
}

fn secret(algorithm: Algorithm, key: &[u8], salt: [u8; 4]) -> Option<Secret> {
    let key = match algorithm {
        Algorithm::AesGcm128 => esp::Key::Aes128(key.try_into().ok()?),
        Algorithm::AesGcm256 => esp::Key::Aes256(key.try_into().ok()?),
        Algorithm::ChaCha20Poly1305 => return None,
    };
    Some(Secret { key, salt })
}

impl<F: Function> Card for Shared<F> {
    fn check(&self, sa: &CardSa) -> Result<(), Reason> {
        let inner = self.0.borrow();
        if let Some(lacks) = &inner.lacks {
            return Err(lacks.clone());
        }
        let offload = inner.nic.ipsec().filter(|offload| !offload.is_broken());
        let offload = offload.ok_or(Reason::Down(inner.port))?;
        let length = if sa.algorithm == Algorithm::AesGcm128 { AES_128 } else { AES_256 };
        // What the card can do does not depend on the key.
        let Some(secret) = secret(sa.algorithm, &[0; AES_256][..length], [0; 4]) else {
            return Err(Reason::Card(format!("the card has no {}", sa.algorithm.name()).into()));
        };
        if sa.direction == Direction::Out && sa.encap.is_some() && sa.local.is_ipv6() {
            //= rfc8200#8.1
            let words = "the card leaves the UDP checksum 0, which receivers refuse over IPv6";
            return Err(Reason::Card(words.into()));
        }
        let abilities = offload.abilities();
        let wanted = install(sa, secret);
        if !offload.has_room(&wanted) {
            return Err(reason(inner.port, InstallError::Full));
        }
        abilities.check(&wanted).map_err(|refusal| reason(inner.port, refusal.into()))
    }

    fn install(&mut self, sa: &CardSa, key: Key) -> Result<Name, Reason> {
        let mut inner = self.0.borrow_mut();
        let port = inner.port;
        let secret = key.consume(|key, salt| secret(sa.algorithm, key, salt));
        let secret = secret.ok_or_else(|| Reason::Card("the key has a wrong length".into()))?;
        let handle = inner.nic.install(&install(sa, secret)).map_err(|error| reason(port, error))?;
        Ok(Name(handle.bits()))
    }

    fn retire(&mut self, name: Name) -> Option<CardCounts> {
        let mut inner = self.0.borrow_mut();
        // What names the SA and is with the card already still leaves.
        let posted = inner.nic.posted();
        let _ = (0..DRAINING).find(|_| inner.nic.is_drained(posted));
        // When this fails the port is down, and `Dead` comes.
        let last = inner.nic.retire(Handle::from_bits(name.0)).ok().flatten();
        last.map(|last| counts(&last))
    }

    fn counts(&mut self, each: &mut dyn FnMut(Name, CardCounts)) {
        let mut inner = self.0.borrow_mut();
        let Some((offload, commands)) = inner.nic.ipsec_mut() else { return };
        // A card that does not answer is found out by `look_after`.
        for (handle, of) in offload.count_all(commands).unwrap_or_default() {
            each(Name(handle.bits()), counts(&of));
        }
    }

    fn poll(&mut self, _: Instant) -> Option<CardEvent> {
        let mut inner = self.0.borrow_mut();
        inner.gather();
        inner.events.pop_front()
    }

    fn takes_back(&self) -> u16 {
        self.look().comes_back()
    }
}

impl<F: Function> Nic for Shared<F> {
    fn mac(&self) -> EthernetAddress {
        self.look().mac()
    }

    fn link(&self) -> Link {
        self.look().link()
    }

    #[inline]
    fn rx(&mut self, out: &mut Burst) -> usize {
        self.nic().rx(out)
    }

    #[inline]
    fn tx(&mut self, from: &mut Burst) -> usize {
        self.nic().tx(from)
    }

    #[inline]
    fn arm(&mut self) -> bool {
        self.nic().arm()
    }

    fn stats(&self) -> NicStats {
        self.look().stats()
    }

    fn offloads(&self) -> Offloads {
        self.look().offloads()
    }
}

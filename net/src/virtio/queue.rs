//! The only unsafe part of the driver: a started device, its two rings, and the packets it holds.
//!
//! virtio 1.2 sections 2.7 (split rings), 3.1.1 (initialisation) and 5.1.6 (one buffer per frame, header
//! and frame together). The rings are the crate's [`VirtQueue`]; this module adds ownership: a packet
//! that is lent to the device lies in a slot that nothing can reach until the device has returned it,
//! and everything stays where it is until the device has confirmed a reset. If it never does, its memory
//! is leaked rather than freed under it.
//!
//! What the device writes into the used ring is a claim, not a fact: an unknown token ends the port
//! ([`Fault`]), a length is only ever used to cut a packet shorter.
//!
//! Left out: `Hal::unshare` for packets that a reset takes back, since the crate has no call for it (a
//! `Hal` that maps or copies would keep its entry); indirect and packed rings, and EVENT_IDX, because the crate can neither suppress interrupts
//! with it nor compare its indices across the wrap. Suppression by flag is one store per state change.
#![allow(unsafe_code)]

use alloc::{boxed::Box, vec::Vec};
use core::mem::ManuallyDrop;
use core::sync::atomic::{Ordering, fence};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport};
use virtio_drivers::{Error, Hal};

use crate::packet::Packet;

/// Status reads before a reset is taken as refused. A device model answers the first one.
const RESET_POLLS: u32 = 1_000_000;

/// The device has broken the rules of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It returned this token, which it does not hold.
    Token(u16),
    /// The ring refused an operation.
    Ring(Error),
}

/// Which way the bytes of a ring go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The device writes: receive.
    ToDriver,
    /// The device reads: transmit.
    ToDevice,
}

/// A ring and the packets that the device holds through it.
pub(super) struct Queue<H: Hal, const N: usize> {
    ring: VirtQueue<H, N>,
    direction: Direction,
    /// Packets by token. A packet in here is not touched until its token comes back.
    lent: Box<[Option<Packet>]>,
}

impl<H: Hal, const N: usize> Queue<H, N> {
    fn new<T: Transport>(transport: &mut T, index: u16, direction: Direction) -> Result<Self, Error> {
        let ring = VirtQueue::new(transport, index, false, false)?;
        let lent: Vec<_> = (0..N).map(|_| None).collect();
        Ok(Self { ring, direction, lent: lent.into_boxed_slice() })
    }

    /// Buffers that [`Queue::lend`] still takes.
    pub(super) fn free(&self) -> usize {
        self.ring.available_desc()
    }

    /// Whether the device has returned something.
    pub(super) fn has_used(&self) -> bool {
        self.ring.can_pop()
    }

    /// Gives all bytes of a packet to the device, to read or to fill. Returns the packet if it is empty
    /// or the ring is full.
    pub(super) fn lend(&mut self, mut packet: Packet) -> Result<(), Packet> {
        if packet.is_empty() {
            return Err(packet);
        }
        let added = match self.direction {
            // SAFETY: the bytes are on the heap, so moving the packet into its slot leaves them in place.
            // Nothing reads or writes the slot until `reclaim` has popped the token, and slots are not
            // dropped before the device is reset (`Device::drop`).
            Direction::ToDevice => unsafe { self.ring.add(&[packet.bytes()], &mut []) },
            // SAFETY: as above; the buffer is exclusively ours to lend, since we own the packet.
            Direction::ToDriver => unsafe { self.ring.add(&[], &mut [packet.bytes_mut()]) },
        };
        match added {
            Ok(token) => {
                // The token is from the ring's own free list: below N, and its slot is empty.
                self.lent[usize::from(token)] = Some(packet);
                Ok(())
            }
            Err(_) => Err(packet),
        }
    }

    /// Takes back the next packet that the device is done with, and the number of bytes that it says it
    /// has written there: a claim, not bounded by the packet.
    pub(super) fn reclaim(&mut self) -> Result<Option<(Packet, usize)>, Fault> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let slot = self.lent.get_mut(usize::from(token)).ok_or(Fault::Token(token))?;
        let Some(packet) = slot.as_mut() else { return Err(Fault::Token(token)) };
        let popped = match self.direction {
            // SAFETY: `packet` is what `lend` has passed for this token, untouched since.
            Direction::ToDevice => unsafe { self.ring.pop_used(token, &[packet.bytes()], &mut []) },
            // SAFETY: as above.
            Direction::ToDriver => unsafe { self.ring.pop_used(token, &[], &mut [packet.bytes_mut()]) },
        };
        // An error leaves the packet lent: the device may still own it.
        let written = popped.map_err(Fault::Ring)?;
        Ok(slot.take().map(|packet| (packet, written as usize)))
    }

    /// Whether the device wants to hear of what has been lent since it last looked.
    pub(super) fn wants_notify(&self) -> bool {
        // The ring's index must be visible before the device's flag is read, or both sides can conclude
        // that the other will act (virtio 1.2, 2.7.13.4.1).
        fence(Ordering::SeqCst);
        self.ring.should_notify()
    }

    /// Asks for interrupts, or not. A hint: the device may interrupt regardless.
    pub(super) fn interrupts(&mut self, wanted: bool) {
        self.ring.set_dev_notify(wanted);
        if wanted {
            // The flag must be visible before the caller looks at the ring for the last time.
            fence(Ordering::SeqCst);
        }
    }
}

/// A live device with a receive and a transmit ring of `N` buffers each.
pub(super) struct Device<H: Hal, T: Transport, const N: usize> {
    pub(super) transport: T,
    pub(super) rx: ManuallyDrop<Queue<H, N>>,
    pub(super) tx: ManuallyDrop<Queue<H, N>>,
}

impl<H: Hal, T: Transport, const N: usize> Device<H, T, N> {
    /// Sets up both rings of a device whose features are settled. The device does not run yet.
    pub(super) fn new(mut transport: T, rx: u16, tx: u16) -> Result<Self, Error> {
        // A ring that is dropped here on an error was never live: DRIVER_OK is not set.
        let rx = Queue::new(&mut transport, rx, Direction::ToDriver)?;
        let tx = Queue::new(&mut transport, tx, Direction::ToDevice)?;
        Ok(Self { transport, rx: ManuallyDrop::new(rx), tx: ManuallyDrop::new(tx) })
    }

    /// Resets the device, after which it touches no memory. False if it does not confirm.
    pub(super) fn reset(&mut self) -> bool {
        reset(&mut self.transport)
    }
}

impl<H: Hal, T: Transport, const N: usize> Drop for Device<H, T, N> {
    fn drop(&mut self) {
        if !self.reset() {
            log::error!("virtio-net: the device does not reset; its rings and packets are leaked");
            return;
        }
        // SAFETY: dropped here only, once; the fields are not used afterwards. The device is reset, so
        // it holds no address of rings or packets any more.
        unsafe {
            ManuallyDrop::drop(&mut self.rx);
            ManuallyDrop::drop(&mut self.tx);
        }
    }
}

/// Writes status 0 and waits until it reads back (virtio 1.2, 4.1.4.3.2).
pub(super) fn reset<T: Transport>(transport: &mut T) -> bool {
    transport.set_status(DeviceStatus::empty());
    for _ in 0..RESET_POLLS {
        if transport.get_status().is_empty() {
            return true;
        }
        core::hint::spin_loop();
    }
    false
}

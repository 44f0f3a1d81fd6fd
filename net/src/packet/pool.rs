//! A stock of packets that are taken and come back on drop, so that the fast path never allocates.

use alloc::{rc::Rc, vec};

use super::stock::Stock;
use super::{BUFFER, Body, Buffer, HEADROOM, Meta, Packet, TAILROOM};

/// A fixed stock of buffers of one size. Cloning gives another handle to the same stock.
#[derive(Clone)]
pub struct Pool {
    free: Rc<Stock>,
    bytes: usize,
}

impl core::fmt::Debug for Pool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pool").field("available", &self.available()).finish()
    }
}

impl Pool {
    /// Allocates `count` buffers of [`BUFFER`] bytes.
    pub fn new(count: usize) -> Self {
        Self::with_buffers(count, BUFFER)
    }

    /// Allocates `count` buffers for Ethernet frames of `frame` bytes, with [`HEADROOM`] and as much tailroom as a standard
    /// buffer has: for ports with a large MTU.
    pub fn for_frames(count: usize, frame: usize) -> Self {
        Self::with_buffers(count, (HEADROOM + frame + TAILROOM).next_multiple_of(64))
    }

    fn with_buffers(count: usize, bytes: usize) -> Self {
        let free = Stock::default();
        (0..count)
            .for_each(|_| free.put(Body::new(Buffer::Own(vec![0; bytes].into_boxed_slice()), HEADROOM)));
        Self { free: Rc::new(free), bytes }
    }

    /// Bytes of each buffer behind [`HEADROOM`].
    pub fn room(&self) -> usize {
        self.bytes - HEADROOM
    }

    /// An empty packet with [`HEADROOM`], or nothing if the stock is used up.
    #[inline]
    pub fn take(&self) -> Option<Packet> {
        let mut body = self.free.take()?;
        (body.head, body.tail) = (HEADROOM, HEADROOM);
        body.home = Some(self.free.clone());
        body.meta = Meta::default();
        Some(Packet(Some(body)))
    }

    /// Buffers in stock.
    #[inline]
    pub fn available(&self) -> usize {
        self.free.count()
    }
}

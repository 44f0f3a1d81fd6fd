//! The owned packet buffer of the data path. Headers are pushed into its headroom and trailers into its
//! tailroom, so that ESP works in place. Buffers come from a [`Pool`] and go back to it on drop, so
//! that the fast path never allocates.
//!
//! ```text
//!   0        head                      tail        capacity
//!   | headroom | bytes of the packet     | tailroom  |
//! ```

mod meta;
mod pool;
mod slab;
mod stock;
mod train;

use alloc::{boxed::Box, rc::Rc, vec};
use core::ops::{Deref, DerefMut};

pub use meta::{Fill, Meta, Train};
pub use pool::Pool;
use slab::Part;
pub use slab::{Slab, Slabs, View};
use stock::Stock;

/// Bytes in front of a received frame: device header (12), and what ESP pushes before an inner packet:
/// Ethernet (14), outer IPv6 (40), UDP (8), ESP header and IV (16), rounded up to a cache line.
pub const HEADROOM: usize = 128;
/// Bytes of one standard buffer: a 1,500-byte packet with all that can be pushed and appended.
pub const BUFFER: usize = 2048;
/// Bytes behind a received frame for what ESP appends: padding, trailer and ICV, rounded up to a cache line.
pub const TAILROOM: usize = 128;
/// Bytes of a buffer that holds any reassembled IP packet.
pub const JUMBO: usize = 65_535 + HEADROOM + TAILROOM;

/// Where the bytes of a packet lie: in memory of its own, or in its part of a slab.
enum Buffer {
    Own(Box<[u8]>),
    View(Part),
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::View(part) => part,
        }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::View(part) => part,
        }
    }
}

/// A packet that owns its bytes. It is as large as a pointer: bursts and rings hold many, and move them often.
///
/// Its facts are reached as those of its [`Body`]: `packet.meta`.
// Nothing only once it is being dropped.
pub struct Packet(Option<Box<Body>>);

/// What a packet points at, in two cache lines; it goes back to its pool as a whole.
#[repr(align(64))]
pub struct Body {
    buf: Buffer,
    head: usize,
    tail: usize,
    /// The pool that memory of its own goes back to.
    home: Option<Rc<Stock>>,
    /// The next one: in a stock while it is not in use, in a train while it is.
    next: Option<Box<Body>>,
    /// Facts beside the bytes.
    pub meta: Meta,
}

impl Body {
    /// An empty packet that begins `head` bytes into `buf`.
    fn new(buf: Buffer, head: usize) -> Box<Self> {
        Box::new(Self { buf, head, tail: head, home: None, next: None, meta: Meta::default() })
    }
}

impl Deref for Packet {
    type Target = Body;

    #[inline(always)]
    fn deref(&self) -> &Body {
        match &self.0 {
            Some(body) => body,
            None => unreachable!("a packet after its drop"),
        }
    }
}

impl DerefMut for Packet {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Body {
        match &mut self.0 {
            Some(body) => body,
            None => unreachable!("a packet after its drop"),
        }
    }
}

impl From<View> for Packet {
    /// An empty packet where the view says that one lies.
    #[inline]
    fn from(view: View) -> Self {
        let View { part, packet: head } = view;
        let mut body = match part.bodies().take() {
            Some(body) => body,
            None => Body::new(Buffer::Own(Box::default()), 0),
        };
        // What is replaced has no bytes: forgetting it saves looking.
        core::mem::forget(core::mem::replace(&mut body.buf, Buffer::View(part)));
        (body.head, body.tail) = (head, head);
        body.meta = Meta::default();
        Self(Some(body))
    }
}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        if let Some(body) = &self.0
            && body.next.is_some()
        {
            self.let_go();
        }
        let Some(mut body) = self.0.take() else { return };
        if let Buffer::View(_) = body.buf {
            if let Buffer::View(part) = core::mem::replace(&mut body.buf, Buffer::Own(Box::default())) {
                part.bodies().put(body);
            }
        } else if let Some(home) = body.home.take() {
            home.put(body);
        }
        // It is nothing since `take`; said once more where what drops fields sees it and has nothing left to do.
        core::mem::forget(self.0.take());
    }
}

impl Packet {
    /// An empty packet in memory of its own, with room for `capacity` bytes behind [`HEADROOM`]. For
    /// control traffic and reassembly, not for the fast path.
    pub fn with_capacity(capacity: usize) -> Self {
        let buf = Buffer::Own(vec![0; HEADROOM + capacity].into_boxed_slice());
        Self(Some(Body::new(buf, HEADROOM)))
    }

    /// A packet in memory of its own that holds a copy of `bytes`, with 64 bytes of tailroom.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut packet = Self::with_capacity(bytes.len() + 64);
        packet.tail += bytes.len();
        packet.bytes_mut().copy_from_slice(bytes);
        packet
    }

    /// The bytes of the packet.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.head..self.tail]
    }

    /// The bytes of the packet.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let body = &mut **self;
        &mut body.buf[body.head..body.tail]
    }

    /// The `n` bytes in front of the packet, which are in its headroom: what was pulled, while nothing was pushed.
    #[inline]
    pub fn before(&self, n: usize) -> Option<&[u8]> {
        self.buf.get(self.head.checked_sub(n)?..self.head)
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.tail - self.head
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Bytes that [`Packet::push`] can still take.
    #[inline]
    pub fn headroom(&self) -> usize {
        self.head
    }

    /// Bytes that [`Packet::append`] can still take.
    #[inline]
    pub fn tailroom(&self) -> usize {
        self.buf.len() - self.tail
    }

    /// Grows the packet by `n` bytes at the front and returns them, content undefined; `None` (and no
    /// change) if the headroom is too small.
    #[inline]
    #[must_use]
    pub fn push(&mut self, n: usize) -> Option<&mut [u8]> {
        let body = &mut **self;
        body.head = body.head.checked_sub(n)?;
        Some(&mut body.buf[body.head..body.head + n])
    }

    /// Removes `n` bytes from the front; false (and no change) if there are fewer.
    #[inline]
    #[must_use]
    pub fn pull(&mut self, n: usize) -> bool {
        let enough = n <= self.len();
        if enough {
            self.head += n;
        }
        enough
    }

    /// Grows the packet by `n` bytes at the end and returns them, content undefined; `None` (and no
    /// change) if the tailroom is too small.
    #[inline]
    #[must_use]
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let body = &mut **self;
        let start = body.tail;
        let room = body.buf.get_mut(start..)?.get_mut(..n)?;
        body.tail = start + n;
        Some(room)
    }

    /// Cuts the packet to `n` bytes; false (and no change) if it is shorter.
    #[inline]
    #[must_use]
    pub fn truncate(&mut self, n: usize) -> bool {
        let enough = n <= self.len();
        if enough {
            self.tail = self.head + n;
        }
        enough
    }

    /// Empties the packet and puts its head `headroom` bytes into the buffer (at most its capacity).
    pub fn reset(&mut self, headroom: usize) {
        self.let_go();
        self.head = headroom.min(self.buf.len());
        self.tail = self.head;
        self.meta = Meta::default();
    }
}

impl core::fmt::Debug for Packet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Packet")
            .field("len", &self.len())
            .field("headroom", &self.headroom())
            .field("meta", &self.meta)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_return_to_their_pool() {
        let pool = Pool::new(2);
        let first = pool.take().unwrap();
        let second = pool.take().unwrap();
        assert!(pool.take().is_none());
        drop(first);
        assert_eq!(pool.available(), 1);
        drop(second);
        assert_eq!(pool.available(), 2);
    }

    #[test]
    fn large_frames_have_the_same_room_around_them() {
        let pool = Pool::for_frames(1, 9018);
        let mut packet = pool.take().unwrap();
        assert!(packet.append(9018).is_some());
        assert!(packet.headroom() >= HEADROOM && packet.tailroom() >= TAILROOM);
        assert_eq!(pool.room(), packet.len() + packet.tailroom());
        drop(packet);
        assert_eq!(pool.available(), 1);
    }

    #[test]
    fn room_is_bounded_on_both_sides() {
        let mut packet = Packet::from_bytes(b"abc");
        assert!(packet.push(HEADROOM + 1).is_none());
        packet.push(2).unwrap().copy_from_slice(b"xy");
        assert_eq!(packet.bytes(), b"xyabc");
        assert!(packet.pull(3));
        assert!(!packet.pull(3));
        assert_eq!(packet.bytes(), b"bc");
        assert!(packet.append(65).is_none());
        packet.append(1).unwrap()[0] = b'd';
        assert_eq!(packet.bytes(), b"bcd");
        assert!(packet.truncate(1));
        assert!(!packet.truncate(2));
        assert_eq!(packet.bytes(), b"b");
    }
}

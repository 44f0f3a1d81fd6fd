//! The owned packet buffer of the data path. Headers are pushed into its headroom and trailers into its
//! tailroom, so that ESP works in place. Buffers come from a [`Pool`] and go back to it on drop, so
//! that the fast path never allocates.
//!
//! ```text
//!   0        head                      tail        capacity
//!   | headroom | bytes of the packet     | tailroom  |
//! ```

mod meta;
mod slab;

use alloc::{boxed::Box, rc::Rc, vec, vec::Vec};
use core::cell::RefCell;
use core::ops::{Deref, DerefMut};

pub use meta::{Fill, Meta};
pub use slab::{Slab, Slabs, View};

/// Bytes in front of a received frame: device header (12), and what ESP pushes before an inner packet:
/// Ethernet (14), outer IPv6 (40), UDP (8), ESP header and IV (16), rounded up to a cache line.
pub const HEADROOM: usize = 128;
/// Bytes of one standard buffer: a 1,500-byte packet with all that can be pushed and appended.
pub const BUFFER: usize = 2048;
/// Bytes behind a received frame for what ESP appends: padding, trailer and ICV, rounded up to a cache line.
pub const TAILROOM: usize = 128;
/// Bytes of a buffer that holds any reassembled IP packet.
pub const JUMBO: usize = 65_535 + HEADROOM + TAILROOM;

/// The free buffers that a pool and its packets share.
type Stock = Rc<RefCell<Vec<Box<[u8]>>>>;

/// Where the bytes of a packet lie: in memory of its own, or in its part of a slab.
enum Buffer {
    Own(Box<[u8]>),
    View(View),
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::View(view) => view,
        }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::View(view) => view,
        }
    }
}

/// A packet that owns its bytes.
pub struct Packet {
    buf: Buffer,
    head: usize,
    tail: usize,
    home: Option<Stock>,
    /// Facts beside the bytes.
    pub meta: Meta,
}

/// A fixed stock of buffers of one size. Cloning gives another handle to the same stock.
#[derive(Clone)]
pub struct Pool {
    free: Stock,
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
        let free = (0..count).map(|_| vec![0; bytes].into_boxed_slice()).collect();
        Self { free: Rc::new(RefCell::new(free)), bytes }
    }

    /// Bytes of each buffer behind [`HEADROOM`].
    pub fn room(&self) -> usize {
        self.bytes - HEADROOM
    }

    /// An empty packet with [`HEADROOM`], or nothing if the stock is used up.
    #[inline]
    pub fn take(&self) -> Option<Packet> {
        let buf = self.free.borrow_mut().pop()?;
        Some(Packet {
            buf: Buffer::Own(buf),
            head: HEADROOM,
            tail: HEADROOM,
            home: Some(self.free.clone()),
            meta: Meta::default(),
        })
    }

    /// Buffers in stock.
    #[inline]
    pub fn available(&self) -> usize {
        self.free.borrow().len()
    }
}

impl From<View> for Packet {
    /// An empty packet where the view says that one lies.
    #[inline]
    fn from(view: View) -> Self {
        let head = view.packet();
        Self { buf: Buffer::View(view), head, tail: head, home: None, meta: Meta::default() }
    }
}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        if let (Some(home), Buffer::Own(buf)) = (self.home.take(), &mut self.buf) {
            home.borrow_mut().push(core::mem::take(buf));
        }
    }
}

impl Packet {
    /// An empty packet in memory of its own, with room for `capacity` bytes behind [`HEADROOM`]. For
    /// control traffic and reassembly, not for the fast path.
    pub fn with_capacity(capacity: usize) -> Self {
        let buf = Buffer::Own(vec![0; HEADROOM + capacity].into_boxed_slice());
        Self { buf, head: HEADROOM, tail: HEADROOM, home: None, meta: Meta::default() }
    }

    /// A packet in memory of its own that holds a copy of `bytes`, with 64 bytes of tailroom.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut packet = Self::with_capacity(bytes.len() + 64);
        let end = packet.head + bytes.len();
        packet.buf[packet.head..end].copy_from_slice(bytes);
        packet.tail = end;
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
        &mut self.buf[self.head..self.tail]
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
        self.head = self.head.checked_sub(n)?;
        Some(&mut self.buf[self.head..self.head + n])
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
        if n > self.tailroom() {
            return None;
        }
        self.tail += n;
        Some(&mut self.buf[self.tail - n..self.tail])
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

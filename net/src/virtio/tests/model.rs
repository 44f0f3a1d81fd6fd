//! A virtio-net device in memory that does exactly what a test tells it to, honest or not, and a DMA
//! layer with bounce buffers that sees every buffer shared and returned.
#![allow(unsafe_code)]

extern crate std;

use alloc::{boxed::Box, collections::BTreeMap, rc::Rc, vec, vec::Vec};
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc};
use std::thread_local;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PAGE_SIZE, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

#[derive(Default)]
struct Dma {
    shared: BTreeMap<PhysAddr, (Box<[u8]>, BufferDirection)>,
    pages: usize,
}

thread_local! {
    // Each test runs on a thread of its own.
    static DMA: RefCell<Dma> = RefCell::default();
}

/// Buffers that the device can reach now.
fn shared() -> usize {
    DMA.with_borrow(|dma| dma.shared.len())
}

/// Ring pages that the device can reach now.
pub(super) fn ring_pages() -> usize {
    DMA.with_borrow(|dma| dma.pages)
}

pub(super) struct Bounce;

fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE_SIZE, PAGE_SIZE).unwrap()
}

// SAFETY: pages come zeroed and aligned from the allocator; shared buffers are private copies.
unsafe impl Hal for Bounce {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        DMA.with_borrow_mut(|dma| dma.pages += pages);
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout(pages)) }).unwrap();
        (memory.as_ptr() as PhysAddr, memory)
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, pages: usize) -> i32 {
        DMA.with_borrow_mut(|dma| dma.pages -= pages);
        // SAFETY: the caller passes what `dma_alloc` returned.
        unsafe { dealloc(memory.as_ptr(), layout(pages)) };
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("the model has no registers in memory")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        // SAFETY: valid for the call, by the caller.
        let bytes = unsafe { buffer.as_ref() };
        let copy = match direction {
            BufferDirection::DriverToDevice => bytes.into(),
            _ => vec![0xaa; bytes.len()].into_boxed_slice(),
        };
        let address = copy.as_ptr() as PhysAddr;
        DMA.with_borrow_mut(|dma| dma.shared.insert(address, (copy, direction)));
        address
    }

    unsafe fn unshare(address: PhysAddr, mut buffer: NonNull<[u8]>, direction: BufferDirection) {
        let (copy, how) = DMA.with_borrow_mut(|dma| dma.shared.remove(&address)).expect("was shared");
        assert_eq!((how, copy.len()), (direction, buffer.len()), "returned as it was lent");
        if direction == BufferDirection::DeviceToDriver {
            // SAFETY: valid for the call, by the caller.
            unsafe { buffer.as_mut() }.copy_from_slice(&copy);
        }
    }
}

/// Where the driver put a ring.
#[derive(Clone, Copy, Default)]
struct Ring {
    size: u16,
    descriptors: PhysAddr,
    available: PhysAddr,
    used: PhysAddr,
    seen: u16,
    produced: u16,
}

/// A buffer taken from the available ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) id: u16,
    pub(super) address: PhysAddr,
    pub(super) len: u32,
    pub(super) flags: u16,
}

/// Registers and knobs of the device.
pub(super) struct State {
    pub(super) kind: DeviceType,
    pub(super) offered: u64,
    pub(super) accepted: Cell<u64>,
    pub(super) refuses_features: bool,
    pub(super) ignores_reset: Cell<bool>,
    pub(super) status: Cell<u32>,
    pub(super) config: [u8; 12],
    pub(super) max_queue: u32,
    pub(super) notified: RefCell<Vec<u16>>,
    /// DMA memory that was still reachable when the device was last reset.
    pub(super) reachable_at_reset: Cell<(usize, usize)>,
    rings: RefCell<[Ring; 2]>,
}

/// The device: one handle for the driver (as its transport), one for the test.
#[derive(Clone)]
pub(super) struct Model(pub(super) Rc<State>);

pub(super) const RX: usize = 0;
pub(super) const TX: usize = 1;

impl Model {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut State)) -> Self {
        let mut state = State {
            kind: DeviceType::Network,
            offered: u64::MAX,
            accepted: Cell::new(0),
            refuses_features: false,
            ignores_reset: Cell::new(false),
            status: Cell::new(0),
            config: [2, 0, 0, 0, 0, 9, 1, 0, 1, 0, 0xdc, 5],
            max_queue: 256,
            notified: RefCell::default(),
            reachable_at_reset: Cell::new((0, 0)),
            rings: RefCell::default(),
        };
        change(&mut state);
        Self(Rc::new(state))
    }

    fn ring(&self, ring: usize) -> Ring {
        self.0.rings.borrow()[ring]
    }

    fn read16(address: PhysAddr) -> u16 {
        // SAFETY: an address inside a ring that the driver has handed over and not freed.
        unsafe { (address as *const u16).read_volatile() }
    }

    /// The driver's wish for no interrupts (`VIRTQ_AVAIL_F_NO_INTERRUPT`).
    pub(super) fn interrupts_off(&self, ring: usize) -> bool {
        Self::read16(self.ring(ring).available) & 1 != 0
    }

    /// The device's wish for no notifications (`VIRTQ_USED_F_NO_NOTIFY`).
    pub(super) fn suppress_notify(&self, ring: usize, off: bool) {
        // SAFETY: as in `read16`.
        unsafe { (self.ring(ring).used as *mut u16).write_volatile(off.into()) };
    }

    /// Buffers offered and not yet taken.
    pub(super) fn offered(&self, ring: usize) -> u16 {
        let ring = self.ring(ring);
        Self::read16(ring.available + 2).wrapping_sub(ring.seen)
    }

    /// Takes the next offered buffer.
    pub(super) fn take(&self, ring: usize) -> Chain {
        assert_ne!(self.offered(ring), 0, "nothing offered");
        let r = &mut self.0.rings.borrow_mut()[ring];
        let id = Self::read16(r.available + 4 + 2 * u64::from(r.seen % r.size));
        r.seen = r.seen.wrapping_add(1);
        let at = r.descriptors + 16 * u64::from(id);
        // SAFETY: as in `read16`.
        let address = unsafe { (at as *const u64).read_volatile() };
        let len = u32::from(Self::read16(at + 8)) | u32::from(Self::read16(at + 10)) << 16;
        Chain { id, address, len, flags: Self::read16(at + 12) }
    }

    /// Claims that buffer `id` is used with `len` bytes written.
    pub(super) fn give(&self, ring: usize, id: u32, len: u32) {
        let r = &mut self.0.rings.borrow_mut()[ring];
        let at = r.used + 4 + 8 * u64::from(r.produced % r.size);
        r.produced = r.produced.wrapping_add(1);
        // SAFETY: as in `read16`.
        unsafe {
            (at as *mut u32).write_volatile(id);
            ((at + 4) as *mut u32).write_volatile(len);
            ((r.used + 2) as *mut u16).write_volatile(r.produced);
        }
    }

    /// Moves the used index by `n` without writing entries.
    pub(super) fn jump(&self, ring: usize, n: u16) {
        let r = &mut self.0.rings.borrow_mut()[ring];
        r.produced = r.produced.wrapping_add(n);
        // SAFETY: as in `read16`.
        unsafe { ((r.used + 2) as *mut u16).write_volatile(r.produced) };
    }

    /// Writes header and frame into a receive buffer.
    pub(super) fn write(&self, chain: Chain, frame: &[u8]) -> u32 {
        let header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        let bytes = [&header[..], frame].concat();
        DMA.with_borrow_mut(|dma| {
            let (buffer, direction) = dma.shared.get_mut(&chain.address).expect("lent");
            assert_eq!((*direction, chain.flags), (BufferDirection::DeviceToDriver, 2));
            buffer[..bytes.len()].copy_from_slice(&bytes);
        });
        bytes.len() as u32
    }

    /// Receives a frame as an honest device does.
    pub(super) fn receive(&self, frame: &[u8]) {
        let chain = self.take(RX);
        let len = self.write(chain, frame);
        self.give(RX, chain.id.into(), len);
    }

    /// What the driver wants sent: header and frame.
    pub(super) fn read(&self, chain: Chain) -> Vec<u8> {
        DMA.with_borrow(|dma| {
            let (buffer, direction) = dma.shared.get(&chain.address).expect("lent");
            assert_eq!((*direction, chain.flags), (BufferDirection::DriverToDevice, 0));
            assert_eq!(buffer.len(), chain.len as usize);
            buffer.to_vec()
        })
    }
}

impl Transport for Model {
    fn device_type(&self) -> DeviceType {
        self.0.kind
    }
    fn read_device_features(&mut self) -> u64 {
        self.0.offered
    }
    fn write_driver_features(&mut self, features: u64) {
        self.0.accepted.set(features);
    }
    fn max_queue_size(&mut self, _: u16) -> u32 {
        self.0.max_queue
    }
    fn notify(&mut self, queue: u16) {
        assert_eq!(self.0.status.get() & 4, 4, "no notification before DRIVER_OK (3.1.1)");
        self.0.notified.borrow_mut().push(queue);
    }
    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.0.status.get())
    }
    fn set_status(&mut self, status: DeviceStatus) {
        let mut bits = status.bits();
        if bits == 0 {
            self.0.reachable_at_reset.set((shared(), ring_pages()));
            if self.0.ignores_reset.get() {
                return;
            }
        }
        if self.0.refuses_features {
            bits &= !DeviceStatus::FEATURES_OK.bits();
        }
        self.0.status.set(bits);
    }
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, q: u16, size: u32, d: PhysAddr, a: PhysAddr, u: PhysAddr) {
        let ring = Ring { size: size as u16, descriptors: d, available: a, used: u, ..Ring::default() };
        self.0.rings.borrow_mut()[usize::from(q)] = ring;
    }
    fn queue_unset(&mut self, _: u16) {}
    fn queue_used(&mut self, queue: u16) -> bool {
        self.ring(queue.into()).size != 0
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }
    fn read_config_generation(&self) -> u32 {
        0
    }
    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        let bytes = self.0.config.get(offset..offset + size_of::<T>()).ok_or(Error::ConfigSpaceTooSmall)?;
        T::read_from_bytes(bytes).map_err(|_| Error::ConfigSpaceTooSmall)
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<(), Error> {
        Err(Error::Unsupported)
    }
}

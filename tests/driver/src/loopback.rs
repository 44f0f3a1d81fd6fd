//! The model behind vfio-user: the server of `mlx5-device` in a thread, its client in the driver's, real time.
//!
//! Registers and configuration space go through the socket, and memory is a shared file that the server has mapped. The
//! driver's words are not that file, for mapping it would take `unsafe`: they are copied to and from it whenever the driver
//! touches a register or waits. A word that the driver has changed since the last copy goes out, any other comes in. The
//! card stands still meanwhile, so that no ownership bit overtakes its entry. Left out: interrupts.

use crate::in_process::Lent;
use crate::lent::LentSlab;
use crate::machine::Machine;
use crate::memory::{FIRST, Region, Space};
use core::cell::RefCell;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use mlx5_device::card::Card;
use mlx5_device::server::CardServer;
use mlx5_model::caps::Profile;
use mlx5_model::{BAR_SIZE, Device, Fault};
use mlx5_pci::hal::{Bar, Function, HalError, Way};
use mlx5_pci::pci;
use net::{Packet, Slab};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use vfio_bindings::bindings::vfio::{VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX};
use vfio_user::Client;

/// Bytes of the shared file: sparse, and more than any story allocates.
const SHARED: u64 = 8 << 30;
/// How long the driver sleeps when it waits.
const NAP: Duration = Duration::from_micros(50);

/// A machine. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Loopback(Rc<Inner>);

struct Inner {
    client: RefCell<Client>,
    card: Arc<Card>,
    server: Arc<CardServer>,
    threads: Vec<JoinHandle<()>>,
    space: Space,
    file: File,
    /// Words of each region as they were when driver and file last agreed.
    agreed: RefCell<BTreeMap<u64, Vec<u32>>>,
    power_on: Instant,
}

impl Loopback {
    /// Driver and file agree again.
    fn copy(&self) {
        let inner = &self.0;
        inner.card.with(|_, _| {
            let used = inner.space.used();
            let mut before = core::mem::take(&mut *inner.agreed.borrow_mut());
            for (iova, words) in used {
                let mut agreed = before.remove(&iova).unwrap_or_else(|| vec![0; words.len()]);
                let mut there = vec![0; 4 * words.len()];
                inner.file.read_exact_at(&mut there, iova - FIRST).expect("the shared file");
                let offsets = (iova - FIRST..).step_by(4);
                for (((word, agreed), there), at) in
                    words.iter().zip(&mut agreed).zip(there.as_chunks::<4>().0).zip(offsets)
                {
                    let here = word.load(Ordering::Relaxed);
                    let there = u32::from_ne_bytes(*there);
                    if here != *agreed {
                        inner.file.write_all_at(&here.to_ne_bytes(), at).expect("the shared file");
                        *agreed = here;
                    } else if there != *agreed {
                        word.store(there, Ordering::Release);
                        *agreed = there;
                    }
                }
                inner.agreed.borrow_mut().insert(iova, agreed);
            }
        });
    }

    fn put(&self, offset: usize, bytes: &[u8]) {
        self.copy();
        let mut client = self.0.client.borrow_mut();
        client.region_write(VFIO_PCI_BAR0_REGION_INDEX, offset as u64, bytes).expect("the server");
        drop(client);
        self.copy();
    }
}

impl Machine for Loopback {
    type Function = Loopback;

    fn new(profile: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ravelin-driver-{}-{number}", std::process::id()));
        let card = Card::new("driver", Device::new(Profile::named(profile).expect("a profile of the model")));
        let server = Arc::new(CardServer::new(card.clone(), &path).expect("a socket"));
        let (running, ticking) = (server.clone(), card.clone());
        let threads = vec![
            thread::spawn(move || running.run().expect("guests")),
            thread::spawn(move || ticking.keep_time()),
        ];
        let mut client = Client::new(&path).expect("the server");
        let file = File::from(memfd_create("ravelin-driver", MemfdFlags::CLOEXEC).expect("shared memory"));
        ftruncate(&file, SHARED).expect("shared memory");
        client.dma_map(0, FIRST, SHARED, file.as_raw_fd()).expect("the server");
        Self(Rc::new(Inner {
            client: RefCell::new(client),
            card,
            server,
            threads,
            space: Space::default(),
            file,
            agreed: RefCell::default(),
            power_on: Instant::now(),
        }))
    }

    fn function(&self) -> Loopback {
        self.clone()
    }

    fn misuse(&self) -> Vec<String> {
        self.0.card.look(|device| device.log().refused().map(|refused| format!("{refused:x?}")).collect())
    }

    fn inject(&self, fault: Fault) {
        self.0.card.with(|device, _| device.inject(fault));
        // Faults that are due happen with the next act.
        self.copy();
        self.copy();
    }

    fn pages_held(&self) -> usize {
        self.0.card.look(Device::pages_held)
    }

    fn receive(&self, frame: &[u8]) {
        self.copy();
        self.0.card.receive(vec![frame.to_vec()]);
        self.copy();
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        self.0.card.outgoing().pop(usize::MAX, Some(Instant::now())).unwrap_or_default()
    }

    fn interrupts(&self) -> Vec<u16> {
        Vec::new()
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
        self.copy();
    }
}

impl Function for Loopback {
    type Bar = Loopback;
    type Mem = Region;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, offset: u16) -> u32 {
        let mut bytes = [0; 4];
        let mut client = self.0.client.borrow_mut();
        client.region_read(VFIO_PCI_CONFIG_REGION_INDEX, offset.into(), &mut bytes).expect("the server");
        u32::from_le_bytes(bytes)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        let mut client = self.0.client.borrow_mut();
        let bytes = value.to_le_bytes();
        client.region_write(VFIO_PCI_CONFIG_REGION_INDEX, offset.into(), &bytes).expect("the server");
    }

    fn map_bar(&mut self, index: u8) -> Result<Loopback, HalError> {
        if index == 0 { Ok(self.clone()) } else { Err(HalError::NoSuchBar(index)) }
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        count.min(pci::interrupts(self))
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Region, HalError> {
        Ok(self.0.space.alloc(bytes, align))
    }

    fn lend(&self, packet: Packet, way: Way) -> Lent {
        Lent::new(&self.0.space, packet, way)
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        LentSlab::new(&self.0.space, slab)
    }

    fn now(&self) -> Duration {
        self.0.power_on.elapsed()
    }

    fn relax(&self) {
        thread::sleep(NAP);
        self.copy();
    }
}

impl Bar for Loopback {
    fn len(&self) -> usize {
        BAR_SIZE as usize
    }

    fn read(&self, offset: usize) -> u32 {
        let mut bytes = [0xff; 4];
        if offset + 4 <= Bar::len(self) {
            let mut client = self.0.client.borrow_mut();
            client.region_read(VFIO_PCI_BAR0_REGION_INDEX, offset as u64, &mut bytes).expect("the server");
        }
        u32::from_be_bytes(bytes)
    }

    fn write(&self, offset: usize, value: u32) {
        self.put(offset, &value.to_be_bytes());
    }

    fn write_pair(&self, offset: usize, value: [u32; 2]) {
        self.put(offset, (u64::from(value[0]) << 32 | u64::from(value[1])).to_be_bytes().as_slice());
    }

    fn write_block(&self, offset: usize, bytes: &[u8; 64]) {
        self.put(offset, bytes);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.client.borrow().shutdown();
        self.server.end();
        self.card.end();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

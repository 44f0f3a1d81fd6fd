//! A vfio-user client drives a card through its socket, as QEMU would.

use super::*;
use mlx5_model::Memory;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::thread::JoinHandle;
use vfio_user::Client;

/// A server on a socket of its own, ended on drop.
pub(super) struct Served {
    pub(super) card: Arc<Card>,
    pub(super) path: PathBuf,
    server: Arc<CardServer>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn new(name: &str) -> Served {
        let path = std::env::temp_dir().join(format!("mlx5-device-{}-{name}.sock", std::process::id()));
        let card = Card::new(name, crate::device());
        let server = Arc::new(CardServer::new(card.clone(), &path).unwrap());
        let runs = server.clone();
        let thread = std::thread::spawn(move || runs.run().unwrap());
        Served { card, path, server, thread: Some(thread) }
    }

    fn connect(&self) -> Client {
        Client::new(&self.path).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.end();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn config(client: &mut Client, offset: u64) -> u32 {
    let mut word = [0; 4];
    client.region_read(VFIO_PCI_CONFIG_REGION_INDEX, offset, &mut word).unwrap();
    u32::from_le_bytes(word)
}

fn memory_file() -> File {
    let fd = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, 1 << 20).unwrap();
    File::from(fd)
}

#[test]
fn a_pci_device_with_one_bar_and_msix() {
    let served = Served::new("shape");
    let mut client = served.connect();
    assert_eq!(client.region(VFIO_PCI_BAR0_REGION_INDEX).unwrap().size, 32 << 20);
    assert_eq!(client.region(VFIO_PCI_CONFIG_REGION_INDEX).unwrap().size, 4096);
    assert_eq!(client.region(1).unwrap().size, 0);
    let counts: Vec<u32> = (0..5).map(|index| client.get_irq_info(index).unwrap().count).collect();
    let vectors = served.card.interrupts().count() as u32;
    assert_eq!(counts, [0, 0, vectors, 0, 0]);
    assert_eq!(config(&mut client, 0) & 0xffff, 0x15b3);
    // QEMU reads all of it at once, also the extended part, first of all.
    let mut all = vec![0; 4096];
    client.region_read(VFIO_PCI_CONFIG_REGION_INDEX, 0, &mut all).unwrap();
    assert_eq!(all[..2], [0xb3, 0x15]);
    client.shutdown().unwrap();
}

#[test]
fn what_is_not_there_reads_as_ones_and_harms_nothing() {
    let served = Served::new("absent");
    let mut client = served.connect();
    for (region, offset) in
        [(VFIO_PCI_CONFIG_REGION_INDEX, 1 << 40), (VFIO_PCI_CONFIG_REGION_INDEX, u64::MAX), (3, 0)]
    {
        let mut word = [0; 4];
        client.region_read(region, offset, &mut word).unwrap();
        assert_eq!(word, [0xff; 4], "region {region} at {offset:#x}");
        client.region_write(region, offset, &[1, 2, 3, 4]).unwrap();
    }
    for offset in [32 << 20, u64::MAX - 1, u64::MAX] {
        let mut word = [0; 4];
        client.region_read(VFIO_PCI_BAR0_REGION_INDEX, offset, &mut word).unwrap();
        client.region_write(VFIO_PCI_BAR0_REGION_INDEX, offset, &[1, 2, 3, 4]).unwrap();
    }
    assert_eq!(config(&mut client, 0) & 0xffff, 0x15b3, "it still answers");
    client.shutdown().unwrap();
}

#[test]
fn the_device_reaches_what_the_client_maps_and_no_longer_what_it_unmaps() {
    let served = Served::new("dma");
    let mut client = served.connect();
    let file = memory_file();
    client.dma_map(0, 0x10_0000, 1 << 20, file.as_raw_fd()).unwrap();
    served.card.with(|_, memory| memory.write(0x10_1000, b"from the device").unwrap());
    let mut seen = [0; 15];
    file.read_exact_at(&mut seen, 0x1000).unwrap();
    assert_eq!(&seen, b"from the device");
    client.dma_unmap(0x10_0000, 1 << 20).unwrap();
    assert!(served.card.with(|_, memory| memory.write(0x10_1000, b"x")).is_err());
    client.shutdown().unwrap();
}

#[test]
fn a_vector_rings_the_clients_eventfd() {
    let served = Served::new("irq");
    let mut client = served.connect();
    let mut bell = File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
    let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    client.set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, flags, 3, 1, &[bell.as_raw_fd()]).unwrap();
    served.card.interrupts().raise(3);
    let mut count = [0; 8];
    bell.read_exact(&mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
    // Without descriptors and vectors: all are given up.
    let none = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    client.set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, none, 0, 0, &[]).unwrap();
    served.card.interrupts().raise(3);
    assert!(bell.read_exact(&mut count).is_err());
    client.shutdown().unwrap();
}

#[test]
fn guests_come_and_go_and_leave_nothing() {
    let served = Served::new("again");
    let file = memory_file();
    for guest in 0..3 {
        let mut client = served.connect();
        assert_eq!(config(&mut client, 4) & 0xffff, 0, "guest {guest} finds what the last one has written");
        assert_eq!(served.card.memory().reachable(), 0);
        client.region_write(VFIO_PCI_CONFIG_REGION_INDEX, 4, &[6, 0]).unwrap();
        client.dma_map(0, 0, 1 << 20, file.as_raw_fd()).unwrap();
        // The last one crashes: its descriptor closes, and it says nothing.
        if guest < 2 {
            client.reset().unwrap();
        }
        drop(client);
    }
}

#[test]
fn a_socket_that_a_dead_server_left_is_taken_over_and_a_live_one_is_not() {
    let path = std::env::temp_dir().join(format!("mlx5-device-{}-stale.sock", std::process::id()));
    drop(UnixListener::bind(&path).unwrap());
    let listener = listen(&path).unwrap();
    assert!(matches!(listen(&path), Err(Error::InUse(_))));
    drop(listener);
    fs::remove_file(&path).unwrap();
}

//! A sleep is ended by a message-signalled interrupt: the oldest kind of virtio entropy device (virtio 1.2,
//! 4.1.4.8 and 5.4, legacy interface) is asked for bytes and interrupts when it has them. Also with the entry
//! masked, when the interrupt must wait, and with the sleep begun late, when it must not be lost.
#![expect(unsafe_code, reason = "a legacy virtio device is driven by ports and shared memory")]

use alloc::format;
use alloc::string::ToString;
use core::sync::atomic::{Ordering, fence};

use super::{Outcome, expect};
use crate::mem::dma;
use crate::pci::{self, BarKind, Config};
use crate::{Machine, cpu, idle, irq, time};

const VENDOR: u16 = 0x1af4;
const LEGACY_ENTROPY: u16 = 0x1005;

// Ports of the legacy interface, with MSI-X on.
const QUEUE_ADDRESS: u16 = 8;
const QUEUE_SIZE: u16 = 12;
const QUEUE_SELECT: u16 = 14;
const QUEUE_NOTIFY: u16 = 16;
const STATUS: u16 = 18;
const QUEUE_VECTOR: u16 = 22;

/// Bytes asked for at a time.
const ASK: u32 = 64;
/// A device that takes longer than this, in microseconds, has not interrupted.
const PATIENCE: u64 = 200_000;

struct Queue {
    ports: u16,
    memory: dma::Dma,
    size: usize,
    asked: u16,
}

impl Queue {
    fn word(&self, offset: usize) -> *mut u16 {
        self.memory.virt().as_ptr().wrapping_add(offset).cast()
    }

    /// Offsets of the available ring, the used ring and the buffer.
    fn layout(size: usize) -> [usize; 3] {
        let available = size * 16;
        let used = (available + 6 + size * 2).next_multiple_of(4096);
        [available, used, (used + 6 + size * 8).next_multiple_of(4096)]
    }

    fn used(&self) -> u16 {
        let [_, used, _] = Self::layout(self.size);
        fence(Ordering::Acquire);
        // SAFETY: inside the queue's memory, aligned; volatile, because the device writes it.
        unsafe { self.word(used + 2).read_volatile() }
    }

    /// Offers the one buffer once more.
    fn ask(&mut self) {
        let [available, _, buffer] = Self::layout(self.size);
        let address = self.memory.phys() + buffer as u64;
        let descriptor = [address as u32, (address >> 32) as u32, ASK, 2 /* the device writes */];
        self.asked = self.asked.wrapping_add(1);
        // SAFETY: descriptor 0 lies at the start of the queue's memory, which is ours; the device looks at
        // it after the notification below only.
        unsafe { self.memory.virt().as_ptr().cast::<[u32; 4]>().write_volatile(descriptor) };
        let slot = available + 4 + usize::from(self.asked.wrapping_sub(1)) % self.size * 2;
        // SAFETY: inside the queue's memory, aligned.
        unsafe { self.word(slot).write_volatile(0) };
        fence(Ordering::Release);
        // SAFETY: as above.
        unsafe { self.word(available + 2).write_volatile(self.asked) };
        fence(Ordering::SeqCst);
        // SAFETY: the device's notification port; it does DMA to the buffer above.
        unsafe { cpu::outw(self.ports + QUEUE_NOTIFY, 0) };
    }
}

/// Sets the device up with its queue's interrupts on entry 0 of its table.
fn start(function: &pci::Function) -> Result<Queue, alloc::string::String> {
    let bar = function.bar(0).map_err(|e| e.to_string())?;
    if bar.kind != BarKind::Ports {
        return Err("the device has no ports".into());
    }
    let ports = bar.address as u16;
    let command = function.config();
    command.write_command(command.command() | 1);
    for value in [0, 1, 3] {
        // SAFETY: the device's status: reset, seen, driver.
        unsafe { cpu::outb(ports + STATUS, value) };
    }
    // SAFETY: the device's queue registers.
    unsafe { cpu::outw(ports + QUEUE_SELECT, 0) };
    // SAFETY: as above.
    let size = usize::from(unsafe { cpu::inw(ports + QUEUE_SIZE) });
    let [_, _, buffer] = Queue::layout(size);
    let memory = dma::allocate(buffer + ASK as usize, 4096).map_err(|e| e.to_string())?;
    // SAFETY: as above; the queue's memory stays allocated until the machine is off.
    unsafe { cpu::outl(ports + QUEUE_ADDRESS, (memory.phys() / 4096) as u32) };
    // SAFETY: as above.
    unsafe { cpu::outw(ports + QUEUE_VECTOR, 0) };
    // SAFETY: the device's status: driver ready.
    unsafe { cpu::outb(ports + STATUS, 7) };
    Ok(Queue { ports, memory, size, asked: 0 })
}

pub(super) fn check(_: &Machine) -> Outcome {
    let wanted = pci::Ids { vendor: VENDOR, device: LEGACY_ENTROPY };
    let function = pci::enumerate().find(|f| f.ids == wanted).ok_or("no virtio-rng-pci device")?;
    let msix = function.msix().map_err(|e| e.to_string())?.ok_or("the device has no MSI-X")?;
    let vector = irq::allocate().map_err(|e| e.to_string())?;
    msix.set(0, vector);
    msix.enable();
    let mut queue = start(&function)?;

    let sleep = |queue: &mut Queue, late: bool| {
        let (before, began) = (vector.fired(), time::now());
        queue.ask();
        if late {
            // Long enough for the device to be done before the sleep begins.
            time::busy_wait(20_000);
        }
        while vector.fired() == before && time::now() < began + PATIENCE {
            idle::wait(began + PATIENCE, || false);
        }
        (vector.fired() - before, time::now() - began)
    };
    let (prompt, took) = sleep(&mut queue, false);
    let (late, _) = sleep(&mut queue, true);
    msix.mask(0, true);
    let (masked, _) = sleep(&mut queue, false);
    msix.mask(0, false);
    irq::poll();
    let (unmasked, used) = (vector.fired(), queue.used());
    let text = format!(
        "interrupts: {prompt} after {took} us, {late} while awake, {masked} while masked, {unmasked} in all, {used} answers"
    );
    expect((prompt, late, masked, unmasked, used) == (1, 1, 0, 3, 3), text)
}

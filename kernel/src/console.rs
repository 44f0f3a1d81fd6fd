//! The serial console (16550 at port 0x3f8): back end of `log`, line for reports, bytes in for a console.
//! Transmission polls, 16 bytes per look at the line status, because under TCG every port access is dear.
#![expect(unsafe_code, reason = "the UART is reached by port I/O")]

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use log::{LevelFilter, Log, Metadata, Record};

use crate::{cpu, time};

const COM1: u16 = 0x3f8;
// Registers of the 16550, by their offset.
const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
// Bits of the line status.
const RECEIVED: u8 = 1 << 0;
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Bytes that the transmitter takes once it is empty.
const FIFO: usize = 16;
/// Looks at the line status before the line is taken for stuck: its other end has stopped reading.
const PATIENCE: u32 = 100_000;

/// Set while the line is stuck. What is written meanwhile is lost, because it must not stop the gateway.
static STUCK: AtomicBool = AtomicBool::new(false);

/// The serial line. It has no state of its own: any number of values may write.
#[derive(Debug, Clone, Copy)]
pub struct Serial;

/// Sets the line up: 115,200 baud, 8N1, FIFOs on, interrupts off.
pub(crate) fn init() {
    const DIVISOR_LATCH: u8 = 0x80;
    const EIGHT_N_ONE: u8 = 0x03;
    const SETUP: [(u16, u8); 7] = [
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, DIVISOR_LATCH),
        (DATA, 1),
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, EIGHT_N_ONE),
        (FIFO_CONTROL, 0x07),
        (MODEM_CONTROL, 0x03),
    ];
    for (register, value) in SETUP {
        // SAFETY: COM1's registers; the UART does no DMA.
        unsafe { cpu::outb(COM1 + register, value) };
    }
}

/// Installs the `log` back end. Records above `level` are not even formatted.
pub fn set_level(level: LevelFilter) {
    // A second call finds the logger in place, and only changes the level.
    let _ = log::set_logger(&Console);
    log::set_max_level(level);
}

impl Serial {
    fn status() -> u8 {
        // SAFETY: reading the line status clears error bits only, which nobody looks at.
        unsafe { cpu::inb(COM1 + LINE_STATUS) }
    }

    /// Sends bytes as they are. They are lost if the other end of the line does not read.
    pub fn send(self, bytes: &[u8]) {
        for burst in bytes.chunks(FIFO) {
            let looks = if STUCK.load(Ordering::Relaxed) { 1 } else { PATIENCE };
            let empty = (0..looks).any(|_| Self::status() & TRANSMIT_EMPTY != 0);
            STUCK.store(!empty, Ordering::Relaxed);
            if !empty {
                return;
            }
            for &byte in burst {
                // SAFETY: COM1's transmit register; the UART does no DMA.
                unsafe { cpu::outb(COM1 + DATA, byte) };
            }
        }
    }

    /// The next byte that was typed, if there is one. Never waits.
    pub fn receive(self) -> Option<u8> {
        // A floating bus reads 0xff: no UART, no input.
        let status = Self::status();
        if status == 0xff || status & RECEIVED == 0 {
            return None;
        }
        // SAFETY: COM1's receive register, which the status says is full.
        Some(unsafe { cpu::inb(COM1 + DATA) })
    }
}

impl Write for Serial {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.send(s.as_bytes());
        Ok(())
    }
}

/// One line of text, collected so that the line goes out in FIFO-sized bursts. What does not fit goes out
/// in pieces.
struct Line {
    bytes: [u8; 160],
    len: usize,
}

impl Line {
    fn flush(&mut self) {
        Serial.send(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            if self.len == self.bytes.len() {
                self.flush();
            }
            if let Some(slot) = self.bytes.get_mut(self.len) {
                *slot = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// The `log` back end: `[seconds.micros] LEVEL target: message`.
struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = time::now();
        let mut line = Line { bytes: [0; 160], len: 0 };
        // A formatting error is the message's own; the rest of the line still goes out.
        let _ = writeln!(
            line,
            "[{:5}.{:06}] {:5} {}: {}",
            now / 1_000_000,
            now % 1_000_000,
            record.level(),
            record.target(),
            record.args()
        );
        line.flush();
    }

    fn flush(&self) {}
}

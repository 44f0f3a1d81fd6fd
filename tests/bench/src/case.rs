//! The cases: what is done, with packets of which size, in bursts of how many; and one burst of each.
//!
//! Each burst is prepared and checked outside of what is measured: the device writes completions before, and has to find
//! the right number of packets and bytes after.

use crate::measured;
use crate::port::Port;
use core::fmt;
use mlx5_pci::queues::Settings;
use net::{Burst, Nic, Packet};

/// Payload bytes of a segment.
const MSS: usize = 1448;
/// Headers of TCP in IPv4 with a time stamp.
const HEADERS: usize = 66;
/// The largest packet of whole segments that fits IPv4.
const TSO: usize = HEADERS + 45 * MSS;
/// The largest packet that the driver lets a device merge.
const LRO: usize = 32 << 10;
/// So many bursts see every place of every ring and slab.
const WARM_UP: usize = 4096;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Received and dropped.
    Receive,
    /// Sent.
    Send,
    /// Received by one port and sent by another.
    Forward,
}

/// How packets are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// As the driver does by itself: many packets in a buffer.
    Striding,
    /// The same, with compressed CQEs.
    Compressed,
    /// A buffer for each packet.
    Cyclic,
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) work: Work,
    pub(crate) queue: Queue,
    pub(crate) length: usize,
    pub(crate) burst: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Receive => "RX",
            Work::Send => "TX",
            Work::Forward => "forward",
        };
        let size = match self.length {
            TSO => "64-KB TSO".to_owned(),
            LRO if self.work == Work::Forward => "32-KiB LRO to TSO".to_owned(),
            LRO => "32-KiB LRO".to_owned(),
            length => format!("{length} B"),
        };
        let queue = match self.queue {
            Queue::Striding => "",
            Queue::Compressed => ", compressed CQEs",
            Queue::Cyclic => ", a buffer each",
        };
        write!(f, "{work} {size}, burst {}{queue}", self.burst)
    }
}

/// All cases whose name contains `part`.
pub(crate) fn all(part: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for work in [Work::Receive, Work::Send, Work::Forward] {
        let largest = if work == Work::Send { TSO } else { LRO };
        for length in [64, 1500, largest] {
            for burst in [1, 8, 32] {
                cases.push(Case { work, queue: Queue::Striding, length, burst });
            }
        }
    }
    for queue in [Queue::Compressed, Queue::Cyclic] {
        cases.push(Case { work: Work::Receive, queue, length: 64, burst: 32 });
    }
    cases.retain(|case| case.to_string().contains(part));
    cases
}

/// What is done about the part of a burst that is measured.
pub(crate) trait Measure {
    fn of(&mut self, act: impl FnOnce());
}

/// Nothing.
pub(crate) struct Unmeasured;

impl Measure for Unmeasured {
    fn of(&mut self, act: impl FnOnce()) {
        act();
    }
}

/// A case that is being worked on.
pub(crate) struct Bench {
    case: Case,
    /// One port for [`Work::Receive`] and [`Work::Send`], the one that receives and the one that sends otherwise.
    ports: Vec<Port>,
    burst: Burst,
    /// What a packet that is cut begins with.
    headers: [u8; HEADERS],
}

impl Bench {
    pub(crate) fn new(case: Case) -> Self {
        // The largest packets need as many slabs again while they are being sent.
        let log_receive = if case.length == LRO { 10 } else { Settings::default().log_receive };
        let settings = Settings { striding: case.queue != Queue::Cyclic, log_receive, ..Settings::default() };
        let count = if case.work == Work::Forward { 2 } else { 1 };
        let frame = if case.work == Work::Send { case.length } else { 1514 };
        let ports = (0..count).map(|_| Port::new(settings.clone(), frame)).collect();
        Self { case, ports, burst: Burst::new(), headers: headers(case.length) }
    }

    /// Works until all memory has been used and headers lie wherever packets can.
    pub(crate) fn warm_up(&mut self) {
        let bursts = WARM_UP / self.case.burst;
        if self.case.work == Work::Forward && self.segment().is_some() {
            (0..bursts).for_each(|_| self.write_headers());
        }
        (0..bursts).for_each(|_| self.burst(&mut Unmeasured));
    }

    /// One burst; `measure` gets what is measured.
    ///
    /// # Panics
    /// When the driver has not done what it should.
    pub(crate) fn burst(&mut self, measure: &mut impl Measure) {
        let Case { work, queue, length, burst: count } = self.case;
        let segment = self.segment();
        let Self { ports, burst, headers, .. } = self;
        let [first, rest @ ..] = ports.as_mut_slice() else { return };
        let mut moved = 0;
        match work {
            Work::Receive => {
                first.card.receive(count, length, queue == Queue::Compressed);
                measure.of(|| moved = measured::receive(&mut first.driver, burst));
            }
            Work::Send => {
                burst.extend((0..count).map(|_| {
                    let mut packet = first.pool.take().expect("a buffer");
                    fill(&mut packet, length, headers);
                    packet.meta.segment = segment;
                    packet
                }));
                measure.of(|| moved = measured::send(&mut first.driver, burst));
                check(first, count, length, segment);
            }
            Work::Forward => {
                let [second, ..] = rest else { return };
                first.card.receive(count, length, queue == Queue::Compressed);
                measure.of(|| {
                    moved = measured::forward(&mut first.driver, &mut second.driver, burst, segment);
                });
                check(second, count, length, segment);
            }
        }
        assert_eq!((moved, self.burst.len()), (count, 0), "{}", self.case);
    }

    /// Payload bytes of a segment, if packets are to be cut.
    fn segment(&self) -> Option<u16> {
        let cut = self.case.work != Work::Receive && self.case.length > 1500;
        cut.then_some(MSS as u16)
    }

    /// Receives a burst, so that the memory of its packets begins with headers.
    fn write_headers(&mut self) {
        let [first, ..] = self.ports.as_mut_slice() else { return };
        first.card.receive(self.case.burst, self.case.length, false);
        first.driver.rx(&mut self.burst);
        for packet in &mut self.burst {
            packet.bytes_mut()[..HEADERS].copy_from_slice(&self.headers);
        }
        self.burst.clear();
    }
}

fn fill(packet: &mut Packet, length: usize, headers: &[u8; HEADERS]) {
    let start = packet.append(length).expect("room");
    let count = start.len().min(HEADERS);
    start[..count].copy_from_slice(&headers[..count]);
}

/// The device has got everything, in as few WQEs as can be, and completes it.
fn check(port: &mut Port, count: usize, length: usize, segment: Option<u16>) {
    let sent = port.card.send();
    let (headers, wqes) = if segment.is_some() { (HEADERS, count) } else { (0, 1) };
    assert_eq!((sent.packets as usize, sent.bytes), (count, (count * (length - headers)) as u64));
    assert_eq!(sent.wqes as usize, wqes);
}

/// Headers of TCP in IPv4 in Ethernet II, as far as a driver looks at them.
fn headers(length: usize) -> [u8; HEADERS] {
    let mut bytes = [0; HEADERS];
    bytes[12..14].copy_from_slice(&[0x08, 0x00]);
    bytes[14] = 0x45;
    bytes[16..18].copy_from_slice(&((length - 14) as u16).to_be_bytes());
    bytes[22..24].copy_from_slice(&[64, 6]);
    bytes[46] = 0x80;
    bytes
}

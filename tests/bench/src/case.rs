//! The cases: what is done, with packets of which size, in bursts of how many; and one burst of each.
//!
//! Each burst is prepared and checked outside of what is measured: the device writes completions before, and has to find
//! the right number of packets and bytes after.

use crate::card::Card;
use crate::measured;
use crate::port::Port;
use crate::protected::Protected;
use crate::through::Through;
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
/// SAs on the card: one each way, and many. In a build for tests the model would take too long for many.
pub(crate) const SAS: [usize; 4] =
    if cfg!(debug_assertions) { [2, 50, 80, 100] } else { [2, 1000, 10_000, 100_000] };
/// The most for which Valgrind can wait.
pub(crate) const COUNTED_SAS: usize = 10_000;
/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Received and dropped.
    Receive,
    /// Sent.
    Send,
    /// Received by one port and sent by another.
    Forward,
    /// The same with all that the gateway does in between.
    Gateway,
    /// The gateway again, from the inside to a card that seals.
    Protect,
    /// The gateway again, from a card that has opened to the inside.
    Open,
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
    /// SAs on the card, both directions together.
    pub(crate) sas: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Receive => "RX",
            Work::Send => "TX",
            Work::Forward => "forward",
            Work::Gateway => "gateway",
            Work::Protect => "protect",
            Work::Open => "open",
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
        write!(f, "{work} {size}, burst {}{queue}", self.burst)?;
        if self.sas > 0 { write!(f, ", {} SAs", self.sas) } else { Ok(()) }
    }
}

/// All cases whose name contains `part`; without one, all but those with SAs.
pub(crate) fn all(part: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for work in [Work::Receive, Work::Send, Work::Forward] {
        let largest = if work == Work::Send { TSO } else { LRO };
        for length in [64, 1500, largest] {
            for burst in [1, 8, 32] {
                cases.push(Case { work, queue: Queue::Striding, length, burst, sas: 0 });
            }
        }
    }
    for length in [64, 1500] {
        for burst in [1, 8, 32] {
            cases.push(Case { work: Work::Gateway, queue: Queue::Striding, length, burst, sas: 0 });
        }
    }
    for queue in [Queue::Compressed, Queue::Cyclic] {
        cases.push(Case { work: Work::Receive, queue, length: 64, burst: 32, sas: 0 });
    }
    for work in [Work::Protect, Work::Open].into_iter().filter(|_| !part.is_empty()) {
        cases.extend(SAS.map(|sas| Case { work, queue: Queue::Striding, length: 64, burst: 32, sas }));
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
    stage: Stage,
    burst: Burst,
    /// What a packet that is cut begins with.
    headers: [u8; HEADERS],
}

/// Who works on it.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is never moved")]
enum Stage {
    /// One port.
    One(Port),
    /// The one that receives and the one that sends.
    Two(Port, Port),
    /// The gateway, and the devices of its inside and its outside.
    Gateway(Box<Through>, Card, Card),
    /// The gateway with SAs.
    Protected(Box<Protected>),
}

impl Bench {
    pub(crate) fn new(case: Case) -> Self {
        // The largest packets need as many slabs again while they are being sent.
        let log_receive = if case.length == LRO { 10 } else { Settings::default().log_receive };
        let settings = Settings { striding: case.queue != Queue::Cyclic, log_receive, ..Settings::default() };
        let frame = if case.work == Work::Send { case.length } else { 1514 };
        let port = || Port::new(settings.clone(), frame);
        let stage = match case.work {
            Work::Receive | Work::Send => Stage::One(port()),
            Work::Forward => Stage::Two(port(), port()),
            Work::Gateway => {
                let (outside, inside) = (port(), port());
                let through = Through::new(outside.driver, inside.driver, case.length);
                Stage::Gateway(Box::new(through), inside.card, outside.card)
            }
            Work::Protect | Work::Open => {
                let outbound = case.work == Work::Protect;
                Stage::Protected(Box::new(Protected::new(outbound, case.length, case.sas)))
            }
        };
        Self { case, stage, burst: Burst::new(), headers: headers(case.length) }
    }

    /// Works on `packets` at least, and until headers lie wherever packets can; with enough of them all memory has been
    /// used.
    pub(crate) fn warm_up(&mut self, packets: usize) {
        // Each SA has its first packet before, for which more has to be found out.
        let bursts = packets.max(self.case.sas).div_ceil(self.case.burst);
        if self.case.work == Work::Forward && self.segment().is_some() {
            (0..bursts).for_each(|_| self.write_headers());
        }
        if let Stage::Gateway(through, _, outside) = &mut self.stage {
            through.introduce();
            assert!(outside.send().packets > 0, "the first packet has left");
        }
        if let Stage::Protected(protected) = &mut self.stage {
            protected.introduce();
        }
        (0..bursts).for_each(|_| self.burst(&mut Unmeasured));
    }

    /// One burst; `measure` gets what is measured.
    ///
    /// # Panics
    /// When the driver has not done what it should.
    pub(crate) fn burst(&mut self, measure: &mut impl Measure) {
        let Case { work, queue, length, burst: count, .. } = self.case;
        let segment = self.segment();
        let Self { stage, burst, headers, .. } = self;
        let mut moved = 0;
        match stage {
            Stage::One(port) if work == Work::Send => {
                burst.extend((0..count).map(|_| {
                    let mut packet = port.pool.take().expect("a buffer");
                    fill(&mut packet, length, headers);
                    packet.meta.segment = segment;
                    packet
                }));
                measure.of(|| moved = measured::send(&mut port.driver, burst));
                check(&mut port.card, count, length, segment);
            }
            Stage::One(port) => {
                port.card.receive(count, length, queue == Queue::Compressed);
                measure.of(|| moved = measured::receive(&mut port.driver, burst));
            }
            Stage::Two(from, to) => {
                from.card.receive(count, length, queue == Queue::Compressed);
                measure.of(|| moved = measured::forward(&mut from.driver, &mut to.driver, burst, segment));
                check(&mut to.card, count, length, segment);
            }
            Stage::Gateway(through, inside, outside) => {
                inside.receive(count, length, queue == Queue::Compressed);
                moved = through.turn(burst, measure);
                check(outside, count, length, segment);
            }
            Stage::Protected(protected) => moved = protected.turn(count, burst, measure),
        }
        assert_eq!((moved, self.burst.len()), (count, 0), "{}", self.case);
    }

    /// Payload bytes of a segment, if packets are to be cut.
    fn segment(&self) -> Option<u16> {
        let cut = matches!(self.case.work, Work::Send | Work::Forward) && self.case.length > 1500;
        cut.then_some(MSS as u16)
    }

    /// Receives a burst, so that the memory of its packets begins with headers.
    fn write_headers(&mut self) {
        let Stage::Two(from, _) = &mut self.stage else { return };
        from.card.receive(self.case.burst, self.case.length, false);
        from.driver.rx(&mut self.burst);
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
fn check(card: &mut Card, count: usize, length: usize, segment: Option<u16>) {
    let sent = card.send();
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

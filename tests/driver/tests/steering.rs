//! What a function receives: addresses, groups, promiscuity, kinds of traffic, marked flows.

use mlx5_driver_tests::{Machine, blameless, open, stories};
use mlx5_pci::device::Device;
use mlx5_pci::error::Error;
use mlx5_pci::hal::Function;
use mlx5_pci::queues::{Queues, Settings};
use mlx5_pci::rss::Traffic;
use mlx5_pci::steering::flow::{Flow, Transport};
use mlx5_pci::steering::receive::{Filter, Receive};
use net::{Burst, Packet, Pool, PortId};

const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];
const OTHER_GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const STRANGER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x07];
const BROADCAST: [u8; 6] = [0xff; 6];

/// A device that receives.
struct Rig<F: Function> {
    device: Device<F>,
    queues: Queues<F>,
    receive: Option<Receive>,
}

impl<F: Function> Rig<F> {
    fn new<M: Machine<Function = F>>(machine: &M) -> Self {
        let mut device = open(machine);
        let (domain, caps) = (device.domain().unwrap(), device.caps().clone());
        let settings =
            Settings { striding: false, compression: false, log_receive: 6, ..Settings::default() };
        let pool = Pool::new(256);
        let queues = Queues::create(device.commands(), &domain, &caps, &settings, &pool).unwrap();
        let receive = Some(Receive::create(&mut device, queues.tirs()).unwrap());
        Self { device, queues, receive }
    }

    fn filter(&mut self, filter: Filter) {
        self.receive.as_mut().unwrap().set_filter(&mut self.device, &filter).unwrap();
    }

    fn received(&mut self) -> Vec<Packet> {
        let mut burst = Burst::new();
        for channel in self.queues.channels() {
            channel.rx(self.device.commands().function(), PortId(0), &mut burst);
        }
        burst.into_iter().collect()
    }

    /// Whether a frame to `mac` is received.
    fn hears<M: Machine>(&mut self, machine: &M, mac: [u8; 6]) -> bool {
        let frame = udp(mac, 1, 2);
        machine.receive(&frame);
        let received = self.received();
        assert!(received.iter().all(|packet| packet.bytes() == frame));
        assert!(received.len() <= 1, "once at most");
        received.len() == 1
    }

    fn close(mut self) {
        self.receive.take().unwrap().destroy(&mut self.device).unwrap();
        self.queues.destroy(self.device.commands()).unwrap();
        self.device.close().unwrap();
    }
}

/// A frame with UDP over IPv4 from 10.0.0.1 to 10.0.0.2, without UDP checksum.
fn udp(mac: [u8; 6], source: u16, destination: u16) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend_from_slice(&source.to_be_bytes());
    payload.extend_from_slice(&destination.to_be_bytes());
    payload.extend_from_slice(&[0, 26, 0, 0]);
    payload.extend_from_slice(&[0x5a; 18]);
    ipv4(mac, 17, &payload)
}

fn ipv4(mac: [u8; 6], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    header[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&mac[..], &[0x02, 0, 0, 0, 0, 0xaa], &[0x08, 0x00], &header, payload].concat()
}

fn only_what_is_wanted_is_received<M: Machine>() {
    for profile in ["cx7", "vf"] {
        let machine = M::new(profile);
        let mut rig = Rig::new(&machine);
        let own = rig.device.mac().unwrap();
        let all = [own, SECOND, STRANGER, GROUP, OTHER_GROUP, BROADCAST];
        let mut heard = |filter: Filter| {
            rig.filter(filter);
            all.map(|mac| rig.hears(&machine, mac))
        };
        assert_eq!(heard(Filter::default()), [false, false, false, false, false, true]);
        let unicast = vec![own];
        let one = Filter { unicast: unicast.clone(), ..Filter::default() };
        assert_eq!(heard(one.clone()), [true, false, false, false, false, true]);
        let more = Filter { unicast: vec![own, SECOND], multicast: vec![GROUP], ..Filter::default() };
        assert_eq!(heard(more), [true, true, false, true, false, true]);
        let groups = Filter { all_multicast: true, ..one.clone() };
        assert_eq!(heard(groups), [true, false, false, true, true, true]);
        let everything = Filter { promiscuous: true, ..Filter::default() };
        assert_eq!(heard(everything), [true; 6]);
        assert_eq!(heard(one), [true, false, false, false, false, true]);
        rig.close();
        blameless(&machine);
    }
}

fn addresses_that_do_not_fit_are_received_by_promiscuity<M: Machine>() {
    let machine = M::new("vf");
    let mut rig = Rig::new(&machine);
    let mac = |n: u16| [0x02, 0, 0, 0x11, (n >> 8) as u8, n as u8];
    let group = |n: u16| [0x01, 0, 0x5e, 0x11, (n >> 8) as u8, n as u8];
    rig.filter(Filter {
        unicast: (0..2000).map(mac).collect(),
        multicast: (0..5000).map(group).collect(),
        ..Filter::default()
    });
    for wanted in [mac(0), mac(1999), group(0), group(4999)] {
        assert!(rig.hears(&machine, wanted));
    }
    rig.filter(Filter { unicast: (0..100).map(mac).collect(), ..Filter::default() });
    assert!(rig.hears(&machine, mac(99)));
    assert!(!rig.hears(&machine, mac(100)));
    rig.filter(Filter { unicast: (100..200).map(mac).collect(), ..Filter::default() });
    assert!(rig.hears(&machine, mac(100)) && rig.hears(&machine, mac(199)));
    assert!(!rig.hears(&machine, mac(99)));
    rig.close();
    blameless(&machine);
}

fn flows_are_marked<M: Machine>() {
    let machine = M::new("cx7");
    let mut rig = Rig::new(&machine);
    let own = rig.device.mac().unwrap();
    rig.filter(Filter { unicast: vec![own], ..Filter::default() });
    let [source, destination] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(Into::into);
    let one = Flow { source, destination, transport: Transport::Udp(1, 2) };
    let esp = Flow { source, destination, transport: Transport::Esp(0x1234_5678) };
    let first = rig.receive.as_mut().unwrap().mark(&mut rig.device, &one, 0xabcdef).unwrap();
    rig.receive.as_mut().unwrap().mark(&mut rig.device, &esp, 7).unwrap();
    let esp = ipv4(own, 50, &[&[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1][..], &[0; 32]].concat());
    let marks = |rig: &mut Rig<_>| {
        [udp(own, 1, 2), udp(own, 2, 1), esp.clone()].map(|frame| {
            machine.receive(&frame);
            rig.received().iter().map(|packet| packet.meta.mark).collect::<Vec<_>>()
        })
    };
    assert_eq!(marks(&mut rig), [[0xabcdef], [0], [7]]);
    rig.receive.as_mut().unwrap().unmark(&mut rig.device, first).unwrap();
    assert_eq!(marks(&mut rig), [[0], [0], [7]]);
    let mixed = Flow { source: [0u8; 16].into(), ..one };
    assert!(matches!(rig.receive.as_mut().unwrap().mark(&mut rig.device, &mixed, 1), Err(Error::Lacks(_))));
    for mark in [0, 0x100_0000] {
        assert!(matches!(
            rig.receive.as_mut().unwrap().mark(&mut rig.device, &one, mark),
            Err(Error::Lacks(_))
        ));
    }
    rig.close();
    blameless(&machine);
}

fn every_kind_of_traffic_goes_to_the_tir_that_is_for_it<M: Machine>() {
    let machine = M::new("cx7");
    let mut rig = Rig::new(&machine);
    let own = rig.device.mac().unwrap();
    let arp = [&own[..], &[2, 0, 0, 0, 0, 1, 0x08, 0x06], &[0; 46]].concat();
    let mut fragment = udp(own, 1, 2);
    // The header's checksum knows nothing of the bit, and whoever steers does not look at it.
    fragment[14 + 6] = 0x20;
    let [tcp, esp, icmp] = [6, 50, 1].map(|protocol| ipv4(own, protocol, &[0x50; 40]));
    let frames = [arp, fragment, icmp, tcp, udp(own, 5, 6), esp];
    let v6 = false;
    // With a TIR for one kind only, all that is not of this kind is dropped.
    for (traffic, wanted) in [
        (Traffic::Tcp { v6 }, [false, false, false, true, false, false]),
        (Traffic::Udp { v6 }, [false, false, false, false, true, false]),
        (Traffic::Esp { v6 }, [false, false, false, false, false, true]),
        (Traffic::Ip { v6 }, [false, true, true, true, true, true]),
        (Traffic::Ip { v6: true }, [false; 6]),
        (Traffic::Other, [true; 6]),
    ] {
        let tirs: Vec<_> = rig.queues.tirs().iter().filter(|(of, _)| *of == traffic).copied().collect();
        rig.receive.take().unwrap().destroy(&mut rig.device).unwrap();
        rig.receive = Some(Receive::create(&mut rig.device, &tirs).unwrap());
        rig.filter(Filter { unicast: vec![own], ..Filter::default() });
        let heard = frames.each_ref().map(|frame| {
            machine.receive(frame);
            rig.received().len() == 1
        });
        assert_eq!(heard, wanted, "{traffic:?}");
    }
    rig.close();
    blameless(&machine);
}

stories!(
    only_what_is_wanted_is_received,
    addresses_that_do_not_fit_are_received_by_promiscuity,
    flows_are_marked,
    every_kind_of_traffic_goes_to_the_tir_that_is_for_it
);

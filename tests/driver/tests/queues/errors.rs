//! Queues in error, lost and repeated completions.

use super::frames::udp;
use super::receive::bytes;
use super::rig::{ALL, BUFFERS, Rig, plain};
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::queues::Settings;

const SYNDROME: u8 = 0x04;

fn frames(count: u16) -> Vec<Vec<u8>> {
    (0..count).map(|n| udp(n, &[n as u8; 60])).collect()
}

/// All settings under which a story has to hold.
fn kinds() -> [(&'static [(&'static str, u64)], Settings); 3] {
    let striding = Settings { striding: true, log_receive: 7, ..plain() };
    [(&[], plain()), (ALL, plain()), (ALL, striding)]
}

#[test]
fn a_send_queue_in_error_is_repaired_while_all_else_goes_on() {
    for (capabilities, settings) in kinds() {
        let mut rig = Rig::new(capabilities, &Settings { channels: 2, ..settings });
        rig.machine.inject(Fault::CompletionError { count: 1, syndrome: SYNDROME });
        let packets: Vec<_> = frames(4).iter().map(|frame| rig.packet(frame)).collect();
        rig.send(packets);
        assert!(rig.queues.channels()[0].is_broken() && !rig.queues.channels()[1].is_broken());
        let waiting = rig.packet(&frames(1)[0]);
        assert_eq!(rig.send([waiting]), 0, "nothing is sent by a broken queue");
        rig.machine.sent();
        rig.arrive(&frames(10));
        assert_eq!(rig.received_on(0).len() + rig.received_on(1).len(), 10);
        rig.repair();
        assert!(!rig.queues.channels()[0].is_broken());
        assert_eq!(rig.send_frames(&frames(30)), frames(30));
        assert_eq!(
            (rig.queues.channels()[0].stats().repairs, rig.queues.channels()[0].outstanding()),
            (1, 0)
        );
        rig.close();
    }
}

#[test]
fn a_receive_queue_in_error_is_repaired_while_all_else_goes_on() {
    for (capabilities, settings) in kinds() {
        let mut rig = Rig::new(capabilities, &settings);
        rig.arrive(&frames(3));
        assert_eq!(rig.received().len(), 3);
        rig.machine.inject(Fault::CompletionError { count: 1, syndrome: SYNDROME });
        rig.arrive(&frames(5));
        rig.received();
        assert!(rig.queues.channels()[0].is_broken());
        assert_eq!(rig.send_frames(&frames(5)), frames(5));
        rig.repair();
        for _ in 0..5 {
            rig.arrive(&frames(40));
            assert_eq!(bytes(&rig.received()), frames(40));
        }
        rig.close();
    }
}

#[test]
fn completions_of_sends_that_are_lost_or_come_twice_lose_nothing() {
    let mut rig = Rig::new(ALL, &plain());
    rig.machine.inject(Fault::CompletionLost { count: 3 });
    for _ in 0..3 {
        rig.send_frames(&frames(5));
    }
    assert_eq!(rig.queues.channels()[0].outstanding(), 15);
    rig.machine.inject(Fault::CompletionTwice { count: 2 });
    rig.send_frames(&frames(5));
    rig.send_frames(&frames(5));
    let (stats, outstanding) = (rig.queues.channels()[0].stats(), rig.queues.channels()[0].outstanding());
    assert_eq!((stats.strange, outstanding), (2, 0));
    rig.close();
}

#[test]
fn completions_of_packets_that_are_lost_or_come_twice_lose_nothing_else() {
    for (capabilities, settings) in kinds() {
        let striding = settings.striding;
        let mut rig = Rig::new(capabilities, &settings);
        rig.machine.inject(Fault::CompletionLost { count: 2 });
        rig.arrive(&frames(10));
        assert_eq!(bytes(&rig.received()), frames(10)[2..]);
        rig.machine.inject(Fault::CompletionTwice { count: 2 });
        rig.arrive(&frames(10));
        assert_eq!(bytes(&rig.received()), frames(10));
        let stats = rig.queues.channels()[0].stats();
        assert_eq!((stats.strange, stats.rx_drops), (2, if striding { 0 } else { 2 }));
        // Round the ring a few times.
        for _ in 0..10 {
            rig.arrive(&frames(40));
            assert_eq!(bytes(&rig.received()), frames(40));
        }
        rig.close();
    }
}

#[test]
fn a_completion_queue_never_overruns() {
    for (capabilities, settings) in kinds() {
        let mut rig = Rig::new(capabilities, &settings);
        for _ in 0..10 {
            rig.arrive(&frames(300));
            rig.received();
        }
        // Full of packets that nobody took, and sends without end.
        rig.arrive(&frames(300));
        for _ in 0..50 {
            rig.send_frames(&frames(1));
        }
        rig.close();
    }
}

#[test]
fn a_queue_that_is_taken_down_in_error_gives_everything_back() {
    for (capabilities, settings) in kinds() {
        let mut rig = Rig::new(capabilities, &settings);
        rig.machine.inject(Fault::CompletionError { count: 2, syndrome: SYNDROME });
        let packets: Vec<_> = frames(4).iter().map(|frame| rig.packet(frame)).collect();
        rig.send(packets);
        rig.arrive(&frames(2));
        assert_eq!(rig.tear_down().available(), BUFFERS);
    }
}

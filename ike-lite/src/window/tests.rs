use alloc::vec;

use super::*;
use crate::time::Duration;

#[test]
fn requests_come_in_order_and_the_last_may_come_again() {
    let mut inbound = Inbound::new(1);
    assert_eq!(inbound.judge(0), Arrival::Outside, "there is no response to repeat yet");
    assert_eq!(inbound.judge(1), Arrival::New);
    assert_eq!(inbound.judge(2), Arrival::Outside);
    inbound.answered(vec![1]);
    assert_eq!(inbound.judge(1), Arrival::Repeated);
    assert_eq!(inbound.judge(2), Arrival::New);
    inbound.answered(vec![2]);
    assert_eq!(inbound.judge(1), Arrival::Outside);
    let mut last = Inbound::new(u32::MAX);
    last.answered(vec![3]);
    assert_eq!(last.judge(0), Arrival::Outside, "message IDs don't wrap");
}

#[test]
fn repetitions_slow_down_and_end() {
    let times = Retransmit { first: Duration::from_secs(2), base_percent: 180, tries: 5 };
    let mut outbound = Outbound::new(0);
    outbound.sent(Instant::ZERO, &times, vec![9], ());
    let mut intervals = Vec::new();
    let mut last = Instant::ZERO;
    loop {
        let due = outbound.due();
        assert!(outbound.on_timer(Instant(due.0 - 1), &times).is_none(), "not before its time");
        match outbound.on_timer(due, &times) {
            Some(Repeat::Send(bytes)) => assert_eq!(bytes, [9]),
            Some(Repeat::GiveUp) => break,
            None => panic!("nothing happens when it is due"),
        }
        intervals.push(due.since(last).as_millis());
        last = due;
    }
    assert_eq!(intervals, [2000, 3600, 6480, 11664, 20995]);
    assert!(outbound.awaits(0) && !outbound.awaits(1));
}

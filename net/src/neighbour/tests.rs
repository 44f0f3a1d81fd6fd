use super::*;

const A: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xa]);
const B: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xb]);

fn key(last: u8) -> Key {
    Key { port: PortId(0), addr: IpAddr::from([10, 0, 0, last]) }
}

fn packet(mark: u8) -> Packet {
    Packet::from_bytes(&[mark])
}

fn neighbours() -> Neighbours {
    let limits = Limits { neighbours: 4, pending_per_neighbour: 2, pending: 5, ..Limits::default() };
    Neighbours::new(1, &limits)
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

const ANSWER: News = News { mac: Some(A), solicited: true, overriding: true };

/// An entry that has answered at second 1.
fn reachable() -> Neighbours {
    let mut cache = neighbours();
    assert!(matches!(cache.resolve(at(1), key(1), packet(1)), Resolution::Waits(Some(_))));
    let (mac, pending) = cache.learn(at(1), key(1), ANSWER).unwrap();
    assert_eq!((mac, pending.len()), (A, 1));
    cache
}

fn known(cache: &mut Neighbours, now: Instant) -> Option<EthernetAddress> {
    match cache.resolve(now, key(1), packet(9)) {
        Resolution::Known(mac, _) => Some(mac),
        _ => None,
    }
}

#[test]
fn packets_wait_and_the_newest_survive() {
    let mut cache = neighbours();
    let Resolution::Waits(Some(question)) = cache.resolve(at(0), key(1), packet(1)) else { panic!() };
    assert_eq!(question, Question { key: key(1), to: None });
    assert!(matches!(cache.resolve(at(0), key(1), packet(2)), Resolution::Waits(None)));
    assert!(matches!(cache.resolve(at(0), key(1), packet(3)), Resolution::Replaced(1)));
    let (mac, pending) = cache.learn(at(0), key(1), ANSWER).unwrap();
    assert_eq!(mac, A);
    assert_eq!(pending.iter().map(|p| p.bytes()[0]).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(known(&mut cache, at(1)), Some(A));
}

#[test]
fn three_questions_then_the_waiting_packets_come_back() {
    let mut cache = neighbours();
    cache.resolve(at(0), key(1), packet(1));
    let mut due = Vec::new();
    assert_eq!(cache.poll(Instant(999_999), &mut due), at(1));
    assert!(due.is_empty());
    for second in [1, 2] {
        assert_eq!(cache.poll(at(second), &mut due), at(second + 1));
        assert!(matches!(due.pop(), Some(Due::Ask(Question { to: None, .. }))));
    }
    assert_eq!(cache.poll(at(3), &mut due), Instant::NEVER);
    assert!(matches!(due.pop(), Some(Due::Unreachable(pending)) if pending.len() == 1));
    assert_eq!((cache.waiting, cache.incomplete, cache.table.len()), (0, 0, 0));
}

#[test]
fn a_silent_neighbour_is_probed_by_unicast_and_forgotten() {
    let mut cache = reachable();
    let mut due = Vec::new();
    // Still used after 30 s: goes on working while it is probed.
    assert_eq!(known(&mut cache, at(32)), Some(A));
    assert_eq!(cache.poll(at(33), &mut due), at(37));
    assert!(due.is_empty());
    for second in [37, 38, 39] {
        cache.poll(at(second), &mut due);
        assert!(matches!(due.pop(), Some(Due::Ask(Question { to: Some(A), .. }))), "{second}");
        assert_eq!(known(&mut cache, at(second)), Some(A));
    }
    cache.poll(at(40), &mut due);
    assert!(due.is_empty() && cache.table.is_empty());
}

#[test]
fn an_answer_to_the_probe_makes_it_reachable_again() {
    let mut cache = reachable();
    let mut due = Vec::new();
    known(&mut cache, at(32));
    cache.poll(at(37), &mut due);
    cache.learn(at(37), key(1), News { mac: None, solicited: true, overriding: false });
    due.clear();
    assert_eq!(known(&mut cache, at(60)), Some(A));
    assert_eq!(cache.poll(at(60), &mut due), Instant::NEVER);
    assert!(due.is_empty());
}

/// RFC 4861 7.2.5 and appendix C, the rows for an entry in state REACHABLE.
#[test]
fn override_rules() {
    let news = |mac, solicited, overriding| News { mac: Some(mac), solicited, overriding };
    let after = |news: News| {
        let mut cache = reachable();
        cache.learn(at(2), key(1), news);
        let entry = &cache.table[&key(1)];
        (entry.mac, matches!(entry.state, State::Reachable { .. }))
    };
    // Override clear, other address: keep ours, but doubt it.
    assert_eq!(after(news(B, true, false)), (A, false));
    assert_eq!(after(news(B, false, false)), (A, false));
    // Override clear, same address.
    assert_eq!(after(news(A, false, false)), (A, true));
    // Override set, other address: take it; trust it only if we asked.
    assert_eq!(after(news(B, true, true)), (B, true));
    assert_eq!(after(news(B, false, true)), (B, false));
    // Unsolicited, nothing new.
    assert_eq!(after(news(A, false, true)), (A, true));
}

#[test]
fn the_shortcut_never_outlives_the_news() {
    let mut cache = reachable();
    assert_eq!(known(&mut cache, at(2)), Some(A));
    cache.learn(at(3), key(1), News { mac: Some(B), solicited: false, overriding: true });
    assert_eq!(known(&mut cache, at(3)), Some(B));
}

#[test]
fn news_of_strangers_and_of_static_neighbours_changes_nothing() {
    let mut cache = neighbours();
    cache.insert_static(key(1), A);
    assert!(cache.learn(at(0), key(2), ANSWER).is_none());
    cache.learn(at(0), key(1), News { mac: Some(B), solicited: true, overriding: true });
    assert!(cache.heard(at(0), key(1), B).is_none());
    assert_eq!(known(&mut cache, at(1_000_000)), Some(A));
    assert_eq!(cache.table.len(), 1);
}

#[test]
fn a_scan_cannot_push_out_who_has_answered() {
    let mut cache = neighbours();
    for last in 1..=3 {
        cache.heard(at(u64::from(last)), key(last), A);
    }
    for last in 100..200 {
        cache.resolve(at(50), key(last), packet(0));
    }
    assert_eq!(cache.table.len(), 4);
    // Two unanswered at most (half of four); the one that was used longest ago made room.
    assert_eq!(cache.incomplete, 2);
    assert!(cache.table.contains_key(&key(2)) && cache.table.contains_key(&key(3)));
    let mut due = Vec::new();
    cache.poll(at(100), &mut due);
    cache.poll(at(200), &mut due);
    cache.poll(at(300), &mut due);
    assert_eq!((cache.waiting, cache.incomplete, cache.table.len()), (0, 0, 2));
}

#[test]
fn waiting_packets_are_bounded_over_all_neighbours() {
    let mut cache = Neighbours::new(
        1,
        &Limits { neighbours: 64, pending_per_neighbour: 4, pending: 5, ..Limits::default() },
    );
    for last in 0..20 {
        for _ in 0..3 {
            cache.resolve(at(0), key(last), packet(0));
            assert!(cache.waiting <= 5);
        }
    }
    assert_eq!(cache.waiting, cache.table.values().map(|entry| entry.pending.len()).sum::<usize>());
}

//! Wires between cards, and between a card and a socket, with frames that are put into their queues by hand.

use super::*;
use core::time::Duration;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

fn card(name: &str) -> Arc<Card> {
    Card::new(name, crate::device())
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mlx5-device-{}-wire-{name}.sock", std::process::id()))
}

/// Waits until `done`.
fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "it does not happen");
        thread::sleep(Duration::from_millis(2));
    }
}

/// An ESP frame; cards remember those.
fn esp(number: u8) -> Frame {
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 50, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0, 0, 0x10, number]);
    frame.resize(60, number);
    frame
}

#[test]
fn two_cards_hear_each_other_and_not_themselves() {
    let cards = [card("A"), card("B")];
    let _wire = Wire::join(&cards[0], &FarEnd::Device(1), &cards).unwrap();
    cards[0].outgoing().push((0..100).map(esp));
    cards[1].outgoing().push((0..50).map(esp));
    until(|| cards[1].replay(1000) == 100 && cards[0].replay(1000) == 50);
}

#[test]
fn two_busy_cards_do_not_wait_for_each_other() {
    let cards = [card("A"), card("B")];
    let _wire = Wire::join(&cards[0], &FarEnd::Device(1), &cards).unwrap();
    thread::scope(|scope| {
        for card in &cards {
            scope.spawn(|| {
                for number in 0..2000u32 {
                    card.outgoing().push((0..16).map(|_| esp(number as u8)));
                    card.outgoing().settle();
                }
            });
        }
    });
    until(|| cards.iter().all(|card| card.outgoing().is_empty()));
    assert_eq!(cards.iter().map(|card| card.outgoing().dropped()).sum::<u64>(), 0);
}

#[test]
fn a_loopback_plug() {
    let cards = [card("A")];
    let _wire = Wire::join(&cards[0], &FarEnd::Device(0), &cards).unwrap();
    cards[0].outgoing().push([esp(1)]);
    until(|| cards[0].replay(9) == 1);
}

#[test]
fn impairments_and_captures_are_the_wires() {
    let cards = [card("A"), card("B")];
    let wire = Wire::join(&cards[0], &FarEnd::Device(1), &cards).unwrap();
    let file = path("capture");
    wire.watch(Some(&file)).unwrap();
    wire.impair(Impairment { loss: 1.0, ..Impairment::default() });
    cards[0].outgoing().push([esp(1)]);
    let recorded = || std::fs::metadata(&file).unwrap().len();
    until(|| recorded() as usize == net::pcap::FILE_HEADER + net::pcap::RECORD_HEADER + 60);
    wire.impair(Impairment { duplicate: 1.0, ..Impairment::default() });
    cards[0].outgoing().push([esp(2)]);
    until(|| cards[1].replay(9) == 2);
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_next_esp_packet_is_corrupted_once() {
    let card = card("A");
    card.corrupt(1);
    card.receive(vec![vec![0; 60], esp(1), esp(2)]);
    assert_eq!(card.to_corrupt(), 0);
    assert_eq!(card.replay(1), 1);
}

#[test]
fn a_socket_whose_other_end_connects_leaves_and_comes_back() {
    let (cards, path) = ([card("A")], path("listens"));
    let _wire = Wire::join(&cards[0], &FarEnd::Socket(path.clone()), &cards).unwrap();
    for round in 1..=2 {
        let mut far = UnixStream::connect(&path).unwrap();
        frames::write(&mut far, &[esp(round)]).unwrap();
        until(|| cards[0].replay(99) == usize::from(round));
        cards[0].outgoing().push([esp(7), vec![1; 9014]]);
        assert_eq!(frames::read(&mut far).unwrap(), Some(esp(7)));
        assert_eq!(frames::read(&mut far).unwrap().map(|frame| frame.len()), Some(9014));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_socket_that_somebody_listens_on() {
    let (cards, path) = ([card("A")], path("connects"));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let _wire = Wire::join(&cards[0], &FarEnd::Socket(path.clone()), &cards).unwrap();
    // The first connection only asks whether anybody listens.
    drop(listener.accept().unwrap());
    let mut far = listener.accept().unwrap().0;
    frames::write(&mut far, &[esp(1)]).unwrap();
    until(|| cards[0].replay(9) == 1);
    cards[0].outgoing().push([esp(2)]);
    assert_eq!(frames::read(&mut far).unwrap(), Some(esp(2)));
    std::fs::remove_file(&path).unwrap();
}

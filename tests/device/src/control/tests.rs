//! A conversation over a socket.

use super::*;
use crate::card::Card;
use crate::server;
use crate::wire::Wire;
use std::io::Read;
use std::path::PathBuf;

/// Two wired cards, a control socket, and a directory.
fn desk(name: &str) -> (Arc<Desk>, PathBuf) {
    let dir = std::env::temp_dir().join(format!("mlx5-device-{}-control-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let cards: Vec<Arc<Card>> = ["A", "B"].map(|name| Card::new(name, crate::device())).into();
    let wire = Wire::join(&cards[0], &crate::arguments::FarEnd::Device(1), &cards).unwrap();
    let desk = Arc::new(Desk::new(cards, vec![wire], Some(dir.join("pcap"))));
    serve(desk.clone(), server::listen(&dir.join("control")).unwrap()).unwrap();
    (desk, dir)
}

/// Asks and returns the answer's lines.
fn ask(stream: &mut BufReader<UnixStream>, line: &str) -> Vec<String> {
    stream.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the conversation ended");
        match line.trim_end() {
            "" => return lines,
            line => lines.push(line.to_string()),
        }
    }
}

#[test]
fn questions_answers_and_mistakes() {
    let (desk, dir) = desk("talk");
    let mut stream = BufReader::new(UnixStream::connect(dir.join("control")).unwrap());
    assert!(ask(&mut stream, "help").len() > 15);
    assert_eq!(ask(&mut stream, "pages A"), ["0"]);
    let shown = ask(&mut stream, "show B");
    assert_eq!(shown[0], "B  reset  link up  no driver  0 pages  0 refusals");
    assert!(shown.iter().any(|line| line.contains("wire_rx_frames 0")), "{shown:?}");
    let counters = ask(&mut stream, "counters A");
    assert!(counters.iter().any(|line| line == "wire_dropped 0"), "{counters:?}");
    let mistake = ask(&mut stream, "pages C");
    assert!(
        mistake.len() == 1 && mistake[0].starts_with("error: ") && mistake[0].contains("`C`"),
        "{mistake:?}"
    );
    assert_eq!(ask(&mut stream, "impair 0 delay=5"), ["loss=0 duplicate=0 corrupt=0 delay=5"]);
    assert_eq!(ask(&mut stream, "inject 0 02000000000102000000000288cc00"), [""; 0]);
    assert_eq!(ask(&mut stream, "replay B 3"), ["0 frames"]);
    let nothing = ask(&mut stream, &format!("trace A {}", dir.join("a.trace").display()));
    assert!(nothing[0].contains("trace N on"), "{nothing:?}");
    assert_eq!(ask(&mut stream, "capture on"), [""; 0]);
    assert_eq!(ask(&mut stream, "send A 02000000000102000000000288cc00"), [""; 0]);
    for name in ["A-host.pcap", "A-wire.pcap", "B-host.pcap", "B-wire.pcap", "wire0.pcap"] {
        assert!(dir.join("pcap").join(name).exists(), "{name}");
    }
    assert!(!desk.quitting());
    assert_eq!(ask(&mut stream, "quit"), [""; 0]);
    let deadline = std::time::Instant::now() + core::time::Duration::from_secs(5);
    while !desk.quitting() {
        assert!(std::time::Instant::now() < deadline);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn one_who_hangs_up_does_not_disturb_others() {
    let (_desk, dir) = desk("hangup");
    for _ in 0..3 {
        let mut stream = UnixStream::connect(dir.join("control")).unwrap();
        stream.write_all(b"pages 0\npages").unwrap();
        stream.shutdown(std::net::Shutdown::Read).unwrap();
    }
    let mut stream = UnixStream::connect(dir.join("control")).unwrap();
    stream.write_all(b"pages 0\n").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"0\n\n");
    std::fs::remove_dir_all(&dir).unwrap();
}

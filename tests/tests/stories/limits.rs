//! The end of SAs: hard limits stop them, and what follows is dropped, not sent in the clear.

use net::Duration;
use ravelin_tests::lab::packet::{Header, udp};
use ravelin_tests::lab::{Lab, Setup, addr};

fn out(lab: &mut Lab, data: &[u8]) -> Vec<(String, u64)> {
    let packet = udp(Header::default(), (addr("10.2.0.10"), 1), (addr("10.1.0.5"), 2), data);
    lab.causes(|lab| lab.inside.send(lab.now, &packet))
}

fn inwards(lab: &mut Lab) -> Vec<(String, u64)> {
    let packet = udp(Header::default(), (addr("10.1.0.5"), 1), (addr("10.2.0.10"), 2), b"x");
    lab.causes(|lab| lab.peer_sends(&packet))
}

fn names(causes: &[(String, u64)]) -> Vec<&str> {
    causes.iter().map(|(cause, _)| cause.as_str()).collect()
}

#[test]
fn packets() {
    let mut lab = Lab::new("limit_packets", Setup { sa: "life_packets = 3", ..Setup::default() }).warm_up();
    for _ in 0..3 {
        assert!(out(&mut lab, b"x").is_empty());
        assert!(inwards(&mut lab).is_empty());
    }
    let refused = out(&mut lab, b"swordfish");
    assert!(matches!(names(&refused)[..], ["ipsec.expired"] | ["gateway.no_sa"]), "{refused:?}");
    assert_eq!(names(&out(&mut lab, b"swordfish")), ["gateway.no_sa"], "then there is no SA any more");
    assert_eq!(names(&inwards(&mut lab)), ["ipsec.expired"]);
    assert_eq!(lab.peer_receives().len(), 3);
    assert_eq!(lab.inside_receives().len(), 3);
    assert!(!lab.outside_has(b"swordfish"));
}

#[test]
fn bytes() {
    let mut lab = Lab::new("limit_bytes", Setup { sa: "life_bytes = 1000", ..Setup::default() }).warm_up();
    for _ in 0..5 {
        assert!(out(&mut lab, &[0; 172]).is_empty());
    }
    let refused = out(&mut lab, b"swordfish");
    assert!(matches!(names(&refused)[..], ["ipsec.expired"] | ["gateway.no_sa"]), "{refused:?}");
    assert!(!lab.outside_has(b"swordfish"));
}

#[test]
fn time() {
    let mut lab = Lab::new("limit_time", Setup { sa: "life_time = 30", ..Setup::default() }).warm_up();
    lab.run(Duration::from_secs(28));
    assert!(out(&mut lab, b"x").is_empty());
    assert!(inwards(&mut lab).is_empty());
    lab.run(Duration::from_secs(3));
    assert_eq!(names(&out(&mut lab, b"swordfish")), ["gateway.no_sa"], "without any packet having told it");
    assert_eq!(names(&inwards(&mut lab)), ["ipsec.expired"]);
    assert!(!lab.outside_has(b"swordfish"));
    assert!(lab.gateway.status(lab.now).join("\n").contains("expired"));
}

use super::super::fixture::sample;
use super::*;

#[test]
fn in_and_out() {
    let tagged = sample("vlan-tcp4").frame;
    let mut frame = tagged.clone();
    assert_eq!(strip(&mut frame, SERVICE_TAG), None);
    assert_eq!(frame, tagged);
    assert_eq!(strip(&mut frame, CUSTOMER_TAG), Some(5 << 13 | 100));
    assert_eq!(frame.len(), tagged.len() - 4);
    assert_eq!(frame[12..14], [0x08, 0x00]);
    assert_eq!(strip(&mut frame, CUSTOMER_TAG), None);
    insert(&mut frame, CUSTOMER_TAG, 5 << 13 | 100);
    assert_eq!(frame, tagged);
}

#[test]
fn only_the_first_tag() {
    let mut frame = sample("qinq-udp6").frame;
    assert_eq!(strip(&mut frame, CUSTOMER_TAG), None);
    assert_eq!(strip(&mut frame, SERVICE_TAG), Some(1 << 13 | 1 << 12 | 7));
    assert_eq!(strip(&mut frame, CUSTOMER_TAG), Some(4094));
    assert_eq!(frame[12..14], [0x86, 0xdd]);
}

#[test]
fn runts() {
    for length in 0..18 {
        let mut frame = sample("vlan-tcp4").frame;
        frame.truncate(length);
        assert_eq!(strip(&mut frame, CUSTOMER_TAG), None);
        insert(&mut frame, CUSTOMER_TAG, 1);
        assert_eq!(frame.len(), if length < 12 { length } else { length + 4 });
    }
}

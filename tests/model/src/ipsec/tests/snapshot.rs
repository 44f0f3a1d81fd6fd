//! Lifetimes of IPSEC objects as views see them.

use super::{Lab, sender};

#[test]
fn lifetimes_count_down_and_end() {
    let mut lab = Lab::new();
    let number = lab.object(|object, aso| {
        sender(1 << 32 | 5)(object, aso);
        aso.set().remove_flow_pkt_cnt(2).hard_lft_arm(true).remove_flow_enable(true);
    });
    let seen = |lab: &Lab| {
        let seen = lab.host.device.snapshot().associations.remove(0);
        assert_eq!((seen.object, seen.spi, seen.mode, seen.esn), (number, None, "send", true));
        (seen.sequence, seen.left, seen.removed)
    };
    assert_eq!(seen(&lab), (1 << 32 | 5, Some(2), false));
    lab.encrypt(number).expect("a packet");
    assert_eq!(seen(&lab), (1 << 32 | 6, Some(1), false));
    lab.encrypt(number).expect("a packet");
    assert_eq!(seen(&lab), (1 << 32 | 7, Some(0), true));
}

//! Soft and hard lifetimes, and the rounds with which Linux makes limits of more than 32 bits of them (facts C.7).

use super::*;

/// Bits of the first window: arm the soft lifetime, add 2^31 to the counter.
const ROUND: u64 = 1 << 57 | 1 << 31;

fn limited(
    count: u32,
    soft: Option<u32>,
    hard: bool,
    remove: bool,
) -> impl FnOnce(&mut IpsecObj, &mut IpsecAso) {
    move |object, aso| {
        sender(1)(object, aso);
        aso.set().remove_flow_pkt_cnt(count).hard_lft_arm(hard).remove_flow_enable(remove);
        if let Some(soft) = soft {
            aso.set().remove_flow_soft_lft(soft).soft_lft_arm(true);
        }
    }
}

#[test]
fn soft_then_hard_then_nothing() {
    let mut lab = Lab::new();
    let number = lab.object(limited(10, Some(3), true, true));
    for left in (0..10).rev() {
        assert!(lab.encrypt(number).is_some(), "{left} left");
        let context = lab.read(number);
        assert_eq!(context.remove_flow_pkt_cnt(), left);
        assert_eq!(context.soft_lft_arm(), left > 3, "{left}");
        assert_eq!(context.hard_lft_arm(), left > 0);
    }
    for _ in 0..3 {
        assert_eq!(lab.encrypt(number), None);
    }
    // Raising the counter does not bring the flow back.
    lab.write(number, 0, 1 << 31, 1 << 31);
    assert_eq!(lab.encrypt(number), None);
    assert_eq!(lab.read(number).mode_parameter(), 11);
}

#[test]
fn without_removal_the_flow_goes_on() {
    let mut lab = Lab::new();
    let number = lab.object(limited(2, None, true, false));
    for _ in 0..5 {
        assert!(lab.encrypt(number).is_some());
    }
    let context = lab.read(number);
    assert_eq!((context.remove_flow_pkt_cnt(), context.hard_lft_arm()), (0, false));
}

#[test]
fn a_threshold_above_the_counter_is_never_reached() {
    let mut lab = Lab::new();
    let number = lab.object(limited(5, Some(9), true, true));
    for _ in 0..5 {
        lab.encrypt(number).expect("a packet");
    }
    assert!(lab.read(number).soft_lft_arm() && !lab.read(number).hard_lft_arm());
}

#[test]
fn only_accepted_packets_count_on_receive() {
    let mut lab = Lab::new();
    let transmit = lab.object(sender(1));
    let frames: Vec<_> = (0..4).map(|_| lab.encrypt(transmit).unwrap()).collect();
    let number = lab.object(|object, aso| {
        receiver(1, 1)(object, aso);
        aso.set().remove_flow_pkt_cnt(3).hard_lft_arm(true).remove_flow_enable(true);
        aso.set().remove_flow_soft_lft(1).soft_lft_arm(true);
    });
    let mut forged = frames[0].clone();
    forged[60] ^= 1;
    assert_eq!(lab.verdict(number, &forged), Verdict::Forged);
    assert_eq!(lab.verdict(number, &frames[0]), Verdict::Accepted);
    assert_eq!(lab.verdict(number, &frames[0]), Verdict::Replayed);
    assert!(lab.read(number).soft_lft_arm());
    assert_eq!(lab.verdict(number, &frames[1]), Verdict::Accepted);
    assert!(!lab.read(number).soft_lft_arm());
    assert_eq!(lab.verdict(number, &frames[2]), Verdict::Accepted);
    assert!(!lab.read(number).hard_lft_arm());
    assert_eq!(lab.verdict(number, &frames[3]), Verdict::Dropped);
}

/// Lets the card believe that it has sent so many packets more.
fn skip(lab: &mut Lab, number: u32, packets: u32) {
    let left = lab.read(number).remove_flow_pkt_cnt() - packets;
    lab.write(number, 0, left.into(), 0xffff_ffff);
}

#[test]
fn limits_of_more_than_32_bits() {
    let mut lab = Lab::new();
    // 3 * 2^31 + 5 packets in all: begin with 2^31 + 5, add 2^31 twice; soft limit 7 before the end.
    let threshold = (1u32 << 31) - 1;
    let number = lab.object(limited((1 << 31) + 5, Some(threshold), true, true));
    let mut total = 0u64;
    for round in 0..2u32 {
        // Down to the threshold.
        let away = lab.read(number).remove_flow_pkt_cnt() - threshold - 2;
        skip(&mut lab, number, away);
        total += u64::from(away);
        for _ in 0..2 {
            assert!(lab.read(number).soft_lft_arm());
            assert!(lab.encrypt(number).is_some());
            total += 1;
        }
        let context = lab.read(number);
        assert_eq!((context.soft_lft_arm(), context.remove_flow_pkt_cnt()), (false, threshold));
        // The driver is late by three packets, which is no harm.
        for _ in 0..3 {
            assert!(lab.encrypt(number).is_some());
            total += 1;
        }
        lab.write(number, 0, ROUND, ROUND);
        let context = lab.read(number);
        assert_eq!(
            (context.soft_lft_arm(), context.remove_flow_pkt_cnt()),
            (true, (1 << 31) + threshold - 3)
        );
        if round == 1 {
            lab.write(number, 1, 7, 0xffff_ffff);
            assert_eq!(lab.read(number).remove_flow_soft_lft(), 7);
        }
    }
    let away = lab.read(number).remove_flow_pkt_cnt() - 8;
    skip(&mut lab, number, away);
    total += u64::from(away);
    let mut soft_at = None;
    for _ in 0..20 {
        total += u64::from(lab.encrypt(number).is_some());
        if !lab.read(number).soft_lft_arm() && soft_at.is_none() {
            soft_at = Some(total);
        }
    }
    assert_eq!(total, 3 * (1 << 31) + 5);
    assert_eq!(soft_at, Some(3 * (1 << 31) + 5 - 7));
}

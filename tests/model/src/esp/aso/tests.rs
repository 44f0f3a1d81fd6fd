use super::*;
use proptest::prelude::*;

const ESN: Esn = Esn { enabled: true, msb: 0, overlap: false };
const PLAIN: Esn = Esn { enabled: false, msb: 0, overlap: false };

fn receiver(top: u32, window_sz: u8) -> AsoContext {
    let layout = IpsecAso::build().valid(true).mode(1).window_sz(window_sz).esn_event_arm(true);
    AsoContext::new(layout.mode_parameter(top).done())
}

fn sender(next: u32) -> AsoContext {
    AsoContext::new(IpsecAso::build().valid(true).mode(2).esn_event_arm(true).mode_parameter(next).done())
}

fn limited(hard: u32, soft: u32) -> AsoContext {
    let layout = IpsecAso::build().valid(true).hard_lft_arm(true).soft_lft_arm(true).remove_flow_enable(true);
    AsoContext::new(layout.remove_flow_pkt_cnt(hard).remove_flow_soft_lft(soft).done())
}

/// An access as Linux builds it: both conditions always true.
fn write(offset: u8, data: u64, mask: u64) -> WqeAsoCtrlSeg {
    let control = WqeAsoCtrlSeg::build().condition_0_operand(1).condition_1_operand(1).data_offset(offset);
    control.bitwise_data(data).data_mask(mask).done()
}

/// What Linux's event handler does about an ESN event.
fn service(context: &mut AsoContext, esn: &mut Esn) {
    if context.layout().mode_parameter() < MIDDLE {
        esn.msb += 1;
        esn.overlap = false;
    } else {
        esn.overlap = true;
    }
    assert_eq!(context.access(&write(0, 1 << 54, 1 << 54)), Ok(true));
    assert!(context.layout().esn_event_arm());
}

#[test]
fn numbers_count_on() {
    let mut context = sender(1);
    assert_eq!(context.next_sequence(&ESN), Some((1, Events::default())));
    assert_eq!(context.next_sequence(&ESN), Some((2, Events::default())));
    assert_eq!(context.layout().mode_parameter(), 3);
    // Zero is never sent, and a context of another mode doesn't count.
    assert_eq!(sender(0).next_sequence(&ESN), None);
    assert_eq!(receiver(1, 0).next_sequence(&ESN), None);
}

#[test]
fn without_esn_the_numbers_run_out() {
    let mut context = sender(u32::MAX);
    assert_eq!(context.next_sequence(&PLAIN), Some((u64::from(u32::MAX), Events::default())));
    assert_eq!(context.next_sequence(&PLAIN), None);
    assert_eq!(context.next_sequence(&PLAIN), None);
}

#[test]
fn a_sender_passes_both_borders() {
    let mut esn = ESN;
    let mut context = sender(MIDDLE - 2);
    let event = Events { esn: true, ..Events::default() };
    assert_eq!(context.next_sequence(&esn), Some((u64::from(MIDDLE) - 2, Events::default())));
    assert_eq!(context.next_sequence(&esn), Some((u64::from(MIDDLE) - 1, event)));
    assert!(!context.layout().esn_event_arm());
    service(&mut context, &mut esn);
    assert_eq!(esn, Esn { enabled: true, msb: 0, overlap: true });

    context.layout.set().mode_parameter(u32::MAX - 1);
    assert_eq!(context.next_sequence(&esn), Some((u64::from(u32::MAX) - 1, Events::default())));
    assert_eq!(context.next_sequence(&esn), Some((u64::from(u32::MAX), event)));
    // Not served yet: the overlap carries it.
    assert_eq!(context.next_sequence(&esn), Some((1 << 32, Events::default())));
    service(&mut context, &mut esn);
    assert_eq!(esn, Esn { enabled: true, msb: 1, overlap: false });
    assert_eq!(context.next_sequence(&esn), Some(((1 << 32) + 1, Events::default())));
}

#[test]
fn an_event_that_is_not_armed_does_not_fire() {
    let mut context = sender(u32::MAX);
    context.layout.set().esn_event_arm(false);
    assert_eq!(context.next_sequence(&ESN), Some((u64::from(u32::MAX), Events::default())));
}

/// Linux begins with 1 as the highest number although none was seen.
#[test]
fn the_first_packet_of_linux() {
    let mut context = receiver(1, 0);
    assert_eq!(context.check_and_mark(&ESN, 1).0, Replay::Fresh);
    assert_eq!(context.check_and_mark(&ESN, 1).0, Replay::Seen);
    assert_eq!(context.check_and_mark(&ESN, 0).0, Replay::Stale);
    assert_eq!(context.check_and_mark(&ESN, 40).0, Replay::Fresh);
    assert_eq!(context.check_and_mark(&ESN, 8).0, Replay::Stale);
    assert_eq!(context.check_and_mark(&ESN, 9).0, Replay::Fresh);
    assert_eq!(context.layout().mode_parameter(), 40);
    let window = context.layout().replay_protection_window();
    assert_eq!(window[28..], ((1u32 << 31) | 1).to_be_bytes());
}

#[test]
fn a_receiver_passes_both_borders() {
    let mut esn = ESN;
    let mut context = receiver(MIDDLE - 2, 1);
    let event = Events { esn: true, ..Events::default() };
    assert_eq!(context.check_and_mark(&esn, MIDDLE - 1), (Replay::Fresh, Events::default()));
    assert_eq!(context.check_and_mark(&esn, MIDDLE + 3), (Replay::Fresh, event));
    service(&mut context, &mut esn);
    assert_eq!(context.infer(&esn, MIDDLE), Some(u64::from(MIDDLE)));

    context.layout.set().mode_parameter(u32::MAX - 1).replay_protection_window(&[0; 32]);
    assert_eq!(context.check_and_mark(&esn, 5), (Replay::Fresh, event));
    assert_eq!(context.infer(&esn, 6), Some((1 << 32) + 6));
    // A late one of the round before, and the same again.
    assert_eq!(context.infer(&esn, u32::MAX), Some(u64::from(u32::MAX)));
    assert_eq!(context.check_and_mark(&esn, u32::MAX), (Replay::Fresh, Events::default()));
    service(&mut context, &mut esn);
    assert_eq!(esn, Esn { enabled: true, msb: 1, overlap: false });
    assert_eq!(context.check_and_mark(&esn, u32::MAX).0, Replay::Seen);
    assert_eq!(context.infer(&esn, u32::MAX - 3), Some(u64::from(u32::MAX) - 3));
    assert_eq!(context.check_and_mark(&esn, 6).0, Replay::Fresh);
    assert_eq!(context.check_and_mark(&esn, 5).0, Replay::Seen);
}

/// A driver that sleeps through an event loses packets, as it should.
#[test]
fn an_event_that_nobody_serves_shows() {
    let esn = Esn { msb: 4, ..ESN };
    let mut context = receiver(u32::MAX, 0);
    assert_eq!(context.check_and_mark(&esn, 0).0, Replay::Stale);
    assert_eq!(context.check_and_mark(&Esn { overlap: true, ..esn }, 0).0, Replay::Fresh);
}

#[test]
fn without_replay_protection_everything_is_fresh() {
    let mut context = AsoContext::new(IpsecAso::build().valid(true).done());
    assert_eq!(context.check_and_mark(&ESN, 3).0, Replay::Fresh);
    assert_eq!(context.check_and_mark(&ESN, 3).0, Replay::Fresh);
    assert_eq!(context.infer(&Esn { msb: 2, ..ESN }, 3), Some((2 << 32) + 3));
    assert_eq!(context.layout(), AsoContext::new(IpsecAso::build().valid(true).done()).layout());
}

#[test]
fn lifetimes() {
    let mut context = limited(4, 2);
    assert_eq!(context.count(), Some(Events::default()));
    assert_eq!(context.count(), Some(Events { soft: true, ..Events::default() }));
    assert!(!context.layout().soft_lft_arm() && context.layout().hard_lft_arm());
    assert_eq!(context.count(), Some(Events::default()));
    assert!(!context.is_exhausted());
    assert_eq!(context.count(), Some(Events { hard: true, ..Events::default() }));
    assert!(context.is_exhausted() && !context.layout().hard_lft_arm());
    assert_eq!(context.count(), None);
    assert_eq!(context.layout().remove_flow_pkt_cnt(), 0);
    // Nothing set: nothing counted.
    let mut context = AsoContext::default();
    assert_eq!(context.count(), Some(Events::default()));
    assert_eq!(context.layout().remove_flow_pkt_cnt(), 0);
}

/// Limits above 32 bits in rounds: at the soft event bit 31 of the counter is set again, and the event armed.
#[test]
fn rounds() {
    let mut context = limited(MIDDLE + 1, MIDDLE - 1);
    assert_eq!(context.count(), Some(Events::default()));
    assert_eq!(context.count(), Some(Events { soft: true, ..Events::default() }));
    assert_eq!(context.count(), Some(Events::default()), "one more passes before the driver acts");
    let both = 1 << 57 | 1 << 31;
    assert_eq!(context.access(&write(0, both, both)), Ok(true));
    assert_eq!(context.layout().remove_flow_pkt_cnt(), MIDDLE - 2 + MIDDLE);
    assert!(context.layout().soft_lft_arm());
    // The soft threshold through the second window.
    assert_eq!(context.access(&write(1, 0x1234, 0xffff_ffff)), Ok(true));
    assert_eq!(context.layout().remove_flow_soft_lft(), 0x1234);
    assert_eq!(context.layout().remove_flow_pkt_cnt(), u32::MAX - 1);
}

#[test]
fn accesses_that_are_refused() {
    let before = sender(7);
    let mut context = before.clone();
    // Nothing but a read: conditions always false, no mask.
    assert_eq!(context.access(&WqeAsoCtrlSeg::default()), Ok(false));
    let mut bytewise = write(0, 0, 0);
    bytewise.set().data_mask_mode(1);
    assert_eq!(context.access(&bytewise), Err(AccessError::MaskMode));
    assert_eq!(context.access(&write(15, 0, 0)), Err(AccessError::Window));
    assert_eq!(context.access(&write(63, 0, 0)), Err(AccessError::Window));
    assert_eq!(context.access(&write(0, 1 << 32, 1 << 32)), Err(AccessError::Reserved));
    let mut strange = write(0, 0, 0);
    strange.set().condition_0_operand(10);
    assert_eq!(context.access(&strange), Err(AccessError::Condition));
    let mut strange = write(0, 0, 0);
    strange.set().condition_operand(2);
    assert_eq!(context.access(&strange), Err(AccessError::Condition));
    assert_eq!(context, before);
}

#[test]
fn conditions() {
    let context = sender(7);
    // mode_parameter is dword 7.
    let holds = |operand, data| {
        let mut control = write(0, 1 << 63, 1 << 63);
        control
            .set()
            .condition_0_operand(operand)
            .condition_0_offset(7)
            .condition_0_data(data)
            .condition_0_mask(0xff);
        context.clone().access(&control)
    };
    for (operand, lesser, equal, greater) in [
        (2, false, true, false),
        (3, true, false, true),
        (4, false, true, true),
        (5, true, true, false),
        (6, true, false, false),
        (7, false, false, true),
        (8, false, false, true),
        (9, true, false, false),
    ] {
        assert_eq!(holds(operand, 9), Ok(lesser), "{operand}");
        assert_eq!(holds(operand, 0x1_07), Ok(equal), "{operand}");
        assert_eq!(holds(operand, 5), Ok(greater), "{operand}");
    }
    // AND of false and true, OR of the same.
    let mut context = sender(7);
    let mut control = write(0, 0, 1 << 63);
    control.set().condition_0_operand(0);
    assert_eq!(context.access(&control), Ok(false));
    assert!(context.layout().valid());
    control.set().condition_operand(1);
    assert_eq!(context.access(&control), Ok(true));
    assert!(!context.layout().valid());
}

proptest! {
    /// A receiver that is served takes every number once, over many rounds, as long as none is older than its window.
    #[test]
    fn every_number_once(
        start in 0u64..0x4_0000_0000,
        steps in proptest::collection::vec((0u64..0x5000_0000, 0u32..64), 1..60),
        served_late in any::<bool>(),
    ) {
        let start = start.max(1);
        let low = start as u32;
        let mut esn = Esn { enabled: true, msb: (start >> 32) as u32, overlap: low >= MIDDLE };
        let mut context = receiver(low, 1);
        let mut top = start;
        for (ahead, back) in steps {
            top += ahead + 1;
            let mut pending = false;
            for sequence in [top, top.saturating_sub(u64::from(back)).max(1), top] {
                let already = context.check(&esn, sequence as u32) != Replay::Fresh;
                prop_assert_eq!(context.infer(&esn, sequence as u32), Some(sequence));
                let (replay, events) = context.check_and_mark(&esn, sequence as u32);
                prop_assert_eq!(replay != Replay::Fresh, already);
                prop_assert_eq!(context.check(&esn, sequence as u32), Replay::Seen);
                pending |= events.esn;
                if pending && !served_late {
                    service(&mut context, &mut esn);
                    pending = false;
                }
            }
            if pending {
                service(&mut context, &mut esn);
            }
        }
    }

    #[test]
    fn any_context(bytes in any::<[u8; 32]>(), more in any::<[u8; 32]>(), low in any::<u32>(), msb in any::<u32>(), overlap: bool, enabled: bool) {
        let mut context = AsoContext::new(IpsecAso::copy_from(&[bytes, more].concat()));
        let esn = Esn { enabled, msb, overlap };
        context.check_and_mark(&esn, low);
        context.next_sequence(&esn);
        context.count();
        let control = WqeAsoCtrlSeg::copy_from(&[more, bytes].concat());
        let _ = context.access(&control);
    }
}

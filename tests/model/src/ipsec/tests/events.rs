//! OBJECT_CHANGE events, as an event queue shows them.

use super::*;
use mlx5_pci::prm::{AllocUarIn, AllocUarOut, CreateEqIn, CreateEqOut, Eqc, Eqe, EqeObjChange, EventType};

/// An event queue of 64 entries that wants OBJECT_CHANGE, and where the driver is in it.
struct Events {
    pages: u64,
    taken: u64,
}

impl Events {
    fn new(lab: &mut Lab) -> Events {
        let input = AllocUarIn::build().opcode(Opcode::ALLOC_UAR.0).done();
        let uar = AllocUarOut::copy_from(&lab.host.expect(input.as_bytes(), AllocUarOut::SIZE).output).uar();
        let pages = lab.host.memory.alloc(4096);
        for at in 0..64 {
            lab.host.memory.put(pages + 64 * at + 63, &[1]);
        }
        let mut mask = [0; 32];
        mask[7 - 0x27 / 8] = 1 << (0x27 % 8);
        let context = Eqc::build().log_eq_size(6).uar_page(uar).done();
        let input = CreateEqIn::build().opcode(Opcode::CREATE_EQ.0).eq_context_entry(&context);
        let input = input.event_bitmask(&mask).done();
        let input = [&input.as_bytes()[..], &pages.to_be_bytes()].concat();
        lab.host.expect(&input, CreateEqOut::SIZE);
        Events { pages, taken: 0 }
    }

    /// The objects of all new events, which are all OBJECT_CHANGE of IPSEC objects.
    fn take(&mut self, lab: &Lab) -> Vec<u32> {
        let mut objects = Vec::new();
        loop {
            let entry = Eqe::copy_from(&lab.host.memory.get(self.pages + 64 * self.taken, 64));
            if entry.owner() {
                return objects;
            }
            assert_eq!((entry.type_(), entry.sub_type()), (EventType::OBJECT_CHANGE.0, 0));
            let change = EqeObjChange::copy_from(entry.data());
            assert_eq!(change.obj_type(), 0x13);
            objects.push(change.obj_id());
            self.taken += 1;
        }
    }
}

#[test]
fn esn_on_both_sides() {
    let mut lab = Lab::new();
    let mut events = Events::new(&mut lab);
    for border in [1u64 << 31, 1 << 32] {
        let transmit = lab.object(sender(border - 2));
        let receive = lab.object(receiver(0, border - 1));
        let mut told = Vec::new();
        lab.host.device.log_mut().clear();
        for step in 0..34 {
            let frame = lab.encrypt(transmit).unwrap();
            told.extend(events.take(&lab).into_iter().map(|object| (step, object)));
            if step > 0 {
                assert_eq!(lab.verdict(receive, &frame), Verdict::Accepted);
            }
            told.extend(events.take(&lab).into_iter().map(|object| (step, object)));
        }
        // After border - 1 is sent; when border + 31 is received, and with it the window's bottom moves to border.
        assert_eq!(told, [(1, transmit), (33, receive)]);
        let noted = [transmit, receive].map(|object| format!("OBJECT_CHANGE of IPSEC object {object:#x}"));
        assert!(lab.host.device.log().notes().eq(noted.iter().map(String::as_str)));
    }
}

#[test]
fn nothing_is_told_unless_armed() {
    let mut lab = Lab::new();
    let mut events = Events::new(&mut lab);
    let number = lab.object(|object, aso| {
        sender((1 << 31) - 1)(object, aso);
        aso.set()
            .esn_event_arm(false)
            .remove_flow_pkt_cnt(2)
            .remove_flow_soft_lft(1)
            .remove_flow_enable(true);
    });
    assert!(lab.encrypt(number).is_some() && lab.encrypt(number).is_some() && lab.encrypt(number).is_none());
    assert_eq!(events.take(&lab), []);
}

#[test]
fn one_event_for_all_that_a_packet_changes() {
    let mut lab = Lab::new();
    let mut events = Events::new(&mut lab);
    let number = lab.object(|object, aso| {
        sender((1 << 31) - 1)(object, aso);
        aso.set().remove_flow_pkt_cnt(2).remove_flow_soft_lft(1).soft_lft_arm(true).hard_lft_arm(true);
    });
    lab.encrypt(number).unwrap();
    assert_eq!(events.take(&lab), [number], "ESN and soft lifetime");
    let context = lab.read(number);
    assert!(!context.esn_event_arm() && !context.soft_lft_arm() && context.hard_lft_arm());
    lab.encrypt(number).unwrap();
    assert_eq!(events.take(&lab), [number], "hard lifetime");
    lab.encrypt(number).unwrap();
    assert_eq!(events.take(&lab), []);
    // A driver that arms again is told again.
    lab.write(number, 0, 1 << 57 | 2, 1 << 57 | 0xffff_ffff);
    lab.encrypt(number).unwrap();
    assert_eq!(events.take(&lab), [number]);
}

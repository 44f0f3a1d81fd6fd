//! EQEs as a device writes them.

use super::*;
use crate::hal::Function as _;
use crate::prm::EqeComp;
use crate::testing::{Machine, Words};

fn write(eq: &Eq<Words>, counter: u32, mut eqe: Eqe) {
    eqe.set().owner(eq.ring.lap(counter) == 1);
    let entry = eq.ring.entry(counter).unwrap();
    for (word, bytes) in entry.iter().zip(eqe.as_bytes().as_chunks::<4>().0) {
        word.store(u32::from_ne_bytes(*bytes), core::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn events_come_once_and_in_order() {
    let mut machine = Machine::new();
    let bar = machine.map_bar(0).unwrap();
    let mut eq = Eq::new(&machine, 2, Uar { page: 1, log_bf_reg_size: 9 }).unwrap();
    eq.number = 3;
    assert_eq!(eq.next(&bar), None);
    for counter in 0..9 {
        assert_eq!(eq.next(&bar), None, "{counter}");
        let data = *EqeComp::build().cqn(0x400 + counter).done().as_bytes();
        write(&eq, counter, Eqe::build().type_(9).sub_type(4).data(&data).done());
        let event = eq.next(&bar).unwrap();
        assert_eq!((event.kind, event.sub_kind), (EventType::PORT_CHANGE, 4));
        assert_eq!(EqeComp::copy_from(&event.data).cqn(), 0x400 + counter);
    }
    eq.arm(&bar);
    let told: std::vec::Vec<_> = bar.0.borrow().iter().map(|(at, words)| (*at, words[0])).collect();
    let every_second = [2, 4, 6, 8].map(|consumer| (0x1048, 0x0300_0000 | consumer));
    assert_eq!(told[..4], every_second);
    assert_eq!(told[4..], [(0x1040, 0x0300_0009)]);
}

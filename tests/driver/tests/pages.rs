//! Pages that the device asks for at any time: while nothing runs, and while a command waits for them.

use core::time::Duration;
use mlx5_driver_tests::{InProcess, Machine, blameless, open, stories};
use mlx5_model::Fault;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::prm::{AllocPdIn, DeallocPdIn, EventType};

fn pages_are_given_while_a_command_waits_for_them<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let before = machine.pages_held();
    machine.inject(Fault::PageRequest { pages: 700, times: 1 });
    // The device answers this only after it has got its pages.
    let pd = device.commands().exec(&AllocPdIn::default()).unwrap().pd();
    assert_eq!(machine.pages_held(), before + 700);
    assert_eq!(device.commands().pages_held(), machine.pages_held());
    device.commands().exec(&DeallocPdIn::build().pd(pd).done()).unwrap();
    device.close().unwrap();
    assert_eq!(machine.pages_held(), 0);
    blameless(&machine);
}

fn pages_are_given_and_taken_when_events_are_polled<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let before = machine.pages_held();
    machine.inject(Fault::PageRequest { pages: 5, times: 3 });
    assert_eq!(device.commands().event().unwrap(), None);
    assert_eq!(machine.pages_held(), before + 15);
    machine.inject(Fault::PageRequest { pages: -15, times: 1 });
    assert_eq!(device.commands().event().unwrap(), None);
    assert_eq!((machine.pages_held(), device.commands().pages_held()), (before, before));
    device.close().unwrap();
    blameless(&machine);
}

fn other_events_wait_for_their_reader<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    machine.inject(Fault::LinkFlap { down: Duration::from_millis(1) });
    machine.inject(Fault::PageRequest { pages: 1, times: 1 });
    machine.pass(Duration::from_millis(2));
    let pd = device.commands().exec(&AllocPdIn::default()).unwrap().pd();
    device.commands().exec(&DeallocPdIn::build().pd(pd).done()).unwrap();
    let events: Vec<_> = core::iter::from_fn(|| device.commands().event().unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.sub_kind)).collect();
    assert_eq!(kinds, [(EventType::PORT_CHANGE, 1), (EventType::PORT_CHANGE, 4)]);
    assert_eq!(device.commands().events_lost(), 0);
    device.close().unwrap();
    blameless(&machine);
}

fn a_device_that_asks_without_end_gets_no_more_than_the_limit<M: Machine>() {
    let machine = M::new("vf");
    let options = Options { page_limit: 1000, ..Options::default() };
    let mut device = Device::open(machine.function(), options).unwrap();
    machine.inject(Fault::PageRequest { pages: 90, times: 40 });
    // The device is told that there are no more, and does without.
    device.commands().exec(&AllocPdIn::default()).unwrap();
    while device.commands().event().is_err() {}
    assert!(machine.pages_held() <= 1000 && machine.pages_held() > 900);
    assert!(device.commands().page_requests_declined() > 20);
    device.recover().unwrap();
    device.close().unwrap();
}

stories!(
    pages_are_given_while_a_command_waits_for_them,
    pages_are_given_and_taken_when_events_are_polled,
    other_events_wait_for_their_reader,
    a_device_that_asks_without_end_gets_no_more_than_the_limit
);

#[test]
fn a_machine_without_memory_says_so_and_goes_on() {
    let machine = InProcess::new("vf");
    let mut device = open(&machine);
    machine.limit_memory(10 * 4096);
    machine.inject(Fault::PageRequest { pages: 50, times: 1 });
    assert!(device.commands().event().is_err());
    device.commands().exec(&AllocPdIn::default()).unwrap();
    assert_eq!(device.commands().page_requests_declined(), 1);
    machine.limit_memory(usize::MAX);
    device.recover().unwrap();
    device.close().unwrap();
    assert_eq!(machine.space().live(), 0);
}

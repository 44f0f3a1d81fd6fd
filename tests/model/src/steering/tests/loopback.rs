//! What the function sends to itself: to the wire, or to its own receive tables, as the NIC vport context says (Linux's
//! `mlx5_nic_vport_update_local_lb`). What TIRs say is with them.

use super::bench::*;
use crate::port;
use crate::transit::Transit;
use mlx5_pci::prm::{
    FteMatchParam, ModifyNicVportContextIn, ModifyNicVportFieldSelect, NicVportContext, Opcode,
};

const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];
const GROUP: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// FCS, which a vport's MTU counts.
const FCS: usize = 4;

struct Story {
    bench: Bench,
    /// Of everything that enters the root receive table.
    counter: u32,
}

impl Story {
    fn new() -> Story {
        let mut bench = Bench::new();
        let table = bench.table(NIC_RX, 0, 0);
        bench.root(NIC_RX, table);
        let group = bench.group(NIC_RX, table, (0, 0), &FteMatchParam::default());
        let counter = bench.counter();
        entry(NIC_RX, table, group, 0).action(2).count(counter).set(&mut bench).unwrap();
        Story { bench, counter }
    }

    fn own(&self) -> [u8; 6] {
        self.bench.device.profile.identity().mac
    }

    fn context(&mut self, select: ModifyNicVportFieldSelect, context: NicVportContext) {
        let input = ModifyNicVportContextIn::build()
            .opcode(Opcode::MODIFY_NIC_VPORT_CONTEXT.0)
            .field_select(&select)
            .nic_vport_context(&context)
            .done();
        let modify =
            |command: &&crate::command::Command| command.opcode == Opcode::MODIFY_NIC_VPORT_CONTEXT.0;
        let command = port::COMMANDS.iter().copied().flatten().find(modify).unwrap();
        let Bench { device, memory } = &mut self.bench;
        (command.run)(device, memory, input.as_bytes(), &mut [0; 16]).unwrap();
    }

    fn disable(&mut self, unicast: bool, multicast: bool) {
        let select =
            ModifyNicVportFieldSelect::build().disable_uc_local_lb(true).disable_mc_local_lb(true).done();
        let context =
            NicVportContext::build().disable_uc_local_lb(unicast).disable_mc_local_lb(multicast).done();
        self.context(select, context);
    }

    /// Sends a frame of `length` bytes to `target`; how many have come back, and how many are on the wire.
    fn send(&mut self, target: [u8; 6], length: usize) -> (u64, usize) {
        let before = self.bench.counted(self.counter).0;
        let mut bytes = [&target[..], &OTHER, &[0x88, 0xb5]].concat();
        bytes.resize(length, 7);
        self.bench.send(Transit { transport_domain: Some(1), ..Transit::new(bytes) });
        let sent = core::mem::take(&mut self.bench.device.out.frames).len();
        (self.bench.counted(self.counter).0 - before, sent)
    }
}

#[test]
fn unicast_to_the_own_address_stays_inside_unless_that_is_disabled() {
    let mut story = Story::new();
    let own = story.own();
    // As firmware has it before a driver says anything.
    assert_eq!(story.send(own, 60), (1, 0));
    assert_eq!(story.send(OTHER, 60), (0, 1));
    assert_eq!(story.send([0xff; 6], 60), (1, 1));
    assert_eq!(story.send(GROUP, 60), (0, 1), "of no group that it has joined");
    story.disable(true, false);
    assert_eq!((story.send(own, 60), story.send([0xff; 6], 60)), ((0, 1), (1, 1)));
    story.disable(false, true);
    assert_eq!((story.send(own, 60), story.send([0xff; 6], 60)), ((1, 0), (0, 1)));
    story.disable(true, true);
    assert_eq!((story.send(own, 60), story.send([0xff; 6], 60)), ((0, 1), (0, 1)));
}

#[test]
fn what_comes_back_is_held_against_the_mtu_of_the_vport_alone() {
    let mut story = Story::new();
    let own = story.own();
    let fits = 1522 - FCS;
    assert_eq!((story.send(own, fits), story.send(own, fits + 1)), ((1, 0), (0, 0)));
    let select = ModifyNicVportFieldSelect::build().mtu(true).done();
    story.context(select, NicVportContext::build().mtu(9000).done());
    let fits = 9000 - FCS;
    assert_eq!((story.send(own, fits), story.send(own, fits + 1)), ((1, 0), (0, 0)));
    assert_eq!(story.send(OTHER, fits), (0, 0), "the wire carries what it did before");
}

//! Index arithmetic, and where things lie.

use super::*;
use crate::testing::Machine;

#[test]
fn counters_wrap_on_the_ring() {
    let ring = Ring::<_, 4>::new(&Machine::new(), 3).unwrap();
    assert_eq!((ring.size(), ring.log_size()), (8, 3));
    assert_eq!([0, 7, 8, 0xffff_ffff].map(|counter| ring.slot(counter)), [0, 7, 0, 7]);
    assert_eq!([0, 7, 8, 15, 16].map(|counter| ring.lap(counter)), [0, 0, 1, 1, 0]);
    store(ring.entry(9).unwrap(), [1, 2, 3, 0xaabb_ccdd]);
    assert_eq!(load(ring.entry(1).unwrap(), 3), 0xaabb_ccdd);
    assert_eq!(ring.memory.get::<4>(16 + 12), [0xaa, 0xbb, 0xcc, 0xdd]);
    assert_eq!(load(&ring.segments()[1], 0), 1);
}

#[test]
fn the_record_lies_behind_the_ring() {
    let ring = Ring::<_, 4>::new(&Machine::new(), 3).unwrap();
    assert_eq!(ring.record(), ring.memory.iova() + 128);
    ring.set_first(0x12);
    ring.set_second(0x34);
    assert_eq!(ring.memory.get::<8>(128), [0, 0, 0, 0x12, 0, 0, 0, 0x34]);
    // A ring that is smaller than a cache line has it to itself.
    let small = Ring::<_, 4>::new(&Machine::new(), 0).unwrap();
    assert_eq!(small.record(), small.memory.iova() + 64);
}

#[test]
fn pages_are_listed_in_order() {
    let ring = Ring::<_, 16>::new(&Machine::new(), 7).unwrap();
    let expected = [ring.memory.iova().to_be_bytes(), (ring.memory.iova() + 4096).to_be_bytes()];
    assert_eq!(ring.pages(), expected.as_flattened());
    assert_eq!(Ring::<_, 16>::new(&Machine::new(), 0).unwrap().pages().len(), 8);
}

#[test]
fn filling_reaches_every_entry_and_nothing_else() {
    let ring = Ring::<_, 16>::new(&Machine::new(), 2).unwrap();
    ring.fill(15, 0xf1);
    assert!((0..4).all(|at| load(ring.entry(at).unwrap(), 15) == 0xf1));
    assert_eq!(ring.memory.get::<64>(256), [0; 64]);
}

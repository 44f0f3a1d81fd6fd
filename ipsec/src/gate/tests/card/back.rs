//! ESP that came in fragments: whose card is to open it, and what a gate does with it otherwise.

use super::*;

/// ESP with an SPI of [`params`], sealed by software that has its key.
fn esp() -> Vec<u8> {
    let mut software = tunnel4();
    software.seal(&inner()).unwrap()
}

#[test]
fn it_is_the_cards_that_has_the_sa_and_takes_it_back() {
    let mut carded = carded(true, (A4, B4), |_| {});
    let gate = &mut carded.pair.b;
    let esp = esp();
    assert_eq!(gate.card_of(&esp), None, "it takes nothing back");
    let mut packet = Packet::from_bytes(&esp);
    assert_eq!(gate.open(NOW, &mut packet).unwrap_err().cause, Cause::NotByCard);
    carded.b.0.borrow_mut().takes_back = 9000;
    assert_eq!(gate.card_of(&esp), Some((PORT, 9000)));
    // Asking changes nothing, and nothing is opened here.
    assert_eq!(gate.drops().total(), 1);
    assert_eq!(gate.open(NOW, &mut Packet::from_bytes(&esp)).unwrap_err().cause, Cause::NotByCard);
    // Another SPI; no ESP; bytes that end too early.
    let mut other = esp.clone();
    other[20] ^= 1;
    assert_eq!(gate.card_of(&other), None);
    assert_eq!(gate.card_of(&inner()), None);
    (0..esp.len()).for_each(|end| assert_eq!(gate.card_of(&esp[..end]), None));
    // An SA that sends has an SPI of the peer's.
    carded.a.0.borrow_mut().takes_back = 9000;
    assert_eq!(carded.pair.a.card_of(&esp), None);
}

#[test]
fn a_card_that_has_failed_takes_nothing_back() {
    let mut carded = carded(true, (A4, B4), |_| {});
    carded.b.0.borrow_mut().takes_back = 9000;
    carded.b.happen(CardEvent::Dead);
    let gate = &mut carded.pair.b;
    events(gate, NOW);
    assert_eq!(gate.card_of(&esp()), None);
    assert_eq!(gate.open(NOW, &mut Packet::from_bytes(&esp())).unwrap_err().cause, Cause::Lost);
    // Nor does it take back those of a life before.
    carded.b.happen(CardEvent::Up);
    events(gate, NOW);
    assert_eq!(gate.card_of(&esp()), None);
}

#[test]
fn what_software_does_is_opened_by_software() {
    let mut software = tunnel4();
    let esp = software.seal(&inner()).unwrap();
    assert_eq!(software.b.card_of(&esp), None);
    assert_eq!(software.open(&esp), Ok(inner()));
}

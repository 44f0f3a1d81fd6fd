//! The view of a device for people: what [`layout`] makes of a snapshot, and how [`screen`] keeps it on a terminal.

pub mod layout;
pub mod screen;

use crate::card::Card;
use layout::Style;
use std::sync::Arc;

/// Columns of text that is not for a terminal.
pub const COLUMNS: usize = 120;

/// Everything about a card, as the control socket's `show` answers.
pub fn whole(card: &Card) -> String {
    layout::page(card.name(), &card.snapshot(), Style { columns: COLUMNS, idle: true })
}

/// What is going on in every card, without what stands still.
pub fn brief(cards: &[Arc<Card>], columns: usize) -> String {
    let pages: Vec<String> = cards
        .iter()
        .map(|card| layout::page(card.name(), &card.snapshot(), Style { columns, idle: false }))
        .collect();
    pages.join("\n")
}

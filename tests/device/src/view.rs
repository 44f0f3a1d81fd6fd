//! The view of a device for people: what [`layout`] makes of a snapshot, and how [`screen`] keeps it on a
//! terminal.

pub mod layout;
pub mod screen;
mod share;

use crate::card::Card;
use layout::Style;
use std::sync::Arc;

/// Columns of text that is not for a terminal.
pub const COLUMNS: usize = 120;

/// Everything about a card, as the control socket's `show` answers.
pub fn whole(card: &Card) -> String {
    layout::page(card.name(), &card.snapshot(), Style { columns: COLUMNS, idle: true })
}

/// What is going on in every card, without what stands still, in so many columns and rows.
pub fn brief(cards: &[Arc<Card>], columns: usize, rows: usize) -> String {
    let pages: Vec<String> = cards
        .iter()
        .map(|card| layout::page(card.name(), &card.snapshot(), Style { columns, idle: false }))
        .collect();
    share::share(&pages, rows)
}

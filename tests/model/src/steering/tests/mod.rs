//! Tests of flow steering.

mod bench;
mod entries;
mod stories;
mod tables;

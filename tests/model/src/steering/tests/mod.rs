//! Tests of flow steering.

mod bench;
mod stories;

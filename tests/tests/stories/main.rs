//! Stories in process: two hosts, the gateway, virtual time. See `ravelin_tests::lab` for the stage.

mod closed;
mod errors;
mod hostile;
mod limits;
mod rough;
mod size;
mod transport;
mod tunnel;

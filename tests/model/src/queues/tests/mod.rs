//! Tests of the queues, with a driver's half that is as small as can be.

mod completion;
mod compression;
mod dispatch;
mod events;
mod merging;
mod receive;
mod refusals;
mod refusals_receive;
mod rig;
mod send;
mod snapshot;
mod striding;

//! The Notify payload (RFC 7296, section 3.10) and its message types.

/// A Notify Message Type. Below 16384 it is an error, above a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotifyType(pub u16);

//! IKE messages on the wire (RFC 7296, section 3).

pub mod notify;

//! ESP as the card does it (RFC 4303 with AES-GCM of RFC 4106): packets built and taken apart in the forms of the packet
//! reformats.
//!
//! Pure functions and plain structures; objects, keys by number, registers, and the ASO context with sequence numbers,
//! replay window and lifetimes are in `ipsec`.

pub mod cipher;
mod form;
mod transform;

#[cfg(test)]
mod tests;

pub use cipher::Cipher;
pub use form::{Form, FormError, Removal};
pub use transform::{OpenError, SealError, open, seal, sequence};

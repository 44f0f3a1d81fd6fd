//! What a device is and offers: capability profiles.

/// A device as its data file describes it.
#[derive(Clone, Debug, Default)]
pub struct Profile {}

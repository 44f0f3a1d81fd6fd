//! What send and receive queues have in common in commands (facts E.9).

/// `wq_type`: WQEs in a ring, and multi-packet WQEs in a linked list.
pub(crate) const CYCLIC: u8 = 1;
pub(crate) const LINKED_STRIDING: u8 = 2;

/// `state` of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It exists.
    Reset = 0,
    /// It works.
    Ready = 1,
    /// It flushes what is posted.
    Error = 3,
}

impl State {
    /// A state as a query tells it. What is none counts as the one that a repair starts from.
    pub(crate) fn from_device(raw: u8) -> Self {
        match raw {
            0 => Self::Reset,
            1 => Self::Ready,
            _ => Self::Error,
        }
    }
}

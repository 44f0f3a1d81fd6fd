//! The MSI-X vectors of one card as a vfio-user client takes them: an eventfd for each.
//!
//! A vector that is raised while nobody listens stays pending and fires as soon as somebody does, as with the pending
//! bits of PCI's MSI-X. Masks are not here: the client keeps the table's mask bits to itself.

use crate::lock;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

#[derive(Default)]
struct Line {
    eventfd: Option<File>,
    pending: bool,
}

/// The lines of one card.
pub struct Interrupts {
    lines: Mutex<Vec<Line>>,
}

impl Interrupts {
    /// `count` vectors that nobody listens to.
    pub fn new(count: usize) -> Interrupts {
        Interrupts { lines: Mutex::new((0..count).map(|_| Line::default()).collect()) }
    }

    /// How many vectors there are.
    pub fn count(&self) -> usize {
        lock(&self.lines).len()
    }

    /// Raises a vector. One that does not exist is the device's mistake and does nothing.
    pub fn raise(&self, vector: u16) {
        if let Some(line) = lock(&self.lines).get_mut(usize::from(vector)) {
            line.pending = true;
            line.fire();
        }
    }

    /// From now on `eventfd` hears of `vector`; nobody does when there is none. `false` if there is no such vector.
    pub fn listen(&self, vector: usize, eventfd: Option<File>) -> bool {
        match lock(&self.lines).get_mut(vector) {
            Some(line) => {
                line.eventfd = eventfd;
                line.fire();
                true
            }
            None => false,
        }
    }

    /// Nobody listens any more, and nothing is pending.
    pub fn clear(&self) {
        lock(&self.lines).iter_mut().for_each(|line| *line = Line::default());
    }
}

impl Line {
    fn fire(&mut self) {
        if self.pending
            && let Some(mut eventfd) = self.eventfd.as_ref()
        {
            // An eventfd takes the 8 bytes or, when its counter is full, has an interrupt under way anyway.
            let _ = eventfd.write(&1u64.to_ne_bytes());
            self.pending = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::io::Read;

    fn line() -> (File, File) {
        let file = File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        (file.try_clone().unwrap(), file)
    }

    fn count(mut file: &File) -> u64 {
        let mut count = [0; 8];
        file.read(&mut count).map_or(0, |_| u64::from_ne_bytes(count))
    }

    #[test]
    fn each_vector_has_its_eventfd() {
        let interrupts = Interrupts::new(3);
        let ((a, heard_a), (b, heard_b)) = (line(), line());
        assert!(interrupts.listen(0, Some(a)));
        assert!(interrupts.listen(2, Some(b)));
        assert!(!interrupts.listen(3, None));
        for vector in [2, 2, 9] {
            interrupts.raise(vector);
        }
        assert_eq!((count(&heard_a), count(&heard_b)), (0, 2));
    }

    #[test]
    fn what_nobody_heard_is_heard_later_once() {
        let interrupts = Interrupts::new(1);
        interrupts.raise(0);
        interrupts.raise(0);
        let (a, heard) = line();
        interrupts.listen(0, Some(a));
        assert_eq!(count(&heard), 1);
        interrupts.listen(0, None);
        interrupts.raise(0);
        interrupts.clear();
        let (a, heard) = line();
        interrupts.listen(0, Some(a));
        assert_eq!(count(&heard), 0);
    }
}

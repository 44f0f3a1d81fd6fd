//! What the card says about IPSEC objects (facts E.7, OBJECT_CHANGE), on an event queue of its own.
//!
//! Any number of SAs can have something to tell at the same time, and an event queue that overflows is dead. So it is not
//! the one on which the firmware asks for pages; it is asked from time to time whether it lives, and is made anew.

use crate::cmd::Commands;
use crate::eq::Eq;
use crate::error::Error;
use crate::event::VECTOR;
use crate::hal::Function;
use crate::prm::{EqeObjChange, EventType, ObjectType, QueryEqIn};
use crate::uar::Uar;

/// log2 of the events that an SA can have outstanding: crossing, soft limit, hard limit.
const LOG_EACH: u8 = 2;
/// log2 of the most events that there is memory for.
const LOG_MOST: u8 = 14;
/// `status` of a queue that lives.
const OK: u8 = 0;

/// The queue.
pub(super) struct Watch<F: Function> {
    eq: Eq<F::Mem>,
    uar: Uar,
    log_size: u8,
    /// How many events may be taken before it is time to look at something else.
    left: u32,
    /// What the device has not said to have forgotten: its memory stays until the function is reset.
    lost: Option<Eq<F::Mem>>,
}

fn open<F: Function>(commands: &mut Commands<F>, uar: Uar, log_size: u8) -> Result<Eq<F::Mem>, Error> {
    Eq::create(commands, uar, log_size, VECTOR, &[EventType::OBJECT_CHANGE])
}

impl<F: Function> Watch<F> {
    pub(super) fn create(commands: &mut Commands<F>, uar: Uar, log_sas: u8) -> Result<Self, Error> {
        let log_size = (log_sas + LOG_EACH).min(LOG_MOST);
        let eq = open(commands, uar, log_size)?;
        Ok(Self { eq, uar, log_size, left: 1 << log_size, lost: None })
    }

    /// The next object that the card says has changed; no more than fit until [`Watch::look_around`].
    pub(super) fn next(&mut self, bar: &F::Bar) -> Option<u32> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let event = self.eq.next(bar)?;
            let change = EqeObjChange::copy_from(&event.data);
            if event.kind == EventType::OBJECT_CHANGE && change.obj_type() == ObjectType::IPSEC.0 {
                return Some(change.obj_id());
            }
        }
    }

    /// What may be taken from now on is counted anew.
    pub(super) fn look_around(&mut self) {
        self.left = 1 << self.log_size;
    }

    /// Makes the queue anew if it is dead; whether it was.
    pub(super) fn revive(&mut self, commands: &mut Commands<F>) -> Result<bool, Error> {
        let number = self.eq.number();
        let found = commands.exec(&QueryEqIn::build().eq_number(number).done())?;
        if found.eq_context_entry().status() == OK {
            return Ok(false);
        }
        let fresh = open(commands, self.uar, self.log_size)?;
        let dead = core::mem::replace(&mut self.eq, fresh);
        if let Err(error) = Eq::<F::Mem>::destroy(commands, number) {
            self.lost = Some(dead);
            return Err(error.into());
        }
        Ok(true)
    }

    pub(super) fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        Ok(Eq::<F::Mem>::destroy(commands, self.eq.number())?)
    }
}

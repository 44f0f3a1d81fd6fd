//! The event queue of the device itself (facts E.7): what happens to port, queues and pages. Blocking commands drain it,
//! because the device may want pages before it answers; what else comes waits for [`Commands::event`].

use crate::cmd::{CmdError, Commands};
use crate::eq::Eq;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::EventType;
use crate::uar::Uar;

pub use crate::eq::Event;

/// log2 of the events that fit.
const LOG_SIZE: u8 = 8;
/// Its MSI-X vector; the queues of channels have those after it.
pub const VECTOR: u16 = 0;
/// What the driver wants to hear.
const TYPES: [EventType; 8] = [
    EventType::PORT_CHANGE,
    EventType::PAGE_REQUEST,
    EventType::CQ_ERROR,
    EventType::WQ_CATAS_ERROR,
    EventType::WQ_INVAL_REQ_ERROR,
    EventType::WQ_ACCESS_ERROR,
    EventType::PORT_MODULE,
    EventType::TEMP_WARN,
];

/// Makes the queue and listens to it; its number.
///
/// # Errors
/// When there is no memory or the command fails.
pub(crate) fn listen<F: Function>(commands: &mut Commands<F>, uar: Uar) -> Result<u8, Error> {
    let mut eq = Eq::create(commands, uar, LOG_SIZE, VECTOR, &TYPES)?;
    let number = eq.number();
    eq.arm(commands.bar());
    commands.listen(Some(eq));
    Ok(number)
}

/// Makes the device forget the queue.
///
/// # Errors
/// When the command fails.
pub(crate) fn ignore<F: Function>(commands: &mut Commands<F>, number: u8) -> Result<(), CmdError> {
    Eq::<F::Mem>::destroy(commands, number)?;
    commands.listen(None);
    Ok(())
}

//! From reset to a function that takes commands for queues, and back (facts E.3): one line a step, in the documented
//! order.

use crate::caps::{self, Caps};
use crate::cmd::Commands;
use crate::error::Error;
use crate::hal::{Bar, Function};
use crate::health::{self, Illness};
use crate::ids;
use crate::pages::Need;
use crate::pci;
use crate::prm::{
    CmdHcaCap, DisableHcaIn, DtorReg, EnableHcaIn, InitHcaIn, QueryIssiIn, RegisterHostEndianness,
    SetDriverVersionIn, SetIssiIn, TeardownHcaIn,
};
use core::time::Duration;

/// Registers of the initialization segment.
const REVISION: usize = 0x04;
const INITIALIZING: usize = 0x1fc;
const STILL_INITIALIZING: u32 = 1 << 31;
/// The only revision of the command interface there is since ConnectX-4.
const CMDIF_REV: u16 = 5;
/// The interface step in which SQs, RQs and TIRs exist.
const ISSI: u16 = 1;

/// Brings a function up that has been reset. What it offers.
///
/// # Errors
/// The first step that fails; the function has to be reset before the next try.
pub(crate) fn bring_up<F: Function>(commands: &mut Commands<F>, name: &str) -> Result<Caps, Error> {
    wait_for_firmware(commands, commands.timeouts.pre_init)?;
    check_revision(commands)?;
    commands.connect().map_err(Error::QueueShape)?;
    read_timeouts(commands);
    wait_for_firmware(commands, commands.timeouts.init)?;
    commands.exec(&EnableHcaIn::default())?;
    set_issi(commands)?;
    commands.satisfy(Need::Boot)?;
    query_timeouts(commands)?;
    set_endianness(commands)?;
    caps::set(commands)?;
    commands.satisfy(Need::Init)?;
    commands.exec(&InitHcaIn::default())?;
    let caps = Caps::query(commands)?;
    tell_version(commands, &caps.general, name)?;
    Ok(caps)
}

/// Takes a function down that [`bring_up`] brought up and whose objects are destroyed.
///
/// # Errors
/// The first step that fails; a reset mends it.
pub(crate) fn tear_down<F: Function>(commands: &mut Commands<F>) -> Result<(), Error> {
    commands.exec(&TeardownHcaIn::default())?;
    commands.take(usize::MAX)?;
    let kept = commands.pages_held();
    commands.exec(&DisableHcaIn::default())?;
    if kept == 0 { Ok(()) } else { Err(Error::PagesKept(kept)) }
}

fn wait_for_firmware<F: Function>(commands: &Commands<F>, at_most: Duration) -> Result<(), Error> {
    let start = commands.function().now();
    loop {
        match commands.bar().read(INITIALIZING) {
            u32::MAX => return Err(Error::Ill(Illness::Gone)),
            ready if ready & STILL_INITIALIZING == 0 => return Ok(()),
            _ => {}
        }
        let waited = commands.function().now().saturating_sub(start);
        if waited > at_most {
            return Err(health::sense(commands.bar()).map_or(Error::NotReady(waited), Error::Ill));
        }
        commands.function().relax();
    }
}

fn check_revision<F: Function>(commands: &Commands<F>) -> Result<(), Error> {
    match (commands.bar().read(REVISION) >> 16) as u16 {
        CMDIF_REV => Ok(()),
        revision => Err(Error::Revision(revision)),
    }
}

fn read_timeouts<F: Function>(commands: &mut Commands<F>) {
    let mut timeouts = *commands.timeouts();
    timeouts.read_segment(commands.bar());
    commands.timeouts = timeouts;
}

/// DTOR is there when the segment holds timeouts.
fn query_timeouts<F: Function>(commands: &mut Commands<F>) -> Result<(), Error> {
    if commands.timeouts.from_firmware {
        let register = commands.read_register(&DtorReg::default())?;
        commands.timeouts.take(&register);
    }
    Ok(())
}

/// Must precede everything whose meaning it changes.
fn set_issi<F: Function>(commands: &mut Commands<F>) -> Result<(), Error> {
    let offered = commands.exec(&QueryIssiIn::default())?.supported_issi_dw0();
    if offered >> ISSI & 1 == 0 {
        return Err(Error::Issi(offered));
    }
    commands.exec(&SetIssiIn::build().current_issi(ISSI).done())?;
    Ok(())
}

/// Whether the function is a virtual one.
pub(crate) fn is_virtual(function: &impl Function) -> bool {
    ids::find(ids::VENDOR, pci::device_id(function)).is_some_and(|kind| kind.is_virtual)
}

/// The host's byte order concerns the whole card, so only its physical functions tell it.
fn set_endianness<F: Function>(commands: &mut Commands<F>) -> Result<(), Error> {
    if !is_virtual(commands.function()) {
        commands.write_register(&RegisterHostEndianness::build().he(cfg!(target_endian = "big")).done())?;
    }
    Ok(())
}

/// The firmware shows it to whoever manages the card.
fn tell_version<F: Function>(commands: &mut Commands<F>, caps: &CmdHcaCap, name: &str) -> Result<(), Error> {
    if caps.driver_version() {
        let mut text = [0; 64];
        // The last byte stays zero.
        for (place, byte) in text.iter_mut().take(63).zip(name.bytes()) {
            *place = byte;
        }
        commands.exec(&SetDriverVersionIn::build().driver_version(&text).done())?;
    }
    Ok(())
}

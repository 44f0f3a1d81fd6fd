//! Registers of the cable's module: MCIA (its EEPROM) and PMAOS (whether it is there).

use super::{Register, Request, register, wrong};
use crate::Refusal;
use crate::port::module::ModuleError;
use mlx5_pci::prm::{MciaReg, PmaosReg};

pub(super) const REGISTERS: &[Register] =
    &[register!(0x9014, MciaReg, Read, mcia), register!(0x5012, PmaosReg, Read, pmaos)];

/// The most bytes that one access reads: 12 dwords, or 32 where MCAM says so.
const LONGEST: u16 = 128;
/// `oper_status`.
const PLUGGED: u8 = 1;
const UNPLUGGED: u8 = 2;

fn mcia(request: &mut Request<'_>, given: MciaReg) -> Result<MciaReg, Refusal> {
    if given.module() != 0 {
        return Err(wrong("module", 0));
    }
    if given.size() > LONGEST {
        return Err(wrong("size", 8));
    }
    let read = match &request.device.port.module {
        None => Err(ModuleError::NotConnected),
        Some(module) => {
            module.read(given.i2c_device_address(), given.page_number(), given.device_address(), given.size())
        }
    };
    let mut answer = given.clone();
    match read {
        Ok(bytes) => {
            let mut dwords = [0; 128];
            dwords[..bytes.len()].copy_from_slice(bytes);
            answer.set().status(0).dwords(&dwords);
        }
        Err(error) => {
            answer.set().status(error as u8);
        }
    }
    Ok(answer)
}

fn pmaos(request: &mut Request<'_>, given: PmaosReg) -> Result<PmaosReg, Refusal> {
    if given.module() != 0 {
        return Err(wrong("module", 0));
    }
    let state = if request.device.port.module.is_some() { PLUGGED } else { UNPLUGGED };
    Ok(PmaosReg::build().admin_status(1).oper_status(state).e(1).done())
}

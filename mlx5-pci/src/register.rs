//! Access registers: what the firmware keeps about port and device, read and written by ACCESS_REG (facts E.6).

use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::*;

/// A register's layout.
pub trait Register: Layout {
    /// Its number.
    const ID: RegisterId;
}

macro_rules! registers {
    ($($layout:ident: $id:ident;)*) => {
        $(impl Register for $layout {
            const ID: RegisterId = RegisterId::$id;
        })*
    };
}

registers! {
    RegisterHostEndianness: HOST_ENDIANNESS;
    DtorReg: DTOR;
    PmtuReg: PMTU;
    PaosReg: PAOS;
    PtysReg: PTYS;
    PfccReg: PFCC;
    PpcntReg: PPCNT;
}

/// `op_mod` of ACCESS_REG.
const WRITE: u16 = 0;
const READ: u16 = 1;

impl<F: Function> Commands<F> {
    /// Reads a register; `which` holds the fields that select what is read.
    ///
    /// # Errors
    /// When the command fails.
    pub fn read_register<R: Register>(&mut self, which: &R) -> Result<R, CmdError> {
        self.register(READ, which)
    }

    /// Writes a register; what the device answers.
    ///
    /// # Errors
    /// When the command fails.
    pub fn write_register<R: Register>(&mut self, value: &R) -> Result<R, CmdError> {
        self.register(WRITE, value)
    }

    fn register<R: Register>(&mut self, op_mod: u16, value: &R) -> Result<R, CmdError> {
        let input = AccessRegisterIn::build().op_mod(op_mod).register_id(R::ID.0).done();
        let (_, answer) = self.exec_list(&input, value.bytes(), R::SIZE)?;
        Ok(R::copy_from(&answer))
    }
}

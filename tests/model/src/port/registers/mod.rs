//! ACCESS_REG: one table of every register that is offered.
//!
//! The table is also what PCAM, MCAM and QCAM answer from: a register is announced when it is here and the function may
//! reach it. A register that is not here is refused as firmware refuses it: BAD_PARAM.

mod features;
mod link;
mod management;
mod modules;
mod ppcnt;
mod quality;
mod speeds;

pub(crate) use link::Fec;
pub(crate) use management::Sensor;

use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{AccessRegisterIn, CmdStatus};

/// Who may do what with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// It is read.
    Read,
    /// It is written; reading gives zeros.
    Write,
    /// Both, but a function without rights to the port only reads it.
    ReadWrite,
    /// Both, also for a function without rights to the port: what it writes is its own.
    Own,
}

/// A register access: what was given, and where the answer goes.
struct Request<'a> {
    device: &'a mut Device,
    memory: &'a dyn Memory,
    write: bool,
    given: &'a [u8],
    answer: &'a mut [u8],
}

/// Carries out an access. The answer is what was given until something else is written into it.
type Run = fn(&mut Request<'_>) -> Result<(), Refusal>;

/// One register.
struct Register {
    id: u16,
    /// The lengths that drivers know it with.
    sizes: &'static [usize],
    /// The bits that are defined.
    claims: &'static [u32],
    access: Access,
    run: Run,
}

/// A [`Register`] from its id and layout; the handler takes and gives the layout.
macro_rules! register {
    ($id:literal, $layout:ident, $access:ident, $run:path) => {
        $crate::port::registers::Register {
            id: $id,
            sizes: &[mlx5_pci::prm::$layout::SIZE],
            claims: &mlx5_pci::prm::$layout::CLAIMS,
            access: $crate::port::registers::Access::$access,
            run: |request| {
                let given = mlx5_pci::prm::$layout::copy_from(request.given);
                let answer = $run(request, given)?;
                let bytes = answer.as_bytes();
                let room = request.answer.len().min(bytes.len());
                request.answer[..room].copy_from_slice(&bytes[..room]);
                Ok(())
            },
        }
    };
}
use register;

/// Every family's registers.
const FAMILIES: &[&[Register]] = &[
    features::REGISTERS,
    link::REGISTERS,
    management::REGISTERS,
    modules::REGISTERS,
    ppcnt::REGISTERS,
    quality::REGISTERS,
];

fn all() -> impl Iterator<Item = &'static Register> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// Byte offset of register data in ACCESS_REG.
const DATA: usize = AccessRegisterIn::SIZE;

/// A register field that is wrong, by its offset in the register.
fn wrong(field: &'static str, offset: u16) -> Refusal {
    Refusal::value(field, DATA as u16 + offset)
}

/// The register data has not the register's length.
fn length() -> Refusal {
    Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "register_data", DATA as u16)
}

/// The only port that there is.
fn local_port(number: u8) -> Result<(), Refusal> {
    if number == 1 { Ok(()) } else { Err(wrong("local_port", 0)) }
}

/// Runs ACCESS_REG: `op_mod` 0 writes, 1 reads.
pub(crate) fn access(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = AccessRegisterIn::copy_from(input);
    let (id, write) = (head.register_id(), head.op_mod() == 0);
    if head.argument() != 0 {
        return Err(Refusal::value("argument", 0xc));
    }
    let Some(register) = all().find(|register| register.id == id) else {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "register_id", 8));
    };
    let given = &input[DATA.min(input.len())..];
    if !register.sizes.contains(&given.len()) {
        return Err(length());
    }
    if output.len() < DATA + given.len() {
        return Err(Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "register_data", DATA as u16));
    }
    let allowed = match register.access {
        Access::Read => !write,
        Access::Write => write,
        Access::ReadWrite => !write || device.profile.is_physical(),
        Access::Own => true,
    };
    if !allowed {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::OpMod, "op_mod", 6));
    }
    for (index, (dword, claimed)) in given.chunks_exact(4).zip(register.claims).enumerate() {
        let dword = u32::from_be_bytes([dword[0], dword[1], dword[2], dword[3]]);
        if dword & !claimed != 0 {
            return Err(Refusal::new(
                CmdStatus::BAD_PARAM,
                Check::Reserved,
                "register_data",
                (DATA + 4 * index) as u16,
            ));
        }
    }
    let answer = &mut output[DATA..];
    answer[..given.len()].copy_from_slice(given);
    (register.run)(&mut Request { device, memory, write, given, answer })
}

/// Bits of a capability mask for the 128 registers from `first` on: bit n is register `first + n`. The mask is 16 bytes,
/// its last bit is bit 0.
fn mask(device: &Device, first: u16) -> [u8; 16] {
    let mut mask = 0u128;
    for register in all() {
        let offset = register.id.wrapping_sub(first);
        if offset < 128 && (register.access != Access::Write || device.profile.is_physical()) {
            mask |= 1 << offset;
        }
    }
    mask.to_be_bytes()
}

//! What registers and features are there: PCAM (ports), MCAM (management), QCAM (quality of service).
//!
//! Register masks are made from the table in [`super`], feature masks are the profile's chapters `pcam`, `mcam`, `qcam`.

use super::{Register, Request, mask, register, wrong};
use crate::Refusal;
use mlx5_pci::prm::{McamReg, PcamReg, QcamReg};

pub(super) const REGISTERS: &[Register] = &[
    register!(0x507f, PcamReg, Read, pcam),
    register!(0x907f, McamReg, Read, mcam),
    register!(0x4019, QcamReg, Read, qcam),
];

/// Where the mask of registers stands in all three.
const MASK: usize = 8;

/// Groups of MCAM: registers 0x9000 to 0x907f and the groups of 128 behind them.
const MANAGEMENT: [u16; 4] = [0x9000, 0x9080, 0x9100, 0x9180];

fn groups(feature: u8, registers: u8, most: u8) -> Result<(), Refusal> {
    if feature != 0 {
        return Err(wrong("feature_group", 0));
    }
    if registers > most {
        return Err(wrong("access_reg_group", 0));
    }
    Ok(())
}

fn pcam(request: &mut Request<'_>, given: PcamReg) -> Result<PcamReg, Refusal> {
    groups(given.feature_group(), given.access_reg_group(), 0)?;
    let mut answer = request.device.profile.pcam();
    answer.as_bytes_mut()[MASK..MASK + 16].copy_from_slice(&mask(request.device, 0x5000));
    Ok(answer)
}

fn mcam(request: &mut Request<'_>, given: McamReg) -> Result<McamReg, Refusal> {
    let group = given.access_reg_group();
    groups(given.feature_group(), group, MANAGEMENT.len() as u8 - 1)?;
    let mut answer = request.device.profile.mcam();
    answer.set().access_reg_group(group);
    let registers = mask(request.device, MANAGEMENT[usize::from(group)]);
    answer.as_bytes_mut()[MASK..MASK + 16].copy_from_slice(&registers);
    Ok(answer)
}

fn qcam(request: &mut Request<'_>, given: QcamReg) -> Result<QcamReg, Refusal> {
    groups(given.feature_group(), given.access_reg_group(), 0)?;
    let mut answer = request.device.profile.qcam();
    answer.as_bytes_mut()[MASK..MASK + 16].copy_from_slice(&mask(request.device, 0x4000));
    Ok(answer)
}

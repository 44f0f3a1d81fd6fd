//! ENABLE_HCA, ISSI, INIT_HCA, TEARDOWN_HCA, DISABLE_HCA and what a driver asks about the device as a whole.

use crate::command::{Command, Stage, command};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, DisableHcaIn, EnableHcaIn, QueryAdapterOut, QueryAdapterParamBlock, QueryIssiOut,
    QuerySpecialContextsOut, SetIssiIn, TeardownHcaIn, TeardownHcaOut,
};

/// Bit n says that ISSI n is supported: only 1 is, which every driver since ConnectX-4 uses.
const SUPPORTED_ISSI: u32 = 1 << 1;
/// TEARDOWN_HCA: graceful, forced, fast.
const PROFILES: core::ops::RangeInclusive<u16> = 0..=2;
/// The key that stands for all of memory.
pub(crate) const RESERVED_LKEY: u32 = 0x700;
/// Nvidia's vendor id as the adapter reports it.
const VSD_VENDOR: u16 = 0x15b3;

pub(super) const COMMANDS: &[Command] = &[
    command!(ENABLE_HCA, EnableHcaIn, EnableHcaOut, Reset, enable),
    command!(DISABLE_HCA, DisableHcaIn, DisableHcaOut, Enabled, disable),
    command!(QUERY_ISSI, QueryIssiIn, QueryIssiOut, Enabled, query_issi),
    command!(SET_ISSI, SetIssiIn, SetIssiOut, Enabled, set_issi),
    // ConnectX-4's firmware is on record taking 16 bytes.
    command!(INIT_HCA, InitHcaIn | 16, InitHcaOut, Enabled, init),
    command!(TEARDOWN_HCA, TeardownHcaIn, TeardownHcaOut, Enabled, teardown),
    command!(QUERY_ADAPTER, QueryAdapterIn, QueryAdapterOut, Enabled, query_adapter),
    command!(SET_DRIVER_VERSION, SetDriverVersionIn, SetDriverVersionOut, Initialized, set_driver_version),
    command!(
        QUERY_SPECIAL_CONTEXTS,
        QuerySpecialContextsIn,
        QuerySpecialContextsOut,
        Initialized,
        query_special_contexts
    ),
    command!(NOP, NopIn, NopOut, Reset, nop),
];

fn bad_stage() -> Refusal {
    Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Stage, "opcode", 0)
}

fn enable(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = EnableHcaIn::copy_from(input);
    if command.function_id() != 0 || command.embedded_cpu_function() {
        return Err(Refusal::value("function_id", 0x8));
    }
    if device.hca.stage != Stage::Reset {
        return Err(bad_stage());
    }
    device.hca.stage = Stage::Enabled;
    Ok(())
}

fn disable(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = DisableHcaIn::copy_from(input);
    if command.function_id() != 0 || command.embedded_cpu_function() {
        return Err(Refusal::value("function_id", 0x8));
    }
    if device.hca.stage != Stage::Enabled {
        return Err(bad_stage());
    }
    if device.pages.held() != 0 {
        device.log.note(format!("{} pages were not taken back before DISABLE_HCA", device.pages.held()));
    }
    device.hca.stage = Stage::Reset;
    device.hca.issi = 0;
    Ok(())
}

fn query_issi(device: &mut Device, _: &dyn Memory, _: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let out = QueryIssiOut::build().current_issi(device.hca.issi).supported_issi_dw0(SUPPORTED_ISSI).done();
    output[..QueryIssiOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn set_issi(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let issi = SetIssiIn::copy_from(input).current_issi();
    if issi >= 32 || SUPPORTED_ISSI >> issi & 1 == 0 {
        return Err(Refusal::value("current_issi", 0x8));
    }
    if device.hca.stage != Stage::Enabled {
        return Err(bad_stage());
    }
    device.hca.issi = issi;
    Ok(())
}

fn init(device: &mut Device, _: &dyn Memory, _: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    if device.hca.stage != Stage::Enabled {
        return Err(bad_stage());
    }
    if device.hca.issi == 0 {
        return Err(Refusal::new(CmdStatus::BAD_SYS_STATE, Check::State, "current_issi", 0));
    }
    if !device.pages.boot_covered() || !device.pages.init_covered() {
        return Err(Refusal::new(CmdStatus::NO_RES, Check::State, "pages", 0));
    }
    device.hca.stage = Stage::Initialized;
    Ok(())
}

fn teardown(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let profile = TeardownHcaIn::copy_from(input).profile();
    if !PROFILES.contains(&profile) {
        return Err(Refusal::value("profile", 0x8));
    }
    if device.hca.stage != Stage::Initialized {
        return Err(bad_stage());
    }
    let left = device.objects();
    if profile == 0 && !left.is_empty() {
        device.log.note(format!("objects left at TEARDOWN_HCA: {left:?}"));
    }
    device.forget_objects();
    let pages = core::mem::take(&mut device.pages);
    let (issi, driver) = (device.hca.issi, core::mem::take(&mut device.hca.driver));
    device.hca = super::Hca { issi, driver, stage: Stage::Enabled, ..super::Hca::new(&device.profile) };
    device.pages = pages;
    // State 0: the teardown has been carried out as it was asked for.
    output[..TeardownHcaOut::SIZE].copy_from_slice(TeardownHcaOut::default().as_bytes());
    Ok(())
}

fn query_adapter(device: &mut Device, _: &dyn Memory, _: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let board = device.profile.identity().board.as_bytes();
    let mut psid = [0; 16];
    let length = board.len().min(psid.len());
    psid[..length].copy_from_slice(&board[..length]);
    let adapter = QueryAdapterParamBlock::build()
        .ieee_vendor_id(0x02c9)
        .vsd_vendor_id(VSD_VENDOR)
        .vsd_contd_psid(&psid)
        .done();
    let answer = QueryAdapterOut::build().query_adapter_struct(&adapter).done();
    output[..QueryAdapterOut::SIZE].copy_from_slice(answer.as_bytes());
    Ok(())
}

fn set_driver_version(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let text = &input[0x10..];
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    device.hca.driver = String::from_utf8_lossy(&text[..end]).into_owned();
    Ok(())
}

fn query_special_contexts(
    _: &mut Device,
    _: &dyn Memory,
    _: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let out = QuerySpecialContextsOut::build().resd_lkey(RESERVED_LKEY).done();
    output[..QuerySpecialContextsOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn nop(_: &mut Device, _: &dyn Memory, _: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    Ok(())
}

//! Layouts against bytes and sizes that we did not make.
//!
//! Bytes: Linux's `mlx5_core` and a ConnectX-4 (firmware 14.12.1220), as its debug log printed them; the log is snabb's
//! `src/apps/mellanox/trace-mlx5_core.txt.gz` (Apache-2.0). Sizes: those that the C compiler gives Linux 6.12's structures.

use super::*;
use std::string::ToString;

/// A structure of `N` bytes whose dwords are zero but for these.
fn dwords<const N: usize>(set: &[(usize, u32)]) -> [u8; N] {
    let mut bytes = [0; N];
    for (offset, dword) in set {
        bytes[*offset..offset + 4].copy_from_slice(&dword.to_be_bytes());
    }
    bytes
}

#[test]
fn create_eq_as_linux_gave_it() {
    let mut events = [0; 32];
    events[..8].copy_from_slice(&(1u64 << EventType::CMD.0).to_be_bytes());
    let eqc = Eqc::build().log_eq_size(8).uar_page(0x10).intr(1).log_page_size(2).done();
    let command =
        CreateEqIn::build().opcode(Opcode::CREATE_EQ.0).eq_context_entry(&eqc).event_bitmask(&events).done();
    let seen =
        dwords(&[(0, 0x0301_0000), (0x1c, 0x0800_0010), (0x24, 1), (0x28, 0x0200_0000), (0x5c, 0x400)]);
    assert_eq!(command.as_bytes(), &seen);
    assert_eq!(reserved_bit(&seen, &CreateEqIn::CLAIMS), None);
}

#[test]
fn enable_hca_in_the_queue() {
    let entry = dwords::<{ CmdLayout::SIZE }>(&[
        (0, 0x0700_0000),
        (4, 0x10),
        (0x10, 0x0104_0000),
        (0x38, 0x10),
        (0x3c, 0x01fd_0001),
    ]);
    let read = CmdLayout::copy_from(&entry);
    assert_eq!((read.type_(), read.inlen(), read.outlen()), (7, 16, 16));
    assert_eq!((read.token(), read.sig(), read.delivery_status(), read.owner()), (1, 0xfd, 0, true));
    let input = EnableHcaIn::copy_from(read.input());
    assert_eq!((input.opcode(), input.op_mod(), input.function_id()), (Opcode::ENABLE_HCA.0, 0, 0));
    assert_eq!(reserved_bit(&entry, &CmdLayout::CLAIMS), None);
}

#[test]
fn query_issi_as_firmware_answered() {
    let output = QueryIssiOut::copy_from(&dwords::<{ QueryIssiOut::SIZE }>(&[(0x6c, 2)]));
    assert_eq!((output.status(), output.syndrome(), output.current_issi()), (0, 0, 0));
    assert_eq!(output.supported_issi_dw0(), 1 << 1);
}

#[test]
fn query_adapter_as_firmware_answered() {
    let bytes = dwords::<{ QueryAdapterOut::SIZE }>(&[
        (0x28, 0x2c9),
        (0x2c, 0x15b3),
        (0x100, 0x4d54_5f32),
        (0x104, 0x3433_3031),
        (0x108, 0x3130_3032),
        (0x10c, 0x3700_0000),
    ]);
    let adapter = QueryAdapterOut::copy_from(&bytes).query_adapter_struct();
    assert_eq!((adapter.ieee_vendor_id(), adapter.vsd_vendor_id()), (0x2c9, 0x15b3));
    assert_eq!(adapter.vsd_contd_psid(), b"MT_2430110027\0\0\0");
}

#[test]
fn sizes_are_the_c_compilers() {
    let sizes = [
        (InitSeg::SIZE, 8208),
        (HealthBuffer::SIZE, 64),
        (CmdLayout::SIZE, 64),
        (CmdProtBlock::SIZE, 576),
        (CmdHcaCap::SIZE, 256),
        (QueryHcaCapOut::SIZE, 4112),
        (FteMatchParam::SIZE, 512),
        (FlowContext::SIZE, 768),
        (CreateFlowGroupIn::SIZE, 1024),
        (CreateCqIn::SIZE, 272),
        (CreateEqIn::SIZE, 272),
        (CreateMkeyIn::SIZE, 272),
        (CreateTisIn::SIZE, 192),
        (CreateSqIn::SIZE, 272),
        (Sqc::SIZE, 240),
        (Rqc::SIZE, 240),
        (Tirc::SIZE, 240),
        (Tisc::SIZE, 160),
        (Wq::SIZE, 192),
        (NicVportContext::SIZE, 256),
        (EncryptionKeyObj::SIZE, 512),
        (IpsecObj::SIZE, 128),
        (IpsecAso::SIZE, 64),
        (MciaReg::SIZE, 144),
        (PpcntReg::SIZE, 256),
        (Eqe::SIZE, 64),
        (Cqe64::SIZE, 64),
        (WqeCtrlSeg::SIZE + WqeAsoCtrlSeg::SIZE, 64),
        (WqeUmrCtrlSeg::SIZE, 48),
    ];
    for (index, (ours, theirs)) in sizes.into_iter().enumerate() {
        assert_eq!(ours, theirs, "row {index}");
    }
}

#[test]
fn contexts_fill_the_commands_that_carry_them() {
    // Where a list follows the context, it begins where the command's layout ends.
    assert_eq!(CreateSqIn::SIZE, 0x20 + Sqc::SIZE);
    assert_eq!(CreateRqIn::SIZE, 0x20 + Rqc::SIZE);
    assert_eq!(CreateTirIn::SIZE, 0x20 + Tirc::SIZE);
    assert_eq!(SetFteIn::SIZE, 0x40 + FlowContext::SIZE);
}

#[test]
fn codes_have_names_and_unknown_ones_do_not() {
    assert_eq!(Opcode::CREATE_EQ.to_string(), "CREATE_EQ");
    assert_eq!(RegisterId(0x5004).name(), Some("PTYS"));
    assert_eq!(RegisterId(0x5005).to_string(), "unknown(0x5005)");
    assert_eq!(ModifyField::METADATA_REG_C_0.0, 0x51);
    assert_eq!(EventType::ALL.iter().filter(|event| event.0 == 0x27).count(), 1);
}

//! Bring-up, tear-down and pages of a function.
//!
//! Offsets and names are those of the programmer's reference as Linux's driver has them.

#![allow(missing_docs)]

use super::*;
use crate::prm;

prm! {
    /// `enable_hca_in`.
    pub struct EnableHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// `enable_hca_out`.
    pub struct EnableHcaOut [0xc] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `disable_hca_in`.
    pub struct DisableHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// `disable_hca_out`.
    pub struct DisableHcaOut [0xc] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `init_hca_in`.
    pub struct InitHcaIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [29:16] sw_vhca_id: u16,
        0x010 [..] sw_owner_id: [u8; 16],
    }

    /// `init_hca_out`.
    pub struct InitHcaOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `teardown_hca_in`.
    pub struct TeardownHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] profile: u16,
    }

    /// `teardown_hca_out`.
    pub struct TeardownHcaOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x00c [0:0] state: bool,
    }

    /// `query_issi_in`.
    pub struct QueryIssiIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// `query_issi_out`.
    pub struct QueryIssiOut [0x70] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [15:0] current_issi: u16,
        0x06c [31:0] supported_issi_dw0: u32,
    }

    /// `set_issi_in`.
    pub struct SetIssiIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] current_issi: u16,
    }

    /// `set_issi_out`.
    pub struct SetIssiOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_pages_in`.
    pub struct QueryPagesIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// `query_pages_out`.
    pub struct QueryPagesOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
        0x00c [31:0] num_pages: u32,
    }

    /// `manage_pages_in`.
    pub struct ManagePagesIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
        0x00c [31:0] input_num_entries: u32,
    }

    /// `manage_pages_out`.
    pub struct ManagePagesOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] output_num_entries: u32,
    }

    /// `query_adapter_in`.
    pub struct QueryAdapterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// `query_adapter_out`.
    pub struct QueryAdapterOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] query_adapter_struct: QueryAdapterParamBlock,
    }

    /// `set_driver_version_in`.
    pub struct SetDriverVersionIn [0x50] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] driver_version: [u8; 64],
    }

    /// `set_driver_version_out`.
    pub struct SetDriverVersionOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_special_contexts_in`.
    pub struct QuerySpecialContextsIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// `query_special_contexts_out`.
    pub struct QuerySpecialContextsOut [0x20] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] dump_fill_mkey: u32,
        0x00c [31:0] resd_lkey: u32,
        0x010 [31:0] null_mkey: u32,
        0x014 [31:0] terminate_scatter_list_mkey: u32,
        0x018 [31:0] repeated_mkey: u32,
    }

    /// `nop_in`.
    pub struct NopIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// `nop_out`.
    pub struct NopOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `query_hca_cap_in`.
    pub struct QueryHcaCapIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_function: bool,
        0x008 [30:30] ec_vf_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// `query_hca_cap_out`.
    pub struct QueryHcaCapOut [0x1010] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] capability: [u8; 4096],
    }

    /// `set_hca_cap_in`.
    pub struct SetHcaCapIn [0x1010] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_function: bool,
        0x008 [30:30] ec_vf_function: bool,
        0x008 [15:0] function_id: u16,
        0x010 [..] capability: [u8; 4096],
    }

    /// `set_hca_cap_out`.
    pub struct SetHcaCapOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// `config_int_moderation_in`.
    pub struct ConfigIntModerationIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [27:16] min_delay: u16,
        0x008 [15:0] int_vector: u16,
    }

    /// `config_int_moderation_out`.
    pub struct ConfigIntModerationOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [27:16] min_delay: u16,
        0x008 [15:0] int_vector: u16,
    }
}

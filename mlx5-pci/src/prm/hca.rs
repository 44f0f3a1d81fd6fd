//! Bring-up, tear-down and pages of a function.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use super::*;
use crate::prm;

prm! {
    /// Input of ENABLE_HCA (0x104).
    pub struct EnableHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// Output of ENABLE_HCA (0x104).
    pub struct EnableHcaOut [0xc] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of DISABLE_HCA (0x105).
    pub struct DisableHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// Output of DISABLE_HCA (0x105).
    pub struct DisableHcaOut [0xc] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of INIT_HCA (0x102).
    pub struct InitHcaIn [0x20] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [29:16] sw_vhca_id: u16,
        0x010 [..] sw_owner_id: [u8; 16],
    }

    /// Output of INIT_HCA (0x102).
    pub struct InitHcaOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of TEARDOWN_HCA (0x103).
    pub struct TeardownHcaIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] profile: u16,
    }

    /// Output of TEARDOWN_HCA (0x103).
    pub struct TeardownHcaOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x00c [0:0] state: bool,
    }

    /// Input of QUERY_ISSI (0x10a).
    pub struct QueryIssiIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of QUERY_ISSI (0x10a).
    pub struct QueryIssiOut [0x70] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [15:0] current_issi: u16,
        0x06c [31:0] supported_issi_dw0: u32,
    }

    /// Input of SET_ISSI (0x10b).
    pub struct SetIssiIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [15:0] current_issi: u16,
    }

    /// Output of SET_ISSI (0x10b).
    pub struct SetIssiOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_PAGES (0x107).
    pub struct QueryPagesIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// Output of QUERY_PAGES (0x107).
    pub struct QueryPagesOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
        0x00c [31:0] num_pages: u32,
    }

    /// Input of MANAGE_PAGES (0x108).
    pub struct ManagePagesIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] embedded_cpu_function: bool,
        0x008 [15:0] function_id: u16,
        0x00c [31:0] input_num_entries: u32,
    }

    /// Output of MANAGE_PAGES (0x108).
    pub struct ManagePagesOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] output_num_entries: u32,
    }

    /// Input of QUERY_ADAPTER (0x101).
    pub struct QueryAdapterIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of QUERY_ADAPTER (0x101).
    pub struct QueryAdapterOut [0x110] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] query_adapter_struct: QueryAdapterParamBlock,
    }

    /// Input of SET_DRIVER_VERSION (0x10d).
    pub struct SetDriverVersionIn [0x50] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x010 [..] driver_version: [u8; 64],
    }

    /// Output of SET_DRIVER_VERSION (0x10d).
    pub struct SetDriverVersionOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_SPECIAL_CONTEXTS (0x203).
    pub struct QuerySpecialContextsIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of QUERY_SPECIAL_CONTEXTS (0x203).
    pub struct QuerySpecialContextsOut [0x20] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [31:0] dump_fill_mkey: u32,
        0x00c [31:0] resd_lkey: u32,
        0x010 [31:0] null_mkey: u32,
        0x014 [31:0] terminate_scatter_list_mkey: u32,
        0x018 [31:0] repeated_mkey: u32,
    }

    /// Input of NOP (0x80d).
    pub struct NopIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of NOP (0x80d).
    pub struct NopOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of QUERY_HCA_CAP (0x100).
    pub struct QueryHcaCapIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_function: bool,
        0x008 [30:30] ec_vf_function: bool,
        0x008 [15:0] function_id: u16,
    }

    /// Output of QUERY_HCA_CAP (0x100).
    pub struct QueryHcaCapOut [0x1010] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] capability: [u8; 4096],
    }

    /// Input of SET_HCA_CAP (0x109).
    pub struct SetHcaCapIn [0x1010] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [31:31] other_function: bool,
        0x008 [30:30] ec_vf_function: bool,
        0x008 [15:0] function_id: u16,
        0x010 [..] capability: [u8; 4096],
    }

    /// Output of SET_HCA_CAP (0x109).
    pub struct SetHcaCapOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of CONFIG_INT_MODERATION (0x804).
    pub struct ConfigIntModerationIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [27:16] min_delay: u16,
        0x008 [15:0] int_vector: u16,
    }

    /// Output of CONFIG_INT_MODERATION (0x804).
    pub struct ConfigIntModerationOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [27:16] min_delay: u16,
        0x008 [15:0] int_vector: u16,
    }
}

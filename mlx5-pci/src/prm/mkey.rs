//! Domains, UARs and memory keys.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// Input of ALLOC_UAR (0x802).
    pub struct AllocUarIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of ALLOC_UAR (0x802).
    pub struct AllocUarOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] uar: u32,
    }

    /// Input of DEALLOC_UAR (0x803).
    pub struct DeallocUarIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] uar: u32,
    }

    /// Output of DEALLOC_UAR (0x803).
    pub struct DeallocUarOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of ALLOC_PD (0x800).
    pub struct AllocPdIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of ALLOC_PD (0x800).
    pub struct AllocPdOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] pd: u32,
    }

    /// Input of DEALLOC_PD (0x801).
    pub struct DeallocPdIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] pd: u32,
    }

    /// Output of DEALLOC_PD (0x801).
    pub struct DeallocPdOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of ALLOC_TRANSPORT_DOMAIN (0x816).
    pub struct AllocTransportDomainIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
    }

    /// Output of ALLOC_TRANSPORT_DOMAIN (0x816).
    pub struct AllocTransportDomainOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] transport_domain: u32,
    }

    /// Input of DEALLOC_TRANSPORT_DOMAIN (0x817).
    pub struct DeallocTransportDomainIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] transport_domain: u32,
    }

    /// Output of DEALLOC_TRANSPORT_DOMAIN (0x817).
    pub struct DeallocTransportDomainOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Input of CREATE_MKEY (0x200).
    pub struct CreateMkeyIn [0x110] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x00c [31:31] pg_access: bool,
        0x00c [30:30] mkey_umem_valid: bool,
        0x00c [29:29] data_direct: bool,
        0x010 [..] memory_key_mkey_entry: Mkc,
        0x060 [31:0] translations_octword_actual_size: u32,
    }

    /// Output of CREATE_MKEY (0x200).
    pub struct CreateMkeyOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x008 [23:0] mkey_index: u32,
    }

    /// Input of QUERY_MKEY (0x201).
    pub struct QueryMkeyIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] mkey_index: u32,
        0x00c [31:31] pg_access: bool,
    }

    /// Output of QUERY_MKEY (0x201).
    pub struct QueryMkeyOut [0x130] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
        0x010 [..] memory_key_mkey_entry: Mkc,
        0x110 [..] bsf0_klm0_pas_mtt0_1: [u8; 16],
        0x120 [..] bsf1_klm1_pas_mtt2_3: [u8; 16],
    }

    /// Input of DESTROY_MKEY (0x202).
    pub struct DestroyMkeyIn [0x10] {
        0x000 [31:16] opcode: u16,
        0x000 [15:0] uid: u16,
        0x004 [15:0] op_mod: u16,
        0x008 [23:0] mkey_index: u32,
    }

    /// Output of DESTROY_MKEY (0x202).
    pub struct DestroyMkeyOut [0x10] {
        0x000 [31:24] status: u8,
        0x004 [31:0] syndrome: u32,
    }

    /// Memory key context.
    pub struct Mkc [0x40] {
        0x000 [30:30] free: bool,
        0x000 [28:26] access_mode_4_2: u8,
        0x000 [18:18] relaxed_ordering_write: bool,
        0x000 [16:16] small_fence_on_rdma_read_response: bool,
        0x000 [15:15] umr_en: bool,
        0x000 [14:14] a: bool,
        0x000 [13:13] rw: bool,
        0x000 [12:12] rr: bool,
        0x000 [11:11] lw: bool,
        0x000 [10:10] lr: bool,
        0x000 [9:8] access_mode_1_0: u8,
        0x000 [5:4] ma_translation_mode: u8,
        0x004 [31:8] qpn: u32,
        0x004 [7:0] mkey_7_0: u8,
        0x00c [31:31] length64: bool,
        0x00c [30:30] bsf_en: bool,
        0x00c [29:29] sync_umr: bool,
        0x00c [26:26] expected_sigerr_count: bool,
        0x00c [24:24] en_rinval: bool,
        0x00c [23:0] pd: u32,
        0x010 [63:0] start_addr: u64,
        0x018 [63:0] len: u64,
        0x020 [31:0] bsf_octword_size: u32,
        0x030 [31:16] crossing_target_vhca_id: u16,
        0x034 [31:0] translations_octword_size: u32,
        0x038 [6:6] relaxed_ordering_read: bool,
        0x038 [5:0] log_page_size: u8,
    }
}

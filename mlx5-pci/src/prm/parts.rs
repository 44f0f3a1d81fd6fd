//! Structures that others embed.
//!
//! Offsets and names are those of the programmer's reference as Linux 6.12's `mlx5_ifc.h` has them.

use crate::prm;

prm! {
    /// An ASO to execute.
    pub struct ExecuteAso [0x8] {
        0x000 [31:31] valid: bool,
        0x000 [23:0] aso_object_id: u32,
        0x004 [..] exe_aso_ctrl: [u8; 4],
    }

    /// Vendor and board.
    pub struct QueryAdapterParamBlock [0x100] {
        0x018 [23:0] ieee_vendor_id: u32,
        0x01c [15:0] vsd_vendor_id: u16,
        0x020 [..] vsd: [u8; 208],
        0x0f0 [..] vsd_contd_psid: [u8; 16],
    }

    /// User context.
    pub struct Uctx [0x30] {
        0x000 [31:0] cap: u32,
    }
}

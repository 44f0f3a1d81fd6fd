//! What the capability profile allows queues to be.

use crate::Device;
use crate::caps::Profile;

/// Limits and switches from the capabilities GENERAL and ETHERNET_OFFLOADS, by their names there.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub(super) struct Limits {
    pub(super) log_max_eq: u8,
    pub(super) log_max_eq_sz: u8,
    pub(super) log_max_cq: u8,
    pub(super) log_max_cq_sz: u8,
    pub(super) log_max_sq: u8,
    pub(super) log_max_rq: u8,
    pub(super) log_max_rmp: u8,
    pub(super) log_max_tis: u8,
    pub(super) log_max_tir: u8,
    pub(super) log_max_rqt: u8,
    pub(super) log_max_rqt_size: u8,
    pub(super) log_max_wq_sz: u8,
    pub(super) log_max_stride_sz_rq: u8,
    pub(super) log_min_stride_sz_rq: u8,
    pub(super) max_wqe_sz_sq: u16,
    pub(super) log_bf_reg_size: u8,
    pub(super) cq_moderation: bool,
    pub(super) cq_oi: bool,
    pub(super) cq_period_mode_modify: bool,
    pub(super) cq_period_start_from_cqe: bool,
    pub(super) cqe_compression: bool,
    pub(super) mini_cqe_resp_stride_index: bool,
    pub(super) enhanced_cqe_compression: bool,
    pub(super) striding_rq: bool,
    pub(super) ext_stride_num_range: bool,
    pub(super) modify_rq_counter_set_id: bool,
    pub(super) scatter_fcs: bool,
    pub(super) vlan_cap: bool,
    pub(super) wqe_vlan_insert: bool,
    pub(super) csum_cap: bool,
    pub(super) cqe_checksum_full: bool,
    pub(super) lro_cap: bool,
    pub(super) swp: bool,
    pub(super) reg_umr_sq: bool,
    pub(super) enhanced_multi_pkt_send_wqe: bool,
    pub(super) self_lb_en_modifiable: bool,
    /// Bytes of the largest LSO; 0 without LSO.
    pub(super) max_lso: u32,
    /// The least `min_wqe_inline_mode` of every SQ.
    pub(super) min_inline: u8,
}

impl Limits {
    /// The limits of `profile`.
    pub(super) fn new(profile: &Profile) -> Limits {
        let general = profile.general();
        let ethernet = profile.ethernet();
        Limits {
            log_max_eq: general.log_max_eq(),
            log_max_eq_sz: general.log_max_eq_sz(),
            log_max_cq: general.log_max_cq(),
            log_max_cq_sz: general.log_max_cq_sz(),
            log_max_sq: general.log_max_sq(),
            log_max_rq: general.log_max_rq(),
            log_max_rmp: general.log_max_rmp(),
            log_max_tis: general.log_max_tis(),
            log_max_tir: general.log_max_tir(),
            log_max_rqt: general.log_max_rqt(),
            log_max_rqt_size: general.log_max_rqt_size(),
            log_max_wq_sz: general.log_max_wq_sz(),
            log_max_stride_sz_rq: general.log_max_stride_sz_rq(),
            log_min_stride_sz_rq: general.log_min_stride_sz_rq(),
            max_wqe_sz_sq: general.max_wqe_sz_sq(),
            log_bf_reg_size: general.log_bf_reg_size(),
            cq_moderation: general.cq_moderation(),
            cq_oi: general.cq_oi(),
            cq_period_mode_modify: general.cq_period_mode_modify(),
            cq_period_start_from_cqe: general.cq_period_start_from_cqe(),
            cqe_compression: general.cqe_compression(),
            mini_cqe_resp_stride_index: general.mini_cqe_resp_stride_index(),
            enhanced_cqe_compression: general.enhanced_cqe_compression(),
            striding_rq: general.striding_rq(),
            ext_stride_num_range: general.ext_stride_num_range(),
            modify_rq_counter_set_id: general.modify_rq_counter_set_id(),
            scatter_fcs: ethernet.scatter_fcs(),
            vlan_cap: ethernet.vlan_cap(),
            wqe_vlan_insert: ethernet.wqe_vlan_insert(),
            csum_cap: ethernet.csum_cap(),
            cqe_checksum_full: ethernet.cqe_checksum_full(),
            lro_cap: ethernet.lro_cap(),
            swp: ethernet.swp(),
            reg_umr_sq: ethernet.reg_umr_sq(),
            enhanced_multi_pkt_send_wqe: ethernet.enhanced_multi_pkt_send_wqe(),
            self_lb_en_modifiable: ethernet.self_lb_en_modifiable(),
            max_lso: match ethernet.max_lso_cap() {
                0 => 0,
                log => 1 << log,
            },
            // 0: L2 is always required; 1: as the SQ says; 2: nothing is.
            min_inline: u8::from(ethernet.wqe_inline_mode() == 0),
        }
    }
}

impl Device {
    /// The limits as capabilities are now: SET_HCA_CAP may have changed them.
    pub(super) fn limits(&mut self) -> Limits {
        self.queues.limits = Limits::new(&self.profile);
        self.queues.limits
    }
}

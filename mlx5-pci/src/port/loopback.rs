//! What the function sends to itself: the embedded switch gives it back, or puts it on the wire (`disable_uc_local_lb` and
//! `disable_mc_local_lb` of the vport context). Firmware gives it back until told otherwise; like Linux, this driver tells it.
//! TIRs have a say of their own, see [`crate::rss`].

use crate::cmd::CmdError;
use crate::device::Device;
use crate::hal::Function;
use crate::prm::{ModifyNicVportFieldSelect, NicVportContext};

impl<F: Function> Device<F> {
    /// Lets unicast to the vport's own addresses come back to it, or not; multicast never does. Where the device can't
    /// choose, nothing changes.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set_loopback(&mut self, unicast: bool) -> Result<(), CmdError> {
        let general = &self.caps().general;
        let (has_unicast, has_multicast) = (general.disable_local_lb_uc(), general.disable_local_lb_mc());
        if !has_unicast && !has_multicast {
            return Ok(());
        }
        let select = ModifyNicVportFieldSelect::build()
            .disable_uc_local_lb(has_unicast)
            .disable_mc_local_lb(has_multicast)
            .done();
        let context = NicVportContext::build()
            .disable_uc_local_lb(has_unicast && !unicast)
            .disable_mc_local_lb(has_multicast)
            .done();
        self.modify_vport(&select, &context, &[])
    }
}

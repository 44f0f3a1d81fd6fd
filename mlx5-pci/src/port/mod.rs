//! The port of a function: link, speed, MTU, flow control, addresses (facts E.6). What happens there comes as events
//! PORT_CHANGE and NIC_VPORT_CHANGE; here it is asked and told.
//!
//! A virtual function has a vport of its own, and sees the link and the speed of the port behind it. Left out: choosing
//! speeds and FEC, which autonegotiation does, and priorities.

mod address;
mod counters;
mod loopback;
mod speed;

pub use address::{Mac, Promiscuity};
pub use counters::{Counters, Traffic};

use crate::cmd::CmdError;
use crate::device::Device;
use crate::hal::Function;
use crate::prm::{
    ModifyNicVportContextIn, ModifyNicVportFieldSelect, NicVportContext, PaosReg, PfccReg, PmtuReg, PtysReg,
    QueryVportStateIn,
};

/// Every function sees its own port as this one.
const LOCAL_PORT: u8 = 1;
/// `proto_mask` of Ethernet.
const ETHERNET: u8 = 1 << 2;
/// `admin_status`, and `state` of a vport.
const UP: u8 = 1;
const DOWN: u8 = 2;
/// The device counts a frame with its header, one VLAN tag and the FCS; we count what is behind the header.
const OVERHEAD: u16 = 14 + 4 + 4;

/// The state of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether frames pass.
    pub up: bool,
    /// Mbit/s, while the link is up and the device says.
    pub speed: Option<u32>,
}

/// Flow control by PAUSE frames (802.3, annex 31B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// Sends PAUSE when buffers fill up.
    pub send: bool,
    /// Stops sending when PAUSE comes.
    pub heed: bool,
}

impl<F: Function> Device<F> {
    /// The link as it is now.
    ///
    /// # Errors
    /// When a command fails.
    pub fn link(&mut self) -> Result<LinkState, CmdError> {
        let up = self.commands().exec(&QueryVportStateIn::default())?.state() == UP;
        let speed = if up { self.speed()? } else { None };
        Ok(LinkState { up, speed })
    }

    fn speed(&mut self) -> Result<Option<u32>, CmdError> {
        let which = PtysReg::build().local_port(LOCAL_PORT).proto_mask(ETHERNET).done();
        let modes = self.commands().read_register(&which)?;
        Ok(speed::of(modes.ext_eth_proto_oper(), modes.eth_proto_oper()))
    }

    /// Switches the port on or off.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set_link(&mut self, up: bool) -> Result<(), CmdError> {
        let status = if up { UP } else { DOWN };
        let port = PaosReg::build().local_port(LOCAL_PORT).admin_status(status).ase(true).done();
        self.commands().write_register(&port).map(|_| ())
    }

    /// The largest packet, without Ethernet header, that the port can be set to.
    ///
    /// # Errors
    /// When the command fails.
    pub fn max_mtu(&mut self) -> Result<u16, CmdError> {
        let port = self.commands().read_register(&PmtuReg::build().local_port(LOCAL_PORT).done())?;
        Ok(port.max_mtu().saturating_sub(OVERHEAD))
    }

    /// The largest packet, without Ethernet header, that passes the port.
    ///
    /// # Errors
    /// When the command fails.
    pub fn mtu(&mut self) -> Result<u16, CmdError> {
        let port = self.commands().read_register(&PmtuReg::build().local_port(LOCAL_PORT).done())?;
        Ok(port.oper_mtu().saturating_sub(OVERHEAD))
    }

    /// Lets packets of `mtu` bytes, without Ethernet header, pass port and vport.
    ///
    /// # Errors
    /// When a command fails, as it does when `mtu` is more than [`Device::max_mtu`].
    pub fn set_mtu(&mut self, mtu: u16) -> Result<(), CmdError> {
        let frame = mtu.saturating_add(OVERHEAD);
        let port = PmtuReg::build().local_port(LOCAL_PORT).admin_mtu(frame).done();
        self.commands().write_register(&port)?;
        self.set_vport_mtu(mtu)
    }

    /// Lets packets of `mtu` bytes, without Ethernet header, pass the vport; what passes the port stays as it is.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set_vport_mtu(&mut self, mtu: u16) -> Result<(), CmdError> {
        let select = ModifyNicVportFieldSelect::build().mtu(true).done();
        let context = NicVportContext::build().mtu(mtu.saturating_add(OVERHEAD)).done();
        self.modify_vport(&select, &context, &[])
    }

    /// Flow control as it is set.
    ///
    /// # Errors
    /// When the command fails.
    pub fn pause(&mut self) -> Result<Pause, CmdError> {
        let port = self.commands().read_register(&PfccReg::build().local_port(LOCAL_PORT).done())?;
        Ok(Pause { send: port.pptx(), heed: port.pprx() })
    }

    /// Sets flow control; priority flow control goes off.
    ///
    /// # Errors
    /// When the command fails, as it does for a virtual function.
    pub fn set_pause(&mut self, pause: Pause) -> Result<(), CmdError> {
        let port = PfccReg::build().local_port(LOCAL_PORT).pptx(pause.send).pprx(pause.heed).done();
        self.commands().write_register(&port).map(|_| ())
    }

    /// Changes what `select` picks of the vport context; `list` are addresses or VLANs.
    fn modify_vport(
        &mut self,
        select: &ModifyNicVportFieldSelect,
        context: &NicVportContext,
        list: &[u8],
    ) -> Result<(), CmdError> {
        let input = ModifyNicVportContextIn::build().field_select(select).nic_vport_context(context).done();
        self.commands().exec_with(&input, list).map(|_| ())
    }
}

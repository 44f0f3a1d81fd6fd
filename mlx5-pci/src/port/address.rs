//! Addresses of the vport: its own, and what the embedded switch hands it besides (facts E.6).

use crate::cmd::CmdError;
use crate::device::Device;
use crate::hal::Function;
use crate::prm::{MacAddressLayout, ModifyNicVportFieldSelect, NicVportContext, QueryNicVportContextIn};
use alloc::vec::Vec;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// `allowed_list_type`.
const UNICAST: u8 = 0;
const MULTICAST: u8 = 1;

/// What the embedded switch hands to the vport besides broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promiscuity {
    /// All unicast.
    pub unicast: bool,
    /// All multicast.
    pub multicast: bool,
    /// All that is on the wire, also what is for other functions of the card.
    pub all: bool,
}

impl<F: Function> Device<F> {
    /// The address of the function.
    ///
    /// # Errors
    /// When the command fails.
    pub fn mac(&mut self) -> Result<Mac, CmdError> {
        let output = self.commands().exec(&QueryNicVportContextIn::default())?;
        let address = *output.nic_vport_context().permanent_address().as_bytes();
        let [_, _, mac @ ..] = address;
        Ok(mac)
    }

    /// Sets what the embedded switch hands to the vport besides its lists and broadcast.
    ///
    /// # Errors
    /// When the command fails.
    pub fn set_promiscuity(&mut self, wanted: Promiscuity) -> Result<(), CmdError> {
        let select = ModifyNicVportFieldSelect::build().promisc(true).done();
        let context = NicVportContext::build()
            .promisc_uc(wanted.unicast)
            .promisc_mc(wanted.multicast)
            .promisc_all(wanted.all)
            .done();
        self.modify_vport(&select, &context, &[])
    }

    /// Sets the unicast addresses and the groups that the embedded switch hands to the vport.
    ///
    /// # Errors
    /// When a command fails, as it does when there are more than the device has room for.
    pub fn set_addresses(&mut self, unicast: &[Mac], multicast: &[Mac]) -> Result<(), CmdError> {
        for (kind, addresses) in [(UNICAST, unicast), (MULTICAST, multicast)] {
            let select = ModifyNicVportFieldSelect::build().addresses_list(true).done();
            let context = NicVportContext::build()
                .allowed_list_type(kind)
                // A list that is too long for the field is too long for every device.
                .allowed_list_size(addresses.len().min(0xfff) as u16)
                .done();
            let list: Vec<u8> = addresses.iter().flat_map(|mac| *layout(*mac).as_bytes()).collect();
            self.modify_vport(&select, &context, &list)?;
        }
        Ok(())
    }
}

/// As the device has it.
fn layout([a, b, c, d, e, f]: Mac) -> MacAddressLayout {
    MacAddressLayout::build()
        .mac_addr_47_32(u16::from_be_bytes([a, b]))
        .mac_addr_31_0(u32::from_be_bytes([c, d, e, f]))
        .done()
}

//! The NIC vport context: addresses, VLANs, promiscuity, MTU and loopback of the function.

use super::DEFAULT_MTU;
use super::counters::Cast;
use crate::caps::Profile;
use crate::{Check, Refusal};
use mlx5_pci::prm::{CmdStatus, MacAddressLayout, ModifyNicVportFieldSelect, NicVportContext, VlanLayout};

/// What the vport was told to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Admin {
    /// Off.
    Down = 0,
    /// On, as far as the link is.
    #[default]
    Up = 1,
    /// As the link.
    Auto = 2,
}

/// The context.
#[derive(Clone, Debug)]
pub(crate) struct Vport {
    /// What it was told to be.
    pub(crate) admin: Admin,
    /// Address of the function.
    pub(crate) permanent: [u8; 6],
    /// Unicast addresses that it receives besides.
    pub(crate) unicast: Vec<[u8; 6]>,
    /// Groups that it receives.
    pub(crate) multicast: Vec<[u8; 6]>,
    /// VLANs that it has asked for; the port passes them all.
    pub(crate) vlans: Vec<u16>,
    /// Receives all unicast.
    pub(crate) promiscuous_unicast: bool,
    /// Receives all multicast.
    pub(crate) promiscuous_multicast: bool,
    /// Receives everything, also what is not for this function.
    pub(crate) promiscuous_all: bool,
    /// Largest frame with FCS.
    pub(crate) mtu: u16,
    /// Least inline header of an SQ.
    pub(crate) min_inline: u8,
    /// Unicast to itself goes to the wire.
    pub(crate) disable_unicast_loopback: bool,
    /// Multicast of its own is not received.
    pub(crate) disable_multicast_loopback: bool,
    /// Node and port GUID.
    pub(crate) node_guid: u64,
    pub(crate) port_guid: u64,
    /// Changes that raise NIC_VPORT_CHANGE: `event_on_…` bits 4:0, while armed.
    pub(crate) change_events: u8,
    pub(crate) change_armed: bool,
}

impl Vport {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> Vport {
        let permanent = profile.identity().mac;
        // EUI-64 of the address, as NVIDIA makes GUIDs: ff:fe replaced by 03:00.
        let [a, b, c, d, e, f] = permanent;
        let guid = u64::from_be_bytes([a, b, c, 0x03, 0x00, d, e, f]);
        Vport {
            admin: Admin::Up,
            permanent,
            unicast: Vec::new(),
            multicast: Vec::new(),
            vlans: Vec::new(),
            promiscuous_unicast: false,
            promiscuous_multicast: false,
            promiscuous_all: false,
            mtu: DEFAULT_MTU,
            min_inline: 0,
            disable_unicast_loopback: false,
            disable_multicast_loopback: false,
            node_guid: guid,
            port_guid: guid,
            change_events: 0,
            change_armed: false,
        }
    }

    /// Whether `address` is one of its own unicast addresses.
    pub(crate) fn owns(&self, address: [u8; 6]) -> bool {
        address == self.permanent || self.unicast.contains(&address)
    }

    /// Whether the embedded switch hands it frames to `address`.
    pub(crate) fn accepts(&self, address: [u8; 6]) -> bool {
        if self.promiscuous_all {
            return true;
        }
        match Cast::of(address) {
            Cast::Unicast => self.promiscuous_unicast || self.owns(address),
            Cast::Multicast => self.promiscuous_multicast || self.multicast.contains(&address),
            Cast::Broadcast => true,
        }
    }
}

/// Which list of addresses a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Unicast,
    Multicast,
    Vlans,
}

impl List {
    /// By `allowed_list_type`.
    pub(crate) fn of(kind: u8) -> Option<List> {
        match kind {
            0 => Some(List::Unicast),
            1 => Some(List::Multicast),
            2 => Some(List::Vlans),
            _ => None,
        }
    }
}

/// A MAC address as the device has it.
pub(crate) fn layout(address: [u8; 6]) -> MacAddressLayout {
    let [a, b, c, d, e, f] = address;
    MacAddressLayout::build()
        .mac_addr_47_32(u16::from_be_bytes([a, b]))
        .mac_addr_31_0(u32::from_be_bytes([c, d, e, f]))
        .done()
}

impl Vport {
    /// The context as QUERY_NIC_VPORT_CONTEXT gives it, and the items of `list` behind it.
    pub(crate) fn context(&self, list: List) -> (NicVportContext, Vec<u8>) {
        let macs = |list: &[[u8; 6]]| list.iter().flat_map(|address| *layout(*address).as_bytes()).collect();
        let (kind, size, items): (u8, usize, Vec<u8>) = match list {
            List::Unicast => (0, self.unicast.len(), macs(&self.unicast)),
            List::Multicast => (1, self.multicast.len(), macs(&self.multicast)),
            List::Vlans => (
                2,
                self.vlans.len(),
                self.vlans
                    .iter()
                    .flat_map(|vlan| *VlanLayout::build().vlan(*vlan).done().as_bytes())
                    .collect(),
            ),
        };
        let events = self.change_events;
        let context = NicVportContext::build()
            .min_wqe_inline_mode(self.min_inline)
            .disable_mc_local_lb(self.disable_multicast_loopback)
            .disable_uc_local_lb(self.disable_unicast_loopback)
            .arm_change_event(self.change_armed)
            .event_on_mtu(events >> 4 & 1 == 1)
            .event_on_promisc_change(events >> 3 & 1 == 1)
            .event_on_vlan_change(events >> 2 & 1 == 1)
            .event_on_mc_address_change(events >> 1 & 1 == 1)
            .event_on_uc_address_change(events & 1 == 1)
            .mtu(self.mtu)
            .system_image_guid(self.node_guid)
            .port_guid(self.port_guid)
            .node_guid(self.node_guid)
            .promisc_uc(self.promiscuous_unicast)
            .promisc_mc(self.promiscuous_multicast)
            .promisc_all(self.promiscuous_all)
            .allowed_list_type(kind)
            .allowed_list_size(size as u16)
            .permanent_address(&layout(self.permanent))
            .done();
        (context, items)
    }

    /// Takes the fields that are selected; `limits` are those of the three lists, `most` the largest MTU.
    ///
    /// # Errors
    /// When a value, a list or a selection is not allowed.
    pub(crate) fn modify(
        &mut self,
        select: &ModifyNicVportFieldSelect,
        context: &NicVportContext,
        items: &[u8],
        limits: [usize; 3],
        most: u16,
    ) -> Result<(), Refusal> {
        let refuse = |check, field, offset| Refusal::new(CmdStatus::BAD_PARAM, check, field, offset);
        if select.affiliation() || (select.roce_en() && context.roce_en()) {
            return Err(refuse(Check::Capability, "field_select", 0xc));
        }
        if select.min_inline() {
            self.min_inline = context.min_wqe_inline_mode();
        }
        if select.mtu() {
            if !(68..=most).contains(&context.mtu()) {
                return Err(Refusal::value("mtu", CONTEXT + 0x24));
            }
            self.mtu = context.mtu();
        }
        if select.change_event() {
            self.change_armed = context.arm_change_event();
            self.change_events = u8::from(context.event_on_mtu()) << 4
                | u8::from(context.event_on_promisc_change()) << 3
                | u8::from(context.event_on_vlan_change()) << 2
                | u8::from(context.event_on_mc_address_change()) << 1
                | u8::from(context.event_on_uc_address_change());
        }
        if select.promisc() {
            self.promiscuous_unicast = context.promisc_uc();
            self.promiscuous_multicast = context.promisc_mc();
            self.promiscuous_all = context.promisc_all();
        }
        if select.permanent_address() {
            let bytes = *context.permanent_address().as_bytes();
            self.permanent.copy_from_slice(&bytes[2..]);
        }
        if select.disable_uc_local_lb() {
            self.disable_unicast_loopback = context.disable_uc_local_lb();
        }
        if select.disable_mc_local_lb() {
            self.disable_multicast_loopback = context.disable_mc_local_lb();
        }
        if select.node_guid() {
            self.node_guid = context.node_guid();
        }
        if select.port_guid() {
            self.port_guid = context.port_guid();
        }
        if select.addresses_list() {
            self.take_list(context, items, limits)?;
        } else if !items.is_empty() {
            return Err(refuse(Check::InputLength, "addresses_list", 0xc));
        }
        Ok(())
    }

    fn take_list(
        &mut self,
        context: &NicVportContext,
        items: &[u8],
        limits: [usize; 3],
    ) -> Result<(), Refusal> {
        let size = usize::from(context.allowed_list_size());
        let kind = context.allowed_list_type();
        let list = List::of(kind).ok_or(Refusal::value("allowed_list_type", CONTEXT + 0xf0))?;
        if size > limits[usize::from(kind)] {
            return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "allowed_list_size", CONTEXT + 0xf0));
        }
        if items.len() != size * 8 {
            let field = "allowed_list_size";
            return Err(Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, field, CONTEXT + 0xf0));
        }
        let macs =
            || items.chunks_exact(8).map(|item| [item[2], item[3], item[4], item[5], item[6], item[7]]);
        match list {
            List::Unicast => self.unicast = macs().collect(),
            List::Multicast => self.multicast = macs().collect(),
            List::Vlans => {
                let vlans = items.chunks_exact(8).map(|item| VlanLayout::copy_from(item).vlan());
                self.vlans = vlans.collect();
            }
        }
        Ok(())
    }
}

/// Where the context stands in MODIFY_NIC_VPORT_CONTEXT.
const CONTEXT: u16 = 0x100;

//! Which device becomes which port of the configuration.

use alloc::{string::String, vec::Vec};
use core::fmt;

use net::wire::EthernetAddress;

use crate::config::{Binding, Port};

/// What identifies a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// PCI segment group, bus, device, function.
    pub pci: (u16, u8, u8, u8),
    /// Hardware address, if it is known: some devices tell it only when they are started.
    pub mac: Option<EthernetAddress>,
}

/// A port of the configuration that has no device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDevice {
    /// Its name.
    pub port: String,
    /// How it was to be found.
    pub binding: Binding,
    /// Devices there are.
    pub devices: usize,
}

impl fmt::Display for NoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port \"{}\": none of the {} network devices ", self.port, self.devices)?;
        match self.binding {
            Binding::Order => write!(f, "is left"),
            Binding::Mac(mac) => write!(f, "has the hardware address {mac}"),
            Binding::Pci { segment, bus, device, function } => {
                write!(f, "is at {segment:04x}:{bus:02x}:{device:02x}.{function}")
            }
        }
    }
}

impl core::error::Error for NoDevice {}

/// The index of the device of each port. `devices` is in the order of PCI addresses; ports that name a
/// device come first, the others share the rest in order. No device serves two ports.
///
/// # Errors
/// The first port without a device.
pub fn assign(ports: &[Port], devices: &[Device]) -> Result<Vec<usize>, NoDevice> {
    let mut assigned: Vec<Option<usize>> = ports
        .iter()
        .map(|port| match port.binding {
            Binding::Order => None,
            Binding::Mac(mac) => devices.iter().position(|other| other.mac == Some(mac)),
            Binding::Pci { segment, bus, device, function } => {
                devices.iter().position(|other| other.pci == (segment, bus, device, function))
            }
        })
        .collect();
    let missing =
        |port: &Port| NoDevice { port: port.name.clone(), binding: port.binding, devices: devices.len() };
    for index in 0..ports.len() {
        let Some(port) = ports.get(index) else { continue };
        let taken =
            |device: &usize| assigned.iter().enumerate().any(|(i, a)| i != index && *a == Some(*device));
        let device = match assigned.get(index).copied().flatten() {
            Some(device) => Some(device).filter(|device| !taken(device)),
            None if port.binding == Binding::Order => (0..devices.len()).find(|device| !taken(device)),
            None => None,
        };
        if device.is_none() {
            return Err(missing(port));
        }
        if let Some(slot) = assigned.get_mut(index) {
            *slot = device;
        }
    }
    Ok(assigned.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Side;
    use alloc::{borrow::ToOwned, vec};

    fn port(name: &str, binding: Binding) -> Port {
        Port { name: name.to_owned(), side: Side::Inside, binding, addresses: vec![], mtu: None }
    }

    fn device(number: u8) -> Device {
        Device { pci: (0, 0, number, 0), mac: Some(EthernetAddress([2, 0, 0, 0, 0, number])) }
    }

    fn at(device: u8) -> Binding {
        Binding::Pci { segment: 0, bus: 0, device, function: 0 }
    }

    #[test]
    fn named_devices_first_then_in_order() {
        let devices = [device(1), device(2), device(3)];
        let mac = Binding::Mac(devices[0].mac.unwrap());
        let ports = [port("a", Binding::Order), port("b", mac), port("c", at(3))];
        assert_eq!(assign(&ports, &devices), Ok(vec![1, 0, 2]));
        let plain = [port("a", Binding::Order), port("b", Binding::Order)];
        assert_eq!(assign(&plain, &devices), Ok(vec![0, 1]));
    }

    #[test]
    fn a_port_without_device_is_named() {
        let devices = [device(1), device(2)];
        let three = [port("a", Binding::Order), port("b", Binding::Order), port("c", Binding::Order)];
        assert_eq!(assign(&three, &devices).unwrap_err().port, "c");
        assert_eq!(assign(&[port("x", at(9))], &devices).unwrap_err().port, "x");
        // One device by two names.
        let twice = [port("a", Binding::Mac(devices[0].mac.unwrap())), port("b", at(1))];
        assert_eq!(assign(&twice, &devices).unwrap_err().port, "a");
    }
}

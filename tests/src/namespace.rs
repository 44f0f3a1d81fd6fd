//! Network namespaces of a site: made, wired, given addresses, and removed with the site by its janitor.

use crate::error::Result;
use crate::process::{Process, run};
use crate::site::Site;
use std::process::Command;

/// One network namespace. It lives as long as its site.
#[derive(Clone)]
pub struct Namespace {
    site: Site,
    name: String,
}

impl Namespace {
    pub(crate) fn create(site: Site, name: String) -> Result<Namespace> {
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Namespace { site, name };
        namespace.ip("link set lo up")?;
        // A test's addresses are usable at once, and no router advertisement changes them.
        namespace.sysctl("net.ipv6.conf.all.accept_dad", "0")?;
        namespace.sysctl("net.ipv6.conf.default.accept_dad", "0")?;
        namespace.sysctl("net.ipv6.conf.default.router_solicitations", "0")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The site that it belongs to.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// A command that runs inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a shell line inside and returns what it said.
    ///
    /// # Errors
    /// When it ends with a failure.
    pub fn sh(&self, line: &str) -> Result<String> {
        run(self.command("sh").args(["-c", line]))
    }

    /// Starts a process inside; its output goes to `NAME.log` of the site.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, program: &str, arguments: &[&str]) -> Result<Process> {
        let mut command = self.command(program);
        command.args(arguments);
        Process::spawn(&self.site, name, command)
    }

    /// `ip ARGUMENTS` on this namespace; `arguments` are separated by spaces.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// Sets a kernel parameter of this namespace.
    ///
    /// # Errors
    /// When the kernel has no such parameter.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = name.replace('.', "/");
        self.sh(&format!("echo {value} > /proc/sys/{path}")).map(|_| ())
    }

    /// Adds an address with its prefix length to an interface. IPv6 addresses skip duplicate detection.
    ///
    /// # Errors
    /// When the kernel refuses the address.
    pub fn address(&self, interface: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.ip(&format!("addr add {address} dev {interface} {nodad}")).map(|_| ())
    }

    /// Adds a route, e.g. `10.1.0.0/24 via 192.0.2.1`.
    ///
    /// # Errors
    /// When the kernel refuses the route.
    pub fn route(&self, route: &str) -> Result<()> {
        let family = if route.contains(':') { "-6" } else { "-4" };
        self.ip(&format!("{family} route replace {route}")).map(|_| ())
    }

    /// Joins this namespace and `other` by a veth pair, both ends up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn join(&self, interface: &str, other: &Namespace, other_interface: &str) -> Result<()> {
        self.ip(&format!(
            "link add {interface} type veth peer name {other_interface} netns {}",
            other.name()
        ))?;
        self.ip(&format!("link set {interface} up"))?;
        other.ip(&format!("link set {other_interface} up"))?;
        Ok(())
    }

    /// A bridge, up, without spanning tree and without the learning delay.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn bridge(&self, interface: &str) -> Result<()> {
        self.ip(&format!("link add {interface} type bridge forward_delay 0 mcast_snooping 0"))?;
        self.ip(&format!("link set {interface} up"))?;
        Ok(())
    }

    /// A tap that stays when nobody has it open, up and optionally a port of `bridge`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn tap(&self, interface: &str, bridge: Option<&str>) -> Result<()> {
        self.ip(&format!("tuntap add dev {interface} mode tap"))?;
        if let Some(bridge) = bridge {
            self.ip(&format!("link set {interface} master {bridge}"))?;
        }
        self.ip(&format!("link set {interface} up"))?;
        Ok(())
    }
}

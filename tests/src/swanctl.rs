//! strongSwan's configuration as data: what a test varies has a field, everything else has the value that suits tests.

use core::fmt::Write;

/// The secret that tests share with the image.
pub const SECRET: &str = "0123456789abcdef-shared";

/// One connection of `swanctl.conf`.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Own address.
    pub local: String,
    /// The gateway's address.
    pub remote: String,
    /// IKE proposals.
    pub proposals: String,
    /// Whether to ask for UDP encapsulation although there is no NAT.
    pub encap: bool,
    /// Own identity.
    pub local_id: String,
    /// The gateway's identity.
    pub remote_id: String,
    /// The pre-shared key.
    pub secret: String,
    /// Further `key = value` lines of the connection.
    pub settings: Vec<String>,
    /// Its children.
    pub children: Vec<Child>,
}

/// One child of a connection.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// `tunnel` or `transport`.
    pub mode: &'static str,
    /// ESP proposals.
    pub proposals: String,
    /// Own selectors; empty means the own address.
    pub local_ts: String,
    /// The gateway's selectors; empty means the gateway's address.
    pub remote_ts: String,
    /// Further `key = value` lines of the child.
    pub settings: Vec<String>,
}

impl Connection {
    /// A connection `gw` from `local` to `remote` with identities `peer.test` and `gw.test` and the shared secret.
    pub fn new(local: &str, remote: &str) -> Connection {
        Connection {
            name: "gw".into(),
            local: local.into(),
            remote: remote.into(),
            proposals: "aes256gcm16-prfsha384-ecp256".into(),
            encap: false,
            local_id: "peer.test".into(),
            remote_id: "gw.test".into(),
            secret: SECRET.into(),
            settings: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Adds a child.
    #[must_use]
    pub fn child(mut self, child: Child) -> Connection {
        self.children.push(child);
        self
    }

    /// The same connection seen from the other side; for peers that stand in for the image.
    #[must_use]
    pub fn mirrored(&self) -> Connection {
        let mut other = self.clone();
        core::mem::swap(&mut other.local, &mut other.remote);
        core::mem::swap(&mut other.local_id, &mut other.remote_id);
        for child in &mut other.children {
            core::mem::swap(&mut child.local_ts, &mut child.remote_ts);
        }
        other
    }

    fn section(&self, out: &mut String) -> core::fmt::Result {
        writeln!(out, "  {} {{", self.name)?;
        writeln!(out, "    version = 2\n    mobike = no")?;
        writeln!(out, "    local_addrs = {}\n    remote_addrs = {}", self.local, self.remote)?;
        writeln!(out, "    proposals = {}", self.proposals)?;
        writeln!(out, "    encap = {}", if self.encap { "yes" } else { "no" })?;
        for line in &self.settings {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "    local {{\n      auth = psk\n      id = {}\n    }}", self.local_id)?;
        writeln!(out, "    remote {{\n      auth = psk\n      id = {}\n    }}", self.remote_id)?;
        writeln!(out, "    children {{")?;
        for child in &self.children {
            writeln!(out, "      {} {{\n        mode = {}", child.name, child.mode)?;
            writeln!(out, "        esp_proposals = {}", child.proposals)?;
            if !child.local_ts.is_empty() {
                writeln!(out, "        local_ts = {}", child.local_ts)?;
            }
            if !child.remote_ts.is_empty() {
                writeln!(out, "        remote_ts = {}", child.remote_ts)?;
            }
            for line in &child.settings {
                writeln!(out, "        {line}")?;
            }
            writeln!(out, "      }}")?;
        }
        writeln!(out, "    }}\n  }}")
    }
}

impl Child {
    /// A tunnel-mode child.
    pub fn tunnel(name: &str, proposals: &str, local_ts: &str, remote_ts: &str) -> Child {
        Child {
            name: name.into(),
            mode: "tunnel",
            proposals: proposals.into(),
            local_ts: local_ts.into(),
            remote_ts: remote_ts.into(),
            settings: Vec::new(),
        }
    }

    /// A transport-mode child between the two ends' own addresses.
    pub fn transport(name: &str, proposals: &str) -> Child {
        Child { mode: "transport", ..Child::tunnel(name, proposals, "", "") }
    }

    /// Adds a `key = value` line.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Child {
        self.settings.push(line.into());
        self
    }
}

/// The whole file for these connections.
pub fn render(connections: &[Connection]) -> String {
    let mut out = String::from("connections {\n");
    for connection in connections {
        // Writing to a string cannot fail.
        let _ = connection.section(&mut out);
    }
    out.push_str("}\nsecrets {\n");
    for (index, connection) in connections.iter().enumerate() {
        let _ = writeln!(
            out,
            "  ike-{index} {{\n    id-1 = {}\n    id-2 = {}\n    secret = \"{}\"\n  }}",
            connection.local_id, connection.remote_id, connection.secret
        );
    }
    out.push_str("}\n");
    out
}

/// Which part of strongSwan does ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Esp {
    /// The libipsec plugin, in the daemon, over a TUN device: UDP-encapsulated tunnel mode only.
    InDaemon,
    /// The kernel's XFRM.
    InKernel,
}

/// `strongswan.conf` for a daemon whose run-time directory is `/run` and whose log goes to `log`.
///
/// The log carries the keys (levels 4 of `ike` and `chd`), which is what the decoders read.
/// `settings` come last in their section, so that they win over what is said here.
pub fn strongswan_conf(esp: Esp, log: &str, settings: &[&str]) -> String {
    let kernel = match esp {
        Esp::InDaemon => "kernel-libipsec kernel-netlink updown",
        Esp::InKernel => "kernel-netlink",
    };
    let settings: String = settings.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "charon {{
  load_modular = no
  load = random nonce aes sha1 sha2 hmac kdf drbg pem pkcs1 pkcs8 x509 pubkey gmp curve25519 openssl gcm ccm ctr chapoly {kernel} socket-default vici counters
  install_virtual_ip = no
  filelog {{
    log {{
      path = {log}
      default = 1
      ike = 4
      chd = 4
      cfg = 2
      knl = 2
      esp = 2
      flush_line = yes
    }}
  }}
  plugins {{
    vici {{
      socket = unix:///run/charon.vici
    }}
    kernel-libipsec {{
      allow_peer_ts = no
    }}
  }}
{settings}}}
swanctl {{
  load = random nonce aes sha1 sha2 hmac pem pkcs1 pkcs8 x509 pubkey gmp curve25519 openssl
}}
"
    )
}

//! One case per mistake: which line of a good file is replaced by what, and the place, key and words of
//! the error.

extern crate std;

use super::*;

/// A small file without mistakes. Cases replace the text between a marker's quotes.
const GOOD: &str = r#"[gateway]
log = "info"
[[port]]
name = "outside"
side = "outside"
addresses = ["10.9.0.2/24"]
[[port]]
name = "inside"
side = "inside"
addresses = ["10.2.0.1/24"]
[[route]]
to = "10.1.0.0/24"
via = "10.9.0.1"
port = "outside"
[connections.gw]
local_addrs = "10.9.0.2"
remote_addrs = "10.9.0.1"
proposals = "aes128gcm16-prfsha256-x25519"
[connections.gw.local]
id = "b.test"
[connections.gw.remote]
id = "a.test"
[connections.gw.children.net]
mode = "tunnel"
local_ts = "10.2.0.0/24"
remote_ts = "10.1.0.0/24"
esp_proposals = "aes128gcm16-esn"
[secrets.one]
id = ["a.test", "b.test"]
secret = "swordfish"
[[policy]]
name = "static"
action = "protect"
local_ts = "10.2.0.0/24"
remote_ts = "10.3.0.0/24"
[[sa]]
policy = "static"
direction = "out"
spi = 0x1000
local = "10.9.0.2"
remote = "10.9.0.1"
esp_proposal = "aes128gcm16"
key = "000102030405060708090a0b0c0d0e0f10111213"
"#;

/// The line of GOOD, its replacement, and `line:column: key: mistake; accepted: …` as a prefix.
type Case = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Syntax and structure.
    ("log = \"info\"", "log = info\"", "2:7: invalid"),
    ("log = \"info\"", "lag = \"info\"", "2:1: gateway.lag: unknown key \"lag\"; accepted: \"name\", \"log\","),
    ("log = \"info\"", "log = 7", "2:7: gateway.log: wrong type: found integer; accepted: \"off\", \"error\""),
    ("log = \"info\"", "log = \"loud\"", "2:7: gateway.log: found \"loud\"; accepted: \"off\", \"error\""),
    ("log = \"info\"", "status_interval = \"5 minutes\"", "2:19: gateway.status_interval: found \"5 minutes\"; accepted: seconds, or"),
    ("log = \"info\"", "status_interval = -1", "2:19: gateway.status_interval: found -1; accepted: seconds"),
    ("log = \"info\"", "buffers = 10", "2:11: gateway.buffers: found 10; accepted: 64 to 65536"),
    ("log = \"info\"", "keylog = \"maybe\"", "2:10: gateway.keylog: found \"maybe\"; accepted: true, false"),
    ("[gateway]", "[gatevay]", "1:2: gatevay: unknown key \"gatevay\"; accepted: \"gateway\", \"port\""),
    ("[secrets.one]", "[secret.one]", "28:2: secret: unknown key \"secret\""),
    ("[[route]]", "[route]", "11:1: route: wrong type: found table; accepted: [[route]]"),
    // Ports.
    ("name = \"inside\"", "name = \"outside\"", "8:8: port.name: port \"outside\" again, first at 4:8; accepted: another name"),
    ("side = \"inside\"", "", "7:1: port.side: missing; accepted: \"inside\", \"outside\""),
    ("side = \"inside\"", "side = \"middle\"", "9:8: port.side: found \"middle\"; accepted: \"inside\", \"outside\""),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"10.2.0.1\"]", "10:14: port.addresses: found \"10.2.0.1\"; accepted: address/length"),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"10.2.0.1/33\"]", "10:14: port.addresses: found \"10.2.0.1/33\""),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"10.2.0.0/24\"]", "10:14: port.addresses: found \"10.2.0.0/24\": not the address of a host"),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"10.2.0.1/24\", \"224.0.0.1/24\"]", "10:29: port.addresses: found \"224.0.0.1/24\": not the address of a host"),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"10.9.0.77/16\"]", "10:14: port.addresses: \"10.9.0.77/16\" overlaps \"10.9.0.2/24\""),
    ("addresses = [\"10.2.0.1/24\"]", "addresses = [\"fd02::1/64\"]\nmtu = 1000", "11:7: port.mtu: found 1000: IPv6 needs 1280"),
    ("side = \"inside\"", "side = \"inside\"\nmac = \"53:00:00:00:00:01\"", "10:7: port.mac: found \"53:00:00:00:00:01\"; accepted: hardware address"),
    ("side = \"inside\"", "side = \"inside\"\npci = \"03.0\"", "10:7: port.pci: found \"03.0\"; accepted: PCI address"),
    ("side = \"inside\"", "side = \"inside\"\npci = \"00:03.0\"\nmac = \"52:00:00:00:00:01\"", "11:7: port.mac: found \"52:00:00:00:00:01\": the port is bound by pci already"),
    ("side = \"inside\"", "side = \"inside\"\nmtu = 100", "10:7: port.mtu: found 100; accepted: 576 to 9216"),
    // Routes.
    ("port = \"outside\"", "port = \"otside\"", "14:8: route.port: unknown port \"otside\"; accepted: \"outside\", \"inside\""),
    ("to = \"10.1.0.0/24\"", "to = \"10.1.0.7/24\"", "12:6: route.to: found \"10.1.0.7/24\": bits behind the prefix length are set"),
    ("to = \"10.1.0.0/24\"", "to = \"10.1.0.0/24\"\nweight = 5", "13:1: route.weight: unknown key \"weight\"; accepted: \"to\", \"via\", \"port\", \"metric\""),
    ("to = \"10.1.0.0/24\"", "to = \"10.1.0.0/24\"\nmetric = 65536", "13:10: route.metric: found 65536; accepted: 0 to 65535"),
    ("port = \"outside\"", "[[route]]\nto = \"10.1.0.0/24\"\nport = \"outside\"\nmetric = 5", "<none>"),
    ("port = \"outside\"", "[[route]]\nto = \"10.1.0.0/24\"\nport = \"inside\"\nmetric = 5", "29:13: connections.gw.children.net.remote_ts: found 10.1.0.0-10.1.0.255: these destinations are routed to an inside port"),
    ("to = \"10.1.0.0/24\"", "to = \"10.1.0/24\"", "12:6: route.to: found \"10.1.0/24\"; accepted: address/length"),
    ("via = \"10.9.0.1\"", "via = \"10.8.0.1\"", "13:7: route.via: found \"10.8.0.1\": the next hop is in no network of that port"),
    ("via = \"10.9.0.1\"", "via = \"10.9.0.2\"", "13:7: route.via: found \"10.9.0.2\": the next hop is this gateway itself"),
    ("via = \"10.9.0.1\"", "via = \"fd09::1\"", "13:7: route.via: found \"fd09::1\": the next hop is of the other family"),
    ("port = \"outside\"", "[[route]]\nto = \"10.1.0.0/24\"\nport = \"outside\"", "15:6: route.to: route to \"10.1.0.0/24\" again, first at 12:6"),
    ("port = \"outside\"", "port = \"inside\"", "13:7: route.via: found \"10.9.0.1\": the next hop is in no network of that port"),
    // Connections.
    ("local_addrs = \"10.9.0.2\"", "local_addrs = \"10.9.0.3\"", "16:15: connections.gw.local_addrs: unknown address of this gateway \"10.9.0.3\"; accepted: \"10.9.0.2\", \"10.2.0.1\""),
    ("remote_addrs = \"10.9.0.1\"", "remote_addrs = \"peer.example\"", "17:16: connections.gw.remote_addrs: found \"peer.example\"; accepted: \"%any\""),
    ("remote_addrs = \"10.9.0.1\"", "remote_addr = \"10.9.0.1\"", "17:1: connections.gw.remote_addr: unknown key \"remote_addr\"; accepted: \"version\""),
    ("proposals = \"aes128gcm16-prfsha256-x25519\"", "proposals = \"aes128gcm16-prfsha256-modp2048\"", "18:36: connections.gw.proposals: unknown algorithm \"modp2048\"; accepted: \"aes128gcm16\""),
    ("proposals = \"aes128gcm16-prfsha256-x25519\"", "proposals = [\"aes128gcm16-x25519\"]", "18:14: connections.gw.proposals: unknown PRF \"aes128gcm16-x25519\"; accepted: \"prfsha256\""),
    ("proposals = \"aes128gcm16-prfsha256-x25519\"", "version = 1", "18:11: connections.gw.version: found 1; accepted: 2 to 2"),
    ("proposals = \"aes128gcm16-prfsha256-x25519\"", "mobike = yes", "18:10: "),
    ("proposals = \"aes128gcm16-prfsha256-x25519\"", "mobike = true", "18:10: connections.gw.mobike: true is not available: not implemented; peers fall back; accepted: false"),
    ("id = \"b.test\"", "auth = \"pubkey\"", "20:8: connections.gw.local.auth: found \"pubkey\"; accepted: \"psk\""),
    ("id = \"b.test\"", "id = \"b test\"", "20:6: connections.gw.local.id: found \"b test\"; accepted: name such as"),
    ("id = \"a.test\"", "id = \"z.test\"", "15:14: connections.gw: no secret for local id \"b.test\" and remote id \"z.test\"; accepted: a [secrets.NAME]"),
    ("[secrets.one]", "[secrets.one]\nid = \"q.test\"\nsecret = \"x\"\n[secrets.two]", "<none>"),
    // Children.
    ("mode = \"tunnel\"", "mode = \"tunel\"", "24:8: connections.gw.children.net.mode: found \"tunel\"; accepted: \"tunnel\", \"transport\""),
    ("mode = \"tunnel\"", "mode = \"transport\"", "25:12: connections.gw.children.net.local_ts: found \"10.2.0.0/24\": transport mode protects two hosts, not networks; accepted: \"dynamic\""),
    ("local_ts = \"10.2.0.0/24\"", "local_ts = \"10.2.0.0/33\"", "25:12: connections.gw.children.net.local_ts: found \"10.2.0.0/33\"; accepted: \"dynamic\""),
    ("local_ts = \"10.2.0.0/24\"", "local_ts = \"fd02::/64\"", "26:13: connections.gw.children.net.remote_ts: found \"10.1.0.0/24\": local_ts and remote_ts have no address family in common"),
    ("local_ts = \"10.2.0.0/24\"", "local_ts = [\"10.2.0.0/24\", \"10.2.0.9-10.2.0.1\"]", "25:28: connections.gw.children.net.local_ts: found \"10.2.0.9-10.2.0.1\": the range ends before it begins"),
    ("local_ts = \"10.2.0.0/24\"", "local_ts = \"10.2.0.0/24[tcp/http]\"", "25:12: connections.gw.children.net.local_ts: found \"10.2.0.0/24[tcp/http]\""),
    ("remote_ts = \"10.1.0.0/24\"", "remote_ts = \"10.2.0.128/25\"", "26:13: connections.gw.children.net.remote_ts: found 10.2.0.128-10.2.0.255: these destinations are routed to an inside port"),
    ("esp_proposals = \"aes128gcm16-esn\"", "esp_proposals = \"aes128gcm16,aes128-sha256\"", "27:30: connections.gw.children.net.esp_proposals: unknown algorithm \"aes128\"; accepted: \"aes128gcm16\""),
    ("mode = \"tunnel\"", "replay_window = 31", "24:17: connections.gw.children.net.replay_window: found 31; accepted: 0, 32 to 4096"),
    ("mode = \"tunnel\"", "replay_window = 4097", "24:17: connections.gw.children.net.replay_window: found 4097; accepted: 0, 32 to 4096"),
    ("mode = \"tunnel\"", "replay_window = 0", "24:17: connections.gw.children.net.replay_window: found 0: extended sequence numbers need the window"),
    ("mode = \"tunnel\"", "hw_interface = \"wan\"", "24:16: connections.gw.children.net.hw_interface: unknown port \"wan\"; accepted: \"auto\", "),
    ("mode = \"tunnel\"", "hw_offload = \"no\"\nhw_interface = \"outside\"", "25:16: connections.gw.children.net.hw_interface: found \"outside\": hw_offload is \"no\""),
    ("mode = \"tunnel\"", "hw_offload = \"crypto\"", "24:14: connections.gw.children.net.hw_offload: found \"crypto\"; accepted: \"auto\", \"packet\", \"no\""),
    ("mode = \"tunnel\"", "life_time = \"50m\"", "24:13: connections.gw.children.net.life_time: found \"50m\": the hard limit comes before the soft one; accepted: more than 3600"),
    ("mode = \"tunnel\"", "rekey_bytes = \"1t\"", "24:15: connections.gw.children.net.rekey_bytes: found \"1t\"; accepted: bytes, or"),
    ("mode = \"tunnel\"", "start_action = \"start\"", "24:16: connections.gw.children.net.start_action: \"start\" is not available: this gateway responds"),
    ("mode = \"tunnel\"", "copy_dscp = true", "24:13: connections.gw.children.net.copy_dscp: wrong type: found boolean; accepted: \"out\", \"in\", \"yes\", \"no\""),
    ("mode = \"tunnel\"", "copy_dscp = \"yes\"", "24:13: connections.gw.children.net.copy_dscp: \"yes\" is not available: the DSCP of inner packets is never changed; accepted: \"out\", \"no\""),
    // Secrets.
    ("secret = \"swordfish\"", "", "28:10: secrets.one.secret: missing; accepted: secret or secret_file"),
    ("secret = \"swordfish\"", "secret = \"\"", "30:10: secrets.one.secret: secret not usable: empty"),
    ("secret = \"swordfish\"", "secret = \"0xabc\"", "30:10: secrets.one.secret: secret not usable: not readable; accepted: text, \"0x\""),
    ("secret = \"swordfish\"", "secret = 12345", "30:10: secrets.one.secret: wrong type: found integer; accepted: text"),
    ("secret = \"swordfish\"", "secret_file = \"psk-q\"", "30:15: secrets.one.secret_file: secret file \"psk-q\" was not given to the gateway; accepted: fw_cfg"),
    ("secret = \"swordfish\"", "secret = \"a\"\nsecret_file = \"psk-c\"", "31:15: secrets.one.secret_file: found \"psk-c\": the secret is given twice"),
    ("id = [\"a.test\", \"b.test\"]", "id = [\"a.test\", 5]", "29:17: secrets.one.id: wrong type: found integer"),
    ("id = [\"a.test\", \"b.test\"]", "ids = [\"a.test\", \"b.test\"]", "29:1: secrets.one.ids: unknown key \"ids\"; accepted: \"id\", \"secret\", \"secret_file\""),
    // Policies.
    ("action = \"protect\"", "", "31:1: policy.action: missing; accepted: \"bypass\", \"discard\", \"protect\""),
    ("action = \"protect\"", "action = \"allow\"", "33:10: policy.action: found \"allow\"; accepted: \"bypass\", \"discard\", \"protect\""),
    ("action = \"protect\"", "action = \"protect\"\nchild = \"gw.net\"", "32:8: policy.name: found \"static\": the child has its own name and selectors"),
    ("name = \"static\"", "child = \"gw.nett\"", "32:9: policy.child: unknown child \"gw.nett\"; accepted: \"gw.net\""),
    ("action = \"protect\"", "action = \"protect\"\nremote_port = 5", "34:15: policy.remote_port: found 5; accepted: \"any\", \"opaque\", a port"),
    ("action = \"protect\"", "action = \"protect\"\nprotocol = \"tpc\"", "34:12: policy.protocol: found \"tpc\"; accepted: \"any\", \"icmp\""),
    ("action = \"protect\"", "action = \"protect\"\nprotocol = \"icmp\"\nlocal_port = 5", "35:14: policy.local_port: found 5: ICMP has types and codes, not ports"),
    ("remote_ts = \"10.3.0.0/24\"", "remote_ts = \"dynamic\"", "35:13: policy.remote_ts: found \"dynamic\": only a child knows"),
    ("remote_ts = \"10.3.0.0/24\"", "remote_ts = \"fd03::/64\"", "35:13: policy.remote_ts: found \"fd03::/64\": local_ts and remote_ts have no address family in common"),
    // Manual SAs.
    ("policy = \"static\"", "policy = \"statik\"", "37:10: sa.policy: unknown protect policy \"statik\"; accepted: \"static\""),
    ("policy = \"static\"", "policy = \"gw.net\"", "37:10: sa.policy: unknown protect policy \"gw.net\"; accepted: \"static\""),
    ("direction = \"out\"", "direction = \"fwd\"", "38:13: sa.direction: found \"fwd\"; accepted: \"in\", \"out\""),
    ("spi = 0x1000", "spi = 0xff", "39:7: sa.spi: found 0xff; accepted: 256 to 4294967295"),
    ("spi = 0x1000", "spi = 0x1_0000_0000", "39:7: sa.spi: found 0x100000000; accepted: 256"),
    ("local = \"10.9.0.2\"", "local = \"10.9.0.7\"", "40:9: sa.local: unknown address of this gateway \"10.9.0.7\""),
    ("remote = \"10.9.0.1\"", "remote = \"fd09::1\"", "41:10: sa.remote: found \"fd09::1\": local and remote are of different families"),
    ("remote = \"10.9.0.1\"", "remote = \"10.9.0.1\"\nmode = \"transport\"", "41:10: sa.remote: found \"10.9.0.1\": in transport mode the policy has to cover"),
    ("remote = \"10.9.0.1\"", "remote = \"10.9.0.1\"\nlocal_port = 4500", "36:1: sa.remote_port: missing; accepted: local_port and remote_port together"),
    ("esp_proposal = \"aes128gcm16\"", "esp_proposal = \"aes128gcm16-aes256gcm16\"", "42:16: sa.esp_proposal: found \"aes128gcm16-aes256gcm16\""),
    ("esp_proposal = \"aes128gcm16\"", "esp_proposal = \"aes256gcm16\"", "43:7: sa.key: secret not usable: wrong length for the algorithm; accepted: 36 octets"),
    ("esp_proposal = \"aes128gcm16\"", "esp_proposal = \"aes128gcm16-esn\"\nreplay_window = 0", "43:17: sa.replay_window: found 0: extended sequence numbers need the window"),
    ("key = \"000102030405060708090a0b0c0d0e0f10111213\"", "", "36:1: sa.key: missing; accepted: key or key_file"),
];

#[test]
fn the_good_file_is_good() {
    read(GOOD).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_mistake_has_its_place_and_key() {
    let mut wrong = Vec::new();
    for (line, replacement, expected) in CASES {
        let whole = std::format!("\n{line}\n");
        let padded = std::format!("\n{GOOD}");
        let at = padded.find(&whole).unwrap_or_else(|| panic!("{line} is not in the file"));
        let text =
            std::format!("{}\n{replacement}{}", &padded[1.min(at)..at], &padded[at + whole.len() - 1..]);
        let text = if at == 0 { text.trim_start_matches('\n').to_owned() } else { text };
        let shown = match read(&text) {
            Ok(_) => "<none>".to_owned(),
            Err(error) => error.to_string().trim_start_matches("t.toml:").to_owned(),
        };
        if !shown.starts_with(expected) {
            wrong.push(std::format!("{replacement:?}\n  is  {shown}\n  not {expected}"));
        }
        assert!(!shown.contains("swordfish") && !shown.contains("0xabc"), "secret in {shown}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn places_count_characters() {
    let error = read("[gateway]\nname = \"Füße\"\nnäme = 1").unwrap_err();
    assert_eq!((error.at, &*error.key), (Position { line: 3, column: 2 }, ""), "{error}");
    let error = read("gateway = { name = \"Füße\", log = 7 }").unwrap_err();
    assert_eq!((error.at, &*error.key), (Position { line: 1, column: 34 }, "gateway.log"));
}

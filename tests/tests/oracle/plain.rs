//! The oracle's own machinery without the model: kernels, tools and modules from the cache, guests that talk to each
//! other over a plain wire. When this fails, the rest of the suite says nothing about the model.

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::guest::{Boot, Guest, XFRM};
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::site::Site;
use std::path::Path;

/// A guest with a virtio port on a datagram wire; `number` is 1 or 2.
fn boot(site: &Site, kernel: Kernel, rebuilt: bool, number: u8) -> Result<Guest> {
    let dir = site.sockets()?;
    let (local, remote) = (dir.join(format!("w{number}")), dir.join(format!("w{}", 3 - number)));
    let wire = |path: &Path| path.display().to_string();
    let arguments = vec![
        "-netdev".into(),
        format!(
            "dgram,id=n,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            wire(&local),
            wire(&remote)
        ),
        "-device".into(),
        format!("virtio-net-pci,netdev=n,romfile=,mac={}", ravelin_tests::qemu::mac(number)),
    ];
    let boot = Boot { rebuilt, arguments, ..Boot::new(kernel, &[]) };
    let guest = boot.start(site, &format!("guest{number}"))?;
    guest.load(&["virtio_pci", "virtio_net"])?;
    guest.load(XFRM)?;
    guest.sh(&format!("ip addr add 10.0.0.{number}/24 dev eth0; ip link set eth0 up"))?;
    Ok(guest)
}

/// Both kernels boot, take commands, load the rebuilt module, and protect pings between them by their own ESP.
#[test]
fn two_kernels_talk_over_a_plain_wire() -> Result<()> {
    prerequisites::check(&[Need::Oracle, Need::OracleIpsec])?;
    let site = Site::new("oracle-plain")?;
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| boot(&site, Kernel::V6_1, false, 1));
        let right = boot(&site, Kernel::V6_12, true, 2)?;
        let left = left
            .join()
            .map_err(|_| Error::Observed { expected: "a guest".into(), found: "a panic".into() })??;
        Ok::<_, Error>((left, right))
    })?;
    demand(left.sh("uname -r")?.starts_with("6.1."), "6.1", left.sh("uname -r")?)?;
    demand(right.sh("uname -r")?.starts_with("6.12."), "6.12", right.sh("uname -r")?)?;
    let failed = left.run("echo one; echo two >&2; exit 3")?;
    demand(
        failed.status == 3 && failed.text == "one\ntwo",
        "both streams and the status",
        format!("{failed:?}"),
    )?;
    let slow = left.run_for("sleep 60", Duration::from_secs(1))?;
    demand(slow.status != 0, "a command to be ended in time", format!("{slow:?}"))?;
    left.sh("ping -c 3 -W 5 10.0.0.2")?;
    let key = "0x0102030405060708090a0b0c0d0e0f1011121314";
    for (guest, mine, other) in [(&left, 1, 2), (&right, 2, 1)] {
        for (from, to, spi) in [(mine, other, 0x1000 + mine), (other, mine, 0x1000 + other)] {
            guest.sh(&format!(
                "ip xfrm state add src 10.0.0.{from} dst 10.0.0.{to} proto esp spi {spi} reqid 1 mode transport \
                 aead 'rfc4106(gcm(aes))' {key} 128"
            ))?;
        }
        for (direction, from, to) in [("out", mine, other), ("in", other, mine)] {
            guest.sh(&format!(
                "ip xfrm policy add src 10.0.0.{from} dst 10.0.0.{to} dir {direction} \
                 tmpl src 10.0.0.{from} dst 10.0.0.{to} proto esp reqid 1 mode transport"
            ))?;
        }
    }
    left.sh("ping -c 3 -W 5 10.0.0.2")?;
    let states = left.sh("ip -s xfrm state")?;
    demand(states.matches("3(packets)").count() == 2, "three packets each way under the SAs", states)?;
    right.load(&["mlx5_core"])?;
    right.sh("rmmod mlx5_core")?;
    left.sh("ethtool --version && iperf3 --version && tcpdump --version")?;
    for guest in [left, right] {
        guest.demand_clean_log()?;
        guest.shut_down()?;
    }
    Ok(())
}

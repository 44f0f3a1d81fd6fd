//! The judgement of a Linux guest's kernel log: what may stand there, and what shows that the driver found fault with
//! its card. Lines are `dmesg -r`'s, with their priority: everything that `mlx5_core` says at warning or above is a
//! fault unless it is listed here with its reason.

use crate::error::{Error, Result};

/// Lowest priority number (syslog(3)) that is no warning: notice.
const NOTICE: u32 = 5;

/// Faults at any priority, by a part of the line.
const FAULTS: &[&str] = &[
    "WARNING: ",
    "BUG: ",
    "Oops",
    "Call Trace",
    "Kernel panic",
    "hw csum failure",
    "NETDEV WATCHDOG",
    "page leak",
    "pages leak",
    "Command completion arrived after timeout",
    "refcount_t",
    "list_add corruption",
    "list_del corruption",
    "unregister_netdevice: waiting",
    "martian",
];

/// What `mlx5_core` says as a warning on every machine of ours, and why that is no fault.
const HARMLESS: &[(&str, &str)] = &[
    ("loading out-of-tree module taints kernel", "the rebuilt module is out of tree"),
    ("module verification failed", "the rebuilt module is not signed"),
    (
        "Failed to get valid vendor specific ID",
        "the model has no vendor-specific capability: firmware tools and crash dumps use it, drivers do not need it",
    ),
    ("Disabling rxhash, not supported when CQE compress is active", "a test has asked for compression"),
    ("IPsec was initialized without RoCE support", "the model is a network card only: it offers no RoCE"),
];

/// The lines of `log` that are faults.
pub fn faults(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| is_fault(line));
    lines.map(str::to_owned).collect()
}

fn is_fault(line: &str) -> bool {
    if HARMLESS.iter().any(|(part, _)| line.contains(part)) {
        return false;
    }
    let drivers = line.contains("mlx5") && priority(line).is_some_and(|priority| priority < NOTICE);
    drivers || FAULTS.iter().any(|part| line.contains(part))
}

/// The priority of a line of `dmesg -r`: the low three bits of `<N>`.
fn priority(line: &str) -> Option<u32> {
    let (number, _) = line.strip_prefix('<')?.split_once('>')?;
    Some(number.parse::<u32>().ok()? & 7)
}

/// Demands that there is no fault in `log`.
///
/// # Errors
/// With the faults and the end of the log.
pub fn demand_clean(who: &str, log: &str) -> Result<()> {
    let faults = faults(log);
    if faults.is_empty() {
        return Ok(());
    }
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n");
    Err(Error::Observed {
        expected: format!("no fault in the kernel log of {who}"),
        found: format!("{}\nin\n{tail}", faults.join("\n")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_the_driver_and_of_the_kernel_are_faults() {
        for fault in [
            "<4>[    9.1] mlx5_core 0000:01:00.0: mlx5_cmd_out_err:838:(pid 80): CREATE_TIS(0x912) failed",
            "<3>[    9.1] mlx5_core 0000:01:00.0 eth0: Error cqe on cqn 0x42",
            "<4>[    9.1] WARNING: CPU: 0 PID: 80 at drivers/net/ethernet/mellanox/mlx5/core/pagealloc.c:700",
            "<4>[    9.1] eth0: hw csum failure",
            "<1>[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000010",
        ] {
            assert_eq!(faults(fault).len(), 1, "{fault}");
        }
    }

    #[test]
    fn news_are_no_faults() {
        for news in [
            "<6>[    9.1] mlx5_core 0000:01:00.0: firmware version: 28.40.1000",
            "<4>[    9.1] mlx5_core: loading out-of-tree module taints kernel.",
            "<4>[    0.1] workqueue: something hogged CPU",
        ] {
            assert!(faults(news).is_empty(), "{news}");
        }
    }
}

//! Linux's own IPsec packet offload on the model: `mlx5_core` of Debian's 6.12, rebuilt with the one option that Debian
//! leaves off, two guests on two wired cards. Each SA is on the card of one guest or of both; where it is not, Linux's
//! software does the same work and is the second opinion.

#![forbid(unsafe_code)]

mod esn;
mod hostile;
mod lifetimes;
mod policies;
mod sa;
mod transport;
mod tunnel;
mod wire;

use ravelin_tests::error::Result;
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::pair::{Kind, Pair, Shared};
use ravelin_tests::prerequisites::{self, Need};

static PAIR: Shared = Shared::new();

/// Runs one test on two guests with the rebuilt driver.
fn with(test: impl FnOnce(&Pair) -> Result<()>) -> Result<()> {
    prerequisites::check(&[Need::Oracle, Need::OracleIpsec, Need::Scapy])?;
    PAIR.run(Kind { kernel: Kernel::V6_12, rebuilt: true, profile: "cx7" }, test)
}

//! The driver is unloaded and loaded again: every page it gave comes back, and the card starts afresh.

use ravelin_tests::error::Result;
use ravelin_tests::oracle::pair::Pair;

/// Twice out and in; the card holds no page of the guest's while the driver is away.
pub(crate) fn the_driver_unloads_and_no_page_stays(pair: &Pair) -> Result<()> {
    for _ in 0..2 {
        pair.guests[0].sh("rmmod mlx5_core")?;
        pair.model.demand_no_pages(0)?;
        pair.reset()?;
        pair.ping(0, "10.0.0.2", 3, 56)?;
        pair.ping(1, "10.0.0.1", 3, 1472)?;
    }
    Ok(())
}

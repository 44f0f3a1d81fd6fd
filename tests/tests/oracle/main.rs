//! Debian's unmodified kernels on the model: `mlx5_core` of 6.1 and 6.12 as they come, two guests on two wired cards.
//! Every test here runs once per kernel; the pair of guests is booted once per kernel.

#![forbid(unsafe_code)]

mod link;
mod offloads;
mod plain;
mod rings;
mod trace;
mod traffic;
mod unload;

use ravelin_tests::error::Result;
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::pair::{Kind, Pair, Shared};
use ravelin_tests::prerequisites::{self, Need};

static PAIR: Shared = Shared::new();

/// Runs one test with this kernel in both guests.
fn with(kernel: Kernel, test: impl FnOnce(&Pair) -> Result<()>) -> Result<()> {
    prerequisites::check(&[Need::Oracle])?;
    PAIR.run(Kind { kernel, rebuilt: false, profile: "cx6dx" }, test)
}

/// One test per kernel for each function named.
macro_rules! on_each_kernel {
    ($($chapter:ident::$test:ident,)*) => {
        on_each_kernel!(@ v6_01, V6_1, $($chapter::$test,)*);
        on_each_kernel!(@ v6_12, V6_12, $($chapter::$test,)*);
    };
    (@ $name:ident, $kernel:ident, $($chapter:ident::$test:ident,)*) => {
        mod $name {
            use super::{Kernel, Result, with};
            $(
                #[test]
                fn $test() -> Result<()> {
                    with(Kernel::$kernel, super::$chapter::$test)
                }
            )*
        }
    };
}

on_each_kernel! {
    link::the_driver_probes_the_card_and_the_link_comes_up,
    link::neighbours_are_found_and_echoes_come_back,
    link::the_interface_goes_down_and_up,
    link::the_driver_sees_the_link_go_and_come,
    link::the_driver_hears_itself_when_it_tests_that,
    traffic::a_hundred_megabytes_cross_each_way,
    traffic::tcp_over_ipv6_crosses,
    traffic::flows_are_spread_over_the_rings,
    traffic::large_frames_cross,
    traffic::vlans_carry_their_tag,
    offloads::counters_agree,
    offloads::features_can_be_switched,
    offloads::private_flags_can_be_switched,
    offloads::received_segments_are_merged,
    rings::channels_can_be_changed,
    rings::rings_can_be_resized,
    rings::moderation_can_be_changed,
    trace::the_bring_up_is_as_recorded,
    unload::the_driver_unloads_and_no_page_stays,
}

//! Ring 0, once: what the machine offers to the gateway. Boot, memory, traps, time, entropy, PCI,
//! interrupts, console and power. It knows no driver and no driver knows it; `image/src/glue*` ties them.
//!
//! Invariants that everything in here relies on:
//! - **One CPU.** Statics are behind locks or atomics all the same (design D4).
//! - **IF = 0** except for the one instruction in [`idle`] that sleeps: Rust code is never interrupted.
//! - **Identity map.** A virtual address is the physical address, for RAM, DMA and MMIO alike.
//! - **W^X.** No page is both writable and executable, constants are read-only, page 0 and the page under
//!   every stack are not mapped.
//! - Every trap is fatal and is reported by [`report`]; only device interrupts return, and their code is
//!   assembly.
//!
//! The crate also builds on the host, where only the pure parts are called (and tested). Whatever must
//! exist exactly once in a bootable image (entry point, memory functions, allocator, panic handler) is
//! emitted by [`entry!`] in the bin crate.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod acpi;
mod apic;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod fw_cfg;
pub mod idle;
pub mod irq;
pub mod mem;
pub mod pci;
pub mod power;
pub mod report;
pub mod rng;
pub mod rt;
mod selftest;
pub mod symbols;
pub mod time;
pub mod trap;

pub use boot::Machine;
pub use power::Exit;

/// Makes the calling bin crate bootable: entry point, memory functions, heap and panic handler, with
/// `$main: fn(Machine) -> Exit` as the program.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[doc(hidden)]
        const RAVELIN_MAIN: fn($crate::Machine) -> $crate::Exit = $main;

        #[doc(hidden)]
        #[allow(unsafe_code, missing_docs, unreachable_pub)]
        mod ravelin_entry {
            $crate::boot_assembly!();
            $crate::memory_functions!("");

            // The ends of the sections, from link.ld. Only their addresses mean something.
            unsafe extern "C" {
                static __text_start: u8;
                static __text_end: u8;
                static __rodata_start: u8;
                static __rodata_end: u8;
                static __data_start: u8;
                static __image_end: u8;
            }

            /// Called by boot.s on the main stack, with SSE on and 1 GiB mapped.
            extern "C" fn start(start_info: u64, first_tsc: u64) -> ! {
                let image = $crate::boot::Image {
                    text: (&raw const __text_start) as u64..(&raw const __text_end) as u64,
                    rodata: (&raw const __rodata_start) as u64..(&raw const __rodata_end) as u64,
                    data: (&raw const __data_start) as u64..(&raw const __image_end) as u64,
                };
                // SAFETY: this is the one call, made from boot.s with the loader's start-info pointer and
                // with the section addresses of this very image.
                unsafe { $crate::boot::start(start_info, first_tsc, image, super::RAVELIN_MAIN) }
            }

            #[global_allocator]
            static HEAP: $crate::mem::heap::KernelHeap = $crate::mem::heap::KernelHeap;

            // Lints of the whole workspace see dependencies with the features that host tools ask of them,
            // `std` included, which brings a panic handler of its own.
            #[cfg(clippy)]
            extern crate std;

            #[cfg(not(clippy))]
            #[panic_handler]
            fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
                $crate::report::panic(info)
            }

            // The prebuilt `core` and `alloc` carry landing pads that name these two. Both profiles
            // abort on panic, so neither is ever reached.
            #[unsafe(no_mangle)]
            extern "C" fn rust_eh_personality() {}
            #[unsafe(no_mangle)]
            extern "C" fn _Unwind_Resume() -> ! {
                $crate::power::exit($crate::Exit::Panic)
            }
        }
    };
}

//! Walks the page tables in use: every page maps to itself, none is writable and executable, the image has the
//! rights that the linker gave it, and what must not be mapped is not.

use alloc::format;

use super::{Outcome, expect};
use crate::mem::{self, paging};
use crate::{Machine, boot, cpu, trap};

pub(super) fn check(_: &Machine) -> Outcome {
    const CR0_WRITE_PROTECT: u64 = 1 << 16;
    let mut pages = [0_u64; 3];
    let (mut writable_code, mut moved) = (0, 0);
    mem::for_each_page(|page| {
        writable_code += u64::from(page.writable && page.executable);
        moved += u64::from(page.virt != page.phys);
        pages[usize::from(page.writable) + 2 * usize::from(page.executable && !page.writable)] +=
            page.bytes >> 10;
    });
    let image = boot::image().ok_or("no image")?;
    let rights = |address| mem::look_up(address);
    let all = |range: &core::ops::Range<u64>, access| {
        range.clone().step_by(4096).all(|address| rights(address) == address | paging::Access::bits(access))
    };
    let image_is_right = all(&image.text, paging::Access::Execute)
        && all(&image.rodata, paging::Access::Read)
        && (image.data.clone().step_by(4096)).all(|address| {
            let guard = trap::overflowed(address).is_some();
            rights(address) == if guard { 0 } else { address | paging::Access::ReadWrite.bits() }
        });
    let guards = trap::guards().filter(|guard| rights(guard.start) == 0).count();
    let text = format!(
        "KiB read-only {}, writable {}, code {}; {writable_code} writable code, {moved} moved, {guards} guards, cr4 {:#x}",
        pages[0],
        pages[1],
        pages[2],
        cpu::cr4()
    );
    let good = writable_code == 0 && moved == 0 && guards == 8 && rights(0) == 0 && image_is_right;
    expect(good && cpu::cr0() & CR0_WRITE_PROTECT != 0, text)
}

//! The page ledger: what the device asks for, what the driver gave, and what went back (QUERY_PAGES, MANAGE_PAGES).
//!
//! A given page belongs to the device. The model marks it, and looks at the mark when the page goes back: a driver
//! that wrote to it, gave it twice, or gave less than was asked, is found out.

use crate::caps::Profile;
use crate::command::{Command, command};
use crate::memory::read_array;
use crate::queues::Event;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, ManagePagesIn, ManagePagesOut, QueryPagesIn, QueryPagesOut};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// Event type PAGE_REQUEST.
const PAGE_REQUEST: u8 = 0x0b;
/// MANAGE_PAGES: the driver cannot give what was asked for.
const CANNOT_GIVE: u16 = 0;
/// MANAGE_PAGES: pages come in.
const GIVE: u16 = 1;
/// MANAGE_PAGES: pages go back.
const TAKE: u16 = 2;
/// QUERY_PAGES: pages for boot, for INIT_HCA, for what comes after.
const BOOT: u16 = 1;
const INIT: u16 = 2;
const REGULAR: u16 = 3;
/// What stands at the start of a page that the device owns.
const MARK: u64 = 0x6d6c_7835_7061_6765;

/// The ledger.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    boot: usize,
    init: usize,
    held: BTreeSet<u64>,
    /// Pages that are needed now beyond those of boot and init.
    regular: usize,
    /// Pages that were asked for by event and have not come yet.
    asked: usize,
    /// The driver has said that it has none.
    refused: bool,
}

impl Pages {
    /// Nothing given yet.
    pub(crate) fn new(profile: &Profile) -> Pages {
        let identity = profile.identity();
        Pages { boot: identity.boot_pages, init: identity.init_pages, ..Pages::default() }
    }

    /// Pages that the driver has given and not got back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether boot needs no more pages.
    pub(crate) fn boot_covered(&self) -> bool {
        self.held.len() >= self.boot
    }

    /// Whether INIT_HCA needs no more pages.
    pub(crate) fn init_covered(&self) -> bool {
        self.held.len() >= self.boot + self.init
    }

    /// Whether everything that is needed was given, or the driver cannot give more.
    pub(crate) fn covered(&self) -> bool {
        self.refused || self.held.len() >= self.boot + self.init + self.regular
    }

    fn missing(&self, of: u16) -> usize {
        let wanted = match of {
            BOOT => self.boot,
            INIT => self.boot + self.init,
            _ => self.boot + self.init + self.regular,
        };
        wanted.saturating_sub(self.held.len())
    }

    /// How many pages the device can do without.
    fn spare(&self, stage: crate::command::Stage) -> usize {
        if stage == crate::command::Stage::Initialized {
            self.held.len().saturating_sub(self.boot + self.init + self.regular)
        } else {
            self.held.len()
        }
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[Command] = &[
    command!(QUERY_PAGES[BOOT, INIT, REGULAR], QueryPagesIn, QueryPagesOut, Enabled, query_pages),
    command!(MANAGE_PAGES[CANNOT_GIVE, GIVE, TAKE], ManagePagesIn + 8, ManagePagesOut, Enabled, manage_pages),
];

fn query_pages(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryPagesIn::copy_from(input);
    own_function(command.function_id(), command.embedded_cpu_function())?;
    let out = QueryPagesOut::build().num_pages(device.pages.missing(command.op_mod()) as u32).done();
    output[..QueryPagesOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

/// Only the function itself is known: no virtual functions hang below it.
fn own_function(function: u16, embedded: bool) -> Result<(), Refusal> {
    if function != 0 {
        return Err(Refusal::value("function_id", 0x8));
    }
    if embedded {
        return Err(Refusal::value("embedded_cpu_function", 0x8));
    }
    Ok(())
}

fn manage_pages(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = ManagePagesIn::copy_from(input);
    own_function(command.function_id(), command.embedded_cpu_function())?;
    let count = command.input_num_entries() as usize;
    let list = &input[ManagePagesIn::SIZE..];
    match command.op_mod() {
        CANNOT_GIVE => device.pages.refused = true,
        GIVE => {
            if list.len() != count * 8 {
                return Err(Refusal::new(
                    CmdStatus::BAD_INP_LEN,
                    Check::InputLength,
                    "input_num_entries",
                    0xc,
                ));
            }
            give(device, memory, list)?;
        }
        _ => take(device, memory, count, output)?,
    }
    Ok(())
}

fn give(device: &mut Device, memory: &dyn Memory, list: &[u8]) -> Result<(), Refusal> {
    let mut coming = BTreeSet::new();
    for (index, item) in list.chunks_exact(8).enumerate() {
        let address = u64::from_be_bytes(item.try_into().unwrap_or_default());
        let at = (ManagePagesIn::SIZE + 8 * index) as u16;
        let refuse = |check| Err(Refusal::new(CmdStatus::BAD_PARAM, check, "pas", at));
        if address % 4096 != 0 {
            return refuse(Check::Alignment);
        }
        if device.pages.held.contains(&address) || !coming.insert(address) {
            return refuse(Check::Conflict);
        }
        // Both ends: the page has to be there as a whole.
        if memory.write(address, &MARK.to_be_bytes()).is_err()
            || memory.write(address + 4088, &MARK.to_be_bytes()).is_err()
        {
            return refuse(Check::Unmapped);
        }
    }
    device.pages.asked = device.pages.asked.saturating_sub(coming.len());
    device.pages.held.extend(coming);
    Ok(())
}

fn take(device: &mut Device, memory: &dyn Memory, count: usize, output: &mut [u8]) -> Result<(), Refusal> {
    let room = (output.len() - ManagePagesOut::SIZE) / 8;
    if room < count {
        return Err(Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "pas", 0x10));
    }
    let spare = device.pages.spare(device.hca.stage());
    let going: Vec<u64> = device.pages.held.iter().rev().take(count.min(spare)).copied().collect();
    for (address, place) in going.iter().zip(output[ManagePagesOut::SIZE..].chunks_exact_mut(8)) {
        device.pages.held.remove(address);
        place.copy_from_slice(&address.to_be_bytes());
        let marks = [*address, address + 4088].map(|at| read_array::<8>(memory, at));
        if marks != [Ok(MARK.to_be_bytes()); 2] {
            let refusal =
                Refusal::new(CmdStatus::BAD_RES_STATE, Check::Conflict, "a given page was written", 0);
            device.misuse("page", (address >> 12) as u32, refusal);
        }
    }
    let out = ManagePagesOut::build().output_num_entries(going.len() as u32).done();
    output[..ManagePagesOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

impl Device {
    /// Asks by event for `count` more pages; commands that make objects wait until they have come.
    pub(crate) fn request_pages(&mut self, memory: &dyn Memory, count: usize) {
        self.pages.regular += count;
        self.pages.asked += count;
        self.page_event(memory, count as i32);
    }

    /// Asks the driver to take `count` pages back.
    pub(crate) fn return_pages(&mut self, memory: &dyn Memory, count: usize) {
        self.pages.regular = self.pages.regular.saturating_sub(count);
        self.page_event(memory, -(count as i32));
    }

    fn page_event(&mut self, memory: &dyn Memory, count: i32) {
        let mut data = [0; 28];
        data[4..8].copy_from_slice(&count.to_be_bytes());
        self.post_event(memory, Event { kind: PAGE_REQUEST, sub_kind: 0, data });
    }
}

//! From opcode to handler, with the checks that all commands share: length, reserved bits, user context, `op_mod`,
//! stage.

use crate::command::{Command, Length, Stage};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, Opcode};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every command of the device.
static COMMANDS: LazyLock<HashMap<u16, Command>> = LazyLock::new(|| {
    [
        crate::hca::COMMANDS,
        &[crate::pages::COMMANDS],
        crate::caps::COMMANDS,
        crate::port::COMMANDS,
        crate::queues::COMMANDS,
        crate::steering::COMMANDS,
        crate::ipsec::COMMANDS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
    .map(|command| (command.opcode, *command))
    .collect()
});

/// The opcode that stands in dword 0.
pub(crate) fn opcode(input: &[u8]) -> u16 {
    word(input, 0)
}

fn word(input: &[u8], at: usize) -> u16 {
    input.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Whether the command makes an object, for which the device may need pages.
pub(crate) fn allocates(opcode: u16) -> bool {
    let name = Opcode(opcode).name().unwrap_or_default();
    (name.starts_with("CREATE_") || name.starts_with("ALLOC_") || name == "SET_FLOW_TABLE_ENTRY")
        && opcode != Opcode::CREATE_EQ.0
}

impl Device {
    /// Runs a command; the answer is `outlen` bytes long and begins with status and syndrome.
    pub(crate) fn execute(&mut self, memory: &dyn Memory, slot: u8, input: &[u8], outlen: usize) -> Vec<u8> {
        let mut output = vec![0; outlen];
        let result = self.check_and_run(memory, input, &mut output);
        if let Err(refusal) = result {
            output.fill(0);
            output[0] = refusal.status.0;
            output[4..8].copy_from_slice(&refusal.syndrome().to_be_bytes());
            self.log.refuse(opcode(input), slot.into(), refusal);
        }
        output
    }

    fn check_and_run(&mut self, memory: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
        let opcode = opcode(input);
        let Some(command) = COMMANDS.get(&opcode) else {
            return Err(Refusal::new(CmdStatus::BAD_OP, Check::Opcode, "opcode", 0));
        };
        let head = match command.input {
            Length::Exact(length) => {
                if input.len() != length {
                    return Err(bad_length(input.len()));
                }
                length
            }
            Length::List { head, unit } => {
                if input.len() < head || !(input.len() - head).is_multiple_of(unit) {
                    return Err(bad_length(input.len()));
                }
                head
            }
            Length::Grown { before, now } => {
                if input.len() != before && input.len() != now {
                    return Err(bad_length(input.len()));
                }
                input.len()
            }
        };
        if output.len() < command.output {
            let offset = output.len() as u16;
            return Err(Refusal::new(CmdStatus::BAD_OUTP_LEN, Check::OutputLength, "outlen", offset));
        }
        if let Some(offset) = mlx5_pci::prm::reserved_bit(&input[..head], command.claims) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "reserved", offset as u16));
        }
        if word(input, 2) != 0 {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Uid, "uid", 2));
        }
        if !command.op_mods.is_empty() && !command.op_mods.contains(&word(input, 6)) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::OpMod, "op_mod", 6));
        }
        if !self.in_stage(command.stage) {
            return Err(Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Stage, "opcode", 0));
        }
        (command.run)(self, memory, input, output)
    }

    fn in_stage(&self, least: Stage) -> bool {
        self.hca.stage() >= least
    }
}

fn bad_length(length: usize) -> Refusal {
    Refusal::new(CmdStatus::BAD_INP_LEN, Check::InputLength, "inlen", length.min(0xffff) as u16)
}

//! Making an SA on the card, step by step; the entry that makes it work is the last.
//!
//! | | receive | send |
//! |---|---|---|
//! | 1 | key, object | key, object |
//! | 2 | reformat (shared), header rewriting | reformat |
//! | 3 | counters: SA, bad ICV, bad trailer, replay, selector | counter |
//! | 4 | entries: selector, what is dropped | |
//! | 5 | entry of the SA | entry of the SA |

use super::MARKER;
use super::lifetime::Lifetime;
use super::made::{Entry, Ground, Headers, Made};
use super::names::Handle;
use super::reformat::Reformat;
use super::sa::Install;
use super::{object, receive, send};
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{AllocModifyHeaderContextIn, FlowTableType, ModifyAction, ModifyField, SetActionIn};
use alloc::vec::Vec;

/// Counters that drop on receive, but for selectors.
const UNSOUND: usize = 3;

/// Counters that `sa` has.
pub(super) fn counters(sa: &Install) -> usize {
    if sa.direction.receives() { 1 + UNSOUND + usize::from(sa.selector.is_some()) } else { 1 }
}

/// Makes `sa` under the name `handle`, and notes in `made` what there is, also when a command fails.
pub(super) fn make<F: Function>(
    commands: &mut Commands<F>,
    ground: &mut Ground<'_>,
    pd: u32,
    (handle, sa): (Handle, &Install),
    lifetime: Option<&Lifetime>,
    made: &mut Made,
) -> Result<(), CmdError> {
    let key = object::create_key(commands, pd, &sa.secret)?;
    made.key = Some(key);
    let number = object::create(commands, pd, key, sa, lifetime)?;
    made.object = Some(number);
    let reformat = Reformat::of(sa);
    if sa.direction.receives() {
        make_receive(commands, ground, (handle, sa), number, reformat, made)
    } else {
        make_send(commands, ground, (handle, sa), number, &reformat, made)
    }
}

fn make_receive<F: Function>(
    commands: &mut Commands<F>,
    ground: &mut Ground<'_>,
    (handle, sa): (Handle, &Install),
    object: u32,
    reformat: Reformat,
    made: &mut Made,
) -> Result<(), CmdError> {
    let removal = ground.shared.take(commands, &reformat)?;
    made.headers = Some(Headers::Shared(reformat));
    let rewrite = mark(commands, handle)?;
    made.rewrite = Some(rewrite);
    for _ in 0..counters(sa) {
        made.counters.push(ground.counters.take(commands)?);
    }
    let &[counter, icv, trailer, replay, ref rest @ ..] = made.counters.as_slice() else { return Ok(()) };
    let entries = &mut made.entries;
    if let Some((selector, counter)) = sa.selector.as_ref().zip(rest.first()) {
        let note = |place| entries.push(Entry::Receive(place));
        ground.receive.select(commands, handle, selector, *counter, note)?;
    }
    let note = |place| entries.push(Entry::Receive(place));
    ground.receive.drop_unsound(commands, handle, [icv, trailer, replay], note)?;
    let parts = receive::Parts { object, reformat: removal, rewrite, counter };
    entries.push(Entry::Receive(ground.receive.open(commands, handle, sa, parts)?));
    Ok(())
}

fn make_send<F: Function>(
    commands: &mut Commands<F>,
    ground: &mut Ground<'_>,
    (handle, sa): (Handle, &Install),
    object: u32,
    reformat: &Reformat,
    made: &mut Made,
) -> Result<(), CmdError> {
    let reformat = reformat.create(commands)?;
    made.headers = Some(Headers::Own(reformat));
    let counter = ground.counters.take(commands)?;
    made.counters.push(counter);
    let parts = send::Parts { object, reformat, counter };
    made.entries.push(Entry::Send(ground.send.open(commands, handle, sa, parts)?));
    Ok(())
}

/// Header rewriting that writes marker and handle to register B, which completions carry, and to C_2, which is matched on.
fn mark<F: Function>(commands: &mut Commands<F>, handle: Handle) -> Result<u32, CmdError> {
    let set = |field: ModifyField| {
        // Length 0 is 32 bits.
        SetActionIn::build()
            .action_type(ModifyAction::SET.0)
            .field(field.0)
            .data(MARKER | handle.bits())
            .done()
    };
    let actions = [ModifyField::METADATA_REG_B, ModifyField::METADATA_REG_C_2].map(set);
    let list: Vec<u8> = actions.iter().flat_map(|action| *action.as_bytes()).collect();
    let input = AllocModifyHeaderContextIn::build()
        .table_type(FlowTableType::NIC_RX.0)
        .num_of_actions(actions.len() as u8)
        .done();
    Ok(commands.exec_with(&input, &list)?.modify_header_id())
}

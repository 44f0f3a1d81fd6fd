//! CREATE_EQ and DESTROY_EQ (facts E.7).

use super::Eq;
use crate::cmd::{CmdError, Commands};
use crate::error::Error;
use crate::hal::{DmaMem, Function};
use crate::prm::{CreateEqIn, DestroyEqIn, Eqc, EventType};
use crate::uar::Uar;

/// Event types have numbers up to this one.
const TYPES: u8 = 64;

impl<M: DmaMem> Eq<M> {
    /// A queue of `2^log_size` events of `types`, which raises MSI-X vector `vector`. CQs name it for their events; it gets
    /// those whatever `types` says.
    ///
    /// # Errors
    /// When there is no memory or the command fails.
    pub fn create<F: Function<Mem = M>>(
        commands: &mut Commands<F>,
        uar: Uar,
        log_size: u8,
        vector: u16,
        types: &[EventType],
    ) -> Result<Self, Error> {
        let mut eq = Self::new(commands.function(), log_size, uar)?;
        let context = Eqc::build().log_eq_size(log_size).uar_page(uar.page).intr(vector).done();
        let wanted = types.iter().filter(|kind| kind.0 < TYPES).fold(0u64, |mask, kind| mask | 1 << kind.0);
        let mut mask = [0; 32];
        mask[..8].copy_from_slice(&wanted.to_be_bytes());
        let input = CreateEqIn::build().eq_context_entry(&context).event_bitmask(&mask).done();
        eq.number = commands.exec_with(&input, &eq.ring.pages())?.eq_number();
        Ok(eq)
    }

    /// Makes the device forget EQ `eqn`. Its memory may go afterwards.
    ///
    /// # Errors
    /// When the command fails.
    pub fn destroy<F: Function<Mem = M>>(commands: &mut Commands<F>, eqn: u8) -> Result<(), CmdError> {
        commands.exec(&DestroyEqIn::build().eq_number(eqn).done()).map(|_| ())
    }
}

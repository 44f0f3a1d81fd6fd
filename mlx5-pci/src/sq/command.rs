//! CREATE, MODIFY and DESTROY_SQ, and the repair of a queue in error (facts E.9).

use super::{Abilities, Sq};
use crate::cmd::{CmdError, Commands};
use crate::cq::{Compression, Cq};
use crate::device::Domain;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::{CreateSqIn, DestroySqIn, ModifySqIn, QuerySqIn, Sqc, Wq};
use crate::queue::{CYCLIC, State};
use crate::ring::Ring;
use crate::uar::Uar;

/// log2 of a block.
const LOG_BLOCK: u8 = 6;

impl<F: Function> Sq<F> {
    /// A queue of `2^log_size` blocks with a CQ of its own, ready to send through `tisn`.
    ///
    /// # Errors
    /// When there is no memory or a command fails.
    pub(crate) fn create(
        commands: &mut Commands<F>,
        domain: &Domain,
        uar: Uar,
        (eqn, tisn): (u8, u32),
        log_size: u8,
        abilities: Abilities,
    ) -> Result<Self, Error> {
        let cq = Cq::create(commands, uar, eqn, log_size, Compression::Off)?;
        let ring = Ring::new(commands.function(), log_size)?;
        let wq = Wq::build()
            .wq_type(CYCLIC)
            .pd(domain.pd)
            .uar_page(uar.page)
            .dbr_addr(ring.record())
            .log_wq_stride(LOG_BLOCK)
            .log_wq_sz(log_size)
            .done();
        let context = Sqc::build()
            .flush_in_error_en(true)
            .allow_multi_pkt_send_wqe(abilities.enhanced)
            .min_wqe_inline_mode(abilities.min_inline)
            .allow_swp(abilities.inside.0)
            .cqn(cq.number())
            .tis_lst_sz(1)
            .tis_num_0(tisn)
            .wq(&wq)
            .done();
        let input = CreateSqIn::build().ctx(&context).done();
        let number = commands.exec_with(&input, &ring.pages())?.sqn();
        let sq = Self::new(ring, cq, number, domain.mkey, uar, abilities);
        sq.modify(commands, State::Reset, State::Ready)?;
        Ok(sq)
    }

    fn modify(&self, commands: &mut Commands<F>, from: State, to: State) -> Result<(), CmdError> {
        let context = Sqc::build().state(to as u8).done();
        let input = ModifySqIn::build().sqn(self.number).sq_state(from as u8).ctx(&context).done();
        commands.exec(&input).map(|_| ())
    }

    /// Brings a queue in error back: through reset, in which the device forgets what was posted. Packets that it holds are
    /// lost; no other queue notices.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn repair(&mut self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        let found = commands.exec(&QuerySqIn::build().sqn(self.number).done())?.sq_context().state();
        self.modify(commands, State::from_device(found), State::Reset)?;
        self.clear();
        self.modify(commands, State::Reset, State::Ready)
    }

    /// Makes the device forget it. Packets and memory may go afterwards.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        commands.exec(&DestroySqIn::build().sqn(self.number).done())?;
        self.clear();
        self.cq.destroy(commands)
    }
}

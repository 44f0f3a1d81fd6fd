//! CREATE_CQ and DESTROY_CQ (facts E.8).

use super::{Compression, Cq};
use crate::cmd::{CmdError, Commands};
use crate::error::Error;
use crate::hal::{DmaMem, Function};
use crate::prm::{Cqc, CreateCqIn, DestroyCqIn};
use crate::uar::Uar;

/// `mini_cqe_res_format`: length and checksum, or with the stride too.
const CHECKSUM: u8 = 1;
const CHECKSUM_STRIDE: u8 = 3;

impl<M: DmaMem> Cq<M> {
    /// A queue of `2^log_size` CQEs whose events go to EQ `eqn`.
    ///
    /// # Errors
    /// When there is no memory or the command fails.
    pub(crate) fn create<F: Function<Mem = M>>(
        commands: &mut Commands<F>,
        uar: Uar,
        eqn: u8,
        log_size: u8,
        compression: Compression,
    ) -> Result<Self, Error> {
        let mut cq = Self::new(commands.function(), log_size, uar, compression)?;
        let mut context = Cqc::build()
            .log_cq_size(log_size)
            .uar_page(uar.page)
            .c_eqn_or_apu_element(eqn.into())
            .dbr_addr(cq.ring.record())
            .done();
        if compression != Compression::Off {
            let strides = compression == Compression::StrideIndex;
            context.set().cqe_comp_en(true).mini_cqe_res_format(if strides {
                CHECKSUM_STRIDE
            } else {
                CHECKSUM
            });
        }
        let input = CreateCqIn::build().cq_context(&context).done();
        cq.number = commands.exec_with(&input, &cq.ring.pages())?.cqn();
        Ok(cq)
    }

    /// Makes the device forget it. Its memory may go afterwards.
    ///
    /// # Errors
    /// When the command fails.
    pub(crate) fn destroy<F: Function<Mem = M>>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        commands.exec(&DestroyCqIn::build().cqn(self.number).done()).map(|_| ())
    }
}

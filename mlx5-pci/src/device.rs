//! One function from reset to teardown: the owner of its command interface, its capabilities, and the few objects that
//! everything else hangs on.

use crate::bring_up;
use crate::caps::Caps;
use crate::cmd::{CmdError, Commands, Exchange};
use crate::error::Error;
use crate::event;
use crate::hal::Function;
use crate::health::{Illness, Report, Watch};
use crate::pci;
use crate::prm::{
    AllocPdIn, AllocTransportDomainIn, AllocUarIn, CreateMkeyIn, DeallocPdIn, DeallocTransportDomainIn,
    DeallocUarIn, DestroyMkeyIn, Mkc,
};
use crate::uar::Uar;
use alloc::boxed::Box;
use core::time::Duration;

/// Memory space of the device.
const BAR: u8 = 0;
/// A key that no QP owns.
const NO_QP: u32 = 0xff_ffff;
/// The part of a key that its maker chooses.
const KEY_VARIANT: u8 = 0x52;

/// What the caller decides about a function.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most 4-KiB pages that the firmware gets. A ConnectX-7 asks for some thousand.
    pub page_limit: usize,
    /// The most MSI-X vectors that are used: one for the device, and one for each channel. Queues beyond share the last.
    pub vectors: u16,
    /// What the firmware is told about who drives it: at most 63 bytes.
    pub name: &'static str,
    /// The longest that a command may take once the device is up, even if the firmware asks for more: the caller waits, and
    /// with it all that it does beside. Bring-up takes the time that the firmware wants.
    pub patience: Duration,
    /// What is called with every command that is answered, from the first one on, keys included.
    pub trace: Option<fn(&Exchange)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_limit: 64 << 10,
            vectors: 64,
            name: concat!("Ravelin,mlx5-pci,", env!("CARGO_PKG_VERSION")),
            patience: Duration::from_secs(60),
            trace: None,
        }
    }
}

/// The objects that queues name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The UAR page in which queues ring.
    pub uar: Uar,
    /// MSI-X vectors that lead somewhere.
    pub vectors: u16,
    /// The event queue of the device itself.
    pub eqn: u8,
    /// The protection domain.
    pub pd: u32,
    /// The transport domain.
    pub transport_domain: u32,
    /// The key of all memory that the device reaches.
    pub mkey: u32,
}

/// One function of a ConnectX.
pub struct Device<F: Function> {
    commands: Commands<F>,
    options: Options,
    caps: Caps,
    domain: Option<Domain>,
    watch: Watch,
}

impl<F: Function> Device<F> {
    /// Resets `function` and brings it up.
    ///
    /// # Errors
    /// The first step that fails. The device can't reach memory then.
    pub fn open(mut function: F, options: Options) -> Result<Self, Error> {
        pci::reset(&mut function)?;
        let bar = function.map_bar(BAR)?;
        let mut commands = Commands::new(function, bar, options.page_limit)?;
        if let Some(trace) = options.trace {
            commands.set_trace(Some(Box::new(trace)));
        }
        let mut device =
            Self { commands, options, caps: Caps::default(), domain: None, watch: Watch::default() };
        device.bring_up()?;
        Ok(device)
    }

    /// From reset on.
    fn bring_up(&mut self) -> Result<(), Error> {
        let vectors = self.commands.function_mut().enable_interrupts(self.options.vectors);
        pci::start(self.commands.function_mut());
        self.caps = bring_up::bring_up(&mut self.commands, self.options.name)?;
        self.domain = Some(Domain::create(&mut self.commands, &self.caps, vectors)?);
        self.commands.patience = self.options.patience;
        Ok(())
    }

    /// The command interface.
    pub fn commands(&mut self) -> &mut Commands<F> {
        &mut self.commands
    }

    /// What the device offers.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// What queues name.
    ///
    /// # Errors
    /// When the device is down.
    pub fn domain(&self) -> Result<Domain, Error> {
        self.domain.ok_or(Error::Down)
    }

    /// Whether it is a virtual function.
    pub fn is_virtual(&self) -> bool {
        bring_up::is_virtual(self.commands.function())
    }

    /// Looks after the device; to be called every few hundred milliseconds. What it says is mended by
    /// [`Device::recover`] alone, and until then nothing may be sent.
    ///
    /// # Errors
    /// What ails the device.
    pub fn check(&mut self) -> Result<(), Illness> {
        let now = self.commands.function().now();
        let period = self.commands.timeouts().health_poll;
        self.watch.look(self.commands.bar(), now, period).map_or(Ok(()), Err)
    }

    /// What the firmware says about itself.
    pub fn health(&self) -> Report {
        Report::read(self.commands.bar())
    }

    /// Takes the function down, after everything that was made on it is destroyed. The device has given every page back
    /// and reaches no memory any more.
    ///
    /// # Errors
    /// The first step that fails; the device reaches no memory all the same.
    pub fn close(mut self) -> Result<(), Error> {
        self.domain()?.destroy(&mut self.commands)?;
        bring_up::tear_down(&mut self.commands)
    }

    /// Resets the function and brings it up again, whatever state it is in. All that was made on it is gone, and so is the
    /// device's claim to memory: queues of before can be dropped afterwards, and not earlier.
    ///
    /// # Errors
    /// The first step that fails; it may be tried again.
    pub fn recover(&mut self) -> Result<(), Error> {
        self.domain = None;
        pci::reset(self.commands.function_mut())?;
        self.commands.forget();
        self.watch = Watch::default();
        self.bring_up()
    }
}

impl Domain {
    fn create<F: Function>(commands: &mut Commands<F>, caps: &Caps, vectors: u16) -> Result<Self, Error> {
        let page = commands.exec(&AllocUarIn::default())?.uar();
        let log_bf_reg_size = if caps.general.bf() { caps.general.log_bf_reg_size() } else { 0 };
        let uar = Uar { page, log_bf_reg_size };
        let eqn = event::listen(commands, uar)?;
        let pd = commands.exec(&AllocPdIn::default())?.pd();
        let transport_domain = commands.exec(&AllocTransportDomainIn::default())?.transport_domain();
        // Access mode 0: addresses are the device's own, and the key covers all of them.
        let context =
            Mkc::build().lr(true).lw(true).qpn(NO_QP).mkey_7_0(KEY_VARIANT).length64(true).pd(pd).done();
        let index =
            commands.exec(&CreateMkeyIn::build().memory_key_mkey_entry(&context).done())?.mkey_index();
        Ok(Self { uar, vectors, eqn, pd, transport_domain, mkey: index << 8 | u32::from(KEY_VARIANT) })
    }

    fn destroy<F: Function>(self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        commands.exec(&DestroyMkeyIn::build().mkey_index(self.mkey >> 8).done())?;
        commands.exec(&DeallocTransportDomainIn::build().transport_domain(self.transport_domain).done())?;
        commands.exec(&DeallocPdIn::build().pd(self.pd).done())?;
        event::ignore(commands, self.eqn)?;
        commands.exec(&DeallocUarIn::build().uar(self.uar.page).done())?;
        Ok(())
    }
}

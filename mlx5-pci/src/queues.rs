//! All queues of a function that carry packets: a channel for each core, and the table that spreads packets over them.
//!
//! What a device lacks is not asked of it: each wish of [`Settings`] holds as far as capabilities go.

use crate::caps::Caps;
use crate::channel::{Channel, Parts};
use crate::cmd::{CmdError, Commands};
use crate::cq::Compression;
use crate::device::Domain;
use crate::error::Error;
use crate::event::{self, Event};
use crate::hal::Function;
use crate::prm::{CreateTisIn, DestroyTisIn, EqeQpSrq, EventType, Tisc};
use crate::rq::command::Buffers;
use crate::rq::striding::Strides;
use crate::rss::{self, Rss, Spreading, Traffic};
use crate::sq::Abilities;
use alloc::vec::Vec;
use net::packet::TAILROOM;
use net::{Offloads, Pool, Slabs};

/// log2 of a stride: a frame of 1,500 bytes with the headroom of the next one.
const LOG_STRIDE: u8 = 11;
/// log2 of strides in a slab, and the least that devices without the extended range have.
const LOG_STRIDES: u8 = 6;
const LOG_STRIDES_LEAST: u8 = 9;
/// Slabs for packets that are on their way through the gateway, for each one that the device holds.
const SLABS_PER_PLACE: usize = 2;
/// Bytes of the largest frame that slabs take: some strides of many.
const SLAB_FRAME: usize = 16 << 10;
/// Bytes of the largest packet that LRO makes: less than a slab, and than an IP packet can have.
const LRO: usize = 32 << 10;

/// How the queues of a function shall be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Channels, one for each core.
    pub channels: u16,
    /// log2 of the packets that each send queue holds.
    pub log_send: u8,
    /// log2 of the packets that each receive queue holds.
    pub log_receive: u8,
    /// Many packets share a receive buffer.
    pub striding: bool,
    /// CQEs may be compressed.
    pub compression: bool,
    /// Several packets share a send WQE.
    pub enhanced: bool,
    /// VLAN tags are taken off what comes in, and told in the metadata.
    pub strip_vlan: bool,
    /// TCP packets may be merged on receive.
    pub lro: bool,
    /// Key of the hash that spreads packets.
    pub key: [u8; 40],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            channels: 1,
            log_send: 9,
            log_receive: 9,
            striding: true,
            compression: true,
            enhanced: true,
            strip_vlan: false,
            lro: false,
            key: rss::KEY,
        }
    }
}

/// The queues of a function.
pub struct Queues<F: Function> {
    tisn: u32,
    channels: Vec<Channel<F>>,
    rss: Rss,
    abilities: Abilities,
}

impl<F: Function> Queues<F> {
    /// Makes all queues. Receive buffers come from `pool`, where they are not slabs; its buffers have to be as large as the
    /// port's frames.
    ///
    /// # Errors
    /// When there is no memory or a command fails. What was made already stays with the device, which has to be reset.
    pub fn create(
        commands: &mut Commands<F>,
        domain: &Domain,
        caps: &Caps,
        settings: &Settings,
        pool: &Pool,
    ) -> Result<Self, Error> {
        let context = Tisc::build().transport_domain(domain.transport_domain).done();
        let tisn = commands.exec(&CreateTisIn::build().ctx(&context).done())?.tisn();
        let abilities = abilities(caps, settings);
        let channels: Result<Vec<_>, Error> = (0..settings.channels.max(1))
            .map(|index| {
                let (buffers, compression) = receive(caps, settings, pool);
                let parts = Parts {
                    uar: domain.uar,
                    vector: (event::VECTOR + 1).saturating_add(index).min(domain.vectors.saturating_sub(1)),
                    tisn,
                    log_send: settings.log_send.min(caps.general.log_max_wq_sz()),
                    abilities,
                    buffers,
                    compression,
                    strip: settings.strip_vlan && caps.ethernet.vlan_cap(),
                };
                Channel::create(commands, domain, parts)
            })
            .collect();
        let channels = channels?;
        let rqns: Vec<u32> = channels.iter().map(Channel::rqn).collect();
        let spreading = Spreading {
            key: &settings.key,
            lro: if settings.lro && strides(caps, settings) && caps.ethernet.lro_cap() { LRO } else { 0 },
            log_max_table: caps.general.log_max_rqt_size(),
        };
        let rss = Rss::create(commands, domain, &rqns, spreading)?;
        Ok(Self { tisn, channels, rss, abilities })
    }

    /// Makes the device forget all queues, after steering does not lead to them any more.
    ///
    /// # Errors
    /// When a command fails: then the device has to be reset before this value goes.
    pub fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        self.rss.destroy(commands)?;
        for channel in &mut self.channels {
            channel.destroy(commands)?;
        }
        commands.exec(&DestroyTisIn::build().tisn(self.tisn).done())?;
        Ok(())
    }

    /// From now on unicast comes back that the port sends to itself, as far as the vport lets it.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn hear_itself(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        self.rss.hear_itself(commands)
    }

    /// Bytes of the largest frame that receive buffers hold, with room behind it where each has its own.
    pub(crate) fn largest_frame(caps: &Caps, settings: &Settings, pool: &Pool) -> usize {
        if strides(caps, settings) { SLAB_FRAME } else { pool.room().saturating_sub(TAILROOM) }
    }

    /// The TIRs that steering leads packets to.
    pub fn tirs(&self) -> &[(Traffic, u32)] {
        self.rss.tirs()
    }

    /// The channels.
    pub fn channels(&mut self) -> &mut [Channel<F>] {
        &mut self.channels
    }

    /// The channels, to look at.
    pub fn channels_ref(&self) -> &[Channel<F>] {
        &self.channels
    }

    /// What the device does by itself with what is sent. Of a packet that names an SA and has a packet inside, whose outer IP
    /// header software has put on for ESP to go behind, the checksums and the segments are those of the inner packet.
    pub fn offloads(&self) -> Offloads {
        let Abilities { checksums, max_lso, vlan, inside, .. } = self.abilities;
        let inner_segment = if inside.1 && checksums { max_lso } else { 0 };
        Offloads {
            header: checksums,
            transport: checksums,
            segment: max_lso,
            inner_segment,
            vlan,
            esp: false,
        }
    }

    /// Whether it fills in the checksums of such inner packets. If not, they have to be there before.
    pub fn fills_inside(&self) -> bool {
        self.abilities.inside.0 && self.abilities.checksums
    }

    /// Notes an event that says that a queue is in error.
    pub fn note(&mut self, event: &Event) {
        let errors = [EventType::WQ_CATAS_ERROR, EventType::WQ_INVAL_REQ_ERROR, EventType::WQ_ACCESS_ERROR];
        if errors.contains(&event.kind) {
            let number = EqeQpSrq::copy_from(&event.data).qp_srq_n();
            self.channels.iter_mut().for_each(|channel| channel.fail(number));
        }
    }

    /// Brings queues in error back, if there are any. All others go on meanwhile.
    ///
    /// # Errors
    /// When a command fails: then the function has to be recovered.
    pub fn repair(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        for channel in self.channels.iter_mut().filter(|channel| channel.is_broken()) {
            channel.repair(commands)?;
        }
        Ok(())
    }
}

/// Whether receive buffers are slabs.
fn strides(caps: &Caps, settings: &Settings) -> bool {
    settings.striding && caps.general.striding_rq()
}

fn abilities(caps: &Caps, settings: &Settings) -> Abilities {
    let ethernet = &caps.ethernet;
    // 0: the Ethernet header has to be in the WQE; 1 and 2: as the queue says, and it says nothing.
    let min_inline = u8::from(ethernet.wqe_inline_mode() == 0);
    let max_lso = match ethernet.max_lso_cap() {
        0 => 0,
        log => 1 << log,
    };
    Abilities {
        enhanced: settings.enhanced && ethernet.enhanced_multi_pkt_send_wqe() && min_inline == 0,
        min_inline,
        max_lso,
        checksums: ethernet.csum_cap(),
        // Headers that lie in the WQE get their tag there.
        vlan: ethernet.wqe_vlan_insert() || min_inline != 0,
        inside: (
            ethernet.swp() && ethernet.swp_csum(),
            ethernet.swp() && ethernet.swp_csum() && ethernet.swp_lso(),
        ),
    }
}

/// Buffers of a receive queue, and how its CQEs may be compressed.
fn receive(caps: &Caps, settings: &Settings, pool: &Pool) -> (Buffers, Compression) {
    let general = &caps.general;
    let packed = settings.compression && general.cqe_compression();
    if !strides(caps, settings) {
        let log_size = settings.log_receive.min(general.log_max_wq_sz());
        return (
            Buffers::Pool(pool.clone(), log_size),
            if packed { Compression::Counted } else { Compression::Off },
        );
    }
    let log_count = if general.ext_stride_num_range() { LOG_STRIDES } else { LOG_STRIDES_LEAST };
    let strides = Strides { log_count, log_size: LOG_STRIDE };
    // One slab is being filled while the others wait.
    let log_size = settings.log_receive.saturating_sub(log_count).max(1).min(general.log_max_wq_sz());
    let slabs = Slabs::new((1 << log_size) * SLABS_PER_PLACE, strides.bytes());
    let compression = match (packed, general.mini_cqe_resp_stride_index()) {
        (false, _) => Compression::Off,
        (true, true) => Compression::StrideIndex,
        (true, false) => Compression::Counted,
    };
    (Buffers::Slabs(slabs, strides, log_size), compression)
}

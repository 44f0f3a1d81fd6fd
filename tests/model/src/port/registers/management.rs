//! Registers of the device: HOST_ENDIANNESS, MTCAP and MTMP (temperature), MPEIN and MPCNT (PCI Express), MFRL (reset),
//! MCQI and MCQS (firmware components), MTUTC and MTPPS (clock), DTOR (timeouts).

use super::{Register, Request, register, wrong};
use crate::Refusal;
use mlx5_pci::prm::{
    DefaultTimeout, DtorReg, MfrlReg, MpcntReg, MpeinReg, MtcapReg, MtmpReg, MtppsReg, MtutcReg,
    PciePerfCntrsGrpDataLayout, RegisterHostEndianness,
};

pub(super) const REGISTERS: &[Register] = &[
    register!(0x7004, RegisterHostEndianness, Own, host_endianness),
    register!(0x9009, MtcapReg, Read, mtcap),
    register!(0x900a, MtmpReg, ReadWrite, mtmp),
    register!(0x9028, MfrlReg, ReadWrite, mfrl),
    register!(0x9050, MpeinReg, Read, mpein),
    register!(0x9051, MpcntReg, Read, mpcnt),
    register!(0x9053, MtppsReg, Read, mtpps),
    register!(0x9055, MtutcReg, ReadWrite, mtutc),
    register!(0xc00e, DtorReg, Read, dtor),
];

/// The sensor in the chip: thresholds and the hottest that it was, in 1/8 °C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensor {
    threshold: u16,
    hottest: u16,
}

/// Sensors by `sensor_index`: the chip's, and that of the module in the cage, which MTCAP does not count.
const CHIP: u16 = 0;
const MODULE: u16 = 64;

/// What the sensor shows: 48 °C.
const TEMPERATURE: u16 = 48 * 8;
/// Above this the card shuts down: 105 °C.
const THRESHOLD: u16 = 105 * 8;

impl Default for Sensor {
    fn default() -> Sensor {
        Sensor { threshold: THRESHOLD, hottest: TEMPERATURE }
    }
}

/// The data of hosts of either byte order is big-endian, so that nothing follows from what is set.
fn host_endianness(
    _: &mut Request<'_>,
    given: RegisterHostEndianness,
) -> Result<RegisterHostEndianness, Refusal> {
    Ok(given)
}

fn mtcap(_: &mut Request<'_>, _: MtcapReg) -> Result<MtcapReg, Refusal> {
    Ok(MtcapReg::build().sensor_count(1).sensor_map(1).done())
}

fn mtmp(request: &mut Request<'_>, given: MtmpReg) -> Result<MtmpReg, Refusal> {
    let name = match given.sensor_index() {
        CHIP => *b"asic\0\0\0\0",
        MODULE if request.device.port.module.is_some() => *b"Module0\0",
        _ => return Err(wrong("sensor_index", 0)),
    };
    let sensor = &mut request.device.port.sensor;
    if request.write {
        if given.mtr() {
            sensor.hottest = TEMPERATURE;
        }
        if given.tee() != 0 {
            sensor.threshold = given.temp_threshold_hi();
        }
    }
    Ok(MtmpReg::build()
        .temperature(TEMPERATURE)
        .max_temperature(sensor.hottest)
        .mte(given.mte())
        .temp_threshold_hi(sensor.threshold)
        .temp_threshold_lo(sensor.threshold - 5 * 8)
        .sensor_index(given.sensor_index())
        .sensor_name_hi(u32::from_be_bytes([name[0], name[1], name[2], name[3]]))
        .sensor_name_lo(u32::from_be_bytes([name[4], name[5], name[6], name[7]]))
        .done())
}

/// Reset levels are offered by no bit: the model has no firmware to load anew.
fn mfrl(request: &mut Request<'_>, given: MfrlReg) -> Result<MfrlReg, Refusal> {
    if request.write && (given.reset_level() != 0 || given.pci_sync_for_fw_update_start()) {
        return Err(wrong("reset_level", 4));
    }
    Ok(MfrlReg::default())
}

/// Link speeds as MPEIN has them, by GT/s.
fn speed(transfers: u8) -> u16 {
    match transfers {
        32 => 1 << 4,
        16 => 1 << 3,
        8 => 1 << 2,
        5 => 1 << 1,
        _ => 1 << 0,
    }
}

fn mpein(request: &mut Request<'_>, given: MpeinReg) -> Result<MpeinReg, Refusal> {
    if given.depth() != 0 || given.pcie_index() != 0 || given.node() != 0 {
        return Err(wrong("pcie_index", 0));
    }
    let identity = request.device.profile.identity();
    Ok(MpeinReg::build()
        .link_width_enabled(identity.link_width)
        .link_speed_enabled(speed(identity.link_speed))
        .link_width_active(identity.link_width)
        .link_speed_active(speed(identity.link_speed))
        .num_of_pfs(1)
        .max_read_request_size(2)
        .max_payload_size(1)
        // Power as the slot advertises it is enough: status 1, 75 W.
        .pwr_status(1)
        .pci_power(75)
        .done())
}

/// MPCNT's group of PCI Express performance counters.
const PERFORMANCE: u8 = 0;

fn mpcnt(request: &mut Request<'_>, given: MpcntReg) -> Result<MpcntReg, Refusal> {
    if given.grp() != PERFORMANCE {
        return Err(wrong("grp", 0));
    }
    if given.pcie_index() != 0 {
        return Err(wrong("pcie_index", 0));
    }
    let seconds = request.device.now.as_secs();
    let counters = PciePerfCntrsGrpDataLayout::build()
        .life_time_counter_high((seconds >> 32) as u32)
        .life_time_counter_low(seconds as u32)
        .done();
    Ok(MpcntReg::build().grp(PERFORMANCE).counter_set(counters.as_bytes()).done())
}

/// No pins.
fn mtpps(_: &mut Request<'_>, _: MtppsReg) -> Result<MtppsReg, Refusal> {
    Ok(MtppsReg::default())
}

/// The internal timer runs free; a driver that adjusts its own copy gets what it reads anyway.
fn mtutc(request: &mut Request<'_>, given: MtutcReg) -> Result<MtutcReg, Refusal> {
    if request.write {
        return Err(wrong("operation", 0));
    }
    let now = request.device.now;
    Ok(MtutcReg::build()
        .log_max_freq_adjustment(given.log_max_freq_adjustment())
        .utc_sec(now.as_secs() as u32)
        .utc_nsec(now.subsec_nanos())
        .done())
}

/// DTOR's unit: milliseconds.
const MILLISECONDS: u8 = 0;

fn dtor(_: &mut Request<'_>, _: DtorReg) -> Result<DtorReg, Refusal> {
    let after = |ms| DefaultTimeout::build().to_multiplier(MILLISECONDS).to_value(ms).done();
    Ok(DtorReg::build()
        .pcie_toggle_to(&after(2_000))
        .health_poll_to(&after(2_000))
        .full_crdump_to(&after(60_000))
        .fw_reset_to(&after(60_000))
        .flush_on_err_to(&after(2_000))
        .pci_sync_update_to(&after(60_000))
        .tear_down_to(&after(3_000))
        .fsm_reactivate_to(&after(5_000))
        .reclaim_pages_to(&after(5_000))
        .reclaim_vfs_pages_to(&after(120_000))
        .reset_unload_to(&after(300_000))
        .done())
}

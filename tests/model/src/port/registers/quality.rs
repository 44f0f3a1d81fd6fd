//! Registers of flow control, buffers, priorities and traffic classes: PFCC, PPTB, PBMC, QPTS, QPDPM, QTCT, QETCR,
//! DCBX_PARAM, SBCAM, SBPR, SBCM.

use super::{Register, Request, local_port, register, wrong};
use crate::Refusal;
use crate::port::qos::{Buffer, CELLS, CLASSES, Class, DSCPS};
use mlx5_pci::prm::{
    BufferxReg, DcbxParam, EtsTcnConfigReg, PbmcReg, PfccReg, PptbReg, QetcReg, QpdpmDscpReg, QpdpmReg,
    QptsReg, QtctReg, SbcamReg, SbcmReg, SbprReg,
};

pub(super) const REGISTERS: &[Register] = &[
    register!(0x5007, PfccReg, ReadWrite, pfcc),
    register!(0x500b, PptbReg, ReadWrite, pptb),
    register!(0x500c, PbmcReg, ReadWrite, pbmc),
    register!(0x4002, QptsReg, ReadWrite, qpts),
    register!(0x4013, QpdpmReg, ReadWrite, qpdpm),
    register!(0x400a, QtctReg, ReadWrite, qtct),
    register!(0x4005, QetcReg, ReadWrite, qetc),
    register!(0x4020, DcbxParam, ReadWrite, dcbx),
    register!(0xb01f, SbcamReg, Read, sbcam),
    register!(0xb001, SbprReg, ReadWrite, sbpr),
    register!(0xb002, SbcmReg, ReadWrite, sbcm),
];

/// Bytes of a buffer in PBMC, of a code point in QPDPM, of a class in QETC.
const BUFFER: usize = BufferxReg::SIZE;
const CODE_POINT: usize = QpdpmDscpReg::SIZE;
const CLASS: usize = EtsTcnConfigReg::SIZE;
/// Bytes of a cell.
const CELL: u16 = 128;

fn pfcc(request: &mut Request<'_>, given: PfccReg) -> Result<PfccReg, Refusal> {
    local_port(given.local_port())?;
    let qos = &mut request.device.port.qos;
    if request.write {
        // Without their masks, the fields are written as they are.
        qos.pause_tx = given.pptx();
        qos.pause_rx = given.pprx();
        qos.pfc_tx = given.pfctx();
        qos.pfc_rx = given.pfcrx();
        if given.minor_stall_mask() {
            qos.stall_minor = given.device_stall_minor_watermark();
        }
        if given.critical_stall_mask() {
            qos.stall_critical = given.device_stall_critical_watermark();
        }
        if qos.pause_tx && qos.pfc_tx != 0 {
            return Err(wrong("pfctx", 0x8));
        }
        if qos.pause_rx && qos.pfc_rx != 0 {
            return Err(wrong("pfcrx", 0xc));
        }
    }
    Ok(PfccReg::build()
        .local_port(1)
        .pptx(qos.pause_tx)
        .pprx(qos.pause_rx)
        .pfctx(qos.pfc_tx)
        .pfcrx(qos.pfc_rx)
        .device_stall_minor_watermark(qos.stall_minor)
        .device_stall_critical_watermark(qos.stall_critical)
        .done())
}

fn pptb(request: &mut Request<'_>, given: PptbReg) -> Result<PptbReg, Refusal> {
    local_port(given.local_port())?;
    let qos = &mut request.device.port.qos;
    if request.write {
        for (priority, buffer) in qos.buffer_of.iter_mut().enumerate() {
            if given.pm() >> priority & 1 == 1 {
                *buffer = (given.prio_x_buff() >> (4 * priority) & 0xf) as u8;
            }
        }
    }
    let map = (0..8).fold(0, |map, priority| map | u32::from(qos.buffer_of[priority]) << (4 * priority));
    Ok(PptbReg::build().local_port(1).prio_x_buff(map).done())
}

fn pbmc(request: &mut Request<'_>, given: PbmcReg) -> Result<PbmcReg, Refusal> {
    local_port(given.local_port())?;
    let qos = &mut request.device.port.qos;
    let bytes: [u8; 80] = *given.buffer();
    if request.write {
        let wanted: Vec<BufferxReg> = bytes.chunks_exact(BUFFER).map(BufferxReg::copy_from).collect();
        let total: u32 = wanted.iter().map(|buffer| u32::from(buffer.size())).sum();
        if total > u32::from(CELLS) {
            return Err(wrong("size", 0xc));
        }
        for (buffer, wanted) in qos.buffers.iter_mut().zip(&wanted) {
            *buffer = Buffer {
                lossy: wanted.lossy(),
                size: wanted.size(),
                xoff: wanted.xoff_threshold(),
                xon: wanted.xon_threshold(),
            };
        }
        qos.xoff_timer = given.xoff_timer_value();
        qos.xoff_refresh = given.xoff_refresh();
    }
    let mut list = [0; 80];
    for (place, buffer) in list.chunks_exact_mut(BUFFER).zip(&qos.buffers) {
        let entry = BufferxReg::build()
            .lossy(buffer.lossy)
            .size(buffer.size)
            .xoff_threshold(buffer.xoff)
            .xon_threshold(buffer.xon)
            .done();
        place.copy_from_slice(entry.as_bytes());
    }
    Ok(PbmcReg::build()
        .local_port(1)
        .xoff_timer_value(qos.xoff_timer)
        .xoff_refresh(qos.xoff_refresh)
        .port_buffer_size(CELLS)
        .buffer(&list)
        .done())
}

fn qpts(request: &mut Request<'_>, given: QptsReg) -> Result<QptsReg, Refusal> {
    local_port(given.local_port())?;
    let qos = &mut request.device.port.qos;
    if request.write {
        if !(1..=3).contains(&given.trust_state()) {
            return Err(wrong("trust_state", 4));
        }
        qos.trust = given.trust_state();
    }
    Ok(QptsReg::build().local_port(1).trust_state(qos.trust).done())
}

fn qpdpm(request: &mut Request<'_>, given: QpdpmReg) -> Result<QpdpmReg, Refusal> {
    local_port(given.local_port())?;
    // Two code points share a dword: each takes 16 bits, {e, 11 reserved, priority}.
    const { assert!(DSCPS * 2 == 128 && CODE_POINT == 4) };
    let qos = &mut request.device.port.qos;
    let mut list = *given.dscp();
    for (entry, priority) in list.chunks_exact_mut(2).zip(&mut qos.dscp) {
        if request.write && entry[0] >> 7 == 1 {
            *priority = entry[1] & 0xf;
        }
        entry.copy_from_slice(&[0, *priority]);
    }
    Ok(QpdpmReg::build().local_port(1).dscp(&list).done())
}

/// Port 0 is the function's own, as Linux writes it into QTCT and QETC.
fn own_port(number: u8) -> Result<(), Refusal> {
    if number == 0 { Ok(()) } else { local_port(number) }
}

fn qtct(request: &mut Request<'_>, given: QtctReg) -> Result<QtctReg, Refusal> {
    own_port(given.port_number())?;
    let class = &mut request.device.port.qos.class_of[usize::from(given.prio())];
    if request.write {
        *class = given.tclass();
    }
    Ok(QtctReg::build().port_number(1).prio(given.prio()).tclass(*class).done())
}

fn qetc(request: &mut Request<'_>, given: QetcReg) -> Result<QetcReg, Refusal> {
    own_port(given.port_number())?;
    let mut list = *given.tc_configuration();
    let classes = &mut request.device.port.qos.classes;
    for (number, place) in list.chunks_exact_mut(CLASS).enumerate().take(CLASSES) {
        let wanted = EtsTcnConfigReg::copy_from(place);
        let class: &mut Class = &mut classes[number];
        if request.write {
            let at = 8 + (number * CLASS) as u16;
            if wanted.g() {
                class.group = wanted.group();
            }
            if wanted.b() {
                if wanted.bw_allocation() > 100 {
                    return Err(wrong("bw_allocation", at));
                }
                class.bandwidth = wanted.bw_allocation();
            }
            if wanted.r() {
                if !matches!(wanted.max_bw_units(), 0 | 3 | 4) {
                    return Err(wrong("max_bw_units", at + 4));
                }
                class.limit_unit = wanted.max_bw_units();
                class.limit = wanted.max_bw_value();
            }
        }
        let answer = EtsTcnConfigReg::build()
            .group(class.group)
            .bw_allocation(class.bandwidth)
            .max_bw_units(class.limit_unit)
            .max_bw_value(class.limit)
            .done();
        place.copy_from_slice(answer.as_bytes());
    }
    Ok(QetcReg::build().port_number(1).tc_configuration(&list).done())
}

fn dcbx(request: &mut Request<'_>, given: DcbxParam) -> Result<DcbxParam, Refusal> {
    local_port(given.port_number())?;
    let qos = &mut request.device.port.qos;
    if request.write {
        qos.dcbx_version = given.version_admin();
        qos.dcbx_willing = given.willing_admin();
    }
    Ok(DcbxParam::build()
        .port_number(1)
        .dcbx_cee_cap(true)
        .dcbx_ieee_cap(true)
        .dcbx_standby_cap(true)
        .version_oper(qos.dcbx_version)
        .version_admin(qos.dcbx_version)
        .willing_admin(qos.dcbx_willing)
        .pfc_cap_oper(8)
        .pfc_cap_admin(8)
        .num_of_tc_oper(8)
        .num_of_tc_admin(8)
        .done())
}

fn sbcam(_: &mut Request<'_>, given: SbcamReg) -> Result<SbcamReg, Refusal> {
    if given.feature_group() != 0 || given.access_reg_group() != 0 {
        return Err(wrong("feature_group", 0));
    }
    Ok(SbcamReg::build()
        .cap_total_buffer_size(u32::from(CELLS) * u32::from(CELL))
        .cap_cell_size(CELL)
        .cap_max_pg_buffers(8)
        .cap_num_pool_supported(4)
        .done())
}

fn sbpr(request: &mut Request<'_>, given: SbprReg) -> Result<SbprReg, Refusal> {
    if given.dir() > 1 {
        return Err(wrong("dir", 0));
    }
    if given.pool() > 3 {
        return Err(wrong("pool", 0));
    }
    let pool = &mut request.device.port.qos.pools[usize::from(given.dir())][usize::from(given.pool())];
    if request.write {
        *pool = given.size();
    }
    Ok(SbprReg::build().dir(given.dir()).pool(given.pool()).size(*pool).mode(1).done())
}

fn sbcm(request: &mut Request<'_>, given: SbcmReg) -> Result<SbcmReg, Refusal> {
    local_port(given.local_port())?;
    if given.dir() > 1 {
        return Err(wrong("dir", 0));
    }
    if given.pg_buff() > 7 {
        return Err(wrong("pg_buff", 0));
    }
    let share = &mut request.device.port.qos.shares[usize::from(given.dir())][usize::from(given.pg_buff())];
    if request.write {
        *share = (given.max_buff(), given.pool());
    }
    Ok(SbcmReg::build()
        .local_port(1)
        .dir(given.dir())
        .pg_buff(given.pg_buff())
        .exc(given.exc())
        .max_buff(share.0)
        .pool(share.1)
        .done())
}

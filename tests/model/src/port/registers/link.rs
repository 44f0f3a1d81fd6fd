//! Registers of the link: PTYS (speeds), PAOS (administrative state), PMTU, PMLP (lanes), PPLM (FEC), PDDR (why the link
//! is down), PCMR (checks).

use super::speeds::{EXTENDED, Mode, OLD, fastest, translate};
use super::{Register, Request, local_port, register, wrong};
use crate::port::{Oper, Port};
use crate::{Device, Refusal};
use mlx5_pci::prm::{PaosReg, PcmrReg, PddrReg, PddrTroubleshootingPage, PmlpReg, PmtuReg, PplmReg, PtysReg};

pub(super) const REGISTERS: &[Register] = &[
    register!(0x5002, PmlpReg, Read, pmlp),
    register!(0x5003, PmtuReg, Own, pmtu),
    register!(0x5004, PtysReg, ReadWrite, ptys),
    register!(0x5006, PaosReg, Own, paos),
    register!(0x5023, PplmReg, ReadWrite, pplm),
    register!(0x5031, PddrReg, Read, pddr),
    register!(0x5041, PcmrReg, ReadWrite, pcmr),
];

/// `proto_mask` of Ethernet.
const ETHERNET: u8 = 1 << 2;
/// `connector_type` of a direct attach cable.
const DIRECT_ATTACH: u8 = 7;
/// `an_status`: complete, and not run.
const NEGOTIATED: u8 = 1;
const NOT_NEGOTIATED: u8 = 0;

/// The mode that the link runs in, or would.
fn mode(device: &Device) -> Option<Mode> {
    fastest(EXTENDED, device.port.protocols.0)
}

/// What the port can do: `ext_eth_proto` and `eth_proto`.
fn protocols(device: &Device) -> (u32, u32) {
    let identity = device.profile.identity();
    (identity.ext_eth_proto, identity.eth_proto)
}

fn ptys(request: &mut Request<'_>, given: PtysReg) -> Result<PtysReg, Refusal> {
    local_port(given.local_port())?;
    if given.proto_mask() != ETHERNET {
        return Err(wrong("proto_mask", 0));
    }
    if given.plane_ind() != 0 {
        return Err(wrong("plane_ind", 0));
    }
    let device = &mut *request.device;
    let (extended, old) = protocols(device);
    if request.write {
        let wanted = match (given.ext_eth_proto_admin(), given.eth_proto_admin()) {
            (0, 0) => (extended, old),
            (0, bits) => (translate(OLD, bits, EXTENDED, extended), bits),
            (bits, _) => (bits, translate(EXTENDED, bits, OLD, old)),
        };
        if wanted.0 & !extended != 0 {
            return Err(wrong("ext_eth_proto_admin", 0x14));
        }
        if wanted.1 & !old != 0 || wanted.0 == 0 {
            return Err(wrong("eth_proto_admin", 0x18));
        }
        device.port.protocols = wanted;
        device.port.fixed = given.an_disable_admin();
    }
    let mut answer = PtysReg::default();
    answer.set().local_port(1);
    answer.set().proto_mask(ETHERNET);
    answer.set().an_disable_cap(true);
    answer.set().an_disable_admin(device.port.fixed);
    answer.set().ext_eth_proto_capability(extended);
    answer.set().eth_proto_capability(old);
    answer.set().ext_eth_proto_admin(device.port.protocols.0);
    answer.set().eth_proto_admin(device.port.protocols.1);
    answer.set().connector_type(DIRECT_ATTACH);
    if device.port.oper() == Oper::Up {
        if let Some(mode) = mode(device) {
            let old_bits = translate(EXTENDED, 1 << mode.bit, OLD, device.port.protocols.1);
            answer.set().ext_eth_proto_oper(1 << mode.bit);
            answer.set().eth_proto_oper(fastest(OLD, old_bits).map_or(0, |mode| 1 << mode.bit));
            // In units of 100 Mbit/s.
            answer.set().data_rate_oper((mode.speed / 100) as u16);
        }
        answer.set().an_status(if device.port.fixed { NOT_NEGOTIATED } else { NEGOTIATED });
        if !device.port.fixed {
            answer.set().eth_proto_lp_advertise(old);
        }
    }
    Ok(answer)
}

/// `admin_status` and `oper_status`.
const UP: u8 = 1;
const DOWN: u8 = 2;

fn paos(request: &mut Request<'_>, given: PaosReg) -> Result<PaosReg, Refusal> {
    local_port(given.local_port())?;
    if given.swid() != 0 {
        return Err(wrong("swid", 0));
    }
    // Without `ase` the written state is not meant.
    if request.write && given.ase() {
        let admin = match given.admin_status() {
            UP => Oper::Up,
            DOWN => Oper::Down,
            _ => return Err(wrong("admin_status", 0)),
        };
        request.device.change_port(request.memory, |port| port.admin = admin);
    }
    let word = |state| if state == Oper::Up { UP } else { DOWN };
    let mut answer = PaosReg::default();
    answer.set().local_port(1);
    answer.set().admin_status(word(request.device.port.admin));
    answer.set().oper_status(word(request.device.port.oper()));
    // Events are given on every change.
    answer.set().e(1);
    Ok(answer)
}

/// The least that IPv4 needs: 68 bytes with header and FCS.
const LEAST_MTU: u16 = 86;

fn pmtu(request: &mut Request<'_>, given: PmtuReg) -> Result<PmtuReg, Refusal> {
    local_port(given.local_port())?;
    let most = request.device.profile.identity().max_mtu;
    if request.write {
        if !(LEAST_MTU..=most).contains(&given.admin_mtu()) {
            return Err(wrong("admin_mtu", 8));
        }
        request.device.port.mtu = given.admin_mtu();
    }
    let mut answer = PmtuReg::default();
    answer.set().local_port(1);
    answer.set().max_mtu(most);
    answer.set().admin_mtu(request.device.port.mtu);
    answer.set().oper_mtu(request.device.port.mtu);
    Ok(answer)
}

fn pmlp(request: &mut Request<'_>, given: PmlpReg) -> Result<PmlpReg, Refusal> {
    local_port(given.local_port())?;
    let mut answer = PmlpReg::default();
    answer.set().local_port(1);
    answer.set().width(request.device.profile.identity().lanes);
    // Receive lane in 27:24, transmit lane in 19:16, module 0 in 7:0.
    let lane = |number: u32| number << 24 | number << 16;
    answer.set().lane0_module_mapping(lane(0));
    answer.set().lane1_module_mapping(lane(1));
    answer.set().lane2_module_mapping(lane(2));
    answer.set().lane3_module_mapping(lane(3));
    Ok(answer)
}

/// FEC of lanes up to 25 Gbit/s, as bits of PPLM: none, Firecode (clause 74), Reed-Solomon (528,514).
const NO_FEC: u16 = 1 << 0;
const FIRECODE: u16 = 1 << 1;
const RS_528: u16 = 1 << 2;
/// FEC of faster lanes: Reed-Solomon (544,514).
const RS_544: u16 = 1 << 7;

/// What PPLM has been told; 0: by the link's own choice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fec {
    slow: [u8; 4],
    fast: [u16; 6],
}

/// Offered for 10/40G, 25G, 50G on two lanes, 100G on four.
const SLOW: [u16; 4] =
    [NO_FEC | FIRECODE, NO_FEC | FIRECODE | RS_528, NO_FEC | FIRECODE | RS_528, NO_FEC | RS_528];

impl Fec {
    /// The FEC that runs: the lowest that was asked for, or the mode's own.
    fn active(self, mode: Mode) -> u32 {
        let (asked, own) = match (mode.speed, mode.lanes) {
            (..=10_000 | 40_000, _) => (u16::from(self.slow[0]), NO_FEC),
            (25_000, _) => (u16::from(self.slow[1]), RS_528),
            (50_000, 2) => (u16::from(self.slow[2]), RS_528),
            (100_000, 4) => (u16::from(self.slow[3]), RS_528),
            (50_000, _) => (self.fast[0], RS_544),
            (100_000, 2) => (self.fast[1], RS_544),
            (200_000, 4) => (self.fast[2], RS_544),
            (100_000, _) => (self.fast[3], RS_544),
            (200_000, _) => (self.fast[4], RS_544),
            _ => (self.fast[5], RS_544),
        };
        let chosen = if asked == 0 { own } else { asked };
        u32::from(chosen & chosen.wrapping_neg())
    }
}

fn pplm(request: &mut Request<'_>, given: PplmReg) -> Result<PplmReg, Refusal> {
    local_port(given.local_port())?;
    let able = protocols(request.device).0;
    let port: &mut Port = &mut request.device.port;
    let offers = |speed, lanes| {
        EXTENDED.iter().any(|mode| mode.speed == speed && mode.lanes == lanes && able >> mode.bit & 1 == 1)
    };
    // None of RS-FEC's alternatives can be chosen on faster lanes.
    let fast = |speed, lanes| if offers(speed, lanes) { RS_544 } else { 0 };
    let fast_caps = [
        fast(50_000, 1),
        fast(100_000, 2),
        fast(200_000, 4),
        fast(100_000, 1),
        fast(200_000, 2),
        fast(400_000, 4),
    ];
    if request.write {
        let slow = [
            given.fec_override_admin_10g_40g(),
            given.fec_override_admin_25g(),
            given.fec_override_admin_50g(),
            given.fec_override_admin_100g(),
        ];
        let fast = [
            given.fec_override_admin_50g_1x(),
            given.fec_override_admin_100g_2x(),
            given.fec_override_admin_200g_4x(),
            given.fec_override_admin_100g_1x(),
            given.fec_override_admin_200g_2x(),
            given.fec_override_admin_400g_4x(),
        ];
        let slow_fits = slow.iter().zip(SLOW).all(|(asked, offered)| u16::from(*asked) & !offered == 0);
        if !slow_fits || given.fec_override_admin_56g() != 0 {
            return Err(wrong("fec_override_admin", 0x14));
        }
        if !fast.iter().zip(fast_caps).all(|(asked, offered)| asked & !offered == 0) {
            return Err(wrong("fec_override_admin", 0x20));
        }
        port.fec = Fec { slow, fast };
    }
    let fec = port.fec;
    let mut answer = PplmReg::default();
    answer.set().local_port(1);
    answer.set().fec_override_cap_10g_40g(SLOW[0] as u8);
    answer.set().fec_override_cap_25g(SLOW[1] as u8);
    answer.set().fec_override_cap_50g(SLOW[2] as u8);
    answer.set().fec_override_cap_100g(SLOW[3] as u8);
    answer.set().fec_override_cap_50g_1x(fast_caps[0]);
    answer.set().fec_override_cap_100g_2x(fast_caps[1]);
    answer.set().fec_override_cap_200g_4x(fast_caps[2]);
    answer.set().fec_override_cap_100g_1x(fast_caps[3]);
    answer.set().fec_override_cap_200g_2x(fast_caps[4]);
    answer.set().fec_override_cap_400g_4x(fast_caps[5]);
    answer.set().fec_override_admin_10g_40g(fec.slow[0]);
    answer.set().fec_override_admin_25g(fec.slow[1]);
    answer.set().fec_override_admin_50g(fec.slow[2]);
    answer.set().fec_override_admin_100g(fec.slow[3]);
    answer.set().fec_override_admin_50g_1x(fec.fast[0]);
    answer.set().fec_override_admin_100g_2x(fec.fast[1]);
    answer.set().fec_override_admin_200g_4x(fec.fast[2]);
    answer.set().fec_override_admin_100g_1x(fec.fast[3]);
    answer.set().fec_override_admin_200g_2x(fec.fast[4]);
    answer.set().fec_override_admin_400g_4x(fec.fast[5]);
    if request.device.port.oper() == Oper::Up
        && let Some(mode) = mode(request.device)
    {
        answer.set().fec_mode_active(fec.active(mode));
    }
    Ok(answer)
}

/// `page_select` of the troubleshooting page.
const TROUBLESHOOTING: u8 = 1;
/// Status opcodes of the monitor group.
const NO_ISSUE: u32 = 0;
const CLOSED_BY_COMMAND: u32 = 1;
const NO_PARTNER: u32 = 2;
const NO_CABLE: u32 = 1024;

fn pddr(request: &mut Request<'_>, given: PddrReg) -> Result<PddrReg, Refusal> {
    local_port(given.local_port())?;
    if given.page_select() != TROUBLESHOOTING {
        return Err(wrong("page_select", 4));
    }
    let port = &request.device.port;
    let opcode = match port.oper() {
        Oper::Up => NO_ISSUE,
        Oper::Down if port.module.is_none() => NO_CABLE,
        Oper::Down if port.admin == Oper::Down => CLOSED_BY_COMMAND,
        Oper::Down => NO_PARTNER,
    };
    let page = PddrTroubleshootingPage::build().status_opcode(&opcode.to_be_bytes()).done();
    let mut answer = given;
    answer.set().page_data(page.as_bytes());
    Ok(answer)
}

fn pcmr(request: &mut Request<'_>, given: PcmrReg) -> Result<PcmrReg, Refusal> {
    local_port(given.local_port())?;
    // Frames come without FCS, so that its check can neither be seen nor be switched off.
    if request.write && !given.fcs_chk() {
        return Err(wrong("fcs_chk", 8));
    }
    let mut answer = PcmrReg::default();
    answer.set().local_port(1);
    answer.set().fcs_chk(true);
    Ok(answer)
}

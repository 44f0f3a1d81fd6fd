//! Tests of this chapter: through commands, work queue entries and packets, as a driver would.

mod access;
mod events;
mod lifetime;
mod objects;
mod packets;
mod sequence;
mod snapshot;

use super::Crypto;
use super::object::{MODE_INC_SN, MODE_REPLAY_PROTECTION};
use crate::caps::Profile;
use crate::in_process::{Answer, Host};
use crate::transit::Transit;
use crate::{Check, Memory};
use mlx5_pci::prm::{
    AllocPdIn, AllocPdOut, CmdStatus, CreateEncryptionKeyIn, CreateIpsecObjIn, CreateMkeyIn, CreateMkeyOut,
    EncryptionKeyObj, GeneralObjInCmdHdr, GeneralObjOutCmdHdr, IpsecAso, IpsecObj, Mkc, Opcode,
    QueryIpsecObjOut, WqeAsoCtrlSeg, WqeCtrlSeg,
};

const KEY: [u8; 16] = *b"0123456789abcdef";
const SALT: u32 = 0x0102_0304;
const IMPLICIT_IV: u64 = 0x1122_3344_5566_7788;
const SPI: u32 = 0x0000_1234;

/// A reformat for transport over IPv4, and its removal.
const ADD: u8 = 5;
const DEL: u8 = 8;

fn reformat_data() -> [u8; 16] {
    let mut data = [0; 16];
    data[..4].copy_from_slice(&SPI.to_be_bytes());
    data
}

/// UDP over IPv4 with four bytes in it.
const PLAIN: [u8; 46] = [
    2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a, 8, 0, 0x45, 0, 0, 32, 0x12, 0x34, 0x40, 0, 63, 17, 0x3d, 0x62,
    192, 0, 2, 1, 198, 51, 100, 2, 0x04, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4,
];

/// A device that is up, with a protection domain and a key over all of memory.
struct Lab {
    host: Host,
    pd: u32,
    lkey: u32,
    buffer: u64,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(&[])
    }

    /// A device with some capabilities switched.
    fn with(capabilities: &[(&str, u64)]) -> Lab {
        let mut profile = Profile::named("connectx-7").expect("a profile");
        for (path, value) in capabilities {
            profile.set(path, *value).expect("a capability");
        }
        Lab::of(profile)
    }

    fn of(profile: Profile) -> Lab {
        let mut host = Host::new(profile);
        host.bring_up();
        let pd = alloc_pd(&mut host);
        let lkey = physical_key(&mut host, pd);
        let buffer = host.memory.alloc(64);
        Lab { host, pd, lkey, buffer }
    }

    /// The check that a refused command failed, and where.
    fn refused(&mut self, input: &[u8], outlen: usize) -> (CmdStatus, Check, u16) {
        let answer = self.host.exec(input, outlen);
        let refused = self.host.device.log().refused().last().expect("a line in the log");
        assert_eq!(refused.refusal.syndrome(), answer.syndrome);
        (answer.status, refused.refusal.check, refused.refusal.offset)
    }

    fn key(&mut self, secret: &[u8]) -> u32 {
        created(&self.host.expect(key_in(self.pd, secret).as_bytes(), 16))
    }

    fn object(&mut self, change: impl FnOnce(&mut IpsecObj, &mut IpsecAso)) -> u32 {
        let dekn = self.key(&KEY);
        created(&self.host.expect(object_in(self.pd, dekn, change).as_bytes(), 16))
    }

    fn query(&mut self, number: u32) -> IpsecObj {
        let answer =
            self.host.expect(&header(Opcode::QUERY_GENERAL_OBJECT, 0x13, number), QueryIpsecObjOut::SIZE);
        QueryIpsecObjOut::copy_from(&answer.output).ipsec_object()
    }

    fn access(&mut self, wqe: &[u8; 64]) -> Result<(), u8> {
        let memory: &dyn Memory = &self.host.memory.clone();
        self.host.device.access_aso(memory, self.pd, wqe)
    }

    /// Reads the context as Linux does.
    fn read(&mut self, number: u32) -> IpsecAso {
        let wqe = access_wqe(number, WqeAsoCtrlSeg::default(), Some((self.buffer, self.lkey)));
        self.access(&wqe).expect("an access");
        IpsecAso::copy_from(&self.host.memory.get(self.buffer, 64))
    }

    /// Changes the context as Linux does.
    fn write(&mut self, number: u32, window: u8, data: u64, mask: u64) {
        let change = WqeAsoCtrlSeg::build().data_offset(window).bitwise_data(data).data_mask(mask);
        let change = change.condition_0_operand(1).condition_1_operand(1).done();
        let wqe = access_wqe(number, change, Some((self.buffer, self.lkey)));
        self.access(&wqe).expect("an access");
    }

    fn encrypt(&mut self, number: u32) -> Option<Vec<u8>> {
        let memory = self.host.memory.clone();
        let mut packet = Transit::new(PLAIN.to_vec());
        match self.host.device.encrypt(&memory, number, (ADD, &reformat_data()), &mut packet) {
            Crypto::Done => Some(packet.bytes),
            Crypto::Dropped => None,
        }
    }

    fn decrypt(&mut self, number: u32, frame: &[u8]) -> Option<Transit> {
        let memory = self.host.memory.clone();
        let mut packet = Transit::new(frame.to_vec());
        match self.host.device.decrypt(&memory, number, (DEL, &[]), &mut packet) {
            Crypto::Done => Some(packet),
            Crypto::Dropped => None,
        }
    }

    /// What became of a received frame: accepted, or how it failed.
    fn verdict(&mut self, number: u32, frame: &[u8]) -> Verdict {
        match self.decrypt(number, frame) {
            None => Verdict::Dropped,
            Some(packet) => match (packet.ipsec_syndrome, packet.reg_c[4]) {
                (0, 0) => {
                    assert_eq!(packet.bytes, PLAIN);
                    Verdict::Accepted
                }
                (0, 1) => Verdict::Replayed,
                (1, 0) => Verdict::Forged,
                other => panic!("{other:?}"),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Replayed,
    Forged,
    Dropped,
}

fn alloc_pd(host: &mut Host) -> u32 {
    let input = AllocPdIn::build().opcode(Opcode::ALLOC_PD.0).done();
    AllocPdOut::copy_from(&host.expect(input.as_bytes(), AllocPdOut::SIZE).output).pd()
}

fn physical_key(host: &mut Host, pd: u32) -> u32 {
    let mkc = Mkc::build().lr(true).lw(true).length64(true).pd(pd).qpn(0xff_ffff).mkey_7_0(0x5a).done();
    let input = CreateMkeyIn::build().opcode(Opcode::CREATE_MKEY.0).memory_key_mkey_entry(&mkc).done();
    let answer = host.expect(input.as_bytes(), CreateMkeyOut::SIZE);
    CreateMkeyOut::copy_from(&answer.output).mkey_index() << 8 | 0x5a
}

/// A command of 16 bytes for a general object.
fn header(opcode: Opcode, kind: u16, number: u32) -> [u8; 16] {
    *GeneralObjInCmdHdr::build().opcode(opcode.0).obj_type(kind).obj_id(number).done().as_bytes()
}

fn created(answer: &Answer) -> u32 {
    GeneralObjOutCmdHdr::copy_from(&answer.output).obj_id()
}

/// CREATE of an encryption key, as Linux fills it.
fn key_in(pd: u32, secret: &[u8]) -> CreateEncryptionKeyIn {
    let header = GeneralObjInCmdHdr::copy_from(&header(Opcode::CREATE_GENERAL_OBJECT, 0x0c, 0));
    let mut field = [0; 128];
    let start = if secret.len() == 16 { 16 } else { 0 };
    field[start..start + secret.len()].copy_from_slice(secret);
    let size = u8::from(secret.len() == 32);
    let key = EncryptionKeyObj::build().key_size(size).key_purpose(2).pd(pd).key(&field).done();
    CreateEncryptionKeyIn::build().general_obj_in_cmd_hdr(&header).encryption_key_object(&key).done()
}

/// CREATE of an IPSEC object for packet offload, as Linux fills it; `change` has the last word.
fn object_in(pd: u32, dekn: u32, change: impl FnOnce(&mut IpsecObj, &mut IpsecAso)) -> CreateIpsecObjIn {
    let header = GeneralObjInCmdHdr::copy_from(&header(Opcode::CREATE_GENERAL_OBJECT, 0x13, 0));
    let mut aso = IpsecAso::build().valid(true).done();
    let mut object = IpsecObj::build()
        .full_offload(true)
        .aso_return_reg(2)
        .dekn(dekn)
        .salt(SALT)
        .implicit_iv(IMPLICIT_IV)
        .ipsec_aso_access_pd(pd)
        .done();
    change(&mut object, &mut aso);
    object.set().ipsec_aso(&aso);
    CreateIpsecObjIn::build().general_obj_in_cmd_hdr(&header).ipsec_object(&object).done()
}

/// A sender that begins with `number`, with ESN.
fn sender(number: u64) -> impl FnOnce(&mut IpsecObj, &mut IpsecAso) {
    move |object, aso| {
        object.set().esn_en(true).esn_msb((number >> 32) as u32).esn_overlap(number as u32 >= 1 << 31);
        aso.set().mode(MODE_INC_SN).mode_parameter(number as u32).esn_event_arm(true);
    }
}

/// A receiver whose window of `32 << size` begins at `number`, with ESN.
fn receiver(size: u8, number: u64) -> impl FnOnce(&mut IpsecObj, &mut IpsecAso) {
    move |object, aso| {
        object.set().esn_en(true).esn_msb((number >> 32) as u32).esn_overlap(number as u32 >= 1 << 31);
        let mode = aso.set().mode(MODE_REPLAY_PROTECTION).window_sz(size);
        mode.mode_parameter(number as u32).esn_event_arm(true);
    }
}

/// An ACCESS_ASO entry.
fn access_wqe(number: u32, change: WqeAsoCtrlSeg, read: Option<(u64, u32)>) -> [u8; 64] {
    let control = WqeCtrlSeg::build().opcode(0x2d).ds(4).ce(2).imm(number).done();
    let mut aso = change;
    if let Some((address, key)) = read {
        let low = (address as u32) >> 6;
        aso.set().va_h((address >> 32) as u32).va_l(low).read_en(true).l_key(key);
    }
    let mut wqe = [0; 64];
    wqe[..16].copy_from_slice(control.as_bytes());
    wqe[16..].copy_from_slice(aso.as_bytes());
    wqe
}

//! CRYPTO_ENCRYPT and CRYPTO_DECRYPT of a flow entry, each with the ESP reformat that stands beside it.
//!
//! Facts B.6, C.3, C.7, E.11. What a card does with a packet that fails is known from the rules that Linux puts behind
//! the decryption only: `ipsec_syndrome` 1 for a bad ICV, 2 for a bad trailer, and 1 in the first register of
//! `aso_return_reg` for a number that the window does not take.
//!
//! Inferred: a packet that fails goes on as it came; one with a stale number goes on decrypted; on transmit the register
//! is written too, with 0. Objects for crypto offload, where the driver makes the headers, are not carried out.

use super::object::Object;
use crate::esp::{self, Form, OpenError, Removal, SealError};
use crate::fault::Faults;
use crate::packet::Headers;
use crate::queues::Event;
use crate::transit::Transit;
use crate::{Check, Device, Memory, Refusal, Side};
use mlx5_pci::prm::{CmdStatus, EqeObjChange, EventType};

/// How a crypto action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crypto {
    /// The packet was changed and goes on (on receive also when the ICV failed: the syndrome says so).
    Done,
    /// The packet must not go on (hard lifetime reached, object in error, wrong protocol).
    Dropped,
}

/// `ipsec_syndrome`: the ICV is wrong.
const ICV_FAILURE: u8 = 1;
/// `ipsec_syndrome`: padding or next header are wrong.
const BAD_TRAILER: u8 = 2;
/// What the ASO returns for a number that the window does not take.
const REPLAYED: u32 = 1;

/// What a packet met: how it went on, and whether the driver has to be told of a change of the object.
type Outcome = Result<bool, Refusal>;

const fn refused(check: Check, field: &'static str) -> Refusal {
    Refusal::new(CmdStatus::BAD_PARAM, check, field, 0)
}

impl Device {
    /// CRYPTO_ENCRYPT with an ESP reformat: `packet` becomes ESP.
    pub(crate) fn encrypt(
        &mut self,
        memory: &dyn Memory,
        object: u32,
        reformat: (u8, &[u8]),
        packet: &mut Transit,
    ) -> Crypto {
        let plain = self.out.tapping.then(|| packet.bytes.clone());
        let outcome = match self.ipsec.objects.get_mut(object) {
            Some(sa) if sa.removed => return Crypto::Dropped,
            Some(sa) => sa.encrypt(reformat, packet),
            None => Err(refused(Check::NoObject, "encrypt_decrypt_obj_id")),
        };
        packet.encrypted |= outcome.is_ok();
        if let (Ok(_), Some(plain)) = (&outcome, plain) {
            self.out.tap(Side::Host, true, &plain);
            self.out.tap(Side::Wire, true, &packet.bytes);
        }
        self.conclude(memory, "encrypt", object, outcome)
    }

    /// CRYPTO_DECRYPT with an ESP reformat: `packet` becomes plaintext; syndrome and ASO return register are set.
    pub(crate) fn decrypt(
        &mut self,
        memory: &dyn Memory,
        object: u32,
        reformat: (u8, &[u8]),
        packet: &mut Transit,
    ) -> Crypto {
        self.out.tap(Side::Wire, false, &packet.bytes);
        let outcome = match self.ipsec.objects.get_mut(object) {
            Some(sa) if sa.removed => return Crypto::Dropped,
            Some(sa) => sa.decrypt(reformat, packet, &mut self.faults),
            None => Err(refused(Check::NoObject, "encrypt_decrypt_obj_id")),
        };
        if outcome.is_ok() && packet.ipsec_syndrome == 0 {
            self.out.tap(Side::Host, false, &packet.bytes);
        }
        self.conclude(memory, "decrypt", object, outcome)
    }

    fn conclude(&mut self, memory: &dyn Memory, what: &'static str, object: u32, outcome: Outcome) -> Crypto {
        match outcome {
            Ok(tell) => {
                if tell {
                    self.tell(memory, object);
                }
                Crypto::Done
            }
            Err(refusal) => {
                self.misuse(what, object, refusal);
                Crypto::Dropped
            }
        }
    }

    /// The driver is told that an object's context has changed.
    fn tell(&mut self, memory: &dyn Memory, object: u32) {
        self.log.note(format!("OBJECT_CHANGE of IPSEC object {object:#x}"));
        let change = EqeObjChange::build().obj_type(super::limits::IPSEC).obj_id(object).done();
        let kind = EventType::OBJECT_CHANGE.0;
        self.post_event(memory, Event { kind, sub_kind: 0, data: *change.as_bytes() });
    }
}

impl Object {
    fn encrypt(&mut self, (kind, data): (u8, &[u8]), packet: &mut Transit) -> Outcome {
        self.check_usable()?;
        let form = Form::new(kind, data).map_err(|_| refused(Check::Value, "packet_reformat"))?;
        let number = self.next().ok_or(refused(Check::State, "mode_parameter"))?;
        let sealed = esp::seal(&self.cipher, self.body.esn_en(), &form, number, &packet.bytes);
        packet.bytes = sealed.map_err(|error| match error {
            SealError::NotIp => refused(Check::Value, "ethertype"),
            SealError::Fragment => refused(Check::Value, "frag"),
            SealError::TooLong => refused(Check::Limit, "total_length"),
        })?;
        self.answer(packet, 0);
        Ok(self.sent(number))
    }

    fn decrypt(&mut self, (kind, data): (u8, &[u8]), packet: &mut Transit, faults: &mut Faults) -> Outcome {
        self.check_usable()?;
        let removal = Removal::new(kind, data).map_err(|_| refused(Check::Value, "packet_reformat"))?;
        let (_, low) = esp::sequence(&removal, &Headers::parse(&packet.bytes))
            .ok_or(refused(Check::Value, "ip_protocol"))?;
        packet.decrypted = true;
        packet.ipsec_syndrome = 0;
        self.answer(packet, 0);
        let opened = esp::open(&self.cipher, self.body.esn_en(), &removal, self.whole(low), &packet.bytes);
        let plain = match opened {
            Ok(plain) if !faults.icv_failure() => plain,
            Err(OpenError::NotEsp) => return Err(refused(Check::Value, "ip_protocol")),
            Ok(_) | Err(OpenError::Icv) => {
                packet.ipsec_syndrome = ICV_FAILURE;
                return Ok(false);
            }
            Err(OpenError::Trailer) => {
                packet.ipsec_syndrome = BAD_TRAILER;
                return Ok(false);
            }
        };
        packet.bytes = plain;
        if !self.is_fresh(low) || faults.replay() {
            self.answer(packet, REPLAYED);
            return Ok(false);
        }
        Ok(self.accepted(low))
    }

    /// An object for packet offload with a context.
    fn check_usable(&self) -> Result<(), Refusal> {
        if !self.body.full_offload() {
            return Err(refused(Check::Capability, "full_offload"));
        }
        if !self.aso.valid() {
            return Err(refused(Check::State, "valid"));
        }
        Ok(())
    }

    /// Writes what the ASO returns.
    fn answer(&self, packet: &mut Transit, value: u32) {
        packet.reg_c[2 * usize::from(self.body.aso_return_reg() & 3)] = value;
    }
}

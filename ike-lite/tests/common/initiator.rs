//! An IKEv2 initiator for tests. Every message can be changed before it is sealed; nothing is checked that a test
//! doesn't check. Its keys are derived here a second time, from RFC 7296, sections 2.13 to 2.18.

use std::net::SocketAddr;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use ike_lite::aead::Aead;
use ike_lite::dh::Secret;
use ike_lite::wire::auth::Auth;
use ike_lite::wire::delete::{emit_esp, emit_ike};
use ike_lite::wire::ke::KeyExchange;
use ike_lite::wire::notify::Notify;
use ike_lite::wire::sa::{KeyLength, Protocol, SaPayload, Transform, TransformType, emit_proposal};
use ike_lite::wire::{Chain, ChainBuilder, Exchange, Header, PayloadType, id, sk, ts};
use ike_lite::{Group, Identity, NotifyType, Prf, TrafficSelector};
use sha1::{Digest, Sha1};

use super::net;

pub const AES_GCM_16: u16 = 20;

pub fn transform(kind: TransformType, id: u16) -> Transform {
    Transform { kind, id, key_length: KeyLength::None }
}

pub fn aes_gcm(bits: u16) -> Transform {
    Transform { kind: TransformType::ENCR, id: AES_GCM_16, key_length: KeyLength::Bits(bits) }
}

pub struct Keys {
    pub sk_d: Vec<u8>,
    pub sk_ei: Vec<u8>,
    pub sk_er: Vec<u8>,
    pub sk_pi: Vec<u8>,
    pub sk_pr: Vec<u8>,
}

fn prf_plus(prf: Prf, key: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let (mut stream, mut last) = (Vec::new(), Vec::new());
    for counter in 1..=255u8 {
        last = prf.compute(key, &[&last, seed, &[counter]]).to_vec();
        stream.extend_from_slice(&last);
    }
    stream.truncate(length);
    stream
}

impl Keys {
    fn derive(prf: Prf, key_len: usize, seed: &[u8], ni: &[u8], nr: &[u8], spi_i: u64, spi_r: u64) -> Self {
        let label = [ni, nr, &spi_i.to_be_bytes(), &spi_r.to_be_bytes()].concat();
        let p = prf.output_len();
        let stream = prf_plus(prf, seed, &label, 3 * p + 2 * key_len);
        let mut at = 0;
        let mut cut = |length: usize| {
            at += length;
            stream[at - length..at].to_vec()
        };
        Self { sk_d: cut(p), sk_ei: cut(key_len), sk_er: cut(key_len), sk_pi: cut(p), sk_pr: cut(p) }
    }
}

/// A message in the clear.
pub struct Plain {
    pub header: Header,
    opened: sk::Opened,
}

impl Plain {
    pub fn chain(&self) -> Chain<'_> {
        self.opened.chain().expect("a sound chain")
    }

    pub fn error(&self) -> Option<NotifyType> {
        self.chain().notifies().map(|notify| notify.kind).find(|kind| kind.is_error())
    }

    pub fn notify(&self, kind: NotifyType) -> Option<Vec<u8>> {
        self.chain().notify(kind).map(|notify| notify.data.to_vec())
    }

    pub fn selectors(&self, kind: PayloadType) -> Vec<TrafficSelector> {
        ts::parse(kind, self.chain().require(kind).expect("selectors")).expect("sound selectors")
    }

    /// SPI and transforms that were chosen.
    pub fn chosen(&self) -> (Vec<u8>, Vec<Transform>) {
        let chain = self.chain();
        let sa = SaPayload::parse(chain.require(PayloadType::SA).expect("SA")).expect("a sound SA");
        let proposal = sa.proposals().next().expect("a proposal");
        (proposal.spi.to_vec(), proposal.transforms().collect())
    }
}

pub struct Initiator {
    pub rng: ChaCha20Rng,
    pub spi_i: u64,
    pub spi_r: u64,
    /// In the IKE SA that carries the messages, we are the original initiator.
    pub original: bool,
    pub prf: Prf,
    pub bits: u16,
    pub group: Group,
    pub ke_group: u16,
    pub secret: Secret,
    pub nonce_i: Vec<u8>,
    pub nonce_r: Vec<u8>,
    pub msg1: Vec<u8>,
    pub msg2: Vec<u8>,
    pub keys: Option<Keys>,
    iv: u64,
    pub next_id: u32,
    pub psk: Vec<u8>,
    pub identity: Identity,
    pub cookie: Option<Vec<u8>>,
    /// What NAT detection says of our and the other's address; `None` leaves it out.
    pub nat: Option<(SocketAddr, SocketAddr)>,
    pub ike_transforms: Vec<Transform>,
    pub esp_transforms: Vec<Transform>,
    pub ts_i: Vec<TrafficSelector>,
    pub ts_r: Vec<TrafficSelector>,
    pub transport: bool,
    pub initial_contact: bool,
    /// Our inbound SPI of the newest child, and the responder's.
    pub spi_in: u32,
    pub spi_out: u32,
    /// Keys of packets to the responder and from it.
    pub child_keys: (Vec<u8>, Vec<u8>),
}

impl Initiator {
    pub fn new() -> Self {
        Self::seeded(1)
    }

    pub fn seeded(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let secret = Secret::generate(Group::X25519, &mut rng);
        let mut nonce_i = vec![0; 32];
        rng.fill_bytes(&mut nonce_i);
        Self {
            spi_i: rng.next_u64(),
            spi_r: 0,
            original: true,
            prf: Prf::HmacSha256,
            bits: 128,
            group: Group::X25519,
            ke_group: 31,
            secret,
            nonce_i,
            nonce_r: Vec::new(),
            msg1: Vec::new(),
            msg2: Vec::new(),
            keys: None,
            iv: 0,
            next_id: 1,
            psk: super::PSK.to_vec(),
            identity: Identity::Fqdn("a.test".into()),
            cookie: None,
            nat: None,
            ike_transforms: vec![
                aes_gcm(128),
                transform(TransformType::PRF, 5),
                transform(TransformType::DH, 31),
            ],
            esp_transforms: vec![aes_gcm(128), transform(TransformType::ESN, 0)],
            ts_i: vec![net("10.1.0.0/24")],
            ts_r: vec![net("10.2.0.0/24")],
            transport: false,
            initial_contact: false,
            spi_in: 0x1000,
            spi_out: 0,
            child_keys: (Vec::new(), Vec::new()),
            rng,
        }
    }

    // ---- IKE_SA_INIT

    pub fn init_header(&self) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: 0,
            next_payload: PayloadType::NONE,
            version: 0x20,
            exchange: Exchange::IKE_SA_INIT,
            initiator: true,
            response: false,
            message_id: 0,
        }
    }

    pub fn init_chain(&self) -> ChainBuilder {
        let mut chain = ChainBuilder::new();
        if let Some(cookie) = &self.cookie {
            chain.push_notify(Notify::new(NotifyType::COOKIE, cookie));
        }
        chain.push(PayloadType::SA, |out| {
            emit_proposal(1, Protocol::IKE, &[], &self.ike_transforms, true, out);
        });
        let public = self.secret.public();
        chain.push(PayloadType::KE, |out| KeyExchange { group: self.ke_group, data: &public }.emit(out));
        chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&self.nonce_i));
        if let Some((source, destination)) = self.nat {
            for (kind, at) in [
                (NotifyType::NAT_DETECTION_SOURCE_IP, source),
                (NotifyType::NAT_DETECTION_DESTINATION_IP, destination),
            ] {
                let hash = nat_hash(self.spi_i, 0, at);
                chain.push_notify(Notify::new(kind, &hash));
            }
        }
        chain
    }

    pub fn init_request(&mut self) -> Vec<u8> {
        self.msg1 = self.init_header().message(self.init_chain().parts());
        self.msg1.clone()
    }

    pub fn on_init_response(&mut self, bytes: &[u8]) {
        let (header, payloads) = Header::parse(bytes).expect("a header");
        assert!(header.response && !header.initiator && header.message_id == 0);
        assert_eq!(header.spi_i, self.spi_i);
        let chain = Chain::check(header.next_payload, payloads).expect("a chain");
        let ke = KeyExchange::parse(chain.require(PayloadType::KE).expect("KE")).expect("KE");
        self.spi_r = header.spi_r;
        self.nonce_r = chain.require(PayloadType::NONCE).expect("nonce").to_vec();
        self.msg2 = bytes.to_vec();
        let shared = self.secret.agree(ke.data).expect("a public value");
        let seed = self.prf.compute(&[&self.nonce_i[..], &self.nonce_r].concat(), &[&shared]).to_vec();
        self.keys = Some(self.derive(&seed));
    }

    fn key_len(&self) -> usize {
        usize::from(self.bits) / 8 + 4
    }

    fn derive(&self, seed: &[u8]) -> Keys {
        Keys::derive(self.prf, self.key_len(), seed, &self.nonce_i, &self.nonce_r, self.spi_i, self.spi_r)
    }

    // ---- protected messages

    pub fn header(&self, exchange: Exchange, response: bool, message_id: u32) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            next_payload: PayloadType::SK,
            version: 0x20,
            exchange,
            initiator: self.original,
            response,
            message_id,
        }
    }

    pub fn seal(&mut self, header: Header, chain: &ChainBuilder) -> Vec<u8> {
        self.iv += 1;
        let keys = self.keys.as_ref().expect("keys");
        let key = if self.original { &keys.sk_ei } else { &keys.sk_er };
        sk::seal(header, chain.parts(), &Aead::new(key).expect("a key"), self.iv.to_be_bytes())
    }

    /// Seals any octets as an inner chain that begins with `first`.
    pub fn seal_raw(&mut self, header: Header, first: PayloadType, octets: &[u8]) -> Vec<u8> {
        self.iv += 1;
        let keys = self.keys.as_ref().expect("keys");
        let key = if self.original { &keys.sk_ei } else { &keys.sk_er };
        let parts = ike_lite::wire::header::ChainParts { first, octets };
        sk::seal(header, parts, &Aead::new(key).expect("a key"), self.iv.to_be_bytes())
    }

    pub fn request(&mut self, exchange: Exchange, chain: &ChainBuilder) -> Vec<u8> {
        let header = self.header(exchange, false, self.next_id);
        self.next_id += 1;
        self.seal(header, chain)
    }

    pub fn respond(&mut self, to: &Header, chain: &ChainBuilder) -> Vec<u8> {
        let header = self.header(to.exchange, true, to.message_id);
        self.seal(header, chain)
    }

    pub fn try_open(&self, bytes: &[u8]) -> Option<Plain> {
        let (header, _) = Header::parse(bytes).ok()?;
        let keys = self.keys.as_ref()?;
        let key = if self.original { &keys.sk_er } else { &keys.sk_ei };
        let opened = sk::open(bytes, &header, &Aead::new(key)?).ok()?;
        Some(Plain { header, opened })
    }

    pub fn open(&self, bytes: &[u8]) -> Plain {
        self.try_open(bytes).expect("a message under our keys")
    }

    // ---- IKE_AUTH

    fn auth_data(&self, psk: &[u8], message: &[u8], nonce: &[u8], id: &[u8], sk_p: &[u8]) -> Vec<u8> {
        let key = self.prf.compute(psk, &[b"Key Pad for IKEv2"]);
        let id = self.prf.compute(sk_p, &[id]);
        self.prf.compute(&key, &[message, nonce, &id]).to_vec()
    }

    pub fn push_auth(&self, chain: &mut ChainBuilder) {
        let mut id_i = Vec::new();
        id::emit(&self.identity, &mut id_i);
        let keys = self.keys.as_ref().expect("keys");
        let data = self.auth_data(&self.psk, &self.msg1, &self.nonce_r, &id_i, &keys.sk_pi);
        chain.push(PayloadType::ID_I, |out| out.extend_from_slice(&id_i));
        if self.initial_contact {
            chain.push_notify(Notify::new(NotifyType::INITIAL_CONTACT, &[]));
        }
        chain.push(PayloadType::AUTH, |out| Auth { method: 2, data: &data }.emit(out));
    }

    pub fn push_child(&self, chain: &mut ChainBuilder) {
        if self.transport {
            chain.push_notify(Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
        }
        chain.push(PayloadType::SA, |out| {
            let spi = self.spi_in.to_be_bytes();
            emit_proposal(1, Protocol::ESP, &spi, &self.esp_transforms, true, out);
        });
    }

    pub fn push_selectors(&self, chain: &mut ChainBuilder) {
        chain.push(PayloadType::TS_I, |out| ts::emit(&self.ts_i, out));
        chain.push(PayloadType::TS_R, |out| ts::emit(&self.ts_r, out));
    }

    pub fn auth_chain(&self) -> ChainBuilder {
        let mut chain = ChainBuilder::new();
        self.push_auth(&mut chain);
        self.push_child(&mut chain);
        self.push_selectors(&mut chain);
        chain
    }

    pub fn auth_request(&mut self) -> Vec<u8> {
        let chain = self.auth_chain();
        self.request(Exchange::IKE_AUTH, &chain)
    }

    /// Checks the responder's proof, and takes in the child if there is one.
    pub fn on_auth_response(&mut self, bytes: &[u8]) {
        let plain = self.open(bytes);
        let chain = plain.chain();
        let id_r = chain.require(PayloadType::ID_R).expect("IDr");
        let auth = Auth::parse(chain.require(PayloadType::AUTH).expect("AUTH")).expect("AUTH");
        let keys = self.keys.as_ref().expect("keys");
        let expected = self.auth_data(&self.psk, &self.msg2, &self.nonce_i, id_r, &keys.sk_pr);
        assert_eq!((auth.method, auth.data), (2, &expected[..]), "the responder knows the key");
        if chain.find(PayloadType::SA).is_some() {
            let (spi, transforms) = plain.chosen();
            let (ni, nr) = (self.nonce_i.clone(), self.nonce_r.clone());
            self.take_child(&spi, &transforms, &[], &ni, &nr);
        }
    }

    pub fn take_child(&mut self, spi: &[u8], transforms: &[Transform], shared: &[u8], ni: &[u8], nr: &[u8]) {
        self.spi_out = u32::from_be_bytes(spi.try_into().expect("an ESP SPI"));
        let encryption = transforms.iter().find(|t| t.kind == TransformType::ENCR).expect("encryption");
        let length = match encryption.key_length {
            KeyLength::Bits(bits) => usize::from(bits) / 8 + 4,
            _ => 36,
        };
        let sk_d = &self.keys.as_ref().expect("keys").sk_d;
        let stream = prf_plus(self.prf, sk_d, &[shared, ni, nr].concat(), 2 * length);
        self.child_keys = (stream[..length].to_vec(), stream[length..].to_vec());
    }

    // ---- CREATE_CHILD_SA and INFORMATIONAL

    pub fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = vec![0; 32];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// A request for a child, in place of the one that we receive on `replaces`. A new inbound SPI is taken.
    pub fn child_request(&mut self, replaces: Option<u32>, nonce: &[u8]) -> Vec<u8> {
        self.spi_in += 1;
        let chain = self.child_chain(replaces, nonce, None);
        self.request(Exchange::CREATE_CHILD_SA, &chain)
    }

    pub fn child_chain(&self, replaces: Option<u32>, nonce: &[u8], ke: Option<(u16, &[u8])>) -> ChainBuilder {
        let mut chain = ChainBuilder::new();
        if let Some(spi) = replaces {
            let spi = spi.to_be_bytes();
            chain.push_notify(Notify {
                protocol: Protocol::ESP,
                spi: &spi,
                kind: NotifyType::REKEY_SA,
                data: &[],
            });
        }
        self.push_child(&mut chain);
        chain.push(PayloadType::NONCE, |out| out.extend_from_slice(nonce));
        if let Some((group, data)) = ke {
            chain.push(PayloadType::KE, |out| KeyExchange { group, data }.emit(out));
        }
        self.push_selectors(&mut chain);
        chain
    }

    pub fn on_child_response(&mut self, bytes: &[u8], nonce: &[u8], shared: &[u8]) {
        let plain = self.open(bytes);
        let nonce_r = plain.chain().require(PayloadType::NONCE).expect("nonce").to_vec();
        let (spi, transforms) = plain.chosen();
        self.take_child(&spi, &transforms, shared, nonce, &nonce_r);
    }

    pub fn delete_child_request(&mut self, spis: &[u32]) -> Vec<u8> {
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::DELETE, |out| emit_esp(spis, out));
        self.request(Exchange::INFORMATIONAL, &chain)
    }

    pub fn delete_ike_request(&mut self) -> Vec<u8> {
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::DELETE, emit_ike);
        self.request(Exchange::INFORMATIONAL, &chain)
    }

    pub fn liveness_request(&mut self) -> Vec<u8> {
        self.request(Exchange::INFORMATIONAL, &ChainBuilder::new())
    }

    /// A request for new keys, and the initiator that goes on under them once the response is in.
    pub fn ike_rekey_request(&mut self, seed: u8) -> (Vec<u8>, Self) {
        let mut next = Self::seeded(seed);
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::SA, |out| {
            let spi = next.spi_i.to_be_bytes();
            emit_proposal(1, Protocol::IKE, &spi, &self.ike_transforms, true, out);
        });
        chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&next.nonce_i));
        let public = next.secret.public();
        chain.push(PayloadType::KE, |out| KeyExchange { group: 31, data: &public }.emit(out));
        next.next_id = 0;
        next.spi_in = self.spi_in + 0x100;
        (self.request(Exchange::CREATE_CHILD_SA, &chain), next)
    }

    /// Lets `next` take in the response to [`Self::ike_rekey_request`].
    pub fn on_ike_rekey_response(&self, bytes: &[u8], next: &mut Self) {
        let plain = self.open(bytes);
        let chain = plain.chain();
        let (spi, _) = plain.chosen();
        let ke = KeyExchange::parse(chain.require(PayloadType::KE).expect("KE")).expect("KE");
        next.spi_r = u64::from_be_bytes(spi.try_into().expect("an IKE SPI"));
        next.nonce_r = chain.require(PayloadType::NONCE).expect("nonce").to_vec();
        let shared = next.secret.agree(ke.data).expect("a public value");
        next.rekeyed_from(self, &shared);
    }

    /// Derives keys from those of the IKE SA before.
    pub fn rekeyed_from(&mut self, old: &Self, shared: &[u8]) {
        let sk_d = &old.keys.as_ref().expect("keys").sk_d;
        let seed = old.prf.compute(sk_d, &[shared, &self.nonce_i, &self.nonce_r]).to_vec();
        self.keys = Some(self.derive(&seed));
    }
}

pub fn nat_hash(spi_i: u64, spi_r: u64, at: SocketAddr) -> [u8; 20] {
    let mut sha1 = Sha1::new();
    sha1.update(spi_i.to_be_bytes());
    sha1.update(spi_r.to_be_bytes());
    match at {
        SocketAddr::V4(at) => sha1.update(at.ip().octets()),
        SocketAddr::V6(at) => sha1.update(at.ip().octets()),
    }
    sha1.update(at.port().to_be_bytes());
    sha1.finalize().into()
}

/// The error notify of a message in the clear.
pub fn clear_error(bytes: &[u8]) -> Option<(NotifyType, Vec<u8>)> {
    let (header, payloads) = Header::parse(bytes).expect("a header");
    let chain = Chain::check(header.next_payload, payloads).expect("a chain");
    let notify = chain.notifies().next()?;
    Some((notify.kind, notify.data.to_vec()))
}

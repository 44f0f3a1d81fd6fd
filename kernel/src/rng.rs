//! Randomness: hardware (RDSEED, else RDRAND) and what a driver brings from virtio-rng go through SHA-256
//! into a 256-bit key; ChaCha20 under that key makes the output and, first of all, the next key, so that a
//! later look into memory does not reveal what was drawn before ("fast key erasure").
//!
//! There is no output before 256 bits have been credited. Time stamps are mixed in and credited with nothing.
#![expect(unsafe_code, reason = "RDSEED and RDRAND are intrinsics that need the CPU feature")]

use core::arch::x86_64::{_rdrand64_step, _rdseed64_step};

use chacha20::ChaCha20Rng;
use rand_core::{Infallible, Rng as _, SeedableRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use spin::Mutex;
use zeroize::Zeroize;

use crate::cpu;

/// Bits that must have been credited before anything is drawn.
pub const NEEDED: u32 = 256;
/// Bytes drawn before hardware is asked again.
const RESEED_AFTER: u64 = 64 << 10;
/// Words taken from hardware at a time.
const WORDS: usize = 8;
/// Attempts per word; hardware that is merely busy recovers within a few.
const ATTEMPTS: usize = 64;

/// There is no source of randomness: [`NEEDED`] bits are wanted, fewer were credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEntropy {
    /// Bits credited so far.
    pub credited: u32,
}

impl core::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "no entropy: {} of {NEEDED} bits; give the machine RDRAND or a virtio-rng device",
            self.credited
        )
    }
}

impl core::error::Error for NoEntropy {}

struct Pool {
    key: [u8; 32],
    credited: u32,
    drawn: u64,
}

static POOL: Mutex<Pool> = Mutex::new(Pool::EMPTY);

impl Pool {
    const EMPTY: Self = Self { key: [0; 32], credited: 0, drawn: 0 };

    /// Mixes `input` into the key, credited with `bits`.
    fn absorb(&mut self, input: &[u8], bits: u32) {
        let mut hash = Sha256::new();
        hash.update(b"ravelin entropy v1");
        hash.update(self.key);
        hash.update((input.len() as u64).to_le_bytes());
        hash.update(input);
        self.key = hash.finalize().into();
        self.credited = self.credited.saturating_add(bits).min(NEEDED);
    }

    fn ready(&self) -> Result<(), NoEntropy> {
        if self.credited < NEEDED { Err(NoEntropy { credited: self.credited }) } else { Ok(()) }
    }

    /// Fills `out`, replacing the key before the first byte of it exists.
    fn draw(&mut self, out: &mut [u8]) {
        let mut generator = ChaCha20Rng::from_seed(self.key);
        generator.fill_bytes(&mut self.key);
        generator.fill_bytes(out);
        self.drawn += out.len() as u64;
    }

    /// Mixes in words from hardware, if it gives any, and the time.
    fn reseed(&mut self, hardware: Option<[u64; WORDS]>) {
        self.drawn = 0;
        self.absorb(&cpu::tsc().to_le_bytes(), 0);
        if let Some(mut words) = hardware.filter(plausible) {
            let mut bytes: [u8; WORDS * 8] = core::array::from_fn(|i| words[i / 8].to_le_bytes()[i % 8]);
            self.absorb(&bytes, NEEDED);
            bytes.zeroize();
            words.zeroize();
        }
    }
}

/// Whether no two words are the same. Hardware that is stuck (some has been, at all ones) is no source.
fn plausible(words: &[u64; WORDS]) -> bool {
    words.iter().enumerate().all(|(i, word)| !words[..i].contains(word))
}

/// Words from the CPU's own source; `None` if it has none or it fails.
fn hardware() -> Option<[u64; WORDS]> {
    const RDSEED: u32 = 1 << 18;
    const RDRAND: u32 = 1 << 30;
    let seed = cpu::cpuid(7, 0)[1] & RDSEED != 0;
    if !seed && cpu::cpuid(1, 0)[2] & RDRAND == 0 {
        return None;
    }
    let mut words = [0; WORDS];
    for word in &mut words {
        (0..ATTEMPTS).find(|_| {
            // SAFETY: CPUID offers the instruction; it only writes `word`.
            if seed { unsafe { rdseed(word) } } else { unsafe { rdrand(word) } }
        })?;
    }
    Some(words)
}

/// # Safety
/// The CPU must have RDSEED.
#[target_feature(enable = "rdseed")]
unsafe fn rdseed(word: &mut u64) -> bool {
    _rdseed64_step(word) == 1
}

/// # Safety
/// The CPU must have RDRAND.
#[target_feature(enable = "rdrand")]
unsafe fn rdrand(word: &mut u64) -> bool {
    _rdrand64_step(word) == 1
}

/// Asks the CPU for a seed.
pub(crate) fn init() {
    POOL.lock().reseed(hardware());
}

/// Mixes in bytes from a source that a driver vouches for (virtio-rng), eight bits credited per byte. Bytes that
/// are all the same are mixed in without credit.
pub fn seed_from(bytes: &[u8]) {
    let stuck = bytes.windows(2).all(|pair| pair[0] == pair[1]);
    let bits = if stuck { 0 } else { u32::try_from(bytes.len()).unwrap_or(NEEDED).saturating_mul(8) };
    POOL.lock().absorb(bytes, bits);
}

/// The random number generator of this machine. Having one proves that it was seeded.
#[derive(Debug, Clone)]
pub struct Rng(());

impl Rng {
    /// The generator, if [`NEEDED`] bits have been credited.
    pub fn new() -> Result<Self, NoEntropy> {
        POOL.lock().ready().map(|()| Self(()))
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut pool = POOL.lock();
        if pool.drawn >= RESEED_AFTER {
            pool.reseed(hardware());
        }
        pool.draw(out);
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [u64; WORDS] = [1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn refuses_until_credited() {
        let mut pool = Pool::EMPTY;
        assert_eq!(pool.ready(), Err(NoEntropy { credited: 0 }));
        pool.reseed(None);
        assert_eq!(pool.ready(), Err(NoEntropy { credited: 0 }), "a time stamp is no entropy");
        pool.absorb(&[7; 31], 31 * 8);
        assert_eq!(pool.ready(), Err(NoEntropy { credited: 248 }));
        pool.absorb(&[7], 8);
        assert_eq!(pool.ready(), Ok(()));
    }

    #[test]
    fn stuck_hardware_is_no_source() {
        for words in [[0; WORDS], [u64::MAX; WORDS], [1, 2, 3, 4, 5, 6, 7, 1]] {
            let mut pool = Pool::EMPTY;
            pool.reseed(Some(words));
            assert!(pool.ready().is_err());
        }
        let mut pool = Pool::EMPTY;
        pool.reseed(Some(GOOD));
        assert!(pool.ready().is_ok());
    }

    #[test]
    fn output_depends_on_every_input_and_never_repeats() {
        let draw = |inputs: &[&[u8]]| {
            let mut pool = Pool::EMPTY;
            inputs.iter().for_each(|input| pool.absorb(input, 0));
            let mut out = [[0; 32]; 2];
            pool.draw(&mut out[0]);
            let key = pool.key;
            pool.draw(&mut out[1]);
            assert_ne!(out[0], out[1]);
            assert_ne!(key, pool.key, "the key is replaced by every draw");
            assert!(out.iter().all(|o| *o != key));
            out[0]
        };
        assert_eq!(draw(&[b"ab", b"c"]), draw(&[b"ab", b"c"]));
        assert_ne!(draw(&[b"ab", b"c"]), draw(&[b"a", b"bc"]));
        assert_ne!(draw(&[b"ab", b"c"]), draw(&[b"c", b"ab"]));
    }

    #[test]
    fn the_machine_refuses_then_gives() {
        // The only test that touches the global pool.
        assert!(Rng::new().is_err());
        seed_from(&[0x55; 64]);
        assert!(Rng::new().is_err(), "a stuck source earns no credit");
        seed_from(&core::array::from_fn::<u8, 32, _>(|i| i as u8));
        let mut rng = Rng::new().unwrap();
        let (a, b) = (rng.next_u64(), rng.next_u64());
        assert_ne!(a, b);
        let mut long = vec![0; RESEED_AFTER as usize + 1];
        rng.fill(&mut long);
        rng.fill(&mut long[..16]);
        assert!(POOL.lock().drawn <= 16, "reseeded");
    }
}

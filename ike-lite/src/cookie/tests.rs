use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

#[test]
fn a_cookie_is_good_for_its_peer_and_its_time() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut jar = CookieJar::new(&mut rng);
    let peer: SocketAddr = "10.9.0.1:500".parse().unwrap();
    let start = Instant::from_secs(100);
    let cookie = jar.make(start, &mut rng, peer, 7, b"nonce");
    assert!((1..=64).contains(&cookie.len()), "RFC 7296, section 3.10.1: 1 to 64 octets");
    assert!(jar.verify(start, &mut rng, peer, 7, b"nonce", &cookie));
    let elsewhere = "10.9.0.3:500".parse().unwrap();
    assert!(!jar.verify(start, &mut rng, elsewhere, 7, b"nonce", &cookie));
    assert!(!jar.verify(start, &mut rng, "10.9.0.1:501".parse().unwrap(), 7, b"nonce", &cookie));
    assert!(!jar.verify(start, &mut rng, peer, 8, b"nonce", &cookie));
    assert!(!jar.verify(start, &mut rng, peer, 7, b"other", &cookie));
    assert!(!jar.verify(start, &mut rng, peer, 7, b"nonce", &cookie[..cookie.len() - 1]));
    assert!(!jar.verify(start, &mut rng, peer, 7, b"nonce", &[]));
    // One rotation later it still is; two later it isn't.
    let later = start + Duration::from_secs(61);
    assert!(jar.verify(later, &mut rng, peer, 7, b"nonce", &cookie));
    assert_ne!(jar.make(later, &mut rng, peer, 7, b"nonce"), cookie);
    assert!(!jar.verify(later + Duration::from_secs(61), &mut rng, peer, 7, b"nonce", &cookie));
}

#[test]
fn a_long_silence_ends_both_secrets() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut jar = CookieJar::new(&mut rng);
    let peer = "[fd09::1]:500".parse().unwrap();
    let cookie = jar.make(Instant::ZERO, &mut rng, peer, 7, b"nonce");
    assert!(!jar.verify(Instant::from_secs(3600), &mut rng, peer, 7, b"nonce", &cookie));
}

//! Detection by links: a model of the rules in `gossip/src/link/connection.rs` and
//! `gossip/src/link/members.rs`. Both ends of a link send a ping each second, and answer the other's.
//! After three seconds without input the link is closed and dialled again. A member without a link is
//! a suspect for three seconds, and then down.
//!
//! A link is a TCP connection: a lost packet delays what follows it, and is sent again after 200 ms,
//! 400 ms and so on, as by Linux.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{DELAY_MS, Measured, TCP_HEADERS, WATCHED};

const PING_INTERVAL_MS: u64 = 1_000;
const SILENCE_MAX_MS: u64 = 3_000;
const GRACE_MS: u64 = 3_000;
/// The timeout of an attempt to link, and the longest pause after one.
const CONNECT_TIMEOUT_MS: u64 = 2_000;
const PAUSE_MAX_MS: u64 = 1_000;
/// The packets of a handshake: TCP, WebSocket, and that of the cluster.
const HANDSHAKE_PACKETS: usize = 8;
/// The first time after which a packet is sent again; that of the first packet of a connection.
const RETRANSMIT_MS: u64 = 200;
const RETRANSMIT_FIRST_MS: u64 = 1_000;
/// The bytes of a ping or pong with its mask.
const FRAME_BYTES: u64 = 6;
/// The most times that a packet is sent again.
const RETRANSMISSIONS_MAX: u32 = 15;

/// Runs all links of this many nodes.
pub(crate) fn run(nodes: u16, loss: f64, seed: u64) -> Measured {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut measured = Measured::default();
    for _ in 0..nodes {
        for _ in 1..nodes {
            measured.false_alarms += u64::from(watch(&mut rng, loss));
        }
        measured.watched += WATCHED;
    }
    for _ in 1..nodes {
        measured.noticed.push(notice(&mut rng, loss));
    }
    measured.noticed.sort_unstable();
    // A ping and a pong each second, both ways.
    let frames = u64::from(nodes) * u64::from(nodes - 1) * 2 * WATCHED.as_secs();
    measured.packets = frames;
    measured.bytes = frames * (FRAME_BYTES + TCP_HEADERS);
    measured
}

/// Returns how long a packet takes that is sent until it arrives.
fn transmission_ms(rng: &mut ChaCha8Rng, loss: f64, mut retransmit_ms: u64) -> u64 {
    let mut took = rng.random_range(DELAY_MS);
    for _ in 0..RETRANSMISSIONS_MAX {
        if !rng.random_bool(loss) {
            break;
        }
        took += retransmit_ms;
        retransmit_ms *= 2;
    }
    took
}

/// Watches a running peer. Returns how often it was taken for down.
fn watch(rng: &mut ChaCha8Rng, loss: f64) -> u32 {
    let watched_ms = u64::try_from(WATCHED.as_millis()).expect("a minute");
    let (mut arrived, mut alarms) = (0, 0);
    let mut sent = rng.random_range(0..PING_INTERVAL_MS);
    while sent < watched_ms {
        // Of a ping and a pong in each second, this counts only the ping, so it errs on the side of
        // alarms.
        let arrives = arrived.max(sent + transmission_ms(rng, loss, RETRANSMIT_MS));
        if arrives > arrived + SILENCE_MAX_MS {
            let lost = arrived + SILENCE_MAX_MS;
            let linked = lost + relink_ms(rng, loss);
            alarms += u32::from(linked > lost + GRACE_MS);
            arrived = linked;
            sent = linked;
        } else {
            arrived = arrives;
        }
        sent += PING_INTERVAL_MS;
    }
    alarms
}

/// Returns how long it takes to link again.
fn relink_ms(rng: &mut ChaCha8Rng, loss: f64) -> u64 {
    let mut took = 0;
    loop {
        let first = transmission_ms(rng, loss, RETRANSMIT_FIRST_MS);
        let others = (1..HANDSHAKE_PACKETS).map(|_| transmission_ms(rng, loss, RETRANSMIT_MS));
        let attempt = first + others.sum::<u64>();
        if attempt <= CONNECT_TIMEOUT_MS {
            return took + attempt;
        }
        took += CONNECT_TIMEOUT_MS + rng.random_range(0..=PAUSE_MAX_MS);
    }
}

/// Returns the time until a peer that fell silent is taken for down. Nothing answers at its address:
/// where something refuses connections, a stopped process is noticed at once.
fn notice(rng: &mut ChaCha8Rng, loss: f64) -> Duration {
    let died = rng.random_range(0..PING_INTERVAL_MS);
    let last = transmission_ms(rng, loss, RETRANSMIT_MS).min(died);
    Duration::from_millis(last + SILENCE_MAX_MS + GRACE_MS - died)
}

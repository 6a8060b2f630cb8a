//! The simulated network: links, blocked directions, and the fate of each frame.
//!
//! Invariant: a link connects two running processes, and a process has at most one link per other
//! name, as the roster of the production nodes requires.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::plan::Noise;

/// The links and directions between processes, which are identified by number.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeSet<(usize, usize)>,
    /// The time until which nothing passes from the first process to the second.
    blocked: BTreeMap<(usize, usize), Duration>,
    /// The time at which a slow link has sent everything queued on it.
    busy: BTreeMap<(usize, usize), Duration>,
}

/// The fate of one frame: the delay of each delivered copy, and the faults applied to it.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) delays: Vec<Duration>,
    pub(crate) lost: bool,
    pub(crate) duplicated: bool,
}

impl Network {
    pub(crate) fn linked(&self, a: usize, b: usize) -> bool {
        self.links.contains(&pair(a, b))
    }

    /// Returns the processes that are linked to `node`.
    pub(crate) fn peers(&self, node: usize) -> Vec<usize> {
        self.links
            .iter()
            .filter_map(|(a, b)| if *a == node { Some(*b) } else { (*b == node).then_some(*a) })
            .collect()
    }

    pub(crate) fn link(&mut self, a: usize, b: usize) {
        self.links.insert(pair(a, b));
    }

    /// Removes a link and returns whether it existed.
    pub(crate) fn unlink(&mut self, a: usize, b: usize) -> bool {
        self.links.remove(&pair(a, b))
    }

    pub(crate) fn block(&mut self, from: usize, to: usize, until: Duration) {
        let end = self.blocked.entry((from, to)).or_default();
        *end = until.max(*end);
    }

    pub(crate) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    /// Returns the time until which no link can be established between the two, if it is blocked in
    /// either direction.
    pub(crate) fn blocked_until(&self, a: usize, b: usize, now: Duration) -> Option<Duration> {
        let until = |from, to| self.blocked.get(&(from, to)).copied();
        until(a, b).max(until(b, a)).filter(|until| *until > now)
    }

    pub(crate) fn fate(
        &mut self,
        from: usize,
        to: usize,
        bytes: usize,
        now: Duration,
        noise: &Noise,
        rng: &mut ChaCha8Rng,
    ) -> Fate {
        let mut fate = Fate::default();
        if self.blocked.get(&(from, to)).is_some_and(|until| *until > now)
            || rng.random_bool(noise.loss)
        {
            fate.lost = true;
            return fate;
        }
        fate.duplicated = rng.random_bool(noise.duplication);
        for _ in 0..=usize::from(fate.duplicated) {
            // Without reordering every frame has the maximum delay, so that frames stay in order.
            let (least, most) = noise.delay;
            let mut delay = if noise.reorder { rng.random_range(least..=most) } else { most };
            if let Some(bytes_a_second) = noise.slow.filter(|_| (from + to).is_multiple_of(3)) {
                let busy = self.busy.entry((from, to)).or_default();
                *busy =
                    now.max(*busy) + Duration::from_secs_f64(bytes as f64 / bytes_a_second as f64);
                delay += *busy - now;
            }
            fate.delays.push(delay);
        }
        fate
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

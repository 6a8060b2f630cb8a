//! What two cities and dispatch tell each other when nobody interferes: real frames, and the order in which they come.

use std::collections::VecDeque;
use std::time::Duration;

use dispatch_node::dispatch::Dispatch;
use location_node::city::City;
use shared::id::{Incarnation, Origin};
use shared::message::Frame;
use shared::options::well_known_name;
use shared::wire::{self, Hello};

use crate::machine::{FIRST_LIFE, NAMES, Staged, asked};
use crate::told::Told;

/// How long they talk: rounds, a command, trouble and a death take their time.
const LASTS: Duration = Duration::from_secs(8);
/// Between two looks at who has something to do.
const STEP_MS: u16 = 100;
/// When what is asked of dispatch, in steps: create, assign, cut, heal, pause, go on, exchange, terminate, and look.
const ASKED: [(u32, u8, u8); 12] = [
    (12, 0, 0),
    (13, 0, 0),
    (15, 10, 0),
    (25, 1, 0),
    (30, 6, 1),
    (40, 7, 0),
    (45, 8, 0),
    (47, 8, 1),
    (50, 9, 1),
    (55, 3, 0),
    (60, 4, 1),
    (70, 10, 0),
];
/// How many frames of each kind are kept as seeds.
const OF_EACH_KIND: usize = 6;

/// A conversation, as it was heard.
#[derive(Debug, Default)]
pub struct Conversation {
    /// What gotham was told.
    pub told_gotham: Vec<Told>,
    /// What dispatch was told.
    pub told_dispatch: Vec<Told>,
    heard: Vec<Frame>,
}

/// A frame under way: from whom, to whom.
type UnderWay = (usize, usize, Frame);

impl Conversation {
    /// Gotham, metropolis and dispatch; the same one each time.
    ///
    /// # Panics
    /// When they do not talk.
    #[must_use]
    pub fn between_three() -> Self {
        let mut conversation = Self::default();
        let (mut gotham, mut metropolis, mut dispatch) = (Staged::city(0), Staged::city(1), Staged::dispatch());
        let mut under_way = VecDeque::new();
        let mut tell = |told: Told, to: usize, under_way: &mut VecDeque<UnderWay>| {
            conversation.tell(&mut gotham, &mut metropolis, &mut dispatch, told, to, under_way);
            while let Some((from, to, frame)) = under_way.pop_front() {
                let told = Told::Frame { from, readdressed: false, bytes: wire::encode(&frame) };
                conversation.heard.push(frame);
                conversation.tell(&mut gotham, &mut metropolis, &mut dispatch, told, to, under_way);
            }
        };
        for (one, other) in [(0, 1), (0, 3), (1, 3)] {
            tell(Told::Up(other, FIRST_LIFE), one, &mut under_way);
            tell(Told::Up(one, FIRST_LIFE), other, &mut under_way);
        }
        for step in 0..u32::try_from(LASTS.as_millis()).expect("seconds fit") / u32::from(STEP_MS) {
            for node in [0, 1, 3] {
                tell(Told::Later(STEP_MS), node, &mut under_way);
            }
            for (_, what, which) in ASKED.into_iter().filter(|(at, ..)| *at == step) {
                tell(Told::Asked(what, which), 3, &mut under_way);
            }
        }
        assert!(!conversation.heard.is_empty(), "nobody said anything");
        conversation
    }

    fn tell(
        &mut self,
        gotham: &mut Staged<City>,
        metropolis: &mut Staged<City>,
        dispatch: &mut Staged<Dispatch>,
        told: Told,
        to: usize,
        under_way: &mut VecDeque<UnderWay>,
    ) {
        let (sent, heard_by) = match to {
            0 => (gotham.tell(told.clone(), |_, _, _| None).0, Some(&mut self.told_gotham)),
            1 => (metropolis.tell(told.clone(), |_, _, _| None).0, None),
            _ => (dispatch.tell(told.clone(), |dispatch, what, which| Some(asked(dispatch, what, which))).0, Some(&mut self.told_dispatch)),
        };
        if let Some(story) = heard_by {
            story.push(told);
        }
        // Capitol is not there.
        let there = |name| NAMES.iter().position(|other| well_known_name(other) == name).filter(|index| *index != 2);
        under_way.extend(sent.into_iter().filter_map(|(name, frame)| Some((to, there(name)?, frame))));
    }

    /// Some frames of each kind, the longest first.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames: Vec<Vec<u8>> = self.heard.iter().map(wire::encode).collect();
        frames.sort_by_key(|bytes| std::cmp::Reverse(bytes.len()));
        frames.dedup();
        // The first byte tells the kind; of a round, the step follows its two ends, and so the length tells it well enough.
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for bytes in frames {
            let alike = |other: &&Vec<u8>| other[0] == bytes[0] && other.len() == bytes.len();
            if kept.iter().filter(alike).count() < OF_EACH_KIND {
                kept.push(bytes);
            }
        }
        kept
    }

    /// How a node introduces itself.
    #[must_use]
    pub fn hello() -> Hello {
        let node = Origin { node: well_known_name(NAMES[0]), incarnation: Incarnation(1_795_217_670_917) };
        Hello { node, joined: true, nonce: [7; 32] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_conversation_has_frames_of_every_kind() {
        let kinds: BTreeSet<u8> = Conversation::between_three().frames().iter().map(|bytes| bytes[0]).collect();
        // All but reports, which processes make and not machines.
        assert_eq!(kinds, (0..=5).collect());
    }
}

//! A city and dispatch, told anything in any order by peers who know the cookie.
//!
//! Claims, after each thing told: nothing panics; every frame that is sent is one that peers take, and within the limit of a link; a machine
//! that has done what was due waits for something to come. At the end: nothing covered is stamped beyond the accepted drift; what is held is
//! bounded by what was told.

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_node::dispatch::{self, Dispatch};
use dispatch_node::request::{Action, Request};
use location_node::city::{self, City};
use shared::fault::{Pace, Trouble};
use shared::hero::Location;
use shared::id::{HeroId, Incarnation, NodeName, Origin};
use shared::link::process::Node;
use shared::machine::{Input, LinkDown, Output};
use shared::message::Frame;
use shared::options::{well_known_cities, well_known_name};
use shared::replica;
use shared::time::{Now, UnixMillis};
use shared::wire::{self, FRAME_BYTES_MAX};

use crate::conversation::Conversation;
use crate::memory;
use crate::told::{self, Told};

/// Who is who in a story.
pub const NAMES: [&str; told::PEERS] = ["gotham", "metropolis", "capitol", "dispatch"];
/// When stories begin.
pub const BEGIN: Now = Now { mono: Duration::from_secs(1), wall: UnixMillis(1_795_217_670_000) };
/// The life of everybody whose story begins.
pub const FIRST_LIFE: u8 = 16;

/// How often a machine may be ticked before it waits: more, and it would keep its driver busy for ever.
const TICKS_MAX: usize = 64;
/// How many frames one thing told may cause: a window of chunks to each peer, and some words beside.
const FRAMES_MAX: usize = 64;
/// How much may be held for each thing told, each byte told, and whatever was told.
const HELD_PER_TOLD: usize = 16 * 1024;
const HELD_PER_BYTE: usize = 256;
const HELD_BESIDES: usize = 4 * 1024 * 1024;

/// A machine, its time, and who is linked to it.
#[derive(Debug)]
pub struct Staged<M> {
    machine: M,
    me: Origin,
    now: Now,
    links: BTreeMap<NodeName, Incarnation>,
    drift_max: Duration,
}

/// Of which node a story is.
fn named(index: usize) -> NodeName {
    well_known_name(NAMES[index])
}

/// The life of this number of a node.
fn life(number: u8) -> Incarnation {
    Incarnation(BEGIN.wall.0 - 2 * u64::from(FIRST_LIFE) + 2 * u64::from(number))
}

fn replica_config() -> replica::Config {
    replica::Config { members: NAMES.map(well_known_name).into(), ..replica::Config::default() }
}

impl Staged<City> {
    /// The city that is this one of [`NAMES`].
    #[must_use]
    pub fn city(index: usize) -> Self {
        let often = Some(Duration::from_secs(1));
        let config = city::Config { gossip_interval: often, patrol_interval: often, fight_interval: often, replica: replica_config() };
        Self::new(index, |me| City::new(me, config, 0, 7, BEGIN))
    }
}

impl Staged<Dispatch> {
    /// Dispatch.
    #[must_use]
    pub fn dispatch() -> Self {
        let often = Some(Duration::from_secs(1));
        let cities = well_known_cities();
        let config =
            dispatch::Config { cities, gossip_interval: often, poll_interval: often, events_max: 4_000, replica: replica_config() };
        Self::new(3, |me| Dispatch::new(me, config, 7, BEGIN))
    }
}

impl<M: Node> Staged<M> {
    fn new(index: usize, begin: impl FnOnce(Origin) -> M) -> Self {
        let me = Origin { node: named(index), incarnation: life(FIRST_LIFE) };
        Self { machine: begin(me), me, now: BEGIN, links: BTreeMap::new(), drift_max: replica::Config::default().drift_max }
    }

    /// Tells it something, as its driver would. What it says to whom, and what it reports.
    ///
    /// # Panics
    /// When a claim does not hold.
    pub fn tell(&mut self, told: Told, ask: impl FnOnce(&M, u8, u8) -> Option<M::Command>) -> (Vec<(NodeName, Frame)>, Vec<M::Event>) {
        match told {
            Told::Up(peer, number) if named(peer) != self.me.node => {
                let (peer, incarnation) = (named(peer), life(number));
                if self.links.insert(peer, incarnation).is_some() {
                    self.machine.handle(self.now, Input::LinkDown { peer, cause: LinkDown::Lost });
                }
                self.machine.handle(self.now, Input::LinkUp { peer, incarnation });
            }
            Told::Up(..) => {}
            Told::Down(peer) => self.lose(named(peer)),
            Told::Later(ms) => self.wait(Duration::from_millis(ms.into())),
            Told::Asked(what, which) => {
                if let Some(command) = ask(&self.machine, what, which) {
                    self.machine.handle(self.now, Input::Command(command));
                }
            }
            Told::Frame { from, readdressed, bytes } => self.hear(named(from), readdressed, &bytes),
        }
        self.drain()
    }

    fn lose(&mut self, peer: NodeName) {
        if self.links.remove(&peer).is_some() {
            self.machine.handle(self.now, Input::LinkDown { peer, cause: LinkDown::Silent });
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now.mono += span;
        self.now.wall.0 += u64::try_from(span.as_millis()).expect("a minute fits");
        for _ in 0..TICKS_MAX {
            if self.machine.deadline().is_none_or(|deadline| deadline > self.now.mono) {
                return;
            }
            self.machine.tick(self.now);
        }
        panic!("after {TICKS_MAX} ticks at one moment something is still due");
    }

    fn hear(&mut self, from: NodeName, readdressed: bool, bytes: &[u8]) {
        let Some(incarnation) = self.links.get(&from).copied() else { return };
        let Ok(mut frame) = wire::decode(bytes) else { return self.lose(from) };
        if let (true, Frame::Round(envelope)) = (readdressed, &mut frame) {
            (envelope.from, envelope.to) = (Origin { node: from, incarnation }, self.me);
        }
        match frame {
            // What concerns the process and not its machine.
            Frame::Control(_) => {}
            Frame::Round(_)
            | Frame::Command { .. }
            | Frame::Answer { .. }
            | Frame::Observe { .. }
            | Frame::Observation(_)
            | Frame::Report(_) => {
                self.machine.handle(self.now, Input::Frame { from, frame });
            }
        }
    }

    fn drain(&mut self) -> (Vec<(NodeName, Frame)>, Vec<M::Event>) {
        let (mut sent, mut events) = (Vec::new(), Vec::new());
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { to, frame } => {
                    let bytes = wire::encode(&frame);
                    assert!(bytes.len() <= FRAME_BYTES_MAX, "{} bytes are no frame", bytes.len());
                    assert_eq!(wire::decode(&bytes).as_ref(), Ok(&frame), "this is sent, and nobody takes it");
                    sent.push((to, frame));
                }
                Output::Event(event) => events.push(event),
            }
        }
        assert!(sent.len() <= FRAMES_MAX, "{} frames at once", sent.len());
        (sent, events)
    }

    /// Tells it a story to its end, or to that of this life.
    fn live_through(mut self, story: &[u8], ask: impl Fn(&M, u8, u8) -> Option<M::Command>, ends: impl Fn(&M::Event) -> bool) {
        let before = memory::held();
        let mut things = 0;
        for told in told::read(story) {
            things += 1;
            let (_, events) = self.tell(told, &ask);
            if events.iter().any(|event| ends(event) || matches!(M::replica_event(event), Some(replica::Event::Superseded { .. }))) {
                return;
            }
        }
        // A write that follows the last stamp of a millisecond takes the next one.
        let latest = self.now.wall.0 + 1 + u64::try_from(self.drift_max.as_millis()).expect("two seconds fit");
        for stamp in self.machine.replica().vector().iter() {
            assert!(stamp.hlc.wall.0 <= latest, "{stamp} is covered, and ahead of {latest}");
        }
        let held = memory::held().saturating_sub(before);
        let most = HELD_BESIDES + HELD_PER_TOLD * things + HELD_PER_BYTE * story.len();
        assert!(held <= most, "{held} bytes are held after {things} things told in {} bytes, more than {most}", story.len());
    }
}

/// Gotham, told a story.
///
/// # Panics
/// When a claim does not hold.
pub fn city(story: &[u8]) {
    Staged::city(0).live_through(story, |_, _, _| None, |event| matches!(event, city::Event::Bombed));
}

/// Dispatch, told a story.
///
/// # Panics
/// When a claim does not hold.
pub fn dispatch(story: &[u8]) {
    Staged::dispatch().live_through(story, |dispatch, what, which| Some(asked(dispatch, what, which)), |_| false);
}

/// Something that dispatch may be asked, by number.
#[must_use]
pub fn asked(dispatch: &Dispatch, what: u8, which: u8) -> Request {
    let number = usize::from(which);
    let hero = dispatch.replica().map().iter().nth(number / 4).map_or(HeroId(uuid::Uuid::nil()), |(hero, _)| hero);
    let city = named(number % 3);
    let verb = match what % 11 {
        0 => Action::Create { name: None },
        1 => Action::Assign { hero, to: Location::City(city) },
        2 => Action::Assign { hero, to: Location::Home },
        3 => Action::Terminate { hero },
        4 => Action::Bomb { city: Some(city) },
        5 => Action::Forget { city },
        6 => Action::Inject { trouble: Trouble::Cut, from: city, to: None, both: true, heal_after: Duration::from_secs(1) },
        7 => Action::Heal { fault: None },
        8 => Action::Gossip { pace: if number.is_multiple_of(2) { Pace::PAUSED } else { Pace::FREE } },
        9 => Action::Exchange { source: None, puller: Some(city) },
        _ => Action::View,
    };
    let key = (what >= 128).then(|| which.to_string());
    Request { ticket: u64::from(what) << 8 | u64::from(which), key, action: verb, trace: None }
}

/// What gotham is told in a real conversation, as a whole and by parts.
#[must_use]
pub fn city_seeds() -> Vec<Vec<u8>> {
    parts(&Conversation::between_three().told_gotham)
}

/// What dispatch is told in a real conversation, as a whole and by parts.
#[must_use]
pub fn dispatch_seeds() -> Vec<Vec<u8>> {
    parts(&Conversation::between_three().told_dispatch)
}

fn parts(story: &[Told]) -> Vec<Vec<u8>> {
    let beginning = &story[..story.len().min(8)];
    let mut parts: Vec<Vec<u8>> = story.chunks(24).map(|part| told::written(&[beginning, part].concat())).collect();
    parts.push(told::written(story));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_lead_somewhere() {
        let whole = |seeds: Vec<Vec<u8>>| seeds.last().cloned().expect("the whole story is the last seed");
        let (mut gotham, told_gotham) = (Staged::city(0), whole(city_seeds()));
        let merged = |event: &city::Event| matches!(event, city::Event::Replica(replica::Event::Committed { changed: 1.., .. }));
        let events = told::read(&told_gotham).flat_map(|told| gotham.tell(told, |_, _, _| None).1);
        assert!(events.filter(merged).count() > 0, "gotham heard of nothing");
        let (mut dispatch, told_dispatch) = (Staged::dispatch(), whole(dispatch_seeds()));
        let ask = |dispatch: &Dispatch, what, which| Some(asked(dispatch, what, which));
        let events = told::read(&told_dispatch).flat_map(|told| dispatch.tell(told, ask).1);
        let answers = events.filter(|event| matches!(event, dispatch::Event::Reply { .. })).count();
        assert!(answers > 5, "{answers} answers");
        for replica in [gotham.machine.replica(), dispatch.machine.replica()] {
            assert!(replica.joined() && replica.map().live() > 0 && replica.vector().len() > 1, "{:?}", replica.vector());
        }
    }
}

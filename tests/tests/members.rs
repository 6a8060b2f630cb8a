//! What one bad member can do: the test takes the place of capitol, with the cookie, and sends what a
//! member that follows the protocol never sends. Nothing is lost, and no link of others ends.

use std::collections::BTreeMap;

use cluster_tests::{Cluster, HANG_TIMEOUT, Heroes, Link, Options, incarnation_now, wait_until};
use gossip::fault::{Control, Pace, Setting};
use gossip::{
    Fingerprint, Hlc, Horizon, Incarnation, Origin, PullOptions, PullRequest, Stamp, Summary,
    UnixMillis, VersionVector,
};
use shared::hero::{Hero, HeroId};
use shared::message::Command;
use shared::{Batch, Changes, Entry, Envelope, Frame, Observation, Step, Value};

const HONEST: [&str; 2] = ["gotham", "metropolis"];

/// A link of the bad member to one node.
struct Member {
    me: Origin,
    link: Link,
}

/// A round in which the node pulls from the bad member.
struct Pulled {
    node: Origin,
    round: u64,
    summary: Summary,
    vector: Option<VersionVector>,
}

impl Member {
    fn link(cluster: &Cluster, node: &str) -> Self {
        let number = incarnation_now() & !1;
        let link = wait_until("capitol can link", HANG_TIMEOUT, || {
            Link::as_member(cluster.address(node), "capitol", number)
                .map_err(|disconnect| format!("{disconnect:?}"))
        });
        let incarnation = Incarnation::at(number);
        Self { me: Origin { node: "capitol".parse().expect("a name"), incarnation }, link }
    }

    /// Waits until the node pulls from here.
    fn pulled(&mut self) -> Pulled {
        let pulled = self.link.receive_frame(|frame| {
            let Frame::Round(Envelope { from, round, step: Step::Pull(request), .. }) = frame
            else {
                return None;
            };
            let PullRequest { summary, vector, .. } = request;
            Some(Pulled { node: from, round, summary, vector })
        });
        pulled.expect("the node keeps the link")
    }

    /// Waits until the node pulls from here with its vector.
    fn pulled_with_vector(&mut self) -> (Pulled, VersionVector) {
        loop {
            let pulled = self.pulled();
            match pulled.vector.clone() {
                Some(vector) => return (pulled, vector),
                None => self.step(&pulled, Step::Which),
            }
        }
    }

    fn step(&mut self, pulled: &Pulled, step: Step) {
        self.send_as(self.me, pulled.node, pulled.round, step);
    }

    fn send_as(&mut self, from: Origin, to: Origin, round: u64, step: Step) {
        self.link.send_frame(&Frame::Round(Envelope { from, to, round, step }));
    }

    /// Answers the next pull of the node with a round.
    fn serve(
        &mut self,
        entries: Vec<(HeroId, Entry)>,
        vector: VersionVector,
        horizon: Horizon,
        full: bool,
    ) {
        let pulled = self.pulled();
        let chunks = u32::from(!entries.is_empty());
        if chunks > 0 {
            let entries: Batch = entries.into_iter().collect();
            self.step(&pulled, Step::Chunk { serving: 1, number: 0, entries });
        }
        let end = Step::End { serving: 1, chunks, vector, horizon, full, joined: true };
        self.step(&pulled, end);
    }

    fn serve_vector(&mut self, vector: VersionVector) {
        self.serve(Vec::new(), vector, Horizon::new(), false);
    }

    fn pull(&mut self, from: Origin, to: Origin, round: u64, vector: VersionVector, full: bool) {
        let summary = Summary { vector: 0, fingerprint: Fingerprint::default() };
        let options = PullOptions { mutual: true, full };
        let request = PullRequest { summary, vector: Some(vector), options };
        self.send_as(from, to, round, Step::Pull(request));
    }
}

fn origin(node: &str, number: u64) -> Origin {
    Origin { node: node.parse().expect("a name"), incarnation: Incarnation::at(number) }
}

/// Returns a stamp of this origin, a minute old.
fn stamp(origin: Origin) -> Stamp {
    let wall = UnixMillis(incarnation_now() - 60_000);
    Stamp { hlc: Hlc { wall, logical: 0 }, origin }
}

fn slots(origins: impl IntoIterator<Item = Origin>) -> VersionVector {
    origins.into_iter().map(stamp).collect()
}

/// Returns a horizon with this vector as its collected part, and one with it as its closed part.
fn both_parts(vector: &VersionVector) -> [Horizon; 2] {
    let collected = Horizon { collected: vector.clone(), ..Horizon::new() };
    [collected, Horizon { closed: vector.clone(), ..Horizon::new() }]
}

fn mark(before: Origin) -> VersionVector {
    let mut vector = VersionVector::new();
    vector.close(before);
    vector
}

fn entry(number: u128, stamp: Stamp) -> (HeroId, Entry) {
    let hero = Hero::new(format!("Forged {number}").into());
    (HeroId::from_u128(number), Entry::written(Value::Live(hero), stamp, None))
}

/// A number of an incarnation in the far future, and the highest one.
fn future() -> [u64; 2] {
    [incarnation_now() + 86_400_000, u64::MAX]
}

type Attack = (&'static str, fn(&mut Member));

/// Rounds with origins that cannot exist.
const IMPOSSIBLE_ROUNDS: &[Attack] = &[
    ("slot in the future", |member| {
        for number in future() {
            member.serve_vector(slots([origin("metropolis", number)]));
        }
    }),
    ("mark in the future", |member| {
        for number in future() {
            member.serve_vector(mark(origin("metropolis", number)));
        }
    }),
    ("horizon in the future", |member| {
        let vector = mark(origin("metropolis", future()[0]));
        for horizon in both_parts(&vector) {
            member.serve(Vec::new(), vector.clone(), horizon, true);
        }
    }),
    ("obituary in the future", |member| {
        let obituary = Stamp { hlc: Hlc::default(), origin: origin("gotham", future()[1]) };
        member.serve_vector([obituary].into_iter().collect());
    }),
    ("entry of a future incarnation", |member| {
        let stamp = stamp(origin("metropolis", future()[0]));
        member.serve(vec![entry(1, stamp)], slots([member.me]), Horizon::new(), false);
    }),
    ("birth in a future incarnation", |member| {
        let (key, entry) = entry(2, stamp(member.me));
        let born = Stamp { origin: origin("gotham", future()[0]), ..stamp(member.me) };
        let entries = vec![(key, Entry { born, ..entry })];
        member.serve(entries, slots([member.me]), Horizon::new(), false);
    }),
    ("slots of invented names", |member| {
        let invented = (0..4_000).map(|number| origin(&format!("x{number}"), 2));
        member.serve_vector(slots(invented));
    }),
    ("marks of invented names", |member| {
        for number in 0..20 {
            member.serve_vector(mark(origin(&format!("y{number}"), 2)));
        }
    }),
    ("obituaries of invented names", |member| {
        let obituary =
            |number| Stamp { hlc: Hlc::default(), origin: origin(&format!("z{number}"), 3) };
        member.serve_vector((0..2_000).map(obituary).collect());
    }),
    ("slots of invented names with obituaries", |member| {
        for part in 0..4 {
            let names = (20 * part..20 * (part + 1)).map(|number| format!("w{number}"));
            let mut vector = VersionVector::new();
            for name in names {
                slots((0..600).map(|number| origin(&name, 2 * number))).iter().for_each(|slot| {
                    vector.advance(slot);
                });
                vector.advance(Stamp { hlc: Hlc::default(), origin: origin(&name, 9_999) });
            }
            member.serve_vector(vector);
        }
    }),
    ("entry of an invented writer", |member| {
        let stamp = stamp(origin("mallory", 2));
        member.serve(vec![entry(3, stamp)], slots([member.me]), Horizon::new(), false);
    }),
    ("write that has seen an invented writer", |member| {
        let (key, seen) = entry(4, stamp(origin("mallory", 2)));
        let write = Entry::written(seen.value.clone(), stamp(member.me), Some(&seen));
        let write = Entry { born: write.stamp, ..write };
        member.serve(vec![(key, write)], slots([member.me]), Horizon::new(), false);
    }),
    ("very many incarnations of one name", |member| {
        let began = incarnation_now() - 3_600_000;
        member.serve_vector(slots((0..5_000).map(|number| origin("gotham", began + number))));
    }),
];

/// Rounds that would take entries away.
const EMPTYING_ROUNDS: &[Attack] = &[
    ("full round without entries, with the victim's own vector", |member| {
        for _ in 0..3 {
            let (pulled, vector) = member.pulled_with_vector();
            let horizon = Horizon::new();
            let (serving, chunks, full, joined) = (1, 0, true, true);
            let end = Step::End { serving, chunks, vector, horizon, full, joined };
            member.step(&pulled, end);
        }
    }),
    ("equal vector and another map", |member| {
        for _ in 0..5 {
            let pulled = member.pulled();
            let fingerprint = Fingerprint::default();
            let summary = Summary { fingerprint, ..pulled.summary };
            member.step(&pulled, Step::Same { summary, joined: true });
            // The repair: a full round, answered without entries.
            let (repair, vector) = member.pulled_with_vector();
            let horizon = Horizon::new();
            let (serving, chunks, full, joined) = (1, 0, true, true);
            let end = Step::End { serving, chunks, vector, horizon, full, joined };
            member.step(&repair, end);
        }
    }),
    ("end without its chunks", |member| {
        let (pulled, vector) = member.pulled_with_vector();
        let horizon = Horizon::new();
        let end = Step::End { serving: 1, chunks: 9, vector, horizon, full: true, joined: true };
        member.step(&pulled, end);
    }),
    ("end that nobody has asked for", |member| {
        let (pulled, vector) = member.pulled_with_vector();
        for round in 0..50 {
            let horizon = Horizon::new();
            let (vector, full, joined) = (vector.clone(), true, true);
            let end = Step::End { serving: 1, chunks: 0, vector, horizon, full, joined };
            member.send_as(member.me, pulled.node, pulled.round + 1 + round, end);
        }
    }),
];

/// Frames in the name of others, and frames that only dispatch may send.
const FALSE_NAMES: &[Attack] = &[
    ("pulls under invented names", |member| {
        let node = member.pulled().node;
        for number in 0..2_000 {
            let from = origin(&format!("x{number}"), 2);
            member.pull(from, node, 1, VersionVector::new(), true);
        }
    }),
    ("pulls under the name of another member", |member| {
        let node = member.pulled().node;
        for number in 0..2_000 {
            let from = origin("metropolis", 2 * number);
            member.pull(from, node, 1, VersionVector::new(), true);
        }
    }),
    ("proof with invented names", |member| {
        let node = member.pulled().node;
        let invented = slots((0..4_000).map(|number| origin(&format!("x{number}"), 2)));
        member.pull(member.me, node, 7, invented, false);
    }),
    ("proof from the future", |member| {
        let node = member.pulled().node;
        member.pull(member.me, node, 8, slots([origin("gotham", future()[0])]), false);
    }),
    ("invitations to invented names", |member| {
        let node = member.pulled().node;
        for number in 0..2_000 {
            let source = origin(&format!("x{number}"), 2);
            member.send_as(member.me, node, 0, Step::Invite { source });
        }
    }),
    ("answers in the name of another member", |member| {
        let (pulled, vector) = member.pulled_with_vector();
        for round in 0..100 {
            let (vector, horizon) = (vector.clone(), Horizon::new());
            let (serving, chunks, full, joined) = (1, 0, true, true);
            let end = Step::End { serving, chunks, vector, horizon, full, joined };
            member.send_as(origin("metropolis", 2), pulled.node, round, end);
        }
    }),
    ("control frames", |member| {
        let pace = Setting { value: Pace::PAUSED, at: UnixMillis(u64::MAX), by: member.me.node };
        for control in [Control::Pace(pace), Control::Accept(UnixMillis(u64::MAX))] {
            member.link.send_frame(&Frame::Control(control));
        }
    }),
    ("commands", |member| {
        let expires = UnixMillis(incarnation_now() + 60_000);
        for command in [Command::Bomb, Command::Stop, Command::Kill] {
            member.link.send_frame(&Frame::Command { request: 1, expires, trace: None, command });
        }
    }),
];

/// Observations for dispatch.
const OBSERVATIONS: &[Attack] = &[
    ("observations that nobody has asked for", |member| {
        for number in 0..200 {
            member.link.send_frame(&observation(member.me, number, u64::MAX));
        }
    }),
    ("observation that never ends", |member| {
        for number in 0..50 {
            let asked = member.link.receive_frame(|frame| {
                if let Frame::Observe { since, .. } = frame { Some(since) } else { None }
            });
            let Ok(since) = asked else { return };
            let until = if number == 0 { 0 } else { since };
            member.link.send_frame(&observation(member.me, until, u64::MAX));
        }
    }),
    ("answers to commands that nobody has sent", |member| {
        for request in 0..200 {
            let result = Ok(shared::message::Done::Bombed);
            member.link.send_frame(&Frame::Answer { request, result });
        }
    }),
];

fn observation(me: Origin, since: u64, head: u64) -> Frame {
    let entries = (0..500).map(|number| entry(u128::from(since) * 1_000 + number, stamp(me)));
    let entries: Batch = entries.collect();
    let numbers = (since + 1..).take(entries.len()).collect();
    Frame::Observation(Observation {
        incarnation: me.incarnation,
        since,
        until: since + 500,
        head,
        wall: UnixMillis(incarnation_now()),
        reference: UnixMillis(incarnation_now()),
        removed: Vec::new(),
        changes: Changes { numbers, entries },
        pulls: Vec::new(),
        pulls_until: 0,
        gossip_interval: None,
        live: 1,
        tombstones: 0,
        fingerprint: Fingerprint::default(),
        vector: VersionVector::new(),
        crashes: 0,
        joined: true,
    })
}

/// Carries out the attacks on a node, one after the other, and checks after each that nothing was
/// lost, and that a new hero still reaches the other nodes.
fn assert_withstood(node: &str, attacks: &[Attack]) {
    assert_withstood_by(Options::default(), node, attacks);
}

fn assert_withstood_by(options: Options, node: &str, attacks: &[Attack]) {
    let mut cluster = Cluster::start(options);
    let mut heroes = Heroes::default();
    heroes.created(cluster.api.create(40));
    cluster.wait_until_held(&heroes, &["gotham", "metropolis", "capitol"]);
    let incarnations = |cluster: &Cluster| -> BTreeMap<_, _> {
        HONEST.map(|city| (city, cluster.node(city).incarnation)).into()
    };
    let before = incarnations(&cluster);
    cluster.kill9("capitol");
    for (name, attack) in attacks {
        println!("{node}: {name}");
        let mut member = Member::link(&cluster, node);
        attack(&mut member);
        // While the link of the bad member is still up.
        heroes.created([cluster.api.create_named(&format!("After {name}")).id]);
        cluster.wait_until_held(&heroes, &HONEST);
        assert_eq!(incarnations(&cluster), before, "{name}: no city has restarted");
        member.link.close();
        cluster.wait_ready(&["gotham", "metropolis", "dispatch"]);
    }
    cluster.start_again("capitol");
    cluster.wait_until_held(&heroes, &["gotham", "metropolis", "capitol"]);
    cluster.wait_converged();
}

#[test]
fn rounds_with_impossible_origins_change_nothing() {
    assert_withstood_by(Options::closed(), "gotham", IMPOSSIBLE_ROUNDS);
}

/// Where further nodes may become members, too.
#[test]
fn floods_of_invented_names_change_nothing() {
    let is_flood = |(name, _): &&Attack| name.contains("slots of") || name.contains("obituaries");
    let floods: Vec<Attack> = IMPOSSIBLE_ROUNDS.iter().filter(is_flood).copied().collect();
    assert_eq!(floods.len(), 3);
    assert_withstood("gotham", &floods);
}

#[test]
fn rounds_with_impossible_origins_change_nothing_at_dispatch() {
    assert_withstood_by(Options::closed(), "dispatch", IMPOSSIBLE_ROUNDS);
}

#[test]
fn emptying_rounds_remove_nothing() {
    assert_withstood("gotham", EMPTYING_ROUNDS);
    assert_withstood("dispatch", EMPTYING_ROUNDS);
}

#[test]
fn frames_in_the_name_of_others_change_nothing() {
    assert_withstood("gotham", FALSE_NAMES);
}

#[test]
fn false_observations_change_nothing() {
    assert_withstood("dispatch", OBSERVATIONS);
}

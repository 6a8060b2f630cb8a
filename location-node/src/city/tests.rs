//! Tests of the machine of a city: inputs in, outputs out.

use super::*;
use gossip::UnixMillis;
use gossip::fault::{LEASE, Setting};
use gossip::types::peers::GRACE;
use gossip::types::registers::Batch;
use gossip::types::request::{Request, RequestError};
use gossip::types::{TypeError, counter, names, registers};
use shared::Envelope;

const DISPATCH: &str = "dispatch";

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
}

fn id(number: u8) -> HeroId {
    HeroId::from_bytes([number; 16])
}

fn replica_config() -> replica::Config {
    replica::Config {
        members: ["gotham", "metropolis", "capitol", DISPATCH].map(name).into(),
        carriers: [name(DISPATCH)].into(),
        ..replica::Config::default()
    }
}

/// Returns gotham, joined and linked to dispatch, without gossip and with these intervals of
/// patrols and fights.
fn gotham(patrol: Option<Duration>, fight: Option<Duration>) -> City {
    let me = Origin { node: name("gotham"), incarnation: Incarnation::at(1) };
    let config = Config {
        gossip_interval: None,
        patrol_interval: patrol,
        fight_interval: fight,
        replica: replica_config(),
    };
    let mut city = City::new(me, config, 2, 7, at(0));
    city.tick(at(1_000));
    city.handle(at(1_000), Input::LinkUp { peer: name(DISPATCH), incarnation: Incarnation::at(5) });
    while city.poll().is_some() {}
    city
}

fn outputs(city: &mut City) -> (Vec<Frame>, Vec<Event>) {
    let (mut frames, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = city.poll() {
        match output {
            Output::Send { to, frame } => {
                assert_eq!(to, name(DISPATCH));
                frames.push(frame);
            }
            Output::Event(event) => events.push(event),
        }
    }
    (frames, events)
}

fn command(city: &mut City, now: Now, command: Command) -> (Result<Done, Refusal>, Vec<Event>) {
    let frame = Frame::Command {
        request: 9,
        expires: now.wall.plus(Duration::from_secs(1)),
        trace: None,
        command,
    };
    city.handle(now, Input::Frame { from: name(DISPATCH), frame });
    let (frames, events) = outputs(city);
    match frames.as_slice() {
        [Frame::Answer { request: 9, result }] => (result.clone(), events),
        other => panic!("expected one answer, got {other:?}"),
    }
}

/// Returns an entry of a hero written by dispatch.
fn copy(health: u8) -> Arc<Entry> {
    let origin = Origin { node: name(DISPATCH), incarnation: Incarnation::at(5) };
    let stamp = gossip::Stamp { hlc: gossip::Hlc { wall: at(0).wall, logical: 0 }, origin };
    Arc::new(Entry::written(
        Value::Live(Hero { health, ..Hero::new("Granite".into()) }),
        stamp,
        None,
    ))
}

fn assign(number: u8, copy: Option<Arc<Entry>>) -> Command {
    Command::Assign { hero: id(number), to: Location::City(name("gotham")), copy }
}

#[test]
fn unknown_hero_is_assigned_from_the_copy_in_the_command() {
    let mut city = gotham(None, None);
    assert_eq!(command(&mut city, at(1_100), assign(1, None)).0, Err(Refusal::UnknownAtCity));
    let (result, events) = command(&mut city, at(1_200), assign(1, Some(copy(50))));
    let Ok(Done::Assigned(entry)) = result else { panic!("{result:?}") };
    assert_eq!(events, [Event::Assigned { hero: id(1) }]);
    assert_eq!(
        entry.live().map(|hero| (hero.health, hero.location)),
        Some((70, Location::City(name("gotham"))))
    );
    assert!(
        entry.stamp.origin.node == name("gotham")
            && entry.stamp > copy(50).stamp
            && entry.had_seen(copy(50).stamp)
    );
    assert!(
        !city.replica().vector().covers(copy(50).stamp),
        "the copy itself was not received in a round and must not be covered"
    );
}

fn set(key: &str, value: &str) -> Command {
    let put = [(key.to_owned(), value.as_bytes().to_vec())].into();
    let batch = Batch { put, delete: [].into() };
    Command::Ask(Request::Write { table: "mottos".to_owned(), batch })
}

#[test]
fn type_is_changed_at_the_city_and_its_writes_are_answered() {
    let mut city = gotham(None, None);
    let (result, events) = command(&mut city, at(1_100), set("gotham", "Never sleeps"));
    let Ok(Done::Asked(writes)) = result else { panic!("{result:?}") };
    let [(key, entry)] = &writes[..] else { panic!("{writes:?}") };
    assert_eq!(entry.stamp.origin, city.replica().me());
    assert!(entry.is_valid(*key) && events.is_empty());
    let held = registers::get(city.replica().map().records(), "mottos", "gotham").unwrap();
    assert_eq!(held.value, b"Never sleeps");
    let refused = command(&mut city, at(1_200), set(&"x".repeat(10_000), "")).0;
    let name = RequestError::Type(TypeError::Name { bytes: 10_000 });
    assert_eq!(refused, Err(Refusal::Type(name)));
    // Deleting an absent key writes nothing.
    let batch = Batch { put: [].into(), delete: ["absent".to_owned()].into() };
    let absent = Command::Ask(Request::Write { table: "mottos".to_owned(), batch });
    assert_eq!(command(&mut city, at(1_300), absent).0, Ok(Done::Asked(vec![])));
}

#[test]
fn held_entry_is_used_instead_of_the_copy_in_the_command() {
    let mut city = gotham(None, None);
    command(&mut city, at(1_100), assign(1, Some(copy(10)))).0.unwrap();
    let Ok(Done::Assigned(entry)) = command(&mut city, at(1_200), assign(1, Some(copy(80)))).0
    else {
        panic!("not assigned")
    };
    assert_eq!(entry.live().map(|hero| hero.health), Some(50), "10 + 2 * 20");
}

#[test]
fn expired_command_is_refused_and_changes_nothing() {
    let mut city = gotham(None, None);
    let frame = Frame::Command {
        request: 1,
        expires: at(1_000).wall,
        trace: None,
        command: assign(1, Some(copy(50))),
    };
    city.handle(at(1_001), Input::Frame { from: name(DISPATCH), frame });
    assert_eq!(
        outputs(&mut city),
        (vec![Frame::Answer { request: 1, result: Err(Refusal::Expired) }], vec![])
    );
    assert_eq!(city.replica().map().live(), 0);
}

#[test]
fn deleted_hero_is_not_assigned() {
    let mut city = gotham(None, None);
    let over = copy(50);
    city.replica.write_over(at(1_100), id(1), Value::Tombstone, Some(&over)).unwrap();
    assert_eq!(command(&mut city, at(1_200), assign(1, Some(over))).0, Err(Refusal::Deleted));
}

#[test]
fn assignment_is_refused_before_the_city_has_joined() {
    let me = Origin { node: name("gotham"), incarnation: Incarnation::at(1) };
    let config = Config {
        gossip_interval: None,
        patrol_interval: None,
        fight_interval: None,
        replica: replica_config(),
    };
    let mut city = City::new(me, config, 0, 7, at(0));
    assert_eq!(command(&mut city, at(100), assign(1, Some(copy(50)))).0, Err(Refusal::Joining));
}

#[test]
fn bomb_is_answered_before_the_crash() {
    let mut city = gotham(None, None);
    assert_eq!(
        command(&mut city, at(1_100), Command::Bomb),
        (Ok(Done::Bombed), vec![Event::Bombed])
    );
}

#[test]
fn end_of_the_process_is_answered_before_it_and_expires() {
    for (ending, at_once) in [(Command::Stop, false), (Command::Kill, true)] {
        let mut city = gotham(None, None);
        assert_eq!(
            command(&mut city, at(1_100), ending.clone()),
            (Ok(Done::Ending), vec![Event::Ended { at_once }])
        );
        // As after a process was stopped by SIGSTOP, and continues.
        let frame =
            Frame::Command { request: 1, expires: at(1_200).wall, trace: None, command: ending };
        city.handle(at(1_201), Input::Frame { from: name(DISPATCH), frame });
        assert_eq!(
            outputs(&mut city),
            (vec![Frame::Answer { request: 1, result: Err(Refusal::Expired) }], vec![])
        );
    }
}

#[test]
fn hero_patrols_then_fights_until_it_falls_for_good() {
    let second = Some(Duration::from_secs(1));
    let mut city = gotham(second, second);
    command(&mut city, at(1_100), assign(1, Some(copy(100)))).0.unwrap();
    let mut healths = Vec::new();
    let (mut patrols, mut fights) = (0, 0);
    for millis in (1_200..60_000).step_by(100) {
        city.tick(at(millis));
        for event in outputs(&mut city).1 {
            match event {
                Event::Patrols { .. } => patrols += 1,
                Event::Fought { damage, .. } => {
                    assert!(DAMAGE.contains(&damage));
                    fights += 1;
                }
                // The villain arrived at the first tick, and stays.
                Event::VillainArrived { .. }
                | Event::Bombed
                | Event::Ended { .. }
                | Event::Assigned { .. }
                | Event::Answered(_)
                | Event::Replica(_) => panic!("{event:?}"),
            }
        }
        healths.extend(city.replica().map().get(id(1)).unwrap().live().map(|hero| hero.health));
    }
    assert_eq!(patrols, 1, "a patrolling hero stays on patrol");
    assert!((7..=20).contains(&fights), "{fights} fights for 100 points at 5 to 15 each");
    assert!(
        names::find(city.replica().map().records(), city.replica().vector(), VILLAIN).is_some()
    );
    let counted = counter::read(city.replica().map().records(), FIGHTS).unwrap();
    assert_eq!(counted.share(name("gotham")), fights);
    assert!(healths.windows(2).all(|pair| pair[1] <= pair[0]));
    assert!(city.replica().map().get(id(1)).unwrap().is_tombstone());
}

/// Two cities with gossip and fights, which pass their frames to each other while they are linked.
struct Pair {
    cities: [City; 2],
    is_linked: bool,
}

impl Pair {
    fn new() -> Self {
        let second = Some(Duration::from_secs(1));
        let config = Config {
            gossip_interval: second,
            patrol_interval: None,
            fight_interval: second,
            replica: replica::Config {
                members: ["gotham", "metropolis"].map(name).into(),
                ..replica::Config::default()
            },
        };
        let city = |text| {
            let me = Origin { node: name(text), incarnation: Incarnation::at(1) };
            City::new(me, config.clone(), 0, 7, at(0))
        };
        Self { cities: ["gotham", "metropolis"].map(city), is_linked: false }
    }

    fn link(&mut self, now: Now, is_linked: bool) {
        self.is_linked = is_linked;
        for (city, peer) in self.cities.iter_mut().zip(["metropolis", "gotham"].map(name)) {
            city.handle(
                now,
                if is_linked {
                    Input::LinkUp { peer, incarnation: Incarnation::at(1) }
                } else {
                    Input::LinkDown { peer, cause: gossip::LinkDown::Lost }
                },
            );
        }
    }

    /// Advances time. Returns the number of villains that have arrived.
    fn run(&mut self, millis: std::ops::Range<u64>) -> usize {
        let mut arrived = 0;
        for now in millis.step_by(50).map(at) {
            self.cities.iter_mut().for_each(|city| city.tick(now));
            while let Some((from, output)) = self.next_output() {
                match output {
                    Output::Send { frame, .. } if self.is_linked => {
                        let mut others = self.cities.iter_mut();
                        let to = others.find(|city| city.replica().me().node != from).unwrap();
                        to.handle(now, Input::Frame { from, frame });
                    }
                    Output::Event(Event::VillainArrived { .. }) => arrived += 1,
                    Output::Send { .. } | Output::Event(_) => {}
                }
            }
        }
        arrived
    }

    fn next_output(&mut self) -> Option<(NodeName, Output<Event>)> {
        let mut outputs =
            self.cities.iter_mut().map(|city| (city.replica().me().node, city.poll()));
        outputs.find_map(|(node, output)| Some((node, output?)))
    }

    fn owners(&self) -> [Option<NodeName>; 2] {
        self.cities.each_ref().map(|city| {
            let (records, vector) = (city.replica().map().records(), city.replica().vector());
            names::find(records, vector, VILLAIN).map(|held| held.owner.node)
        })
    }
}

#[test]
fn villain_is_one_for_linked_cities_and_replaced_when_its_city_is_out_of_reach() {
    let mut pair = Pair::new();
    pair.link(at(0), true);
    let first = pair.run(0..10_000);
    let [at_gotham, at_metropolis] = pair.owners();
    assert!(first >= 1 && at_gotham.is_some() && at_gotham == at_metropolis);
    assert_eq!(pair.run(10_000..20_000), 0, "it stays");
    pair.link(at(20_000), false);
    assert_eq!(pair.run(20_000..22_900), 0, "the link may be back soon");
    let alone = pair.run(22_900..30_000);
    assert_eq!(alone, 1, "the other city has a villain of its own");
    let [at_gotham, at_metropolis] = pair.owners();
    assert_ne!(at_gotham, at_metropolis);
    pair.link(at(30_000), true);
    assert_eq!(pair.run(30_000..40_000), 0);
    let [at_gotham, at_metropolis] = pair.owners();
    assert_eq!(at_gotham, at_metropolis, "the later one stays");
}

#[test]
fn observe_is_answered_once_soon_after_a_change_or_in_a_second() {
    let mut city = gotham(None, None);
    let observe = |city: &mut City, now, since| {
        city.handle(
            now,
            Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since, pulls: 0 } },
        )
    };
    observe(&mut city, at(1_100), 0);
    assert!(
        matches!(outputs(&mut city).0[..], [Frame::Observation(Observation { until: 0, .. })]),
        "a new observer is answered immediately"
    );
    observe(&mut city, at(1_101), 0);
    assert_eq!(outputs(&mut city).0, [], "no change yet");
    assert_eq!(city.deadline(), Some(at(2_101).mono));
    command_and_observation(&mut city, at(1_200), 1);
    // At its end, nodes that were not linked yet stop counting as reachable.
    assert_eq!(city.deadline(), Some(GRACE), "no timer and no open request");

    city.handle(
        at(1_210),
        Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 1, pulls: 0 } },
    );
    city.tick(at(2_210));
    assert!(matches!(
        outputs(&mut city).0[..],
        [Frame::Observation(Observation { since: 1, until: 1, crashes: 2, .. })]
    ));
    city.tick(at(9_000));
    assert_eq!(outputs(&mut city).0, [], "one answer per request");
    assert_eq!(city.deadline(), None);
}

/// Assigns hero 1; expects the answer and an observation of the change.
fn command_and_observation(city: &mut City, now: Now, expected_change: u64) {
    let frame = Frame::Command {
        request: 9,
        expires: now.wall,
        trace: None,
        command: assign(1, Some(copy(50))),
    };
    city.handle(now, Input::Frame { from: name(DISPATCH), frame });
    match &outputs(city).0[..] {
        [Frame::Answer { .. }, Frame::Observation(observation)] => {
            assert_eq!(
                (observation.until, observation.live, observation.changes.numbers.len()),
                (expected_change, 1, 1)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn burst_of_changes_is_one_observation() {
    let mut city = gotham(None, None);
    city.handle(
        at(1_050),
        Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 0, pulls: 0 } },
    );
    outputs(&mut city);
    city.handle(
        at(1_100),
        Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 0, pulls: 0 } },
    );
    command_and_observation(&mut city, at(1_200), 1);
    city.handle(
        at(1_201),
        Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 1, pulls: 0 } },
    );
    for number in 2..6 {
        command(&mut city, at(1_210), assign(number, Some(copy(50)))).0.unwrap();
    }
    city.tick(at(1_300));
    assert!(
        matches!(&outputs(&mut city).0[..], [Frame::Observation(observation)] if observation.changes.numbers.len() == 4)
    );
}

#[test]
fn observation_fits_into_a_frame_for_the_longest_names() {
    let mut city = gotham(None, None);
    let name: shared::hero::HeroName = "\u{1f9b8}".repeat(shared::hero::HERO_NAME_CHARS_MAX).into();
    for number in 0..2_000_u128 {
        let id = HeroId::from_u128(number);
        city.replica.write(at(1_100), id, Value::Live(Hero::new(name.clone()))).unwrap();
    }
    let (mut since, mut seen) = (0, 0);
    while since < 2_000 {
        city.handle(
            at(1_200),
            Input::Frame { from: self::name(DISPATCH), frame: Frame::Observe { since, pulls: 0 } },
        );
        let frames = outputs(&mut city).0;
        let [Frame::Observation(observation)] = &frames[..] else {
            panic!("expected one observation without a pause: {frames:?}")
        };
        assert!(gossip::wire::encode(&frames[0]).len() < gossip::wire::FRAME_BYTES_MAX / 2);
        (since, seen) = (observation.until, seen + observation.changes.numbers.len());
    }
    assert_eq!(seen, 2_000);
}

#[test]
fn observe_of_another_incarnation_is_answered_from_the_start() {
    let mut city = gotham(None, None);
    command(&mut city, at(1_100), assign(1, Some(copy(50)))).0.unwrap();
    city.handle(
        at(1_200),
        Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 4_711, pulls: 0 } },
    );
    assert!(matches!(
        &outputs(&mut city).0[..],
        [Frame::Observation(Observation { since: 0, until: 1, .. })]
    ));
}

#[test]
fn city_gossips_only_with_linked_peers() {
    let me = Origin { node: name("gotham"), incarnation: Incarnation::at(1) };
    let config = Config {
        gossip_interval: Some(Duration::from_secs(1)),
        patrol_interval: None,
        fight_interval: None,
        replica: replica_config(),
    };
    let mut city = City::new(me, config, 0, 7, at(0));
    for millis in (0..5_000).step_by(100) {
        city.tick(at(millis));
    }
    assert_eq!(outputs(&mut city).0, []);
    city.handle(at(5_000), Input::LinkUp { peer: name(DISPATCH), incarnation: Incarnation::at(5) });
    city.tick(at(6_100));
    assert!(
        matches!(&outputs(&mut city).0[..], [Frame::Round(Envelope { to, .. })] if to.node == name(DISPATCH))
    );
}

#[test]
fn observation_reports_new_pulls_with_relative_times() {
    let mut city = gotham(None, None);
    let peer = Origin { node: name("capitol"), incarnation: Incarnation::at(4) };
    city.handle(at(1_100), Input::LinkUp { peer: peer.node, incarnation: peer.incarnation });
    city.replica.pull(at(1_100), peer, peer.node, false);
    city.tick(at(4_100));
    while city.poll().is_some() {}
    let mut observed = |pulls| {
        city.handle(
            at(4_300),
            Input::LinkDown { peer: name(DISPATCH), cause: gossip::LinkDown::Lost },
        );
        city.handle(
            at(4_300),
            Input::Frame { from: name(DISPATCH), frame: Frame::Observe { since: 0, pulls } },
        );
        match &outputs(&mut city).0[..] {
            [Frame::Observation(observation)] => {
                (observation.pulls.clone(), observation.pulls_until)
            }
            other => panic!("{other:?}"),
        }
    };
    let (ms, outcome) = (Duration::from_millis, gossip::PullOutcome::Unanswered);
    assert_eq!(
        observed(0),
        (vec![Pulled { source: peer.node, asked_ago: ms(3_200), ended_ago: ms(200), outcome }], 1)
    );
    assert_eq!(observed(1), (vec![], 1));
}

fn quiet(city: &mut City, now: Now, value: bool) {
    let set = Setting { value, at: now.wall, by: name(DISPATCH) };
    city.handle(now, Input::Quiet(set));
}

/// Advances time in steps that are shorter than the intervals. Returns the events.
fn run(city: &mut City, millis: std::ops::Range<u64>) -> Vec<Event> {
    millis.step_by(50).for_each(|now| city.tick(at(now)));
    outputs(city).1
}

#[test]
fn quiet_city_neither_patrols_nor_fights_and_executes_commands() {
    let second = Some(Duration::from_secs(1));
    let mut city = gotham(second, second);
    quiet(&mut city, at(1_000), true);
    let (result, _) = command(&mut city, at(1_100), assign(1, Some(copy(50))));
    assert!(matches!(result, Ok(Done::Assigned(_))), "{result:?}");
    let before = city.replica().map().changes();
    for renewed in (2_000..10_000).step_by(1_000) {
        quiet(&mut city, at(renewed), true);
        assert_eq!(run(&mut city, renewed..renewed + 1_000), []);
    }
    assert_eq!(city.replica().map().changes(), before, "neither the hero nor a villain changed");
    quiet(&mut city, at(10_000), false);
    let events = run(&mut city, 10_000..13_000);
    assert!(events.contains(&Event::Patrols { hero: id(1) }), "{events:?}");
}

#[test]
fn quiet_ends_with_its_lease_without_dispatch() {
    let second = Some(Duration::from_secs(1));
    let mut city = gotham(second, second);
    let (result, _) = command(&mut city, at(1_100), assign(1, Some(copy(50))));
    assert!(result.is_ok(), "{result:?}");
    quiet(&mut city, at(1_200), true);
    let ends = at(1_200).mono + LEASE;
    let peer = name(DISPATCH);
    city.handle(at(1_300), Input::LinkDown { peer, cause: gossip::LinkDown::Lost });
    let ends_ms = u64::try_from(ends.as_millis()).unwrap();
    assert_eq!(run(&mut city, 1_300..ends_ms), []);
    assert!(!run(&mut city, ends_ms..ends_ms + 3_000).is_empty(), "patrols go on");
}

//! Tests of the dispatch machine: inputs in, outputs out.

use std::collections::BTreeSet;

use super::*;
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::request::{
    AcceptStamps, Action, Ask, Assign, Bomb, CREATE_MAX, Create, CreateMany, Forget, Heal, Inject,
    Outcome, ReadView, Reply, Request, SetPace, SetQuiet, Terminate, TerminateMany, Written,
};
use gossip::fault::{Control, Fault, FaultKind, Frames, InForce, Pace, Report, Setting};
use gossip::types;
use gossip::{
    Fingerprint, Hlc, Incarnation, LinkDown, PullOptions, PullRequest, Pulled, Stamp, Summary,
    UnixMillis, VersionVector,
};
use shared::hero::{Hero, HeroId, Location};
use shared::message::{Command, Done, Refusal};
use shared::{Change, Entry, Envelope, Observation, Step, Value};

const EVENTS_MAX: usize = 100;
const CITIES: [&str; 3] = ["gotham", "metropolis", "capitol"];

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn at(millis: u64) -> Now {
    Now::new(Duration::from_millis(millis), UnixMillis(1_790_000_000_000 + millis))
}

/// A joined dispatch without timers, linked to these cities, which hold nothing.
fn dispatch(linked: &[&str]) -> Dispatch {
    let mut dispatch = with_timers(linked, None, None);
    answer_questions(&mut dispatch, at(1_000), linked);
    outputs(&mut dispatch);
    dispatch
}

/// These cities answer the open questions for their state: they hold nothing.
fn answer_questions(dispatch: &mut Dispatch, now: Now, cities: &[&str]) {
    for city in cities {
        let frame = Frame::Observation(observation(0, vec![]));
        dispatch.handle(now, Input::Frame { from: name(city), frame });
    }
}

fn with_timers(
    linked: &[&str],
    gossip_interval: Option<Duration>,
    poll_interval: Option<Duration>,
) -> Dispatch {
    in_incarnation(1, linked, gossip_interval, poll_interval)
}

fn in_incarnation(
    incarnation: u64,
    linked: &[&str],
    gossip_interval: Option<Duration>,
    poll_interval: Option<Duration>,
) -> Dispatch {
    let me = Origin { node: name("dispatch"), incarnation: Incarnation::at(incarnation) };
    let members = CITIES.map(name).into_iter().chain([me.node]).collect();
    let replica = replica::Config { members, ..replica::Config::default() };
    let config = Config {
        cities: CITIES.map(name).to_vec(),
        gossip_interval,
        poll_interval,
        events_max: EVENTS_MAX,
        replica,
    };
    let mut dispatch = Dispatch::new(me, config, 7, at(0));
    dispatch.tick(at(1_000));
    for city in linked {
        dispatch
            .handle(at(1_000), Input::LinkUp { peer: name(city), incarnation: Incarnation::at(1) });
    }
    outputs(&mut dispatch);
    dispatch
}

/// The sent frames, observation apart, and the replies.
fn outputs(dispatch: &mut Dispatch) -> (Vec<(NodeName, Frame)>, Vec<Outcome>) {
    let (mut sent, mut answers) = (Vec::new(), Vec::new());
    while let Some(output) = dispatch.poll() {
        match output {
            Output::Send { frame: Frame::Observe { .. }, .. } => {}
            Output::Send { to, frame } => sent.push((to, frame)),
            Output::Event(Event::Reply { reply: answer, .. }) => answers.push(answer),
            Output::Event(_) => {}
        }
    }
    (sent, answers)
}

fn ask(
    dispatch: &mut Dispatch,
    now: Now,
    action: impl Into<Action>,
) -> (Vec<(NodeName, Frame)>, Vec<Outcome>) {
    let request = Request { ticket: 1, action: action.into(), trace: None };
    dispatch.handle(now, Input::Command(request.into()));
    outputs(dispatch)
}

fn create(dispatch: &mut Dispatch, now: Now) -> HeroId {
    match ask(dispatch, now, Create { name: None }).1.as_slice() {
        [Ok(Reply::Created(created))] => created[0].hero,
        other => panic!("{other:?}"),
    }
}

fn refusal(answers: &[Outcome]) -> &RequestError {
    match answers {
        [Err(refusal)] => refusal,
        other => panic!("expected one refusal, got {other:?}"),
    }
}

fn to(city: &str) -> Location {
    Location::City(name(city))
}

fn view(dispatch: &mut Dispatch, now: Now) -> Arc<View> {
    match ask(dispatch, now, ReadView).1.as_slice() {
        [Ok(Reply::View(view))] => Arc::clone(view),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unlinked_city_is_not_waited_for() {
    let mut dispatch = dispatch(&["capitol"]);
    let hero = create(&mut dispatch, at(1_100));
    let (sent, answers) = ask(&mut dispatch, at(1_200), Assign { hero, to: to("gotham") });
    assert_eq!(refusal(&answers), &RequestError::NoAnswer { city: name("gotham") });
    assert!(sent.is_empty());
}

#[test]
fn command_times_out_after_it_has_expired_at_the_city() {
    let mut dispatch = dispatch(&["gotham"]);
    let hero = create(&mut dispatch, at(1_100));
    let (sent, answers) = ask(&mut dispatch, at(1_200), Assign { hero, to: to("gotham") });
    assert!(answers.is_empty());
    let Some((_, Frame::Command { request, expires, .. })) = sent.first() else {
        panic!("{sent:?}")
    };
    dispatch.tick(at(2_899));
    assert!(outputs(&mut dispatch).1.is_empty());
    dispatch.tick(at(2_900));
    assert_eq!(refusal(&outputs(&mut dispatch).1), &RequestError::Unknown { city: name("gotham") });
    assert!(*expires < at(2_900).wall, "by then the city no longer executes it");
    // A late answer changes nothing.
    let result = Err(Refusal::Expired);
    dispatch.handle(
        at(3_000),
        Input::Frame { from: name("gotham"), frame: Frame::Answer { request: *request, result } },
    );
    assert!(outputs(&mut dispatch).1.is_empty());
}

#[test]
fn change_of_a_type_is_sent_to_its_city_and_answered() {
    let mut dispatch = dispatch(&["gotham"]);
    let request = types::request::Request::Add { counter: "visits".to_owned(), amount: 1 };
    let change = |city: &str| Ask { city: name(city), request: request.clone() };
    let answers = ask(&mut dispatch, at(1_100), change("capitol")).1;
    assert_eq!(refusal(&answers), &RequestError::NoAnswer { city: name("capitol") });
    let overflow = types::request::RequestError::Counter(types::counter::CounterError::Overflow);
    for (result, expected) in [
        (Ok(Done::Asked(vec![])), Ok(())),
        (Err(Refusal::Type(overflow.clone())), Err(RequestError::Type(overflow))),
        (Ok(Done::Bombed), Err(RequestError::Unknown { city: name("gotham") })),
    ] {
        let (sent, answers) = ask(&mut dispatch, at(1_200), change("gotham"));
        assert!(answers.is_empty());
        let Some((to, Frame::Command { request: number, command, .. })) = sent.first() else {
            panic!("{sent:?}")
        };
        assert_eq!((*to, command), (name("gotham"), &Command::Ask(request.clone())));
        let frame = Frame::Answer { request: *number, result };
        dispatch.handle(at(1_300), Input::Frame { from: name("gotham"), frame });
        let answers = outputs(&mut dispatch).1;
        let changed = answers.into_iter().next().expect("one answer").map(|reply| {
            assert!(matches!(reply, Reply::Changed(())), "{reply:?}");
        });
        assert_eq!(changed, expected);
    }
}

#[test]
fn lost_link_answers_pending_commands_at_once() {
    let mut dispatch = dispatch(&["gotham"]);
    let hero = create(&mut dispatch, at(1_100));
    ask(&mut dispatch, at(1_200), Assign { hero, to: to("gotham") });
    dispatch.handle(at(1_300), Input::LinkDown { peer: name("gotham"), cause: LinkDown::Lost });
    assert_eq!(refusal(&outputs(&mut dispatch).1), &RequestError::Unknown { city: name("gotham") });
}

#[test]
fn bomb_without_answer_has_hit_if_the_incarnation_changed() {
    let bomb = Bomb { city: Some(name("gotham")) };
    let lost = |dispatch: &mut Dispatch| {
        ask(dispatch, at(1_200), bomb.clone());
        dispatch.handle(at(1_300), Input::LinkDown { peer: name("gotham"), cause: LinkDown::Lost });
        assert!(outputs(dispatch).1.is_empty());
    };
    for (incarnation, hit) in [(2, true), (1, false)] {
        let mut dispatch = dispatch(&CITIES);
        lost(&mut dispatch);
        dispatch.handle(
            at(1_400),
            Input::LinkUp { peer: name("gotham"), incarnation: Incarnation::at(incarnation) },
        );
        let answers = outputs(&mut dispatch).1;
        assert_eq!(matches!(answers[..], [Ok(Reply::Bombed(_))]), hit, "{answers:?}");
        dispatch.tick(at(3_000));
        let answers = outputs(&mut dispatch).1;
        assert_eq!(matches!(answers[..], [Err(RequestError::Unknown { .. })]), !hit, "{answers:?}");
    }
}

#[test]
fn end_of_incarnation_answers_pending_commands() {
    let mut dispatch = dispatch(&CITIES);
    let hero = create(&mut dispatch, at(1_100));
    for action in [
        Action::from(Bomb { city: Some(name("gotham")) }),
        Assign { hero, to: to("capitol") }.into(),
    ] {
        ask(&mut dispatch, at(1_200), action);
    }
    dispatch.handle(
        at(1_300),
        Input::Refused { peer: name("metropolis"), running: Incarnation::at(9) },
    );
    let answers = outputs(&mut dispatch).1;
    assert!(
        matches!(
            answers[..],
            [Err(RequestError::Unknown { .. }), Err(RequestError::Unknown { .. })]
        ),
        "{answers:?}"
    );
}

#[test]
fn terminated_and_unknown_heroes_are_distinguished() {
    let mut dispatch = dispatch(&CITIES);
    let hero = create(&mut dispatch, at(1_100));
    assert!(matches!(
        ask(&mut dispatch, at(1_200), Terminate { hero }).1[..],
        [Ok(Reply::Terminated(_))]
    ));
    for action in [
        Action::from(Terminate { hero }),
        Assign { hero, to: to("gotham") }.into(),
        Assign { hero, to: Location::Home }.into(),
    ] {
        assert_eq!(refusal(&ask(&mut dispatch, at(1_300), action).1), &RequestError::Deleted(hero));
    }
    let unknown = HeroId::MIN;
    for action in [
        Action::from(Terminate { hero: unknown }),
        Assign { hero: unknown, to: to("gotham") }.into(),
    ] {
        assert_eq!(
            refusal(&ask(&mut dispatch, at(1_300), action).1),
            &RequestError::UnknownHero(unknown)
        );
    }
}

#[test]
fn sending_a_hero_home_needs_no_city() {
    let mut dispatch = dispatch(&[]);
    let hero = create(&mut dispatch, at(1_100));
    let (sent, answers) = ask(&mut dispatch, at(1_200), Assign { hero, to: Location::Home });
    assert!(sent.is_empty());
    assert!(matches!(
        &answers[..],
        [Ok(Reply::Assigned(Written { hero: id, entry }))]
            if *id == hero && entry.live().unwrap().location == Location::Home
    ));
}

#[test]
fn joining_dispatch_creates_nothing() {
    let me = Origin { node: name("dispatch"), incarnation: Incarnation::at(1) };
    let config = Config {
        cities: CITIES.map(name).to_vec(),
        gossip_interval: None,
        poll_interval: None,
        events_max: EVENTS_MAX,
        replica: replica::Config::default(),
    };
    let mut dispatch = Dispatch::new(me, config, 7, at(0));
    let answers = ask(&mut dispatch, at(10), CreateMany { count: 3 }).1;
    assert_eq!(refusal(&answers), &RequestError::Joining { node: name("dispatch") });
    assert!(view(&mut dispatch, at(20)).rows.is_empty());
}

#[test]
fn incarnations_with_one_seed_create_different_heroes() {
    let create = |incarnation| match &ask(
        &mut in_incarnation(incarnation, &[], None, None),
        at(1_100),
        CreateMany { count: 100 },
    )
    .1[..]
    {
        [Ok(Reply::Created(created))] => {
            created.iter().map(|written| written.hero).collect::<BTreeSet<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(create(1), create(1), "a seed repeats the choices of an incarnation");
    assert!(create(1).is_disjoint(&create(2)));
}

#[test]
fn view_claims_nothing_before_the_first_observation() {
    let mut dispatch = with_timers(&CITIES, None, None);
    let view = view(&mut dispatch, at(1_001));
    assert!(!view.status.converged);
    assert_eq!(view.status.sentence, "No city has been read yet.");
}

#[test]
fn second_command_has_seen_the_first() {
    let mut dispatch = dispatch(&CITIES);
    let hero = create(&mut dispatch, at(1_100));
    let own = Arc::new(dispatch.replica.map().get(hero).unwrap());
    let (sent, _) = ask(&mut dispatch, at(1_200), Assign { hero, to: to("gotham") });
    let Some((_, Frame::Command { request, .. })) = sent.first() else { panic!("{sent:?}") };
    let origin = Origin { node: name("gotham"), incarnation: Incarnation::at(1) };
    // Gotham was bombed a moment ago: its clock runs ahead, within the accepted drift.
    let stamp = Stamp { hlc: Hlc { wall: at(3_100).wall, logical: 1 }, origin };
    let written = Arc::new(Entry::written(
        Value::Live(own.live().unwrap().assigned(to("gotham"))),
        stamp,
        Some(&own),
    ));
    let frame =
        Frame::Answer { request: *request, result: Ok(Done::Assigned(Arc::clone(&written))) };
    dispatch.handle(at(1_210), Input::Frame { from: name("gotham"), frame });
    outputs(&mut dispatch);
    let answers = ask(&mut dispatch, at(1_220), Assign { hero, to: Location::Home }).1;
    let [Ok(Reply::Assigned(Written { entry: home, .. }))] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert!(home.had_seen(written.stamp) && home.beats(&written));
}

#[test]
fn command_expires_by_the_clock_of_its_city() {
    let mut dispatch = dispatch(&["gotham"]);
    let hero = create(&mut dispatch, at(1_100));
    let ahead = Observation { wall: at(2_600).wall, ..observation(0, vec![]) };
    dispatch
        .handle(at(1_100), Input::Frame { from: name("gotham"), frame: Frame::Observation(ahead) });
    let (sent, _) = ask(&mut dispatch, at(1_200), Assign { hero, to: to("gotham") });
    assert!(
        matches!(sent[..], [(_, Frame::Command { expires, .. })] if expires == at(3_700).wall),
        "{sent:?}"
    );
}

#[test]
fn bomb_without_a_city_hits_one_that_answers() {
    let mut dispatch = dispatch(&["metropolis"]);
    for _ in 0..10 {
        let (sent, _) = ask(&mut dispatch, at(1_100), Bomb { city: None });
        assert!(matches!(
            &sent[..],
            [(city, Frame::Command { command: Command::Bomb, .. })]
                if *city == name("metropolis")
        ));
    }
    let mut alone = self::dispatch(&[]);
    assert_eq!(refusal(&ask(&mut alone, at(1_100), Bomb { city: None }).1), &RequestError::NoCity);
}

#[test]
fn carried_rounds_join_all_pairs_of_different_cities() {
    let mut dispatch = with_timers(&CITIES, Some(Duration::from_secs(1)), None);
    let mut pairs = BTreeSet::new();
    for millis in (1_000..200_000).step_by(500) {
        dispatch.tick(at(millis));
        for (to, frame) in outputs(&mut dispatch).0 {
            let Frame::Round(Envelope { to: puller, step: Step::Invite { source }, .. }) = frame
            else {
                panic!("{frame:?}")
            };
            assert_eq!(to, puller.node);
            pairs.insert((source.node, puller.node));
        }
    }
    assert_eq!(pairs.len(), 6, "all ordered pairs of three cities: {pairs:?}");
    assert!(pairs.iter().all(|(source, puller)| source != puller));
}

#[test]
fn step_is_carried_only_from_its_author_to_a_linked_incarnation() {
    let mut dispatch = dispatch(&CITIES);
    let origin = |city: &str, incarnation| Origin {
        node: name(city),
        incarnation: Incarnation::at(incarnation),
    };
    let summary = Summary { vector: 1, fingerprint: Fingerprint::default() };
    let step = Step::Pull(PullRequest {
        summary,
        vector: None,
        options: PullOptions { mutual: false, full: false },
    });
    let envelope = |from, to| Envelope { from, to, round: 3, step: step.clone() };
    let mut carried = |from: &str, envelope: Envelope| {
        dispatch.handle(
            at(1_100),
            Input::Frame { from: name(from), frame: Frame::Round(envelope.clone()) },
        );
        outputs(&mut dispatch).0 == [(envelope.to.node, Frame::Round(envelope))]
    };
    assert!(carried("gotham", envelope(origin("gotham", 1), origin("capitol", 1))));
    assert!(
        !carried("gotham", envelope(origin("metropolis", 1), origin("capitol", 1))),
        "not its author"
    );
    assert!(
        !carried("gotham", envelope(origin("gotham", 1), origin("capitol", 9))),
        "another incarnation"
    );
    assert!(
        !carried("gotham", envelope(origin("gotham", 1), origin("smallville", 1))),
        "unknown node"
    );
}

fn observation(since: u64, entries: Vec<(HeroId, Arc<Entry>)>) -> Observation {
    Observation {
        incarnation: Incarnation::at(1),
        since,
        until: since + entries.len() as u64,
        wall: at(1_100).wall,
        reference: at(1_100).wall,
        head: since + entries.len() as u64,
        live: entries.len() as u64,
        changes: (since + 1..)
            .zip(entries)
            .map(|(number, (key, entry))| Change { number, key, entry })
            .collect(),
        pulls: Vec::new(),
        pulls_until: 0,
        gossip_interval: None,
        tombstones: 0,
        fingerprint: Fingerprint::default(),
        vector: VersionVector::new(),
        removed: Vec::new(),
        crashes: 0,
        joined: true,
    }
}

fn foreign(city: &str) -> Arc<Entry> {
    let origin = Origin { node: name(city), incarnation: Incarnation::at(1) };
    let stamp = Stamp { hlc: Hlc { wall: at(500).wall, logical: 0 }, origin };
    Arc::new(Entry::written(
        Value::Live(Hero { location: to(city), ..Hero::new("Granite".into()) }),
        stamp,
        None,
    ))
}

#[test]
fn observed_entries_are_shown_and_never_merged() {
    let mut dispatch = dispatch(&CITIES);
    let hero = HeroId::from_bytes([1; 16]);
    let seen = observation(0, vec![(hero, foreign("gotham"))]);
    dispatch
        .handle(at(1_100), Input::Frame { from: name("gotham"), frame: Frame::Observation(seen) });
    let view = view(&mut dispatch, at(1_200));
    assert_eq!(
        view.rows.iter().next().unwrap().cells.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(
        (view.rows.iter().next().unwrap().own.is_none(), dispatch.replica().map().live()),
        (true, 0)
    );
    assert_eq!(view.status.only_copies, 1);
}

#[test]
fn bombed_city_is_shown_empty_and_an_unreachable_one_unchanged() {
    let mut dispatch = dispatch(&CITIES);
    let hero = HeroId::from_bytes([1; 16]);
    dispatch.replica.write(at(1_050), hero, Value::Live(Hero::new("Granite".into()))).unwrap();
    for city in CITIES {
        let fingerprint = dispatch.replica().map().fingerprint();
        let seen = Observation { fingerprint, ..observation(0, vec![(hero, foreign("gotham"))]) };
        dispatch
            .handle(at(1_100), Input::Frame { from: name(city), frame: Frame::Observation(seen) });
    }
    dispatch.handle(at(1_200), Input::LinkDown { peer: name("gotham"), cause: LinkDown::Lost });
    dispatch
        .handle(at(1_210), Input::LinkDown { peer: name("capitol"), cause: LinkDown::TimedOut });
    dispatch
        .handle(at(1_250), Input::LinkUp { peer: name("gotham"), incarnation: Incarnation::at(2) });
    let mut shown = None;
    while let Some(output) = dispatch.poll() {
        if let Output::Event(Event::View(view)) = output {
            shown = Some(view);
        }
    }
    let view = shown.expect("a view at once, before the city can recover");
    assert_eq!(
        (view.cities[0].heroes, view.cities[0].recovering, view.cities[0].status),
        (0, true, NodeStatus::Up)
    );
    assert_eq!(
        (view.cities[2].heroes, view.cities[2].recovering, view.cities[2].status),
        (1, false, NodeStatus::Unreachable)
    );
    assert_eq!(
        view.rows.iter().next().unwrap().cells.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true]
    );
}

#[test]
fn many_changes_take_steps_but_acknowledged_writes_show_at_once() {
    const MANY: u8 = 250;
    let mut dispatch = dispatch(&["gotham", "metropolis", "capitol"]);
    // More than FEW: gotham reports 17 * MANY heroes.
    let heroes = (0..17 * u64::from(MANY))
        .map(|number| (HeroId::from_u128(u128::from(number + 1) << 64), foreign("gotham")))
        .collect();
    dispatch.handle(
        at(1_100),
        Input::Frame { from: name("gotham"), frame: Frame::Observation(observation(0, heroes)) },
    );
    // A reader does not wait for them.
    let seen = view(&mut dispatch, at(1_110));
    assert_eq!((seen.rows.len(), dispatch.refresh.is_behind()), (refresh_queue::STEP, true));
    assert!(
        dispatch.deadline().is_some_and(|at| at <= Duration::from_millis(1_110)),
        "the rest is due at once"
    );
    let Ok(Reply::Created(created)) =
        &ask(&mut dispatch, at(1_120), CreateMany { count: MANY.into() }).1[0]
    else {
        panic!("not created")
    };
    let seen = view(&mut dispatch, at(1_120));
    assert!(
        created.iter().all(|written| seen.rows.get(written.hero).is_some()),
        "the next reader sees acknowledged writes"
    );
    let mut steps = 0;
    while dispatch.refresh.is_behind() {
        dispatch.tick(at(1_130));
        steps += 1;
        assert!(steps < 100, "the steps end");
    }
    assert_eq!(view(&mut dispatch, at(1_140)).rows.len(), 18 * usize::from(MANY));
    assert!(steps > 1);
}

/// Regression test: with a million heroes, the next reader refreshed all heroes created since the
/// last read, which took six seconds.
#[test]
fn creator_of_many_heroes_waits_for_them_not_the_next_reader() {
    let mut dispatch = dispatch(&CITIES);
    let Ok(Reply::Created(created)) =
        &ask(&mut dispatch, at(1_100), CreateMany { count: CREATE_MAX }).1[0]
    else {
        panic!("not created")
    };
    assert_eq!(dispatch.refresh.written_len(), refresh_queue::FEW);
    let seen = view(&mut dispatch, at(1_110));
    let is_shown = |id: &HeroId, entry: &Entry| {
        seen.rows.get(*id).is_some_and(|row| Some(&row.name) == entry.live().map(|hero| &hero.name))
    };
    assert!(
        created.len() > refresh_queue::FEW
            && created.iter().all(|Written { hero, entry }| is_shown(hero, entry))
    );
    assert!(dispatch.refresh.is_behind(), "their arrivals are processed in steps");
}

#[test]
fn partial_observation_is_shown_when_complete() {
    let mut dispatch = dispatch(&["gotham"]);
    let entries: Vec<_> =
        (1..4).map(|number| (HeroId::from_bytes([number; 16]), foreign("gotham"))).collect();
    let parts = [
        Observation { head: 3, live: 3, ..observation(0, entries[..2].to_vec()) },
        Observation { live: 3, ..observation(2, entries[2..].to_vec()) },
    ];
    let mut shown = Vec::new();
    for part in parts {
        dispatch.handle(
            at(1_100),
            Input::Frame { from: name("gotham"), frame: Frame::Observation(part) },
        );
        let view = view(&mut dispatch, at(1_200));
        shown.push((view.rows.len(), view.cities[0].heroes));
    }
    assert_eq!(shown, [(0, 0), (3, 3)]);
}

#[test]
fn observation_of_an_ended_incarnation_is_ignored() {
    let mut dispatch = dispatch(&["gotham"]);
    dispatch.handle(at(1_100), Input::LinkDown { peer: name("gotham"), cause: LinkDown::Lost });
    dispatch
        .handle(at(1_100), Input::LinkUp { peer: name("gotham"), incarnation: Incarnation::at(2) });
    let late = observation(0, vec![(HeroId::from_bytes([1; 16]), foreign("gotham"))]);
    dispatch
        .handle(at(1_200), Input::Frame { from: name("gotham"), frame: Frame::Observation(late) });
    assert_eq!(view(&mut dispatch, at(1_300)).cities[0].heroes, 0);
}

#[test]
fn overdue_observation_is_requested_again() {
    let mut dispatch = dispatch(&["gotham"]);
    let mut asked = 0;
    for millis in (1_000..8_000).step_by(250) {
        dispatch.tick(at(millis));
        while let Some(output) = dispatch.poll() {
            asked +=
                usize::from(matches!(output, Output::Send { frame: Frame::Observe { .. }, .. }));
        }
    }
    assert_eq!(asked, 2, "one every three seconds");
}

#[test]
fn views_are_published_four_times_a_second_during_changes_only() {
    let mut dispatch = dispatch(&CITIES);
    let views = |dispatch: &mut Dispatch, from: u64, changing: bool| {
        let mut views = 0;
        for millis in (from..from + 2_000).step_by(10) {
            if changing {
                dispatch.handle(
                    at(millis),
                    Input::Command(
                        Request { ticket: 1, action: Create { name: None }.into(), trace: None }
                            .into(),
                    ),
                );
            }
            dispatch.tick(at(millis));
            while let Some(output) = dispatch.poll() {
                views += usize::from(matches!(output, Output::Event(Event::View(_))));
            }
        }
        views
    };
    assert!((7..=9).contains(&views(&mut dispatch, 2_000, true)));
    answer_questions(&mut dispatch, at(4_000), &CITIES);
    views(&mut dispatch, 4_000, false);
    // The cities answer without changes within a second.
    answer_questions(&mut dispatch, at(6_000), &CITIES);
    assert_eq!(views(&mut dispatch, 6_000, false), 0);
}

#[test]
fn answer_and_following_observation_appear_in_one_view() {
    let mut dispatch = dispatch(&CITIES);
    let hero = create(&mut dispatch, at(2_000));
    let shown = |dispatch: &mut Dispatch| -> Vec<Arc<View>> {
        std::iter::from_fn(|| dispatch.poll())
            .filter_map(|output| {
                if let Output::Event(Event::View(view)) = output { Some(view) } else { None }
            })
            .collect()
    };
    dispatch.tick(at(3_000));
    shown(&mut dispatch);

    let (sent, _) = ask(&mut dispatch, at(3_900), Assign { hero, to: to("gotham") });
    let Some((_, Frame::Command { request, .. })) = sent.first() else { panic!("{sent:?}") };
    let (request, written) = (*request, foreign("gotham"));
    let result = Ok(Done::Assigned(Arc::clone(&written)));
    dispatch.handle(
        at(3_901),
        Input::Frame { from: name("gotham"), frame: Frame::Answer { request, result } },
    );
    dispatch.tick(at(3_901));
    let observed = Frame::Observation(observation(0, vec![(hero, written)]));
    // The city sent another observation just before the command arrived, so it pauses first.
    dispatch.handle(at(3_920), Input::Frame { from: name("gotham"), frame: observed });
    dispatch.tick(at(3_925));
    assert!(shown(&mut dispatch).is_empty());
    assert_eq!(dispatch.deadline(), Some(Duration::from_millis(3_926)));
    dispatch.tick(at(3_926));
    let views = shown(&mut dispatch);
    assert_eq!(views.len(), 1);
    assert!(views[0].events.iter().any(|event| event.kind == EventKind::Assigned));
    assert!(
        views[0].rows.get(hero).is_some_and(|row| row.cells[0].is_some()),
        "gotham's own copy is in the same view"
    );
}

#[test]
fn event_log_is_bounded() {
    let mut dispatch = dispatch(&CITIES);
    for _ in 0..EVENTS_MAX + 10 {
        create(&mut dispatch, at(1_100));
    }
    let view = view(&mut dispatch, at(1_200));
    assert_eq!(view.events.len(), EVENTS_MAX);
    assert!(
        view.events
            .iter()
            .zip(view.events.iter().skip(1))
            .all(|(one, next)| next.number == one.number + 1)
    );
}

#[test]
fn only_an_unlinked_city_can_be_forgotten() {
    let mut dispatch = dispatch(&CITIES[..2]);
    let linked = Forget { city: CITIES[0].parse().unwrap() };
    assert!(matches!(
        refusal(&ask(&mut dispatch, at(1_100), linked).1),
        RequestError::StillUp { .. }
    ));
    let unlinked: NodeName = CITIES[2].parse().unwrap();
    assert!(matches!(
        ask(&mut dispatch, at(1_100), Forget { city: unlinked }).1[..],
        [Ok(Reply::Forgotten(city))] if city == unlinked
    ));
    assert!(dispatch.replica().is_forgotten(unlinked));
}

fn inject(kind: FaultKind, from: &str, to: Option<&str>, both: bool, heal_after_ms: u64) -> Inject {
    Inject {
        kind,
        from: name(from),
        to: to.map(name),
        both,
        heal_after: Duration::from_millis(heal_after_ms),
    }
}

/// Returns the faults that these frames inject, with their receivers.
fn injected(sent: &[(NodeName, Frame)]) -> Vec<(NodeName, Fault)> {
    let fault = |(to, frame): &(NodeName, Frame)| {
        if let Frame::Control(Control::Inject { fault, .. }) = frame {
            Some((*to, *fault))
        } else {
            None
        }
    };
    sent.iter().filter_map(fault).collect()
}

#[test]
fn fault_that_expires_before_all_reports_counts_as_injected() {
    let mut dispatch = dispatch(&CITIES);
    let (sent, answers) =
        ask(&mut dispatch, at(2_000), inject(FaultKind::Cut, "gotham", Some("capitol"), true, 500));
    let [(_, fault), ..] = injected(&sent)[..] else { panic!("{sent:?}") };
    assert!(answers.is_empty(), "no node has reported");
    let frames = gossip::fault::Frames::default();
    let in_force = gossip::fault::InForce { fault, remaining: Duration::from_millis(400), frames };
    let report = gossip::fault::Report {
        faults: vec![in_force],
        healed: Vec::new(),
        wall: at(2_100).wall,
        clock_step_ms: 0,
    };
    let report = Input::Frame { from: name("gotham"), frame: Frame::Report(report) };
    dispatch.handle(at(2_100), report);
    assert!(outputs(&mut dispatch).1.is_empty(), "capitol has not reported");
    // The fault expires, and capitol has still not reported.
    dispatch.tick(at(2_500));
    dispatch.tick(at(3_700));
    let answers = outputs(&mut dispatch).1;
    let [Ok(Reply::Injected(view))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(
        (view.fault, view.heal_after, view.remaining, view.at.as_slice()),
        (fault, Duration::from_millis(500), Duration::ZERO, &[name("gotham")][..])
    );
}

#[test]
fn injection_is_withdrawn_when_the_link_of_its_only_node_is_lost() {
    let mut dispatch = dispatch(&CITIES);
    assert!(
        ask(
            &mut dispatch,
            at(2_000),
            inject(FaultKind::Cut, "gotham", Some("capitol"), false, 9_000)
        )
        .1
        .is_empty()
    );
    dispatch.handle(at(2_100), Input::LinkDown { peer: name("gotham"), cause: LinkDown::Lost });
    let answers = outputs(&mut dispatch).1;
    assert_eq!(refusal(&answers), &RequestError::NotInForce { nodes: vec![name("gotham")] });
    assert_eq!(dispatch.view(at(2_200)).faults, []);
}

#[test]
fn incarnations_with_one_seed_use_different_fault_ids() {
    let fault = |incarnation| {
        let mut dispatch = in_incarnation(incarnation, &CITIES, None, None);
        injected(
            &ask(&mut dispatch, at(2_000), inject(FaultKind::Cut, "gotham", None, true, 9_000)).0,
        )[0]
        .1
        .id
    };
    assert_ne!(fault(1), fault(2));
}

#[test]
fn command_carries_no_copy_across_a_cut_in_either_direction() {
    for (from, cut_to) in [("dispatch", "gotham"), ("gotham", "dispatch")] {
        let mut dispatch = dispatch(&CITIES);
        let hero = create(&mut dispatch, at(1_100));
        ask(&mut dispatch, at(2_000), inject(FaultKind::Cut, from, Some(cut_to), false, 9_000));
        let (sent, _) = ask(&mut dispatch, at(2_100), Assign { hero, to: to("gotham") });
        let copies: Vec<bool> = sent
            .iter()
            .filter_map(|(_, frame)| {
                if let Frame::Command { command: Command::Assign { copy, .. }, .. } = frame {
                    Some(copy.is_some())
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(copies, [false], "from {from} to {cut_to}");
    }
}

#[test]
fn heal_thaws_a_city_that_has_not_reported_its_freeze() {
    let mut dispatch = dispatch(&CITIES);
    let (sent, _) =
        ask(&mut dispatch, at(2_000), inject(FaultKind::Freeze, "gotham", None, false, 9_000));
    // All nodes list it, since the frozen one cannot.
    let told = injected(&sent);
    let [(_, freeze), ..] = told[..] else { panic!("{sent:?}") };
    assert_eq!(told.len(), 4, "{sent:?}");
    let thawed = |dispatch: &mut Dispatch| {
        let outputs = std::iter::from_fn(|| dispatch.poll());
        outputs
            .filter(|output| {
                matches!(
                    output,
                    Output::Event(Event::Thaw(node, id))
                        if (*node, *id) == (name("gotham"), freeze.id)
                )
            })
            .count()
    };
    dispatch.handle(
        at(2_010),
        Input::Command(
            Request { ticket: 2, action: Heal { fault: None }.into(), trace: None }.into(),
        ),
    );
    assert_eq!(thawed(&mut dispatch), 1);
    // A report sent before the freeze arrives late.
    let faults = vec![InForce {
        fault: freeze,
        remaining: Duration::from_secs(9),
        frames: Frames::default(),
    }];
    let report = Frame::Report(Report {
        faults,
        healed: Vec::new(),
        wall: at(2_050).wall,
        clock_step_ms: 0,
    });
    dispatch.handle(at(2_050), Input::Frame { from: name("gotham"), frame: report });
    assert_eq!(thawed(&mut dispatch), 1);
}

#[test]
fn pull_reported_by_two_answers_is_counted_once() {
    let mut dispatch = dispatch(&CITIES);
    let outcome = gossip::PullOutcome::Same;
    let pull = |ago| Pulled {
        source: name("capitol"),
        asked_ago: Duration::from_millis(ago),
        ended_ago: Duration::from_millis(ago),
        outcome: outcome.clone(),
    };
    // An overdue question was asked again, and in the end both were answered.
    let mut report = |now, pulls: Vec<Pulled>| {
        let observation =
            Observation { pulls_until: pulls.len() as u64, pulls, ..observation(0, vec![]) };
        dispatch.handle(
            now,
            Input::Frame { from: name("gotham"), frame: Frame::Observation(observation) },
        );
        dispatch.view(now).history.seconds().map(|second| second.pulls.len()).sum::<usize>()
    };
    assert_eq!(report(at(2_000), vec![pull(100)]), 1);
    assert_eq!(report(at(2_100), vec![pull(200), pull(50)]), 2);
}

#[test]
fn accepted_stamps_are_sent_to_all_nodes_and_to_those_that_connect_later() {
    let mut dispatch = dispatch(&["gotham", "metropolis"]);
    let accepts = |sent: &[(NodeName, Frame)]| -> Vec<(String, u64)> {
        let accepted = |frame: &Frame| {
            if let Frame::Control(Control::Accept(until)) = frame { Some(until.0) } else { None }
        };
        sent.iter().filter_map(|(to, frame)| Some((to.to_string(), accepted(frame)?))).collect()
    };
    let until = at(2_000).wall.0 + 3_600_000;
    let request = AcceptStamps { ahead: Duration::from_secs(3_600) };
    let (sent, answers) = ask(&mut dispatch, at(2_000), request);
    let nodes = ["gotham", "metropolis", "dispatch"];
    assert_eq!(accepts(&sent), nodes.map(|node| (node.to_owned(), until)));
    let [Ok(Reply::Accepted(acceptance))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((acceptance.until.0, &acceptance.nodes[..]), (until, &nodes.map(name)[..]));
    let connect = |dispatch: &mut Dispatch, now| {
        let link_up = Input::LinkUp { peer: name("capitol"), incarnation: Incarnation::at(1) };
        dispatch.handle(now, link_up);
        accepts(&outputs(dispatch).0)
    };
    assert_eq!(connect(&mut dispatch, at(9_000)), [("capitol".to_owned(), until)]);
    assert_eq!(connect(&mut dispatch, at(3_700_000)), [], "every clock reads that time");
}

#[test]
fn city_that_does_not_answer_questions_is_not_up() {
    let mut dispatch = dispatch(&CITIES);
    let status = |dispatch: &mut Dispatch, now| {
        let view = view(dispatch, now);
        view.cities[0].status
    };
    assert_eq!(status(&mut dispatch, at(3_900)), NodeStatus::Up);
    dispatch.tick(at(4_000));
    assert_eq!(status(&mut dispatch, at(4_010)), NodeStatus::Unreachable, "linked, but silent");
    let answer = Frame::Observation(observation(0, vec![]));
    dispatch.handle(at(5_000), Input::Frame { from: name("gotham"), frame: answer });
    assert_eq!(status(&mut dispatch, at(5_010)), NodeStatus::Up);
    // Dispatch itself was stopped for a minute: the answer may be waiting for it.
    dispatch.tick(at(65_000));
    assert_eq!(status(&mut dispatch, at(65_010)), NodeStatus::Up);
}

/// The quiet settings among these frames, with their receivers.
fn quiets(sent: &[(NodeName, Frame)]) -> Vec<(String, bool)> {
    let quiet = |(to, frame): &(NodeName, Frame)| {
        let Frame::Control(Control::Quiet(set)) = frame else { return None };
        Some((to.to_string(), set.value))
    };
    sent.iter().filter_map(quiet).collect()
}

fn quiet_events(view: &View) -> Vec<String> {
    let events = view.events.iter().filter(|event| event.kind == EventKind::Quiet);
    events.map(|event| event.text.clone()).collect()
}

#[test]
fn quiet_is_sent_to_each_linked_node_and_renewed_until_it_ends() {
    let mut dispatch = dispatch(&["gotham"]);
    let (sent, answers) = ask(&mut dispatch, at(1_100), SetQuiet { quiet: true });
    assert!(matches!(answers[..], [Ok(Reply::QuietSet(true))]), "{answers:?}");
    assert_eq!(quiets(&sent), [("gotham".to_owned(), true)]);
    // A pause is another setting.
    ask(&mut dispatch, at(1_200), SetPace { pace: Pace::PAUSED });
    ask(&mut dispatch, at(1_300), SetPace { pace: Pace::FREE });
    assert!(view(&mut dispatch, at(1_400)).quiet);
    dispatch.tick(at(2_100));
    assert_eq!(quiets(&outputs(&mut dispatch).0), [("gotham".to_owned(), true)], "renewed");
    let capitol = Input::LinkUp { peer: name("capitol"), incarnation: Incarnation::at(1) };
    dispatch.handle(at(2_200), capitol);
    assert_eq!(
        quiets(&outputs(&mut dispatch).0),
        [("capitol".to_owned(), true)],
        "sent to a new link"
    );
    ask(&mut dispatch, at(2_300), SetQuiet { quiet: true });
    ask(&mut dispatch, at(2_400), SetQuiet { quiet: false });
    let view = view(&mut dispatch, at(2_500));
    assert!(!view.quiet);
    assert_eq!(quiet_events(&view).len(), 2, "one event each way");
    dispatch.tick(at(9_000));
    assert_eq!(quiets(&outputs(&mut dispatch).0), []);
}

#[test]
fn quiet_of_another_dispatch_is_taken_over_until_its_lease_ends() {
    let mut dispatch = dispatch(&["gotham"]);
    let other =
        |at: Now, value| Input::Quiet(Setting { value, at: at.wall, by: name("dispatch-2") });
    dispatch.handle(at(1_100), other(at(1_100), true));
    assert!(view(&mut dispatch, at(1_200)).quiet);
    dispatch.tick(at(4_000));
    assert!(view(&mut dispatch, at(4_000)).quiet && quiets(&outputs(&mut dispatch).0).is_empty());
    dispatch.tick(at(4_100));
    assert!(!view(&mut dispatch, at(4_100)).quiet);
    // The setting of this one is later, which the other one has not heard of.
    let (sent, _) = ask(&mut dispatch, at(4_200), SetQuiet { quiet: false });
    assert_eq!(quiets(&sent), [("gotham".to_owned(), false)]);
    dispatch.handle(at(4_300), other(at(1_100), true));
    assert_eq!(
        quiets(&outputs(&mut dispatch).0),
        [("gotham".to_owned(), false)],
        "announced again"
    );
    assert!(!view(&mut dispatch, at(4_400)).quiet);
}

#[test]
fn heroes_are_terminated_together_with_one_event() {
    let mut dispatch = dispatch(&["gotham"]);
    let heroes: Vec<HeroId> =
        (0..4).map(|number| create(&mut dispatch, at(1_100 + number))).collect();
    ask(&mut dispatch, at(1_200), Terminate { hero: heroes[0] });
    let mut all = heroes.clone();
    all.push(HeroId::MIN);
    let (_, answers) = ask(&mut dispatch, at(1_300), TerminateMany { heroes: all.clone() });
    let [Ok(Reply::TerminatedMany(outcome))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(outcome.terminated, 3, "one was terminated before");
    assert_eq!(outcome.refused, [(HeroId::MIN, RequestError::UnknownHero(HeroId::MIN))]);
    assert_eq!(dispatch.replica().map().live(), 0);
    let view = view(&mut dispatch, at(1_400));
    let last = view.events.last().expect("an event");
    assert_eq!(
        (last.kind, last.text.as_str()),
        (EventKind::Terminated, "3 superheroes were terminated")
    );
    let (_, answers) = ask(&mut dispatch, at(1_500), TerminateMany { heroes });
    assert!(
        matches!(&answers[..], [Ok(Reply::TerminatedMany(outcome))] if outcome.terminated == 0),
        "{answers:?}"
    );
}

//! The bytes of this application's protocol frames.

use std::num::{NonZeroU64, NonZeroU128};
use std::time::Duration;

use gossip::fault::{Control, Fault, FaultId, FaultKind, Frames, InForce, Pace, Report, Setting};
use gossip::types::request::Request;
use gossip::wire::{Hello, PROTOCOL_VERSION, Welcome, decode, encode};
use gossip::{
    Call, Fingerprint, Hlc, Horizon, Incarnation, Origin, Publication, PullOptions, PullRequest,
    Refusal, Return, Stamp, Summary, TraceContext, UnixMillis, VersionVector,
};
use shared::hero::{Hero, HeroId};
use shared::message::{Command, Done};
use shared::{Entry, Envelope, Frame, Step, Value};

fn hello() -> Hello {
    Hello {
        cluster: "superhero".parse().expect("a valid name"),
        node: Origin {
            node: "gotham".parse().expect("a valid name"),
            incarnation: Incarnation::at(1_795_217_670_917),
        },
        joined: true,
        advertised: None,
        nonce: [7; 32],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Golden bytes of the protocol version. If they change, [`PROTOCOL_VERSION`] must change too,
/// since other builds of the version could not read them.
#[test]
fn version_14_has_these_bytes() {
    assert_eq!(PROTOCOL_VERSION, 14);
    assert_eq!(
        hex(&hello().encode()),
        format!(
            "534843310e000973757065726865726f06676f7468616d01a1fb4fc305000000000000000000000100{}",
            "07".repeat(32)
        )
    );
    let welcome = Welcome { proof: [9; 32], running_elsewhere: Some(Incarnation::at(300)) };
    assert_eq!(
        hex(&welcome.encode()),
        format!("{}0100000000012c00000000000000000000", "09".repeat(32))
    );
    assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome));
    let origin = |node: &str, incarnation| Origin {
        node: node.parse().unwrap(),
        incarnation: Incarnation::at(incarnation),
    };
    let stamp = |wall, logical| Stamp {
        hlc: Hlc { wall: UnixMillis(wall), logical },
        origin: origin("gotham", 300),
    };
    let live = Entry::written(Value::Live(Hero::new("Ada".into())), stamp(1_000, 2), None);
    let tombstone = Entry::written(Value::Tombstone, stamp(2_000, 0), Some(&live));
    let mut vector: VersionVector = [stamp(2_000, 0)].into_iter().collect();
    vector.close(origin("gotham", 299));
    let summary = Summary { vector: 7, fingerprint: Fingerprint::default() };
    let step = |step| {
        Frame::Round(Envelope {
            from: origin("gotham", 300),
            to: origin("capitol", 400),
            round: 5,
            step,
        })
    };
    let key = |number| HeroId::from_bytes([number; 16]);
    let by = Duration::from_millis(300);
    let kind = FaultKind::Delay { by, jitter: by };
    let fault = Fault {
        id: FaultId(77),
        kind,
        from: "gotham".parse().expect("a valid name"),
        to: None,
        both: true,
    };
    let frames = Frames { seen: 9, dropped: 1, delayed: 8, duplicated: 0 };
    let pull = |vector, mutual| {
        Step::Pull(PullRequest { summary, vector, options: PullOptions { mutual, full: false } })
    };
    let trace = TraceContext {
        trace: NonZeroU128::new(1 << 127).unwrap(),
        span: NonZeroU64::new(300).unwrap(),
    };
    let returned = |result| {
        let caller = Incarnation::at(300);
        Frame::Return(Return { caller, number: 300, running: 2, result })
    };
    let goldens = [
        (
            step(Step::Invite { source: origin("dispatch", 1) }),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c00000000019000000000000000000000050008646973706174636800000000000100000000000000000000",
        ),
        (
            step(pull(None, true)),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c0000000001900000000000000000000005010700000100",
        ),
        (
            step(pull(Some(vector.clone()), false)),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c0000000001900000000000000000000005010700010106676f7468616d00000000012b000000000000000000000106676f7468616d00000000012c00000000000000000000d00f000000",
        ),
        (
            step(Step::Same { summary, joined: true }),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c000000000190000000000000000000000502070001",
        ),
        (
            step(Step::Which),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c000000000190000000000000000000000503",
        ),
        (
            step(Step::Chunk {
                serving: 3,
                number: 1,
                entries: [(key(1), live), (key(2), tombstone)].into_iter().collect(),
            }),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c00000000019000000000000000000000050403014b01010101010101010101010101010101000006676f7468616d00000000012c00000000000000000000d00f0264034164610202020202020202020202020202020239d00f0000cf0f020100",
        ),
        (
            step(Step::Ack { chunks: 2 }),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c00000000019000000000000000000000050502",
        ),
        (
            step(Step::End {
                serving: 3,
                chunks: 2,
                vector: vector.clone(),
                horizon: Horizon { collected: vector, closed: VersionVector::new() },
                full: true,
                joined: true,
            }),
            "0006676f7468616d00000000012c000000000000000000000763617069746f6c00000000019000000000000000000000050603020106676f7468616d00000000012b000000000000000000000106676f7468616d00000000012c00000000000000000000d00f000106676f7468616d00000000012b000000000000000000000106676f7468616d00000000012c00000000000000000000d00f0000000101",
        ),
        (Frame::Observe { since: 9, pulls: 4 }, "030904"),
        (
            Frame::Command {
                request: 1,
                expires: UnixMillis(5_000),
                trace: None,
                command: Command::Bomb,
            },
            "010188270001",
        ),
        (
            Frame::Command {
                request: 1,
                expires: UnixMillis(5_000),
                trace: Some(trace),
                command: Command::Bomb,
            },
            "010188270180808080808080808080808080808080808002ac0201",
        ),
        (
            Frame::Command {
                request: 1,
                expires: UnixMillis(5_000),
                trace: None,
                command: Command::Ask(Request::Add { counter: "visits".to_owned(), amount: 3 }),
            },
            "010188270004000676697369747306",
        ),
        (Frame::Answer { request: 1, result: Ok(Done::Bombed) }, "02010001"),
        (Frame::Answer { request: 1, result: Ok(Done::Asked(vec![])) }, "0201000300"),
        (
            Frame::Control(Control::Inject { fault, heal_after: Duration::from_secs(20) }),
            "05004d010080c6868f010080c6868f0106676f7468616d00011400",
        ),
        (Frame::Control(Control::Heal(fault.id)), "05014d"),
        (
            Frame::Control(Control::Pace(Setting {
                value: Pace::PAUSED,
                at: UnixMillis(5),
                by: "dispatch".parse().unwrap(),
            })),
            "05020005086469737061746368",
        ),
        (Frame::Control(Control::Accept(UnixMillis(5_000))), "05038827"),
        (
            Frame::Control(Control::Quiet(Setting {
                value: true,
                at: UnixMillis(5),
                by: "dispatch".parse().unwrap(),
            })),
            "05040105086469737061746368",
        ),
        (
            Frame::Report(Report {
                healed: vec![FaultId(9)],
                faults: vec![InForce { fault, remaining: Duration::from_millis(1_500), frames }],
                wall: UnixMillis(5),
                clock_step_ms: -1,
            }),
            "06014d010080c6868f010080c6868f0106676f7468616d00010180cab5ee010901080001090501",
        ),
        (
            Frame::Publication(Publication {
                number: 3,
                topic: "news".to_owned(),
                body: vec![1, 2],
            }),
            "0703046e657773020102",
        ),
        (
            Frame::Call(Call {
                number: 300,
                handler: "prime".to_owned(),
                args: vec![7],
                within: Duration::from_secs(5),
            }),
            "08ac02057072696d6501070500",
        ),
        (returned(Ok(vec![9])), "0900000000012c00000000000000000000ac0202000109"),
        (
            returned(Err(Refusal::Failed("no".to_owned()))),
            "0900000000012c00000000000000000000ac02020102026e6f",
        ),
        (Frame::Cancel { call: 300 }, "0aac02"),
    ];
    for (frame, golden) in goldens {
        assert_eq!(hex(&encode(&frame)), golden, "{frame:?}");
        assert_eq!(decode(&encode(&frame)), Ok(frame));
    }
}

//! Frames as bytes: postcard behind a hello that every version can read.
//!
//! A link carries binary messages. The first in each direction is a [`Hello`]: four bytes `SHC1`, the protocol version as
//! two bytes little-endian, then postcard. A peer of another version is told so by name, because the first six bytes never change
//! their meaning. Then the dialer sends its [`Proof`] and the listener its [`Welcome`], both postcard, and every later message is a
//! postcard [`Frame`].

use serde::{Deserialize, Serialize};

use crate::crdt::{Entry, VersionVector};
use crate::fault::{Control, HEAL_AFTER};
use crate::id::{Incarnation, Origin};
use crate::message::{Command, Done, Envelope, Frame, Step};

/// The version of everything after the first six bytes of a hello.
pub const PROTOCOL_VERSION: u16 = 6;
/// The largest message a node reads, in bytes; a peer that sends more is cut off.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// The longest cookie, in bytes.
pub const COOKIE_BYTES_MAX: usize = 256;

const MAGIC: [u8; 4] = *b"SHC1";

/// How a node introduces itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is.
    pub node: Origin,
    /// Whether this life has joined the cluster.
    pub joined: bool,
    /// Random bytes, never said before: what the peer proves, it proves for this connection.
    pub nonce: Nonce,
}

/// Random bytes that make each introduction another one.
pub type Nonce = [u8; 32];
/// What only who knows the cluster's cookie can say to two hellos.
pub type Proof = [u8; 32];

/// What the listener says to a dialer who has proved that it belongs here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// That the listener belongs here too.
    pub proof: Proof,
    /// No welcome: this life of the dialer's name is alive; the connection closes.
    pub alive_elsewhere: Option<Incarnation>,
}

/// Why bytes from a peer make no sense. The link ends; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first message is not a hello.
    #[error("expected a hello")]
    NotHello,
    /// The peer speaks another version.
    #[error("speaks protocol version {theirs}, this node speaks {PROTOCOL_VERSION}")]
    Version {
        /// The peer's version.
        theirs: u16,
    },
    /// The bytes are not a frame of this version.
    #[error("malformed frame: {0}")]
    Malformed(String),
}

impl Hello {
    /// The bytes of this hello.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(PROTOCOL_VERSION.to_le_bytes());
        postcard::to_extend(self, bytes).expect("a hello has no types that postcard cannot write")
    }

    /// The hello in these bytes.
    ///
    /// # Errors
    /// [`WireError`] says what they are instead.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(WireError::NotHello)?;
        let (version, rest) = rest.split_first_chunk().ok_or(WireError::NotHello)?;
        let theirs = u16::from_le_bytes(*version);
        if theirs != PROTOCOL_VERSION {
            return Err(WireError::Version { theirs });
        }
        whole(rest)
    }
}

impl Welcome {
    /// The bytes of this welcome.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a welcome has no types that postcard cannot write")
    }

    /// The welcome in these bytes.
    ///
    /// # Errors
    /// [`WireError::Malformed`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        whole(bytes)
    }
}

/// The bytes of a frame.
#[must_use]
pub fn encode(frame: &Frame) -> Vec<u8> {
    postcard::to_stdvec(frame).expect("a frame has no types that postcard cannot write")
}

/// The frame in these bytes. Costs no more memory than the bytes justify: the lengths in them are not believed.
///
/// # Errors
/// [`WireError::Malformed`] says what is wrong.
pub fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
    let frame = whole(bytes)?;
    if entry(&frame).is_some_and(|entry| !entry.is_possible()) {
        return Err(WireError::Malformed("an entry that no node can have written".into()));
    }
    if !vectors(&frame).all(VersionVector::is_possible) {
        return Err(WireError::Malformed("a version vector with a slot for a closed life".into()));
    }
    if let Frame::Round(Envelope { step: Step::End { vector, horizon, .. }, .. }) = &frame
        && !vector.covers_all(horizon)
    {
        return Err(WireError::Malformed("a horizon beyond the version vector".into()));
    }
    let is_possible = match &frame {
        Frame::Control(Control::Inject { fault, heal_after }) => fault.is_possible() && HEAL_AFTER.contains(heal_after),
        Frame::Report(report) => report.is_possible(),
        Frame::Control(Control::Pace(pace)) => pace.is_possible(),
        Frame::Observation(observation) => observation.changes.is_possible(),
        Frame::Control(Control::Heal(_) | Control::Stop | Control::Kill)
        | Frame::Round(_)
        | Frame::Command { .. }
        | Frame::Answer { .. }
        | Frame::Observe { .. } => true,
    };
    if !is_possible {
        return Err(WireError::Malformed("a fault, a time, a pace or an observation that cannot be".into()));
    }
    Ok(frame)
}

/// The version vectors that a frame carries.
fn vectors(frame: &Frame) -> Box<dyn Iterator<Item = &VersionVector> + '_> {
    match frame {
        Frame::Round(Envelope { step: Step::End { vector, horizon, .. }, .. }) => Box::new([vector, horizon].into_iter()),
        Frame::Round(Envelope { step: Step::Pull(question), .. }) => Box::new(question.vector.iter()),
        Frame::Observation(observation) => Box::new(std::iter::once(&observation.vector)),
        Frame::Round(_) | Frame::Command { .. } | Frame::Answer { .. } | Frame::Observe { .. } | Frame::Control(_) | Frame::Report(_) => {
            Box::new(std::iter::empty())
        }
    }
}

/// The entry that a frame carries by itself. Those of batches were judged when the batch was read.
fn entry(frame: &Frame) -> Option<&Entry> {
    match frame {
        Frame::Command { command: Command::Assign { copy, .. }, .. } => copy.as_deref(),
        Frame::Answer { result: Ok(Done::Assigned(entry)), .. } => Some(entry),
        Frame::Round(_)
        | Frame::Command { .. }
        | Frame::Answer { .. }
        | Frame::Observe { .. }
        | Frame::Observation(_)
        | Frame::Control(_)
        | Frame::Report(_) => None,
    }
}

/// How many entries a frame carries.
#[must_use]
pub fn entries(frame: &Frame) -> usize {
    match frame {
        Frame::Round(Envelope { step: Step::Chunk { entries, .. }, .. }) => entries.len(),
        Frame::Observation(observation) => observation.changes.entries.len(),
        Frame::Round(_) | Frame::Command { .. } | Frame::Answer { .. } | Frame::Observe { .. } | Frame::Control(_) | Frame::Report(_) => {
            usize::from(entry(frame).is_some())
        }
    }
}

fn whole<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(WireError::Malformed(format!("{} bytes too many", rest.len()))),
        // Why, postcard does not pass on.
        Err(postcard::Error::SerdeDeCustom) => Err(WireError::Malformed("a name, a text or an entry that no node can have written".into())),
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU64, NonZeroU128};
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::clock::{Hlc, Stamp};
    use crate::crdt::Value;
    use crate::fault::{FAULTS_MAX, Fault, FaultId, Frames, InForce, Pace, Report, Trouble};
    use crate::hero::Hero;
    use crate::id::HeroId;
    use crate::message::{Question, Summary, Wish};
    use crate::time::UnixMillis;
    use crate::trace::TraceContext;

    fn hello() -> Hello {
        Hello {
            node: Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(1_795_217_670_917) },
            joined: true,
            nonce: [7; 32],
        }
    }

    #[test]
    fn a_hello_is_read_as_it_was_written() {
        assert!(Hello::decode(&hello().encode()) == Ok(hello()));
    }

    #[test]
    fn a_peer_of_another_version_is_told_apart_from_garbage() {
        let mut other = hello().encode();
        other[4] = 9;
        assert_eq!(Hello::decode(&other).err(), Some(WireError::Version { theirs: 9 }));
        assert_eq!(Hello::decode(b"GET / HTTP/1.1").err(), Some(WireError::NotHello));
        assert_eq!(Hello::decode(b"SHC1").err(), Some(WireError::NotHello));
    }

    #[test]
    fn bytes_after_a_frame_are_an_error_and_a_lying_length_is_not_believed() {
        let mut bytes = encode(&Frame::Observe { since: 3, pulls: 4 });
        assert_eq!(decode(&bytes), Ok(Frame::Observe { since: 3, pulls: 4 }));
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(WireError::Malformed(_))));
        // An answer to an observation that declares 2^60 entries in a few bytes.
        let lie = [4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert!(matches!(decode(&lie), Err(WireError::Malformed(_))));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of this version. Should they change, so must [`PROTOCOL_VERSION`]: another build of it could not read them.
    #[test]
    fn the_bytes_of_version_6_are_these() {
        assert_eq!(PROTOCOL_VERSION, 6);
        assert_eq!(hex(&hello().encode()), format!("53484331060006676f7468616d8586bfda9f3401{}", "07".repeat(32)));
        let welcome = Welcome { proof: [9; 32], alive_elsewhere: Some(Incarnation(300)) };
        assert_eq!(hex(&welcome.encode()), format!("{}01ac02", "09".repeat(32)));
        assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome));
        let origin = |node: &str, incarnation| Origin { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) };
        let stamp = |wall, logical| Stamp { hlc: Hlc { wall: UnixMillis(wall), logical }, origin: origin("gotham", 300) };
        let born = Entry::written(Value::Live(Hero::new("Ada".into())), stamp(1_000, 2), None);
        let dead = Entry::written(Value::Tombstone, stamp(2_000, 0), Some(&born));
        let mut vector: VersionVector = [stamp(2_000, 0)].into_iter().collect();
        vector.close(origin("gotham", 299));
        let summary = Summary { vector: 7, fingerprint: crate::crdt::Fingerprint::default() };
        let step = |step| Frame::Round(Envelope { from: origin("gotham", 300), to: origin("capitol", 400), round: 5, step });
        let key = |number| HeroId(Uuid::from_bytes([number; 16]));
        let by = Duration::from_millis(300);
        let trouble = Trouble::Delay { by, jitter: by };
        let fault = Fault { id: FaultId(77), trouble, from: "gotham".parse().unwrap(), to: None, both: true };
        let frames = Frames { seen: 9, dropped: 1, delayed: 8, duplicated: 0 };
        let pull = |vector, mutual| Step::Pull(Question { summary, vector, wish: Wish { mutual, full: false } });
        let trace = TraceContext { trace: NonZeroU128::new(1 << 127).unwrap(), span: NonZeroU64::new(300).unwrap() };
        let goldens = [
            (step(Step::Invite { source: origin("dispatch", 1) }), "0006676f7468616dac020763617069746f6c9003050008646973706174636801"),
            (step(pull(None, true)), "0006676f7468616dac020763617069746f6c900305010700000100"),
            (
                step(pull(Some(vector.clone()), false)),
                "0006676f7468616dac020763617069746f6c900305010700010106676f7468616dab020106676f7468616dac02d00f000000",
            ),
            (step(Step::Same { summary, joined: true }), "0006676f7468616dac020763617069746f6c90030502070001"),
            (step(Step::Which), "0006676f7468616dac020763617069746f6c90030503"),
            (
                step(Step::Chunk { serving: 3, number: 1, entries: [(key(1), born), (key(2), dead)].into_iter().collect() }),
                "0006676f7468616dac020763617069746f6c9003050403013d01010101010101010101010101010101000006676f7468616dac02d00f0264034164610202020202020202020202020202020239d00f0000cf0f020100",
            ),
            (step(Step::Ack { chunks: 2 }), "0006676f7468616dac020763617069746f6c9003050502"),
            (
                step(Step::End { serving: 3, chunks: 2, vector: vector.clone(), horizon: vector, full: true, joined: true }),
                "0006676f7468616dac020763617069746f6c9003050603020106676f7468616dab020106676f7468616dac02d00f000106676f7468616dab020106676f7468616dac02d00f000101",
            ),
            (Frame::Observe { since: 9, pulls: 4 }, "030904"),
            (Frame::Command { request: 1, expires: UnixMillis(5_000), trace: None, command: Command::Bomb }, "010188270001"),
            (
                Frame::Command { request: 1, expires: UnixMillis(5_000), trace: Some(trace), command: Command::Bomb },
                "010188270180808080808080808080808080808080808002ac0201",
            ),
            (Frame::Answer { request: 1, result: Ok(Done::Bombed) }, "02010001"),
            (
                Frame::Control(Control::Inject { fault, heal_after: Duration::from_secs(20) }),
                "05004d010080c6868f010080c6868f0106676f7468616d00011400",
            ),
            (Frame::Control(Control::Heal(fault.id)), "05014d"),
            (Frame::Control(Control::Pace(Pace::PAUSED)), "050200"),
            (Frame::Control(Control::Stop), "0503"),
            (
                Frame::Report(Report {
                    faults: vec![InForce { fault, remaining: Duration::from_millis(1_500), frames }],
                    wall: UnixMillis(5),
                }),
                "06014d010080c6868f010080c6868f0106676f7468616d00010180cab5ee010901080005",
            ),
        ];
        for (frame, golden) in goldens {
            assert_eq!(hex(&encode(&frame)), golden, "{frame:?}");
            assert_eq!(decode(&encode(&frame)), Ok(frame));
        }
    }

    #[test]
    fn a_vector_that_no_node_can_have_made_is_refused() {
        let origin = |incarnation| Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(incarnation) };
        let slot = Stamp { hlc: Hlc { wall: UnixMillis(5), logical: 0 }, origin: origin(3) };
        let mut vector: VersionVector = [slot].into_iter().collect();
        vector.close(origin(3));
        let question = |vector| {
            let summary = Summary { vector: 7, fingerprint: crate::crdt::Fingerprint::default() };
            let step = Step::Pull(Question { summary, vector: Some(vector), wish: Wish { mutual: false, full: false } });
            encode(&Frame::Round(Envelope { from: origin(1), to: origin(2), round: 5, step }))
        };
        let mut bytes = question(vector);
        assert!(decode(&bytes).is_ok());
        // The mark's 3 becomes a 4: the slot of life 3 is closed now.
        let mark = bytes.windows(8).position(|window| window == b"\x06gotham\x03").unwrap() + 7;
        bytes[mark] = 4;
        assert_eq!(decode(&bytes), Err(WireError::Malformed("a version vector with a slot for a closed life".into())));
    }

    #[test]
    fn a_horizon_beyond_the_vector_and_a_life_at_the_end_of_time_are_refused() {
        let origin = |incarnation| Origin { node: "gotham".parse().unwrap(), incarnation: Incarnation(incarnation) };
        let slot = |incarnation| Stamp { hlc: Hlc { wall: UnixMillis(5), logical: 0 }, origin: origin(incarnation) };
        let end = |vector: VersionVector, horizon| {
            let step = Step::End { serving: 1, chunks: 0, vector, horizon, full: false, joined: true };
            decode(&encode(&Frame::Round(Envelope { from: origin(1), to: origin(2), round: 5, step })))
        };
        let one = VersionVector::from_iter([slot(1)]);
        assert!(end(one.clone(), one.clone()).is_ok());
        assert!(end(one.clone(), VersionVector::from_iter([slot(2)])).is_err());
        let mut closed = one.clone();
        closed.close(origin(9));
        assert!(end(one.clone(), closed.clone()).is_err() && end(closed, one).is_ok());
        assert!(end(VersionVector::from_iter([slot(u64::MAX)]), VersionVector::new()).is_err());
    }
    #[test]
    fn a_report_that_no_node_can_make_is_refused() {
        let fault = |id| Fault { id: FaultId(id), trouble: Trouble::Cut, from: "gotham".parse().unwrap(), to: None, both: true };
        let in_force = |id, remaining| InForce { fault: fault(id), remaining, frames: Frames::default() };
        let report = |faults| decode(&encode(&Frame::Report(Report { faults, wall: UnixMillis(5) })));
        let hour = Duration::from_secs(3_600);
        assert!(report(vec![in_force(1, hour)]).is_ok() && report(vec![]).is_ok());
        assert!(report(vec![in_force(1, hour + Duration::from_millis(1))]).is_err());
        assert!(report(vec![in_force(1, Duration::MAX)]).is_err());
        let many = |count| (0..count).map(|id| in_force(id, hour)).collect::<Vec<_>>();
        let most = u32::try_from(FAULTS_MAX).unwrap();
        assert!(report(many(most)).is_ok() && report(many(most + 1)).is_err());
    }
}

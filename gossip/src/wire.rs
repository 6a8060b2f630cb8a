//! The encoding of frames: postcard, after a hello that all versions can read.
//!
//! A link carries binary messages. The first one in each direction is a [`Hello`]: the four bytes
//! `SHC1`, the protocol version as two little-endian bytes, then postcard. The meaning of these
//! first six bytes never changes, so a peer of another version is recognized as such. Then the
//! dialer sends its [`Proof`] and the listener its [`Welcome`], both as postcard. All later
//! messages are [`Frame`]s as postcard.

use serde::{Deserialize, Serialize};

use crate::crdt::version_vector::VersionVector;
use crate::fault::{Control, HEAL_AFTER};
use crate::id::{Incarnation, NodeName, Origin};
use crate::message::{Application, Frame, Message as _};
use crate::protocol::{Envelope, Step};
use crate::types::addresses::is_address;

/// The version of the protocol, except for the first six bytes of a hello.
pub const PROTOCOL_VERSION: u16 = 14;
/// The default size limit of a message, in bytes. A larger message closes the link.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// The length limit of a cookie, in bytes.
pub const COOKIE_BYTES_MAX: usize = 256;

const MAGIC: [u8; 4] = *b"SHC1";

const CLOSED_SLOT: &str = "version vector with a slot for a closed incarnation";
const OUT_OF_RANGE: &str = "control or observation field out of range";

/// The first message of each end of a link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The name of the cluster: nodes of other clusters may be reached by mistake.
    pub cluster: NodeName,
    /// The node and its incarnation.
    pub node: Origin,
    /// True once this incarnation has joined the cluster.
    pub joined: bool,
    /// The address at which others reach the node, as HOST:PORT, if it is a further one.
    pub advertised: Option<String>,
    /// Random bytes, used once, which bind a proof to this connection.
    pub nonce: Nonce,
}

/// Random bytes that make each hello unique.
pub type Nonce = [u8; 32];
/// A proof of knowledge of the cluster's cookie, over both hellos.
pub type Proof = [u8; 32];

/// The response of a listener to a dialer that has proved the cookie.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The listener's own proof.
    pub proof: Proof,
    /// Set if the connection is refused: the running incarnation of the dialer's name.
    pub running_elsewhere: Option<Incarnation>,
}

/// The reason for refusing bytes of a peer. The link is closed; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first message is not a hello.
    #[error("expected a hello")]
    NotHello,
    /// The peer uses another protocol version.
    #[error("peer speaks protocol version {theirs}, this node speaks {PROTOCOL_VERSION}")]
    Version {
        /// The peer's version.
        theirs: u16,
    },
    /// The bytes are not a frame of this version.
    #[error("malformed frame: {0}")]
    Malformed(String),
}

impl Hello {
    /// Encodes the hello.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(PROTOCOL_VERSION.to_le_bytes());
        postcard::to_extend(self, bytes).expect("postcard supports every type in a hello")
    }

    /// Decodes a hello.
    ///
    /// # Errors
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(WireError::NotHello)?;
        let (version, rest) = rest.split_first_chunk().ok_or(WireError::NotHello)?;
        let theirs = u16::from_le_bytes(*version);
        if theirs != PROTOCOL_VERSION {
            return Err(WireError::Version { theirs });
        }
        let hello: Self = whole(rest)?;
        if hello.advertised.as_deref().is_none_or(is_address) {
            Ok(hello)
        } else {
            Err(WireError::Malformed("the advertised address is not HOST:PORT".to_owned()))
        }
    }
}

impl Welcome {
    /// Encodes the welcome.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("postcard supports every type in a welcome")
    }

    /// Decodes a welcome.
    ///
    /// # Errors
    /// [`WireError::Malformed`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        whole(bytes)
    }
}

/// Encodes a frame.
#[must_use]
pub fn encode<A: Application>(frame: &Frame<A>) -> Vec<u8> {
    postcard::to_stdvec(frame).expect("postcard supports every type in a frame")
}

/// Decodes a frame. The encoded lengths are not trusted: memory is allocated only for bytes that
/// are present.
///
/// # Errors
/// [`WireError::Malformed`] if a node of this version could not have sent the bytes.
pub fn decode<A: Application>(bytes: &[u8]) -> Result<Frame<A>, WireError> {
    let frame = whole(bytes)?;
    check(&frame).map_err(|rule| WireError::Malformed(rule.into()))?;
    Ok(frame)
}

/// Checks the rules that the types of a frame do not express. Entries are not checked again:
/// parsing a batch validates them.
fn check<A: Application>(frame: &Frame<A>) -> Result<(), &'static str> {
    let (is_valid, rule) = match frame {
        Frame::Round(Envelope { step: Step::End { vector, horizon, .. }, .. }) => {
            if !vector.is_valid() || !horizon.is_valid() {
                return Err(CLOSED_SLOT);
            }
            // An invariant of `replica`, on which the collection of tombstones relies.
            (horizon.is_covered_by(vector), "horizon beyond the version vector")
        }
        Frame::Round(Envelope { step: Step::Pull(request), .. }) => {
            (request.vector.as_ref().is_none_or(VersionVector::is_valid), CLOSED_SLOT)
        }
        Frame::Observation(observation) => {
            if !observation.vector.is_valid() {
                return Err(CLOSED_SLOT);
            }
            (observation.changes.is_valid(), OUT_OF_RANGE)
        }
        Frame::Command { command, .. } => (command.is_valid(), "invalid command"),
        Frame::Answer { result: Ok(done), .. } => (done.is_valid(), "invalid answer"),
        Frame::Answer { result: Err(refusal), .. } => (refusal.is_valid(), "invalid answer"),
        Frame::Control(Control::Inject { fault, heal_after }) => {
            (fault.is_valid() && HEAL_AFTER.contains(heal_after), OUT_OF_RANGE)
        }
        Frame::Control(Control::Pace(set)) => (set.value.is_valid(), OUT_OF_RANGE),
        Frame::Report(report) => (report.is_valid(), OUT_OF_RANGE),
        Frame::Publication(publication) => (publication.is_valid(), "invalid publication"),
        Frame::Call(call) => (call.is_valid(), "invalid call"),
        Frame::Return(answer) => (answer.is_valid(), "invalid answer to a call"),
        Frame::Control(Control::Heal(_) | Control::Accept(_) | Control::Quiet(_))
        | Frame::Round(_)
        | Frame::Observe { .. }
        | Frame::Cancel { .. } => (true, ""),
    };
    if is_valid { Ok(()) } else { Err(rule) }
}

fn whole<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(WireError::Malformed(format!("{} trailing bytes", rest.len()))),
        // postcard drops the custom message, so the text names the checks that can fail.
        Err(postcard::Error::SerdeDeCustom) => {
            Err(WireError::Malformed("invalid name, text or entry".into()))
        }
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Hlc, Stamp};
    use crate::crdt::fingerprint::Fingerprint;
    use crate::crdt::horizon::Horizon;
    use crate::fault::{FAULTS_MAX, Fault, FaultId, FaultKind, Frames, InForce, Report};
    use crate::protocol::{PullOptions, PullRequest, Summary};
    use crate::testing::Texts;
    use crate::time::UnixMillis;

    type Frame = super::Frame<Texts>;

    fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
        super::decode(bytes)
    }

    fn hello() -> Hello {
        let incarnation = Incarnation::at(1_795_217_670_917);
        let node = Origin { node: "gotham".parse().unwrap(), incarnation };
        let cluster = "superhero".parse().unwrap();
        let advertised = Some("127.0.0.1:4904".to_owned());
        Hello { cluster, node, joined: true, advertised, nonce: [7; 32] }
    }

    #[test]
    fn hello_round_trips() {
        assert!(Hello::decode(&hello().encode()) == Ok(hello()));
    }

    #[test]
    fn other_protocol_version_is_distinguished_from_garbage() {
        let mut other = hello().encode();
        other[4] = 99;
        assert_eq!(Hello::decode(&other).err(), Some(WireError::Version { theirs: 99 }));
        assert_eq!(Hello::decode(b"GET / HTTP/1.1").err(), Some(WireError::NotHello));
        assert_eq!(Hello::decode(b"SHC1").err(), Some(WireError::NotHello));
    }

    #[test]
    fn trailing_bytes_and_false_lengths_are_errors() {
        let mut bytes = encode::<Texts>(&Frame::Observe { since: 3, pulls: 4 });
        assert_eq!(decode(&bytes), Ok(Frame::Observe { since: 3, pulls: 4 }));
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(WireError::Malformed(_))));
        // An observation with a declared number of 2^60 in a few bytes.
        let false_length = [4, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert!(matches!(decode(&false_length), Err(WireError::Malformed(_))));
    }

    #[test]
    fn vector_with_slot_for_closed_incarnation_is_refused() {
        let origin = |incarnation| Origin {
            node: "gotham".parse().unwrap(),
            incarnation: Incarnation::at(incarnation),
        };
        let slot = Stamp { hlc: Hlc { wall: UnixMillis(5), logical: 0 }, origin: origin(3) };
        let mut vector: VersionVector = [slot].into_iter().collect();
        vector.close(origin(3));
        let request = |vector| {
            let summary = Summary { vector: 7, fingerprint: Fingerprint::default() };
            let step = Step::Pull(PullRequest {
                summary,
                vector: Some(vector),
                options: PullOptions { mutual: false, full: false },
            });
            encode::<Texts>(&Frame::Round(Envelope {
                from: origin(1),
                to: origin(2),
                round: 5,
                step,
            }))
        };
        let mut bytes = request(vector);
        assert!(decode(&bytes).is_ok());
        // The mark 3 becomes 4, which closes incarnation 3 although it has a slot.
        let number = b"\x06gotham\0\0\0\0\0\x03";
        let mark = bytes.windows(13).position(|window| window == number).unwrap() + 12;
        bytes[mark] = 4;
        assert_eq!(
            decode(&bytes),
            Err(WireError::Malformed("version vector with a slot for a closed incarnation".into()))
        );
    }

    #[test]
    fn horizon_beyond_vector_is_refused() {
        let origin = |incarnation| Origin {
            node: "gotham".parse().unwrap(),
            incarnation: Incarnation::at(incarnation),
        };
        let slot = |incarnation| Stamp {
            hlc: Hlc { wall: UnixMillis(5), logical: 0 },
            origin: origin(incarnation),
        };
        let end = |vector: VersionVector, horizon| {
            let step =
                Step::End { serving: 1, chunks: 0, vector, horizon, full: false, joined: true };
            decode(&encode::<Texts>(&Frame::Round(Envelope {
                from: origin(1),
                to: origin(2),
                round: 5,
                step,
            })))
        };
        let one = VersionVector::from_iter([slot(1)]);
        let two = VersionVector::from_iter([slot(2)]);
        let mut marked = one.clone();
        marked.close(origin(9));
        let collected = |collected| Horizon { collected, ..Horizon::new() };
        let closed = |closed| Horizon { closed, ..Horizon::new() };
        for (vector, part, is_valid) in
            [(&one, &one, true), (&one, &two, false), (&one, &marked, false), (&marked, &one, true)]
        {
            for horizon in [collected(part.clone()), closed(part.clone())] {
                assert_eq!(end(vector.clone(), horizon).is_ok(), is_valid, "{vector:?} {part:?}");
            }
        }
    }

    #[test]
    fn out_of_range_report_is_refused() {
        let fault = |id| Fault {
            id: FaultId(id),
            kind: FaultKind::Cut,
            from: "gotham".parse().unwrap(),
            to: None,
            both: true,
        };
        let in_force =
            |id, remaining| InForce { fault: fault(id), remaining, frames: Frames::default() };
        let report = |faults| {
            decode(&encode::<Texts>(&Frame::Report(Report {
                healed: Vec::new(),
                faults,
                wall: UnixMillis(5),
                clock_step_ms: 0,
            })))
        };
        let hour = Duration::from_secs(3_600);
        assert!(report(vec![in_force(1, hour)]).is_ok() && report(vec![]).is_ok());
        assert!(report(vec![in_force(1, hour + Duration::from_millis(1))]).is_err());
        assert!(report(vec![in_force(1, Duration::MAX)]).is_err());
        let many = |count| (0..count).map(|id| in_force(id, hour)).collect::<Vec<_>>();
        let most = u32::try_from(FAULTS_MAX).unwrap();
        assert!(report(many(most)).is_ok() && report(many(most + 1)).is_err());
    }
}

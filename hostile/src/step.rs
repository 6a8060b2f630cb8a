//! An encoding of machine inputs as bytes, so that a fuzzer varies their order and not only their
//! contents.
//!
//! Invariant: every byte string decodes to a list of steps; an incomplete last step is omitted.

/// One input of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A link to this peer is up; the second number selects the peer's incarnation.
    LinkUp(usize, u8),
    /// The link to this peer is down.
    LinkDown(usize),
    /// This many milliseconds pass.
    Wait(u16),
    /// A command: the numbers of its verb and its subject.
    Command(u8, u8),
    /// Bytes received over the link to a peer.
    Frame {
        /// The peer.
        from: usize,
        /// Replaces the origins of a round by the peer and the receiver. A machine ignores rounds
        /// between other nodes, so most mutated rounds would have no effect without this.
        readdressed: bool,
        /// The frame as received.
        bytes: Vec<u8>,
    },
}

/// The number of nodes that a step can refer to.
pub const PEERS: usize = 4;

/// Returns bytes that [`decode`] decodes to `steps`.
///
/// # Panics
/// When a frame is longer than 65535 bytes.
#[must_use]
pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        match step {
            Step::LinkUp(peer, incarnation) => bytes.extend([op(0, *peer), *incarnation]),
            Step::LinkDown(peer) => bytes.push(op(1, *peer)),
            Step::Wait(ms) => bytes.extend([&[op(2, 0)][..], &ms.to_le_bytes()].concat()),
            Step::Command(verb, subject) => bytes.extend([op(3, 0), *verb, *subject]),
            Step::Frame { from, readdressed, bytes: frame } => {
                let length = u16::try_from(frame.len()).expect("a seed is short");
                bytes.push(op(if *readdressed { 5 } else { 4 }, *from));
                bytes.extend(length.to_le_bytes());
                bytes.extend(frame);
            }
        }
    }
    bytes
}

fn op(kind: u8, peer: usize) -> u8 {
    kind | u8::try_from(peer % PEERS).expect("below four") << 3
}

/// Returns the steps encoded in these bytes.
pub fn decode(mut bytes: &[u8]) -> impl Iterator<Item = Step> {
    std::iter::from_fn(move || {
        let op = take::<1>(&mut bytes)?[0];
        let peer = usize::from(op >> 3) % PEERS;
        Some(match op % 8 {
            0 => Step::LinkUp(peer, take::<1>(&mut bytes)?[0]),
            1 => Step::LinkDown(peer),
            2 => Step::Wait(u16::from_le_bytes(take(&mut bytes)?)),
            3 => {
                let [verb, subject] = take(&mut bytes)?;
                Step::Command(verb, subject)
            }
            kind => {
                let length = usize::from(u16::from_le_bytes(take(&mut bytes)?)).min(bytes.len());
                let (frame, rest) = bytes.split_at(length);
                bytes = rest;
                Step::Frame { from: peer, readdressed: kind % 2 == 1, bytes: frame.to_vec() }
            }
        })
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_decode_to_what_was_encoded() {
        let steps = [
            Step::LinkUp(1, 7),
            Step::Wait(1_000),
            Step::Frame { from: 3, readdressed: true, bytes: vec![1, 2, 3] },
            Step::Command(2, 9),
            Step::LinkDown(2),
        ];
        assert_eq!(decode(&encode(&steps)).collect::<Vec<_>>(), steps);
        assert_eq!(decode(&encode(&steps)[..2]).collect::<Vec<_>>(), steps[..1]);
    }
}

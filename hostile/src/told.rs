//! What a machine is told, as bytes: so that a fuzzer can make up the order of things and not only their contents.
//!
//! Invariant: any bytes are a story. What is cut off at the end is left out.

/// One thing that a machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A link to this peer stands; the peer is in this of its lives.
    Up(usize, u8),
    /// There is no link to this peer.
    Down(usize),
    /// So many milliseconds have passed.
    Later(u16),
    /// Somebody asks for something; which, and of what.
    Asked(u8, u8),
    /// This came over the link to this peer.
    Frame {
        /// The peer.
        from: usize,
        /// Whether the two ends of a round are made the peer and whoever is told: a round between strangers is passed over at once.
        readdressed: bool,
        /// What came.
        bytes: Vec<u8>,
    },
}

/// How many peers can be named.
pub const PEERS: usize = 4;

/// The bytes of a story.
#[must_use]
pub fn written(story: &[Told]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for told in story {
        match told {
            Told::Up(peer, life) => bytes.extend([op(0, *peer), *life]),
            Told::Down(peer) => bytes.push(op(1, *peer)),
            Told::Later(ms) => bytes.extend([&[op(2, 0)][..], &ms.to_le_bytes()].concat()),
            Told::Asked(what, which) => bytes.extend([op(3, 0), *what, *which]),
            Told::Frame { from, readdressed, bytes: frame } => {
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

/// The story in these bytes.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Told> {
    std::iter::from_fn(move || {
        let op = take::<1>(&mut bytes)?[0];
        let peer = usize::from(op >> 3) % PEERS;
        Some(match op % 8 {
            0 => Told::Up(peer, take::<1>(&mut bytes)?[0]),
            1 => Told::Down(peer),
            2 => Told::Later(u16::from_le_bytes(take(&mut bytes)?)),
            3 => {
                let [what, which] = take(&mut bytes)?;
                Told::Asked(what, which)
            }
            kind => {
                let length = usize::from(u16::from_le_bytes(take(&mut bytes)?)).min(bytes.len());
                let (frame, rest) = bytes.split_at(length);
                bytes = rest;
                Told::Frame { from: peer, readdressed: kind % 2 == 1, bytes: frame.to_vec() }
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
    fn a_story_is_read_as_it_was_written() {
        let story = [
            Told::Up(1, 7),
            Told::Later(1_000),
            Told::Frame { from: 3, readdressed: true, bytes: vec![1, 2, 3] },
            Told::Asked(2, 9),
            Told::Down(2),
        ];
        assert_eq!(read(&written(&story)).collect::<Vec<_>>(), story);
        assert_eq!(read(&written(&story)[..2]).collect::<Vec<_>>(), story[..1]);
    }
}

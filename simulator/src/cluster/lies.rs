//! The false rounds of one member.
//!
//! It says nothing that could delete a hero legitimately: as a member it may delete all of them.

use gossip::{Envelope, Fingerprint, Hlc, Incarnation, Origin, Stamp, Step, UnixMillis};
use rand::RngExt;
use shared::Frame;

use super::Cluster;
use crate::wall_clock::EPOCH_MS;

impl Cluster {
    /// Returns the frame that a process really sends: a false one if it is the liar. `None` if it
    /// withholds the frame.
    pub(super) fn falsified(&mut self, from: usize, to: usize, frame: Frame) -> Option<Frame> {
        if self.liar != Some(from) || self.liar_rng.random_bool(0.3) {
            return Some(frame);
        }
        let victim = to;
        let Frame::Round(Envelope { from, to, round, step }) = frame else { return Some(frame) };
        let step = match step {
            Step::Chunk { .. } if self.liar_rng.random_bool(0.5) => return None,
            Step::Same { mut summary, joined } => {
                summary.fingerprint = Fingerprint::default();
                Step::Same { summary, joined }
            }
            Step::Pull(mut request) => {
                request.options.full = true;
                Step::Pull(request)
            }
            Step::End { .. } => self.false_end(victim, step),
            Step::Which | Step::Chunk { .. } | Step::Ack { .. } | Step::Invite { .. } => step,
        };
        let from = if self.liar_rng.random_bool(0.1) { self.other_origin() } else { from };
        Some(Frame::Round(Envelope { from, to, round, step }))
    }

    /// Returns an end of a round with one false statement.
    fn false_end(&mut self, victim: usize, step: shared::Step) -> shared::Step {
        let Step::End { serving, chunks, mut vector, mut horizon, full, joined } = step else {
            return step;
        };
        let slot = |origin| {
            let wall = UnixMillis(EPOCH_MS + 1_000);
            Stamp { hlc: Hlc { wall, logical: 0 }, origin }
        };
        match self.liar_rng.random_range(0..7) {
            // A slot or a mark in the future.
            0 => vector.advance(slot(self.future_origin())),
            1 => vector.close(self.future_origin()),
            // Slots of an invented name.
            2 => {
                let node = "mallory".parse().expect("a valid name");
                for number in 0..9 {
                    vector.advance(slot(Origin { node, incarnation: Incarnation::at(number) }));
                }
            }
            // Very many incarnations of a member.
            3 => {
                let node = self.other_origin().node;
                for number in 0..2_000 {
                    let incarnation = Incarnation::at(EPOCH_MS - 10_000 + number);
                    vector.advance(slot(Origin { node, incarnation }));
                }
            }
            // As many incarnations of a member as are accepted, from its past.
            4 => {
                let node = self.other_origin().node;
                for number in 0..400 {
                    let incarnation = Incarnation::at(EPOCH_MS - 100_000 + 2 * number);
                    vector.advance(slot(Origin { node, incarnation }));
                }
            }
            // Invented names that were forgotten.
            5 => {
                for number in 0..self.liar_rng.random_range(1..70) {
                    let node = format!("former-{number}").parse().expect("a valid name");
                    let origin = Origin { node, incarnation: Incarnation::at(3) };
                    vector.advance(Stamp { hlc: Hlc::default(), origin });
                }
            }
            // A full round without entries, with the victim's own vector.
            _ => {
                let victim = self.processes[victim].replica();
                (vector, horizon) = (victim.vector().clone(), victim.horizon().clone());
                return Step::End { serving, chunks: 0, vector, horizon, full: true, joined };
            }
        }
        Step::End { serving, chunks, vector, horizon, full, joined }
    }

    fn future_origin(&mut self) -> Origin {
        let incarnation = Incarnation::at(EPOCH_MS + 86_400_000);
        Origin { incarnation, ..self.other_origin() }
    }

    /// Returns the origin of a random process.
    fn other_origin(&mut self) -> Origin {
        self.processes[self.liar_rng.random_range(0..self.processes.len())].me
    }
}

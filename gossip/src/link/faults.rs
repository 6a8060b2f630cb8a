//! The faults in force at one process, applied to the rounds, publications and calls that it sends. It
//! performs no I/O: the driver passes in the time and the frames.
//!
//! Invariants: each node applies faults to the frames that it sends, so a one-way fault needs one
//! node; every fault expires, even without a controller; the number of delayed frames is limited,
//! and further ones are dropped, as on a real network.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fault::{FAULTS_MAX, Fault, FaultId, FaultKind, Frames, HEALED_MAX, InForce, Permille};
use crate::id::NodeName;
use crate::message::{Application, Frame};
use crate::wire;

/// The maximum number of delayed frames.
const WAITING_MAX: usize = 4_096;
/// The maximum queueing time of a throttle; further frames are dropped.
const QUEUE_MAX: Duration = Duration::from_secs(10);
/// The delay before a freeze takes effect, so that the process can still report it to the
/// controller.
const FREEZE_LAG: Duration = Duration::from_millis(100);
/// The delay of a reordered frame. Frames sent during this time arrive before it.
const REORDER_DELAY: Duration = Duration::from_millis(150);

/// The faults in force and the frames delayed by them. All times are on the process's monotonic
/// clock.
#[derive(Debug)]
pub(super) struct Faults<A: Application> {
    me: NodeName,
    in_force: BTreeMap<FaultId, State>,
    /// The faults that were healed last, and those that have expired last, oldest first. None of them
    /// is put in force again.
    healed: VecDeque<FaultId>,
    expired: VecDeque<FaultId>,
    /// The delayed frames, by due time, then in the order of sending.
    waiting: BTreeMap<(Duration, u64), (NodeName, Frame<A>)>,
    /// For each receiver, the latest due time of frames in order. The next one is not due before
    /// it.
    in_order: BTreeMap<NodeName, Duration>,
    next: u64,
    rng: StdRng,
}

/// Remembers an ended fault, and drops the oldest one beyond the limit.
fn remember(ended: &mut VecDeque<FaultId>, fault: FaultId) {
    if !ended.contains(&fault) {
        ended.push_back(fault);
        if ended.len() > HEALED_MAX {
            ended.pop_front();
        }
    }
}

#[derive(Debug)]
struct State {
    fault: Fault,
    since: Duration,
    until: Duration,
    frames: Frames,
    /// The time at which a throttle has sent its queue.
    free_at: Duration,
}

impl<A: Application> Faults<A> {
    pub(super) fn new(me: NodeName, seed: u64) -> Self {
        Self {
            me,
            in_force: BTreeMap::new(),
            healed: VecDeque::new(),
            expired: VecDeque::new(),
            waiting: BTreeMap::new(),
            in_order: BTreeMap::new(),
            next: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Puts the fault in force, or extends it. Ignored if this node does not list the fault, if it was
    /// healed or has expired, or if the limit of faults is reached.
    pub(super) fn inject(&mut self, now: Duration, fault: Fault, heal_after: Duration) {
        if !fault.is_listed_by(self.me)
            || self.healed.contains(&fault.id)
            || self.expired.contains(&fault.id)
            || self.in_force.len() >= FAULTS_MAX && !self.in_force.contains_key(&fault.id)
        {
            return;
        }
        let until = now + heal_after;
        // A repeated injection keeps the start and the counters. The controller repeats one if it
        // misses the fault in a report.
        let state = self.in_force.entry(fault.id).or_insert(State {
            fault,
            since: now,
            until,
            frames: Frames::default(),
            free_at: now,
        });
        state.until = until;
    }

    /// Ends the fault. Frames that it delayed keep their due times; later ones do not wait for
    /// them.
    pub(super) fn heal(&mut self, fault: FaultId) {
        self.in_force.remove(&fault);
        remember(&mut self.healed, fault);
        self.clear_order();
    }

    /// Drops the order between delayed and later frames, unless another fault still delays frames.
    fn clear_order(&mut self) {
        let holds_back = |state: &State| {
            matches!(state.fault.kind, FaultKind::Delay { .. } | FaultKind::Throttle(_))
        };
        if !self.in_force.values().any(holds_back) {
            self.in_order.clear();
        }
    }

    /// Removes expired faults. Returns whether there were any.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let before = self.in_force.len();
        let expired = &mut self.expired;
        self.in_force.retain(|id, state| {
            let stays = state.until > now;
            if !stays {
                remember(expired, *id);
            }
            stays
        });
        let ended = self.in_force.len() < before;
        if ended {
            self.clear_order();
        }
        ended
    }

    /// Returns whether any fault is in force.
    pub(super) fn any(&self) -> bool {
        !self.in_force.is_empty()
    }

    /// Returns whether the process is frozen.
    pub(super) fn is_frozen(&self, now: Duration) -> bool {
        self.freezes_at().is_some_and(|at| at <= now)
    }

    fn freezes_at(&self) -> Option<Duration> {
        let freezes = self
            .in_force
            .values()
            .filter(|state| state.fault.kind == FaultKind::Freeze && state.fault.concerns(self.me));
        freezes.map(|state| state.since + FREEZE_LAG).min()
    }

    /// Returns the offset of this node's wall clock, in milliseconds.
    pub(super) fn skew_ms(&self) -> i64 {
        let skews = self.in_force.values().filter_map(|state| {
            if let FaultKind::Skew(ms) = state.fault.kind { Some(ms) } else { None }
        });
        skews.sum()
    }

    /// Returns the faults that were healed last, oldest first.
    pub(super) fn healed(&self) -> Vec<FaultId> {
        self.healed.iter().copied().collect()
    }

    /// Returns all faults in force.
    pub(super) fn list(&self, now: Duration) -> Vec<InForce> {
        let in_force = |state: &State| InForce {
            fault: state.fault,
            remaining: state.until.saturating_sub(now),
            frames: state.frames,
        };
        self.in_force.values().map(in_force).collect()
    }

    /// Returns the time at which the next fault expires.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        self.in_force.values().map(|state| state.until).min()
    }

    /// Returns the time of the next scheduled work: a fault expires, a freeze takes effect, or a
    /// frame is due.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let frame = self.waiting.keys().map(|(due, _)| *due).next();
        let freeze = self.freezes_at().filter(|at| *at > now);
        [self.ends_at(), frame, freeze].into_iter().flatten().min()
    }

    /// Drops the delayed frames of an incarnation that has ended.
    pub(super) fn drop_delayed(&mut self) {
        self.waiting.clear();
        self.in_order.clear();
    }

    /// Returns the next due frame, and its receiver.
    pub(super) fn due(&mut self, now: Duration) -> Option<(NodeName, Frame<A>)> {
        let next = self.waiting.first_entry().filter(|next| next.key().0 <= now)?.remove();
        // Without delayed frames there is no order to keep, and later frames need not be delayed.
        if self.waiting.is_empty() {
            self.in_order.clear();
        }
        Some(next)
    }

    /// Applies the faults to a frame for the link to `to`. Returns the frame if it is to be sent at
    /// once; otherwise it was delayed or dropped.
    pub(super) fn pass(
        &mut self,
        now: Duration,
        to: NodeName,
        frame: Frame<A>,
    ) -> Option<Frame<A>> {
        if self.in_force.is_empty() && self.waiting.is_empty() {
            return Some(frame);
        }
        let end = match &frame {
            // A carried round is affected by faults on this link, and by faults between its own
            // two ends. Otherwise a cut between two cities could be bypassed through a carrier.
            Frame::Round(envelope) if envelope.from.node == self.me => envelope.to.node,
            Frame::Round(_)
            | Frame::Publication(_)
            | Frame::Call(_)
            | Frame::Return(_)
            | Frame::Cancel { .. } => to,
            // Exempt, so that faults can be observed and healed.
            Frame::Command { .. }
            | Frame::Answer { .. }
            | Frame::Observe { .. }
            | Frame::Observation(_)
            | Frame::Control(_)
            | Frame::Report(_) => return Some(frame),
        };
        let (mut due, mut copies, mut in_order) = (now, 1, true);
        let Self { me, in_force, rng, .. } = self;
        for state in in_force
            .values_mut()
            .filter(|state| state.fault.affects(*me, to) || state.fault.affects(*me, end))
        {
            state.frames.seen += 1;
            let passes = match state.fault.kind {
                FaultKind::Freeze | FaultKind::Skew(_) => true,
                FaultKind::Cut => false,
                FaultKind::Loss(chance) => !occurs(rng, chance),
                FaultKind::Duplicate(chance) => {
                    let duplicate = occurs(rng, chance);
                    copies += u32::from(duplicate);
                    state.frames.duplicated += u64::from(duplicate);
                    true
                }
                FaultKind::Reorder(chance) => {
                    let reordered = occurs(rng, chance);
                    if reordered {
                        due += REORDER_DELAY;
                        in_order = false;
                    }
                    state.frames.delayed += u64::from(reordered);
                    true
                }
                FaultKind::Delay { by, jitter } => {
                    due += by - jitter + rng.random_range(Duration::ZERO..=jitter * 2);
                    state.frames.delayed += 1;
                    true
                }
                FaultKind::Throttle(bytes_per_s) => {
                    let bytes = u32::try_from(wire::encode(&frame).len()).unwrap_or(u32::MAX);
                    let begins_at = state.free_at.max(now);
                    // The queue is measured before the frame is added, so a frame larger than the
                    // limit still passes an empty queue.
                    let fits = begins_at - now <= QUEUE_MAX;
                    if fits {
                        state.free_at = begins_at + Duration::from_secs(1) * bytes / bytes_per_s;
                        state.frames.delayed += 1;
                        due += state.free_at - now;
                    }
                    fits
                }
            };
            if !passes {
                state.frames.dropped += 1;
                return None;
            }
        }
        // Jitter must not reorder frames, so a frame is due no earlier than the one before it.
        if in_order {
            let last = self.in_order.entry(to).or_insert(due);
            due = due.max(*last);
            *last = due;
        }
        if due <= now && copies == 1 {
            return Some(frame);
        }
        for _ in 0..copies {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.insert((due, self.next), (to, frame.clone()));
                self.next += 1;
            }
        }
        None
    }
}

fn occurs(rng: &mut StdRng, chance: Permille) -> bool {
    rng.random_bool(chance.probability())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, Origin};
    use crate::protocol::{Envelope, Step};
    use crate::testing::Texts;

    type Faults = super::Faults<Texts>;
    type Frame = crate::message::Frame<Texts>;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A frame from gotham to `to` that contains this number.
    fn frame(to: &str, number: u32) -> Frame {
        let incarnation = |node| Origin { node: name(node), incarnation: Incarnation::at(1) };
        Frame::Round(Envelope {
            from: incarnation("gotham"),
            to: incarnation(to),
            round: 1,
            step: Step::Ack { chunks: number },
        })
    }

    fn number(frame: &Frame) -> u32 {
        let Frame::Round(Envelope { step: Step::Ack { chunks }, .. }) = frame else {
            panic!("not a frame of these tests: {frame:?}")
        };
        *chunks
    }

    fn with(kind: FaultKind, to: Option<&str>) -> Faults {
        let mut faults = Faults::new(name("gotham"), 7);
        let fault =
            Fault { id: FaultId(1), kind, from: name("gotham"), to: to.map(name), both: false };
        faults.inject(ms(0), fault, ms(30_000));
        faults
    }

    /// Sends a thousand frames to metropolis, one per millisecond, and returns the delivered ones
    /// with their times in milliseconds.
    fn send_thousand(faults: &mut Faults) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        for millis in 0..20_000 {
            while let Some((_, frame)) = faults.due(ms(millis)) {
                out.push((millis, number(&frame)));
            }
            if millis < 1_000 {
                let sent = u32::try_from(millis).unwrap();
                out.extend(
                    faults
                        .pass(ms(millis), name("metropolis"), frame("metropolis", sent))
                        .map(|frame| (millis, number(&frame))),
                );
            }
        }
        out
    }

    fn frames(faults: &Faults) -> Frames {
        faults.list(ms(0))[0].frames
    }

    fn is_in_order(out: &[(u64, u32)]) -> bool {
        out.windows(2).all(|pair| pair[0].1 < pair[1].1)
    }

    #[test]
    fn cut_drops_only_rounds_to_named_node() {
        let mut faults = with(FaultKind::Cut, Some("metropolis"));
        assert_eq!(faults.pass(ms(1), name("metropolis"), frame("metropolis", 1)), None);
        assert_eq!(
            faults.pass(ms(1), name("dispatch"), frame("metropolis", 1)),
            None,
            "a carrier does not bypass the cut"
        );
        assert!(faults.pass(ms(1), name("capitol"), frame("capitol", 1)).is_some());
        assert!(
            faults.pass(ms(1), name("metropolis"), Frame::Observe { since: 0, pulls: 0 }).is_some(),
            "observation is exempt"
        );
        assert_eq!(frames(&faults), Frames { seen: 2, dropped: 2, ..Frames::default() });
    }

    #[test]
    fn faults_on_carrier_link_affect_carried_rounds() {
        let mut faults = Faults::new(name("dispatch"), 7);
        let fault = Fault {
            id: FaultId(1),
            kind: FaultKind::Cut,
            from: name("dispatch"),
            to: Some(name("metropolis")),
            both: false,
        };
        faults.inject(ms(0), fault, ms(1_000));
        assert_eq!(faults.pass(ms(1), name("metropolis"), frame("metropolis", 1)), None);
        assert!(faults.pass(ms(1), name("capitol"), frame("metropolis", 1)).is_some());
    }

    #[test]
    fn delay_keeps_order_and_stays_within_jitter() {
        let mut faults = with(FaultKind::Delay { by: ms(300), jitter: ms(40) }, None);
        let out = send_thousand(&mut faults);
        assert_eq!(out.len(), 1_000);
        assert!(is_in_order(&out));
        let held: Vec<u64> =
            out.iter().map(|(received, sent)| received - u64::from(*sent)).collect();
        assert!(held.iter().all(|held| (260..=341).contains(held)), "{held:?}");
        assert!(
            held.iter().any(|held| *held < 290) || held.iter().any(|held| *held > 310),
            "the delays vary"
        );
        assert_eq!(frames(&faults), Frames { seen: 1_000, delayed: 1_000, ..Frames::default() });
    }

    #[test]
    fn loss_and_duplication_match_their_probability() {
        let twenty = Permille::from_percent(20.0).unwrap();
        let mut faults = with(FaultKind::Loss(twenty), None);
        let out = send_thousand(&mut faults);
        let lost = frames(&faults).dropped;
        assert!(
            (150..250).contains(&lost) && out.len() as u64 == 1_000 - lost && is_in_order(&out),
            "{lost}"
        );
        let mut faults = with(FaultKind::Duplicate(twenty), None);
        let out = send_thousand(&mut faults);
        let twice = frames(&faults).duplicated;
        assert!((150..250).contains(&twice) && out.len() as u64 == 1_000 + twice, "{twice}");
    }

    #[test]
    fn reorder_changes_order_and_loses_no_frame() {
        let mut faults = with(FaultKind::Reorder(Permille::from_percent(10.0).unwrap()), None);
        let out = send_thousand(&mut faults);
        let mut numbers: Vec<u32> = out.iter().map(|(_, number)| *number).collect();
        assert!(!is_in_order(&out));
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn throttle_limits_rate_and_its_queue_overflows() {
        let mut faults = with(FaultKind::Throttle(1_000), None);
        let bytes = wire::encode(&frame("metropolis", 500)).len() as u64;
        let out = send_thousand(&mut faults);
        let in_five_seconds =
            out.iter().filter(|(received, _)| *received < 5_000).count() as u64 * bytes;
        assert!((4_500..=5_200).contains(&in_five_seconds), "{in_five_seconds} bytes");
        assert!(is_in_order(&out) && frames(&faults).dropped > 0, "{:?}", frames(&faults));
    }

    #[test]
    fn ended_fault_does_not_delay_later_frames() {
        let mut faults = with(FaultKind::Delay { by: ms(5_000), jitter: ms(0) }, None);
        assert_eq!(faults.pass(ms(0), name("metropolis"), frame("metropolis", 1)), None);
        faults.heal(FaultId(1));
        assert!(faults.pass(ms(1), name("metropolis"), frame("metropolis", 2)).is_some());
        assert_eq!(faults.due(ms(4_999)), None);
        assert!(faults.due(ms(5_000)).is_some());

        let mut faults = with(FaultKind::Cut, None);
        assert_eq!(faults.deadline(ms(0)), Some(ms(30_000)));
        assert!(!faults.expire(ms(29_999)) && faults.expire(ms(30_000)) && !faults.any());
    }

    #[test]
    fn repeated_injection_extends_fault_and_keeps_counts() {
        let mut faults = with(FaultKind::Cut, None);
        assert_eq!(faults.pass(ms(0), name("capitol"), frame("capitol", 1)), None);
        let fault = faults.list(ms(0))[0].fault;
        faults.inject(ms(20_000), fault, ms(30_000));
        let [in_force] = &faults.list(ms(20_000))[..] else { panic!("one fault") };
        assert_eq!((in_force.remaining, in_force.frames.dropped), (ms(30_000), 1));
    }

    #[test]
    fn excess_and_unrelated_faults_are_ignored() {
        let mut faults = Faults::new(name("gotham"), 7);
        let cut = |id, from| Fault {
            id: FaultId(id),
            kind: FaultKind::Cut,
            from: name(from),
            to: None,
            both: false,
        };
        faults.inject(ms(0), cut(1_000, "capitol"), ms(1_000));
        assert!(!faults.any());
        for id in 0..100 {
            faults.inject(ms(0), cut(id, "gotham"), ms(1_000));
        }
        assert_eq!(faults.list(ms(0)).len(), FAULTS_MAX);
    }

    #[test]
    fn freeze_and_skew_delay_no_frame() {
        let mut faults = with(FaultKind::Skew(1_500), None);
        let freeze =
            Fault { id: FaultId(2), kind: FaultKind::Freeze, ..faults.list(ms(0))[0].fault };
        faults.inject(ms(0), freeze, ms(9_000));
        assert!(
            !faults.is_frozen(ms(99)) && faults.is_frozen(ms(100)) && faults.skew_ms() == 1_500
        );
        assert_eq!(
            (faults.deadline(ms(0)), faults.deadline(ms(100))),
            (Some(ms(100)), Some(ms(9_000)))
        );
        assert!(faults.pass(ms(0), name("capitol"), frame("capitol", 1)).is_some());
        faults.heal(FaultId(2));
        assert!(!faults.is_frozen(ms(100)) && faults.skew_ms() == 1_500);
    }
}

//! The injected faults: what was requested, and what the nodes report to be in force.
//!
//! The nodes carry faults out and heal them by themselves; dispatch compares. Invariant: a fault
//! that has ended here is never taken for a new one, and a node that lacks one is sent it again
//! only while it lasts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::NodeName;
use gossip::fault::{Control, FAULTS_MAX, Fault, FaultId, FaultKind, Frames, InForce, Report};

use crate::text::title;

/// The number of ended faults that are remembered: they are told apart from unknown ones.
const ENDED_MAX: usize = 256;
/// A fault with less time left than this is not sent again.
const REMAINING_MIN: Duration = Duration::from_millis(500);

/// A fault in force, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultView {
    /// The fault.
    pub fault: Fault,
    /// The time that it was to last.
    pub heal_after: Duration,
    /// The time that it still lasts.
    pub remaining: Duration,
    /// The nodes that report it in force.
    pub at: Vec<NodeName>,
    /// The frames that it has affected so far, at all of these nodes.
    pub frames: Frames,
}

impl FaultView {
    /// Returns a fault that is over, and that no node has reported.
    pub(crate) fn over(fault: Fault, heal_after: Duration) -> Self {
        Self {
            fault,
            heal_after,
            remaining: Duration::ZERO,
            at: Vec::new(),
            frames: Frames::default(),
        }
    }
}

#[derive(Debug)]
struct Known {
    fault: Fault,
    heal_after: Duration,
    until: Duration,
    at: BTreeMap<NodeName, Frames>,
}

/// The faults in force, and the newest that have ended.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// In the order in which they began.
    known: Vec<Known>,
    /// The newest that have ended.
    ended: VecDeque<FaultId>,
}

impl Faults {
    pub(crate) fn begin(&mut self, now: Duration, fault: Fault, heal_after: Duration) {
        self.known.push(Known { fault, heal_after, until: now + heal_after, at: BTreeMap::new() });
    }

    /// Ends a fault. Returns `None` if it is not in force.
    pub(crate) fn end(&mut self, id: FaultId) -> Option<Fault> {
        let place = self.known.iter().position(|known| known.fault.id == id)?;
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
        Some(self.known.remove(place).fault)
    }

    /// Returns whether this fault was in force once.
    pub(crate) fn has_ended(&self, id: FaultId) -> bool {
        self.ended.contains(&id)
    }

    /// Ends the faults whose time is over, and returns them.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<Fault> {
        let over: Vec<FaultId> = self
            .known
            .iter()
            .filter(|known| known.until <= now)
            .map(|known| known.fault.id)
            .collect();
        over.into_iter().filter_map(|id| self.end(id)).collect()
    }

    /// Takes in what is in force at `node`. Returns the controls that the node must be sent, and
    /// the faults that have ended with its process.
    pub(crate) fn on_report(
        &mut self,
        now: Duration,
        node: NodeName,
        report: &Report,
    ) -> (Vec<Control>, Vec<Fault>) {
        let mut controls = Vec::new();
        for InForce { fault, remaining, frames } in &report.faults {
            if let Some(known) = self.known.iter_mut().find(|known| known.fault.id == fault.id) {
                known.at.insert(node, *frames);
            } else if self.has_ended(fault.id) || self.known.len() >= FAULTS_MAX {
                // The nodes ignore a fault beyond the limit: sending it again would never end.
                controls.push(Control::Heal(fault.id));
            } else {
                // It was injected by an earlier incarnation of dispatch.
                let at = BTreeMap::from([(node, *frames)]);
                self.known.push(Known {
                    fault: *fault,
                    heal_after: *remaining,
                    until: now + *remaining,
                    at,
                });
            }
        }
        let mut over = Vec::new();
        for known in &mut self.known {
            if !known.fault.concerns(node)
                || report.faults.iter().any(|in_force| in_force.fault.id == known.fault.id)
            {
                continue;
            }
            let was_there = known.at.remove(&node).is_some();
            let remaining = known.until.saturating_sub(now);
            if known.fault.kind == FaultKind::Freeze && was_there {
                // It was woken by other means, or is another process.
                over.push(known.fault.id);
            } else if remaining >= REMAINING_MIN {
                controls.push(Control::Inject { fault: known.fault, heal_after: remaining });
            }
        }
        (controls, over.into_iter().filter_map(|id| self.end(id)).collect())
    }

    /// Notes that the process of `node` has ended, and with it what was in force there. Returns the
    /// freezes that are over for good.
    pub(crate) fn on_end(&mut self, node: NodeName) -> Vec<Fault> {
        let froze =
            |known: &Known| known.fault.kind == FaultKind::Freeze && known.at.contains_key(&node);
        let over: Vec<FaultId> =
            self.known.iter().filter(|known| froze(known)).map(|known| known.fault.id).collect();
        for known in &mut self.known {
            known.at.remove(&node);
        }
        over.into_iter().filter_map(|id| self.end(id)).collect()
    }

    /// Returns the ids of all faults in force.
    pub(crate) fn ids(&self) -> Vec<FaultId> {
        self.known.iter().map(|known| known.fault.id).collect()
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> + Clone {
        self.known.iter().map(|known| &known.fault)
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns the time at which the next fault ends by itself.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.known.iter().map(|known| known.until).min()
    }

    /// Returns whether replication from `sender` to `receiver` is cut.
    pub(crate) fn is_cut(&self, sender: NodeName, receiver: NodeName) -> bool {
        self.cuts().any(|fault| fault.affects(sender, receiver))
    }

    /// Returns whether any link is cut.
    pub(crate) fn any_cut(&self) -> bool {
        self.cuts().next().is_some()
    }

    fn cuts(&self) -> impl Iterator<Item = &Fault> {
        self.known.iter().map(|known| &known.fault).filter(|fault| fault.kind == FaultKind::Cut)
    }

    /// Returns whether a fault keeps this node frozen.
    pub(crate) fn is_frozen(&self, node: NodeName) -> bool {
        self.known.iter().any(|known| {
            known.fault.kind == FaultKind::Freeze
                && known.fault.from == node
                && known.at.contains_key(&node)
        })
    }

    /// Returns one fault as it is shown.
    pub(crate) fn view(&self, now: Duration, id: FaultId) -> Option<FaultView> {
        self.views(now).into_iter().find(|view| view.fault.id == id)
    }

    /// Returns all faults as they are shown, oldest first.
    pub(crate) fn views(&self, now: Duration) -> Vec<FaultView> {
        let view = |known: &Known| {
            let frames = known.at.values().fold(Frames::default(), |sum, frames| Frames {
                seen: sum.seen.saturating_add(frames.seen),
                dropped: sum.dropped.saturating_add(frames.dropped),
                delayed: sum.delayed.saturating_add(frames.delayed),
                duplicated: sum.duplicated.saturating_add(frames.duplicated),
            });
            FaultView {
                fault: known.fault,
                heal_after: known.heal_after,
                remaining: known.until.saturating_sub(now),
                at: known.at.keys().copied().collect(),
                frames,
            }
        };
        self.known.iter().map(view).collect()
    }
}

/// Returns the fault as a clause: `Gotham is cut from every other node, both ways`.
#[must_use]
pub fn describe(fault: &Fault) -> String {
    let from = title(fault.from);
    let to = fault.to.map_or_else(|| "every other node".to_owned(), title);
    let ways = if fault.both { "both ways" } else { "one way" };
    match fault.kind {
        FaultKind::Cut => format!("{from} is cut from {to}, {ways}"),
        FaultKind::Delay { by, jitter } if jitter.is_zero() => {
            format!("rounds from {from} to {to} take {} ms longer, {ways}", by.as_millis())
        }
        FaultKind::Delay { by, jitter } => {
            format!(
                "rounds from {from} to {to} take {} ± {} ms longer, {ways}",
                by.as_millis(),
                jitter.as_millis()
            )
        }
        FaultKind::Loss(chance) => {
            format!("{} % of what {from} sends to {to} is lost, {ways}", chance.percent())
        }
        FaultKind::Duplicate(chance) => {
            format!("{} % of what {from} sends to {to} arrives twice, {ways}", chance.percent())
        }
        FaultKind::Reorder(chance) => {
            format!("{} % of what {from} sends to {to} is overtaken, {ways}", chance.percent())
        }
        FaultKind::Throttle(bytes_per_s) => {
            format!("{bytes_per_s} bytes a second pass from {from} to {to}, {ways}")
        }
        FaultKind::Freeze => format!("{from} is frozen"),
        FaultKind::Skew(ms) if ms > 0 => format!("the clock of {from} is {ms} ms ahead"),
        FaultKind::Skew(ms) => format!("the clock of {from} is {} ms behind", ms.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gossip::UnixMillis;
    use gossip::fault::Permille;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    fn fault(id: u32, kind: FaultKind) -> Fault {
        Fault { id: FaultId(id), kind, from: name("gotham"), to: Some(name("capitol")), both: true }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn report(faults: &[Fault]) -> Report {
        let frames = Frames { seen: 2, dropped: 1, ..Frames::default() };
        let faults =
            faults.iter().map(|fault| InForce { fault: *fault, remaining: s(9), frames }).collect();
        Report { faults, wall: UnixMillis(0) }
    }

    #[test]
    fn a_fault_is_in_force_where_it_is_reported_and_asked_for_again_where_it_is_not() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        faults.begin(s(0), cut, s(30));
        assert_eq!(faults.on_report(s(0), name("gotham"), &report(&[cut])).0, []);
        assert_eq!(
            faults.on_report(s(10), name("capitol"), &report(&[])).0,
            [Control::Inject { fault: cut, heal_after: s(20) }]
        );
        assert_eq!(
            faults.on_report(s(10), name("metropolis"), &report(&[])).0,
            [],
            "it is no concern of that one"
        );
        assert_eq!(faults.view(s(10), cut.id).map(|view| view.at), Some(vec![name("gotham")]));
        faults.on_report(s(10), name("capitol"), &report(&[cut]));
        let view = faults.view(s(10), cut.id).expect("it is in force");
        assert_eq!((view.remaining, view.frames.seen, view.frames.dropped), (s(20), 4, 2));
        // The process of gotham is another one now, and knows of nothing.
        assert_eq!(
            faults.on_report(s(20), name("gotham"), &report(&[])).0,
            [Control::Inject { fault: cut, heal_after: s(10) }]
        );
        assert!(
            faults.is_cut(name("capitol"), name("gotham"))
                && !faults.is_cut(name("capitol"), name("metropolis"))
        );
    }

    #[test]
    fn what_has_ended_here_is_healed_where_it_is_still_reported() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        faults.begin(s(0), cut, s(30));
        assert_eq!(faults.end(cut.id), Some(cut));
        assert_eq!(faults.end(cut.id), None);
        assert!(faults.has_ended(cut.id) && !faults.has_ended(FaultId(2)));
        assert_eq!(
            faults.on_report(s(1), name("gotham"), &report(&[cut])).0,
            [Control::Heal(cut.id)]
        );
        faults.begin(s(0), fault(2, FaultKind::Cut), s(30));
        assert_eq!(
            (faults.expire(s(29)), faults.expire(s(30))),
            (vec![], vec![fault(2, FaultKind::Cut)])
        );
    }

    #[test]
    fn a_dispatch_that_knows_nothing_learns_of_faults_from_reports() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        assert_eq!(faults.on_report(s(5), name("gotham"), &report(&[cut])).0, []);
        let view = faults.view(s(5), cut.id).expect("it was adopted");
        assert_eq!((view.remaining, view.at), (s(9), vec![name("gotham")]));
        assert!(faults.any_cut());
    }

    #[test]
    fn no_more_faults_are_learned_of_than_can_be_in_force() {
        let mut faults = Faults::default();
        let most = u32::try_from(FAULTS_MAX).expect("a small number");
        let all: Vec<Fault> = (0..most).map(|id| fault(id, FaultKind::Cut)).collect();
        assert_eq!(faults.on_report(s(0), name("gotham"), &report(&all)).0, []);
        let one_more = fault(most, FaultKind::Cut);
        let (told, _) = faults.on_report(
            s(0),
            name("capitol"),
            &report(&[all.as_slice(), &[one_more]].concat()),
        );
        assert_eq!(told, [Control::Heal(one_more.id)]);
        assert_eq!(faults.len(), FAULTS_MAX);
    }

    #[test]
    fn a_process_that_was_woken_is_not_frozen_again() {
        let mut faults = Faults::default();
        let freeze = fault(1, FaultKind::Freeze);
        faults.begin(s(0), freeze, s(30));
        // A report from before it was asked.
        assert_eq!(
            faults.on_report(s(0), name("gotham"), &report(&[])).0,
            [Control::Inject { fault: freeze, heal_after: s(30) }]
        );
        faults.on_report(s(0), name("gotham"), &report(&[freeze]));
        assert!(faults.is_frozen(name("gotham")));
        assert_eq!(faults.on_report(s(5), name("gotham"), &report(&[])), (vec![], vec![freeze]));
        assert!(!faults.is_frozen(name("gotham")));
    }

    #[test]
    fn what_was_in_force_at_a_process_is_not_when_it_has_ended() {
        let mut faults = Faults::default();
        let (freeze, cut) = (fault(1, FaultKind::Freeze), fault(2, FaultKind::Cut));
        for fault in [freeze, cut] {
            faults.begin(s(0), fault, s(30));
        }
        for (node, there) in [("gotham", &[freeze, cut][..]), ("capitol", &[cut])] {
            faults.on_report(s(0), name(node), &report(there));
        }
        assert_eq!(faults.on_end(name("gotham")), [freeze]);
        assert!(!faults.is_frozen(name("gotham")));
        assert_eq!(faults.view(s(0), cut.id).map(|view| view.at), Some(vec![name("capitol")]));
    }

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let five = Permille::from_percent(5.0).expect("it is a chance");
        let told = |kind| describe(&fault(1, kind));
        assert_eq!(told(FaultKind::Cut), "Gotham is cut from Capitol, both ways");
        assert_eq!(
            told(FaultKind::Loss(five)),
            "5 % of what Gotham sends to Capitol is lost, both ways"
        );
        assert_eq!(told(FaultKind::Skew(-1_500)), "the clock of Gotham is 1500 ms behind");
        let to_all = Fault {
            to: None,
            both: false,
            ..fault(1, FaultKind::Delay { by: s(1), jitter: Duration::ZERO })
        };
        assert_eq!(
            describe(&to_all),
            "rounds from Gotham to every other node take 1000 ms longer, one way"
        );
    }
}

//! The injected faults: those requested, and those that the nodes report to be in force.
//!
//! The nodes execute faults and let them expire on their own; dispatch compares the two lists.
//! Invariant: a fault that has ended here is never taken for a new one, and a node that does not
//! report a fault is sent it again only until it expires.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gossip::NodeName;
use gossip::fault::{Control, FAULTS_MAX, Fault, FaultId, FaultKind, Frames, InForce, Report};

use crate::text::{seconds, title};

/// The number of remembered ended faults. They are distinguished from unknown ones.
const ENDED_MAX: usize = 256;
/// The minimum remaining time of a fault that is sent to a node again. A shorter one would expire
/// soon after it arrives.
const REMAINING_MIN: Duration = Duration::from_millis(500);

/// A fault in force, as displayed.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultView {
    /// The fault.
    pub fault: Fault,
    /// The requested duration.
    pub heal_after: Duration,
    /// The remaining duration.
    pub remaining: Duration,
    /// The nodes that report it in force.
    pub at: Vec<NodeName>,
    /// The frames that it has affected so far, summed over these nodes.
    pub frames: Frames,
}

impl FaultView {
    /// Returns a fault that has ended, and that these nodes have reported.
    pub(crate) fn over(fault: Fault, heal_after: Duration, at: Vec<NodeName>) -> Self {
        Self { fault, heal_after, remaining: Duration::ZERO, at, frames: Frames::default() }
    }
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    heal_after: Duration,
    until: Duration,
    at: BTreeMap<NodeName, Frames>,
    /// A node that it concerns has reported it. Until then it has had no effect that is known.
    was_reported: bool,
    /// Another dispatch has injected it, or an earlier incarnation of this one.
    is_adopted: bool,
}

/// The consequences of a report.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// The faults that were reported for the first time, each with its duration.
    pub(crate) begun: Vec<(Fault, Duration)>,
    /// The controls to send to the node.
    pub(crate) controls: Vec<Control>,
    /// The faults that another dispatch has healed.
    pub(crate) healed: Vec<Fault>,
    /// The faults that ended with the node's process.
    pub(crate) over: Vec<Fault>,
}

/// The faults in force, and the most recent ones that have ended.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// The faults in force, in the order in which they started.
    active: Vec<Active>,
    /// The most recent ended faults, newest last.
    ended: VecDeque<FaultId>,
}

impl Faults {
    pub(crate) fn begin(&mut self, now: Duration, fault: Fault, heal_after: Duration) {
        self.active.push(Active {
            fault,
            heal_after,
            until: now + heal_after,
            at: BTreeMap::new(),
            was_reported: false,
            is_adopted: false,
        });
    }

    /// Ends a fault. Returns `None` if it is not in force.
    pub(crate) fn end(&mut self, id: FaultId) -> Option<Fault> {
        let place = self.active.iter().position(|active| active.fault.id == id)?;
        self.ended.push_back(id);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
        Some(self.active.remove(place).fault)
    }

    /// Returns whether this fault was in force and has ended.
    pub(crate) fn has_ended(&self, id: FaultId) -> bool {
        self.ended.contains(&id)
    }

    /// Ends the faults that have expired, and returns those that a node has reported.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<Fault> {
        let expired = self.active.iter().filter(|active| active.until <= now);
        let over: Vec<(FaultId, bool)> =
            expired.map(|active| (active.fault.id, active.was_reported)).collect();
        let ended = over.into_iter().map(|(id, was_reported)| (self.end(id), was_reported));
        ended.filter_map(|(fault, was_reported)| fault.filter(|_| was_reported)).collect()
    }

    /// Returns whether a node has reported this fault, which is in force.
    pub(crate) fn was_reported(&self, id: FaultId) -> bool {
        self.active.iter().any(|active| active.fault.id == id && active.was_reported)
    }

    /// Processes a report of `node`. `has_reported` returns whether a running process has sent any.
    pub(crate) fn on_report(
        &mut self,
        now: Duration,
        node: NodeName,
        report: &Report,
        has_reported: impl Fn(NodeName) -> bool,
    ) -> Reported {
        let (mut begun, mut controls) = (Vec::new(), Vec::new());
        for InForce { fault, remaining, frames } in &report.faults {
            if let Some(active) = self.active.iter_mut().find(|active| active.fault.id == fault.id)
            {
                if fault.concerns(node) {
                    active.at.insert(node, *frames);
                    if !std::mem::replace(&mut active.was_reported, true) {
                        begun.push((active.fault, active.heal_after));
                    }
                }
            } else if self.has_ended(fault.id) || self.active.len() >= FAULTS_MAX {
                // The nodes ignore a fault beyond the limit: sending it again would never end.
                controls.push(Control::Heal(fault.id));
            } else {
                // A frozen node cannot report; others list its freeze.
                let is_there = fault.concerns(node) || !has_reported(fault.from);
                let place = if fault.concerns(node) { node } else { fault.from };
                let at = is_there.then_some((place, *frames)).into_iter().collect();
                self.active.push(Active {
                    fault: *fault,
                    heal_after: *remaining,
                    until: now + *remaining,
                    at,
                    was_reported: true,
                    is_adopted: true,
                });
            }
        }
        // Another dispatch has healed them.
        let is_healed = |active: &&Active| report.healed.contains(&active.fault.id);
        let healed: Vec<FaultId> =
            self.active.iter().filter(is_healed).map(|active| active.fault.id).collect();
        let healed = healed.into_iter().filter_map(|id| self.end(id)).collect();
        let mut over = Vec::new();
        for active in &mut self.active {
            if !active.fault.is_listed_by(node)
                || report.faults.iter().any(|in_force| in_force.fault.id == active.fault.id)
            {
                continue;
            }
            let was_there = active.at.remove(&node).is_some();
            let remaining = active.until.saturating_sub(now);
            let is_frozen_one =
                active.fault.kind == FaultKind::Freeze && active.fault.concerns(node);
            if is_frozen_one && (was_there || active.is_adopted) {
                // The process was thawed by other means, or has been replaced.
                over.push(active.fault.id);
            } else if remaining >= REMAINING_MIN {
                controls.push(Control::Inject { fault: active.fault, heal_after: remaining });
            }
        }
        let over = over.into_iter().filter_map(|id| self.end(id)).collect();
        Reported { begun, controls, healed, over }
    }

    /// Removes `node`, whose process has exited, from all faults. Returns the freezes that ended
    /// with it.
    pub(crate) fn on_end(&mut self, node: NodeName) -> Vec<Fault> {
        let froze = |active: &Active| {
            active.fault.kind == FaultKind::Freeze && active.at.contains_key(&node)
        };
        let over: Vec<FaultId> = self
            .active
            .iter()
            .filter(|active| froze(active))
            .map(|active| active.fault.id)
            .collect();
        for active in &mut self.active {
            active.at.remove(&node);
        }
        over.into_iter().filter_map(|id| self.end(id)).collect()
    }

    /// Returns the ids of all faults in force.
    pub(crate) fn ids(&self) -> Vec<FaultId> {
        self.active.iter().map(|active| active.fault.id).collect()
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> + Clone {
        self.active.iter().map(|active| &active.fault)
    }

    pub(crate) fn len(&self) -> usize {
        self.active.len()
    }

    /// Returns the time at which the next fault expires.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.active.iter().map(|active| active.until).min()
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
        self.active.iter().map(|active| &active.fault).filter(|fault| fault.kind == FaultKind::Cut)
    }

    /// Returns whether a fault freezes this node.
    pub(crate) fn is_frozen(&self, node: NodeName) -> bool {
        self.active.iter().any(|active| {
            active.fault.kind == FaultKind::Freeze
                && active.fault.from == node
                && active.at.contains_key(&node)
        })
    }

    /// Returns one fault as displayed.
    pub(crate) fn view(&self, now: Duration, id: FaultId) -> Option<FaultView> {
        self.views(now).into_iter().find(|view| view.fault.id == id)
    }

    /// Returns all faults as displayed, oldest first.
    pub(crate) fn views(&self, now: Duration) -> Vec<FaultView> {
        let view = |active: &Active| {
            let frames = active.at.values().fold(Frames::default(), |sum, frames| Frames {
                seen: sum.seen.saturating_add(frames.seen),
                dropped: sum.dropped.saturating_add(frames.dropped),
                delayed: sum.delayed.saturating_add(frames.delayed),
                duplicated: sum.duplicated.saturating_add(frames.duplicated),
            });
            FaultView {
                fault: active.fault,
                heal_after: active.heal_after,
                remaining: active.until.saturating_sub(now),
                at: active.at.keys().copied().collect(),
                frames,
            }
        };
        self.active.iter().map(view).collect()
    }
}

/// Formats a duration in milliseconds, from one second on in seconds: `300 ms`, `1.5 s`.
pub(crate) fn span(of: Duration) -> String {
    if of < Duration::from_secs(1) { format!("{} ms", of.as_millis()) } else { seconds(of) }
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
            format!("frames from {from} to {to} are delayed by {}, {ways}", span(by))
        }
        FaultKind::Delay { by, jitter } => {
            format!(
                "frames from {from} to {to} are delayed by {} ± {} ms, {ways}",
                by.as_millis(),
                jitter.as_millis()
            )
        }
        FaultKind::Loss(chance) => {
            format!("{} % of the frames from {from} to {to} are dropped, {ways}", chance.percent())
        }
        FaultKind::Duplicate(chance) => {
            format!(
                "{} % of the frames from {from} to {to} are duplicated, {ways}",
                chance.percent()
            )
        }
        FaultKind::Reorder(chance) => {
            format!(
                "{} % of the frames from {from} to {to} are reordered, {ways}",
                chance.percent()
            )
        }
        FaultKind::Throttle(bytes_per_s) => {
            format!(
                "frames from {from} to {to} are throttled to {bytes_per_s} bytes per second, {ways}"
            )
        }
        FaultKind::Freeze => format!("{from} is frozen"),
        FaultKind::Skew(ms) => {
            let way = if ms > 0 { "ahead" } else { "behind" };
            format!(
                "the clock of {from} is {} {way}",
                span(Duration::from_millis(ms.unsigned_abs()))
            )
        }
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
        Report { faults, healed: Vec::new(), wall: UnixMillis(0), clock_step_ms: 0 }
    }

    #[test]
    fn fault_is_sent_again_to_nodes_that_do_not_report_it() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        faults.begin(s(0), cut, s(30));
        assert_eq!(faults.on_report(s(0), name("gotham"), &report(&[cut]), |_| true).controls, []);
        assert_eq!(
            faults.on_report(s(10), name("capitol"), &report(&[]), |_| true).controls,
            [Control::Inject { fault: cut, heal_after: s(20) }]
        );
        assert_eq!(
            faults.on_report(s(10), name("metropolis"), &report(&[]), |_| true).controls,
            [],
            "the fault does not concern metropolis"
        );
        assert_eq!(faults.view(s(10), cut.id).map(|view| view.at), Some(vec![name("gotham")]));
        faults.on_report(s(10), name("capitol"), &report(&[cut]), |_| true);
        let view = faults.view(s(10), cut.id).expect("the fault is in force");
        assert_eq!((view.remaining, view.frames.seen, view.frames.dropped), (s(20), 4, 2));
        // The process of gotham was replaced, and has no faults.
        assert_eq!(
            faults.on_report(s(20), name("gotham"), &report(&[]), |_| true).controls,
            [Control::Inject { fault: cut, heal_after: s(10) }]
        );
        assert!(
            faults.is_cut(name("capitol"), name("gotham"))
                && !faults.is_cut(name("capitol"), name("metropolis"))
        );
    }

    #[test]
    fn ended_fault_is_healed_at_nodes_that_still_report_it() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        faults.begin(s(0), cut, s(30));
        assert_eq!(faults.end(cut.id), Some(cut));
        assert_eq!(faults.end(cut.id), None);
        assert!(faults.has_ended(cut.id) && !faults.has_ended(FaultId(2)));
        assert_eq!(
            faults.on_report(s(1), name("gotham"), &report(&[cut]), |_| true).controls,
            [Control::Heal(cut.id)]
        );
        let second = fault(2, FaultKind::Cut);
        faults.begin(s(0), second, s(30));
        assert_eq!(
            faults.on_report(s(1), name("gotham"), &report(&[second]), |_| true).begun,
            [(second, s(30))]
        );
        assert_eq!(faults.on_report(s(2), name("gotham"), &report(&[second]), |_| true).begun, []);
        assert_eq!((faults.expire(s(29)), faults.expire(s(30))), (vec![], vec![second]));
    }

    #[test]
    fn expiry_of_a_fault_that_no_node_reported_is_not_announced() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        faults.begin(s(0), cut, s(30));
        assert!(!faults.was_reported(cut.id));
        assert_eq!((faults.expire(s(30)), faults.len()), (vec![], 0));
        assert!(faults.has_ended(cut.id));
    }

    #[test]
    fn restarted_dispatch_adopts_reported_faults() {
        let mut faults = Faults::default();
        let cut = fault(1, FaultKind::Cut);
        assert_eq!(faults.on_report(s(5), name("gotham"), &report(&[cut]), |_| true).controls, []);
        let view = faults.view(s(5), cut.id).expect("it was adopted");
        assert_eq!((view.remaining, view.at), (s(9), vec![name("gotham")]));
        assert!(faults.any_cut());
    }

    #[test]
    fn adopted_faults_are_bounded() {
        let mut faults = Faults::default();
        let most = u32::try_from(FAULTS_MAX).expect("a small number");
        let all: Vec<Fault> = (0..most).map(|id| fault(id, FaultKind::Cut)).collect();
        assert_eq!(faults.on_report(s(0), name("gotham"), &report(&all), |_| true).controls, []);
        let one_more = fault(most, FaultKind::Cut);
        let Reported { controls, .. } = faults.on_report(
            s(0),
            name("capitol"),
            &report(&[all.as_slice(), &[one_more]].concat()),
            |_| true,
        );
        assert_eq!(controls, [Control::Heal(one_more.id)]);
        assert_eq!(faults.len(), FAULTS_MAX);
    }

    #[test]
    fn thawed_process_is_not_frozen_again() {
        let mut faults = Faults::default();
        let freeze = fault(1, FaultKind::Freeze);
        faults.begin(s(0), freeze, s(30));
        // A report sent before the control arrived.
        assert_eq!(
            faults.on_report(s(0), name("gotham"), &report(&[]), |_| true).controls,
            [Control::Inject { fault: freeze, heal_after: s(30) }]
        );
        faults.on_report(s(0), name("gotham"), &report(&[freeze]), |_| true);
        assert!(faults.is_frozen(name("gotham")));
        assert_eq!(faults.on_report(s(5), name("gotham"), &report(&[]), |_| true).over, [freeze]);
        assert!(!faults.is_frozen(name("gotham")));
    }

    #[test]
    fn restarted_dispatch_learns_of_a_freeze_from_the_nodes_that_are_not_frozen() {
        let freeze = fault(1, FaultKind::Freeze);
        let heard = |has_reported: bool| {
            let mut faults = Faults::default();
            let controls = faults
                .on_report(s(5), name("capitol"), &report(&[freeze]), |_| has_reported)
                .controls;
            assert_eq!(controls, []);
            faults
        };
        let mut faults = heard(false);
        assert_eq!(faults.ids(), [freeze.id]);
        assert!(faults.is_frozen(name("gotham")) && !faults.is_frozen(name("capitol")));
        let controls = faults.on_report(s(6), name("metropolis"), &report(&[]), |_| false).controls;
        assert_eq!(controls, [Control::Inject { fault: freeze, heal_after: s(8) }]);
        // A new process of gotham is not frozen.
        let Reported { controls, over, .. } =
            faults.on_report(s(7), name("gotham"), &report(&[]), |_| false);
        assert_eq!((controls, over), (vec![], vec![freeze]));

        // Gotham has reported already, so it was not frozen before.
        let mut faults = heard(true);
        assert!(!faults.is_frozen(name("gotham")));
        faults.on_report(s(6), name("gotham"), &report(&[freeze]), |_| true);
        assert!(faults.is_frozen(name("gotham")));
    }

    #[test]
    fn faults_end_at_a_node_with_its_process() {
        let mut faults = Faults::default();
        let (freeze, cut) = (fault(1, FaultKind::Freeze), fault(2, FaultKind::Cut));
        for fault in [freeze, cut] {
            faults.begin(s(0), fault, s(30));
        }
        for (node, there) in [("gotham", &[freeze, cut][..]), ("capitol", &[cut])] {
            faults.on_report(s(0), name(node), &report(there), |_| true);
        }
        assert_eq!(faults.on_end(name("gotham")), [freeze]);
        assert!(!faults.is_frozen(name("gotham")));
        assert_eq!(faults.view(s(0), cut.id).map(|view| view.at), Some(vec![name("capitol")]));
    }

    #[test]
    fn faults_are_described_as_clauses() {
        let five = Permille::from_percent(5.0).expect("it is a chance");
        let text = |kind| describe(&fault(1, kind));
        assert_eq!(text(FaultKind::Cut), "Gotham is cut from Capitol, both ways");
        assert_eq!(
            text(FaultKind::Loss(five)),
            "5 % of the frames from Gotham to Capitol are dropped, both ways"
        );
        assert_eq!(text(FaultKind::Skew(-1_500)), "the clock of Gotham is 1.5 s behind");
        let to_all = Fault {
            to: None,
            both: false,
            ..fault(1, FaultKind::Delay { by: s(1), jitter: Duration::ZERO })
        };
        assert_eq!(
            describe(&to_all),
            "frames from Gotham to every other node are delayed by 1 s, one way"
        );
    }
}

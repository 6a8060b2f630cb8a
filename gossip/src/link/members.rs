//! The members of the cluster, as one node sees them.
//!
//! Invariant: a member is up exactly while there is a link to it. One whose link was lost is a suspect
//! for a short time, since most links are back sooner.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::id::{Incarnation, NodeName, Origin};
use crate::machine::LinkDown;
use crate::membership::Roster;
use crate::time::UnixMillis;
use crate::types::peers::GRACE;

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// There is a link to it, or it is this node.
    Up,
    /// Its link was lost less than 3 s ago.
    Suspect,
    /// There is no link to it.
    Down,
}

/// A member, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its name.
    pub name: NodeName,
    /// The address at which it is dialled first; `None` of this node.
    pub address: Option<String>,
    /// All addresses at which it is dialled.
    pub addresses: Vec<String>,
    /// True if it controls the processes of the others.
    pub is_controller: bool,
    /// Whether it is there.
    pub state: MemberState,
    /// Its incarnation, if there was ever a link to it.
    pub incarnation: Option<Incarnation>,
    /// The time of the last change of its state, on this node's wall clock.
    pub since: UnixMillis,
    /// The reason why there is no link; `None` while it is up.
    pub cause: Option<LinkDown>,
}

type Statuses = Arc<BTreeMap<NodeName, Status>>;

#[derive(Clone)]
struct Status {
    addresses: Vec<String>,
    is_controller: bool,
    incarnation: Option<Incarnation>,
    /// The time of the last change of the link, on both clocks.
    changed: (Instant, UnixMillis),
    /// The reason why there is no link.
    cause: Option<LinkDown>,
    /// True if there was a link until the last change.
    was_up: bool,
}

/// What is known of the members beside their names.
pub(super) struct Known<'a> {
    pub(super) addresses: &'a BTreeMap<NodeName, Vec<String>>,
    pub(super) controller: Option<NodeName>,
}

impl Known<'_> {
    /// Returns the addresses at which this member is dialled.
    fn addresses_of(&self, name: NodeName) -> &[String] {
        self.addresses.get(&name).map_or(&[], Vec::as_slice)
    }
}

/// The members, for readers.
#[derive(Clone)]
pub(super) struct Members(watch::Receiver<Statuses>);

/// The members, for the task that owns the links.
pub(super) struct MembersServer(watch::Sender<Statuses>);

/// A reader of the changes of the members' states.
pub struct Membership {
    members: Members,
    shown: BTreeMap<NodeName, (MemberState, Option<Incarnation>)>,
}

/// Returns both ends.
pub(super) fn new() -> (Members, MembersServer) {
    let (server, members) = watch::channel(Statuses::default());
    (Members(members), MembersServer(server))
}

impl MembersServer {
    /// Starts an incarnation with the members of the roster. What is known of the last incarnation's
    /// links is kept.
    pub(super) fn start(&self, me: Origin, roster: &Roster, known: &Known<'_>, wall: UnixMillis) {
        self.0.send_modify(|statuses| {
            let before = std::mem::take(Arc::make_mut(statuses));
            let start = |name: &NodeName| {
                let is_me = *name == me.node;
                let last = before.get(name);
                let incarnation = if is_me {
                    Some(me.incarnation)
                } else {
                    last.and_then(|last| last.incarnation)
                };
                let status = Status {
                    incarnation,
                    cause: (!is_me).then_some(LinkDown::Lost),
                    // A new incarnation of this node makes its links again.
                    was_up: last.is_some_and(|last| last.cause.is_none()),
                    ..Status::new(*name, known, wall)
                };
                (*name, status)
            };
            *statuses = Arc::new(roster.members().iter().map(start).collect());
        });
    }

    /// Takes over the members of the roster, and their addresses.
    pub(super) fn update(&self, roster: &Roster, known: &Known<'_>, wall: UnixMillis) {
        self.0.send_if_modified(|statuses| {
            let is_same = statuses.keys().eq(roster.members())
                && statuses
                    .iter()
                    .all(|(name, status)| status.addresses == known.addresses_of(*name));
            if is_same {
                return false;
            }
            let statuses = Arc::make_mut(statuses);
            statuses.retain(|name, _| roster.members().contains(name));
            for name in roster.members() {
                let status =
                    statuses.entry(*name).or_insert_with(|| Status::new(*name, known, wall));
                status.addresses = known.addresses_of(*name).to_vec();
            }
            true
        });
    }

    /// Notes a new link.
    pub(super) fn link_up(&self, peer: Origin, wall: UnixMillis) {
        self.change(peer.node, |status| {
            let incarnation = Some(peer.incarnation);
            if status.cause.is_some() || status.incarnation != incarnation {
                (status.cause, status.incarnation) = (None, incarnation);
                status.changed = (Instant::now(), wall);
            }
        });
    }

    /// Notes that there is no link to a node.
    pub(super) fn link_down(&self, node: NodeName, cause: LinkDown, wall: UnixMillis) {
        self.change(node, |status| {
            if status.cause.is_none() {
                status.was_up = true;
                status.changed = (Instant::now(), wall);
            }
            status.cause = Some(cause);
            // Its process has ended, whatever becomes of the next attempts to reach it.
            status.was_up &= cause != LinkDown::Refused;
        });
    }

    fn change(&self, node: NodeName, change: impl FnOnce(&mut Status)) {
        self.0.send_modify(|statuses| {
            if let Some(status) = Arc::make_mut(statuses).get_mut(&node) {
                change(status);
            }
        });
    }
}

impl Status {
    /// Returns the status of a member to which there was no link yet.
    fn new(name: NodeName, known: &Known<'_>, wall: UnixMillis) -> Self {
        Self {
            addresses: known.addresses_of(name).to_vec(),
            is_controller: known.controller.is_some_and(|family| name.is_of(family)),
            incarnation: None,
            changed: (Instant::now(), wall),
            cause: Some(LinkDown::Lost),
            was_up: false,
        }
    }

    /// Returns the end of the time for which the member is a suspect, if it is one.
    fn suspect_until(&self) -> Option<Instant> {
        let until = self.changed.0 + GRACE;
        // A refused connection shows that its process has ended.
        let is_suspect = self.was_up
            && matches!(self.cause, Some(LinkDown::Lost | LinkDown::TimedOut))
            && until > Instant::now();
        is_suspect.then_some(until)
    }

    fn state(&self) -> MemberState {
        match self.cause {
            None => MemberState::Up,
            Some(_) if self.suspect_until().is_some() => MemberState::Suspect,
            Some(_) => MemberState::Down,
        }
    }

    fn shown(&self, name: NodeName) -> MemberStatus {
        let (state, cause) = (self.state(), self.cause);
        let was_suspect = state == MemberState::Down
            && self.was_up
            && cause.is_some_and(|cause| cause != LinkDown::Refused);
        let since = self.changed.1;
        MemberStatus {
            name,
            address: self.addresses.first().cloned(),
            addresses: self.addresses.clone(),
            is_controller: self.is_controller,
            state,
            incarnation: self.incarnation,
            since: if was_suspect { since.plus(GRACE) } else { since },
            cause,
        }
    }
}

impl Members {
    /// Returns all members, this node included, sorted by name; none before the node has started.
    pub(super) fn list(&self) -> Vec<MemberStatus> {
        let statuses = Arc::clone(&self.0.borrow());
        statuses.iter().map(|(name, status)| status.shown(*name)).collect()
    }

    pub(super) fn changes(&self) -> Membership {
        Membership { members: self.clone(), shown: BTreeMap::new() }
    }
}

impl Membership {
    /// Waits until the state or the incarnation of members has changed since the last result, and
    /// returns these members; the first time, all. A reader that falls behind gets the last state of
    /// each. `None` once the node has ended.
    pub async fn next(&mut self) -> Option<Vec<MemberStatus>> {
        loop {
            let statuses = Arc::clone(&self.members.0.borrow_and_update());
            let now = statuses.iter().map(|(name, status)| status.shown(*name));
            let changed = now.filter(|member| {
                let state = (member.state, member.incarnation);
                self.shown.insert(member.name, state) != Some(state)
            });
            let changed: Vec<MemberStatus> = changed.collect();
            if !changed.is_empty() {
                return Some(changed);
            }
            let suspect_until = statuses.values().filter_map(Status::suspect_until).min();
            tokio::select! {
                changed = self.members.0.changed() => changed.ok()?,
                () = sleep_until(suspect_until.unwrap_or_else(Instant::now)),
                    if suspect_until.is_some() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str, incarnation: u64) -> Origin {
        Origin { node: name.parse().unwrap(), incarnation: Incarnation::at(incarnation) }
    }

    fn started() -> (Members, MembersServer) {
        let (me, peer) = (origin("gotham", 3), origin("capitol", 5));
        let (members, server) = new();
        let addresses = [(peer.node, vec!["127.0.0.1:1".to_owned()])].into();
        let known = Known { addresses: &addresses, controller: Some(peer.node) };
        server.start(me, &Roster::new(me.node, [peer.node]), &known, UnixMillis(1));
        (members, server)
    }

    fn states(members: &[MemberStatus]) -> Vec<(&str, MemberState)> {
        members.iter().map(|member| (member.name.as_str(), member.state)).collect()
    }

    #[tokio::test]
    async fn further_member_is_shown_until_it_is_forgotten() {
        let (members, server) = started();
        let mut changes = members.changes();
        changes.next().await.unwrap();
        let (me, further) = (origin("gotham", 3), origin("star-city", 7));
        let addresses = [(further.node, vec!["127.0.0.1:2".to_owned()])].into();
        let known = Known { addresses: &addresses, controller: None };
        let mut roster = Roster::new(me.node, [origin("capitol", 5).node]);
        roster.update([further.node].into(), [], true);
        server.update(&roster, &known, UnixMillis(5));
        server.link_up(further, UnixMillis(6));
        assert_eq!(states(&changes.next().await.unwrap()), [("star-city", MemberState::Up)]);
        assert_eq!(members.list()[2].address.as_deref(), Some("127.0.0.1:2"));
        roster.update([].into(), [further.node], true);
        server.update(&roster, &known, UnixMillis(9));
        assert_eq!(members.list().len(), 2);
    }

    #[tokio::test]
    async fn member_is_up_suspect_down_and_up_again() {
        let (members, server) = started();
        let mut changes = members.changes();
        let (gotham, capitol) = ("gotham", "capitol");
        let first = changes.next().await.unwrap();
        assert_eq!(states(&first), [(capitol, MemberState::Down), (gotham, MemberState::Up)]);
        assert!(first[0].is_controller && first[0].address.is_some() && first[1].address.is_none());
        server.link_up(origin(capitol, 5), UnixMillis(10));
        let up = changes.next().await.unwrap();
        assert_eq!(states(&up), [(capitol, MemberState::Up)]);
        assert_eq!((up[0].incarnation, up[0].since), (Some(Incarnation::at(5)), UnixMillis(10)));
        server.link_down(up[0].name, LinkDown::TimedOut, UnixMillis(1_000));
        let suspect = changes.next().await.unwrap();
        assert_eq!(states(&suspect), [(capitol, MemberState::Suspect)]);
        // Attempts to dial it change the reason and nothing else.
        server.link_down(up[0].name, LinkDown::Lost, UnixMillis(2_000));
        assert_eq!(members.list()[0].since, UnixMillis(1_000));
        let down = changes.next().await.unwrap();
        assert_eq!(states(&down), [(capitol, MemberState::Down)]);
        assert_eq!((down[0].since, down[0].cause), (UnixMillis(4_000), Some(LinkDown::Lost)));
        server.link_up(origin(capitol, 7), UnixMillis(9_000));
        let up = changes.next().await.unwrap();
        assert_eq!(up[0].incarnation, Some(Incarnation::at(7)));
        // A stopped process is down at once.
        server.link_down(up[0].name, LinkDown::Refused, UnixMillis(9_500));
        assert_eq!(states(&changes.next().await.unwrap()), [(capitol, MemberState::Down)]);
        server.link_down(up[0].name, LinkDown::TimedOut, UnixMillis(9_600));
        let down = &members.list()[0];
        assert_eq!((down.state, down.since), (MemberState::Down, UnixMillis(9_500)));
        drop(server);
        assert_eq!(changes.next().await, None);
    }
}

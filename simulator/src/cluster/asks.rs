//! Requests to the library's types, at any node.

use gossip::types::desk::{Answered, Asked};
use gossip::types::presence::{self, Present};
use gossip::types::registers::Batch;
use gossip::types::request::{Done, Request};
use gossip::types::room;
use gossip::{Hlc, Stamp, UnixMillis};
use shared::Replica;

use super::Cluster;
use crate::plan::Ask;

impl Cluster {
    /// Passes a request to a node, if it is awake. The machine answers in the same step.
    pub(super) fn ask_type(&mut self, node: usize, ask: &Ask) {
        if !self.processes[node].is_awake() {
            return;
        }
        let request = request(ask, self.processes[node].replica());
        self.log(|_| format!("request: {request:?}"));
        let now = self.clock(node);
        self.tickets += 1;
        let (ticket, me) = (self.tickets, self.processes[node].me);
        self.oracle.asked(ticket);
        self.asked = Some(request.clone());
        self.processes[node].machine.ask(now, Asked { ticket, request });
        self.take_outputs(node);
        self.asked = None;
        self.oracle.check_answered(self.now, me, ticket);
    }

    pub(super) fn on_answered(&mut self, number: usize, answered: &Answered) {
        self.tally.asked += 1;
        let me = self.processes[number].me;
        self.oracle.type_answered(self.now, me, answered.ticket);
        let Some(Request::Add { counter, amount }) = &self.asked else { return };
        if let Ok(Done::Counted(_)) = answered.result {
            self.oracle.increments.note(counter, me, *amount);
        }
    }
}

/// Returns the request for an entry of a plan. A message replies to the newest one of its room.
fn request(ask: &Ask, replica: &Replica) -> Request {
    let name = |number: u8| format!("name {number}");
    let (set, table, topic) = (name(0), name(0), name(0));
    match *ask {
        Ask::Add { counter, amount } => {
            Request::Add { counter: name(counter), amount: i64::from(amount) }
        }
        Ask::Insert { element } => Request::Insert { set, element: name(element) },
        Ask::Remove { element } => Request::Remove { set, element: name(element) },
        Ask::Put { key } => {
            // Two keys, which must arrive together.
            let put = [name(key), name(key + 1)].map(|key| (key, vec![1])).into();
            Request::Write { table, batch: Batch { put, delete: [name(key + 2)].into() } }
        }
        Ask::Delete { key } => {
            let batch = Batch { put: [].into(), delete: [name(key)].into() };
            Request::Write { table, batch }
        }
        Ask::Say { room } => {
            let room = name(room);
            let newest = room::recent(replica.map().records(), &room, 1).pop();
            let reply_to = newest.map(|newest| newest.stamp);
            Request::Send { room, sender: name(0), text: "text".to_owned(), reply_to }
        }
        Ask::Track { key } => Request::Track { topic, key: name(key), meta: Vec::new() },
        Ask::Update { place } => {
            let tracked = user(replica, &topic, place);
            Request::Update { topic, tracked, meta: vec![place] }
        }
        Ask::Untrack { place } => {
            let tracked = user(replica, &topic, place);
            Request::Untrack { topic, tracked }
        }
        Ask::Register { number } => Request::Register { name: name(number), value: Vec::new() },
        Ask::Release { number } => Request::Release { name: name(number) },
    }
}

/// Returns a user whom this node tracks, or one who was never tracked.
fn user(replica: &Replica, topic: &str, number: u8) -> Present {
    let me = replica.me();
    let present = presence::list(replica.map().records(), topic, |owner| owner == me);
    let never = Present {
        key: number.to_string(),
        meta: Vec::new(),
        owner: me,
        since: UnixMillis::default(),
        stamp: Stamp { hlc: Hlc::default(), origin: me },
        place: number.into(),
    };
    present.into_iter().nth(number.into()).unwrap_or(never)
}

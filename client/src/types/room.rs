//! `superhero room`.

use std::collections::{BTreeSet, VecDeque};
use std::thread;
use std::time::Duration;

use api_types::{Messages, RoomMessage, RoomSize, SendRequest};
use superhero::Api;

use crate::outage::Outage;
use crate::output::{Failure, at, note};
use crate::printer::{Printer, json};
use crate::types::options::RoomCommand;

const MESSAGE: [&str; 6] = ["ID", "TIME", "NODE", "SENDER", "REPLY TO", "TEXT"];

/// The interval between two requests for the messages.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The number of messages that are requested: as many as a room shows.
const WINDOW: u64 = 100;
/// The number of earlier messages that are printed first.
const FIRST_SHOWN: usize = 20;
/// The number of printed messages that are remembered. A message is remembered longer than a room
/// shows it.
const REMEMBERED_MAX: usize = 10_000;

pub(super) fn run(node: &Api, print: Printer, command: RoomCommand) -> Result<(), Failure> {
    match command {
        RoomCommand::List => print.table(&node.rooms()?, &["ROOM", "MESSAGES"], |all| {
            let row = |room: &RoomSize| vec![room.name.clone(), room.messages.to_string()];
            all.rooms.iter().map(row).collect()
        }),
        RoomCommand::Show { room, limit } => {
            print.table(&node.room(&room, limit)?, &MESSAGE, |room| {
                room.messages.iter().map(row).collect()
            })
        }
        RoomCommand::Say { room, text, sender, reply_to } => {
            let message = node.say(&room, &SendRequest { sender, text, reply_to })?;
            print.one(&message, &MESSAGE, row)?;
            print.remark(&format!("The message was sent to {room}."));
            Ok(())
        }
        RoomCommand::Watch { room } => watch(node, print, &room),
    }
}

/// Prints the last messages of a room, then each new one, until the pipe closes.
fn watch(node: &Api, print: Printer, room: &str) -> Result<(), Failure> {
    let (mut known, mut outage) = (Known::default(), Outage::default());
    let mut answer = Some(node.room(room, Some(WINDOW))?);
    let mut is_first = true;
    loop {
        if let Some(answer) = answer.take() {
            let (mut messages, missing) = known.unknown(answer.value);
            if std::mem::take(&mut is_first) {
                messages.drain(..messages.len().saturating_sub(FIRST_SHOWN));
            } else if missing {
                note("messages may be missing: too many have arrived since the last request");
            }
            for message in &messages {
                if print.json {
                    print.out.json(&json(message))?;
                } else {
                    print.out.row(&row(message))?;
                }
            }
        }
        thread::sleep(POLL_INTERVAL);
        answer = outage.check(node.room(room, Some(WINDOW)))?;
    }
}

/// The messages that were received before.
#[derive(Default)]
struct Known {
    ids: BTreeSet<String>,
    /// The same IDs, in the order in which they were received.
    order: VecDeque<String>,
}

impl Known {
    /// Returns the messages that were not received before, and whether others may be missing.
    ///
    /// The newest message is not enough to tell: messages of other nodes arrive late, with earlier
    /// stamps, and a bombed node shows none until it has joined.
    fn unknown(&mut self, received: Messages) -> (Vec<RoomMessage>, bool) {
        let count = received.messages.len();
        let mut messages = received.messages;
        messages.retain(|message| self.add(&message.id));
        let missing = messages.len() == count && count as u64 >= WINDOW;
        (messages, missing)
    }

    /// Returns false if the ID was known.
    fn add(&mut self, id: &str) -> bool {
        let is_new = self.ids.insert(id.to_owned());
        if is_new {
            self.order.push_back(id.to_owned());
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.ids.remove(&first);
        }
        is_new
    }
}

fn row(message: &RoomMessage) -> Vec<String> {
    vec![
        message.id.clone(),
        at(message.stamp.wall_ms),
        message.node.clone(),
        message.sender.clone(),
        message.reply_to.clone().unwrap_or_default(),
        message.text.clone(),
    ]
}

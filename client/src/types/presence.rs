//! `superhero presence`.

mod changes;

use std::thread;
use std::time::Duration;

use serde_json::Value;

use api_types::{Presence, Present, TopicSize};
use superhero::{Answer, Api, Error};

use crate::outage::Outage;
use crate::output::{Failure, at};
use crate::printer::{Printer, json};
use crate::socket::Endpoint;
use crate::types::options::PresenceCommand;
use crate::types::presence::changes::{Push, changes};
use crate::types::value;

const PRESENT: [&str; 4] = ["KEY", "NODE", "SINCE", "META"];

/// The interval between two requests for those who are present.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The time without any message after which a connection counts as lost. A node pings every 10 s.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(25);

pub(super) fn run(node: &Api, print: Printer, command: PresenceCommand) -> Result<(), Failure> {
    match command {
        PresenceCommand::List => print.table(&node.topics()?, &["TOPIC", "TRACKED"], |all| {
            let row = |topic: &TopicSize| vec![topic.name.clone(), topic.tracked.to_string()];
            all.topics.iter().map(row).collect()
        }),
        PresenceCommand::Show { topic } => {
            print.table(&node.presence(&topic)?, &PRESENT, |topic| {
                topic.present.iter().map(row).collect()
            })
        }
        PresenceCommand::Track { topic, key, meta } => {
            track(node, print, &topic, &key, &value(&meta))
        }
        PresenceCommand::Watch { topic } => watch(node, print, &topic),
    }
}

/// Tracks a key, and prints the changes that the node sends, until the pipe closes.
fn track(node: &Api, print: Printer, topic: &str, key: &str, meta: &Value) -> Result<(), Failure> {
    let path = node.tracking_path(topic, key, meta);
    let socket = Endpoint { api: node, path, silence: SILENCE_MAX };
    socket.follow(|text, _| {
        if print.json {
            return print.out.json(text);
        }
        show(print, &socket.parsed(text)?)
    })
}

/// Prints who is present in a topic, then each change, until the pipe closes.
fn watch(node: &Api, print: Printer, topic: &str) -> Result<(), Failure> {
    let mut outage = Outage::default();
    let mut seen = look(node, topic)?.value;
    show(print, &Push::Present(seen.clone()))?;
    loop {
        thread::sleep(POLL_INTERVAL);
        if let Some(now) = outage.check(look(node, topic))? {
            for change in changes(&seen.present, &now.value.present) {
                show(print, &change)?;
            }
            seen = now.value;
        }
    }
}

/// Returns who is present, as a node shows it that has joined. One that has just started shows
/// nobody, although everybody is still present.
fn look(node: &Api, topic: &str) -> Result<Answer<Presence>, Error> {
    node.ready()?;
    node.presence(topic)
}

fn show(print: Printer, push: &Push) -> Result<(), Failure> {
    if print.json {
        return print.out.json(&json(push));
    }
    for row in push.rows() {
        print.out.row(&row)?;
    }
    Ok(())
}

fn row(present: &Present) -> Vec<String> {
    vec![present.key.clone(), present.node.clone(), at(present.since), present.meta.to_string()]
}

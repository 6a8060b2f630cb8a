//! The commands of the replicated types and of the services, at dispatch or at another node.

mod at;
mod counter;
mod name;
mod options;
mod owner;
mod presence;
mod room;
mod services;
mod set;
mod table;
mod topic;

use serde_json::Value;

use api_types::Stamp;
use superhero::Api;

use crate::output::Failure;
use crate::printer::Printer;

pub(crate) use options::TypeCommand;
use options::{AtNode, Owner};

/// Runs a command at the node that `--at` names. `dispatch` is the client for dispatch.
pub(crate) fn run(dispatch: &Api, print: Printer, command: TypeCommand) -> Result<(), Failure> {
    let node = |at: Option<String>| at::node(dispatch, at.as_deref());
    match command {
        TypeCommand::Counter(counter) => counter::run(&node(counter.at)?, print, counter.command),
        TypeCommand::Set(set) => set::run(&node(set.at)?, print, set.command),
        TypeCommand::Table(table) => table::run(&node(table.at)?, print, table.command),
        TypeCommand::Room(room) => room::run(&node(room.at)?, print, room.command),
        TypeCommand::Presence(presence) => {
            presence::run(&node(presence.at)?, print, presence.command)
        }
        TypeCommand::Topic(topic) => topic::run(&node(topic.at)?, print, topic.command),
        TypeCommand::Owner(Owner { at, key }) => owner::run(&node(at)?, print, &key),
        TypeCommand::Name(name) => name::run(&node(name.at)?, print, name.command),
        TypeCommand::Members { at } => services::members(&node(at)?, print),
        TypeCommand::Call(call) => services::call(&node(call.at.clone())?, print, call),
        TypeCommand::Map(map) => services::map(&node(map.at.clone())?, print, map),
        TypeCommand::Limit(limit) => services::limit(&node(limit.at.clone())?, print, limit),
        TypeCommand::Cache(AtNode { at, command }) => services::cache(&node(at)?, print, command),
        TypeCommand::Tracked(AtNode { at, command }) => {
            services::tracked(&node(at)?, print, command)
        }
    }
}

/// Parses a value: JSON, or else a text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Returns a stamp as text, as in the IDs of messages.
fn stamp(Stamp { wall_ms, logical, origin }: &Stamp) -> String {
    format!("{wall_ms}+{logical}@{origin}")
}

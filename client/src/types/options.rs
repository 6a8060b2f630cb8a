//! The options of the commands for the replicated types and the services.

use std::time::Duration;

use clap::{Args, Subcommand};

use scenario::span;

use crate::complete;
use crate::options::value;

/// The replicated types and the services.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TypeCommand {
    /// Read counters, and add to them
    Counter(AtNode<CounterCommand>),
    /// Read sets, add elements and remove them
    Set(AtNode<SetCommand>),
    /// Read tables of keys and JSON values, and write to them
    Table(AtNode<TableCommand>),
    /// Read chat rooms, and send messages to them
    Room(AtNode<RoomCommand>),
    /// Show who is present in a topic, or be present yourself
    Presence(AtNode<PresenceCommand>),
    /// Publish messages to those who listen at the moment, or listen
    Topic(AtNode<TopicCommand>),
    /// Show which node owns a key, by rendezvous hashing over the reachable nodes
    #[command(after_help = "Example: superhero owner session:42 --at capitol")]
    Owner(Owner),
    /// Read names that one node holds, register and release them
    Name(AtNode<NameCommand>),
    /// Show the members of the cluster, as a node sees them
    #[command(after_help = "Example: superhero members --at gotham")]
    Members {
        /// Node to ask: its name, such as gotham, or its URL [default: dispatch, at --url]
        #[arg(long, value_name = "NODE|URL", add = complete::nodes())]
        at: Option<String>,
    },
    /// Call a handler at a node. Cities have prime, hash and tile
    #[command(after_help = "Example: superhero call prime '{\"above\":1000000}' --to least_loaded")]
    Call(Call),
    /// Call a handler for each item, spread over the nodes that have it
    #[command(after_help = "Example: superhero map prime '{\"above\":10}' '{\"above\":1000}'")]
    Map(Map),
    /// Hit a key of a rate limit; exit with 1 if it is reached
    #[command(after_help = "Example: superhero limit login ada --limit 10 --per 1h --at gotham")]
    Limit(Limit),
    /// Read and change the cache
    Cache(AtNode<CacheCommand>),
    /// Count events, and show the most frequent ones of the last minute
    Tracked(AtNode<TrackedCommand>),
}

/// A call of a handler.
#[derive(Args, Clone, Debug)]
pub(crate) struct Call {
    /// Node that sends the call: its name, such as gotham, or its URL [default: dispatch, at --url]
    #[arg(long, value_name = "NODE|URL", add = complete::nodes())]
    pub(super) at: Option<String>,
    /// Name of the handler
    pub(super) handler: String,
    /// Arguments: JSON; text that is not JSON is taken as a JSON string
    #[arg(value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
    pub(super) args: String,
    /// Node that executes it: its name, `any`, `least_loaded`, or `owner:KEY`
    #[arg(long, value_name = "NODE", default_value = "any", value_parser = value::target, add = complete::nodes())]
    pub(super) to: String,
    /// Time limit, at most 60s [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = span::duration)]
    pub(super) timeout: Option<Duration>,
}

/// A list of work for a handler.
#[derive(Args, Clone, Debug)]
pub(crate) struct Map {
    /// Node that sends the calls: its name, such as gotham, or its URL [default: dispatch, at --url]
    #[arg(long, value_name = "NODE|URL", add = complete::nodes())]
    pub(super) at: Option<String>,
    /// Name of the handler
    pub(super) handler: String,
    /// Items: JSON; text that is not JSON is taken as a JSON string
    #[arg(required = true, value_name = "JSON", allow_negative_numbers = true)]
    pub(super) items: Vec<String>,
    /// Choice of the nodes: `round_robin` or `least_loaded` [default: round_robin]
    #[arg(long, value_name = "CHOICE")]
    pub(super) spread: Option<String>,
    /// Time limit of an attempt, at most 60s [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = span::duration)]
    pub(super) timeout: Option<Duration>,
    /// Attempts at an item, 1 to 10 [default: 3]
    #[arg(long, value_name = "N")]
    pub(super) attempts: Option<u32>,
}

/// A hit of a key.
#[derive(Args, Clone, Debug)]
pub(crate) struct Limit {
    /// Node to ask: its name, such as gotham, or its URL [default: dispatch, at --url]
    #[arg(long, value_name = "NODE|URL", add = complete::nodes())]
    pub(super) at: Option<String>,
    /// Name of the limit
    pub(super) name: String,
    /// Key
    pub(super) key: String,
    /// Hits that are allowed at once, and in each period
    #[arg(long, value_name = "N")]
    pub(super) limit: u32,
    /// Period, in whole seconds, at most 24h
    #[arg(long, value_name = "TIME", value_parser = span::duration)]
    pub(super) per: Duration,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show a value, and the node that holds it
    #[command(after_help = "Example: superhero cache get avatar:ada")]
    Get {
        /// Key
        key: String,
    },
    /// Put a value, for a while
    #[command(after_help = "Example: superhero cache put avatar:ada '{\"cape\":true}' --ttl 5m")]
    Put {
        /// Key
        key: String,
        /// Value: JSON; text that is not JSON is taken as a JSON string
        #[arg(value_name = "JSON", allow_negative_numbers = true)]
        value: String,
        /// Time for which the value is held, at most 24h [default: 1m]
        #[arg(long, value_name = "TIME", value_parser = span::duration)]
        ttl: Option<Duration>,
    },
    /// Remove a value
    #[command(after_help = "Example: superhero cache delete avatar:ada")]
    Delete {
        /// Key
        key: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TrackedCommand {
    /// Count an event of a stream
    #[command(after_help = "Example: superhero tracked add api 'GET /heroes'")]
    Add {
        /// Name of the stream
        stream: String,
        /// Name of the event
        event: String,
    },
    /// Show the most frequent events of a stream; dispatch counts its own in `events`
    #[command(after_help = "Example: superhero tracked top events --count 5")]
    Top {
        /// Name of the stream
        stream: String,
        /// Number of events
        #[arg(long, value_name = "N", default_value_t = 10)]
        count: u64,
    },
}

/// A key, and the node that is asked for its owner.
#[derive(Args, Clone, Debug)]
pub(crate) struct Owner {
    /// Node to ask: its name, such as gotham, or its URL [default: dispatch, at --url]
    #[arg(long, value_name = "NODE|URL", add = complete::nodes())]
    pub(super) at: Option<String>,
    /// Key
    pub(super) key: String,
}

/// The commands for one type, and the node that they ask.
#[derive(Args, Clone, Debug)]
pub(crate) struct AtNode<C: Subcommand> {
    /// Node to ask: its name, such as gotham, or its URL [default: dispatch, at --url]
    #[arg(long, global = true, value_name = "NODE|URL", add = complete::nodes())]
    pub(super) at: Option<String>,

    #[command(subcommand)]
    pub(super) command: C,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CounterCommand {
    /// List all counters
    #[command(after_help = "Example: superhero counter list")]
    List,
    /// Show a counter: its total, and what each node has added
    #[command(after_help = "Example: superhero counter show visits --at metropolis")]
    Show {
        /// Name of the counter
        name: String,
    },
    /// Add to a counter, or subtract from it
    #[command(after_help = "Example: superhero counter add visits 3 --at gotham")]
    Add {
        /// Name of the counter
        name: String,
        /// Amount to add; a negative one is subtracted
        #[arg(default_value_t = 1, allow_negative_numbers = true)]
        amount: i64,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SetCommand {
    /// List all sets that have elements
    #[command(after_help = "Example: superhero set list")]
    List,
    /// Show the elements of a set
    #[command(after_help = "Example: superhero set show villains")]
    Show {
        /// Name of the set
        name: String,
    },
    /// Add elements to a set, one after another; stop at the first error
    #[command(after_help = "Example: superhero set add villains Joker Bane")]
    Add(Elements),
    /// Remove elements from a set, one after another; stop at the first error
    #[command(after_help = "Example: superhero set remove villains Bane")]
    Remove(Elements),
}

/// The elements of a change to a set.
#[derive(Args, Clone, Debug)]
pub(crate) struct Elements {
    /// Name of the set
    pub(super) name: String,
    /// Elements
    #[arg(required = true, value_name = "ELEMENT")]
    pub(super) elements: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// List all tables that have keys
    #[command(after_help = "Example: superhero table list")]
    List,
    /// Show the keys of a table, with their values
    #[command(after_help = "Example: superhero table show weather --prefix got")]
    Show {
        /// Name of the table
        table: String,
        /// Show only keys that start with this text
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
    },
    /// Show one key of a table
    #[command(after_help = "Example: superhero table get weather gotham")]
    Get {
        /// Name of the table
        table: String,
        /// Key
        key: String,
    },
    /// Set a key of a table, or several all at once
    #[command(after_help = "Example: superhero table put weather gotham '{\"c\":21}' capitol rain")]
    Put {
        /// Name of the table
        table: String,
        /// Keys, each followed by its value: JSON; text that is not JSON is taken as a JSON string
        #[arg(
            required = true,
            num_args = 2..,
            value_names = ["KEY", "VALUE"],
            allow_negative_numbers = true
        )]
        entries: Vec<String>,
    },
    /// Delete a key of a table, or several all at once
    ///
    /// A single key must be present. Of several keys, absent ones are ignored.
    #[command(after_help = "Example: superhero table delete weather gotham")]
    Delete {
        /// Name of the table
        table: String,
        /// Keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// List all rooms that have messages
    #[command(after_help = "Example: superhero room list")]
    List,
    /// Show the newest messages of a room, oldest first
    #[command(after_help = "Example: superhero room show hq --limit 10")]
    Show {
        /// Name of the room
        room: String,
        /// Number of messages
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Send a message to a room
    #[command(after_help = "Example: superhero room say hq 'All clear' --as Ada")]
    Say {
        /// Name of the room
        room: String,
        /// Text of the message
        #[arg(allow_negative_numbers = true)]
        text: String,
        /// Name of the sender
        #[arg(long = "as", value_name = "SENDER", default_value = "superhero", env = "USER")]
        sender: String,
        /// ID of the message that this one replies to, see `superhero room show`
        #[arg(long, value_name = "ID")]
        reply_to: Option<String>,
    },
    /// Print the last 20 messages of a room, then each new one, until Ctrl-C
    #[command(after_help = "Example: superhero room watch hq --at capitol")]
    Watch {
        /// Name of the room
        room: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PresenceCommand {
    /// List all topics in which somebody is tracked
    #[command(after_help = "Example: superhero presence list")]
    List,
    /// Show who is present in a topic
    #[command(after_help = "Example: superhero presence show hq")]
    Show {
        /// Name of the topic
        topic: String,
    },
    /// Be present in a topic until Ctrl-C, and print who joins and leaves
    #[command(after_help = "Example: superhero presence track hq ada --meta '{\"mood\":\"calm\"}'")]
    Track {
        /// Name of the topic
        topic: String,
        /// Key to be present with
        key: String,
        /// What others see of the key: JSON; text that is not JSON is taken as a JSON string
        #[arg(long, value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
        meta: String,
    },
    /// Print who is present in a topic, then who joins and leaves, until Ctrl-C
    #[command(after_help = "Example: superhero presence watch hq")]
    Watch {
        /// Name of the topic
        topic: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Publish a message to all nodes, or to one; messages are not stored
    #[command(
        after_help = "Example: superhero topic publish news '{\"sky\":\"clear\"}' --to capitol"
    )]
    Publish {
        /// Name of the topic
        topic: String,
        /// Message: JSON; text that is not JSON is taken as a JSON string
        #[arg(value_name = "JSON", allow_negative_numbers = true)]
        message: String,
        /// The only node that receives the message
        #[arg(long, value_name = "NODE", value_parser = value::node, add = complete::nodes())]
        to: Option<String>,
    },
    /// Print the messages of a topic as they arrive, until Ctrl-C
    #[command(after_help = "Example: superhero topic watch news --at gotham")]
    Watch {
        /// Name of the topic
        topic: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NameCommand {
    /// List all names that are held
    #[command(after_help = "Example: superhero name list")]
    List,
    /// Show which node holds a name
    #[command(after_help = "Example: superhero name show leader")]
    Show {
        /// Name
        name: String,
    },
    /// Register a name for the node, until it is released or the node restarts
    #[command(after_help = "Example: superhero name register leader '\"10.0.0.1\"' --at gotham")]
    Register {
        /// Name
        name: String,
        /// Value of the name: JSON; text that is not JSON is taken as a JSON string
        #[arg(default_value = "null", allow_negative_numbers = true)]
        value: String,
    },
    /// Release a name that the node holds
    #[command(after_help = "Example: superhero name release leader --at gotham")]
    Release {
        /// Name
        name: String,
    },
}

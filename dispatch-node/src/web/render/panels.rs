//! What the page shows, as ready text: one struct a panel, and [`Page`] around the four of them.
//!
//! The invariant of this file: nothing here is computed. Whoever fills these structs has already counted, compared and
//! worded everything, so a template decides layout and nothing else, and the same struct gives the same bytes. Each panel
//! renders alone (its root element carries the panel's id, and a browser that is already open morphs it in place) and
//! inside [`Page`], which is the whole document for a first visit or for a browser without JavaScript.
//!
//! Every text is escaped by the template. A hero's name is arbitrary text.

use askama::Template;

use crate::web::auth::tokens::Role;
use crate::web::fragments::{Fragments, Number};

/// A city's key: its name in lower case, `gotham`. It is the value in URLs and forms, and the class that gives hue and
/// shape.
pub(crate) type CityKey = String;

/// The heading of the page: one or two sentences that are always true, and the numbers behind them.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "verdict.html")]
pub(crate) struct VerdictPanel {
    /// The sentence in pieces. They are set one after the other as they stand, so each brings its own spaces.
    pub(crate) sentence: Vec<Phrase>,
    /// The same as what was the case, for a page that has lost contact.
    pub(crate) past: String,
    /// Whether every city that answers holds the same. Takes the colour out of the page.
    pub(crate) converged: bool,
    /// A second, quieter sentence: why, or what happens next. May be empty.
    pub(crate) detail: String,
    /// A few numbers, in reading order.
    pub(crate) stats: Vec<Stat>,
}

/// A piece of the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// The words, with the spaces around them.
    pub(crate) text: String,
    /// How they are set.
    pub(crate) tone: Tone,
}

/// How a piece of the verdict is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As running text.
    Plain,
    /// In the hue of a city, whose name the words are.
    City(CityKey),
    /// Marked as a difference.
    Mark,
    /// As something lost or destroyed.
    Bad,
}

/// One number beside the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// What is counted: `Heroes agreed on`.
    pub(crate) label: &'static str,
    /// The number: `9 986`.
    pub(crate) value: String,
    /// What follows it in small type: `of 10 000`, `s`. May be empty.
    pub(crate) unit: String,
    /// Whether the number counts something lost.
    pub(crate) bad: bool,
}

/// The processes: a card a city, and dispatch in one line.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "cluster.html", whitespace = "minimize")]
pub(crate) struct ClusterPanel {
    /// Beside the heading: `4 processes, all running`.
    pub(crate) summary: String,
    /// The cities, always in the same order.
    pub(crate) cities: Vec<CityCard>,
    /// What dispatch itself holds and does: `holds 10 000 heroes, carries a round every second`.
    pub(crate) dispatch: String,
}

/// One city, as dispatch last saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CityCard {
    /// `gotham`.
    pub(crate) key: CityKey,
    /// `Gotham`.
    pub(crate) name: String,
    /// How many heroes it holds: `4 120`.
    pub(crate) heroes: String,
    /// Out of how many, while it recovers: `of 10 000`. Empty when it holds them all.
    pub(crate) of: String,
    /// The same as a share for the ring, in percent, 0 to 100.
    pub(crate) fill: u8,
    /// Whether the process answers.
    pub(crate) status: Status,
    /// What it is doing, in words: `agrees`, `14 changes apart`, `recovering`, `stopped`.
    pub(crate) state: String,
    /// Whether it holds something else than the others.
    pub(crate) differs: bool,
    /// How old this knowledge is: `as of 0.1 s ago`.
    pub(crate) age: String,
    /// Which life of the process this is: `4th life`. Empty for the first.
    pub(crate) life: String,
    /// Eight hexadecimal digits over everything it holds. Equal fingerprints mean equal maps. May be empty.
    pub(crate) fingerprint: String,
    /// What a bomb would lose for good: the heroes that nobody else has heard of. May be empty.
    pub(crate) at_stake: String,
    /// How it is started again, where its process has ended. Such a city cannot be bombed.
    pub(crate) rebuild: Option<Rebuild>,
}

/// How a city is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rebuild {
    /// From the page.
    Button,
    /// By hand, as these words say.
    ByHand(String),
}

/// Whether a city answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It answers.
    Up,
    /// It gives no answer; it may be running all the same.
    Unreachable,
    /// Its process has ended.
    Down,
}

impl Status {
    /// The class that sets it.
    fn class(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unreachable => "unreachable",
            Self::Down => "down",
        }
    }
}

/// The last things that happened, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "happened.html")]
pub(crate) struct HappenedPanel {
    /// Newest first.
    pub(crate) events: Vec<Happening>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    /// When: `12:41:07`.
    pub(crate) at: String,
    /// Where: a city's key, or `dispatch`.
    pub(crate) key: String,
    /// What, as a sentence without its full stop.
    pub(crate) text: String,
}

/// The whole document: the fragments in their places, and what never changes around them.
#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
pub(crate) struct Page<'a> {
    /// The run of dispatch, and the number of the frame, that this page shows.
    pub(crate) epoch: &'a str,
    pub(crate) number: Number,
    pub(crate) shared: &'a Fragments,
    pub(crate) window: &'a Fragments,
    /// The rows of the table.
    pub(crate) rows: String,
    /// The timeline, rendered; whether its seconds and its table are there; and the page where that is the other way round.
    pub(crate) timeline: String,
    pub(crate) with_history: bool,
    pub(crate) history_href: String,
    /// What was searched for.
    pub(crate) query: &'a str,
    /// The parameters that a search has to keep.
    pub(crate) kept: Vec<(&'static str, String)>,
    /// The forms that cause trouble, rendered.
    pub(crate) cause: String,
    /// The outcome of a command that was sent without JavaScript.
    pub(crate) notice: Option<Notice>,
    /// What who looks may do, where people are told apart. A viewer's page has all buttons and shows none: it is made of the same pieces.
    pub(crate) role: Option<Role>,
    /// What is unsafe about how dispatch was started, in words.
    pub(crate) unsafe_for: Option<&'a str>,
    /// Whether a browser without JavaScript loads the page again and again.
    pub(crate) refreshes: bool,
    /// This very page; and the same where it does the other thing.
    pub(crate) here: String,
    pub(crate) other_pace: String,
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What came of it: `gotham has been destroyed`.
    pub(crate) text: String,
    /// Whether the command was refused.
    pub(crate) bad: bool,
}

//! What the page shows, as ready text: one struct a panel, and [`Page`] around the four of them.
//!
//! The invariant of this file: nothing here is computed. Whoever fills these structs has already counted, compared and
//! worded everything, so a template decides layout and nothing else, and the same struct gives the same bytes. Each panel
//! renders alone (its root element carries the panel's id, and a browser that is already open morphs it in place) and
//! inside [`Page`], which is the whole document for a first visit or for a browser without JavaScript.
//!
//! Every text is escaped by the template. A hero's name is arbitrary text.

use askama::Template;

/// A city's key: its name in lower case, `gotham`. It is the value in URLs and forms, and the class that gives hue and
/// shape.
pub type CityKey = String;

/// The heading of the page: one or two sentences that are always true, and the numbers behind them.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "verdict.html")]
pub struct VerdictPanel {
    /// The sentence in pieces. They are set one after the other as they stand, so each brings its own spaces.
    pub sentence: Vec<Phrase>,
    /// Whether every city that answers holds the same. Takes the colour out of the page.
    pub converged: bool,
    /// A second, quieter sentence: why, or what happens next. May be empty.
    pub detail: String,
    /// A few numbers, in reading order.
    pub stats: Vec<Stat>,
}

/// A piece of the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// The words, with the spaces around them.
    pub text: String,
    /// How they are set.
    pub tone: Tone,
}

/// How a piece of the verdict is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tone {
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
pub struct Stat {
    /// What is counted: `Heroes agreed on`.
    pub label: &'static str,
    /// The number: `9 986`.
    pub value: String,
    /// What follows it in small type: `of 10 000`, `s`. May be empty.
    pub unit: String,
    /// Whether the number counts something lost.
    pub bad: bool,
}

/// The processes: a card a city, and dispatch in one line.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "cluster.html")]
pub struct ClusterPanel {
    /// Beside the heading: `4 processes, all running`.
    pub summary: String,
    /// The cities, always in the same order.
    pub cities: Vec<CityCard>,
    /// What dispatch itself holds and does: `holds 10 000 heroes, carries a round every second`.
    pub dispatch: String,
}

/// One city, as dispatch last saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityCard {
    /// `gotham`.
    pub key: CityKey,
    /// `Gotham`.
    pub name: String,
    /// How many heroes it holds: `4 120`.
    pub heroes: String,
    /// Out of how many, while it recovers: `of 10 000`. Empty when it holds them all.
    pub of: String,
    /// The same as a share for the ring, in percent, 0 to 100.
    pub fill: u8,
    /// Whether the process answers.
    pub status: Status,
    /// What it is doing, in words: `agrees`, `14 changes apart`, `recovering`, `stopped`.
    pub state: String,
    /// Whether it holds something else than the others.
    pub differs: bool,
    /// How old this knowledge is: `as of 0.1 s ago`.
    pub age: String,
    /// Which life of the process this is: `4th life`. Empty for the first.
    pub life: String,
    /// Eight hexadecimal digits over everything it holds. Equal fingerprints mean equal maps. May be empty.
    pub fingerprint: String,
    /// How it is started again, where its process has ended. Such a city cannot be bombed.
    pub rebuild: Option<Rebuild>,
}

/// How a city is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuild {
    /// From the page.
    Button,
    /// By hand, as these words say.
    ByHand(String),
}

/// Whether a city answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
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

/// One page of heroes, each as every city sees it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "heroes.html", whitespace = "minimize")]
pub struct HeroesPanel {
    /// The cities, in the order of each row's cells.
    pub columns: Vec<Column>,
    /// The heroes of this page, in order.
    pub rows: Vec<Row>,
    /// What was searched for. Empty when nothing was.
    pub query: String,
    /// Which rows these are: `1 to 50 of 10 000`. Empty when there is none.
    pub range: String,
    /// Address of the page before, if there is one.
    pub previous: Option<String>,
    /// Address of the page after, if there is one.
    pub next: Option<String>,
    /// The ways to narrow the list. The first one shows everything.
    pub filter: Vec<Chip>,
    /// What to say instead of rows, when there is none.
    pub empty: Option<&'static str>,
}

impl HeroesPanel {
    /// Whether the table is empty because there are no heroes at all, and not because of a search or a filter. Then the
    /// form that creates them stands where the rows would be.
    fn awaits_first_hero(&self) -> bool {
        self.empty.is_some() && self.query.is_empty() && self.filter.iter().skip(1).all(|chip| !chip.on)
    }

    /// The value of the chosen chip's `show`, which a search has to keep.
    fn shown(&self) -> Option<&str> {
        self.filter.iter().skip(1).find(|chip| chip.on).map(|chip| chip.show)
    }
}

/// One city's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `gotham`.
    pub key: CityKey,
    /// `Gotham`.
    pub name: String,
    /// How old the column is: `as of 0.1 s ago`.
    pub age: String,
    /// Whether that is too old to be taken for the present: the city gives no answer.
    pub stale: bool,
}

/// One hero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The hero's id, as it stands in URLs.
    pub id: String,
    /// The same, short enough to be read: `7f3a…c41`.
    pub short_id: String,
    /// The hero's name.
    pub name: String,
    /// What all cities say, when they say the same: then [`Row::cells`] is not shown.
    pub agreed: Option<Cell>,
    /// What each city says, in the order of [`HeroesPanel::columns`].
    pub cells: Vec<Cell>,
    /// In words: `Agreed`, `Only copy`, `Delete not heard`, `Differs`, `Terminated`.
    pub state: String,
    /// How that is set.
    pub tone: RowTone,
    /// Whether there is still something to command.
    pub can_act: bool,
    /// Why the last command to this hero was refused, for a browser without JavaScript. Usually empty.
    pub error: String,
}

/// How a row's state is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowTone {
    /// Nothing to see.
    Quiet,
    /// Worth a look.
    Warn,
    /// Something is lost, or can be.
    Bad,
}

impl RowTone {
    /// The class that sets it.
    fn class(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// What one city, or all of them, says about one hero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// The hero is alive.
    Live {
        /// Where: `gotham`, or `home`.
        place_key: String,
        /// The same as a name: `Gotham`, `Home`.
        place: String,
        /// Health, 0 to 100.
        health: u8,
        /// Whether the hero is patrolling.
        patrolling: bool,
        /// Whether the place is not what the other cities say.
        place_differs: bool,
        /// Whether the health is not what the other cities say.
        health_differs: bool,
        /// Whether patrolling is not what the other cities say.
        patrolling_differs: bool,
    },
    /// The hero is gone for good, and the city knows.
    Terminated {
        /// Whether other cities say something else.
        differs: bool,
    },
    /// The city has never heard of the hero.
    NotHeard {
        /// Whether other cities say something else.
        differs: bool,
    },
}

impl Cell {
    /// Whether anything in this cell is marked.
    fn differs(&self) -> bool {
        match *self {
            Self::Live { place_differs, health_differs, patrolling_differs, .. } => place_differs || health_differs || patrolling_differs,
            Self::Terminated { differs } | Self::NotHeard { differs } => differs,
        }
    }
}

/// One way to narrow the list of heroes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// `Differing`.
    pub label: &'static str,
    /// The value of the parameter `show` that chooses it.
    pub show: &'static str,
    /// How many heroes that leaves: `14`. May be empty.
    pub count: String,
    /// Where it leads.
    pub href: String,
    /// Whether it is the one chosen.
    pub on: bool,
}

/// The last things that happened, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "happened.html")]
pub struct HappenedPanel {
    /// Newest first.
    pub events: Vec<Happening>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When: `12:41:07`.
    pub at: String,
    /// Where: a city's key, or `dispatch`.
    pub key: String,
    /// What, as a sentence without its full stop.
    pub text: String,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "page.html")]
pub struct Page {
    /// The document's title: the verdict, in short.
    pub title: String,
    /// The heading.
    pub verdict: VerdictPanel,
    /// The processes.
    pub cluster: ClusterPanel,
    /// The table.
    pub heroes: HeroesPanel,
    /// The panel of what is in force, rendered.
    pub trouble: String,
    /// The forms that cause trouble, rendered.
    pub cause: String,
    /// The list of events.
    pub happened: HappenedPanel,
    /// The outcome of a command that was sent without JavaScript.
    pub notice: Option<Notice>,
    /// This very page, for a browser without JavaScript to load again.
    pub refresh_href: String,
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What came of it: `gotham has been destroyed`.
    pub text: String,
    /// Whether the command was refused.
    pub bad: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        Row {
            id: "7f3a".into(),
            short_id: "7f3a".into(),
            name: name.into(),
            agreed: Some(Cell::Terminated { differs: false }),
            cells: Vec::new(),
            state: "Agreed".into(),
            tone: RowTone::Quiet,
            can_act: true,
            error: String::new(),
        }
    }

    fn chip(show: &'static str, on: bool) -> Chip {
        Chip { label: "Any", show, count: String::new(), href: "/".into(), on }
    }

    fn heroes(rows: Vec<Row>, query: &str, filter: Vec<Chip>) -> HeroesPanel {
        HeroesPanel {
            columns: Vec::new(),
            empty: rows.is_empty().then_some("None"),
            rows,
            query: query.into(),
            range: String::new(),
            previous: None,
            next: None,
            filter,
        }
    }

    fn page(heroes: HeroesPanel) -> Page {
        Page {
            title: "Agreed".into(),
            verdict: VerdictPanel {
                sentence: vec![
                    Phrase { text: "Gotham".into(), tone: Tone::City("gotham".into()) },
                    Phrase { text: " is ".into(), tone: Tone::Plain },
                    Phrase { text: "1 change".into(), tone: Tone::Mark },
                    Phrase { text: " apart.".into(), tone: Tone::Plain },
                ],
                converged: false,
                detail: String::new(),
                stats: Vec::new(),
            },
            cluster: ClusterPanel { summary: String::new(), cities: Vec::new(), dispatch: String::new() },
            heroes,
            trouble: String::new(),
            cause: String::new(),
            happened: HappenedPanel { events: Vec::new() },
            notice: None,
            refresh_href: "/".into(),
        }
    }

    fn html(template: &impl Template) -> String {
        template.render().expect("rendering into a string")
    }

    #[test]
    fn a_heros_name_is_text_wherever_it_stands() {
        let html = html(&heroes(vec![row(r#""><script>alert('hi')</script>"#)], "<b>", Vec::new()));
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn the_sentence_is_set_without_spaces_of_its_own() {
        let html = html(&page(heroes(Vec::new(), "", Vec::new())).verdict);
        assert!(html.contains(r#"<span class="gotham">Gotham</span> is <mark>1 change</mark> apart.</h1>"#), "{html}");
    }

    #[test]
    fn each_panel_carries_its_id_on_its_root_and_the_page_has_each_once() {
        let page = page(heroes(Vec::new(), "", Vec::new()));
        let whole = html(&page);
        for (id, panel) in [
            ("verdict", html(&page.verdict)),
            ("cluster", html(&page.cluster)),
            ("heroes", html(&page.heroes)),
            ("happened", html(&page.happened)),
        ] {
            let root = panel.trim_start().split('>').next().unwrap_or_default();
            assert!(root.contains(&format!(r#" id="{id}""#)), "{root}");
            assert_eq!(whole.matches(&format!(r#" id="{id}""#)).count(), 1, "{id}");
        }
    }

    #[test]
    fn nothing_needs_what_the_content_security_policy_forbids() {
        let html = html(&page(heroes(vec![row("Granite")], "", Vec::new())));
        for forbidden in [" style=", "<style", " onclick=", " onchange=", "javascript:", "http://", "https://"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn the_form_that_creates_stands_in_the_table_only_where_there_is_nothing_at_all() {
        let chips = |differing: bool| vec![chip("", !differing), chip("differing", differing)];
        assert!(heroes(Vec::new(), "", chips(false)).awaits_first_hero());
        assert!(!heroes(Vec::new(), "kestrel", chips(false)).awaits_first_hero());
        assert!(!heroes(Vec::new(), "", chips(true)).awaits_first_hero());
        assert!(!heroes(vec![row("Granite")], "", chips(false)).awaits_first_hero());
        for panel in [heroes(Vec::new(), "", chips(false)), heroes(Vec::new(), "x", chips(false))] {
            assert_eq!(html(&panel).matches("Create superhero").count(), 1);
        }
    }

    #[test]
    fn a_search_keeps_the_chosen_chip() {
        let html = html(&heroes(Vec::new(), "x", vec![chip("", false), chip("differing", true)]));
        assert!(html.contains(r#"<input type="hidden" name="show" value="differing">"#), "{html}");
    }
}

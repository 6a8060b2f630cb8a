//! The pace of gossip, and the buttons that set it.

use askama::Template;

use gossip::fault::Pace;

use crate::model::view::View;

/// The pace of gossip, and the buttons that set it.
#[derive(Debug, Template)]
#[template(path = "gossip.html")]
pub(crate) struct GossipPanel {
    paused: bool,
    /// The paces to choose from: label, percent, and true for the current one.
    paces: [(&'static str, u16, bool); 3],
    /// The pace in words; empty for the normal pace.
    text: String,
}

impl GossipPanel {
    pub(crate) fn of(view: &View) -> Self {
        let text = match view.pace.percent {
            0 => "Gossip is paused: nobody hears of anything, until it goes on or one exchange is run.".to_owned(),
            100 => String::new(),
            percent => format!("Gossip goes at {percent} % of its pace."),
        };
        let pace = |label, percent| (label, percent, view.pace.percent == percent);
        Self {
            paused: view.pace == Pace::PAUSED,
            paces: [pace("1×", 100), pace("½×", 50), pace("⅒×", 10)],
            text,
        }
    }
}

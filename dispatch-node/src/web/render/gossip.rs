//! The pace of gossip, and the buttons that set it.

use askama::Template;

use gossip::fault::Pace;

use crate::model::view::View;

/// The pace of gossip, and the buttons that set it.
#[derive(Debug, Template)]
#[template(path = "gossip.html")]
pub(crate) struct GossipPanel {
    paused: bool,
    /// The available paces: label, percent, and true for the current one.
    paces: [(&'static str, u16, bool); 3],
    /// The pace as a sentence; empty for the normal pace.
    text: String,
}

impl GossipPanel {
    pub(crate) fn of(view: &View) -> Self {
        let text = match view.pace.percent {
            0 => "Gossip is paused: nothing is pulled until it resumes, or one exchange runs."
                .to_owned(),
            100 => String::new(),
            percent => format!("Gossip runs at {percent} % of its normal rate."),
        };
        let pace = |label, percent| (label, percent, view.pace.percent == percent);
        Self {
            paused: view.pace == Pace::PAUSED,
            paces: [pace("1×", 100), pace("½×", 50), pace("⅒×", 10)],
            text,
        }
    }
}

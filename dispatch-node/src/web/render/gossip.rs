//! The pace of gossip and the quiet of the cities, and the buttons that set them.

use askama::Template;

use gossip::fault::Pace;

use crate::model::view::View;

/// The pace of gossip and the quiet of the cities, and the buttons that set them.
#[derive(Debug, Template)]
#[template(path = "gossip.html")]
pub(crate) struct GossipPanel {
    paused: bool,
    /// The available paces: label, percent, and true for the current one.
    paces: [(&'static str, u16, bool); 3],
    quiet: bool,
    /// The settings in words; empty if all are normal.
    text: String,
}

impl GossipPanel {
    pub(crate) fn of(view: &View) -> Self {
        let pace_text = match view.pace.percent {
            0 => Some(
                "Gossip is paused: nothing is pulled until it resumes, or one exchange runs."
                    .to_owned(),
            ),
            100 => None,
            percent => Some(format!("Gossip runs at {percent} % of its normal rate.")),
        };
        let quiet_text = view.quiet.then(|| "No city patrols or fights.".to_owned());
        let text = pace_text.into_iter().chain(quiet_text).collect::<Vec<_>>().join(" ");
        let pace = |label, percent| (label, percent, view.pace.percent == percent);
        Self {
            paused: view.pace == Pace::PAUSED,
            paces: [pace("1×", 100), pace("½×", 50), pace("⅒×", 10)],
            quiet: view.quiet,
            text,
        }
    }
}

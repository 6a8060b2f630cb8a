//! What would have become of a lost write, and of all commands of the last minute, under other rules,
//! in words.

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::{OtherRules, RuleTally, UnderRule};
use gossip::{NodeName, Stamp};
use shared::hero::HeroId;

use crate::model::counterfactual::{Changes, Fate, Fates, Outcome, Rule, Story, Winner};
use crate::model::view::View;
use crate::text::title;
use crate::web::render::wording::listed;

/// The time that is looked at as a whole.
const MINUTE: Duration = Duration::from_secs(60);
/// The most heroes of that time whose commands are looked at.
const HEROES_MAX: usize = 50;

/// One line: a rule, the fate of the write under it, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The word of the rule in the API.
    pub(crate) rule: &'static str,
    /// `Merging by field`.
    pub(crate) label: &'static str,
    /// `saved`, `saved in part`, `lost`, `undecided` or `refused`.
    pub(crate) fate: &'static str,
    /// The write would not have been lost without a word: it is saved, or its user is told.
    pub(crate) is_better: bool,
    /// A clause.
    pub(crate) why: String,
}

impl From<Line> for UnderRule {
    fn from(Line { rule, label, fate, why, .. }: Line) -> Self {
        Self { rule: rule.to_owned(), label: label.to_owned(), fate: fate.to_owned(), why }
    }
}

/// The commands to heroes of the last minute, and their fates under each rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    pub(crate) writes: u64,
    pub(crate) lost: u64,
    pub(crate) rules: Vec<Tally>,
}

/// The fates under one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    rule: &'static str,
    pub(crate) label: &'static str,
    pub(crate) saved: u64,
    pub(crate) saved_in_part: u64,
    pub(crate) lost: u64,
    pub(crate) undecided: u64,
    pub(crate) refused: u64,
}

impl Minute {
    /// Returns the fates of the commands of this view's last minute.
    pub(crate) fn of(view: &View) -> Self {
        let since =
            view.at.wall.0.saturating_sub(MINUTE.as_millis().try_into().unwrap_or(u64::MAX));
        let mut commands: BTreeMap<HeroId, Vec<Stamp>> = BTreeMap::new();
        let recent = view.events.iter().rev().take_while(|event| event.at.0 >= since);
        for write in recent.filter(|event| event.kind.is_command()).filter_map(|event| event.write)
        {
            if commands.contains_key(&write.hero) || commands.len() < HEROES_MAX {
                commands.entry(write.hero).or_default().push(write.stamp);
            }
        }
        let tally = |rule: Rule| Tally {
            rule: rule.as_str(),
            label: label(rule),
            saved: 0,
            saved_in_part: 0,
            lost: 0,
            undecided: 0,
            refused: 0,
        };
        let mut minute = Self { rules: Rule::ALL.map(tally).to_vec(), ..Self::default() };
        let nodes: Vec<NodeName> =
            view.cities.iter().chain([&view.dispatch]).map(|node| node.name).collect();
        for (hero, stamps) in commands {
            let fates = Fates::of(Story::of(&view.history, hero, &nodes));
            for stamp in stamps {
                let Some(outcomes) = fates.outcomes(stamp) else { continue };
                minute.writes += 1;
                let is_lost = view.lost.iter().rev().any(|lost| lost.entry.stamp == stamp);
                minute.lost += u64::from(is_lost);
                for (tally, outcome) in minute.rules.iter_mut().zip(outcomes) {
                    tally.count(&outcome.fate);
                }
            }
        }
        minute
    }

    /// Returns the same for the API.
    pub(crate) fn other_rules(self) -> OtherRules {
        let Self { writes, lost, rules } = self;
        let tally = |tally: Tally| RuleTally {
            rule: tally.rule.to_owned(),
            label: tally.label.to_owned(),
            saved: tally.saved,
            saved_in_part: tally.saved_in_part,
            lost: tally.lost,
            undecided: tally.undecided,
            refused: tally.refused,
        };
        OtherRules { writes, lost, rules: rules.into_iter().map(tally).collect() }
    }
}

impl Tally {
    fn count(&mut self, fate: &Fate) {
        let count = match fate {
            Fate::Saved => &mut self.saved,
            Fate::SavedInPart { .. } => &mut self.saved_in_part,
            Fate::Replaced(_) | Fate::Forgotten => &mut self.lost,
            Fate::Undecided => &mut self.undecided,
            Fate::Refused { .. } => &mut self.refused,
        };
        *count += 1;
    }
}

/// Returns the name of a rule.
pub(crate) fn label(rule: Rule) -> &'static str {
    match rule {
        Rule::Majority => "Waiting for a majority",
        Rule::Fields => "Merging by field",
        Rule::WholeSeconds => "Whole seconds, received copy wins",
        Rule::KeepBoth => "Keeping both",
        Rule::HealthCounter => "A counter for health",
        Rule::Vault => "The vault (consensus)",
    }
}

/// Returns a line for each outcome.
pub(crate) fn lines(outcomes: &[Outcome]) -> Vec<Line> {
    let line = |outcome: &Outcome| {
        let (fate, is_better) = match outcome.fate {
            Fate::Saved => ("saved", true),
            Fate::SavedInPart { .. } => ("saved in part", true),
            Fate::Refused { .. } => ("refused", true),
            Fate::Replaced(_) | Fate::Forgotten => ("lost", false),
            Fate::Undecided => ("undecided", false),
        };
        let (rule, why) = (outcome.rule, why(outcome));
        Line { rule: rule.as_str(), label: label(rule), fate, is_better, why }
    };
    outcomes.iter().map(line).collect()
}

/// Names the fields: `location and health`.
fn fields(changes: Changes) -> String {
    let named =
        [(changes.location, "location"), (changes.health, "health"), (changes.patrol, "patrol")];
    let named: Vec<String> =
        named.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect();
    listed(&named, "and")
}

fn why(outcome: &Outcome) -> String {
    let Outcome { rule, fate, by, changes, nodes, reached } = outcome;
    let winner = || by.map_or_else(|| "another".to_owned(), |by| title(by.node));
    let same_second = by.is_some_and(|Winner { same_second, .. }| same_second);
    match (rule, fate) {
        (_, Fate::Forgotten) => "no node that held it kept its memory".to_owned(),
        (_, Fate::Refused { reached: 1 }) => {
            format!("the city reached none of the other {} nodes: it would have said no", nodes - 1)
        }
        (_, Fate::Refused { reached }) => {
            format!("the city reached only {reached} of {nodes} nodes: it would have said no")
        }
        (Rule::Majority, _) => format!(
            "the city reached {reached} of {nodes} nodes: most would have held it, and told the \
             next writer"
        ),
        (Rule::Vault, _) => {
            format!("the city reached {reached} of {nodes} nodes: most would have it in their log")
        }
        (Rule::KeepBoth, _) => "both values would stay, for a person to choose".to_owned(),
        (_, Fate::SavedInPart { lost, .. }) => {
            let kept = Changes {
                location: changes.location && !lost.location,
                health: changes.health && !lost.health,
                patrol: changes.patrol && !lost.patrol,
            };
            format!(
                "its {} would count; its {} is replaced by {}’s write",
                fields(kept),
                fields(*lost),
                winner()
            )
        }
        (Rule::Fields, Fate::Saved) => {
            format!(
                "no write with a later stamp replaced its {} without having seen it",
                fields(*changes)
            )
        }
        (Rule::Fields, _) => {
            format!("{}’s write changed the {} too, and is later", winner(), fields(*changes))
        }
        (Rule::HealthCounter, Fate::Saved) => match changes {
            Changes { location: false, patrol: false, .. } => {
                "changes of health are added up".to_owned()
            }
            _ => "fights change only the counter, and no later write replaced the rest unseen"
                .to_owned(),
        },
        (Rule::HealthCounter, _) => {
            format!("{}’s later write sets location and patrol together", winner())
        }
        (Rule::WholeSeconds, Fate::Saved) if changes == &Changes::ALL => {
            "its second was not earlier, or no tombstone stopped it".to_owned()
        }
        (Rule::WholeSeconds, Fate::Saved) => {
            "its second was later, or it was received last in the same second".to_owned()
        }
        (Rule::WholeSeconds, Fate::Undecided) => {
            "both are of the same second, and the cities go on swapping them".to_owned()
        }
        (Rule::WholeSeconds, _) if same_second => {
            format!("{}’s write is of the same second, and was received last", winner())
        }
        (Rule::WholeSeconds, _) => format!("{}’s write is of a later second", winner()),
    }
}

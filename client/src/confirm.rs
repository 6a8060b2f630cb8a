//! The confirmation of commands that destroy something.
//!
//! Invariant: without confirmation, nothing is changed. Without a terminal nobody can be asked, so
//! the option `--yes` is required there.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;

use superhero::Api;

use crate::output::Failure;
use crate::table::isolated;

/// The largest number of heroes at a node for which the lists of the nodes are compared.
const COMPARED_MAX: u64 = 10_000;
/// The number of heroes that a question names.
const NAMED: usize = 3;

/// The option that confirms a command in advance.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Confirmation {
    /// Do not ask; required if standard input is not a terminal
    #[arg(short, long)]
    yes: bool,
}

impl Confirmation {
    /// Checks that the command is confirmed, or that the user can be asked.
    ///
    /// # Errors
    /// [`Failure::Unusable`]
    pub(crate) fn check(self) -> Result<(), Failure> {
        if self.yes || io::stdin().is_terminal() {
            return Ok(());
        }
        let why = "this command needs --yes, since standard input is not a terminal; nothing was \
                   changed";
        Err(Failure::Unusable(why.to_owned()))
    }

    /// Asks the user, unless the command is confirmed in advance.
    ///
    /// # Errors
    /// The user cannot be asked or does not agree, or there is no question.
    pub(crate) fn ask(
        self,
        question: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        self.check()?;
        if self.yes {
            return Ok(());
        }
        let unasked = |error: io::Error| {
            Failure::No(format!("cannot ask for confirmation: {error}; nothing was changed"))
        };
        write!(io::stderr(), "{} [y/N] ", isolated(&question()?)).map_err(unasked)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(unasked)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::No("not confirmed; nothing was changed".into())),
        }
    }
}

/// Returns a sentence about the heroes that only this city holds; empty if there are none.
///
/// # Errors
/// Dispatch does not answer.
pub(crate) fn at_risk(api: &Api, city: &str) -> Result<String, Failure> {
    let only_copies = api.verdict()?.value.only_copies;
    if only_copies == 0 {
        return Ok(String::new());
    }
    let nodes = api.cluster()?.value.nodes;
    let answering = || nodes.iter().filter(|node| node.role == "city" && node.status == "up");
    if nodes.iter().any(|node| node.heroes > COMPARED_MAX) {
        return Ok(some_at_risk(only_copies));
    }
    if !answering().any(|node| node.name == city) {
        return Ok(String::new());
    }
    let heroes = api.city_heroes(city).items()?;
    let mut heroes: BTreeMap<String, String> =
        heroes.into_iter().map(|hero| (hero.id, hero.name)).collect();
    for other in answering().filter(|node| node.name != city) {
        for hero in api.city_heroes(&other.name).items()? {
            heroes.remove(&hero.id);
        }
    }
    for hero in api.heroes().items()? {
        heroes.remove(&hero.id);
    }
    Ok(lost(heroes.into_values().collect()))
}

/// Returns a sentence about the heroes that some node alone holds; empty if there are none.
pub(crate) fn some_at_risk(only_copies: u64) -> String {
    match only_copies {
        0 => String::new(),
        1 => " One hero is held by a single node only.".to_owned(),
        count => format!(" {count} heroes are held by a single node only."),
    }
}

fn lost(names: Vec<String>) -> String {
    let count = names.len();
    let heroes = match count {
        0 => return String::new(),
        1 => "1 hero",
        count => &format!("{count} heroes"),
    };
    let named = names[..count.min(NAMED)].join(", ");
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    format!(" This loses {heroes} that no other answering node holds: {named}{more}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_names_the_first_heroes_and_counts_the_rest() {
        let names = |count: usize| {
            ["Ada", "Bela", "Cleo", "Dora"][..count].iter().map(ToString::to_string).collect()
        };
        assert_eq!(lost(names(0)), "");
        assert!(lost(names(1)).ends_with("loses 1 hero that no other answering node holds: Ada."));
        assert!(lost(names(4)).ends_with("holds: Ada, Bela, Cleo and 1 more."));
    }
}

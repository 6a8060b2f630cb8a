//! Shell completions. The shell asks this program at each Tab, so values of the cluster are
//! completed too: heroes, nodes, faults and scenarios.
//!
//! Invariant: a completion changes nothing, prints candidates only, and takes at most about
//! [`TIMEOUT`], whatever dispatch does.

mod bash;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _,
};
use clap_complete::env::{Elvish, Fish, Powershell, Shells, Zsh};
use clap_complete::{CompleteEnv, Shell};

use api_types::{CITIES, NODES, Node};
use superhero::{Access, Api};

use crate::fault::described;
use crate::options::Options;
use bash::Bash;

/// The environment variable by which a shell asks for completions.
const VARIABLE: &str = "SUPERHERO_COMPLETE";
/// The time limit for an answer of dispatch.
const TIMEOUT: Duration = Duration::from_millis(300);
/// The largest number of heroes that are looked through, the first by name.
const HEROES_MAX: usize = 1_000;

const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a shell that asks for completions, and exits; returns if none does.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Options::definition).var(VARIABLE).shells(SHELLS).complete();
}

/// Returns the script by which a shell asks for completions.
pub(crate) fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let shell =
        SHELLS.completer(&shell.to_string()).ok_or_else(|| io::Error::other("no script"))?;
    // The program may not be in the path in which the shell looks for it.
    let program = std::env::current_exe()?;
    let mut script = Vec::new();
    let program = program.to_string_lossy();
    shell.write_registration(VARIABLE, "superhero", "superhero", &program, &mut script)?;
    Ok(script)
}

/// Completes the name of a city.
pub(crate) fn cities() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(names(|node| node.role == "city", &CITIES), &[]))
}

/// Completes the place of a hero.
pub(crate) fn places() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(names(|node| node.role == "city", &CITIES), &["home"]))
}

/// Completes the name of a node.
pub(crate) fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(names(|_| true, &NODES), &[]))
}

/// Completes an end of a link.
pub(crate) fn ends() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(names(|_| true, &NODES), &["all"]))
}

/// Completes the ID of a fault in force.
pub(crate) fn faults() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let faults = dispatch().and_then(|api| api.faults().ok());
        let faults = faults.map_or_else(Vec::new, |faults| faults.value.faults);
        let candidate = |fault: &api_types::Fault| {
            CompletionCandidate::new(&fault.id).help(Some(described(fault).into()))
        };
        let all = CompletionCandidate::new("all");
        faults.iter().map(candidate).chain([all]).collect()
    })
}

/// Completes the name of a shipped scenario, or the path of a file.
pub(crate) fn scenarios() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let start = current.to_string_lossy();
        let shipped = scenario::shipped().into_iter();
        let shipped = shipped.filter(|scenario| scenario.name.starts_with(&*start));
        let candidate = |scenario: scenario::Scenario| {
            CompletionCandidate::new(scenario.name).help(Some(scenario.title.into()))
        };
        let is_scenario = |path: &Path| path.extension().is_some_and(|end| end == "toml");
        let files = PathCompleter::file().filter(is_scenario).complete(current);
        shipped.map(candidate).chain(files).collect()
    })
}

/// Completes the name of a hero, in any letter case; an ID if several heroes have the name.
pub(crate) fn heroes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let start = current.to_string_lossy().to_lowercase();
        let heroes = dispatch().and_then(|api| api.first_heroes(HEROES_MAX).ok());
        let heroes = heroes.map_or_else(Vec::new, |heroes| heroes.value.heroes);
        let mut counts = BTreeMap::new();
        for hero in &heroes {
            *counts.entry(hero.name.to_lowercase()).or_insert(0) += 1;
        }
        let fitting = heroes.iter().filter(|hero| hero.name.to_lowercase().starts_with(&start));
        let candidate = |hero: &api_types::Hero| {
            let is_unique = counts.get(&hero.name.to_lowercase()) == Some(&1);
            let (value, help) =
                if is_unique { (&hero.name, &hero.location) } else { (&hero.id, &hero.name) };
            CompletionCandidate::new(value).help(Some(help.clone().into()))
        };
        fitting.map(candidate).collect()
    })
}

fn candidates(names: Vec<String>, words: &[&str]) -> Vec<CompletionCandidate> {
    let words = words.iter().map(ToString::to_string);
    names.into_iter().chain(words).map(CompletionCandidate::new).collect()
}

/// Returns the names of the nodes that are wanted, or the usual ones if dispatch does not answer.
fn names(is_wanted: impl Fn(&Node) -> bool, usual: &[&str]) -> Vec<String> {
    match dispatch().and_then(|api| api.cluster().ok()) {
        Some(cluster) => {
            cluster.value.nodes.into_iter().filter(is_wanted).map(|node| node.name).collect()
        }
        None => usual.iter().map(ToString::to_string).collect(),
    }
}

/// Returns a client for the dispatch that the line to complete names, or else the environment.
fn dispatch() -> Option<Api> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let line = Options::definition().ignore_errors(true).try_get_matches_from(words);
    let path = |name| line.as_ref().ok()?.get_one::<std::path::PathBuf>(name);
    let url = line.as_ref().ok()?.get_one::<String>("url")?;
    let access = Access::read(path("token_file").map(|it| &**it), path("ca").map(|it| &**it));
    Some(Api::with(url, access.ok()?).ok()?.within(TIMEOUT))
}

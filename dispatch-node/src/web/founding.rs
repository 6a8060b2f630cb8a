//! Founding a city, and removing one: the start of its process, and its end together with its
//! membership.
//!
//! Invariants: no city is founded under a name that is in use; a removed city has stopped before it
//! is forgotten.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use gossip::NodeName;
use shared::options::is_dispatch;

use crate::dispatch::CITIES_MAX;
use crate::event_log::EventKind;
use crate::model::node_state::NodeStatus;
use crate::model::view::View;
use crate::request::{Forget, Kill, Log, Stop};
use crate::web::dispatch_handle::DispatchHandle;
use crate::web::error::{Problem, shortened};
use crate::web::idempotency::Change;
use crate::web::launcher::{self, LauncherClient, is_further};

/// The style sheets of the page.
const STYLES: [&str; 2] =
    [include_str!("../../../static/style.css"), include_str!("../../../static/inspector.css")];
/// The time in which a city must have stopped. Shorter than a browser waits for its command.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The interval between two looks at whether it has stopped.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Parses the name of a new city.
///
/// # Errors
/// `invalid_city_name`
pub(crate) fn name(text: &str) -> Result<NodeName, Problem> {
    let refused = |rule: &str| {
        let shown = shortened(text, 40);
        let detail = format!("a city cannot be named {shown:?}: {rule}; nothing was founded");
        Problem::not_allowed("invalid_city_name", detail)
    };
    match text.parse::<NodeName>() {
        Ok(name) if is_dispatch(name) || name.as_str() == "home" => {
            Err(refused("the name has another meaning"))
        }
        // It is an argument of a command, and a class of elements of the page.
        Ok(name) if !name.as_str().starts_with(|first: char| first.is_ascii_lowercase()) => {
            Err(refused("it must begin with a letter"))
        }
        // Names are classes of elements of the page.
        Ok(name) if is_further(name) && STYLES.iter().any(|style| has_class(style, name)) => {
            Err(refused("the name has another meaning on the page"))
        }
        Ok(name) => Ok(name),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// Returns whether a style sheet has rules for a class of this name.
fn has_class(style: &str, name: NodeName) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    style.split(&format!(".{name}")).skip(1).any(|rest| !rest.starts_with(is_part))
}

/// Starts the process of a further city, unless the idempotency key was used for that before. The city
/// becomes a member soon afterwards.
///
/// # Errors
/// `city_exists`, `too_many_cities`; those of [`launcher`]; and those of
/// [`IdempotencyKeys`](crate::web::idempotency::IdempotencyKeys).
pub(crate) async fn found(
    dispatch: &DispatchHandle,
    launcher: &LauncherClient,
    city: NodeName,
    key: Option<String>,
) -> Result<(), Problem> {
    let (asked, launcher) = (dispatch.clone(), launcher.clone());
    let execute = async move {
        let view = asked.now().await?;
        check(&view, city)?;
        launcher::found(&launcher, city).await?;
        let text = format!("{city} was started, and becomes a member");
        // Without the event, the city was started all the same.
        asked.log(Log { node: city, kind: EventKind::Rebuilt, text, heard_from: None }).await;
        Ok(None)
    };
    dispatch.keys().once(key, Change::Found(city), move || execute).await.map(drop)
}

fn check(view: &View, city: NodeName) -> Result<(), Problem> {
    if view.city(city).is_some() {
        let detail = format!("there is a city {city} already; nothing was founded");
        return Err(Problem::conflict("city_exists", detail));
    }
    if view.cities.len() >= CITIES_MAX {
        let detail = format!("there are {CITIES_MAX} cities already; nothing was founded");
        return Err(Problem::conflict("too_many_cities", detail));
    }
    Ok(())
}

/// Stops the process of a city and forgets the city, unless the idempotency key was used for that
/// before. A process that does not answer is killed.
///
/// # Errors
/// `no_answer`: the city was neither stopped nor killed; nothing was changed. `alive`: it has not
/// stopped in time, and is still a member. `joining`: dispatch has not joined; the city has stopped,
/// and is still a member.
pub(crate) async fn remove(
    dispatch: &DispatchHandle,
    city: NodeName,
    key: Option<String>,
) -> Result<(), Problem> {
    let asked = dispatch.clone();
    let execute = async move {
        end(&asked, city).await?;
        let stopped_by = Instant::now() + STOP_TIMEOUT;
        loop {
            match asked.ask(Forget { city }, None).await {
                Ok(_) => return Ok(None),
                Err(problem) if problem.code == "alive" && Instant::now() < stopped_by => {
                    sleep(STOP_INTERVAL).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    };
    dispatch.keys().once(key, Change::Remove(city), move || execute).await.map(drop)
}

/// Ends the process of a city, if it runs.
async fn end(dispatch: &DispatchHandle, city: NodeName) -> Result<(), Problem> {
    let view = dispatch.now().await?;
    let status = view.city(city).map(|(_, city)| city.status);
    if status == Some(NodeStatus::Down) {
        return Ok(());
    }
    match dispatch.ask(Stop { city }, None).await {
        // It does not answer: the launcher can still kill its process.
        Err(problem) if problem.code == "no_answer" => {
            dispatch.ask(Kill { city }, None).await.map(drop)
        }
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn names_with_another_meaning_and_malformed_ones_are_refused() {
        assert_eq!(name("star-city").map(|name| name.to_string()), Ok("star-city".to_owned()));
        for text in
            ["dispatch", "home", "refusal", "card", "", "Star City", "-", &"x".repeat(10_000)]
        {
            let problem = name(text).expect_err(text);
            assert_eq!(problem.code, "invalid_city_name", "{text:?}");
            assert!(problem.detail.len() < 300, "{}", problem.detail);
        }
    }

    #[test]
    fn existing_city_and_too_many_cities_are_refused() {
        let view = fixtures::view(&["gotham"], 0);
        let name = |text: &str| text.parse().expect("a name");
        assert!(check(&view, name("star-city")).is_ok());
        assert_eq!(check(&view, name("gotham")).expect_err("it exists").code, "city_exists");
        let names: Vec<String> = (0..CITIES_MAX).map(|number| format!("city-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let full = fixtures::view(&names, 0);
        let refused = check(&full, name("star-city")).expect_err("there are too many");
        assert_eq!(refused.code, "too_many_cities");
    }
}

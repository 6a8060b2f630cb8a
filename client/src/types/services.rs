//! `superhero members`, `call`, `map`, `limit`, `cache` and `tracked`.

use std::time::Duration;

use api_types::{
    CacheEntry, CallDone, CallRequest, LimitRequest, LimitVerdict, MapRequest, MapResult, Member,
};
use serde_json::Value;
use superhero::Api;

use crate::output::Failure;
use crate::printer::{Printer, json};
use crate::progress::Progress;
use crate::types::options::{CacheCommand, Call, Limit, Map, TrackedCommand};
use crate::types::value;

/// The number of items in one request. The progress is shown after each.
const ITEMS: usize = 50;
/// The time limit of a call unless another is given.
const WITHIN: Duration = Duration::from_secs(5);

/// Prints the members.
pub(super) fn members(node: &Api, print: Printer) -> Result<(), Failure> {
    const HEADINGS: [&str; 6] = ["NODE", "ROLE", "STATE", "INCARNATION", "ADDRESS", "CAUSE"];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |member: &Member| {
        vec![
            member.name.clone(),
            member.role.clone(),
            member.state.clone(),
            or_dash(&member.incarnation.map(|number| number.to_string())),
            or_dash(&member.address),
            or_dash(&member.cause),
        ]
    };
    print.table(&node.members()?, &HEADINGS, |all| all.members.iter().map(row).collect())
}

/// Calls a handler, and prints its result.
pub(super) fn call(node: &Api, print: Printer, call: Call) -> Result<(), Failure> {
    let Call { handler, args, to, timeout, .. } = call;
    let request = CallRequest { to, args: value(&args), timeout_ms: timeout.map(millis) };
    let node = node.patient(timeout.unwrap_or(WITHIN));
    let row = |CallDone { from, result }: &CallDone| vec![from.clone(), json(result)];
    print.one(&node.call_handler(&handler, &request)?, &["FROM", "RESULT"], row)
}

/// Calls a handler for each item, and prints the results in order.
pub(super) fn map(node: &Api, print: Printer, map: Map) -> Result<(), Failure> {
    let Map { handler, items, spread, timeout, attempts, .. } = map;
    let items: Vec<Value> = items.iter().map(|item| value(item)).collect();
    let each = timeout.unwrap_or(WITHIN) * attempts.unwrap_or(3);
    let node = node.patient(each * u32::try_from(ITEMS).unwrap_or(u32::MAX));
    let (mut failed, mut rows) = (0, Vec::new());
    let mut progress = Progress::start("map", items.len() as u64);
    let mut done_so_far = 0;
    for items in items.chunks(ITEMS) {
        let request = MapRequest {
            items: items.to_vec(),
            spread: spread.clone(),
            timeout_ms: timeout.map(millis),
            attempts,
        };
        let done = node.map(&handler, &request)?;
        failed += done.value.results.iter().filter(|result| result.problem.is_some()).count();
        if print.json {
            print.out.json(&done.body)?;
        }
        done_so_far += items.len() as u64;
        progress.at(done_so_far, || format!("{failed} without a result"));
        rows.extend(items.iter().zip(&done.value.results).map(|(item, result)| row(item, result)));
    }
    drop(progress);
    if !print.json {
        print.out.table(&["ITEM", "FROM", "RESULT"], &rows)?;
    }
    if failed > 0 {
        return Err(Failure::No(format!("{failed} of {} items have no result", items.len())));
    }
    Ok(())
}

fn row(item: &Value, MapResult { from, result, problem }: &MapResult) -> Vec<String> {
    let from = from.clone().unwrap_or_else(|| "-".to_owned());
    let result = match (result, problem) {
        (_, Some(problem)) => problem.clone(),
        (result, None) => json(result),
    };
    vec![json(item), from, result]
}

/// Hits a key of a limit, and prints the decision.
pub(super) fn limit(node: &Api, print: Printer, limit: Limit) -> Result<(), Failure> {
    let Limit { name, key, limit, per, .. } = limit;
    if per.subsec_nanos() != 0 || per.is_zero() {
        return Err(Failure::Unusable("--per must be whole seconds, at least 1s".to_owned()));
    }
    let quota = LimitRequest { limit, per_s: per.as_secs() };
    let row = |verdict: &LimitVerdict| {
        let local = if verdict.local { "its own count" } else { "the owner" };
        vec![
            verdict.allowed.to_string(),
            verdict.remaining.to_string(),
            verdict.decided_by.clone(),
            local.to_owned(),
        ]
    };
    let verdict = node.hit(&name, &key, quota)?;
    print.one(&verdict, &["ALLOWED", "REMAINING", "DECIDED BY", "WITH"], row)
}

/// Reads and changes the cache.
pub(super) fn cache(node: &Api, print: Printer, command: CacheCommand) -> Result<(), Failure> {
    let row = |entry: &CacheEntry| vec![entry.key.clone(), json(&entry.value), entry.owner.clone()];
    let entry = match command {
        CacheCommand::Get { key } => node.cached(&key)?,
        CacheCommand::Put { key, value: text, ttl } => {
            let entry = node.cache(&key, value(&text), ttl.map(millis))?;
            print.remark(&format!("{key} is in the cache, at {}.", entry.value.owner));
            entry
        }
        CacheCommand::Delete { key } => {
            node.uncache(&key)?;
            return print.sentence(&format!("{key} was deleted from the cache."));
        }
    };
    print.one(&entry, &["KEY", "VALUE", "OWNER"], row)
}

/// Counts events, and prints the most frequent ones.
pub(super) fn tracked(node: &Api, print: Printer, command: TrackedCommand) -> Result<(), Failure> {
    match command {
        TrackedCommand::Add { stream, event } => {
            node.track(&stream, &event)?;
            print.sentence(&format!("{stream}: {event} was sent to be counted."))
        }
        TrackedCommand::Top { stream, count } => {
            let top = node.top(&stream, count)?;
            let (answered, of) = (top.value.answered, top.value.of);
            print.table(&top, &["EVENT", "COUNT"], |top| {
                let row = |event: &api_types::Frequency| {
                    vec![event.event.clone(), event.count.to_string()]
                };
                top.top.iter().map(row).collect()
            })?;
            if answered < of {
                crate::output::note(&format!("{answered} of {of} nodes have answered"));
            }
            Ok(())
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

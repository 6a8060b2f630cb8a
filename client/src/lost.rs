//! `superhero lost`: the acknowledged writes that no node stores any more.

use api_types::{Held, Hero, LostRecord, LostWrite, LostWrites, Stamp};
use superhero::Api;

use crate::output::{Failure, at};
use crate::printer::Printer;

const HEADINGS: [&str; 7] =
    ["NUMBER", "WRITTEN", "BY", "WHAT", "LOST VALUE", "FOUND INSTEAD", "FOUND AT"];

/// Prints the lost writes after number `since`.
pub(crate) fn list(api: &Api, print: Printer, since: u64) -> Result<(), Failure> {
    let lost = api.lost_writes(since)?;
    let none = match lost.value.count {
        0 => "No write was lost since dispatch started.".to_owned(),
        count => format!("None of the {count} lost writes has a number above {since}."),
    };
    let rows = |lost: &LostWrites| {
        let heroes = lost.lost.iter().map(|write| (write.number, hero(write)));
        let records = lost.records.iter().map(|write| (write.number, record(write)));
        let mut rows: Vec<_> = heroes.chain(records).collect();
        // The two lists have their numbers in common.
        rows.sort_by_key(|(number, _)| *number);
        rows.into_iter().map(|(_, row)| row).collect()
    };
    print.list(&lost, &HEADINGS, rows, &none)
}

fn hero(write: &LostWrite) -> Vec<String> {
    row(
        write.number,
        &write.stamp,
        &write.name,
        held(&write.wrote),
        held(&write.to),
        write.found_at_ms,
    )
}

fn record(write: &LostRecord) -> Vec<String> {
    let of = format!("{} {}", write.table, write.name);
    let to = write.to.clone().unwrap_or_else(|| "nothing".to_owned());
    row(write.number, &write.stamp, &of, write.wrote.clone(), to, write.found_at_ms)
}

fn row(
    number: u64,
    stamp: &Stamp,
    of: &str,
    wrote: String,
    to: String,
    found_at_ms: u64,
) -> Vec<String> {
    let node = stamp.origin.split('/').next().unwrap_or_default();
    vec![
        number.to_string(),
        at(stamp.wall_ms),
        node.to_owned(),
        of.to_owned(),
        wrote,
        to,
        at(found_at_ms),
    ]
}

fn held(held: &Held) -> String {
    match held {
        Held::Live(Hero { location, health, is_patrolling, .. }) => {
            let patrolling = if *is_patrolling { ", patrolling" } else { "" };
            format!("{location}, health {health}{patrolling}")
        }
        Held::Tombstone => "terminated".to_owned(),
        Held::UnknownAtCity => "nothing".to_owned(),
    }
}

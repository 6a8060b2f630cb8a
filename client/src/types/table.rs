//! `superhero table`.

use std::collections::BTreeMap;

use serde_json::Value;

use api_types::{BatchDone, BatchRequest, Puts, Stamp, TableEntry, TableSize};
use superhero::{Answer, Api};

use crate::output::{Failure, at};
use crate::printer::Printer;
use crate::types::options::TableCommand;
use crate::types::value;

const ENTRY: [&str; 4] = ["KEY", "VALUE", "WRITTEN", "BY"];

pub(super) fn run(node: &Api, print: Printer, command: TableCommand) -> Result<(), Failure> {
    let entry = |entry: &TableEntry| row(&entry.key, &entry.value, Some(&entry.stamp));
    match command {
        TableCommand::List => print.table(&node.tables()?, &["TABLE", "KEYS"], |all| {
            let row = |table: &TableSize| vec![table.name.clone(), table.keys.to_string()];
            all.tables.iter().map(row).collect()
        }),
        TableCommand::Show { table, prefix } => {
            print.table(&node.table(&table, &prefix)?, &ENTRY, |table| {
                table.entries.iter().map(entry).collect()
            })
        }
        TableCommand::Get { table, key } => print.one(&node.entry(&table, &key)?, &ENTRY, entry),
        TableCommand::Put { table, entries } => match entries.as_slice() {
            [key, text] => {
                print.one(&node.put(&table, key, value(text))?, &ENTRY, |entry| {
                    row(&entry.key, &entry.value, entry.stamp.as_ref())
                })?;
                print.remark(&format!("{key} was set in {table}."));
                Ok(())
            }
            entries => {
                let batch = BatchRequest { put: Puts(puts(entries)?), delete: Vec::new() };
                done(print, &table, &node.batch(&table, &batch)?)
            }
        },
        TableCommand::Delete { table, keys } => match keys.as_slice() {
            [key] => {
                node.delete_key(&table, key)?;
                print.sentence(&format!("{key} was deleted from {table}."))
            }
            keys => {
                let batch = BatchRequest { put: Puts::default(), delete: keys.to_vec() };
                done(print, &table, &node.batch(&table, &batch)?)
            }
        },
    }
}

/// Returns the keys and values of a command line.
///
/// # Errors
/// A key has no value, or is given twice.
fn puts(entries: &[String]) -> Result<BTreeMap<String, Value>, Failure> {
    let mut puts = BTreeMap::new();
    for entry in entries.chunks(2) {
        let [key, text] = entry else {
            return Err(Failure::Unusable(format!("the key {:?} has no value", entry[0])));
        };
        if puts.insert(key.clone(), value(text)).is_some() {
            return Err(Failure::Unusable(format!("the key {key:?} is given twice")));
        }
    }
    Ok(puts)
}

fn done(print: Printer, table: &str, done: &Answer<BatchDone>) -> Result<(), Failure> {
    let BatchDone { put, deleted } = done.value;
    print.one(done, &["PUT", "DELETED"], |_| vec![put.to_string(), deleted.to_string()])?;
    print.remark(&format!("{put} keys were set in {table}, and {deleted} deleted."));
    Ok(())
}

fn row(key: &str, value: &Value, stamp: Option<&Stamp>) -> Vec<String> {
    let written = stamp.map(|stamp| {
        let node = stamp.origin.split('/').next().unwrap_or_default();
        (at(stamp.wall_ms), node.to_owned())
    });
    let (time, node) = written.unwrap_or_default();
    vec![key.to_owned(), value.to_string(), time, node]
}

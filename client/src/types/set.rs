//! `superhero set`.

use api_types::SetSize;
use superhero::{Api, Error};

use crate::output::{Failure, note};
use crate::printer::Printer;
use crate::types::options::{Elements, SetCommand};

pub(super) fn run(node: &Api, print: Printer, command: SetCommand) -> Result<(), Failure> {
    match command {
        SetCommand::List => print.table(&node.sets()?, &["SET", "ELEMENTS"], |all| {
            let row = |set: &SetSize| vec![set.name.clone(), set.elements.to_string()];
            all.sets.iter().map(row).collect()
        }),
        SetCommand::Show { name } => print.table(&node.set(&name)?, &["ELEMENT"], |set| {
            set.elements.iter().map(|element| vec![element.clone()]).collect()
        }),
        SetCommand::Add(Elements { name, elements }) => {
            let (added, error) = each(&elements, |element| node.insert(&name, element));
            print.all(&added, &["SET", "ELEMENT"], |added| {
                vec![added.name.clone(), added.element.clone()]
            })?;
            if !added.is_empty() {
                let added: Vec<_> = added.iter().map(|added| &*added.value.element).collect();
                print.remark(&format!("Added to {name}: {}.", added.join(", ")));
            }
            error.map_or(Ok(()), |error| Err(error.into()))
        }
        SetCommand::Remove(Elements { name, elements }) => {
            let (removed, error) = each(&elements, |element| node.remove(&name, element));
            let Some(error) = error else {
                return print.sentence(&format!("Removed from {name}: {}.", elements.join(", ")));
            };
            if !removed.is_empty() {
                note(&format!(
                    "removed before the error: {}",
                    elements[..removed.len()].join(", ")
                ));
            }
            Err(error.into())
        }
    }
}

/// Makes a change for each element, up to the first that fails. Returns the answers, and the error.
fn each<T>(
    elements: &[String],
    change: impl Fn(&str) -> Result<T, Error>,
) -> (Vec<T>, Option<Error>) {
    let mut answers = Vec::with_capacity(elements.len());
    for element in elements {
        match change(element) {
            Ok(answer) => answers.push(answer),
            Err(error) => return (answers, Some(error)),
        }
    }
    (answers, None)
}

//! `superhero name`.

use api_types::Name;
use superhero::Api;

use crate::output::Failure;
use crate::printer::Printer;
use crate::types::options::NameCommand;
use crate::types::{stamp, value};

const NAME: [&str; 4] = ["NAME", "OWNER", "VALUE", "TOKEN"];

pub(super) fn run(node: &Api, print: Printer, command: NameCommand) -> Result<(), Failure> {
    match command {
        NameCommand::List => {
            print.table(&node.names()?, &NAME, |all| all.names.iter().map(row).collect())
        }
        NameCommand::Show { name } => print.one(&node.name(&name)?, &NAME, row),
        NameCommand::Register { name, value: text } => {
            print.one(&node.register(&name, value(&text))?, &NAME, row)
        }
        NameCommand::Release { name } => Ok(node.release(&name)?),
    }
}

fn row(name: &Name) -> Vec<String> {
    vec![name.name.clone(), name.owner.clone(), name.value.to_string(), stamp(&name.token)]
}

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
            let held = node.register(&name, value(&text))?;
            print.one(&held, &NAME, row)?;
            print.remark(&format!("{} holds {name}.", held.value.owner));
            Ok(())
        }
        NameCommand::Release { name } => {
            node.release(&name)?;
            print.sentence(&format!("{name} was released."))
        }
    }
}

fn row(name: &Name) -> Vec<String> {
    vec![name.name.clone(), name.owner.clone(), name.value.to_string(), stamp(&name.token)]
}

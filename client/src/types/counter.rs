//! `superhero counter`.

use api_types::Counter;
use superhero::Api;

use crate::output::Failure;
use crate::printer::Printer;
use crate::types::options::CounterCommand;

const LISTED: [&str; 3] = ["COUNTER", "LOCAL", "TOTAL"];
const COUNTER: [&str; 5] = ["COUNTER", "LOCAL", "TOTAL", "SHARES", "UNHEARD"];

pub(super) fn run(node: &Api, print: Printer, command: CounterCommand) -> Result<(), Failure> {
    match command {
        CounterCommand::List => print.table(&node.counters()?, &LISTED, |all| {
            let row = |counter: &api_types::CounterTotal| {
                vec![counter.name.clone(), counter.local.to_string(), counter.total.to_string()]
            };
            all.counters.iter().map(row).collect()
        }),
        CounterCommand::Show { name } => print.one(&node.counter(&name)?, &COUNTER, row),
        CounterCommand::Add { name, amount } => {
            let counter = node.add(&name, amount)?;
            print.one(&counter, &COUNTER, row)?;
            let total = counter.value.total;
            print.remark(&format!("{amount} was added to {name}; its total here is {total}."));
            Ok(())
        }
    }
}

fn row(counter: &Counter) -> Vec<String> {
    let shares: Vec<String> =
        counter.shares.iter().map(|(node, share)| format!("{node}={share}")).collect();
    vec![
        counter.name.clone(),
        counter.local.to_string(),
        counter.total.to_string(),
        shares.join(" "),
        counter.unheard.to_string(),
    ]
}

//! `superhero topic`.

use api_types::{Published, TopicEvent};
use superhero::Api;

use crate::output::Failure;
use crate::printer::Printer;
use crate::socket::Endpoint;
use crate::types::options::TopicCommand;
use crate::types::presence::SILENCE_MAX;
use crate::types::value;

pub(super) fn run(node: &Api, print: Printer, command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::Publish { topic, message, to } => {
            let sent = node.publish(&topic, &value(&message), to.as_deref())?;
            let Published { nodes } = sent.value;
            print.one(&sent, &["NODES"], |_| vec![nodes.to_string()])?;
            print.remark(&format!("The message was sent to {nodes} nodes."));
            Ok(())
        }
        TopicCommand::Watch { topic } => {
            let socket =
                Endpoint { api: node, path: node.topic_path(&topic), silence: SILENCE_MAX };
            socket.follow(|text, _| {
                if print.json {
                    return print.out.json(text);
                }
                print.out.row(&row(&socket.parsed(text)?))
            })
        }
    }
}

/// Returns the cells of a message or of a gap.
fn row(TopicEvent { from, body, missed }: &TopicEvent) -> Vec<String> {
    let from = from.clone().unwrap_or_else(|| "-".to_owned());
    match (missed, body) {
        (Some(missed), _) => vec![from, format!("missed {missed}")],
        (None, body) => vec![from, body.clone().unwrap_or_default().to_string()],
    }
}

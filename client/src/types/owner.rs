//! `superhero owner`.

use api_types::Owner;
use superhero::Api;

use crate::output::Failure;
use crate::printer::Printer;

/// Prints the owner of a key, and the nodes that own it after this one.
pub(super) fn run(node: &Api, print: Printer, key: &str) -> Result<(), Failure> {
    let row = |Owner { key, owner, order }: &Owner| {
        vec![key.clone(), owner.clone(), order[1..].join(" ")]
    };
    print.one(&node.owner(key)?, &["KEY", "OWNER", "THEN"], row)
}

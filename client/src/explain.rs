//! `superhero explain`: which write to a hero wins, why, and what would have saved the lost ones.

use api_types::{ExplainedLoss, ExplainedWrite, Explanation, OtherRules, RuleTally, UnderRule};
use superhero::Api;

use crate::find::find;
use crate::output::Failure;
use crate::printer::Printer;

const WRITES: [&str; 6] = ["WRITER", "WROTE", "STAMP (UTC)", "FATE", "WHY", "HELD BY"];
const RULES: [&str; 3] = ["RULE", "FATE", "WHY"];
const TALLIES: [&str; 6] = ["RULE", "LOST", "REFUSED", "SAVED", "IN PART", "UNDECIDED"];

/// Prints the explanation of the hero with this ID, ID prefix or name.
pub(crate) fn hero(api: &Api, print: Printer, text: &str) -> Result<(), Failure> {
    let id = match find(api, text) {
        Ok(found) => found.id,
        Err(missing) => lost_hero(api, text)?.ok_or(missing)?,
    };
    let explanation = api.explanation(&id)?;
    if print.json {
        return print.out.json(&explanation.body);
    }
    let Explanation { name, sentence, reasons, writes, lost, next, .. } = explanation.value;
    print.out.line(&format!("{name}: {sentence}"))?;
    reasons.iter().try_for_each(|reason| print.out.line(reason))?;
    if !writes.is_empty() {
        print.out.line("")?;
        print.out.table(&WRITES, &writes.iter().map(write).collect::<Vec<_>>())?;
    }
    for ExplainedLoss { saved, text, under } in &lost {
        print.out.line("")?;
        print.out.line(&format!("Lost, {saved} UTC: {text}"))?;
        if under.is_empty() {
            print.out.line("What other rules would have done is not recorded.")?;
        } else {
            print.out.table(&RULES, &under.iter().map(rule).collect::<Vec<_>>())?;
        }
    }
    if !next.is_empty() {
        print.out.line("")?;
        next.iter().try_for_each(|step| print.out.line(&format!("Next: {step}")))?;
    }
    Ok(())
}

/// Prints the commands of the last minute under other rules.
pub(crate) fn minute(api: &Api, print: Printer) -> Result<(), Failure> {
    let answer = api.other_rules()?;
    let OtherRules { writes, lost, .. } = &answer.value;
    print
        .remark(&format!("{lost} of the {writes} commands to heroes of the last minute are lost."));
    print.remark("Of more commands than the event log keeps, or to more than 50 heroes, only the newest count.");
    print.table(&answer, &TALLIES, |rules| rules.rules.iter().map(tally).collect())
}

/// Returns the ID of the hero of this name that has lost a write, and that no node holds any more.
fn lost_hero(api: &Api, text: &str) -> Result<Option<String>, Failure> {
    let name = text.trim().to_lowercase();
    let mut ids: Vec<String> = api
        .lost_writes(0)?
        .value
        .lost
        .into_iter()
        .filter(|lost| lost.name.to_lowercase() == name)
        .map(|lost| lost.hero)
        .collect();
    ids.dedup();
    Ok(ids.pop().filter(|_| ids.is_empty()))
}

fn write(write: &ExplainedWrite) -> Vec<String> {
    let ExplainedWrite { writer, wrote, stamp, fate, why, held } = write.clone();
    vec![writer, wrote, stamp, fate, why, held]
}

fn rule(under: &UnderRule) -> Vec<String> {
    let UnderRule { rule: _, label, fate, why } = under.clone();
    vec![label, fate, why]
}

fn tally(tally: &RuleTally) -> Vec<String> {
    let RuleTally { rule: _, label, saved, saved_in_part, lost, undecided, refused } = tally;
    let numbers = [lost, refused, saved, saved_in_part, undecided].map(u64::to_string);
    [label.clone()].into_iter().chain(numbers).collect()
}

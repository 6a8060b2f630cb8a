//! The injection of a fault, with the parameters of its kind.

use api_types::{ALL, FAULT_KINDS};
use toml::Spanned;

use crate::fault::{Fault, FaultKind};
use crate::operation::Action;
use crate::span::signed_ms;

use super::labels::Labels;
use super::mistake::{Mistake, mistake};
use super::table;
use super::value::{AT_MAX, city, node, short_text, span_within};

/// Returns the action that injects a fault.
pub(super) fn inject(
    table: &Spanned<table::Fault>,
    labels: &mut Labels,
) -> Result<Action, Mistake> {
    let table::Fault { from, to, one_way, lasts, name, .. } = table.get_ref();
    let kind = kind(table)?;
    let fault = Fault {
        to: far_end(table, &kind, to.as_ref())?,
        // The player chooses the duration of a fault without one.
        lasts: lasts.as_ref().map(|lasts| span_within(lasts, AT_MAX)).transpose()?,
        from: node(from)?,
        one_way: *one_way,
        kind,
    };
    fault.request().map_err(|error| mistake(table, error))?;
    name.iter().try_for_each(|name| labels.add_fault(name))?;
    Ok(Action::Inject { fault, name: name.as_ref().map(short_text).transpose()? })
}

/// Returns the kind of a fault with its parameters. Missing and foreign parameters are rejected.
fn kind(table: &Spanned<table::Fault>) -> Result<FaultKind, Mistake> {
    let table::Fault { kind, from, by, jitter, percent, bytes_per_s, .. } = table.get_ref();
    let name = kind.get_ref().as_str();
    let given = [
        ("by", by.is_some()),
        ("jitter", jitter.is_some()),
        ("percent", percent.is_some()),
        ("bytes_per_s", bytes_per_s.is_some()),
    ];
    let has_only = |fields: &[&str]| match given
        .iter()
        .find(|(field, is_given)| *is_given && !fields.contains(field))
    {
        None => Ok(()),
        Some((field, _)) => Err(mistake(table, format!("fault kind {name} does not take {field}"))),
    };
    let missing = |field: &str| mistake(table, format!("fault kind {name} requires {field}"));
    let by = || by.as_ref().ok_or_else(|| missing("by"));
    let percent = || {
        has_only(&["percent"])?;
        percent.ok_or_else(|| missing("percent"))
    };
    Ok(match name {
        "cut" => {
            has_only(&[])?;
            FaultKind::Cut
        }
        "delay" => {
            has_only(&["by", "jitter"])?;
            let jitter = jitter.as_ref().map(|jitter| span_within(jitter, AT_MAX)).transpose()?;
            FaultKind::Delay { by: span_within(by()?, AT_MAX)?, jitter: jitter.unwrap_or_default() }
        }
        "loss" => FaultKind::Loss { percent: percent()? },
        "duplicate" => FaultKind::Duplicate { percent: percent()? },
        "reorder" => FaultKind::Reorder { percent: percent()? },
        "throttle" => {
            has_only(&["bytes_per_s"])?;
            let bytes_per_s = bytes_per_s.ok_or_else(|| missing("bytes_per_s"))?;
            FaultKind::Throttle { bytes_per_s }
        }
        "freeze" => {
            has_only(&[])?;
            city(from)?;
            FaultKind::Freeze
        }
        "skew" => {
            has_only(&["by"])?;
            let by = by()?;
            let by_ms = signed_ms(by.get_ref()).map_err(|error| mistake(by, error))?;
            FaultKind::Skew { by_ms }
        }
        unknown => {
            let known = FAULT_KINDS.join(", ");
            let what = format!("unknown fault kind {unknown:?}, expected one of {known}");
            return Err(mistake(kind, what));
        }
    })
}

/// Returns the far end of a fault between nodes.
fn far_end(
    table: &Spanned<table::Fault>,
    kind: &FaultKind,
    to: Option<&Spanned<String>>,
) -> Result<Option<String>, Mistake> {
    let name = kind.as_str();
    match to {
        None if kind.is_between_nodes() => {
            Err(mistake(table, format!("fault kind {name} requires `to`: a node or \"*\"")))
        }
        None => Ok(None),
        Some(to) if !kind.is_between_nodes() => {
            Err(mistake(to, format!("fault kind {name} affects one node and does not take `to`")))
        }
        Some(to) if to.get_ref() == ALL => Ok(Some(ALL.to_owned())),
        Some(to) => node(to).map(Some),
    }
}

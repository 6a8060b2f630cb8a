//! Plans as text for people.

use std::fmt;

use super::{Action, Request, Step};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.3}s  {}", self.at.as_secs_f64(), self.action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(Request::Create) => f.write_str("a hero is created"),
            Self::Ask(Request::Assign { hero, to }) => {
                write!(f, "hero #{hero} is assigned to place #{to}")
            }
            Self::Ask(Request::Terminate { hero }) => write!(f, "hero #{hero} is terminated"),
            Self::Bomb(city) => write!(f, "node {city} is bombed"),
            Self::Cut { a, b, both, silent, lasts } => {
                let (arrow, how) =
                    (if *both { "and" } else { "to" }, if *silent { "silently" } else { "loudly" });
                write!(f, "the link from {a} {arrow} {b} is {how} cut for {lasts:?}")
            }
            Self::Split { side, lasts } => {
                write!(f, "the nodes of {side:#x} are split from the others for {lasts:?}")
            }
            Self::Flap { a, b, period, times } => {
                write!(f, "the link between {a} and {b} breaks {times} times, every {period:?}")
            }
            Self::Freeze { node, lasts } => write!(f, "node {node} stands still for {lasts:?}"),
            Self::Reset(node) => write!(f, "all links of node {node} break"),
            Self::Kill { node, down } => {
                write!(f, "node {node} is killed, and started again after {down:?}")
            }
            Self::Jump { node, by_ms, lasts } => {
                write!(f, "the clock of node {node} is off by {by_ms} ms for {lasts:?}")
            }
            Self::Forget { city, alive: true, away } => {
                write!(f, "node {city} is cut off for {away:?}, and forgotten meanwhile")
            }
            Self::Forget { city, alive: false, away } => {
                write!(f, "node {city} is down for {away:?}, and forgotten meanwhile")
            }
            Self::Double { city, side, lasts } => {
                write!(
                    f,
                    "a second process of node {city}'s name is all that the nodes of {side:#x} see of it for {lasts:?}"
                )
            }
        }
    }
}

//! Plans as readable text.

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
            Self::Request(Request::Create) => f.write_str("create a hero"),
            Self::Request(Request::Assign { hero, to }) => {
                write!(f, "assign hero #{hero} to place #{to}")
            }
            Self::Request(Request::Terminate { hero }) => write!(f, "terminate hero #{hero}"),
            Self::Ask { node, ask } => write!(f, "at node {node}: {ask:?}"),
            Self::Bomb(city) => write!(f, "bomb node {city}"),
            Self::Cut { a, b, both, silent, lasts } => {
                let (arrow, how) =
                    (if *both { "<->" } else { "->" }, if *silent { " silently" } else { "" });
                write!(f, "cut {a} {arrow} {b}{how} for {lasts:?}")
            }
            Self::Split { side, lasts } => {
                write!(f, "split nodes {side:#x} from the others for {lasts:?}")
            }
            Self::Flap { a, b, period, times } => {
                write!(f, "break the link {a} <-> {b} {times} times, every {period:?}")
            }
            Self::Freeze { node, lasts } => write!(f, "freeze node {node} for {lasts:?}"),
            Self::Reset(node) => write!(f, "break all links of node {node}"),
            Self::Kill { node, down } => {
                write!(f, "kill node {node}, restart it after {down:?}")
            }
            Self::Jump { node, by_ms, lasts } => {
                match node {
                    Some(node) => write!(f, "shift the clock of node {node}")?,
                    None => f.write_str("shift all clocks")?,
                }
                write!(f, " by {by_ms} ms for {lasts:?}")
            }
            Self::Forget { city, keep_running: true, away } => {
                write!(f, "cut node {city} off for {away:?}, and forget it meanwhile")
            }
            Self::Forget { city, keep_running: false, away } => {
                write!(f, "stop node {city} for {away:?}, and forget it meanwhile")
            }
            Self::Clone { city, side, lasts } => {
                write!(
                    f,
                    "restart node {city}, and start a second process of it at the same time; \
                     nodes {side:#x} reach only that one for {lasts:?}"
                )
            }
            Self::Lose { node, keys } => write!(f, "remove the keys {keys:#x} of node {node}"),
            Self::Found { city, stays: None } => write!(f, "found node {city}"),
            Self::Found { city, stays: Some(stays) } => {
                write!(f, "found node {city}, end and forget it after {stays:?}")
            }
            Self::Lie { city } => write!(f, "let node {city} send false rounds"),
            Self::Double { city, side, lasts } => {
                write!(
                    f,
                    "start a second process of node {city}; nodes {side:#x} reach only that one \
                     for {lasts:?}"
                )
            }
        }
    }
}

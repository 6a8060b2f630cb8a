//! The rules of a recording.

use crate::{FORMAT, Recording, VERSION};

/// The maximum number of nodes.
pub const NODES_MAX: usize = 1_024;
/// The maximum length: a day.
const LENGTH_MAX: u32 = 24 * 60 * 60 * 1_000;

/// The rule that a recording breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The first member is not [`FORMAT`].
    #[error("`format` is {0:?}, not {FORMAT:?}: it is not a recording")]
    Format(String),
    /// The file was written by a later program.
    #[error("`version` is {0}, and this program reads versions up to {VERSION}")]
    Version(u32),
    /// There are too many nodes, or none.
    #[error("`nodes` has {0} nodes, not 1 to {NODES_MAX}")]
    Nodes(usize),
    /// It is too long.
    #[error("`length` is {0} ms, more than a day")]
    Length(u32),
    /// There is not one number of further heroes for each node.
    #[error("`others` has {0} numbers for {1} nodes")]
    Others(usize, usize),
    /// A place does not exist.
    #[error("`{list}` {index} refers to {what} {place}, and there are {count}")]
    Place {
        /// The list.
        list: &'static str,
        /// The index in it.
        index: usize,
        /// What is referred to.
        what: &'static str,
        /// The place.
        place: u32,
        /// The number of places.
        count: usize,
    },
    /// A list is not ordered by time, or a time is after the end.
    #[error("`{list}` {index} is at {at} ms: before the one before it, or after the end")]
    Time {
        /// The list.
        list: &'static str,
        /// The index in it.
        index: usize,
        /// The time.
        at: u32,
    },
    /// Something ends before it begins.
    #[error("`{list}` {index} ends before it begins")]
    Span {
        /// The list.
        list: &'static str,
        /// The index in it.
        index: usize,
    },
}

impl Recording {
    /// Checks every rule.
    ///
    /// # Errors
    /// Returns the first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.format != FORMAT {
            return Err(Invalid::Format(self.format.chars().take(40).collect()));
        }
        if self.version == 0 || self.version > VERSION {
            return Err(Invalid::Version(self.version));
        }
        if self.nodes.is_empty() || self.nodes.len() > NODES_MAX {
            return Err(Invalid::Nodes(self.nodes.len()));
        }
        if self.length > LENGTH_MAX {
            return Err(Invalid::Length(self.length));
        }
        if self.others.len() != self.nodes.len() {
            return Err(Invalid::Others(self.others.len(), self.nodes.len()));
        }
        self.check_places()?;
        self.check_times()
    }

    fn check_places(&self) -> Result<(), Invalid> {
        let (nodes, heroes, writes) = (self.nodes.len(), self.heroes.len(), self.writes.len());
        let node = |list, index, place| exists(list, index, "node", place, nodes);
        for (index, write) in self.writes.iter().enumerate() {
            write.node.map_or(Ok(()), |writer| node("writes", index, writer))?;
        }
        for (index, held) in self.held.iter().enumerate() {
            node("held", index, held.node)?;
            exists("held", index, "hero", held.hero, heroes)?;
            exists("held", index, "write", held.write, writes)?;
        }
        for (index, change) in self.changes.iter().enumerate() {
            node("changes", index, change.node)?;
            exists("changes", index, "hero", change.hero, heroes)?;
            if let Some(write) = change.write {
                exists("changes", index, "write", write, writes)?;
            }
        }
        for (index, pull) in self.pulls.iter().enumerate() {
            node("pulls", index, pull.puller)?;
            node("pulls", index, pull.source)?;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            node("faults", index, fault.from)?;
            fault.to.map_or(Ok(()), |to| node("faults", index, to))?;
        }
        for (index, silence) in self.silences.iter().enumerate() {
            node("silences", index, silence.node)?;
        }
        for (index, member) in self.members.iter().enumerate() {
            node("members", index, member.node)?;
        }
        for (index, restart) in self.restarts.iter().enumerate() {
            node("restarts", index, restart.node)?;
        }
        for (index, event) in self.events.iter().enumerate() {
            node("events", index, event.node)?;
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Invalid> {
        let end = self.length;
        ordered("changes", end, self.changes.iter().map(|change| change.at))?;
        ordered("pulls", end, self.pulls.iter().map(|pull| pull.ended))?;
        ordered("faults", end, self.faults.iter().map(|fault| fault.began))?;
        ordered("silences", end, self.silences.iter().map(|silence| silence.began))?;
        ordered("members", end, self.members.iter().map(|member| member.began))?;
        ordered("restarts", end, self.restarts.iter().map(|restart| restart.at))?;
        ordered("events", end, self.events.iter().map(|event| event.at))?;
        spans("pulls", self.pulls.iter().map(|pull| (pull.asked, Some(pull.ended))))?;
        spans("faults", self.faults.iter().map(|fault| (fault.began, fault.ended)))?;
        spans("silences", self.silences.iter().map(|silence| (silence.began, silence.ended)))?;
        spans("members", self.members.iter().map(|member| (member.began, member.ended)))
    }
}

fn exists(
    list: &'static str,
    index: usize,
    what: &'static str,
    place: u32,
    count: usize,
) -> Result<(), Invalid> {
    let is_there = usize::try_from(place).is_ok_and(|place| place < count);
    if is_there { Ok(()) } else { Err(Invalid::Place { list, index, what, place, count }) }
}

fn ordered(list: &'static str, end: u32, times: impl Iterator<Item = u32>) -> Result<(), Invalid> {
    let mut before = 0;
    for (index, at) in times.enumerate() {
        if at < before || at > end {
            return Err(Invalid::Time { list, index, at });
        }
        before = at;
    }
    Ok(())
}

fn spans(
    list: &'static str,
    spans: impl Iterator<Item = (u32, Option<u32>)>,
) -> Result<(), Invalid> {
    for (index, (began, ended)) in spans.enumerate() {
        if ended.is_some_and(|ended| ended < began) {
            return Err(Invalid::Span { list, index });
        }
    }
    Ok(())
}

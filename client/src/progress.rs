//! Progress on standard error: a bar on a terminal, a line every few seconds otherwise. Standard
//! output is reserved for results.

use std::fmt::Write;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use superhero::Stopwatch;

use crate::table::clean;

/// The interval between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
const STYLE: &str = "{prefix:9} {bar:30} {pos} of {len}, {rate}, {eta} left  {msg}";

/// The progress of one phase. Dropping it removes the bar.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    watch: Stopwatch,
    lines: u32,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn start(what: &'static str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(STYLE).expect("the template is valid");
            let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
                // Progress is best effort: the work goes on without it.
                let _ = write!(text, "{:.0}/s", state.per_sec());
            });
            ProgressBar::new(total).with_style(style).with_prefix(what)
        });
        Self { what, total, watch: Stopwatch::start(), lines: 0, bar }
    }

    /// Reports the number done so far. `more` returns text to show after it.
    pub(crate) fn at(&mut self, done: u64, more: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(more());
            }
            None if self.watch.elapsed() >= LINE_INTERVAL * (self.lines + 1) => {
                self.lines += 1;
                print_line(&line(self.what, done, self.total, self.watch.elapsed(), &more()));
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration, more: &str) -> String {
    let per_s = done as f64 / elapsed.as_secs_f64();
    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
    format!("{what}: {done} of {total}, {per_s:.0}/s{more}")
}

/// Prints a line to standard error.
pub(crate) fn print_line(text: &str) {
    // A closed standard error must not end the load.
    let _ = writeln!(io::stderr(), "{}", clean(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_contains_count_and_rate() {
        assert_eq!(
            line("creating", 500, 2_000, Duration::from_secs(2), ""),
            "creating: 500 of 2000, 250/s"
        );
        assert_eq!(
            line("writing", 0, 9, Duration::from_secs(1), "p99 3 ms"),
            "writing: 0 of 9, 0/s; p99 3 ms"
        );
    }
}

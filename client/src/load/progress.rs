//! How far it is: a bar on a terminal, a line every few seconds elsewhere. Both go to standard
//! error: standard output is for what was measured.

use std::fmt::Write;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use superhero::Stopwatch;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);
const STYLE: &str = "{prefix:9} {bar:30} {pos} of {len}, {rate}, {eta} left  {msg}";

/// How far something is that takes a while. What is drawn is gone with it.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    watch: Stopwatch,
    lines: u32,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start(what: &'static str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(STYLE).expect("the template above is one");
            let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
                // A bar that cannot be drawn is not drawn.
                let _ = write!(text, "{:.0}/s", state.per_sec());
            });
            ProgressBar::new(total).with_style(style).with_prefix(what)
        });
        Self { what, total, watch: Stopwatch::start(), lines: 0, bar }
    }

    /// So many are done; `more` is said beside it.
    pub(super) fn at(&mut self, done: u64, more: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(more());
            }
            None if self.watch.elapsed() >= EVERY * (self.lines + 1) => {
                self.lines += 1;
                say(&line(self.what, done, self.total, self.watch.elapsed(), &more()));
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

/// Says this to whoever waits.
pub(super) fn say(text: &str) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        assert_eq!(
            line("filling", 500, 2_000, Duration::from_secs(2), ""),
            "filling: 500 of 2000, 250/s"
        );
        assert_eq!(
            line("writing", 0, 9, Duration::from_secs(1), "p99 3 ms"),
            "writing: 0 of 9, 0/s; p99 3 ms"
        );
    }
}

//! The output table: each measurement with its budget, if it has one.

use std::time::Duration;

/// Prints the heading of a section.
pub fn part(title: &str) {
    println!("\n{title}");
}

/// Prints a measurement without a budget.
pub fn line(what: &str, measured: &str) {
    println!("  {what:<58} {measured:>30}");
}

/// Prints a measurement with its budget; `is_kept` is whether the budget is met.
pub fn budgeted(what: &str, measured: &str, budget: &str, is_kept: bool) {
    println!(
        "  {what:<58} {measured:>30}   budget {budget}{}",
        if is_kept { "" } else { ": over budget" }
    );
}

/// The distribution of values.
#[derive(Debug)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Returns the distribution of these values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Returns the number of values.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the sum of all values.
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Returns the smallest value that this share of the values does not exceed, or 0 if there are
    /// none.
    pub fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into the values"
        )]
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// Formats median, 99th percentile and maximum, for values in milliseconds.
    pub fn ms(&self) -> String {
        format!("p50 {:.1}, p99 {:.1}, max {:.1} ms", self.at(0.5), self.at(0.99), self.at(1.0))
    }
}

/// Returns a time in milliseconds.
pub fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Formats a number of bytes in kB.
pub fn kb(bytes: f64) -> String {
    format!("{:.1} kB", bytes / 1e3)
}

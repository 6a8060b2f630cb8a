//! The table: what was measured, beside what was promised.

use std::time::Duration;

/// The beginning of a part of the table.
pub fn part(title: &str) {
    println!("\n{title}");
}

/// Something that nothing was promised of.
pub fn line(what: &str, measured: &str) {
    println!("  {what:<58} {measured:>30}");
}

/// Something that was promised to be at most so much.
pub fn promised(what: &str, measured: &str, budget: &str, is_kept: bool) {
    println!(
        "  {what:<58} {measured:>30}   budget {budget}{}",
        if is_kept { "" } else { ": over budget" }
    );
}

/// How values are spread.
#[derive(Debug)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Of these values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them together.
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The value that this share of all does not exceed; 0 where there is none.
    pub fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// In milliseconds.
    pub fn ms(&self) -> String {
        format!("p50 {:.1}, p99 {:.1}, max {:.1} ms", self.at(0.5), self.at(0.99), self.at(1.0))
    }
}

/// A time in milliseconds.
pub fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number of bytes, for people.
pub fn kb(bytes: f64) -> String {
    format!("{:.1} kB", bytes / 1e3)
}

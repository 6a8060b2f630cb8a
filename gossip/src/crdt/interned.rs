//! Interning: values that many records share are stored once and referred to by number.
//!
//! Invariant: a number refers to one value from its first use to its last. After that it may be
//! reused for another value.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A set of interned values with reference counts.
#[derive(Clone, Debug)]
pub struct Interned<T> {
    numbers: BTreeMap<T, u32>,
    /// The value and its number of uses, by number.
    values: Vec<(T, usize)>,
    unused: Vec<u32>,
    /// The number returned last: a cache, since entries of one origin often follow each other.
    last: u32,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), values: Vec::new(), unused: Vec::new(), last: 0 }
    }
}

impl<T: Copy + Ord> Interned<T> {
    /// Returns the number of `value`, and adds a reference to it.
    pub fn take(&mut self, value: T) -> u32 {
        // `uses` is checked because the number may have been released since.
        let is_last = self
            .values
            .get(self.last as usize)
            .is_some_and(|(last, uses)| *uses > 0 && *last == value);
        if !is_last {
            self.last = match self.numbers.get(&value) {
                Some(number) => *number,
                None => self.begin(value),
            };
        }
        self.values[self.last as usize].1 += 1;
        self.last
    }

    fn begin(&mut self, value: T) -> u32 {
        let number = self.unused.pop().unwrap_or_else(|| {
            u32::try_from(self.values.len()).expect("fewer values than numbers")
        });
        if number as usize == self.values.len() {
            self.values.push((value, 0));
        } else {
            self.values[number as usize].0 = value;
        }
        self.numbers.insert(value, number);
        number
    }

    /// Releases one reference.
    pub fn release(&mut self, number: u32) {
        let (value, uses) = &mut self.values[number as usize];
        *uses -= 1;
        if *uses == 0 {
            self.numbers.remove(value);
            self.unused.push(number);
        }
    }

    /// Returns the value with this number, which must be in use.
    #[must_use]
    pub fn get(&self, number: u32) -> T {
        self.values[number as usize].0
    }

    /// Returns the number of `value`, if it is in use.
    #[must_use]
    pub fn number_of(&self, value: T) -> Option<u32> {
        self.numbers.get(&value).copied()
    }

    /// Iterates over the values in use, starting at `from`, with their numbers, in the order of the
    /// values.
    pub fn starting(&self, from: Bound<T>) -> impl Iterator<Item = (T, u32)> {
        self.numbers.range((from, Bound::Unbounded)).map(|(value, number)| (*value, *number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_keeps_its_value_until_last_use_and_is_reused() {
        let mut names = Interned::default();
        let (a, b) = (names.take("a"), names.take("b"));
        assert_eq!((names.take("a"), names.get(a), names.get(b)), (a, "a", "b"));
        names.release(a);
        assert_eq!((names.get(a), names.number_of("a")), ("a", Some(a)));
        names.release(a);
        assert_eq!(names.number_of("a"), None);
        assert_eq!((names.take("c"), names.get(a)), (a, "c"));
        assert!(
            names.starting(Bound::Unbounded).eq([("b", b), ("c", a)])
                && names.starting(Bound::Excluded("b")).eq([("c", a)])
        );
    }
}

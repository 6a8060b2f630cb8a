//! The output of responses: as tables, or as the JSON of the API.

use serde::Serialize;
use superhero::{Answer, Page, Pages};

use crate::output::{Failure, Output, note};

/// The way in which a command prints responses.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    pub(crate) out: Output,
    /// JSON is printed in place of tables.
    pub(crate) json: bool,
}

impl Printer {
    /// Prints a response as a table.
    pub(crate) fn table<T>(
        self,
        answer: &Answer<T>,
        headings: &[&str],
        rows: impl Fn(&T) -> Vec<Vec<String>>,
    ) -> Result<(), Failure> {
        if self.json {
            self.out.json(&answer.body)
        } else {
            self.out.table(headings, &rows(&answer.value))
        }
    }

    /// Prints a response as a table, or this sentence in place of a table without rows.
    pub(crate) fn list<T>(
        self,
        answer: &Answer<T>,
        headings: &[&str],
        rows: impl Fn(&T) -> Vec<Vec<String>>,
        none: &str,
    ) -> Result<(), Failure> {
        if self.json || !rows(&answer.value).is_empty() {
            return self.table(answer, headings, rows);
        }
        self.remark(none);
        Ok(())
    }

    /// Prints a sentence about a change; with `json` the response.
    pub(crate) fn changed<T>(
        self,
        answer: &Answer<T>,
        sentence: impl Fn(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.out.json(&answer.body)
        } else {
            self.out.line(&sentence(&answer.value))
        }
    }

    /// Prints a sentence about a change without a response; with `json` nothing.
    pub(crate) fn sentence(self, sentence: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.out.line(sentence) }
    }

    /// Prints a sentence next to a table, on standard error; with `json` nothing.
    pub(crate) fn remark(self, sentence: &str) {
        if !self.json {
            note(sentence);
        }
    }

    /// Prints several responses as one table, or as a line of JSON each.
    pub(crate) fn all<T>(
        self,
        answers: &[Answer<T>],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return answers.iter().try_for_each(|answer| self.out.json(&answer.body));
        }
        let rows: Vec<_> = answers.iter().map(|answer| row(&answer.value)).collect();
        if rows.is_empty() { Ok(()) } else { self.out.table(headings, &rows) }
    }

    /// Prints the items of all pages, each page when it has arrived. Only the columns of a terminal
    /// need all rows at once, to be aligned.
    pub(crate) fn pages<T: Page>(
        self,
        pages: Pages<T>,
        headings: &[&str],
        row: impl Fn(&T::Item) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.json_pages(pages);
        }
        let mut all = Vec::new();
        for page in pages {
            let rows: Vec<_> = page?.take_items().iter().map(&row).collect();
            if self.out.is_terminal() {
                all.extend(rows);
            } else {
                self.out.table(headings, &rows)?;
            }
        }
        if self.out.is_terminal() { self.out.table(headings, &all) } else { Ok(()) }
    }

    /// Prints all pages as the one response that they are the parts of.
    fn json_pages<T: Page>(self, pages: Pages<T>) -> Result<(), Failure> {
        // The list is the last field that contains brackets.
        let ends = |page: &T| {
            let empty = json(page);
            empty.rsplit_once("[]").map(|(head, tail)| (format!("{head}["), format!("]{tail}")))
        };
        let (mut tail, mut is_first) = (None, true);
        for page in pages {
            let mut page = page?;
            let items = page.take_items();
            let (head, end) = ends(&page).expect("a page is a list");
            let mut part = if tail.is_none() { head } else { String::new() };
            for item in &items {
                if !std::mem::take(&mut is_first) {
                    part.push(',');
                }
                part.push_str(&json(item));
            }
            self.out.json_part(&part)?;
            tail = Some(end);
        }
        self.out.json(&tail.unwrap_or_default())
    }

    /// Prints a response as a table of one row.
    pub(crate) fn one<T>(
        self,
        answer: &Answer<T>,
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        self.table(answer, headings, |value| vec![row(value)])
    }
}

/// Returns a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

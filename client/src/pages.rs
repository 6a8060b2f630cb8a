//! Long lists, in pages: no response is larger than one page, however many heroes there are.

use serde::Serialize;
use serde::de::DeserializeOwned;

use api_types::{CityHeroes, Event, Events, Hero, Heroes};

use crate::api::Api;
use crate::error::Error;
use crate::http::segment;

/// The size of a page that is requested. The longest names make it 4 MB.
pub(crate) const PAGE: usize = 5_000;

/// A page of a list.
pub trait Page: Serialize + DeserializeOwned {
    /// An item of the list.
    type Item: Serialize;

    /// Removes and returns the items, and the reference to the next page.
    fn take_items(&mut self) -> Vec<Self::Item>;

    /// Returns the parameter that requests the next page; `None` on the last one.
    fn next(&self) -> Option<String>;
}

impl Page for Heroes {
    type Item = Hero;

    fn take_items(&mut self) -> Vec<Hero> {
        self.next = None;
        std::mem::take(&mut self.heroes)
    }

    fn next(&self) -> Option<String> {
        self.next.as_deref().map(after)
    }
}

impl Page for CityHeroes {
    type Item = Hero;

    fn take_items(&mut self) -> Vec<Hero> {
        self.next = None;
        std::mem::take(&mut self.heroes)
    }

    fn next(&self) -> Option<String> {
        self.next.as_deref().map(after)
    }
}

impl Page for Events {
    type Item = Event;

    fn take_items(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn next(&self) -> Option<String> {
        let last = self.events.last().filter(|_| self.events.len() >= PAGE)?;
        Some(format!("since={}", last.number))
    }
}

fn after(next: &str) -> String {
    format!("after={}", segment(next))
}

/// The pages of a list, each requested when it is needed. After an error there are no more.
#[derive(Debug)]
pub struct Pages<T> {
    api: Api,
    /// The path with the parameters that all pages have.
    path: String,
    /// The parameter of the next page; empty for the first.
    next: Option<String>,
    page: std::marker::PhantomData<fn() -> T>,
}

impl<T: Page> Pages<T> {
    pub(crate) fn new(api: &Api, path: &str, next: String) -> Self {
        let (api, path) = (api.kept(), format!("{path}limit={PAGE}"));
        Self { api, path, next: Some(next), page: std::marker::PhantomData }
    }

    /// Returns the items of all pages.
    ///
    /// # Errors
    /// The first error.
    pub fn items(self) -> Result<Vec<T::Item>, Error> {
        let mut all = Vec::new();
        for page in self {
            all.append(&mut page?.take_items());
        }
        Ok(all)
    }
}

impl<T: Page> Iterator for Pages<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Result<T, Error>> {
        let next = self.next.take()?;
        let separator = if next.is_empty() { "" } else { "&" };
        let page: T = match self.api.get(&format!("{}{separator}{next}", self.path)) {
            Ok(answer) => answer.value,
            Err(error) => return Some(Err(error)),
        };
        self.next = page.next();
        if self.next.as_ref().is_some_and(|after| *after == next) {
            self.next = None;
            return Some(Err(self.api.unexpected("a page follows itself")));
        }
        Some(Ok(page))
    }
}

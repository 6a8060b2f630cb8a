//! A time without a usable answer during a wait. The wait goes on.

use superhero::Error;

use crate::output::note;

/// The failures since the last answer.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<Error>);

impl Outage {
    /// Returns the answer; `None` if the request failed for a reason that may pass. The first such
    /// failure after an answer is reported on standard error.
    ///
    /// # Errors
    /// The request failed for another reason.
    pub(crate) fn check<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => {
                self.0 = None;
                Ok(Some(answer))
            }
            Err(error) if error.is_temporary() => {
                if self.0.is_none() {
                    note(&format!("{error}; still waiting"));
                }
                self.0 = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the last failure, if there was no answer since.
    pub(crate) fn why(&self) -> Option<&Error> {
        self.0.as_ref()
    }
}

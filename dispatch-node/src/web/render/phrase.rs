//! Phrases: sentences in pieces, so that a template can colour the name of a city and mark a
//! difference.

/// The key of a city: its name in lower case, `gotham`. It is the value in URLs and forms, and the
/// CSS class that sets hue and shape.
pub(crate) type CityKey = String;

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// The words, with the spaces around them.
    pub(crate) text: String,
    /// The style of the words.
    pub(crate) tone: Tone,
}

/// The style of a piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Running text.
    Plain,
    /// The name of a city, in its hue.
    City(CityKey),
    /// A marked difference.
    Mark,
    /// A loss or a destruction.
    Bad,
}

//! Sentences in pieces, so that a template can set the name of a city in its hue and mark a difference.

/// A city's key: its name in lower case, `gotham`. It is the value in URLs and forms, and the class that gives hue and
/// shape.
pub(crate) type CityKey = String;

/// A piece of the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    /// The words, with the spaces around them.
    pub(crate) text: String,
    /// How they are set.
    pub(crate) tone: Tone,
}

/// How a piece of the verdict is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As running text.
    Plain,
    /// In the hue of a city, whose name the words are.
    City(CityKey),
    /// Marked as a difference.
    Mark,
    /// As something lost or destroyed.
    Bad,
}

//! A value for this crate's own tests that uses every part of the [`Payload`] contract.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::codec::{DecodeError, Dictionary, Reader, Writer};
use crate::crdt::interned::Interned;
use crate::id::NodeName;
use crate::payload::{DIGEST_HEADER_BYTES, Payload};

const HAS_OWNER: u8 = 1;

/// A text of at least one byte, with an optional owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) owner: Option<NodeName>,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), owner: None }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    text: Box<str>,
    owner: Option<u32>,
}

impl Payload for Text {
    type Ref<'a> = (&'a str, Option<NodeName>);
    type Stored = Stored;
    type Shared = Interned<NodeName>;
    type Dictionary = Dictionary<NodeName>;

    fn borrow(&self) -> Self::Ref<'_> {
        (&self.text, self.owner)
    }

    fn to_owned((text, owner): Self::Ref<'_>) -> Self {
        Self { text: text.to_owned(), owner }
    }

    fn is_valid((text, _): Self::Ref<'_>) -> bool {
        !text.is_empty()
    }

    fn digest((text, owner): Self::Ref<'_>, header: &[u8; DIGEST_HEADER_BYTES]) -> u128 {
        let owner = owner.map_or(0, |owner| xxh3_64(owner.as_str().as_bytes()));
        xxh3_128_with_seed(header, xxh3_64(text.as_bytes()) ^ owner)
    }

    fn store((text, owner): Self::Ref<'_>, shared: &mut Self::Shared) -> Stored {
        Stored { text: text.into(), owner: owner.map(|owner| shared.take(owner)) }
    }

    fn load<'a>(stored: &'a Stored, shared: &'a Self::Shared) -> Self::Ref<'a> {
        (&stored.text, stored.owner.map(|owner| shared.get(owner)))
    }

    fn release(stored: &Stored, shared: &mut Self::Shared) {
        stored.owner.into_iter().for_each(|owner| shared.release(owner));
    }

    fn flags((_, owner): Self::Ref<'_>) -> u8 {
        if owner.is_some() { HAS_OWNER } else { 0 }
    }

    fn encode((text, owner): Self::Ref<'_>, out: &mut Writer, owners: &mut Self::Dictionary) {
        out.text(text);
        if let Some(owner) = owner {
            let (number, is_new) = owners.number_of(owner);
            out.number(number);
            if is_new {
                out.text(owner.as_str());
            }
        }
    }

    fn decode<'a>(
        flags: u8,
        input: &mut Reader<'a>,
        owners: &mut Self::Dictionary,
    ) -> Result<Self::Ref<'a>, DecodeError> {
        let text = input.text()?;
        let owner = match flags {
            0 => None,
            HAS_OWNER => {
                let number = input.number()?;
                Some(owners.value(number, || input.name())?)
            }
            _ => return Err(DecodeError::Flags),
        };
        Ok((text, owner))
    }
}

/// An application that replicates such texts and sends no commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Texts {}

impl crate::message::Application for Texts {
    type Value = Text;
    type Command = ();
    type Done = ();
    type Refusal = ();
}

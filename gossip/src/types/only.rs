//! An application that uses the library's types and has no values of its own.

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Reader, Writer};
use crate::message::{Application, Message};
use crate::payload::{DIGEST_HEADER_BYTES, Payload};

/// An application without values and commands of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypesOnly {}

impl Application for TypesOnly {
    type Value = Nothing;
    type Command = Nothing;
    type Done = Nothing;
    type Refusal = Nothing;
}

/// A value that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Nothing {}

impl Message for Nothing {}

impl Payload for Nothing {
    type Ref<'a> = Self;
    type Stored = Self;
    type Shared = ();
    type Dictionary = ();

    fn borrow(&self) -> Self {
        *self
    }

    fn to_owned(view: Self) -> Self {
        view
    }

    fn is_valid(view: Self) -> bool {
        match view {}
    }

    fn digest(view: Self, _: &[u8; DIGEST_HEADER_BYTES]) -> u128 {
        match view {}
    }

    fn store(view: Self, (): &mut ()) -> Self {
        view
    }

    fn load<'a>(stored: &'a Self, (): &'a ()) -> Self {
        *stored
    }

    fn release(stored: &Self, (): &mut ()) {
        match *stored {}
    }

    fn flags(view: Self) -> u8 {
        match view {}
    }

    fn encode(view: Self, _: &mut Writer, (): &mut ()) {
        match view {}
    }

    fn decode<'a>(_: u8, _: &mut Reader<'a>, (): &mut ()) -> Result<Self, DecodeError> {
        Err(DecodeError::Invalid)
    }
}

//! Recordings as files: gzip-compressed JSON. The checksum of gzip finds damage.

use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::{Invalid, Recording};

/// The maximum size of the decompressed JSON, in bytes.
pub const JSON_BYTES_MAX: u64 = 64 << 20;

/// The reason for which a file is not read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no gzip file, is cut off, or fails the checksum of gzip.
    #[error("the file is damaged, or is not gzip-compressed: {0}")]
    Damaged(io::Error),
    /// It is larger than [`JSON_BYTES_MAX`] when decompressed.
    #[error("the file holds more than {} MiB", JSON_BYTES_MAX >> 20)]
    TooLarge,
    /// It is not the JSON of a recording.
    #[error("the file is not a recording: {0}")]
    Json(serde_json::Error),
    /// It breaks a rule of recordings.
    #[error("the recording is not valid: {0}")]
    Invalid(#[from] Invalid),
}

impl Recording {
    /// Returns the content of the file.
    ///
    /// # Panics
    /// Never: the types have a JSON form, and memory accepts all bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut file = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut file, self).expect("every recording has a JSON form");
        file.flush().and_then(|()| file.finish()).expect("memory accepts all bytes")
    }

    /// Returns the recording in a file with this content.
    ///
    /// # Errors
    /// The file is damaged, too large, or no recording.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let mut json = Vec::new();
        let mut decoder = MultiGzDecoder::new(file).take(JSON_BYTES_MAX + 1);
        decoder.read_to_end(&mut json).map_err(ReadError::Damaged)?;
        if json.len() as u64 > JSON_BYTES_MAX {
            return Err(ReadError::TooLarge);
        }
        Self::parse(&json)
    }

    /// Returns the recording of this decompressed JSON.
    ///
    /// # Errors
    /// It is no recording, or breaks a rule of recordings.
    pub fn parse(json: &[u8]) -> Result<Self, ReadError> {
        let recording: Self = serde_json::from_slice(json).map_err(ReadError::Json)?;
        recording.check()?;
        Ok(recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::recording;
    use proptest::prelude::*;

    fn refusal(file: &[u8]) -> String {
        Recording::read(file).expect_err("the file is refused").to_string()
    }

    fn zipped(json: &[u8]) -> Vec<u8> {
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        file.write_all(json).and_then(|()| file.finish()).unwrap()
    }

    #[test]
    fn file_is_read_as_it_was_written() {
        assert_eq!(Recording::read(&recording().write()).unwrap(), recording());
    }

    #[test]
    fn each_kind_of_damage_has_its_own_words() {
        let file = recording().write();
        assert!(refusal(&file[..file.len() - 9]).starts_with("the file is damaged"));
        assert!(refusal(b"{}").starts_with("the file is damaged, or is not gzip-compressed"));
        assert!(refusal(&zipped(b"{\"format\": 7}")).starts_with("the file is not a recording"));
        assert!(refusal(&zipped(b"[")).starts_with("the file is not a recording"));
        let mut newer = recording();
        newer.version += 1;
        assert_eq!(
            refusal(&newer.write()),
            "the recording is not valid: `version` is 2, and this program reads versions up to 1"
        );
    }

    #[test]
    fn file_that_grows_beyond_the_limit_is_refused() {
        let large = vec![b' '; usize::try_from(JSON_BYTES_MAX).unwrap() + 1];
        assert_eq!(refusal(&zipped(&large)), "the file holds more than 64 MiB");
    }

    proptest! {
        #[test]
        fn changed_byte_is_refused_or_changes_nothing(place: prop::sample::Index, bits in 1..=255_u8) {
            let mut file = recording().write();
            let place = place.index(file.len());
            file[place] ^= bits;
            // The header of gzip has bytes without a meaning, such as the time and the system.
            if let Ok(read) = Recording::read(&file) {
                prop_assert_eq!(read, recording());
                prop_assert!(place < 10, "{}", place);
            }
        }
    }
}

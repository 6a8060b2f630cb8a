//! The PEM files of a node.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use ring::digest::{self, Digest, SHA256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Files;

/// The largest PEM file, in bytes.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// The byte order mark of UTF-8. It cannot occur within PEM.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The contents of a node's files, as they were read together.
pub(super) struct Contents {
    pub(super) certificate: anyhow::Result<Vec<u8>>,
    pub(super) key: anyhow::Result<Vec<u8>>,
    pub(super) authorities: anyhow::Result<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(files: &Files) -> Self {
        Self {
            certificate: pem(&files.certificate),
            key: pem(&files.key),
            authorities: pem(&files.authorities),
        }
    }

    /// Returns a digest by which a change is found. A file that cannot be read has one as well.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let all = [&self.certificate, &self.key, &self.authorities];
        all.into_iter().flat_map(|content| sum(content).as_ref().to_vec()).collect()
    }
}

fn sum(content: &anyhow::Result<Vec<u8>>) -> Digest {
    match content {
        Ok(bytes) => digest::digest(&SHA256, bytes),
        Err(error) => digest::digest(&SHA256, format!("{error:#}").as_bytes()),
    }
}

/// Reads a PEM file, without the byte order marks that some editors write. They would hide the
/// line after them.
fn pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", path.display()))?;
    anyhow::ensure!(
        bytes.len() as u64 <= PEM_BYTES_MAX,
        "{} is larger than the limit of {PEM_BYTES_MAX} bytes",
        path.display()
    );
    Ok(without_byte_order_marks(&bytes))
}

fn without_byte_order_marks(mut bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    while let Some(at) = bytes.windows(BYTE_ORDER_MARK.len()).position(|it| it == BYTE_ORDER_MARK) {
        kept.extend_from_slice(&bytes[..at]);
        bytes = &bytes[at + BYTE_ORDER_MARK.len()..];
    }
    kept.extend_from_slice(bytes);
    kept
}

/// Returns the certificates in `pem`, the content of the file `path`.
pub(super) fn certificates(
    path: &Path,
    pem: &[u8],
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let reading = || format!("reading the certificates in {}", path.display());
    let all =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().with_context(reading)?;
    anyhow::ensure!(!all.is_empty(), "{} holds no certificate in PEM", path.display());
    Ok(all)
}

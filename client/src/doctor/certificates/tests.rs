//! Valid certificates, and each kind of invalid one.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

/// A CA, and the directory of its files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    fn until(year: i32) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, directory: tempfile::tempdir().unwrap() };
        fs::write(authority.path("ca"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Issues a certificate for `node` that expires on the first day of the year `until`.
    fn issue(&self, node: &str, until: i32) -> &Self {
        let mut params = CertificateParams::new([node.to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 2), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        fs::write(self.path("cert"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(self.path("key"), key.serialize_pem()).unwrap();
        self
    }

    /// Inspects the issued certificate on this day of December 2029.
    fn inspected(&self, day: u64) -> Result<String, CertificateProblem> {
        let december = 1_890_777_600;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(december + (day - 1) * 24 * 3600));
        inspect("gotham", &self.path("cert"), &self.path("key"), &self.path("ca"), at)
    }
}

#[track_caller]
fn assert_rejected(result: Result<String, CertificateProblem>, words: &str) {
    assert!(
        matches!(&result, Err(CertificateProblem::Now(why)) if why.contains(words)),
        "{words}: {result:?}"
    );
}

#[test]
fn certificate_is_a_warning_two_weeks_before_its_expiry() {
    let authority = Authority::until(2040);
    let issued = authority.issue("gotham", 2030);
    assert!(issued.inspected(1).is_ok(), "{:?}", issued.inspected(1));
    assert!(
        matches!(&issued.inspected(20), Err(CertificateProblem::Soon(why)) if why.contains("2030")),
        "{:?}",
        issued.inspected(20)
    );
    assert_rejected(issued.inspected(40), "expires at 2030-01-01");
    assert_rejected(authority.issue("gotham", 2029).inspected(1), "expires at 2029-01-01");
}

#[test]
fn mismatch_of_name_key_or_ca_is_reported() {
    let authority = Authority::until(2040);
    assert_rejected(authority.issue("capitol", 2040).inspected(1), "not valid for the name gotham");
    authority.issue("gotham", 2040);
    fs::write(authority.path("key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_rejected(authority.inspected(1), "does not match the certificate");
    fs::write(authority.path("ca"), Authority::until(2040).issuer.pem()).unwrap();
    assert_rejected(authority.inspected(1), "not signed by the CA in");
    let ended = Authority::until(2029);
    assert_rejected(ended.issue("gotham", 2040).inspected(1), "ca: expires at 2029-01-01");
}

#[test]
fn file_without_certificate_or_key_is_reported() {
    let authority = Authority::until(2040);
    for name in ["cert", "ca", "key"] {
        for junk in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            authority.issue("gotham", 2040);
            fs::write(authority.path("ca"), authority.issuer.pem()).unwrap();
            fs::write(authority.path(name), junk).unwrap();
            assert_rejected(
                authority.inspected(1),
                &format!("{}: ", authority.path(name).display()),
            );
        }
        fs::remove_file(authority.path(name)).unwrap();
        assert_rejected(authority.inspected(1), &format!("{}: ", authority.path(name).display()));
    }
}

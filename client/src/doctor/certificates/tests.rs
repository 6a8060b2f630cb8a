//! Certificates as they are, and as they should not be.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

/// A CA, and the directory where its files are.
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

    /// A certificate for `node`, that ends on the first day of this year.
    fn issue(&self, node: &str, until: i32) -> &Self {
        let mut params = CertificateParams::new([node.to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 2), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        fs::write(self.path("cert"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(self.path("key"), key.serialize_pem()).unwrap();
        self
    }

    /// What is said of it on a day of December 2029.
    fn said(&self, day: u64) -> Result<String, CertificateProblem> {
        let december = 1_890_777_600;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(december + (day - 1) * 24 * 3600));
        look("gotham", &self.path("cert"), &self.path("key"), &self.path("ca"), at)
    }
}

#[track_caller]
fn wrong(said: Result<String, CertificateProblem>, words: &str) {
    assert!(
        matches!(&said, Err(CertificateProblem::Now(why)) if why.contains(words)),
        "{words}: {said:?}"
    );
}

#[test]
fn a_certificate_is_good_until_two_weeks_before_its_end() {
    let authority = Authority::until(2040);
    let issued = authority.issue("gotham", 2030);
    assert!(issued.said(1).is_ok(), "{:?}", issued.said(1));
    assert!(
        matches!(issued.said(20), Err(CertificateProblem::Soon(why)) if why.contains("2030-01-01")),
        "{:?}",
        issued.said(20)
    );
    wrong(issued.said(40), "its time is over at 2030-01-01");
    wrong(authority.issue("gotham", 2029).said(1), "its time is over at 2029-01-01");
}

#[test]
fn a_certificate_of_another_node_ca_or_key_is_named() {
    let authority = Authority::until(2040);
    wrong(authority.issue("capitol", 2040).said(1), "not made out for gotham");
    authority.issue("gotham", 2040);
    fs::write(authority.path("key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    wrong(authority.said(1), "it is not the key of");
    fs::write(authority.path("ca"), Authority::until(2040).issuer.pem()).unwrap();
    wrong(authority.said(1), "it was not signed by the CA in");
    let ended = Authority::until(2029);
    wrong(ended.issue("gotham", 2040).said(1), "ca: its time is over at 2029-01-01");
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let authority = Authority::until(2040);
    for name in ["cert", "ca", "key"] {
        for junk in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            authority.issue("gotham", 2040);
            fs::write(authority.path("ca"), authority.issuer.pem()).unwrap();
            fs::write(authority.path(name), junk).unwrap();
            wrong(authority.said(1), &format!("{}: ", authority.path(name).display()));
        }
        fs::remove_file(authority.path(name)).unwrap();
        wrong(authority.said(1), &format!("{}: ", authority.path(name).display()));
    }
}

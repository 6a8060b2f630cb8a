//! Valid certificates, and each kind of invalid one.

use std::fs;
use std::path::PathBuf;

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};

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
        self.issue_for(node, until, &[])
    }

    /// Issues a certificate with these extended key usages.
    fn issue_for(&self, node: &str, until: i32, usages: &[ExtendedKeyUsagePurpose]) -> &Self {
        let mut params = CertificateParams::new([node.to_owned()]).unwrap();
        params.extended_key_usages = usages.to_vec();
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
    assert_rejected(issued.inspected(40), "EXPIRED at 2030-01-01");
    assert_rejected(authority.issue("gotham", 2029).inspected(1), "EXPIRED at 2029-01-01");
    let authority = Authority::until(2030);
    assert!(
        matches!(
            &authority.issue("gotham", 2040).inspected(20),
            Err(CertificateProblem::Soon(why)) if why.contains("ca: expires at 2030-01-01")
        ),
        "{:?}",
        authority.inspected(20)
    );
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
    assert_rejected(ended.issue("gotham", 2040).inspected(1), "ca: EXPIRED at 2029-01-01");
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

#[test]
fn missing_usage_is_named() {
    let authority = Authority::until(2040);
    let both = authority.issue_for("gotham", 2040, &[ServerAuth, ClientAuth]);
    assert!(both.inspected(1).is_ok(), "{:?}", both.inspected(1));
    let server = authority.issue_for("gotham", 2040, &[ServerAuth]);
    assert_rejected(server.inspected(1), "lacks the extended key usage clientAuth");
    let client = authority.issue_for("gotham", 2040, &[ClientAuth]);
    assert_rejected(client.inspected(1), "lacks the extended key usage serverAuth");
    fs::copy(authority.path("ca"), authority.path("cert")).unwrap();
    assert_rejected(authority.inspected(1), "the certificate of a CA, not of a node");
}

#[test]
fn certificate_that_is_not_valid_yet_is_reported() {
    let authority = Authority::until(2040);
    authority.issue("gotham", 2040);
    let (cert, key, ca) = (authority.path("cert"), authority.path("key"), authority.path("ca"));
    // The first day of 2020, on which the CA is valid, and the certificate is not.
    let at = UnixTime::since_unix_epoch(Duration::from_secs(1_577_840_400));
    assert_rejected(inspect("gotham", &cert, &key, &ca, at), "not valid before 2020-01-02");
}

#[test]
fn byte_order_marks_line_ends_and_text_around_pem_are_accepted() {
    let authority = Authority::until(2040);
    for around in [
        |pem: &str| format!("\u{feff}{pem}"),
        |pem: &str| format!("\n\nsubject: a\n\u{feff}{pem}\n\n"),
        |pem: &str| format!("\u{feff}\r\n{}", pem.replace('\n', "\r\n")),
    ] {
        authority.issue("gotham", 2040);
        fs::write(authority.path("ca"), authority.issuer.pem()).unwrap();
        for name in ["ca", "cert", "key"] {
            let pem = fs::read_to_string(authority.path(name)).unwrap();
            fs::write(authority.path(name), around(&pem.replace("\r\n", "\n"))).unwrap();
        }
        assert!(authority.inspected(1).is_ok(), "{:?}", authority.inspected(1));
    }
}

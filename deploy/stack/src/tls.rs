//! A certificate authority of one's own and a certificate of the bus.
//!
//! Knows: names, validity, PEM. Never: who connects.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::fault::Fault;
use crate::secret;

/// File of the authority's certificate.
pub const AUTHORITY: &str = "ca.pem";
/// File of the server's certificate.
pub const CERTIFICATE: &str = "server.pem";
/// File of its key.
pub const KEY: &str = "server.key";
/// Years for which both certificates hold: whoever wants shorter ones brings their own.
const YEARS: i32 = 10;
/// Enough to name the present year.
const SECONDS_A_YEAR: u64 = 31_556_952;

/// What TLS of the bus needs, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// What clients trust.
    pub authority: String,
    /// What the server shows.
    pub certificate: String,
    /// What the server keeps to itself.
    pub key: String,
}

/// How long the server's certificate holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Validity {
    /// From this year on for ten years.
    Years,
    /// It ended years ago: for tests.
    Over,
}

impl Tls {
    /// A new authority and a server certificate for `names` (host names and addresses).
    ///
    /// # Errors
    /// When a name is none, or keys cannot be made.
    pub fn new(names: &[String], validity: Validity) -> Result<Self, Fault> {
        make(names, validity)
            .map_err(|source| Fault::io("could not make the certificates", std::io::Error::other(source)))
    }
}

impl Tls {
    /// Writes `ca.pem`, `server.pem` and `server.key` (mode 0600) into `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        for (name, text) in [(AUTHORITY, &self.authority), (CERTIFICATE, &self.certificate), (KEY, &self.key)]
        {
            secret::write_private(&folder.join(name), text)?;
        }
        Ok(())
    }
}

fn make(names: &[String], validity: Validity) -> Result<Tls, rcgen::Error> {
    let year = this_year();
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "polyfeed bus authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_before = date_time_ymd(year - 1, 1, 1);
    authority.not_after = date_time_ymd(year + YEARS, 1, 1);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "polyfeed bus");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    (server.not_before, server.not_after) = match validity {
        Validity::Years => (date_time_ymd(year - 1, 1, 1), date_time_ymd(year + YEARS, 1, 1)),
        Validity::Over => (date_time_ymd(year - 3, 1, 1), date_time_ymd(year - 2, 1, 1)),
    };
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Tls { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
}

fn this_year() -> i32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + i32::try_from(since.as_secs() / SECONDS_A_YEAR).unwrap_or(0)
}

// === impl Tls ===

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tls(…)")
    }
}

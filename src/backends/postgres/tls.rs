//! `sslmode` and `sslrootcert` as libpq means them, on rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ports::{Error, Kind, Result};

/// How a connection is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// In the clear.
    Disable,
    /// Encrypted where the server can; nothing is verified.
    Prefer,
    /// Encrypted; the chain is verified where a root certificate is named.
    Require,
    /// The chain is verified.
    VerifyCa,
    /// The chain and the host's name are verified.
    VerifyFull,
}

impl SslMode {
    /// By libpq's word.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// The connector of a mode; `None` in the clear.
///
/// # Errors
/// `Conflict` where the root certificates cannot be read.
pub(super) fn connector(
    mode: SslMode,
    root: Option<&PathBuf>,
) -> Result<Option<MakeRustlsConnect>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("use TLS to postgres").with_source(error))?;
    let unverified = |verifier: Arc<dyn ServerCertVerifier>| {
        builder.clone().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    let config = match (mode, root) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Prefer, _) | (SslMode::Require, None) => unverified(Arc::new(Anybody(provider))),
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, root) => {
            let given = root.map(|path| read_certificates(path)).transpose()?.unwrap_or_default();
            let roots = Arc::new(roots(root, &given)?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| wrong("use the certificates for postgres").with_source(error))?;
            let any_name = mode != SslMode::VerifyFull;
            unverified(Arc::new(Vouched { chain, given, any_name }))
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// Those that were given; the public ones where no file is named.
fn roots(path: Option<&PathBuf>, given: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let Some(path) = path else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut store = RootCertStore::empty();
    for certificate in given {
        store.add(certificate.clone()).map_err(|error| unread(path).with_source(error))?;
    }
    Ok(store)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unread(path).with_source(error))?;
    if certificates.is_empty() {
        return Err(wrong(&format!("{}: there are none in it", unread(path))));
    }
    Ok(certificates)
}

fn unread(path: &Path) -> Error {
    wrong(&format!("read the root certificates {}", path.display()))
}

fn wrong(what: &str) -> Error {
    Error::new(Kind::Conflict, what)
}

/// Believes everybody: `prefer` and `require` promise a channel that nobody listens to, not who is
/// at its other end.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes whom the roots vouch for, and, as libpq does, a server whose own certificate is one of
/// those that were given.
#[derive(Debug)]
struct Vouched {
    chain: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
    any_name: bool,
}

impl Vouched {
    /// Whether a refusal is only about what a certificate that signs itself is: the time is right,
    /// since that is looked at before, and nobody has taken it back.
    fn is_own(&self, end_entity: &CertificateDer<'_>, refusal: &CertificateError) -> bool {
        let is_out_of_use = matches!(
            refusal,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::Revoked
                | CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }
        );
        !is_out_of_use && self.given.contains(end_entity)
    }
}

impl ServerCertVerifier for Vouched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            Err(TlsError::InvalidCertificate(refusal)) if self.is_own(end_entity, &refusal) => {
                if !self.any_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of `db.test`, by itself, with the right to sign others; from 2026-11-28 to 2046-11-23.
    const OWN: &str = "-----BEGIN CERTIFICATE-----
MIIBjDCCATOgAwIBAgIUeskXfK89XyLDKpCFnj8iMev5t0cwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZGIudGVzdDAeFw0yNjExMjgxNjM5MzNaFw00NjExMjMxNjM5
MzNaMBIxEDAOBgNVBAMMB2RiLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AARzTQ1qkO/gUw/BdK/booeC7WV8gPzFWSwoLU/mSWMgwUp4VXfBP86pt9k5q4Ka
7VHqosnWekFl+Yg9izUkWG6To2cwZTAdBgNVHQ4EFgQUlTA5+pEWdiQj2gAB2imk
5wEvurAwHwYDVR0jBBgwFoAUlTA5+pEWdiQj2gAB2imk5wEvurAwDwYDVR0TAQH/
BAUwAwEB/zASBgNVHREECzAJggdkYi50ZXN0MAoGCCqGSM49BAMCA0cAMEQCIA69
CxKUcPS5scO4a9dt/zY3dQKX4L4VWKqa+y9tF1VRAiB8jYFAtkFrAnJw1Vof2k4e
5dz9a/uR4SGWNfI37+FbXA==
-----END CERTIFICATE-----
";

    fn verifies(any_name: bool, name: &str, year: u64) -> std::result::Result<(), TlsError> {
        let certificate = CertificateDer::from_pem_slice(OWN.as_bytes()).unwrap();
        let path = PathBuf::from("own.crt");
        let given = vec![certificate.clone()];
        let roots = Arc::new(roots(Some(&path), &given).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
        let verifier = Vouched { chain, given, any_name };
        verifier.verify_server_cert(&certificate, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_is_its_own_root_is_believed_in_its_time_and_under_its_name() {
        assert_eq!(verifies(false, "db.test", 2030), Ok(()));
        assert_eq!(verifies(true, "other.test", 2030), Ok(()));
        assert!(verifies(false, "other.test", 2030).is_err(), "another name");
        for year in [2020, 2050] {
            assert!(verifies(false, "db.test", year).is_err(), "{year}");
            assert!(verifies(true, "db.test", year).is_err(), "{year}");
        }
    }
}

//! `sslmode` and `sslrootcert` as libpq means them, on rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
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
        (SslMode::Require | SslMode::VerifyCa, root) => {
            let roots = Arc::new(roots(root)?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| wrong("use the certificates for postgres").with_source(error))?;
            unverified(Arc::new(AnyName(chain)))
        }
        (SslMode::VerifyFull, root) => {
            builder.with_root_certificates(roots(root)?).with_no_client_auth()
        }
    };
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// The certificates of the file; the public ones where none is named.
fn roots(path: Option<&PathBuf>) -> Result<RootCertStore> {
    let Some(path) = path else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    read_roots(path)
}

fn read_roots(path: &Path) -> Result<RootCertStore> {
    let what = format!("read the root certificates {}", path.display());
    let mut store = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(&what).with_source(error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(&what).with_source(error))?;
        store.add(certificate).map_err(|error| wrong(&what).with_source(error))?;
    }
    if store.is_empty() {
        return Err(wrong(&format!("{what}: there are none in it")));
    }
    Ok(store)
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

/// Believes whom the roots vouch for, under any name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let verified =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

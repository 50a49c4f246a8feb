//! TLS to the source by rustls: which certificates are believed under which `sslmode` (the meanings are libpq's).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};

/// How a connection is secured: libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS when the server offers it, the certificate unchecked.
    Prefer,
    /// TLS always; the certificate is checked only against a given root.
    Require,
    /// TLS always, the certificate's chain checked, its host name not.
    VerifyCa,
    /// TLS always, chain and host name checked.
    VerifyFull,
}

impl SslMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// How a connection is secured.
#[derive(Debug, Clone)]
pub(super) struct TlsOptions {
    pub(super) mode: SslMode,
    /// The file of root certificates; those of the system without one.
    pub(super) roots: Option<PathBuf>,
    /// The certificate by which the user is known to the server, if it asks for one.
    pub(super) identity: Option<Identity>,
}

/// A client certificate and its key, PEM files both.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The TLS settings of a connection.
pub(super) fn client_config(options: &TlsOptions) -> Result<ClientConfig> {
    let TlsOptions { mode, roots, identity } = options;
    let (mode, roots) = (*mode, roots.as_deref());
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::Preflight { message: "TLS cannot be set up".into(), cause: Some(cause.into()) })?;
    let unchecked = matches!(mode, SslMode::Prefer) || (mode == SslMode::Require && roots.is_none());
    let chain = if unchecked { None } else { Some(verifier(roots, provider.clone())?) };
    let builder = match (mode, chain) {
        (SslMode::VerifyFull, Some(chain)) => builder.with_webpki_verifier(chain),
        (_, chain) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyHost { chain, provider })),
    };
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let (certificates, key) = identity.read()?;
    builder.with_client_auth_cert(certificates, key).map_err(|cause| Error::Preflight {
        message: format!("{} is not the key of {}", identity.key.display(), identity.certificate.display()),
        cause: Some(cause.into()),
    })
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let unreadable = |path: &Path, cause: &dyn std::fmt::Display| Error::Preflight {
            message: format!("the client certificate or key in {} cannot be read", path.display()),
            cause: Some(cause.to_string().into()),
        };
        let metadata = std::fs::metadata(&self.key).map_err(|cause| unreadable(&self.key, &cause))?;
        // libpq's rule: nobody else may read it, but for a group if the file is root's.
        let allowed = if metadata.uid() == 0 { 0o640 } else { 0o600 };
        if metadata.mode() & 0o777 & !allowed != 0 {
            return Err(Error::preflight(format!(
                "the key file {0} can be read by others; run: chmod 600 {0}",
                self.key.display()
            )));
        }
        let certificates = CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect);
        let certificates = certificates.map_err(|cause| unreadable(&self.certificate, &cause))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|cause| unreadable(&self.key, &cause))?;
        Ok((certificates, key))
    }
}

fn verifier(roots: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let mut store = RootCertStore::empty();
    if let Some(path) = roots {
        let unreadable = |cause: rustls::pki_types::pem::Error| Error::Preflight {
            message: format!("the root certificates in {} cannot be read", path.display()),
            cause: Some(cause.to_string().into()),
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            store.add_parsable_certificates([certificate.map_err(unreadable)?]);
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().map_err(|cause| Error::Preflight {
        message: "no root certificates were found; give the file with sslrootcert= or PGSSLROOTCERT \
                  (for Amazon RDS: global-bundle.pem)"
            .into(),
        cause: Some(cause.into()),
    })
}

/// Takes a certificate for any host: with its chain checked (`verify-ca`) or not at all (`require`, `prefer`).
#[derive(Debug)]
struct AnyHost {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

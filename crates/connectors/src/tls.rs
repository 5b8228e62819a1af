//! TLS for everything this process connects to.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The TLS client configuration, the same `Arc` at every call: connections made with it share
/// their session tickets, so that a reconnect resumes instead of shaking hands in full.
///
/// Trusts the operating system's roots, and Mozilla's (built in) when it has none, as in an image
/// without `ca-certificates`. The first call reads the certificate files; make it at start-up.
///
/// With `alpn_h2` HTTP/2 is offered before HTTP/1.1 (RFC 7301), without it HTTP/1.1 alone.
#[expect(
    clippy::expect_used,
    reason = "the provider is fixed, and its cipher suites cover the default versions"
)]
pub fn client_config(alpn_h2: bool) -> Arc<ClientConfig> {
    static H2_AND_HTTP1: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static HTTP1: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let (cell, alpn): (_, &[&[u8]]) = match alpn_h2 {
        true => (&H2_AND_HTTP1, &[b"h2", b"http/1.1"]),
        false => (&HTTP1, &[b"http/1.1"]),
    };
    Arc::clone(cell.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring's cipher suites cover TLS 1.2 and 1.3")
            .with_root_certificates(Arc::clone(roots()))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }))
}

/// TLS of an operator's own making.
#[derive(Clone, Copy, Default)]
pub struct OwnTls<'a> {
    /// PEM: certificates that are trusted instead of the system's.
    pub ca: Option<&'a str>,
    /// PEM: the chain that is shown, and its key.
    pub client: Option<(&'a str, &'a str)>,
    /// Any certificate is accepted.
    pub accepts_any: bool,
}

/// Why a configuration cannot be made. Nothing of a key is in it.
#[derive(Debug, thiserror::Error)]
pub enum OwnTlsError {
    #[error("`ca` is not a list of certificates in pem")]
    Ca,
    #[error("`client_certificate` is not a list of certificates in pem")]
    Certificate,
    #[error("`client_key` is not a private key in pem")]
    Key,
    #[error("the certificate and its key do not fit")]
    Mismatch,
}

/// A configuration of an operator's own, with these protocols offered (RFC 7301).
///
/// # Errors
/// What cannot be read or does not fit.
pub fn own_config(own: &OwnTls<'_>, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, OwnTlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| OwnTlsError::Mismatch)?;
    let builder = if own.accepts_any {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptsAny(provider)))
    } else {
        let trusted = match own.ca {
            None => Arc::clone(roots()),
            Some(pem) => {
                let mut store = RootCertStore::empty();
                for certificate in certificates(pem).ok_or(OwnTlsError::Ca)? {
                    store.add(certificate).map_err(|_| OwnTlsError::Ca)?;
                }
                Arc::new(store)
            }
        };
        builder.with_root_certificates(trusted)
    };
    let mut config = match own.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates(chain).ok_or(OwnTlsError::Certificate)?;
            let key =
                PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| OwnTlsError::Key)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| OwnTlsError::Mismatch)?
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// For upstreams whose operator says so: encrypted, but to whomever answers.
#[derive(Debug)]
struct AcceptsAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptsAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes ring the process-wide default for libraries that do not say which provider they want
/// (the Redis client). Call it first thing at start-up; again does no harm.
pub fn install_default_provider() {
    // `Err` says that there is a default already, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some system root certificates could not be read");
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            tracing::info!("no system root certificates; using the built-in ones");
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(store)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_configuration_for_each_alpn_set() {
        let h2 = client_config(true);
        let http1 = client_config(false);
        assert!(Arc::ptr_eq(&h2, &client_config(true)));
        assert!(Arc::ptr_eq(&http1, &client_config(false)));
        assert_eq!(h2.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert_eq!(http1.alpn_protocols, [b"http/1.1".to_vec()]);
        assert!(!roots().is_empty());
    }

    #[test]
    fn installing_twice_does_no_harm() {
        install_default_provider();
        install_default_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}

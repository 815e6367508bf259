//! TLS 1.3 with raw ed25519 public keys on both sides (RFC 7250, RFC 8446). TLS signs under its own context string, so a
//! session key used here signs nothing that the chain would take.

use std::sync::Arc;

use nupeer_primitives::VerificationKey;
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::AlwaysResolvesClientRawPublicKeys;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use tokio_rustls::rustls::server::AlwaysResolvesServerRawPublicKeys;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::keys::SessionKey;

/// `SubjectPublicKeyInfo` of ed25519 up to the key (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// `PrivateKeyInfo` of ed25519 up to the seed (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The handshake failed, or the network did.
    #[error("handshake: {0}")]
    Handshake(#[from] std::io::Error),
    /// Key material that TLS does not take.
    #[error("key: {0}")]
    Key(#[from] Error),
    /// The peer showed no key.
    #[error("peer showed no raw key")]
    NoPeerKey,
}

fn spki(key: &VerificationKey) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), &key.0].concat()
}

fn key_of(spki: &[u8]) -> Option<VerificationKey> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(VerificationKey)
}

fn certified(key: &SessionKey, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let der = [PKCS8_PREFIX.as_slice(), &*key.seed()].concat();
    let signing = provider.key_provider.load_private_key(PrivatePkcs8KeyDer::from(der).into())?;
    Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki(&key.public()))], signing)))
}

/// Takes exactly one server key, or any client key.
#[derive(Debug)]
struct Pinned {
    expected: Option<VerificationKey>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn check(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        let found = key_of(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match self.expected {
            Some(expected) if expected != found => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Some(_) | None => Ok(()),
        }
    }
    fn verify(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(cert.as_ref()),
            dss,
            &self.algorithms,
        )
    }
}

/// What both verifiers say alike: TLS 1.3, ed25519, raw keys.
macro_rules! signed_by_raw_key {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("only TLS 1.3 is spoken".to_owned()))
        }
        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.verify(message, cert, dss)
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }
    signed_by_raw_key!();
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }
    signed_by_raw_key!();
}

/// The host's side: only the edge with this key will do.
pub fn connector(key: &SessionKey, edge: VerificationKey) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let own = certified(key, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { expected: Some(edge), algorithms }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The edge's side: any key, which the routes then have to match.
pub fn acceptor(key: &SessionKey) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let own = certified(key, &provider)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Pinned { expected: None, algorithms }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Dials. The name in the handshake carries no meaning, the key does.
pub async fn connect(connector: &TlsConnector, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TlsError> {
    let name = ServerName::try_from("edge.invalid").map_err(|_| TlsError::NoPeerKey)?;
    Ok(connector.connect(name, tcp).await?.into())
}

/// Answers a dial and says whose it is.
pub async fn accept(
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
) -> Result<(TlsStream<TcpStream>, VerificationKey), TlsError> {
    let stream = acceptor.accept(tcp).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|certs| certs.first());
    let key = shown.and_then(|cert| key_of(cert)).ok_or(TlsError::NoPeerKey)?;
    Ok((stream.into(), key))
}

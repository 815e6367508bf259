//! What a guest may reach through `wasi:http/outgoing-handler` (spec/provider.md section 5).
//!
//! 1. The authority must be on the workload's list, unless egress is open; with none, nothing is.
//! 2. The name is resolved here, once. One private, loopback or otherwise local address refuses the whole name.
//! 3. The connection goes to the very address that was checked, so a second, different DNS answer changes nothing.
//! 4. TLS is checked against the name with the public roots.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use nupeer_plugin_protocol::spec::is_out_of_reach;
use nupeer_plugin_protocol::v1::{Egress, Spec};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto, pki_types::ServerName};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

const CONNECT_WITHIN_MAX: Duration = Duration::from_secs(10);
const FIRST_BYTE_WITHIN_MAX: Duration = Duration::from_secs(60);
/// Requests of one guest request that may be under way.
const REQUESTS_AT_ONCE_MAX: usize = 16;

/// Where a workload may send requests.
#[derive(Debug)]
pub struct Policy {
    egress: Egress,
    hosts: Vec<String>,
    tls: Arc<ClientConfig>,
}

/// A destination taken from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Destination {
    host: String,
    port: u16,
    tls: bool,
}

type Exchange = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl Policy {
    /// The policy of a spec.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(spec: &Spec) -> anyhow::Result<Arc<Self>> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(Self {
            egress: Egress::try_from(spec.egress).unwrap_or(Egress::None),
            hosts: spec.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            tls: Arc::new(tls),
        }))
    }

    fn allows(&self, to: &Destination) -> bool {
        match self.egress {
            Egress::None => false,
            Egress::Open => true,
            Egress::List => self.hosts.iter().any(|entry| {
                let (pattern, port) = match entry.rsplit_once(':') {
                    Some((pattern, port)) => (pattern, port.parse().ok()),
                    None => (entry.as_str(), None),
                };
                let named = match pattern.strip_prefix("*.") {
                    Some(suffix) => to.host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')),
                    None => to.host == pattern,
                };
                named && port.is_none_or(|port: u16| port == to.port)
            }),
        }
    }

    async fn send(
        self: Arc<Self>,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<Exchange, Error> {
        let to = destination(request.uri())?;
        if !self.allows(&to) {
            return Err(Error::HttpRequestDenied);
        }
        let options = options.unwrap_or_default();
        let within = options.connect_timeout.unwrap_or(CONNECT_WITHIN_MAX).min(CONNECT_WITHIN_MAX);
        let connecting = self.connect(&to);
        let stream = tokio::time::timeout(within, connecting).await.map_err(|_| Error::ConnectionTimeout)??;
        if !request.headers().contains_key(HOST) {
            let value = to.host.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
            request.headers_mut().insert(HOST, value);
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::Builder::new().max_buf_size(64 << 10).handshake(TokioIo::new(stream)).await?;
        let driver: AbortOnDropJoinHandle<()> = spawn(async move { drop(connection.await) });
        let within = options.first_byte_timeout.unwrap_or(FIRST_BYTE_WITHIN_MAX).min(FIRST_BYTE_WITHIN_MAX);
        let response = tokio::time::timeout(within, sender.send_request(request))
            .await
            .map_err(|_| Error::ConnectionReadTimeout)??;
        let response = response.map(|body| body.map_err(Error::from).boxed_unsync());
        let rest = async move {
            driver.await;
            Ok(())
        };
        Ok((response, Box::new(rest)))
    }

    async fn connect(&self, to: &Destination) -> Result<Box<dyn Duplex>, Error> {
        let addresses = resolve(to).await?;
        let mut last = Error::DestinationUnavailable;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) if to.tls => {
                    let name = ServerName::try_from(to.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
                    let connector = TlsConnector::from(Arc::clone(&self.tls));
                    return Ok(Box::new(connector.connect(name, stream).await.map_err(Error::Tls)?));
                }
                Ok(stream) => return Ok(Box::new(stream)),
                Err(error) => last = Error::Connect(error),
            }
        }
        Err(last)
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

fn destination(uri: &Uri) -> Result<Destination, Error> {
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') {
        return Err(Error::HttpRequestUriInvalid);
    }
    let tls = uri.scheme_str() == Some("https");
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if host.is_empty() {
        return Err(Error::HttpRequestUriInvalid);
    }
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok(Destination { host: host.to_ascii_lowercase(), port, tls })
}

async fn resolve(to: &Destination) -> Result<Vec<SocketAddr>, Error> {
    let addresses: Vec<SocketAddr> = match to.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, to.port)],
        Err(_) => {
            let found = tokio::net::lookup_host((to.host.as_str(), to.port)).await;
            found.map_err(|_| Error::DnsError { rcode: None, info_code: None })?.collect()
        }
    };
    if addresses.is_empty() {
        return Err(Error::DestinationNotFound);
    }
    if addresses.iter().any(|address| is_out_of_reach(address.ip())) {
        return Err(Error::DestinationIpProhibited);
    }
    Ok(addresses)
}

/// The hooks of one guest request.
#[derive(Debug)]
pub struct Outgoing {
    policy: Arc<Policy>,
    under_way: Arc<tokio::sync::Semaphore>,
}

impl Outgoing {
    /// For one guest request.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, under_way: Arc::new(tokio::sync::Semaphore::new(REQUESTS_AT_ONCE_MAX)) }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Exchange, Error>> + Send> {
        let (policy, under_way) = (Arc::clone(&self.policy), Arc::clone(&self.under_way));
        Box::new(async move {
            let permit = under_way.try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)?;
            let (response, rest) = policy.send(request, options).await?;
            let rest = async move {
                let result = Box::into_pin(rest).await;
                drop(permit);
                result
            };
            Ok((response, Box::new(rest) as Box<dyn Future<Output = Result<(), Error>> + Send>))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;
    use http_body_util::Empty;

    fn policy(egress: Egress, hosts: &[&str]) -> Arc<Policy> {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Policy::new(&Spec { egress: egress.into(), hosts, ..Spec::default() }).unwrap()
    }

    fn allowed(policy: &Policy, uri: &str) -> bool {
        policy.allows(&destination(&uri.parse().unwrap()).unwrap())
    }

    #[test]
    fn lists_name_hosts_suffixes_and_ports() {
        let list = policy(Egress::List, &["api.example.com", "*.cdn.example", "db.example:5000"]);
        for good in ["https://API.example.com/x", "http://a.b.cdn.example", "http://db.example:5000"] {
            assert!(allowed(&list, good), "{good}");
        }
        for bad in ["https://example.com", "http://cdn.example", "http://evilcdn.example", "http://db.example"] {
            assert!(!allowed(&list, bad), "{bad}");
        }
        assert!(!allowed(&policy(Egress::None, &["api.example.com"]), "https://api.example.com"));
        assert!(allowed(&policy(Egress::Open, &[]), "https://anything.example"));
        assert!(destination(&"http://user@host.example/".parse().unwrap()).is_err());
    }

    #[tokio::test]
    async fn local_addresses_are_refused_even_when_egress_is_open() {
        let open = policy(Egress::Open, &[]);
        for uri in [
            "http://127.0.0.1:1/",
            "http://localhost:1/",
            "http://169.254.169.254/latest",
            "http://[::1]:1/",
            "http://10.0.0.1/",
            "http://[::ffff:192.168.0.1]/",
        ] {
            let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
            let request = Request::get(uri).body(body).unwrap();
            let refused = Arc::clone(&open).send(request, None).await;
            assert!(matches!(refused.err(), Some(Error::DestinationIpProhibited)), "{uri}");
        }
    }
}

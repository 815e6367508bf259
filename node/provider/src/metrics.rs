//! Numbers for Prometheus, the names of spec/provider.md §8 as far as the things they count exist. Labels never carry
//! names, addresses or accounts of tenants; a lease appears by the first 8 digits of its id.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A label and its value.
pub type Label = (&'static str, String);

/// Scrapers at a time.
const CONNECTIONS_MAX: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    values: BTreeMap<Vec<Label>, f64>,
}

/// All numbers.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

impl Metrics {
    fn change(&self, name: &'static str, kind: Kind, labels: &[Label], change: impl FnOnce(&mut f64)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = all.entry(name).or_insert_with(|| Family { kind, values: BTreeMap::new() });
        change(family.values.entry(labels.to_vec()).or_insert(0.0));
    }

    /// Adds to a counter.
    pub fn add(&self, name: &'static str, labels: &[Label], by: f64) {
        self.change(name, Kind::Counter, labels, |value| *value += by);
    }

    /// Sets a counter that is kept elsewhere.
    pub fn set_total(&self, name: &'static str, labels: &[Label], to: f64) {
        self.change(name, Kind::Counter, labels, |value| *value = to);
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, labels: &[Label], to: f64) {
        self.change(name, Kind::Gauge, labels, |value| *value = to);
    }

    /// Drops all series of a gauge, before the ones that still exist are set.
    pub fn clear(&self, name: &'static str) {
        if let Some(family) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            family.values.clear();
        }
    }

    /// The text format.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (name, family) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# TYPE nupeer_provider_{name} {kind}");
            for (labels, value) in &family.values {
                let pairs: Vec<String> =
                    labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
                let braces = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
                let _ = writeln!(out, "nupeer_provider_{name}{braces} {value}");
            }
        }
        out
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Answers `/metrics` and `/healthz` for ever.
pub async fn serve(metrics: Metrics, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&slots).acquire_owned().await {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let (status, text) = match request.uri().path() {
                    "/metrics" => (StatusCode::OK, metrics.to_text()),
                    "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
                    _ => (StatusCode::NOT_FOUND, "try /metrics\n".to_owned()),
                };
                let mut response = Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = status;
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(tcp), service);
            let _ = connection.await;
            drop(permit);
        });
    }
}

/// Listens for scrapers.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_a_scraper_reads() {
        let metrics = Metrics::default();
        metrics.add("receipts_offered_total", &[], 1.0);
        metrics.add("receipts_offered_total", &[], 1.0);
        metrics.set("leases", &[("state", "a\"b".to_owned())], 3.0);
        let text = "# TYPE nupeer_provider_leases gauge\nnupeer_provider_leases{state=\"a\\\"b\"} 3\n\
                    # TYPE nupeer_provider_receipts_offered_total counter\nnupeer_provider_receipts_offered_total 2\n";
        assert_eq!(metrics.to_text(), text);
        metrics.clear("leases");
        assert!(!metrics.to_text().contains("leases{"));
    }
}

//! One request in one store: what the guest sees, and what it costs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Response;
use hyper::body::Incoming;
use nupeer_plugin_protocol::plugin::hold::Held;
use nupeer_plugin_protocol::v1::LogStream;
use tokio::sync::oneshot;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::clock::{CoarseMonotonic, CoarseWall};
use crate::egress::{Outgoing, Policy};
use crate::memory::{Budget, Share};
use crate::output::LogOutput;
use crate::quota::Quota;

/// Meter kind of fuel (spec/market.md section 4).
pub const METER_FUEL: u32 = 4;
/// Meter kind of requests.
pub const METER_REQUESTS: u32 = 2;
/// Headers of one message as the guest holds them; on the wire they are at most 32 KiB.
const FIELDS_BYTES_MAX: usize = 128 << 10;

/// What all requests of a workload have in common.
pub struct App {
    /// The holder.
    pub held: Arc<Held>,
    /// The linked component.
    pub component: ProxyPre<Guest>,
    /// Linear memory of all requests.
    pub budget: Arc<Budget>,
    /// Volume usage.
    pub quota: Quota,
    /// Outgoing requests.
    pub policy: Arc<Policy>,
    /// Fuel of one request.
    pub fuel: u64,
    /// Time of one request.
    pub within: Duration,
}

/// The data of one store.
pub struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outgoing: Outgoing,
    share: Share,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// What the guest answers, through the outparam.
pub type Answer = Result<Response<HyperOutgoingBody>, ErrorCode>;

impl App {
    /// Directories of the volumes, to be measured.
    #[must_use]
    pub fn volumes(&self) -> Vec<PathBuf> {
        self.held.spec.mounts.iter().map(|mount| self.held.dir.volume(&mount.volume)).collect()
    }

    fn guest(&self) -> anyhow::Result<Guest> {
        let (held, spec) = (&self.held, &self.held.spec);
        let mut wasi = WasiCtx::builder();
        wasi.args(&spec.argv)
            .wall_clock(CoarseWall)
            .monotonic_clock(CoarseMonotonic(Instant::now()))
            .stdout(LogOutput::new(Arc::clone(held), LogStream::Stdout))
            .stderr(LogOutput::new(Arc::clone(held), LogStream::Stderr))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        for (name, value) in &spec.env {
            wasi.env(name, value);
        }
        for mount in &spec.mounts {
            let read_only = mount.read_only || self.quota.is_full();
            let rights = if read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            wasi.preopened_dir(held.dir.volume(&mount.volume), &mount.path, rights)?;
        }
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        Ok(Guest {
            wasi: wasi.build(),
            http,
            table: ResourceTable::new(),
            outgoing: Outgoing::new(Arc::clone(&self.policy)),
            share: Share::of(Arc::clone(&self.budget)),
        })
    }

    /// Runs one request to its end, which may be long after the answer began. Fuel is counted whatever the end is.
    ///
    /// # Errors
    /// For the log: what went wrong, in words.
    pub async fn run(&self, request: hyper::Request<Incoming>, answer: oneshot::Sender<Answer>) -> Result<(), String> {
        let guest = self.guest().map_err(|e| format!("request could not be set up: {e:#}"))?;
        let mut store = Store::new(self.component.engine(), guest);
        store.limiter(|guest| &mut guest.share);
        store.set_fuel(self.fuel).map_err(|e| format!("fuel: {e:#}"))?;
        store.set_epoch_deadline(1);
        // A guest that only computes never comes back to the executor by itself: each epoch it yields, and after its
        // time it ends. One that waits is ended by the timeout below.
        let deadline = Instant::now() + self.within;
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline { Ok(UpdateDeadline::Interrupt) } else { Ok(UpdateDeadline::Yield(1)) }
        });
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(self.within, self.call(&mut store, request, answer)) => outcome,
            () = self.overrun() => Ok(Err("volumes are full".to_owned())),
        };
        let left = store.get_fuel().unwrap_or(0);
        self.held.count(METER_FUEL, self.fuel.saturating_sub(left));
        self.quota.touched();
        match outcome {
            Ok(result) => result,
            Err(_) => Err(format!("request took longer than {} ms", self.within.as_millis())),
        }
    }

    async fn call(
        &self,
        store: &mut Store<Guest>,
        request: hyper::Request<Incoming>,
        answer: oneshot::Sender<Answer>,
    ) -> Result<(), String> {
        let words = |error: wasmtime::Error, refused: bool| match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => format!("request burned its {} fuel", self.fuel),
            Some(Trap::Interrupt) => format!("request computed for more than {} ms", self.within.as_millis()),
            Some(_) | None if refused => format!("request wanted more memory than is left: {error:#}"),
            Some(_) | None => format!("{error:#}"),
        };
        let result = async {
            let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
            let out = store.data_mut().http().new_response_outparam(answer)?;
            let proxy = self.component.instantiate_async(&mut *store).await?;
            proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await
        }
        .await;
        result.map_err(|error| words(error, store.data().share.refused))
    }

    async fn overrun(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Volumes are measured when touched; a request that writes for long touches them all the time.
            self.quota.touched();
            if self.quota.is_overrun() && !self.held.spec.mounts.is_empty() {
                return;
            }
        }
    }
}

//! The RPP/1 service of a plugin: each method bounds and checks its request, then hands over to the lifecycle, the
//! observer or a stream. Optional methods answer UNIMPLEMENTED, and their capability bits are 0.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::events::EventLog;
use super::lifecycle::Lifecycle;
use super::observe::{LOST_CODE, Observed, observe};
use super::serve::Leave;
use super::workload::StateDir;
use super::{Runtime, streams};
use crate::descriptor::Descriptor;
use crate::handshake::{Cookie, Direction};
use crate::limits::{EXEC_STREAMS_MAX, LOG_STREAMS_MAX, RPP_VERSION, WORKLOADS_MAX};
use crate::proto::hold::v1::Settings;
use crate::reason::{Reason, Refusal};
use crate::spec::WorkloadId;
use crate::v1::plugin_server::Plugin;
use crate::v1::{self, Health, RecoverState, Wipe, WorkloadState};

/// How many messages a stream may be ahead of its reader.
const STREAM_DEPTH: usize = 16;

/// The service.
pub struct Rpc<R> {
    runtime: Arc<R>,
    descriptor: Descriptor,
    cookie: Cookie,
    greeted: AtomicBool,
    configured: RwLock<Option<Arc<Lifecycle<R>>>>,
    leave: Leave,
}

type Stream<T> = ReceiverStream<Result<T, Status>>;

impl<R: Runtime> Rpc<R> {
    pub(super) fn new(runtime: Arc<R>, cookie: Cookie, leave: Leave) -> Self {
        let descriptor = runtime.descriptor();
        Self { runtime, descriptor, cookie, greeted: AtomicBool::new(false), configured: RwLock::new(None), leave }
    }

    fn greeted(&self) -> Result<(), Status> {
        if self.greeted.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Status::unauthenticated("say Hello first"))
    }

    fn lifecycle(&self) -> Result<Arc<Lifecycle<R>>, Status> {
        self.greeted()?;
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        configured.clone().ok_or_else(|| Refusal::new(Reason::NotPrepared, "Configure comes first").into())
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, Status> {
        self.greeted()?;
        let text = format!("{} does not do {what}; its capability bit is 0", self.descriptor.name);
        Err(Refusal::new(Reason::Unsupported, text).into())
    }
}

fn id_of(text: &str) -> Result<WorkloadId, Status> {
    WorkloadId::parse(text).map_err(Status::from)
}

fn absent(id: &WorkloadId) -> Status {
    Refusal::new(Reason::NotFound, format!("no workload {id}")).into()
}

#[tonic::async_trait]
impl<R: Runtime> Plugin for Rpc<R> {
    async fn hello(&self, request: Request<v1::HelloRequest>) -> Result<Response<v1::HelloResponse>, Status> {
        let v1::HelloRequest { host_version: _, versions, mac } = request.into_inner();
        let hash = self.descriptor.hash();
        if let Err(error) = self.cookie.verify(Direction::Hello, &hash, &mac) {
            // Whoever fails this is not the process that spawned us.
            self.leave.now();
            return Err(Status::unauthenticated(error.to_string()));
        }
        if !versions.contains(&RPP_VERSION) {
            return Err(Refusal::new(Reason::Unsupported, format!("this plugin speaks RPP {RPP_VERSION}")).into());
        }
        self.greeted.store(true, Ordering::Release);
        Ok(Response::new(v1::HelloResponse {
            name: self.descriptor.name.clone(),
            plugin_version: self.descriptor.version.clone(),
            chosen: RPP_VERSION,
            caps: self.descriptor.caps,
            meters: self.descriptor.meters.clone(),
            limits: Some(v1::PluginLimits {
                workloads: WORKLOADS_MAX,
                exec: EXEC_STREAMS_MAX,
                streams: LOG_STREAMS_MAX,
            }),
            mac: self.cookie.mac(Direction::Ack, &hash).to_vec(),
        }))
    }

    async fn configure(
        &self,
        request: Request<v1::ConfigureRequest>,
    ) -> Result<Response<v1::ConfigureResponse>, Status> {
        self.greeted()?;
        let v1::ConfigureRequest { json, state_dir, cache_dir, cgroup, device_ids } = request.into_inner();
        self.runtime.check_config(&json)?;
        if !device_ids.is_empty() {
            return Err(Refusal::new(Reason::Unsupported, "this plugin takes no devices").into());
        }
        if !state_dir.starts_with('/') || !cache_dir.starts_with('/') {
            return Err(Refusal::new(Reason::SpecInvalid, "state_dir and cache_dir must be absolute paths").into());
        }
        if cgroup.split('/').any(|part| part == "..") {
            return Err(Refusal::new(Reason::SpecInvalid, format!("cgroup {cgroup:?} leaves its hierarchy")).into());
        }
        let open = |path: &str| super::workload::make_private_directory(Path::new(path));
        open(&cache_dir).map_err(|e| Refusal::internal("cache_dir", e))?;
        let state = StateDir::open(Path::new(&state_dir)).map_err(|e| Refusal::internal("state_dir", e))?;
        state.clear_gone().map_err(|e| Refusal::internal("state_dir", e))?;
        let settings =
            Settings { config_json: json, state_dir: state.path().to_string_lossy().into_owned(), cache_dir, cgroup };
        let lifecycle = Arc::new(Lifecycle { runtime: Arc::clone(&self.runtime), state, settings });
        let mut configured = self.configured.write().unwrap_or_else(PoisonError::into_inner);
        *configured = Some(Arc::clone(&lifecycle));
        drop(configured);
        streams::supervise(&lifecycle);
        Ok(Response::new(v1::ConfigureResponse {}))
    }

    type InventoryStream = Stream<v1::InventorySnapshot>;
    async fn inventory(&self, _: Request<v1::InventoryRequest>) -> Result<Response<Self::InventoryStream>, Status> {
        let lifecycle = self.lifecycle()?;
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        drop(tokio::spawn(streams::inventory(lifecycle.state.clone(), sender)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let spec = request
            .into_inner()
            .spec
            .ok_or_else(|| Refusal::new(Reason::SpecInvalid, "the request carries no spec"))?;
        let faults = lifecycle.check(&spec).err().unwrap_or_default();
        let limits = spec.limits.unwrap_or_default();
        Ok(Response::new(v1::CheckResponse {
            ok: faults.is_empty(),
            reasons: faults.iter().map(ToString::to_string).collect(),
            digest: spec.artifact.map(|artifact| artifact.digest).unwrap_or_default(),
            disk_bytes: limits.scratch_bytes,
            ram_bytes: limits.ram_bytes,
        }))
    }

    type PrepareStream = Stream<v1::PrepareProgress>;
    async fn prepare(&self, request: Request<v1::PrepareRequest>) -> Result<Response<Self::PrepareStream>, Status> {
        let lifecycle = self.lifecycle()?;
        let v1::PrepareRequest { id, spec } = request.into_inner();
        let spec = spec.ok_or_else(|| Refusal::new(Reason::SpecInvalid, "the request carries no spec"))?;
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        // Goes on when the daemon hangs up: half a preparation helps nobody.
        drop(tokio::spawn(async move {
            if let Err(refusal) = lifecycle.prepare(&id, &spec, &sender).await {
                let _ = sender.send(Err(refusal.into())).await;
            }
        }));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn start(&self, request: Request<v1::StartRequest>) -> Result<Response<v1::StartResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let v1::StartRequest { id, lease_epoch } = request.into_inner();
        let id = id_of(&id)?;
        let handle = whole(async move { lifecycle.start(&id, lease_epoch).await }).await?;
        Ok(Response::new(v1::StartResponse { handle: Some(handle) }))
    }

    async fn update(&self, _: Request<v1::UpdateRequest>) -> Result<Response<v1::UpdateResponse>, Status> {
        self.unsupported("update in place")
    }

    async fn scale(&self, _: Request<v1::ScaleRequest>) -> Result<Response<v1::UpdateResponse>, Status> {
        self.unsupported("scaling in place")
    }

    async fn pause(&self, _: Request<v1::PauseRequest>) -> Result<Response<v1::PauseResponse>, Status> {
        self.unsupported("pause")
    }

    async fn resume(&self, _: Request<v1::ResumeRequest>) -> Result<Response<v1::ResumeResponse>, Status> {
        self.unsupported("resume")
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let v1::StopRequest { id, signal, grace_ms, lease_epoch } = request.into_inner();
        if signal > 64 {
            return Err(Refusal::new(Reason::SpecInvalid, format!("there is no signal {signal}")).into());
        }
        let id = id_of(&id)?;
        let response = whole(async move { lifecycle.stop(&id, signal, grace_ms, lease_epoch).await }).await?;
        Ok(Response::new(response))
    }

    async fn destroy(&self, request: Request<v1::DestroyRequest>) -> Result<Response<v1::DestroyResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let v1::DestroyRequest { id, wipe, lease_epoch } = request.into_inner();
        let wipe = Wipe::try_from(wipe)
            .map_err(|_| Refusal::new(Reason::SpecInvalid, format!("wipe method {wipe} is unknown")))?;
        let id = id_of(&id)?;
        let report = whole(async move { lifecycle.destroy(&id, wipe, lease_epoch).await }).await?;
        Ok(Response::new(report))
    }

    async fn recover(&self, request: Request<v1::RecoverRequest>) -> Result<Response<v1::RecoverResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let handle = request
            .into_inner()
            .handle
            .ok_or_else(|| Refusal::new(Reason::SpecInvalid, "the request carries no handle"))?;
        let dir = lifecycle.state.workload(&id_of(&handle.id)?);
        let (state, exit_code, generation, endpoint) = match observe(&dir).await {
            Observed::Running(up) => {
                let generation = up.0.sample.map_or(0, |sample| sample.generation);
                (RecoverState::Running, 0, generation, up.1.endpoint)
            }
            Observed::Exited(exit) => (RecoverState::Exited, exit.code, exit.generation, String::new()),
            Observed::Lost { generation } => (RecoverState::Exited, LOST_CODE, generation, String::new()),
            Observed::LostInReboot { generation } => (RecoverState::NotFound, 0, generation, String::new()),
            Observed::Absent | Observed::Prepared => (RecoverState::NotFound, 0, 0, String::new()),
            Observed::Starting | Observed::Unknown(_) => (RecoverState::Unknown, 0, 0, String::new()),
        };
        Ok(Response::new(v1::RecoverResponse { state: state.into(), exit_code, generation, endpoint }))
    }

    async fn list(&self, _: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let workloads = lifecycle.state.workloads().map_err(|e| Refusal::internal("listing", e))?;
        let ids = workloads.into_iter().map(|(id, _)| id.as_str().to_owned()).collect();
        Ok(Response::new(v1::ListResponse { ids }))
    }

    async fn inspect(&self, request: Request<v1::InspectRequest>) -> Result<Response<v1::InspectResponse>, Status> {
        let lifecycle = self.lifecycle()?;
        let id = id_of(&request.into_inner().id)?;
        let dir = lifecycle.state.workload(&id);
        let handle = dir.handle().ok().flatten();
        let (state, pids, health) = match observe(&dir).await {
            Observed::Absent => return Err(absent(&id)),
            Observed::Prepared => (WorkloadState::Prepared, Vec::new(), 0),
            Observed::Running(up) => (WorkloadState::Running, up.0.pids, up.0.health),
            Observed::Exited(_) | Observed::Lost { .. } | Observed::LostInReboot { .. } => {
                (WorkloadState::Exited, Vec::new(), 0)
            }
            Observed::Starting | Observed::Unknown(_) => (WorkloadState::Unknown, Vec::new(), 0),
        };
        let health = Health::try_from(health).unwrap_or(Health::Unknown);
        Ok(Response::new(v1::InspectResponse { state: state.into(), pids, health: health.into(), handle }))
    }

    type MeterStream = Stream<v1::Sample>;
    async fn meter(&self, request: Request<v1::MeterRequest>) -> Result<Response<Self::MeterStream>, Status> {
        let lifecycle = self.lifecycle()?;
        let v1::MeterRequest { id, every_ms } = request.into_inner();
        let id = id_of(&id)?;
        let dir = lifecycle.state.workload(&id);
        if !dir.exists() {
            return Err(absent(&id));
        }
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        drop(tokio::spawn(streams::meter(dir, every_ms, sender)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type EventsStream = Stream<v1::Event>;
    async fn events(&self, request: Request<v1::EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        let lifecycle = self.lifecycle()?;
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        let log = EventLog::of(&lifecycle.state);
        drop(tokio::spawn(streams::events(log, request.into_inner().after_seq, sender)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type LogsStream = Stream<v1::LogChunk>;
    async fn logs(&self, request: Request<v1::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let lifecycle = self.lifecycle()?;
        let request = request.into_inner();
        let id = id_of(&request.id)?;
        let dir = lifecycle.state.workload(&id);
        if !dir.exists() {
            return Err(absent(&id));
        }
        let (sender, receiver) = mpsc::channel(STREAM_DEPTH);
        drop(tokio::spawn(streams::logs(dir, request, sender)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type ExecStream = Stream<v1::ExecOutput>;
    async fn exec(&self, _: Request<Streaming<v1::ExecInput>>) -> Result<Response<Self::ExecStream>, Status> {
        self.unsupported("exec")
    }

    type SnapshotStream = Stream<v1::SnapshotProgress>;
    async fn snapshot(&self, _: Request<v1::SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        self.unsupported("snapshot")
    }

    type RestoreStream = Stream<v1::SnapshotProgress>;
    async fn restore(&self, _: Request<v1::SnapshotRequest>) -> Result<Response<Self::RestoreStream>, Status> {
        self.unsupported("restore")
    }

    async fn attest(&self, _: Request<v1::AttestRequest>) -> Result<Response<v1::AttestResponse>, Status> {
        self.unsupported("attest")
    }

    async fn shutdown(&self, request: Request<v1::ShutdownRequest>) -> Result<Response<v1::ShutdownResponse>, Status> {
        self.greeted()?;
        self.leave.after(std::time::Duration::from_millis(u64::from(request.into_inner().drain_ms.min(60_000))));
        Ok(Response::new(v1::ShutdownResponse {}))
    }
}

/// Runs a change to its end even when the caller hangs up: a request dropped half way would leave its work half done.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::spawn(work).await.map_err(|e| Refusal::internal("call", e))?;
    done.map_err(Status::from)
}

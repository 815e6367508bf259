//! Typed calls to one plugin. Unary calls end after 30 s; Prepare, Stop and Destroy may take what their nature takes.

use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use nupeer_plugin_protocol::limits::{MESSAGE_BYTES_MAX, UNARY_TIMEOUT};
use nupeer_plugin_protocol::uds::ShortPath;
use nupeer_plugin_protocol::v1::plugin_client::PluginClient;
use nupeer_plugin_protocol::v1::{self, Handle, Spec, Wipe};
use nupeer_plugin_protocol::{Capability, Descriptor, Refusal};
use tokio::net::UnixStream;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Response, Status, Streaming};

/// Wiping a large volume with zeros takes its time.
const DESTROY_WITHIN: Duration = Duration::from_secs(3_600);

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The plugin's own answer.
    #[error("plugin refuses {0}")]
    Refused(Refusal),
    /// No answer in time; what was asked may still happen.
    #[error("plugin did not answer {method} within {ms} ms")]
    TimedOut {
        /// The call.
        method: &'static str,
        /// How long it had.
        ms: u64,
    },
    /// The process or its socket is gone.
    #[error("plugin is unreachable: {text}")]
    Unreachable {
        /// The transport's words.
        text: String,
    },
}

impl CallError {
    /// Whether the same call may succeed later; calls are idempotent, so trying is safe.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.reason.is_retryable(),
            Self::TimedOut { .. } | Self::Unreachable { .. } => true,
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        match Refusal::from_status(&status) {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Unreachable { text: format!("{}: {}", status.code(), status.message()) },
        }
    }
}

/// A greeted and configured plugin. Cheap to clone; the process is held by its [`super::Leash`].
#[derive(Debug, Clone)]
pub struct Plugin {
    pub(super) client: PluginClient<Channel>,
    pub(super) descriptor: Descriptor,
    pub(super) limits: v1::PluginLimits,
}

/// Dials a Unix socket, and refuses one that another user listens on.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    pub(super) socket: PathBuf,
    pub(super) uid: u32,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { socket, uid } = self.clone();
        Box::pin(async move {
            let stream = UnixStream::connect(ShortPath::new(&socket)?).await?;
            let found = stream.peer_cred()?.uid();
            if found != uid {
                let text = format!("user {found} listens on {}, not {uid}", socket.display());
                return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text));
            }
            Ok(TokioIo::new(stream))
        })
    }
}

/// Connects to a plugin's socket without any handshake, as the conformance kit must.
///
/// # Errors
/// [`CallError::Unreachable`].
pub async fn dial(socket: &Path) -> Result<PluginClient<Channel>, CallError> {
    connect(Dial { socket: socket.to_owned(), uid: nix::unistd::geteuid().as_raw() }).await
}

pub(super) async fn connect(dial: Dial) -> Result<PluginClient<Channel>, CallError> {
    // The name is never resolved; gRPC wants one.
    let channel = Endpoint::from_static("http://plugin.invalid").connect_with_connector(dial).await;
    let channel = channel.map_err(|e| CallError::Unreachable { text: describe(&e) })?;
    Ok(PluginClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX))
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

pub(super) async fn within<T>(
    method: &'static str,
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(CallError::TimedOut { method, ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }),
    }
}

impl Plugin {
    /// What the plugin is.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What it can take.
    #[must_use]
    pub const fn limits(&self) -> v1::PluginLimits {
        self.limits
    }

    /// Whether an optional method is there; without the bit the plugin answers UNIMPLEMENTED.
    #[must_use]
    pub const fn has(&self, capability: Capability) -> bool {
        self.descriptor.has(capability)
    }

    /// The machine as the plugin sees it, now and whenever it changes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn inventory(&self) -> Result<Streaming<v1::InventorySnapshot>, CallError> {
        within("Inventory", UNARY_TIMEOUT, self.client.clone().inventory(v1::InventoryRequest {})).await
    }

    /// Whether a spec could run here; no side effects.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check(&self, spec: Spec) -> Result<v1::CheckResponse, CallError> {
        within("Check", UNARY_TIMEOUT, self.client.clone().check(v1::CheckRequest { spec: Some(spec) })).await
    }

    /// Prepares a workload and returns its digest; `limit` is the host's provision time.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn prepare(&self, spec: Spec, limit: Duration) -> Result<Vec<u8>, CallError> {
        let request = v1::PrepareRequest { id: spec.id.clone(), spec: Some(spec) };
        let preparing = async {
            let mut stages = self.client.clone().prepare(request).await?.into_inner();
            let mut last = None;
            while let Some(stage) = stages.message().await? {
                last = Some(stage);
            }
            match last {
                Some(stage) if stage.stage == i32::from(v1::PrepareStage::Ready) => Ok(Response::new(stage.digest)),
                Some(_) | None => Err(Status::unavailable("the plugin went before it was ready")),
            }
        };
        within("Prepare", limit, preparing).await
    }

    /// Starts a prepared workload, or finds it running.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn start(&self, id: &str, lease_epoch: u64) -> Result<Handle, CallError> {
        let request = v1::StartRequest { id: id.to_owned(), lease_epoch: Some(lease_epoch) };
        let response = within("Start", UNARY_TIMEOUT, self.client.clone().start(request)).await?;
        response.handle.ok_or_else(|| CallError::Unreachable { text: "Start gave no handle".to_owned() })
    }

    /// Ends a workload; its volumes stay.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn stop(
        &self,
        id: &str,
        lease_epoch: u64,
        signal: u32,
        grace: Duration,
    ) -> Result<v1::StopResponse, CallError> {
        let grace_ms = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
        let request = v1::StopRequest { id: id.to_owned(), signal, grace_ms, lease_epoch: Some(lease_epoch) };
        within("Stop", UNARY_TIMEOUT.saturating_add(grace), self.client.clone().stop(request)).await
    }

    /// Ends a workload and releases its bytes. The caller holds the proofs that this needs.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn destroy(&self, id: &str, lease_epoch: u64, wipe: Wipe) -> Result<v1::DestroyResponse, CallError> {
        let request = v1::DestroyRequest { id: id.to_owned(), wipe: wipe.into(), lease_epoch: Some(lease_epoch) };
        within("Destroy", DESTROY_WITHIN, self.client.clone().destroy(request)).await
    }

    /// What became of a workload.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn recover(&self, handle: Handle) -> Result<v1::RecoverResponse, CallError> {
        let request = v1::RecoverRequest { handle: Some(handle) };
        within("Recover", UNARY_TIMEOUT, self.client.clone().recover(request)).await
    }

    /// Ids of everything prepared.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self) -> Result<Vec<String>, CallError> {
        Ok(within("List", UNARY_TIMEOUT, self.client.clone().list(v1::ListRequest {})).await?.ids)
    }

    /// State, processes, health and handle of a workload.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn inspect(&self, id: &str) -> Result<v1::InspectResponse, CallError> {
        let request = v1::InspectRequest { id: id.to_owned() };
        within("Inspect", UNARY_TIMEOUT, self.client.clone().inspect(request)).await
    }

    /// Samples until the workload ends; the last is final.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn meter(&self, id: &str, every: Duration) -> Result<Streaming<v1::Sample>, CallError> {
        let every_ms = u32::try_from(every.as_millis()).unwrap_or(u32::MAX);
        let request = v1::MeterRequest { id: id.to_owned(), every_ms };
        within("Meter", UNARY_TIMEOUT, self.client.clone().meter(request)).await
    }

    /// Events after a number, then those that come.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn events(&self, after_seq: u64) -> Result<Streaming<v1::Event>, CallError> {
        within("Events", UNARY_TIMEOUT, self.client.clone().events(v1::EventsRequest { after_seq })).await
    }

    /// Output of a workload.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn logs(&self, request: v1::LogsRequest) -> Result<Streaming<v1::LogChunk>, CallError> {
        within("Logs", UNARY_TIMEOUT, self.client.clone().logs(request)).await
    }

    /// Ends the plugin process; holders and workloads stay.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn shutdown(&self, drain: Duration) -> Result<(), CallError> {
        let drain_ms = u32::try_from(drain.as_millis()).unwrap_or(u32::MAX);
        let request = v1::ShutdownRequest { drain_ms };
        within("Shutdown", UNARY_TIMEOUT, self.client.clone().shutdown(request)).await.map(drop)
    }

    /// The generated client, for calls that the daemon does not make itself.
    #[must_use]
    pub fn raw(&self) -> PluginClient<Channel> {
        self.client.clone()
    }
}

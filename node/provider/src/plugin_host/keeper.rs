//! Keeps one plugin up. A plugin's end is an event and a pause of 1 s, doubling to 60 s; one that stayed up for a
//! minute is trusted again with 1 s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use super::{Ended, Plugin, PluginPlace, launch};

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
const TRUSTED_AFTER: Duration = Duration::from_secs(60);
/// Events that nobody took yet; older ones are kept, newer ones dropped, since events only hasten.
const EVENTS_MAX: usize = 64;

/// What happened to a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// Greeted and configured.
    Up {
        /// Its process.
        pid: u32,
    },
    /// Gone; the next one starts after the pause.
    Down {
        /// How.
        ended: Ended,
        /// Until the next try.
        pause: Duration,
    },
    /// Could not be brought up.
    Failed {
        /// Why, for a person.
        why: String,
        /// Whether the handshake was at fault.
        plugin_fault: bool,
        /// Until the next try.
        pause: Duration,
    },
}

/// A plugin that is started again whenever it ends. Dropping it ends the plugin, not the workloads.
#[derive(Debug)]
pub struct PluginHost {
    current: watch::Receiver<Option<Plugin>>,
    events: Mutex<mpsc::Receiver<HostEvent>>,
    retire: watch::Sender<bool>,
    keeper: Option<JoinHandle<()>>,
}

impl PluginHost {
    /// Starts keeping a plugin.
    #[must_use]
    pub fn keep(place: PluginPlace) -> Self {
        let (current_sender, current) = watch::channel(None);
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        let (retire, retired) = watch::channel(false);
        let keeper = tokio::spawn(keep(place, Arc::new(current_sender), events_sender, retired));
        Self { current, events: Mutex::new(events), retire, keeper: Some(keeper) }
    }

    /// The plugin, if it is up now.
    #[must_use]
    pub fn plugin(&self) -> Option<Plugin> {
        self.current.borrow().clone()
    }

    /// The plugin, waiting for one to come up.
    pub async fn wait(&self, limit: Duration) -> Option<Plugin> {
        let mut current = self.current.clone();
        let up = tokio::time::timeout(limit, current.wait_for(Option::is_some)).await;
        up.ok()?.ok()?.clone()
    }

    /// The next event; `None` after [`Self::retire`].
    pub async fn next_event(&self) -> Option<HostEvent> {
        self.events.lock().await.recv().await
    }

    /// Asks the plugin to leave and stops keeping it.
    pub async fn retire(mut self) {
        self.retire.send_replace(true);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.await;
        }
    }
}

impl Drop for PluginHost {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

async fn keep(
    place: PluginPlace,
    current: Arc<watch::Sender<Option<Plugin>>>,
    events: mpsc::Sender<HostEvent>,
    mut retired: watch::Receiver<bool>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let event = match launch(&place).await {
            Ok((plugin, leash)) => {
                let up_since = Instant::now();
                let _ = events.try_send(HostEvent::Up { pid: leash.pid() });
                current.send_replace(Some(plugin.clone()));
                let ended = tokio::select! {
                    ended = leash.ended() => ended,
                    () = ordered(&mut retired) => {
                        leash.retire(&plugin).await;
                        return;
                    }
                };
                current.send_replace(None);
                if up_since.elapsed() >= TRUSTED_AFTER {
                    pause = PAUSE_MIN;
                }
                HostEvent::Down { ended, pause }
            }
            Err(error) => HostEvent::Failed { why: error.to_string(), plugin_fault: error.is_plugin_fault(), pause },
        };
        let _ = events.try_send(event);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ordered(&mut retired) => return,
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// Resolves when retirement was asked for, or the host is gone.
async fn ordered(retired: &mut watch::Receiver<bool>) {
    let _ = retired.wait_for(|retired| *retired).await;
}
